"""What the pages of the catalog show: offers, components, specs and origin, as the templates want them."""

from collections.abc import Iterable, Sequence
from datetime import date

import asyncpg
import msgspec

from catalog.core.offer import PriceTier
from catalog.core.offer_terms import Audience, Offer
from catalog.core.origin import OriginBasis, OriginClaim, ShownStanding, shown_standing
from catalog.core.package_model import BomLine
from catalog.core.product import Category, Spec, Verification
from catalog.core.service_center import ServiceCenter, SiteRole, SiteStatus
from catalog.service_centers import list_service_centers
from marketplace.web.cards import ItemKind

MAKERS_MAX = 20
"""Makers of one package whose sites are looked up; a longer bill of materials shows the first ones'."""


class OfferView(msgspec.Struct, frozen=True, kw_only=True):
    """Price terms beside a product or package; won without VAT."""

    code: str
    vendor_ko: str
    vendor_en: str
    list_unit_price_krw: int
    tiers: tuple[PriceTier, ...]
    capacity: int
    pack_size: int
    lead_time_days: int
    valid_until: date | None
    audience: Audience
    is_illustrative_price: bool
    terms_ko: str
    terms_en: str


class SpecView(msgspec.Struct, frozen=True, kw_only=True):
    """A property in its definition's base unit, so that the same property reads the same everywhere."""

    code: str
    name_ko: str
    name_en: str
    number: float | None
    number_max: float | None
    text: str | None
    boolean: bool | None
    unit: str | None
    verification: Verification | None = None
    source_title: str | None = None
    source_url: str | None = None


class OriginView(msgspec.Struct, frozen=True, kw_only=True):
    """A live claim as of today; `standing` is "verified" only while it is proven and not expired."""

    id: str
    basis: OriginBasis
    country: str
    domestic_content_bp: int | None
    standing: ShownStanding
    is_challenged: bool
    valid_until: date | None
    evidence_note: str


class ComponentView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a bill of materials; `code` None = its lister does not show it to this visitor."""

    slot: Category
    quantity: int
    code: str | None
    name_ko: str
    name_en: str
    model: str
    maker_ko: str
    maker_en: str
    maker_country: str | None
    verification: Verification | None
    is_default: bool = True
    alternative_count: int = 0
    line_no: int = 0


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """A site as product and package pages list it."""

    code: str
    name_ko: str
    name_en: str
    maker_ko: str
    maker_en: str
    roles: tuple[SiteRole, ...]
    status: SiteStatus
    country: str
    city: str | None
    city_ko: str | None


class ListingView(msgspec.Struct, frozen=True, kw_only=True):
    """A package that contains a product, and how many of it."""

    code: str
    name_ko: str
    name_en: str
    vendor_ko: str
    vendor_en: str
    quantity: int


class HiddenName(msgspec.Struct, frozen=True):
    """What stands for a component that is not shown to this visitor, in both languages."""

    ko: str = "공개되지 않은 구성품"
    en: str = "Undisclosed component"


def offer_view(offer: Offer) -> OfferView:
    """The terms of one offer."""
    return OfferView(
        code=offer.code,
        vendor_ko=offer.vendor.name_ko,
        vendor_en=offer.vendor.name_en,
        list_unit_price_krw=offer.list_unit_price_krw,
        tiers=offer.tiers,
        capacity=offer.capacity,
        pack_size=offer.pack_size,
        lead_time_days=offer.lead_time_days,
        valid_until=offer.valid_until,
        audience=offer.audience,
        is_illustrative_price=offer.is_illustrative,
        terms_ko=offer.terms_ko,
        terms_en=offer.terms_en,
    )


def spec_view(spec: Spec) -> SpecView:
    """One property; a word that is the lister's own stays as it was written."""
    return SpecView(
        code=spec.code,
        name_ko=spec.name_ko,
        name_en=spec.name_en,
        number=spec.number,
        number_max=spec.number_max,
        text=spec.text,
        boolean=spec.boolean,
        unit=spec.base_unit,
    )


def origin_view(claim: OriginClaim | None, *, today: date) -> OriginView | None:
    """The claim, or None where there is none. A claim of another country is verified by its own evidence."""
    if claim is None:
        return None
    return OriginView(
        id=str(claim.id),
        basis=claim.basis,
        country=claim.country,
        domestic_content_bp=claim.domestic_content_bp,
        standing=shown_standing(claim, today=today),
        is_challenged=claim.is_challenged,
        valid_until=claim.valid_until,
        evidence_note=claim.evidence_note,
    )


def component_view(line: BomLine) -> ComponentView:
    """One line; its name is withheld where its lister withholds it."""
    product = line.product
    if product is None:
        hidden = HiddenName()
        return ComponentView(
            slot=line.slot,
            quantity=line.quantity,
            code=None,
            name_ko=hidden.ko,
            name_en=hidden.en,
            model="",
            maker_ko="",
            maker_en="",
            maker_country=None,
            verification=None,
        )
    return ComponentView(
        slot=line.slot,
        quantity=line.quantity,
        code=product.code,
        name_ko=product.name_ko,
        name_en=product.name_en,
        model=product.model,
        maker_ko=product.maker.name_ko,
        maker_en=product.maker.name_en,
        maker_country=product.maker.country,
        verification=product.verification,
    )


def site_view(center: ServiceCenter) -> SiteView:
    """One site in a short list."""
    return SiteView(
        code=center.code,
        name_ko=center.name_ko,
        name_en=center.name_en,
        maker_ko=center.maker.name_ko,
        maker_en=center.maker.name_en,
        roles=center.roles,
        status=center.status,
        country=center.country,
        city=center.city,
        city_ko=center.city_ko,
    )


async def list_sites_of_makers(conn: asyncpg.Connection, *, makers: Iterable[str]) -> list[SiteView]:
    """The sites of these makers (English names), maker by maker."""
    distinct = list(dict.fromkeys(makers))[:MAKERS_MAX]
    if not distinct:
        return []
    centers = await list_service_centers(conn, makers=distinct)
    return [site_view(center) for center in sorted(centers, key=lambda c: distinct.index(c.maker.name))]


def web_address(address: str | None) -> str | None:
    """An address that a page may link to; anything but the web (`javascript:` and the like) is not linked."""
    return address if address and address.lower().startswith(("https://", "http://")) else None


async def needs_action(conn: asyncpg.Connection, *, vendor_id: int) -> bool:
    """Whether a paper of this vendor has run out: its listings say so."""
    found: bool = await conn.fetchval(
        "SELECT state = 'active' AND action_needed_at IS NOT NULL FROM organizations WHERE id = $1", vendor_id
    )
    return bool(found)


async def read_today(conn: asyncpg.Connection) -> date:
    """The day in Korea by the database's clock."""
    today: date = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    return today


def item_path(kind: ItemKind, code: str) -> str:
    """The page of a product or package, without the language."""
    return f"/packages/{code}" if kind == "package_model" else f"/products/{code}"


def cheapest(offers: Sequence[Offer]) -> Offer | None:
    """The offer with the lowest price for one; None where nothing is offered."""
    return min(offers, key=lambda offer: offer.list_unit_price_krw, default=None)
