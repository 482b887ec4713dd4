"""Find packages and products: one address is the whole search; rows come from the engine as they are."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec
import structlog
from litestar import Response, get

from catalog.core.viewer import Viewer
from catalog.reference_data import list_spec_definitions
from marketplace.accounts.access import principal_of, viewer_of
from marketplace.deps import AnyRequest, Conn, Engine, User
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.charts import tier_meter
from marketplace.web.formats import count, won
from marketplace.web.i18n import LANG, local, url
from marketplace.web.labels import label
from marketplace.web.pages.home import PROBLEMS
from marketplace.web.plain_search import search_plainly
from marketplace.web.render import page_response
from marketplace.web.search_form import CONDITIONS, SORTS, Condition, SearchForm, read_search_form
from search_config.documents import CatalogDocument
from search_config.engine import FacetCount, SearchPage
from search_config.errors import SearchUnavailable

FACET_VALUES_MAX: Final = 12
"""Choices shown of one condition; those that are chosen are always among them."""

log = structlog.get_logger("marketplace.search")


class FacetValue(msgspec.Struct, frozen=True):
    """One choice; `text` None = the label of its code, `count` None = not counted."""

    value: str
    text: str | None
    count: int | None
    selected: bool


class Chip(msgspec.Struct, frozen=True):
    """A condition that is in force, with the address without it."""

    facet: str
    value: str
    text: str | None
    remove_href: str


class RoundStep(msgspec.Struct, frozen=True):
    """The price that a round goes for next, or the last one once it is reached; won."""

    quantity_min: int
    unit_price_krw: int


class Pages(msgspec.Struct, frozen=True):
    """Where in the result this page is."""

    number: int
    count: int
    previous_href: str | None
    next_href: str | None


class SpecName(msgspec.Struct, frozen=True):
    """What a property is called."""

    name_ko: str
    name_en: str


async def read_open_steps(
    conn: asyncpg.Connection, *, documents: Sequence[CatalogDocument], viewer: Viewer
) -> dict[str, RoundStep]:
    """What each open round on these listings goes for, by its code."""
    codes = [document.code for document in documents if document.has_open_round]
    rounds = await list_open_rounds_on(conn, item_codes=codes, viewer=viewer)
    steps = {}
    for card in await list_round_cards(conn, rounds):
        view = tier_meter(card.tiers, card.quantity, card.list_unit_price_krw)
        step = view.next or view.current
        if step is not None:
            steps[card.code] = RoundStep(step.quantity_min, step.unit_price_krw)
    return steps


async def read_vendor_names(conn: asyncpg.Connection, *, codes: Sequence[str]) -> dict[str, str]:
    """The names of these vendors in the language of the page."""
    if not codes:
        return {}
    rows = await conn.fetch(
        "SELECT code, name_ko, name_en FROM organizations WHERE code = ANY ($1::text[])", list(codes)
    )
    return {row["code"]: local(dict(row), "name") for row in rows}


def facet_values(
    condition: Condition, counts: Sequence[FacetCount], *, form: SearchForm, names: dict[str, str]
) -> list[FacetValue]:
    """The choices of one condition: those in force first found or not, then the most frequent."""
    chosen = form.chosen.get(condition.field, ())
    counted = {found.value: found.count for found in counts}
    frequent = [found.value for found in counts if found.value not in chosen]
    shown = [*chosen, *frequent[: max(FACET_VALUES_MAX - len(chosen), 0)]]
    order = sorted(shown) if condition.field.startswith("level") else [v for v in counted if v in shown]
    order += [value for value in shown if value not in order]
    return [
        FacetValue(value, names.get(value), counted.get(value, 0 if counts else None), value in chosen)
        for value in order
    ]


def list_chips(form: SearchForm, *, names: dict[str, str]) -> list[Chip]:
    """Every condition in force but the text."""
    lang = LANG.get()
    found = [(field, value, field, names.get(value)) for field, held in form.chosen.items() for value in held]
    if form.price_krw_max is not None:
        found.append(
            ("price_max", str(form.price_krw_max), "price_krw", f"≤ {won(form.price_krw_max, lang)}")
        )
    if form.lead_time_days_max is not None:
        days = form.lead_time_days_max
        found.append(("lead_time_max", str(days), "lead_time_days", f"≤ {count(days, 'day', lang)}"))
    if form.open_round_only:
        found.append(("open_round", "1", "has_open_round", label("round_state", "open")))
    return [
        Chip(facet, value, text, url(form.address(without=(name, value))))
        for name, value, facet, text in found
    ]


def pages_of(form: SearchForm, page: SearchPage) -> Pages:
    """The addresses of the pages before and after."""
    return Pages(
        number=page.page,
        count=page.page_count,
        previous_href=url(form.address(page=page.page - 1)) if page.page > 1 else None,
        next_href=url(form.address(page=page.page + 1)) if page.page < page.page_count else None,
    )


@get("/search", opt={"audience": "anyone"}, include_in_schema=False)
async def search_page(request: AnyRequest, conn: Conn, engine: Engine, user: User) -> Response[str]:
    """Show one page of a search. Conditions that make no sense are left out and named: status 400."""
    form = read_search_form(list(request.query_params.multi_items()))
    viewer, is_degraded = viewer_of(user), False
    try:
        page = await engine.search(form.to_query(lang=LANG.get()), principal_of(user))
    except SearchUnavailable as error:
        log.warning("search is degraded", index=error.index, reason=error.reason)
        page, is_degraded = await search_plainly(conn, form=form, viewer=viewer), True
    documents = [hit.document for hit in page.hits if isinstance(hit.document, CatalogDocument)]
    vendors = [found.value for found in page.facets.get("vendor_code", ())]
    names = await read_vendor_names(conn, codes=[*vendors, *form.chosen.get("vendor_code", ())])
    definitions = await list_spec_definitions(conn)
    return page_response(
        request,
        "search.html",
        status_code=400 if form.refused else 200,
        section="search",
        query_text=form.text,
        total=page.total,
        hits=documents,
        spec_names={d.code: SpecName(d.name_ko, d.name_en) for d in definitions if d.filterable},
        open_rounds=await read_open_steps(conn, documents=documents, viewer=viewer),
        facets=[
            {
                "code": condition.field,
                "style": condition.style,
                "values": facet_values(
                    condition, page.facets.get(condition.field, ()), form=form, names=names
                ),
            }
            for condition in CONDITIONS
            if condition.is_shown or condition.field in form.chosen
        ],
        chips=list_chips(form, names=names),
        clear_href=url(SearchForm(text=form.text, sort=form.sort).address()),
        ranges={"price_krw_max": form.price_krw_max, "lead_time_days_max": form.lead_time_days_max},
        open_round_only=form.open_round_only,
        sort=form.sort,
        sorts=SORTS,
        pages=pages_of(form, page),
        rewritten=page.rewritten,
        cut="text_cut" in page.notices,
        degraded=is_degraded,
        refused=[f"{name}={value[:40]}" for name, value in form.refused],
        suggestions=[p.query_en if LANG.get() == "en" else p.query_ko for p in PROBLEMS],
    )


SEARCH_PAGES = [search_page]
