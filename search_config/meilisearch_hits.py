"""Asking Meilisearch for one page: hits by rank, by a field, by distance, one of each value; and facet counts.

Every question carries the principal's visibility as an array element of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from search_config.documents import DOCUMENT_TYPES, SearchDocument, ServiceCenterDocument
from search_config.engine import Bounds, FacetCount, SearchHit
from search_config.geography import Near, distance_km
from search_config.meilisearch_filters import NOTHING, compile_filter, within
from search_config.meilisearch_http import Found, MeilisearchHttp
from search_config.meilisearch_settings import sort_field
from search_config.meilisearch_text import Wanted, grade_filters
from search_config.query import DISTANCE, ParsedQuery
from search_config.settings import IndexSettings


class _Hit(msgspec.Struct, frozen=True):
    source: str
    score: float = msgspec.field(default=0.0, name="_rankingScore")


class FoundPage(msgspec.Struct, frozen=True):
    """What one question answered: hits of the page, how many there are in all, one answer per group of facets."""

    hits: tuple[SearchHit, ...]
    total: int
    counted: list[Found]


class IndexMissing(Exception):
    """The index was never written."""


class PageReader:
    """Asks one index as one principal."""

    def __init__(self, http: MeilisearchHttp, uid: str, *, settings: IndexSettings, visible: str) -> None:
        self.http = http
        self.uid = uid
        self.settings = settings
        self.visible = visible
        self._decode = msgspec.json.Decoder(DOCUMENT_TYPES[settings.index]).decode

    async def count(self, conditions: Sequence[str]) -> dict[str, int]:
        """How many visible documents meet each condition."""
        asked = [condition for condition in dict.fromkeys(conditions) if condition != NOTHING]
        answers = await self._ask([self._query([condition]) for condition in asked]) if asked else []
        counts = {condition: answer.total_hits for condition, answer in zip(asked, answers, strict=True)}
        return {NOTHING: 0, **counts}

    async def read(self, wanted: Wanted, query: ParsedQuery) -> FoundPage:
        """The page and its facets. The first page takes one request, a later one of graded hits two."""
        if wanted.condition == NOTHING:
            return FoundPage((), 0, [Found() for _ in self._facet_groups(query)])
        counting = [
            self._query([wanted.condition, *self._conditions(query, without=own)], facets=fields)
            for own, fields in self._facet_groups(query)
        ]
        if query.distinct and query.near is None:
            return await self._read_distinct(wanted, query, counting)
        is_graded = query.sort is None and bool(wanted.grades)
        slices = grade_filters(wanted) if is_graded else [[]]
        if query.offset and is_graded:
            return await self._read_later(wanted, query, counting, slices)
        asked = [self._hits_query(wanted, query, part) for part in slices]
        answers = await self._ask([*counting, *asked])
        counted, found = answers[: len(counting)], answers[len(counting) :]
        hits = self._hits(query, found)[: query.page_size]
        return FoundPage(hits, sum(answer.total_hits for answer in found), counted)

    def facets(
        self, query: ParsedQuery, answers: Sequence[Found]
    ) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
        """Counts of every asked facet; a facet with a filter of its own was counted without it."""
        groups = self._facet_groups(query)
        answer_of = {
            field: answer for (_, fields), answer in zip(groups, answers, strict=True) for field in fields
        }
        facets: dict[str, tuple[FacetCount, ...]] = {}
        bounds: dict[str, Bounds] = {}
        for field in query.facets:
            counts = answer_of[field].facet_distribution.get(field, {}).items()
            ordered = sorted(counts, key=lambda entry: (-entry[1], entry[0]))[
                : self.settings.facet_values_max
            ]
            facets[field] = tuple(FacetCount(value=value, count=count) for value, count in ordered)
            if stats := answer_of[field].facet_stats.get(field):
                bounds[field] = Bounds(lower=stats["min"], upper=stats["max"])
        return facets, bounds

    async def _ask(self, queries: Sequence[Mapping[str, Any]]) -> list[Found]:
        answers = await self.http.multi_search(self.settings.index, queries)
        if answers is None:
            raise IndexMissing
        return answers

    def _query(self, conditions: Iterable[str], **options: Any) -> dict[str, Any]:
        filters = [condition for condition in (self.visible, *conditions) if condition]
        return {"indexUid": self.uid, "q": "", "filter": filters, "hitsPerPage": 0, "page": 1, **options}

    def _conditions(self, query: ParsedQuery, *, without: str | None = None) -> list[str]:
        conditions = [compile_filter(part) for name, part in query.filters.items() if name != without]
        return [*conditions, within(query.near)] if query.near is not None else conditions

    def _hits_query(self, wanted: Wanted, query: ParsedQuery, part: Sequence[str]) -> dict[str, Any]:
        asked = self._query(
            [wanted.condition, *self._conditions(query), *part],
            page=query.page,
            hitsPerPage=query.page_size,
            attributesToRetrieve=["source"],
        )
        if query.sort is None:
            ranking = {"matchingStrategy": "last", "locales": ["eng"], "showRankingScore": True}
            return {**asked, "q": wanted.ranked, **ranking}
        order = "asc" if query.sort.order == "ascending" else "desc"
        if query.sort.field == DISTANCE and query.near is not None:
            return {**asked, "sort": [f"_geoPoint({query.near.lat:.7f}, {query.near.lon:.7f}):{order}"]}
        return {**asked, "sort": [f"{sort_field(self.settings, query.sort.field)}:{order}"]}

    async def _read_later(
        self, wanted: Wanted, query: ParsedQuery, counting: list[dict[str, Any]], slices: list[list[str]]
    ) -> FoundPage:
        """A page that may begin in one grade and end in another: first how many each has, then the hits."""
        matched = [wanted.condition, *self._conditions(query)]
        answers = await self._ask([*counting, *(self._query([*matched, *part]) for part in slices)])
        counted, totals = answers[: len(counting)], [found.total_hits for found in answers[len(counting) :]]
        asked: dict[int, dict[str, Any]] = {}
        before = 0
        for place, total in enumerate(totals):
            first = max(query.offset - before, 0)
            last = min(query.offset + query.page_size - before, total)
            if first < last:
                part = self._hits_query(wanted, query, slices[place])
                del part["page"], part["hitsPerPage"]
                asked[place] = {**part, "offset": first, "limit": last - first}
            before += total
        found = dict(zip(asked, await self._ask(list(asked.values())) if asked else [], strict=True))
        by_grade = [found.get(place, Found()) for place in range(len(slices))]
        return FoundPage(self._hits(query, by_grade), sum(totals), counted)

    async def _read_distinct(
        self, wanted: Wanted, query: ParsedQuery, counting: list[dict[str, Any]]
    ) -> FoundPage:
        """The best hit of every value, among the first `hits_max`; a list field counts as its first value."""
        every = msgspec.structs.replace(query, page=1, page_size=self.settings.hits_max)
        answers = await self._ask([*counting, self._hits_query(wanted, every, ())])
        best: dict[Any, SearchHit] = {}
        for hit in self._hits(query, answers[len(counting) :]):
            value = getattr(hit.document, query.distinct)
            key = (value[:1] or [""])[0] if isinstance(value, list) else value
            best.setdefault(key or hit.document.id, hit)
        kept = tuple(best.values())
        hits = kept[query.offset : query.offset + query.page_size]
        return FoundPage(hits, len(kept), answers[: len(counting)])

    def _hits(self, query: ParsedQuery, answers: Sequence[Found]) -> tuple[SearchHit, ...]:
        """Hits in order. A score is the grade (whole numbers) and Meilisearch's own score (0..1) within it."""
        read = msgspec.json.Decoder(_Hit).decode
        hits: list[SearchHit] = []
        for place, answer in enumerate(answers):
            for raw in answer.hits:
                hit = read(raw)
                document = self._decode(hit.source)
                score = round(len(answers) - 1 - place + hit.score, 4) if query.sort is None else 0.0
                far = None if query.near is None else _distance(document, query.near)
                hits.append(SearchHit(score=score, document=document, distance_km=far))
        return tuple(hits)

    def _facet_groups(self, query: ParsedQuery) -> list[tuple[str | None, list[str]]]:
        """Facets that are counted together: those without a filter of their own, then each of the others alone."""
        free = [field for field in query.facets if field not in query.filters]
        groups: list[tuple[str | None, list[str]]] = [(None, free)] if free else []
        return groups + [(field, [field]) for field in query.facets if field in query.filters]


def _distance(document: SearchDocument, near: Near) -> float | None:
    if not isinstance(document, ServiceCenterDocument) or document.lat is None or document.lon is None:
        return None
    return round(distance_km(near.lat, near.lon, document.lat, document.lon), 1)
