"""One search on Meilisearch: read the words, mend what was mistyped, ask for less. Mirrors the embedded engine.

Also the look-ups that only decide how a query is read see through the principal's eyes; a hidden document can
change nothing of what others see.
"""

import math
from collections.abc import Iterable

import msgspec

from search_config.engine import Notice, SearchHit, SearchPage
from search_config.highlighting import highlight_document, needles_of
from search_config.meilisearch_filters import compile_filter
from search_config.meilisearch_hits import FoundPage, PageReader
from search_config.meilisearch_http import MeilisearchHttp
from search_config.meilisearch_text import EVERYTHING, NOWHERE, TextCompiler, Wanted
from search_config.query import ParsedQuery, Principal, visibility_filter
from search_config.rewriting import Slot, Understanding, rewrite, understand
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms
from search_config.vocabulary import Vocabulary

NEAREST_MAX = 5
CODE_LETTERS_MIN = 3
FEW_HITS = 10
"""Hits shown when filters leave nothing, letters of a shortened model number, and hits below which a sentence is
asked again with fewer words: the same as in the embedded engine."""


class FoundText(msgspec.Struct, frozen=True):
    """How the words were read in the end: what to look for, what was mistyped, whether words were given up."""

    wanted: Wanted
    rewritten: str | None = None
    did_you_mean: str | None = None
    is_relaxed: bool = False
    wider: Understanding | None = None


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
        self.settings = settings
        self.synonyms = synonyms
        self.vocabulary = vocabulary
        self.text = TextCompiler(settings)
        visible = compile_filter(visibility_filter(principal))
        self.reader = PageReader(http, uid, settings=settings, visible=visible)

    async def run(self, query: ParsedQuery) -> SearchPage:
        """The page of a checked query. Raises IndexMissing, SearchUnavailable."""
        found = await self._find_text(query)
        page = await self.reader.read(found.wanted, query)
        few = FEW_HITS if found.wider and found.wider.is_sentence else 1
        if page.total < few and found.wider and await self._count(found.wanted.condition) < few:
            found = await self._widen(found, found.wider, hits_min=few)
            page = await self.reader.read(found.wanted, query)
        facets, bounds = self.reader.facets(query, page.counted)
        notices: tuple[Notice, ...] = (*query.notices, *(("relaxed",) if found.is_relaxed else ()))
        return SearchPage(
            hits=self._marked(found, query, page),
            total=page.total,
            page=query.page,
            page_size=query.page_size,
            page_count=math.ceil(min(page.total, self.settings.hits_max) / query.page_size),
            facets=facets,
            bounds=bounds,
            text=query.text,
            rewritten=found.rewritten,
            did_you_mean=found.did_you_mean,
            nearest=() if page.total else await self._nearest(found, query),
            notices=notices,
        )

    def _marked(self, found: FoundText, query: ParsedQuery, page: FoundPage) -> tuple[SearchHit, ...]:
        if not query.highlights or found.wider is None:
            return page.hits
        needles = needles_of(found.wider)
        return tuple(
            msgspec.structs.replace(hit, highlights=highlight_document(hit.document, needles))
            for hit in page.hits
        )

    async def _nearest(self, found: FoundText, query: ParsedQuery) -> tuple[SearchHit, ...]:
        """The best hits without the filters that leave nothing."""
        if not query.filters and query.near is None:
            return ()
        unfiltered = msgspec.structs.replace(
            query, filters={}, near=None, sort=None, page=1, page_size=NEAREST_MAX, facets=()
        )
        return (await self.reader.read(found.wanted, unfiltered)).hits

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
        return FoundText(
            self.text.query(settled),
            rewritten=rewrite(query.text, understanding, settled) if is_rewritten else None,
            did_you_mean=await self._offer(query.text, understanding, settled),
            wider=settled,
        )

    async def _offer(self, text: str, understanding: Understanding, settled: Understanding) -> str | None:
        """Another text that finds something, where a word has hits as written but looks like a slip."""
        if not any(slot.corrections for slot in settled.slots):
            return None
        meant = understanding.settled(
            tuple(slot.corrected() if slot.corrections else slot for slot in understanding.slots)
        )
        is_found = await self._count(self.text.query(meant).condition)
        return rewrite(text, understanding, meant) if is_found else None

    async def _settle(self, understanding: Understanding) -> Understanding:
        """Take a word for a slip only where nothing that this principal may see has it as written."""
        counts = await self.reader.count(
            [self.text.slot(slot) for slot in understanding.slots if slot.corrections]
        )
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
        counts = await self.reader.count([wanted.condition for wanted in ways.values()])
        for least in dict.fromkeys((hits_min, 1)):
            for slots_min, wanted in ways.items():
                if counts[wanted.condition] >= least:
                    is_relaxed = len(needed) < len(slots) or slots_min < len(needed)
                    return msgspec.structs.replace(found, wanted=wanted, is_relaxed=is_relaxed)
        loose = await self._shortened_code(asked) or self.text.loose(asked)
        return msgspec.structs.replace(found, wanted=loose, is_relaxed=True)

    async def _shortened_code(self, asked: Understanding) -> Wanted | None:
        """The longest beginning of a model number that something visible has, at least half of it."""
        code = asked.squashed
        if not code.isascii():
            return None
        lengths = range(len(code) - 1, max(CODE_LETTERS_MIN, len(code) // 2) - 1, -1)
        ways = [self.text.code(code[:length]) for length in lengths]
        counts = await self.reader.count(ways)
        return next((Wanted(way) for way in ways if counts[way]), None)

    async def _findable(self, slots: Iterable[Slot]) -> dict[Slot, str]:
        conditions = {slot: self.text.slot(slot) for slot in slots}
        counts = await self.reader.count(list(conditions.values()))
        return {slot: condition for slot, condition in conditions.items() if counts[condition]}

    async def _count(self, condition: str) -> int:
        return (await self.reader.count([condition]))[condition]
