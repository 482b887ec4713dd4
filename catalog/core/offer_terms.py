"""An offer as it is read: who sells what at which price, and to whom. Prices are won without VAT."""

from datetime import date
from typing import Literal

from msgspec import Struct

from catalog.core.offer import PriceTier
from catalog.core.product import ListingState, Party

Audience = Literal["public", "members", "invited"]
AUDIENCES: tuple[Audience, ...] = ("public", "members", "invited")


class OfferSubject(Struct, frozen=True, kw_only=True):
    """What an offer sells: a product, or one version of a package model."""

    kind: Literal["product", "package_model"]
    code: str
    name_ko: str
    name_en: str
    version: int | None = None
    is_current_version: bool = True


class Offer(Struct, frozen=True, kw_only=True):
    """A vendor's price terms. `list_unit_price_krw` is the price for one, alone; tiers rise in quantity.

    An offer stays on the package version it was made for until it is imported again.
    """

    id: int
    code: str
    vendor: Party
    subject: OfferSubject
    audience: Audience
    state: ListingState
    list_unit_price_krw: int
    tiers: tuple[PriceTier, ...]
    capacity: int
    pack_size: int
    lead_time_days: int
    valid_until: date | None
    is_illustrative: bool
    terms_ko: str
    terms_en: str
