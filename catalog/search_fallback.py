"""Search while the engine is down: PostgreSQL finds up to 1,000 candidates, plain Python does the rest.

Words are looked for as parts of names and models, and as `simple` full-text words for the order. No mending of
typos, no half-typed syllables. Filters, facets, sorting and visibility mean exactly what they mean in an engine,
because candidates become documents by the same projection as always.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import cast

import asyncpg
import msgspec

from catalog.projection import INDEX_OF_KIND, PROJECTIONS, DocumentKind
from search_config.analysis import squash
from search_config.documents import IndexName, SearchDocument, ServiceCenterDocument
from search_config.engine import (
    Bounds,
    EngineHealth,
    FacetCount,
    SearchEngine,
    SearchHit,
    SearchPage,
    Suggestions,
)
from search_config.errors import SearchUnavailable
from search_config.geography import Near, distance_km
from search_config.matching import bounds_of, count_facet, matches
from search_config.query import (
    DISTANCE,
    ParsedQuery,
    Principal,
    SearchQuery,
    Sort,
    parse_query,
    visibility_filter,
)
from search_config.rewriting import understand
from search_config.settings import INDEX_NAMES, IndexSettings, load_settings, load_synonyms
from search_config.suggesting import suggest

CANDIDATES_MAX = 1_000
RETRY_SECONDS = 5.0
"""How long the engine is left alone after it failed, so that every search does not wait for its time-out."""

_CANDIDATES_CATALOG = """
    SELECT 'package_model' AS kind, m.id, m.visibility, m.vendor_id, m.code AS model, m.name_ko, m.name_en,
           concat_ws(' ', m.code, m.name_ko, m.name_en, v.name_ko, v.name_en,
                     array_to_string(n.industries, ' '), n.summary_ko, n.summary_en) AS words
    FROM package_models m
    JOIN organizations v ON v.id = m.vendor_id AND v.state = 'active'
    JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
    WHERE m.state = 'published'
    UNION ALL
    SELECT 'product', p.id, p.visibility, p.vendor_id, p.model, p.name_ko, p.name_en,
           concat_ws(' ', p.code, p.model, p.name_ko, p.name_en, k.name_ko, k.name, p.category, p.subcategory,
                     p.series, p.summary_ko, p.summary_en)
    FROM products p
    JOIN organizations v ON v.id = p.vendor_id AND v.state = 'active'
    JOIN makers k ON k.id = p.maker_id
    WHERE p.state = 'published'
"""
_CANDIDATES_SERVICE_CENTERS = """
    SELECT 'service_center' AS kind, c.id, 'public' AS visibility, c.vendor_id, c.code AS model, c.name_ko,
           c.name_en, concat_ws(' ', c.code, c.name_ko, c.name_en, k.name_ko, k.name, c.city, c.city_ko,
                                c.country, array_to_string(c.serves || c.serves_ko, ' '), c.address) AS words
    FROM service_centers c
    JOIN organizations v ON v.id = c.vendor_id AND v.state = 'active'
    JOIN makers k ON k.id = c.maker_id
"""
_CANDIDATES_VENDORS = """
    SELECT 'vendor' AS kind, v.id, 'public' AS visibility, v.id AS vendor_id, v.code AS model, v.name_ko,
           v.name_en, concat_ws(' ', v.code, v.name_ko, v.name_en, v.region, v.introduction_ko,
                                v.introduction_en) AS words
    FROM organizations v WHERE v.kind = 'vendor' AND v.state = 'active'
