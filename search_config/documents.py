"""What the search indexes hold: one frozen Struct per index, everything a result card shows.

A document is a projection of public facts. A draft never becomes a document: the projection leaves it
out and the indexer deletes its id. All text is NFC. Money is integer won, shares are basis points.
"""

from typing import Literal, TypeAlias

import msgspec

IndexName = Literal["catalog", "service_centers", "vendors"]
Visibility = Literal["public", "members", "tenant"]
CatalogKind = Literal["package_model", "product"]


class SpecValue(msgspec.Struct, frozen=True, kw_only=True):
    """One technical property: `{"code": "payload", "number": 10, "unit": "kg"}`.

    A range such as 0..45 °C has `number` and `number_max`; words are in `text`, yes/no in `boolean`.
    """

    code: str
    number: float | None = None
    number_max: float | None = None
    text: str | None = None
    boolean: bool | None = None
    unit: str | None = None


class CatalogDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A package model or a product in the index `catalog`.

    `id` is `package_model-12` or `product-3` and never changes; `version` rises with every change
    (the dirty set's number). `price_krw` is the lowest list price of an open offer, without VAT.
    `tenants` are organization ids that may see a document of visibility `tenant`.
    """

    id: str
    kind: CatalogKind
    code: str = ""
    name_ko: str = ""
    name_en: str = ""
    model: str = ""
    maker_ko: str = ""
    maker_en: str = ""
    vendor_ko: str = ""
    vendor_en: str = ""
    vendor_code: str = ""
    category: str = ""
    subcategory: str = ""
    tags: list[str] = []
    summary_ko: str = ""
    summary_en: str = ""
    component_names: list[str] = []
    industries: list[str] = []
    package_type: str | None = None
    level_from: int | None = None
    level_to: int | None = None
    maker_country: str | None = None
    specs: list[SpecValue] = []
    price_krw: int | None = None
    lead_time_days: int | None = None
    domestic_verified_bp: int | None = None
    domestic_claimed_bp: int | None = None
    has_open_round: bool = False
    round_code: str | None = None
    round_price_krw: int | None = None
    verification: str | None = None
    comparable: bool = False
    is_illustrative_price: bool = False
    visibility: Visibility = "public"
    tenants: list[int] = []
    version: int = 0


class ServiceCenterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A site in the index `service_centers`; `roles` and `status` say what it truly is.

    `country` is ISO 3166-1 alpha-2, `lat` and `lon` are WGS 84 degrees, `products` is free text.
    """

    id: str
    kind: Literal["service_center"] = "service_center"
    code: str = ""
    name_ko: str = ""
    name_en: str = ""
    maker_ko: str = ""
    maker_en: str = ""
    vendor_code: str = ""
    roles: list[str] = []
    status: str = ""
    country: str = ""
    city: str = ""
    city_ko: str = ""
    address: str = ""
    products: str = ""
    languages: list[str] = []
    lat: float | None = None
    lon: float | None = None
    is_confirmed: bool = False
    visibility: Visibility = "public"
    tenants: list[int] = []
    version: int = 0


class VendorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A listing party in the index `vendors`; the counts are of public listings only."""

    id: str
    kind: Literal["vendor"] = "vendor"
    code: str = ""
    name_ko: str = ""
    name_en: str = ""
    summary_ko: str = ""
    summary_en: str = ""
    country: str = ""
    city: str = ""
    categories: list[str] = []
    industries: list[str] = []
    certifications: list[str] = []
    package_model_count: int = 0
    product_count: int = 0
    open_round_count: int = 0
    is_fictional: bool = False
    visibility: Visibility = "public"
    tenants: list[int] = []
    version: int = 0


SearchDocument: TypeAlias = CatalogDocument | ServiceCenterDocument | VendorDocument

DOCUMENT_TYPES: dict[IndexName, type[CatalogDocument | ServiceCenterDocument | VendorDocument]] = {
    "catalog": CatalogDocument,
    "service_centers": ServiceCenterDocument,
    "vendors": VendorDocument,
}
