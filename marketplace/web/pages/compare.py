"""Two to eight packages or products side by side, under an address that can be shared, printed and saved."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from catalog.reference_data import PROGRAMS
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Config, Conn, User
from marketplace.web.cards import ItemKind
from marketplace.web.catalog_views import item_path, read_today
from marketplace.web.comparison import Compared
from marketplace.web.comparison_file import comparison_csv
from marketplace.web.comparison_reading import Comparison, read_comparison
from marketplace.web.comparison_terms import OF_COLUMN
from marketplace.web.i18n import LANG, url
from marketplace.web.render import page_response

DIFFERENCES: Final = "differences"
"""Field of the address that shows only rows whose values differ."""


class ItemView(msgspec.Struct, frozen=True, kw_only=True):
    """The head of one column, and what the factory entered for it by field."""

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
    is_illustrative_price: bool
    entered: dict[str, str]


def comparison_query(
    comparison: Comparison, *, codes: Sequence[str], only_differences: bool, lang_path: str = "/compare"
) -> str:
    """The address of this comparison with these columns: the same table for whoever opens it."""
    fields = [("id", code) for code in codes]
    fields += [
        (name, text)
        for name, text in comparison.inputs.given.items()
        if "." not in name or name.partition(".")[2] in codes
    ]
    if only_differences:
        fields.append((DIFFERENCES, "yes"))
    return url(f"{lang_path}?{urlencode(fields)}")


def item_view(column: Compared, comparison: Comparison, *, only_differences: bool) -> ItemView:
    """The head of a column, with the address of the comparison without it."""
    listing = column.listing
    rest = [c.listing.code for c in comparison.columns if c.listing.code != listing.code]
    given = comparison.inputs.given
    return ItemView(
        code=listing.code,
        kind=column.kind,
        category=column.product.category if column.product else None,
        name_ko=listing.name_ko,
        name_en=listing.name_en,
        verification=column.product.verification if column.product else None,
        href=item_path(column.kind, listing.code),
        remove_href=comparison_query(comparison, codes=rest, only_differences=only_differences),
        round_code=column.open_round.code if column.open_round else None,
        round_price_krw=column.open_round.price_krw if column.open_round else None,
        is_illustrative_price=column.offer is not None and column.offer.is_illustrative,
        entered={name: given.get(f"{name}.{listing.code}", "") for name in OF_COLUMN},
    )


def _query_of(request: AnyRequest) -> tuple[list[str], dict[str, str], bool]:
    query = request.query_params
    return query.getall("id", []), dict(query.items()), query.get(DIFFERENCES) == "yes"


@get("/compare", opt={"audience": "anyone"}, include_in_schema=False)
async def compare_page(request: AnyRequest, conn: Conn, user: User, config: Config) -> Response[str]:
    """Compare what `?id=…&id=…` names; what this visitor may not see, or is not there, is left out and said."""
    ids, query, only_differences = _query_of(request)
    comparison = await read_comparison(conn, ids=ids, query=query, viewer=viewer_of(user))
    codes = [column.listing.code for column in comparison.columns]
    here = comparison_query(comparison, codes=codes, only_differences=only_differences)
    return page_response(
        request,
        "compare.html",
        section="search",
        items=[item_view(c, comparison, only_differences=only_differences) for c in comparison.columns],
        groups=comparison.groups if len(codes) > 1 else [],
        is_ranked=comparison.is_ranked,
        only_differences=only_differences,
        costs=[(column.listing, column.cost) for column in comparison.columns if column.cost],
        programs=PROGRAMS,
        today=await read_today(conn),
        swaps=[(column.listing, column.swaps) for column in comparison.columns if column.swaps],
        terms=comparison.inputs.terms,
        entered=comparison.inputs.given,
        wrong=comparison.inputs.wrong,
        csv_href=comparison_query(
            comparison, codes=codes, only_differences=only_differences, lang_path="/compare.csv"
        ),
        address=config.public_url.rstrip("/") + here,
        printed_at=await conn.fetchval("SELECT clock_timestamp()"),
        name_only=comparison.name_only,
        missing_count=len(comparison.missing),
        is_cut=comparison.asked.is_cut,
    )


@get("/compare.csv", opt={"audience": "anyone"}, include_in_schema=False)
async def compare_file(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """The table of the same address as a CSV that spreadsheets open as text."""
    ids, query, only_differences = _query_of(request)
    comparison = await read_comparison(conn, ids=ids, query=query, viewer=viewer_of(user))
    content = comparison_csv(comparison, lang=LANG.get(), only_differences=only_differences)
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": 'attachment; filename="comparison.csv"',
            "cache-control": "no-store",
        },
    )


COMPARE_PAGES = [compare_page, compare_file]
