"""Two to eight packages or products side by side, under an address that can be shared and printed."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import asyncpg
import msgspec
from litestar import Response, get

from catalog.core.package_model import package_share
from catalog.core.viewer import Viewer
from catalog.offers import list_offers_of_product
from catalog.package_models import list_package_models_by_codes
from catalog.products import list_products_by_codes
from catalog.reference_data import list_spec_definitions
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, User
from marketplace.web.cards import ItemKind, RoundCard, list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import (
    cheapest,
    item_path,
    list_sites_of_makers,
    read_today,
)
from marketplace.web.charts import tier_meter
from marketplace.web.comparison import Compared, RoundPrice, build_groups, is_one_category, product_share
from marketplace.web.i18n import url
from marketplace.web.render import page_response

COLUMNS_MAX: Final = 8


class ItemView(msgspec.Struct, frozen=True, kw_only=True):
    """The head of one column."""

    code: str
    kind: ItemKind
    category: str | None
    name_ko: str
    name_en: str
    verification: str | None
    href: str
    remove_href: str
    round_code: str | None
    round_price_krw: int | None


class Asked(msgspec.Struct, frozen=True):
    """The codes of an address: at most COLUMNS_MAX, and whether there were more."""

    codes: list[str]
    is_cut: bool


def read_codes(ids: Sequence[str]) -> Asked:
    """Every code once, in the order asked for."""
    codes = list(dict.fromkeys(id_ for id_ in ids if id_))
    return Asked(codes[:COLUMNS_MAX], len(codes) > COLUMNS_MAX)


async def read_columns(conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer) -> list[Compared]:
    """The visible ones among `codes`, in order, each with price, share, round and sites."""
    packages = await list_package_models_by_codes(conn, codes=codes, viewer=viewer)
    products = await list_products_by_codes(conn, codes=codes, viewer=viewer)
    today = await read_today(conn)
    rounds = await list_open_rounds_on(conn, item_codes=codes, viewer=viewer)
    steps = round_prices(await list_round_cards(conn, rounds))
    found: dict[str, Compared] = {}
    for product in products:
        offers = await list_offers_of_product(conn, code=product.code, viewer=viewer)
        sites = await list_sites_of_makers(conn, makers=[product.maker.name])
        found[product.code] = Compared(
            product=product,
            offer=cheapest(offers),
            share=product_share(product, today=today),
            open_round=steps.get(("product", product.code)),
            site_count=len(sites),
        )
    for package in packages:
        makers = [line.product.maker.name for line in package.version.lines if line.product]
        found[package.code] = Compared(
            package=package,
            offer=cheapest(package.offers),
            share=package_share(package.version.lines, today=today),
            open_round=steps.get(("package_model", package.code)),
            site_count=len(await list_sites_of_makers(conn, makers=makers)),
        )
    return [found[code] for code in codes if code in found]


def round_prices(cards: Sequence[RoundCard]) -> Mapping[tuple[ItemKind, str], RoundPrice]:
    """What each thing's open round goes for next, the soonest deadline counting where there are several."""
    prices: dict[tuple[ItemKind, str], RoundPrice] = {}
    for card in cards:
        view = tier_meter(card.tiers, card.quantity, card.list_unit_price_krw)
        step = view.next or view.current
        if step is not None:
            price = RoundPrice(card.code, step.quantity_min, step.unit_price_krw)
            prices.setdefault((card.kind, card.item_code), price)
    return prices


def item_view(column: Compared, *, codes: Sequence[str]) -> ItemView:
    """The head of a column, with the address of the comparison without it."""
    listing = column.listing
    rest = [("id", code) for code in codes if code != listing.code]
    return ItemView(
        code=listing.code,
        kind=column.kind,
        category=column.product.category if column.product else None,
        name_ko=listing.name_ko,
        name_en=listing.name_en,
        verification=column.product.verification if column.product else None,
        href=item_path(column.kind, listing.code),
        remove_href=url(f"/compare?{urlencode(rest)}"),
        round_code=column.open_round.code if column.open_round else None,
        round_price_krw=column.open_round.price_krw if column.open_round else None,
    )


@get("/compare", opt={"audience": "anyone"}, include_in_schema=False)
async def compare_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Compare what `?id=…&id=…` names; what this visitor may not see, or is not there, is left out and said."""
    asked = read_codes(request.query_params.getall("id", []))
    found = await read_columns(conn, codes=asked.codes, viewer=viewer_of(user))
    shown = [column for column in found if column.product is None or column.product.is_comparable]
    codes = [column.listing.code for column in shown]
    spec_categories = {d.code: d.categories for d in await list_spec_definitions(conn)}
    return page_response(
        request,
        "compare.html",
        section="search",
        items=[item_view(column, codes=codes) for column in shown],
        groups=build_groups(shown, spec_categories=spec_categories) if len(shown) > 1 else [],
        one_category=is_one_category(shown),
        printed_at=await conn.fetchval("SELECT clock_timestamp()"),
        name_only=[column.listing for column in found if column not in shown],
        missing_count=len(asked.codes) - len(found),
        is_cut=asked.is_cut,
    )


COMPARE_PAGES = [compare_page]
