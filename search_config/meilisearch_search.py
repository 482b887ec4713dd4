"""One search on Meilisearch: match, mend what was mistyped, count facets. Mirrors the embedded engine.

Every look-up, also those that only decide how a query is read, carries the principal's visibility as an
array element of its own; a hidden document can change nothing of what others see.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from search_config.documents import DOCUMENT_TYPES
from search_config.engine import Bounds, FacetCount, Notice, SearchHit, SearchPage
from search_config.meilisearch_documents import tiers, words_lane
from search_config.meilisearch_filters import NOTHING, compile_filter
from search_config.meilisearch_http import Found, MeilisearchHttp
from search_config.meilisearch_settings import sort_field
from search_config.meilisearch_text import (
    TextCompiler,
    Wanted,
    at_least,
    corrected,
    fuzzy_word,
    rank_text,
)
from search_config.query import ParsedQuery, Principal, visibility_filter
from search_config.rewriting import Slot, Understanding, understand
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms

FUZZY_HITS = 20
"""Documents from which corrected words are read."""
MARKS = ("<", ">")
"""Around a matched word in a lane; lanes hold Latin letters and digits only."""

_MARKED = re.compile("<([0-9a-z]+)>")


class _Hit(msgspec.Struct, frozen=True):
    source: str
    score: float = msgspec.field(default=0.0, name="_rankingScore")


class _Formatted(msgspec.Struct, frozen=True):
    lanes: dict[str, str] = msgspec.field(default_factory=dict, name="_formatted")


class FoundText(msgspec.Struct, frozen=True):
    """How the words were read in the end: what to look for, what was mistyped, whether words were given up."""

    wanted: Wanted
    rewritten: str | None = None
    is_relaxed: bool = False


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
        principal: Principal,
    ) -> None:
        self.http = http
        self.uid = uid
        self.settings = settings
        self.synonyms = synonyms
        self.text = TextCompiler(settings)
        self.visible = compile_filter(visibility_filter(principal))

    async def run(self, query: ParsedQuery) -> SearchPage:
        """The page of a checked query. Raises IndexMissing, SearchUnavailable."""
        understanding = understand(query.text, self.synonyms, is_finished=query.is_finished)
        direct = self._direct(query, understanding)
        found = FoundText(direct)
        answers = await self._ask(self._page_queries(found.wanted, query))
        if not answers[0].total_hits and understanding.slots and not await self._finds(direct.condition):
            found = await self._mend(understanding)
            if found.wanted.condition != NOTHING:
                answers = await self._ask(self._page_queries(found.wanted, query))
        return self._page(query, found, answers)

    def _direct(self, query: ParsedQuery, understanding: Understanding) -> Wanted:
        """All documents without a text, none for a text without a word (`!!!`), else those with every word."""
        if not query.text:
            return Wanted("")
        if not understanding.slots:
            return Wanted(NOTHING)
        return self.text.direct(understanding, is_finished=query.is_finished)

    # --- asking

    async def _ask(self, queries: Sequence[Mapping[str, Any]]) -> list[Found]:
        answers = await self.http.multi_search(self.settings.index, queries)
        if answers is None:
            raise IndexMissing
        return answers

    def _query(self, conditions: Sequence[str], **options: Any) -> dict[str, Any]:
        filters = [condition for condition in (self.visible, *conditions) if condition]
        return {"indexUid": self.uid, "filter": filters, "hitsPerPage": 0, "page": 1, **options}

    def _page_queries(self, wanted: Wanted, query: ParsedQuery) -> list[dict[str, Any]]:
        """The page itself, then one query for each facet that has a filter of its own."""
        free = [field for field in query.facets if field not in query.filters]
        page = self._query(
            [wanted.condition, *self._conditions(query)],
            q=wanted.ranked if query.sort is None else "",
            page=query.page,
            hitsPerPage=query.page_size,
            attributesToRetrieve=["source"],
            showRankingScore=query.sort is None,
            matchingStrategy="last",
            locales=["eng"],
            facets=free,
        )
        if query.sort is not None:
            order = "asc" if query.sort.order == "ascending" else "desc"
            page["sort"] = [f"{sort_field(self.settings, query.sort.field)}:{order}"]
        own = [
            self._query([wanted.condition, *self._conditions(query, without=field)], facets=[field])
            for field in query.facets
            if field in query.filters
        ]
        return [page, *own]

    def _conditions(self, query: ParsedQuery, *, without: str | None = None) -> list[str]:
        return [compile_filter(part) for name, part in query.filters.items() if name != without]

    async def _count(self, conditions: Sequence[str]) -> dict[str, int]:
        """How many visible documents meet each condition."""
        asked = [condition for condition in dict.fromkeys(conditions) if condition != NOTHING]
        answers = await self._ask([self._query([condition]) for condition in asked]) if asked else []
        counts = {condition: answer.total_hits for condition, answer in zip(asked, answers, strict=True)}
        return {NOTHING: 0, **counts}

    async def _finds(self, condition: str) -> bool:
        return bool((await self._count([condition]))[condition])

    # --- mending

    async def _mend(self, understanding: Understanding) -> FoundText:
        """Nothing has every word: try the other keyboard layout, then slips of a finger, then fewer words."""
        slots, words = await self._retype(understanding.slots)
        is_retyped = words != [slot.surface for slot in understanding.slots]
        required = [slot for slot in slots if not slot.is_optional]
        findable = await self._findable(required)
        needed = [condition for condition, _ in findable if condition != NOTHING]
        ranked = rank_text([slot for condition, slot in findable if condition != NOTHING])
        shares = dict.fromkeys(math.ceil(len(needed) * share / 3) for share in (3, 2, 1))
        ways = {slots_min: at_least(needed, slots_min) for slots_min in shares if slots_min}
        counts = await self._count(list(ways.values()))
        for slots_min, condition in ways.items():
            if counts[condition]:
                is_relaxed = len(needed) < len(required) or slots_min < len(needed)
                return FoundText(
                    Wanted(condition, ranked), " ".join(words) if is_retyped else None, is_relaxed
                )
        return FoundText(Wanted(NOTHING))

    async def _retype(self, slots: Sequence[Slot]) -> tuple[list[Slot], list[str]]:
        """Slots read in the other layout where only that finds something, and the words as then read."""
        others = {
            slot: understand(slot.layout, self.synonyms).slots
            for slot in slots
            if slot.layout and not slot.is_optional
        }
        asked = [self.text.slot(slot) for given, retyped in others.items() for slot in (given, *retyped)]
        counts = await self._count(asked)
        found: list[Slot] = []
        words: list[str] = []
        for slot in slots:
            retyped = others.get(slot, ())
            is_better = (
                bool(retyped)
                and not counts[self.text.slot(slot)]
                and all(counts[self.text.slot(other)] for other in retyped)
            )
            found.extend(retyped if is_better else (slot,))
            words.append(slot.layout if is_better else slot.surface)
        return found, words

    async def _findable(self, slots: Sequence[Slot]) -> list[tuple[str, Slot]]:
        """For each slot a condition that finds something and the slot to rank by; `NOTHING` if there is none.

        Found with every way of saying it, else with a slip of the finger. The rarest come first.
        """
        counts = await self._count([self.text.slot(slot) for slot in slots])
        lost = [slot for slot in slots if not counts[self.text.slot(slot)] and fuzzy_word(slot)]
        near = dict(zip(lost, await self._near_words([fuzzy_word(slot) for slot in lost]), strict=True))
        findable = [
            (corrected(near[slot]), slot) if near.get(slot) else (self.text.slot(slot), slot)
            for slot in slots
            if near.get(slot) or counts[self.text.slot(slot)]
        ]
        return sorted(findable, key=lambda entry: counts.get(entry[0], 0))

    async def _near_words(self, words: Sequence[str]) -> list[list[str]]:
        """For each word those of visible documents that are one or two slips away, nearest first."""
        if not words:
            return []
        lanes = [words_lane(suffix) for suffix in tiers(self.settings)]
        asked = [
            self._query(
                [],
                q=f"{word} ",  # the space says that the word is complete
                hitsPerPage=FUZZY_HITS,
                attributesToSearchOn=lanes,
                attributesToRetrieve=[],
                attributesToHighlight=lanes,
                highlightPreTag=MARKS[0],
                highlightPostTag=MARKS[1],
                locales=["eng"],
            )
            for word in words
        ]
        decode = msgspec.json.Decoder(_Formatted).decode
        answers = await self._ask(asked)
        return [
            list(
                dict.fromkeys(
                    near
                    for hit in answer.hits
                    for lane in decode(hit).lanes.values()
                    for near in _MARKED.findall(lane)
                )
            )
            for answer in answers
        ]

    # --- answering

    def _page(self, query: ParsedQuery, found: FoundText, answers: Sequence[Found]) -> SearchPage:
        decode = msgspec.json.Decoder(DOCUMENT_TYPES[self.settings.index]).decode
        read = msgspec.json.Decoder(_Hit).decode
        total = answers[0].total_hits
        facets, bounds = self._facets(query, answers)
        notices: tuple[Notice, ...] = (*query.notices, *(("relaxed",) if found.is_relaxed else ()))
        hits = [read(hit) for hit in answers[0].hits]
        return SearchPage(
            hits=tuple(
                SearchHit(
                    score=round(hit.score, 4) if query.sort is None else 0.0, document=decode(hit.source)
                )
                for hit in hits
            ),
            total=total,
            page=query.page,
            page_size=query.page_size,
            page_count=math.ceil(min(total, self.settings.hits_max) / query.page_size),
            facets=facets,
            bounds=bounds,
            text=query.text,
            rewritten=found.rewritten,
            notices=notices,
        )

    def _facets(
        self, query: ParsedQuery, answers: Sequence[Found]
    ) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
        filtered = [field for field in query.facets if field in query.filters]
        answer_of = dict.fromkeys(query.facets, answers[0]) | dict(zip(filtered, answers[1:], strict=True))
        facets: dict[str, tuple[FacetCount, ...]] = {}
        bounds: dict[str, Bounds] = {}
        for field, answer in answer_of.items():
            counts = answer.facet_distribution.get(field, {}).items()
            ordered = sorted(counts, key=lambda entry: (-entry[1], entry[0]))
            facets[field] = tuple(FacetCount(value=value, count=count) for value, count in ordered)
            stats = answer.facet_stats.get(field)
            if stats:
                bounds[field] = Bounds(lower=stats["min"], upper=stats["max"])
        return facets, bounds
