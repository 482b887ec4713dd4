"""One search on an open tantivy index: find, mend, rank, count. Everything is seen through the principal."""

import math
from collections.abc import Iterable

import msgspec
from tantivy import Query, Schema, Searcher

from search_config.embedded_facets import Counts, FacetMemory, count_facets
from search_config.embedded_filters import all_of, compile_filter
from search_config.embedded_hits import HitReader
from search_config.embedded_text import TextCompiler, TextQuery
from search_config.engine import Bounds, FacetCount, Notice, SearchHit, SearchPage
from search_config.highlighting import highlight_document, needles_of
from search_config.query import ParsedQuery, Principal, visibility_filter
from search_config.rewriting import Slot, Understanding, rewrite, understand
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms
from search_config.vocabulary import Vocabulary

NEAREST_MAX = 5
"""Hits shown when the filters leave nothing."""
CODE_LETTERS_MIN = 3
FEW_HITS = 10
"""A sentence that finds fewer is asked again with fewer of its words."""

EVERYTHING = TextQuery(Query.all_query(), Query.all_query())
NOTHING = TextQuery(Query.empty_query(), Query.empty_query())


class FoundText(msgspec.Struct, frozen=True):
    """The text part of a search: what to look for, what was mistyped, whether words were given up."""

    text: TextQuery
    rewritten: str | None = None
    did_you_mean: str | None = None
    is_relaxed: bool = False
    wider: Understanding | None = None


