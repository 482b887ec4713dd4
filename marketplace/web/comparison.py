"""The parts of a comparison: columns, rows and cells, what differs, and which value is best. Pure.

Best is marked only among things that do the same work, and by the tie rule of `catalog.core.comparison`.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from catalog.core.comparison import Better, Work, best_of
from catalog.core.domestic_swap import SwapLine
from catalog.core.offer_terms import Offer
from catalog.core.origin import ShareInterval, ShareLine, ShownStanding, domestic_share
from catalog.core.ownership_cost import OwnershipCost
from catalog.core.package_model import PackageModel
from catalog.core.product import Product
from catalog.package_details import PackageFacts
from marketplace.web.cards import ItemKind

RowKind = Literal[
    "text",
    "krw",
    "share",
    "days",
    "months",
    "years",
    "level",
    "list",
    "category",
    "country",
    "verification",
    "package_type",
    "industries",
    "spec",
    "round",
    "cost",
    "swap",
    "percent",
    "standing",
    "coverage",
]


class Words(msgspec.Struct, frozen=True):
    """A text in both languages."""

    ko: str
    en: str


class Lines(msgspec.Struct, frozen=True):
    """Short lines in both languages."""

    ko: tuple[str, ...]
    en: tuple[str, ...]


class RoundPrice(msgspec.Struct, frozen=True):
    """What an open round goes for next."""

    code: str
    quantity_min: int
    price_krw: int


class TotalCost(msgspec.Struct, frozen=True):
    """The cost over the horizon; where it is not complete, the known part of it is a lower bound."""

    krw: int
    is_complete: bool


class Coverage(msgspec.Struct, frozen=True):
    """Makers in a thing with at least one A/S center, of all its makers, and the centers in all."""

    makers_covered: int
    makers: int
    centers: int


class SwapSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Foreign components of a package, how many have a domestic product, how many one that meets every property.

    `share_gained` = verified and claimed points if each were replaced by its nearest; None = unknown.
    """

    foreign: int
    replaceable: int
    fully: int
    claimed_gained_bp: int | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One column before it is laid out: a package or a product with all that its rows are read from."""

    package: PackageModel | None = None
    product: Product | None = None
    offer: Offer | None = None
    share: ShareInterval | None = None
    open_round: RoundPrice | None = None
    origin_standing: ShownStanding | None = None
    center_counts: dict[str, int] = {}
    maker_names: dict[str, Words] = {}
    cost: OwnershipCost | None = None
    swaps: tuple[SwapLine, ...] = ()
    completeness_bp: int | None = None
    facts: PackageFacts | None = None

    @property
    def kind(self) -> ItemKind:
        return "package_model" if self.package is not None else "product"

    @property
    def listing(self) -> PackageModel | Product:
        found = self.package or self.product
        assert found is not None, "a column is a package or a product"
        return found

    @property
    def work(self) -> Work:
        """What it is for: only things that do the same are ranked against each other."""
        if self.product is not None:
            return Work(kind="product", does=f"{self.product.category}/{self.product.subcategory}")
        assert self.package is not None, "a column is a package or a product"
        version = self.package.version
        return Work(
            kind="package_model", does=self.package.package_type, industries=frozenset(version.industries)
        )


class Cell(msgspec.Struct, frozen=True):
    """One value; None = unknown, or without meaning for this column where it does not apply.

    `is_tied` = best, and not alone so.
    """

    value: Any
    best: bool = False
    applies: bool = True
    is_tied: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One fact across all columns; a specification has names instead of a code."""

    code: str | None
    kind: RowKind
    cells: tuple[Cell, ...]
    same: bool
    spec_code: str | None = None
    name_ko: str = ""
    name_en: str = ""


class Group(msgspec.Struct, frozen=True):
    """Rows under one heading."""

    code: str
    rows: tuple[Row, ...]


Applies = Callable[[Compared], bool]


def always(column: Compared) -> bool:
    """A fact that everything has."""
    del column
    return True


def to_packages(column: Compared) -> bool:
    """A fact that only packages have."""
    return column.package is not None


def to_products(column: Compared) -> bool:
    """A fact that only products have."""
    return column.product is not None


def make_row(
    columns: Sequence[Compared],
    code: str | None,
    kind: RowKind,
    read: Callable[[Compared], Any],
    *,
    better: Better | None = None,
    rank: Callable[[Any], float | None] = float,
    applies: Applies = always,
    spec_code: str | None = None,
    name_ko: str = "",
    name_en: str = "",
) -> Row | None:
    """One row, or None where no column knows the fact. `rank` turns a value into a number; None = unknown."""
    values = [read(column) for column in columns]
    if all(value is None for value in values):
        return None
    ranks = [None if value is None or better is None else rank(value) for value in values]
    best = best_of(ranks, better)
    cells = zip(columns, values, best, strict=True)
    return Row(
        code=code,
        kind=kind,
        cells=tuple(
            Cell(value, is_best, applies(column), is_best and sum(best) > 1)
            for column, value, is_best in cells
        ),
        same=all(value == values[0] for value in values),
        spec_code=spec_code,
        name_ko=name_ko,
        name_en=name_en,
    )


def kept(*rows: Row | None) -> tuple[Row, ...]:
    return tuple(row for row in rows if row is not None)


def product_share(product: Product, *, today: date) -> ShareInterval | None:
    """The domestic share of one product: it weighs only against itself, so its price does not matter."""
    if product.origin is None or product.category == "service":
        return None
    return domestic_share([ShareLine(False, 1, 1, product.origin)], today=today)
