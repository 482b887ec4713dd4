"""The page of one product: its facts with their sources, what it costs, and where it is used."""

from collections.abc import Sequence
from datetime import date
from unicodedata import normalize
from uuid import uuid4

import asyncpg
import msgspec
from litestar import Response, get
from litestar.params import FromPath

from catalog.core.completeness import completeness
from catalog.core.product import Product
from catalog.core.standard import (
    STANDARDS,
    StandardEvidence,
    StandardKind,
    SupportedStandard,
    standing_today,
)
from catalog.core.viewer import Viewer
from catalog.images import list_images
from catalog.offers import list_offers_of_product
from catalog.own_listings import list_offer_terms, read_product_terms
from catalog.package_models import list_package_models_with_product
from catalog.products import get_product
from catalog.reference_data import list_spec_definitions
from catalog.standards import find_research_outcome, list_supported_standards
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Config, Conn, User
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import (
    ListingView,
    list_sites_of_makers,
    needs_action,
    offer_view,
    origin_view,
    read_today,
    spec_view,
    web_address,
)
from marketplace.web.render import page_response
from marketplace.web.structured_data import product_data, script


class ProductView(msgspec.Struct, frozen=True, kw_only=True):
    """A product's own facts, as `product.html` takes them."""

    code: str
    name_ko: str
    name_en: str
    summary_ko: str
    summary_en: str
    model: str
    series: str | None
    category: str
    subcategory: str
    maker_ko: str
    maker_en: str
    maker_country: str
    verification: str
    source_title: str | None
    source_url: str | None
    source_kind: str | None
    note: str | None


def product_view(product: Product) -> ProductView:
    """The product with its maker written out."""
    own = {
        name: getattr(product, name)
        for name in ProductView.__struct_fields__
        if name not in {"maker_ko", "maker_en", "maker_country", "source_url"}
    }
    maker = product.maker
    return ProductView(
        **own,
        maker_ko=maker.name_ko,
        maker_en=maker.name_en,
        maker_country=maker.country,
        source_url=web_address(product.source_url),
    )


class StandardView(msgspec.Struct, frozen=True, kw_only=True):
    """A supported standard with the evidence as it counts today."""

    code: str
    name: str
    kind: StandardKind
    evidence: StandardEvidence
    reference: str
    issuer: str
    valid_until: date | None


def standard_views(supports: Sequence[SupportedStandard], *, today: date) -> list[StandardView]:
    """The standards in the order of the list of standards; unknown codes are left out."""
    order = list(STANDARDS)
    known = sorted((s for s in supports if s.standard in STANDARDS), key=lambda s: order.index(s.standard))
    return [
        StandardView(
            code=support.standard,
            name=STANDARDS[support.standard].name,
            kind=STANDARDS[support.standard].kind,
            evidence=standing_today(support, today=today),
            reference=support.reference,
            issuer=support.issuer,
            valid_until=support.valid_until,
        )
        for support in known
    ]


async def list_containing_packages(
    conn: asyncpg.Connection, *, product: Product, viewer: Viewer
) -> list[ListingView]:
    """The visible packages that contain the product, and how many of it each has."""
    packages = await list_package_models_with_product(conn, product_code=product.code, viewer=viewer)
    rows = await conn.fetch(
        """
        SELECT m.code, sum(b.quantity)::integer
        FROM package_models m
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        JOIN bom_lines b ON b.package_version_id = n.id
        WHERE m.code = ANY ($1::text[]) AND b.product_id = $2
        GROUP BY m.code
        """,
        [package.code for package in packages],
        product.id,
    )
    quantities = {row[0]: row[1] for row in rows}
    return [
        ListingView(
            code=package.code,
            name_ko=package.name_ko,
            name_en=package.name_en,
            vendor_ko=package.vendor.name_ko,
            vendor_en=package.vendor.name_en,
            quantity=quantities[package.code],
        )
        for package in packages
    ]


@get("/products/{code:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def product_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User, config: Config
) -> Response[str]:
    """Show one product."""
    viewer = viewer_of(user)
    product = await get_product(conn, code=normalize("NFC", code), viewer=viewer)
    code = product.code
    offers = await list_offers_of_product(conn, code=code, viewer=viewer)
    rounds = await list_open_rounds_on(conn, item_codes=[code], viewer=viewer)
    today = await read_today(conn)
    supports = (await list_supported_standards(conn, codes=[code])).get(code, ())
    definitions = await list_spec_definitions(conn, required_for=[product.category, product.subcategory])
    terms = await read_product_terms(conn, product_id=product.id)
    offer_terms = await list_offer_terms(conn, offer_ids=[offer.id for offer in offers])
    data = product_data(
        product, offers=offers, offer_terms=offer_terms, terms=terms, base_url=config.public_url, today=today
    )
    return page_response(
        request,
        "product.html",
        section="search",
        product=product_view(product),
        specs=[spec_view(spec) for spec in product.specs],
        images=await list_images(conn, listing="product", code=code),
        origin=origin_view(product.origin, today=today),
        may_challenge=user is not None and user.organization_id != product.vendor.id,
        challenge_id=str(uuid4()),
        standards=standard_views(supports, today=today),
        research=await find_research_outcome(conn, product_code=code),
        completeness=completeness(product, definitions=definitions, has_standard=bool(supports)),
        terms=terms,
        offer_terms=offer_terms,
        needs_action=await needs_action(conn, vendor_id=product.vendor.id),
        json_ld=script(data),
        offers=[offer_view(offer) for offer in offers],
        packages=await list_containing_packages(conn, product=product, viewer=viewer),
        centers=await list_sites_of_makers(conn, makers=[product.maker.name]),
        cards=await list_round_cards(conn, rounds),
    )


PRODUCT_PAGES = [product_page]
