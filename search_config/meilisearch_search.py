"""One search on Meilisearch: match, mend what was mistyped, grade, count facets. Mirrors the embedded engine.

Every look-up, also those that only decide how a query is read, carries the principal's visibility as an
array element of its own; a hidden document can change nothing of what others see.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from search_config.documents import DOCUMENT_TYPES
from search_config.engine import Bounds, FacetCount, Notice, SearchHit, SearchPage
from search_config.meilisearch_filters import NOTHING, compile_filter
from search_config.meilisearch_http import Found, MeilisearchHttp
from search_config.meilisearch_settings import sort_field
from search_config.meilisearch_text import EVERYTHING, NOWHERE, TextCompiler, Wanted, grade_filters
from search_config.query import ParsedQuery, Principal, visibility_filter
from search_config.rewriting import Slot, Understanding, rewrite, understand
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms
from search_config.vocabulary import Vocabulary

FEW_HITS = 10
"""A sentence that finds fewer is asked again with fewer of its words; the same as in the embedded engine."""


class _Hit(msgspec.Struct, frozen=True):
    source: str
    score: float = msgspec.field(default=0.0, name="_rankingScore")


class FoundText(msgspec.Struct, frozen=True):
    """How the words were read in the end: what to look for, what was mistyped, whether words were given up."""

    wanted: Wanted
    rewritten: str | None = None
    is_relaxed: bool = False
    wider: Understanding | None = None


class FoundPage(msgspec.Struct, frozen=True):
    """What one question answered: hits of the page, how many there are in all, one answer per group of facets."""

    hits: tuple[SearchHit, ...]
    total: int
    counted: list[Found]


class IndexMissing(Exception):
    """The index was never written."""


class MeilisearchSearch:
    """The index, its settings and one principal's visibility. Lives for one search."""

    def __init__(
        self,
        http: MeilisearchHttp,
        uid: str,
        *,
        settings: IndexSettings,
        synonyms: Synonyms,
        vocabulary: Vocabulary,
        principal: Principal,
    ) -> None:
        self.http = http
        self.uid = uid
        self.settings = settings
        self.synonyms = synonyms
        self.vocabulary = vocabulary
        self.text = TextCompiler(settings)
        self.visible = compile_filter(visibility_filter(principal))

    async def run(self, query: ParsedQuery) -> SearchPage:
        """The page of a checked query. Raises IndexMissing, SearchUnavailable."""
        found = await self._find_text(query)
        page = await self._ask_page(found.wanted, query)
        few = FEW_HITS if found.wider and found.wider.is_sentence else 1
        if page.total < few and found.wider and await self._count_one(found.wanted.condition) < few:
            found = await self._widen(found, found.wider, hits_min=few)
            page = await self._ask_page(found.wanted, query)
        facets, bounds = self._facets(query, page.counted)
        notices: tuple[Notice, ...] = (*query.notices, *(("relaxed",) if found.is_relaxed else ()))
        return SearchPage(
            hits=page.hits,
            total=page.total,
            page=query.page,
            page_size=query.page_size,
            page_count=math.ceil(min(page.total, self.settings.hits_max) / query.page_size),
            facets=facets,
            bounds=bounds,
            text=query.text,
            rewritten=found.rewritten,
            notices=notices,
        )

    # --- reading the text

    async def _find_text(self, query: ParsedQuery) -> FoundText:
        """All documents without a text, none for a text without a word (`!!!`), else those with every word."""
        if not query.text:
            return FoundText(EVERYTHING)
        understanding = understand(
            query.text,
            self.synonyms,
            self.vocabulary,
            is_finished=query.is_finished,
            is_literal=query.is_literal,
        )
        if not understanding.slots:
            return FoundText(NOWHERE)
        settled = await self._settle(understanding)
        is_rewritten = settled.slots != understanding.slots
        rewritten = rewrite(query.text, understanding, settled) if is_rewritten else None
        return FoundText(self.text.query(settled), rewritten, wider=settled)

    async def _settle(self, understanding: Understanding) -> Understanding:
        """Take a word for a slip only where nothing that this principal may see has it as written."""
        doubtful = [self.text.slot(slot) for slot in understanding.slots if slot.corrections]
        counts = await self._count(doubtful)
        slots = tuple(
            slot.corrected() if slot.corrections and not counts[self.text.slot(slot)] else slot
            for slot in understanding.slots
        )
        return understanding.settled(slots)

    async def _widen(self, found: FoundText, asked: Understanding, *, hits_min: int) -> FoundText:
        """Nothing has every word: give up words that nothing has, then ask for two thirds, then one third.

        A sentence also widens when few documents have every word.
        """
        slots = [slot for slot in asked.slots if not slot.is_optional]
        head = asked.slots[asked.head_place]
        findable = await self._findable(slots) or await self._findable(asked.slots)
        needed = list(findable.values())
        kept = [findable[head]] if head in findable else []
        ways = {
            slots_min: self.text.combine(asked, needed, slots_min=slots_min, kept=kept)
            for share in (3, 2, 1)
            if (slots_min := math.ceil(len(needed) * share / 3))
        }
        counts = await self._count([wanted.condition for wanted in ways.values()])
        for least in dict.fromkeys((hits_min, 1)):
            for slots_min, wanted in ways.items():
                if counts[wanted.condition] >= least:
                    is_relaxed = len(needed) < len(slots) or slots_min < len(needed)
                    return FoundText(wanted, found.rewritten, is_relaxed)
        return FoundText(self.text.loose(asked), found.rewritten, is_relaxed=True)

    async def _findable(self, slots: Iterable[Slot]) -> dict[Slot, str]:
        conditions = {slot: self.text.slot(slot) for slot in slots}
        counts = await self._count(list(conditions.values()))
        return {slot: condition for slot, condition in conditions.items() if counts[condition]}

    # --- asking

    async def _ask(self, queries: Sequence[Mapping[str, Any]]) -> list[Found]:
        answers = await self.http.multi_search(self.settings.index, queries)
        if answers is None:
            raise IndexMissing
        return answers

    def _query(self, conditions: Iterable[str], **options: Any) -> dict[str, Any]:
        filters = [condition for condition in (self.visible, *conditions) if condition]
        return {"indexUid": self.uid, "q": "", "filter": filters, "hitsPerPage": 0, "page": 1, **options}

    async def _count(self, conditions: Sequence[str]) -> dict[str, int]:
        """How many visible documents meet each condition."""
        asked = [condition for condition in dict.fromkeys(conditions) if condition != NOTHING]
        answers = await self._ask([self._query([condition]) for condition in asked]) if asked else []
        counts = {condition: answer.total_hits for condition, answer in zip(asked, answers, strict=True)}
        return {NOTHING: 0, **counts}

    async def _count_one(self, condition: str) -> int:
        return (await self._count([condition]))[condition]

    async def _ask_page(self, wanted: Wanted, query: ParsedQuery) -> FoundPage:
        """The page and its facets. The first page takes one request, a later one of graded hits two."""
        if wanted.condition == NOTHING:
            return FoundPage((), 0, [Found() for _ in self._facet_groups(query)])
        matched = [wanted.condition, *self._conditions(query)]
        counting = [
            self._query([wanted.condition, *self._conditions(query, without=own)], facets=fields)
            for own, fields in self._facet_groups(query)
        ]
        is_sorted = query.sort is not None
        slices = [[]] if is_sorted or not wanted.grades else grade_filters(wanted)
        if query.offset and len(slices) > 1:
            answers = await self._ask([*counting, *(self._query([*matched, *part]) for part in slices)])
            counted, totals = (
                answers[: len(counting)],
                [found.total_hits for found in answers[len(counting) :]],
            )
            return FoundPage(await self._later_page(wanted, query, slices, totals), sum(totals), counted)
        asked = [self._hits_query(wanted, query, part, page=query.page) for part in slices]
        answers = await self._ask([*counting, *asked])
        counted, found = answers[: len(counting)], answers[len(counting) :]
        hits = self._hits(query, found)[: query.page_size]
        return FoundPage(hits, sum(answer.total_hits for answer in found), counted)

    async def _later_page(
        self, wanted: Wanted, query: ParsedQuery, slices: list[list[str]], totals: list[int]
    ) -> tuple[SearchHit, ...]:
        """The hits of a page that may begin in one grade and end in another."""
        asked: list[dict[str, Any]] = []
        grades: list[int] = []
        begin, end, before = query.offset, query.offset + query.page_size, 0
        for place, total in enumerate(totals):
            first, last = max(begin - before, 0), min(end - before, total)
            if first < last:
                grades.append(place)
                part = self._hits_query(wanted, query, slices[place], page=1)
                del part["page"], part["hitsPerPage"]
                asked.append({**part, "offset": first, "limit": last - first})
            before += total
        found = await self._ask(asked) if asked else []
        by_grade = [Found()] * len(slices)
        for place, answer in zip(grades, found, strict=True):
            by_grade[place] = answer
        return self._hits(query, by_grade)

    def _hits_query(
        self, wanted: Wanted, query: ParsedQuery, part: Sequence[str], *, page: int
    ) -> dict[str, Any]:
        asked = self._query(
            [wanted.condition, *self._conditions(query), *part],
            page=page,
            hitsPerPage=query.page_size,
            attributesToRetrieve=["source"],
        )
        if query.sort is not None:
            order = "asc" if query.sort.order == "ascending" else "desc"
            return {**asked, "sort": [f"{sort_field(self.settings, query.sort.field)}:{order}"]}
        ranking = {"matchingStrategy": "last", "locales": ["eng"], "showRankingScore": True}
        return {**asked, "q": wanted.ranked, **ranking}

    def _conditions(self, query: ParsedQuery, *, without: str | None = None) -> list[str]:
        return [compile_filter(part) for name, part in query.filters.items() if name != without]

    # --- answering

    def _hits(self, query: ParsedQuery, answers: Sequence[Found]) -> tuple[SearchHit, ...]:
        """Hits in order. A score is the grade (whole numbers) and Meilisearch's own score (0..1) within it."""
        decode = msgspec.json.Decoder(DOCUMENT_TYPES[self.settings.index]).decode
        read = msgspec.json.Decoder(_Hit).decode
        graded = [
            (len(answers) - 1 - place, read(hit))
            for place, answer in enumerate(answers)
            for hit in answer.hits
        ]
        return tuple(
            SearchHit(
                score=round(grade + hit.score, 4) if query.sort is None else 0.0, document=decode(hit.source)
            )
            for grade, hit in graded
        )

    def _facet_groups(self, query: ParsedQuery) -> list[tuple[str | None, list[str]]]:
        """Facets that are counted together: those without a filter of their own, then each of the others alone."""
        free = [field for field in query.facets if field not in query.filters]
        groups: list[tuple[str | None, list[str]]] = [(None, free)] if free else []
        return groups + [(field, [field]) for field in query.facets if field in query.filters]

    def _facets(
        self, query: ParsedQuery, answers: Sequence[Found]
    ) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
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
