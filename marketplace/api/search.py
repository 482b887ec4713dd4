"""Search as JSON, with the conditions of the search page; what it does not understand, it refuses."""

from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import FromQuery, QueryParameter

from marketplace.accounts.access import principal_of
from marketplace.deps import AnyRequest, Conn, Engine, User
from marketplace.web.search_form import PARAMETERS, list_unknown, read_search_form
from search_config.documents import CatalogDocument
from search_config.engine import FacetCount, SearchPage
from search_config.errors import InvalidFilterValue, UnknownField


class SearchResult(msgspec.Struct, frozen=True):
    """One hit: the listing as indexed, and its score (higher is better, 0 when sorted)."""

    score: float
    document: CatalogDocument


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One page of hits. `total` counts all of them; `is_degraded` = the engine is down, words are matched plainly."""

    query: str
    rewritten: str | None
    total: int
    page: int
    page_size: int
    page_count: int
    hits: list[SearchResult]
    facets: dict[str, tuple[FacetCount, ...]]
    notices: tuple[str, ...]
    is_degraded: bool


@get("/api/search", opt={"audience": "anyone"}, tags=["search"])
async def search(
    request: AnyRequest,
    conn: Conn,
    engine: Engine,
    user: User,
    page_size: FromQuery[Annotated[int, QueryParameter(ge=1, le=100)]] = 20,
    lang: FromQuery[Literal["ko", "en"]] = "ko",
) -> SearchAnswer:
    """Search packages and products.

    Parameters: q, kind, category, package_type, level_from, level_to, industries, subcategory, maker_country,
    vendor_code, verification (each repeatable), price_max (won), lead_time_max (days), open_round=1,
    literal=1 (the words as written, never read as others), sort, page.
    Raises UnknownField for any other parameter, InvalidFilterValue for a value that makes no sense.
    """
    parameters = list(request.query_params.multi_items())
    for name in list_unknown(parameters, also=("page_size", "lang")):
        raise UnknownField(name, use="search", allowed=(*PARAMETERS, "page_size", "lang"))
    form = read_search_form(parameters)
    for name, value in form.refused:
        raise InvalidFilterValue(name, value=value[:100], expected="a value of this parameter")
    page = await engine.search(form.to_query(lang=lang, page_size=page_size), principal_of(user))
    return _answer(form.text, page)


def _answer(text: str, page: SearchPage) -> SearchAnswer:
    return SearchAnswer(
        query=text,
        rewritten=page.rewritten,
        total=page.total,
        page=page.page,
        page_size=page.page_size,
        page_count=page.page_count,
        hits=[
            # Who else may see a listing is nobody's business.
            SearchResult(hit.score, msgspec.structs.replace(hit.document, tenants=[]))
            for hit in page.hits
            if isinstance(hit.document, CatalogDocument)
        ],
        facets=page.facets,
        notices=page.notices,
        is_degraded="degraded" in page.notices,
    )


SEARCH_API = [search]
