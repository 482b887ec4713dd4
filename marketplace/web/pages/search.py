"""Find packages and products: one address is the whole search; rows come from the engine as they are."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec
from litestar import Response, get
from litestar.params import FromQuery

from catalog.core.viewer import Viewer
from marketplace.accounts.access import CurrentUser, principal_of, viewer_of
from marketplace.deps import AnyRequest, Conn, Engine, User
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.charts import tier_meter
from marketplace.web.formats import count, won
from marketplace.web.i18n import LANG, gettext, local, url
from marketplace.web.labels import N_, label
from marketplace.web.near_misses import NearMiss, Relief, find_near_misses
from marketplace.web.pages.home import PROBLEMS
from marketplace.web.render import page_response
from marketplace.web.search_form import CONDITIONS, SORTS, Condition, SearchForm, read_search_form
from marketplace.web.suggesting import BESIDE_RESULTS, SuggestionGroup, suggest
from search_config.documents import CatalogDocument
from search_config.engine import FacetCount, SearchEngine, SearchHit, SearchPage

FACET_VALUES_MAX: Final = 12
"""Choices shown of one condition; those that are chosen are always among them."""

AS_WRITTEN: Final = N_("입력한 그대로")


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


class Offered(msgspec.Struct, frozen=True):
    """Another search that finds something; `facet` and `value` are what it gives up, "" where that is no condition."""

    relief: Relief
    text: str
    facet: str
    value: str
    value_text: str | None
    href: str
    total: int


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


async def read_spec_names(conn: asyncpg.Connection) -> dict[str, SpecName]:
    """The properties that a row of results may show, by code."""
    rows = await conn.fetch("SELECT code, name_ko, name_en FROM spec_definitions WHERE filterable")
    return {row[0]: SpecName(row[1], row[2]) for row in rows}


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
    found = [(field, value, field) for field, held in form.chosen.items() for value in held]
    if form.price_krw_max is not None:
        found.append(("price_max", str(form.price_krw_max), "price_krw"))
    if form.lead_time_days_max is not None:
        found.append(("lead_time_max", str(form.lead_time_days_max), "lead_time_days"))
    if form.open_round_only:
        found.append(("open_round", "1", "has_open_round"))
    if form.is_literal:
        found.append(("literal", "1", "q"))
    return [
        Chip(
            facet, value, condition_text(facet, value, names=names), url(form.address(without=(name, value)))
        )
        for name, value, facet in found
    ]


def condition_text(facet: str, value: str, *, names: dict[str, str]) -> str | None:
    """How a condition reads that is no code of a list; None where the label of its code says it."""
    lang = LANG.get()
    match facet:
        case "price_krw":
            return f"≤ {won(int(value), lang)}"
        case "lead_time_days":
            return f"≤ {count(int(value), 'day', lang)}"
        case "has_open_round":
            return label("round_state", "open")
        case "q":
            return gettext(AS_WRITTEN)
        case _:
            return names.get(value)


def offer_of(near: NearMiss, *, names: dict[str, str]) -> Offered:
    """One way out of an empty result."""
    facet, value = near.given_up
    return Offered(
        relief=near.relief,
        text=near.form.text,
        facet=facet,
        value=value,
        value_text=condition_text(facet, value, names=names) if facet else None,
        href=url(near.form.address()),
        total=near.total,
    )


def pages_of(form: SearchForm, page: SearchPage) -> Pages:
    """The addresses of the pages before and after."""
    return Pages(
        number=page.page,
        count=page.page_count,
        previous_href=url(form.address(page=page.page - 1)) if page.page > 1 else None,
        next_href=url(form.address(page=page.page + 1)) if page.page < page.page_count else None,
    )


class Found(msgspec.Struct, frozen=True):
    """What a search came to, what else has that name, and where it found nothing, what is near."""

    page: SearchPage
    beside: Sequence[SuggestionGroup] = ()
    near: Sequence[NearMiss] = ()


async def find(
    engine: SearchEngine, conn: asyncpg.Connection, *, form: SearchForm, user: CurrentUser | None
) -> Found:
    """Ask the engine; where it is down, PostgreSQL has answered and the page says so."""
    lang, principal = LANG.get(), principal_of(user)
    page = await engine.search(form.to_query(lang=lang), principal)
    is_plain = not form.is_narrowed and form.page == 1
    beside = (
        await suggest(engine, text=form.text, principal=principal, kinds=BESIDE_RESULTS) if is_plain else ()
    )
    if page.total:
        return Found(page, beside)
    near = await find_near_misses(engine, form=form, principal=principal, lang=lang)
    return Found(page, beside, near)


def documents_of(hits: Sequence[SearchHit]) -> list[CatalogDocument]:
    """The listings among the hits."""
    return [hit.document for hit in hits if isinstance(hit.document, CatalogDocument)]


async def result_context(
    conn: asyncpg.Connection, *, form: SearchForm, found: Found, viewer: Viewer
) -> dict[str, object]:
    """What the region of results and conditions shows."""
    page = found.page
    nearest = found.near[0].hits if found.near else ()
    documents = documents_of(page.hits or nearest)
    vendors = [counted.value for counted in page.facets.get("vendor_code", ())]
    names = await read_vendor_names(conn, codes=[*vendors, *form.chosen.get("vendor_code", ())])
    return {
        "query_text": form.text,
        "total": page.total,
        "hits": documents if page.hits else [],
        "beside": found.beside,
        "nearest": [] if page.hits else documents,
        "near_misses": [offer_of(near, names=names) for near in found.near],
        "spec_names": await read_spec_names(conn),
        "open_rounds": await read_open_steps(conn, documents=documents, viewer=viewer),
        "facets": list_facets(form, page, names=names),
        "chips": list_chips(form, names=names),
        "clear_href": url(SearchForm(text=form.text, sort=form.sort).address()),
        "ranges": {"price_krw_max": form.price_krw_max, "lead_time_days_max": form.lead_time_days_max},
        "open_round_only": form.open_round_only,
        "is_literal": form.is_literal,
        "sort": form.sort,
        "sorts": SORTS,
        "pages": pages_of(form, page),
        "did_you_mean": page.did_you_mean,
        "meant_href": url(msgspec.structs.replace(form, text=page.did_you_mean or form.text).address()),
        "rewritten": page.rewritten,
        "literal_href": url(msgspec.structs.replace(form, is_literal=True).address()),
        "relaxed": "relaxed" in page.notices,
        "cut": "text_cut" in page.notices,
        "degraded": "degraded" in page.notices,
        "refused": [f"{name}={value[:40]}" for name, value in form.refused],
        "suggestions": [p.query_en if LANG.get() == "en" else p.query_ko for p in PROBLEMS],
    }


def list_facets(form: SearchForm, page: SearchPage, *, names: dict[str, str]) -> list[dict[str, object]]:
    """The conditions that are shown, with their choices and counts."""
    return [
        {
            "code": condition.field,
            "style": condition.style,
            "values": facet_values(condition, page.facets.get(condition.field, ()), form=form, names=names),
        }
        for condition in CONDITIONS
        if condition.is_shown or condition.field in form.chosen
    ]


@get("/search", opt={"audience": "anyone"}, include_in_schema=False)
async def search_page(request: AnyRequest, conn: Conn, engine: Engine, user: User) -> Response[str]:
    """Show one page of a search. Conditions that make no sense are left out and named: status 400.

    A script that asks for a part of the page (`HX-Request-Type: partial`) is given the region of results and conditions.
    """
    form = read_search_form(list(request.query_params.multi_items()))
    found = await find(engine, conn, form=form, user=user)
    is_part = request.headers.get("hx-request-type") == "partial"
    answer = page_response(
        request,
        "_search_part.html" if is_part else "search.html",
        status_code=400 if form.refused else 200,
        section="search",
        **await result_context(conn, form=form, found=found, viewer=viewer_of(user)),
    )
    answer.headers["vary"] = "HX-Request-Type"
    return answer


@get("/search/suggest", opt={"audience": "anyone"}, include_in_schema=False)
async def search_suggestions(
    request: AnyRequest, engine: Engine, user: User, q: FromQuery[str] = ""
) -> Response[str]:
    """Answer the list under the search box, empty where nothing fits."""
    groups = await suggest(engine, text=q.replace("\0", ""), principal=principal_of(user))
    return page_response(request, "_suggestions.html", groups=groups)


SEARCH_PAGES = [search_page, search_suggestions]