"""


def _find_among(candidates: str) -> str:
    """$1 ways to say every word, $2 is a member, $3 tenants, $4 squashed text, $5 text, $6 limit."""
    return f"""
        SELECT c.kind, c.id FROM ({candidates}) c
        CROSS JOIN LATERAL (SELECT
            regexp_replace(lower(c.words), '[-_/.+\\s]+', '', 'g') AS squashed,
            regexp_replace(lower(c.model), '[-_/.+\\s]+', '', 'g') AS squashed_model,
            regexp_replace(lower(c.name_ko), '[-_/.+\\s]+', '', 'g') AS squashed_name) s
        WHERE (c.visibility = 'public' OR c.visibility = 'members' AND $2
               OR c.visibility = 'owner' AND c.vendor_id = ANY ($3::bigint[]))
          AND NOT EXISTS (
            SELECT 1 FROM jsonb_array_elements($1::text::jsonb) slot
            WHERE NOT EXISTS (SELECT 1 FROM jsonb_array_elements_text(slot) way
                              WHERE strpos(s.squashed, way) > 0))
        ORDER BY $4 <> '' AND $4 IN (s.squashed_model, s.squashed_name) DESC,
                 $4 <> '' AND strpos(s.squashed_name || ' ' || s.squashed_model, $4) > 0 DESC,
                 ts_rank(to_tsvector('simple', c.words), plainto_tsquery('simple', $5)) DESC,
                 length(c.name_ko), c.kind, c.id
        LIMIT $6
    """


_FIND_IN_CATALOG = _find_among(_CANDIDATES_CATALOG)
_FIND_SERVICE_CENTERS = _find_among(_CANDIDATES_SERVICE_CENTERS)
_FIND_VENDORS = _find_among(_CANDIDATES_VENDORS)


async def search_in_postgres(
    conn: asyncpg.Connection, *, query: SearchQuery, principal: Principal
) -> SearchPage:
    """Answer a query without an engine, with the notice `degraded`.

    `total` and facets count among 1,000 candidates at most.
    Raises UnknownField or InvalidFilterValue as an engine does.
    """
    settings = load_settings(query.index)
    parsed = parse_query(query, settings)
    ordered = await _find_candidates(conn, parsed, settings=settings, principal=principal)
    visible = visibility_filter(principal)
    found = [document for document in await _project(conn, ordered) if matches(document, visible)]
    hits = [document for document in found if matches(document, parsed.filter_without())]
    distances = _distances(hits, parsed.near)
    hits = [document for document in hits if document.id in distances] if parsed.near else hits
    if parsed.sort is not None and parsed.sort.field == DISTANCE:
        hits.sort(key=lambda document: distances[document.id])
    elif parsed.sort is not None:
        hits = _sorted(hits, parsed.sort)
    if parsed.distinct:
        hits = _distinct(hits, parsed.distinct)
    facets, bounds = _facets(found, parsed, settings=settings)
    shown = hits[parsed.offset : min(parsed.offset + parsed.page_size, settings.hits_max)]
    return SearchPage(
        hits=tuple(
            SearchHit(score=0.0, document=document, distance_km=distances.get(document.id))
            for document in shown
        ),
        total=len(hits),
        page=parsed.page,
        page_size=parsed.page_size,
        page_count=math.ceil(min(len(hits), settings.hits_max) / parsed.page_size),
        facets={field: facets[field] for field in parsed.facets},
        bounds=bounds,
        text=parsed.text,
        notices=(*parsed.notices, "degraded"),
    )


async def _find_candidates(
    conn: asyncpg.Connection, query: ParsedQuery, *, settings: IndexSettings, principal: Principal
) -> list[tuple[DocumentKind, int]]:
    """Rows that hold a way of saying every word, best first. Visibility is decided here as well, so that
    hidden rows do not use up the limit."""
    understanding = understand(query.text, load_synonyms(settings), is_finished=query.is_finished)
    if query.text and not understanding.slots:
        return []
    ways = [
        sorted({alternative.head for alternative in slot.alternatives} - {""})
        for slot in understanding.slots
        if not slot.is_optional
    ]
    values = (
        msgspec.json.encode(ways).decode(),
        principal.is_member,
        sorted(principal.tenant_ids),
        squash(query.text),
        query.text,
        CANDIDATES_MAX,
    )
    match query.index:
        case "catalog":
            rows = await conn.fetch(_FIND_IN_CATALOG, *values)
        case "service_centers":
            rows = await conn.fetch(_FIND_SERVICE_CENTERS, *values)
        case "vendors":
            rows = await conn.fetch(_FIND_VENDORS, *values)
    return [(row[0], row[1]) for row in rows]


async def _project(
    conn: asyncpg.Connection, ordered: Sequence[tuple[DocumentKind, int]]
) -> list[SearchDocument]:
    """Documents of the candidates, in their order."""
    documents: dict[tuple[DocumentKind, int], SearchDocument] = {}
    for kind in INDEX_OF_KIND:
        ids = [id_ for found, id_ in ordered if found == kind]
        if ids:
            projected = await PROJECTIONS[kind](conn, ids=ids)
            documents |= {(kind, id_): document for id_, document in projected.items()}
    return [documents[key] for key in ordered if key in documents]


def _distances(documents: Sequence[SearchDocument], near: Near | None) -> dict[str, float]:
    """Kilometers to the documents within the radius, by id; none without a place to be near to."""
    found: dict[str, float] = {}
    if near is None:
        return found
    for document in documents:
        if (
            isinstance(document, ServiceCenterDocument)
            and document.lat is not None
            and document.lon is not None
        ):
            far = distance_km(near.lat, near.lon, document.lat, document.lon)
            if near.radius_km is None or far <= near.radius_km:
                found[document.id] = round(far, 1)
    return found


def _distinct(documents: Sequence[SearchDocument], field: str) -> list[SearchDocument]:
    """The first of every value; a list field counts as its first value."""
    best: dict[str, SearchDocument] = {}
    for document in documents:
        value = getattr(document, field)
        key = (value[:1] or [""])[0] if isinstance(value, list) else value
        best.setdefault(key or document.id, document)
    return list(best.values())


def _sorted(documents: list[SearchDocument], sort: Sort) -> list[SearchDocument]:
    """By a field, missing values last in either order."""

    def value(document: SearchDocument) -> int | str | None:
        found: int | str | None = getattr(document, sort.field)
        return found.casefold() if isinstance(found, str) else found

    known = [document for document in documents if value(document) not in {None, ""}]
    missing = [document for document in documents if value(document) in {None, ""}]
    known.sort(key=value, reverse=sort.order == "descending")  # type: ignore[arg-type]  # None is sorted out
    return known + missing


def _facets(
    found: Sequence[SearchDocument], query: ParsedQuery, *, settings: IndexSettings
) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
    """Counts of every asked facet, each without its own filter."""
    facets: dict[str, tuple[FacetCount, ...]] = {}
    bounds: dict[str, Bounds] = {}
    for field in query.facets:
        counted = [document for document in found if matches(document, query.filter_without(field))]
        facets[field] = count_facet(counted, field, limit=settings.facet_values_max)
        if (ends := bounds_of(counted, field, settings=settings)) is not None:
            bounds[field] = ends
    return facets, bounds


class FallbackEngine:
    """A SearchEngine that answers from PostgreSQL while its primary engine cannot.

    Only searching falls back; writes and health are the primary's own. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        primary: SearchEngine,
        pool: asyncpg.Pool,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._pool = pool
        self._clock = clock
        self._down_until = -math.inf

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        if self._clock() >= self._down_until:
            try:
                return await self._primary.search(query, principal)
            except SearchUnavailable:
                self._down_until = self._clock() + RETRY_SECONDS
        async with self._pool.acquire() as borrowed:
            # The pool's proxy has every method of a connection; only the type stubs tell them apart.
            conn = cast("asyncpg.Connection", borrowed)
            return await search_in_postgres(conn, query=query, principal=principal)

    async def suggest(self, text: str, principal: Principal, *, limit: int = 8) -> Suggestions:
        if self._clock() >= self._down_until:
            try:
                return await self._primary.suggest(text, principal, limit=limit)
            except SearchUnavailable:
                self._down_until = self._clock() + RETRY_SECONDS
        return await suggest(self, text, principal, words=(), indexes=INDEX_NAMES, limit=limit)

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        await self._primary.upsert(index, documents)

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        await self._primary.delete(index, ids)

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        return await self._primary.rebuild(index, batches)

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        return await self._primary.ids_and_versions(index)

    async def health(self) -> EngineHealth:
        return await self._primary.health()

    async def close(self) -> None:
        await self._primary.close()
