"""The page of one product: its facts with their sources, what it costs, and where it is used."""

import asyncpg
import msgspec
from litestar import Response, get
from litestar.params import FromPath

from catalog.core.product import Product
from catalog.core.viewer import Viewer
from catalog.images import list_images
from catalog.offers import list_offers_of_product
from catalog.package_models import list_package_models_with_product
from catalog.products import get_product
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import (
    ListingView,
    list_sites_of_makers,
    offer_view,
    origin_view,
    read_today,
    spec_view,
    web_address,
)
from marketplace.web.render import page_response


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
async def product_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show one product."""
    viewer = viewer_of(user)
    product = await get_product(conn, code=code, viewer=viewer)
    offers = await list_offers_of_product(conn, code=code, viewer=viewer)
    rounds = await list_open_rounds_on(conn, item_codes=[code], viewer=viewer)
    return page_response(
        request,
        "product.html",
        section="search",
        product=product_view(product),
        specs=[spec_view(spec) for spec in product.specs],
        images=await list_images(conn, listing="product", code=code),
        origin=origin_view(product.origin, today=await read_today(conn)),
        offers=[offer_view(offer) for offer in offers],
        packages=await list_containing_packages(conn, product=product, viewer=viewer),
        centers=await list_sites_of_makers(conn, makers=[product.maker.name]),
        cards=await list_round_cards(conn, rounds),
    )


PRODUCT_PAGES = [product_page]