class IndexSearch:
    """A searcher, its settings and one principal's visibility. Lives for one search."""

    def __init__(
        self,
        searcher: Searcher,
        schema: Schema,
        *,
        settings: IndexSettings,
        synonyms: Synonyms,
        vocabulary: Vocabulary,
        principal: Principal,
        memory: FacetMemory,
    ) -> None:
        self.searcher = searcher
        self.schema = schema
        self.settings = settings
        self.synonyms = synonyms
        self.vocabulary = vocabulary
        self.text = TextCompiler(searcher, schema, settings)
        self.principal = principal
        self.memory = memory
        self.hits = HitReader(searcher, schema, settings)
        self.visible = self._filter(compile_filter(schema, visibility_filter(principal)))

    def run(self, query: ParsedQuery) -> SearchPage:
        """The page of a checked query."""
        found = self._find_text(query)
        hits, total = self._read(found, query)
        few = FEW_HITS if found.wider and found.wider.is_sentence else 1
        if total < few and found.wider and self._count(found.text.matching) < few:
            found = self._widen(found, hits_min=few)
            hits, total = self._read(found, query)
        facets, bounds = self._facets(found, query)
        notices: tuple[Notice, ...] = (*query.notices, *(("relaxed",) if found.is_relaxed else ()))
        return SearchPage(
            hits=hits,
            total=total,
            page=query.page,
            page_size=query.page_size,
            page_count=math.ceil(min(total, self.settings.hits_max) / query.page_size),
            facets=facets,
            bounds=bounds,
            text=query.text,
            rewritten=found.rewritten,
            did_you_mean=found.did_you_mean,
            nearest=() if total else self._nearest(found, query),
            notices=notices,
        )

    def _read(self, found: FoundText, query: ParsedQuery) -> tuple[tuple[SearchHit, ...], int]:
        hits, total = self.hits.read(self._condition(found.text.ranked, query), query)
        if query.highlights and found.wider is not None:
            needles = needles_of(found.wider)
            hits = tuple(
                msgspec.structs.replace(hit, highlights=highlight_document(hit.document, needles))
                for hit in hits
            )
        return hits, total

    def _nearest(self, found: FoundText, query: ParsedQuery) -> tuple[SearchHit, ...]:
        """The best hits without the filters that leave nothing."""
        if not query.filters and query.near is None:
            return ()
        unfiltered = msgspec.structs.replace(
            query, filters={}, near=None, sort=None, page=1, page_size=NEAREST_MAX
        )
        return self.hits.read(self._condition(found.text.ranked, unfiltered), unfiltered)[0]

    def _find_text(self, query: ParsedQuery) -> FoundText:
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
            return FoundText(NOTHING)
        settled = self._settle(understanding)
        is_rewritten = settled.slots != understanding.slots
        return FoundText(
            self.text.query(settled),
            rewritten=rewrite(query.text, understanding, settled) if is_rewritten else None,
            did_you_mean=self._offer(query.text, understanding, settled),
            wider=settled,
        )

    def _offer(self, text: str, understanding: Understanding, settled: Understanding) -> str | None:
        """Another text that finds something, where a word has hits as written but looks like a slip."""
        if not any(slot.corrections for slot in settled.slots):
            return None
        meant = understanding.settled(
            tuple(slot.corrected() if slot.corrections else slot for slot in understanding.slots)
        )
        return rewrite(text, understanding, meant) if self._count(self.text.query(meant).matching) else None

    def _settle(self, understanding: Understanding) -> Understanding:
        """Take a word for a slip only where nothing that this principal may see has it as written.

        Only visible documents decide, or a hidden document would change what others find.
        """
        slots = tuple(
            slot.corrected() if slot.corrections and not self._count(self.text.slot(slot)) else slot
            for slot in understanding.slots
        )
        return understanding.settled(slots)

    def _widen(self, found: FoundText, *, hits_min: int) -> FoundText:
        """Nothing has every word: give up words that nothing has, then ask for two thirds, then one third.

        A sentence also widens when few documents have every word.
        """
        asked = found.wider
        if asked is None:
            return found
        slots = [slot for slot in asked.slots if not slot.is_optional]
        head = asked.slots[asked.head_place]
        findable = self._findable(slots) or self._findable(asked.slots)
        needed = list(findable.values())
        kept = [findable[head]] if head in findable else []
        for slots_min in dict.fromkeys(math.ceil(len(needed) * share / 3) for share in (3, 2, 1)):
            text = self.text.combine(asked, needed, slots_min=slots_min, kept=kept)
            if slots_min and self._count(text.matching) >= hits_min:
                is_relaxed = len(needed) < len(slots) or slots_min < len(needed)
                return msgspec.structs.replace(found, text=text, is_relaxed=is_relaxed)
        if hits_min > 1:
            return self._widen(found, hits_min=1)
        text = self._shortened_code(asked) or self.text.loose(asked)
        return msgspec.structs.replace(found, text=text, is_relaxed=True)

    def _shortened_code(self, asked: Understanding) -> TextQuery | None:
        """The longest beginning of a model number that something visible has, at least half of it."""
        code = asked.squashed
        if not code.isascii():
            return None
        for length in range(len(code) - 1, max(CODE_LETTERS_MIN, len(code) // 2) - 1, -1):
            query = self.text.code(code[:length])
            if self._count(query):
                return TextQuery(query, query)
        return None

    def _findable(self, slots: Iterable[Slot]) -> dict[Slot, Query]:
        return {slot: query for slot in slots if self._count(query := self.text.slot(slot))}

    def _filter(self, query: Query) -> Query:
        return Query.const_score_query(query, 0.0)

    def _count(self, query: Query) -> int:
        result = self.searcher.search(all_of([query, self.visible]), limit=1)
        return int(result.count)  # type: ignore[attr-defined]  # missing in the stub of tantivy 0.27

    def _condition(self, text: Query, query: ParsedQuery, *, without: str | None = None) -> Query:
        wanted = compile_filter(self.schema, query.filter_without(without))
        return all_of([text, self.visible, self._filter(wanted)])

    def _facets(
        self, found: FoundText, query: ParsedQuery
    ) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
        """Counts of every asked facet; a facet with a filter of its own is counted without it."""
        counted: dict[str, Counts] = {}
        groups: dict[str | None, list[str]] = {}
        for field in query.facets:
            groups.setdefault(field if field in query.filters else None, []).append(field)
        for without, fields in groups.items():
            asked = (
                query.text,
                query.is_finished,
                query.is_literal,
                found.is_relaxed,
                self.principal,
                id(self.vocabulary),
            )
            filters = query.filter_without(without)
            known = {
                field: counts
                for field in fields
                if (counts := self.memory.find(self.searcher, (asked, filters, field)))
            }
            missing = [field for field in fields if field not in known]
            if missing:
                condition = self._condition(found.text.matching, query, without=without)
                for field, counts in count_facets(self.searcher, condition, missing, self.settings).items():
                    self.memory.keep(self.searcher, (asked, filters, field), counts)
                    known[field] = counts
            counted |= known
        facets = {field: counted[field][0] for field in query.facets}
        return facets, {field: bounds for field in query.facets if (bounds := counted[field][1])}
