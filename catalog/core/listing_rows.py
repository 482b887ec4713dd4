"""The rows of imports and exports, one Struct a kind, typed: what a line of the file says.

Fields are named as the columns are. `vendor`, `product` and the like are codes. The same Struct is built
from a file and from the database, so "unchanged" is simply equality.
"""

from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from catalog.core.offer import PriceTier
from catalog.core.spec_value import SpecValue

ImportKind = Literal["vendors", "products", "package-models", "offers", "service-centers", "demands"]
IMPORT_KINDS: tuple[ImportKind, ...] = (
    "vendors",
    "products",
    "package-models",
    "offers",
    "service-centers",
    "demands",
)


class VendorRow(Struct, frozen=True, kw_only=True):
    """A vendor of the market. Only a coordinator writes these."""

    code: str
    name_ko: str
    name_en: str
    business_number: str | None = None
    region: str | None = None
    size: str | None = None
    homepage: str | None = None
    introduction_ko: str | None = None
    introduction_en: str | None = None
    is_fictional: bool = False


class ProductRow(Struct, frozen=True, kw_only=True, gc=False):
    """A product with its maker and specs (column `spec.<code>`); `vendor` lists it."""

    code: str
    vendor: str
    maker: str
    maker_ko: str
    maker_country: str
    model: str
    series: str | None = None
    category: str
    subcategory: str
    name_ko: str
    name_en: str
    summary_ko: str = ""
    summary_en: str = ""
    verification: str
    source_title: str | None = None
    source_url: str | None = None
    source_kind: str | None = None
    note: str | None = None
    state: str = "published"
    visibility: str = "public"
    asks_quote: bool = False
    lead_time_days: int | None = None
    warranty_months: int | None = None
    datasheet: UUID | None = None
    code_g2b: str | None = None
    code_hs: str | None = None
    code_gtin: str | None = None
    code_eclass: str | None = None
    code_g2b_version: str | None = None
    code_hs_version: str | None = None
    code_gtin_version: str | None = None
    code_eclass_version: str | None = None
    specs: dict[str, SpecValue] = {}


class Component(Struct, frozen=True):
    """One line of a bill of materials, written `slot:product_code:quantity`."""

    slot: str
    product: str
    quantity: int


class Alternative(Struct, frozen=True):
    """Instead of component `product`, `instead` may be delivered; written `product:instead`, codes of products."""

    product: str
    instead: str


class PackageModelRow(Struct, frozen=True, kw_only=True):
    """A package model with the content of its current version; `vendor` answers for it."""

    code: str
    vendor: str
    name_ko: str
    name_en: str
    package_type: str
    level_from: int
    level_to: int
    industries: tuple[str, ...]
    summary_ko: str
    summary_en: str
    included_ko: tuple[str, ...] = ()
    included_en: tuple[str, ...] = ()
    excluded_ko: tuple[str, ...] = ()
    excluded_en: tuple[str, ...] = ()
    lead_time_days: int
    warranty_months: int
    spare_parts_years: int = 0
    components: tuple[Component, ...]
    alternatives: tuple[Alternative, ...] = ()
    return_terms_ko: str = ""
    return_terms_en: str = ""
    monthly_fee_krw: int | None = None
    contract_months_min: int | None = None
    data_location: str | None = None
    exit_terms_ko: str = ""
    exit_terms_en: str = ""
    saved_kwh_per_year: int | None = None
    fems_product: str | None = None
    ess_product: str | None = None
    courses_ko: tuple[str, ...] = ()
    courses_en: tuple[str, ...] = ()
    state: str = "published"
    visibility: str = "public"


CLOUD_FACTS = ("monthly_fee_krw", "contract_months_min", "data_location", "exit_terms_ko", "exit_terms_en")
"""Facts of package type `cloud` only."""

ENERGY_FACTS = ("saved_kwh_per_year", "fems_product", "ess_product")
"""Facts of package type `clean_energy` only."""

PACKAGE_FACTS = (
    "alternatives",
    "return_terms_ko",
    "return_terms_en",
    *CLOUD_FACTS,
    *ENERGY_FACTS,
    "courses_ko",
    "courses_en",
)
"""What a version says beside its content and components."""


PACKAGE_VERSION_FIELDS = (
    "level_from",
    "level_to",
    "industries",
    "summary_ko",
    "summary_en",
    "included_ko",
    "included_en",
    "excluded_ko",
    "excluded_en",
    "lead_time_days",
    "warranty_months",
    "spare_parts_years",
    "components",
    *PACKAGE_FACTS,
)
"""A change of one of these makes a new version; names, state and visibility belong to the model."""


class OfferRow(Struct, frozen=True, kw_only=True):
    """An offer on a product or on a package model. `package_version` None = the current one."""

    code: str
    vendor: str
    product: str | None = None
    package_model: str | None = None
    package_version: int | None = None
    audience: str = "public"
    invited: tuple[str, ...] = ()
    list_unit_price_krw: int
    tiers: tuple[PriceTier, ...] = ()
    capacity: int
    pack_size: int = 1
    lead_time_days: int
    valid_until: date | None = None
    is_illustrative: bool = False
    terms_ko: str = ""
    terms_en: str = ""
    warranty_months: int | None = None
    spare_parts_years: int | None = None
    return_terms_ko: str = ""
    return_terms_en: str = ""
    installation_includes: tuple[str, ...] = ()
    installation_excludes: tuple[str, ...] = ()
    state: str = "published"


class ServiceCenterRow(Struct, frozen=True, kw_only=True):
    """A site of a maker. `maker_ko` and `maker_country` are asked for only where the maker is new."""

    code: str
    vendor: str
    maker: str
    maker_ko: str | None = None
    maker_country: str | None = None
    name_ko: str
    name_en: str
    roles: tuple[str, ...]
    status: str
    as_of: str | None = None
    country: str
    city: str | None = None
    city_ko: str | None = None
    address: str | None = None
    phone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str | None = None
    serves: tuple[str, ...] = ()
    serves_ko: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    source_title: str | None = None
    source_url: str | None = None
    verification: str
    note: str | None = None


class DemandRow(Struct, frozen=True, kw_only=True):
    """What a factory needs: a category and how many, at which price at most."""

    id: UUID
    factory: str
    category: str
    subcategory: str | None = None
    quantity_min: int
    quantity_max: int
    ceiling_unit_price_krw: int | None = None
    needed_by: date | None = None
    region: str | None = None
    note: str = ""


ListingRow: TypeAlias = VendorRow | ProductRow | PackageModelRow | OfferRow | ServiceCenterRow | DemandRow
