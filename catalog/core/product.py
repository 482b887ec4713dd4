"""Products: what one software, controller, sensor, robot or service is, and where its facts come from."""

from typing import Literal

from msgspec import Struct

from catalog.core.origin import OriginClaim
from catalog.core.spec_value import SpecKind

Category = Literal["software", "controller", "sensor", "robot", "service"]
CATEGORIES: tuple[Category, ...] = ("software", "controller", "sensor", "robot", "service")

Verification = Literal["maker", "secondary", "name_only", "fictional"]
VERIFICATIONS: tuple[Verification, ...] = ("maker", "secondary", "name_only", "fictional")

ListingState = Literal["draft", "published", "retired"]
LISTING_STATES: tuple[ListingState, ...] = ("draft", "published", "retired")

Visibility = Literal["public", "members", "owner"]
VISIBILITIES: tuple[Visibility, ...] = ("public", "members", "owner")


class Party(Struct, frozen=True, kw_only=True):
    """An organization as listings name it."""

    id: int
    code: str
    name_ko: str
    name_en: str
    is_fictional: bool = False


class Maker(Struct, frozen=True, kw_only=True):
    """Who makes a product; `country` is the home country (ISO 3166-1), never the origin of the goods."""

    name: str
    name_ko: str
    country: str

    @property
    def name_en(self) -> str:
        return self.name


class Spec(Struct, frozen=True, kw_only=True):
    """One technical property of a product, beside what its definition says about it.

    `number` and `number_max` are in `base_unit`; `shown` is the lister's own writing, in `unit`.
    `better` says which way is better where that has one answer.
    """

    code: str
    name_ko: str
    name_en: str
    kind: SpecKind
    shown: str
    number: float | None = None
    number_max: float | None = None
    text: str | None = None
    boolean: bool | None = None
    unit: str | None = None
    base_unit: str | None = None
    better: Literal["higher", "lower"] | None = None
    is_comparable: bool = True
    position: int = 0


class Product(Struct, frozen=True, kw_only=True):
    """A product page's own facts. `vendor` lists it and may edit it; `origin` is its live claim."""

    id: int
    code: str
    vendor: Party
    maker: Maker
    model: str
    series: str | None
    category: Category
    subcategory: str
    name_ko: str
    name_en: str
    summary_ko: str
    summary_en: str
    verification: Verification
    source_title: str | None
    source_url: str | None
    source_kind: str | None
    note: str | None
    state: ListingState
    visibility: Visibility
    specs: tuple[Spec, ...] = ()
    origin: OriginClaim | None = None

    @property
    def is_comparable(self) -> bool:
        """A name alone is listed but not compared: there is nothing to compare it by."""
        return self.verification != "name_only"
