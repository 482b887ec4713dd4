"""Package models: a bill of materials that one vendor answers for and sells as one thing."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from catalog.core.offer_terms import Offer
from catalog.core.origin import OriginClaim, ShareInterval, ShareLine, domestic_share
from catalog.core.product import Category, ListingState, Maker, Party, Verification, Visibility

PackageType = Literal["individual_build", "cloud", "clean_energy"]
PACKAGE_TYPES: tuple[PackageType, ...] = ("individual_build", "cloud", "clean_energy")

Industry = Literal[
    "machining",
    "press",
    "injection_molding",
    "casting",
    "welding",
    "painting",
    "electronics",
    "food",
    "pharma",
    "textile",
    "automotive_parts",
    "logistics",
    "chemical",
    "metal",
    "battery",
]
INDUSTRIES: tuple[str, ...] = Industry.__args__  # type: ignore[attr-defined] # a Literal's values

LEVEL_MAX = 5
NO_PRICES: Mapping[str, int] = MappingProxyType({})
LEVEL_LABELS: dict[int, tuple[str, str]] = {
    0: ("미도입", "none"),
    1: ("기초", "basic"),
    2: ("기초", "basic"),
    3: ("중간1", "intermediate 1"),
    4: ("중간2", "intermediate 2"),
    5: ("고도화", "advanced"),
}
"""Smart-factory levels 1-5 in use since 2019, with the four older words (Korean, English) for them."""


class BomProduct(Struct, frozen=True, kw_only=True):
    """A component as a bill of materials shows it.

    `reference_price_krw` is the lowest open public list price for the product alone, else the operator's
    own figure for it; None if neither is known. It weighs shares; nobody need sell at it.
    """

    code: str
    name_ko: str
    name_en: str
    model: str
    category: Category
    subcategory: str
    maker: Maker
    verification: Verification
    reference_price_krw: int | None = None
    origin: OriginClaim | None = None


class BomLine(Struct, frozen=True, kw_only=True):
    """One component and how many of it; `product` None = the lister does not show it to this viewer."""

    line_no: int
    slot: Category
    quantity: int
    product: BomProduct | None


class PackageVersion(Struct, frozen=True, kw_only=True):
    """One frozen content of a package model. Text lists are short lines, level 0 = nothing yet."""

    id: int
    version: int
    is_current: bool
    level_from: int
    level_to: int
    industries: tuple[str, ...]
    summary_ko: str
    summary_en: str
    included_ko: tuple[str, ...]
    included_en: tuple[str, ...]
    excluded_ko: tuple[str, ...]
    excluded_en: tuple[str, ...]
    lead_time_days: int
    warranty_months: int
    spare_parts_years: int
    created_at: datetime
    lines: tuple[BomLine, ...]


class PackageModel(Struct, frozen=True, kw_only=True):
    """A package page: the responsible vendor, the current version and what it costs."""

    id: int
    code: str
    vendor: Party
    package_type: PackageType
    name_ko: str
    name_en: str
    state: ListingState
    visibility: Visibility
    version: PackageVersion
    offers: tuple[Offer, ...] = ()


def package_share(
    lines: Sequence[BomLine], *, today: date, reference_prices: Mapping[str, int] = NO_PRICES
) -> ShareInterval | None:
    """Domestic share of a bill of materials; None where a component is hidden or its value unknown.

    A component counts at its reference price, else at the one in `reference_prices` (product code → won).
    """
    shares = []
    for line in lines:
        if line.product is None:
            return None
        price_krw = line.product.reference_price_krw or reference_prices.get(line.product.code)
        shares.append(ShareLine(line.slot == "service", line.quantity, price_krw, line.product.origin))
    return domestic_share(shares, today=today)
