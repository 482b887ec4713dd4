"""One search on an open tantivy index: find, mend, rank, count. Everything is seen through the principal."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from tantivy import Order, Query, Schema, Searcher

from search_config.documents import DOCUMENT_TYPES
from search_config.embedded_filters import all_of, compile_filter, filter_name
from search_config.embedded_schema import sort_name
from search_config.embedded_text import TextCompiler, TextQuery
from search_config.engine import Bounds, FacetCount, Notice, SearchHit, SearchPage
from search_config.query import ParsedQuery, Principal, visibility_filter
from search_config.rewriting import Slot, Understanding, rewrite, understand
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms
from search_config.vocabulary import Vocabulary

FEW_HITS = 10
"""A sentence that finds fewer is asked again with fewer of its words."""

EVERYTHING = TextQuery(Query.all_query(), Query.all_query())
NOTHING = TextQuery(Query.empty_query(), Query.empty_query())


class FoundText(msgspec.Struct, frozen=True):
    """The text part of a search: what to look for, what was mistyped, whether words were given up."""

    text: TextQuery
    rewritten: str | None = None
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
    ) -> None:
        self.searcher = searcher
        self.schema = schema
        self.settings = settings
        self.synonyms = synonyms
        self.vocabulary = vocabulary
        self.text = TextCompiler(searcher, schema, settings)
        self.visible = self._filter(compile_filter(schema, visibility_filter(principal)))

    def run(self, query: ParsedQuery) -> SearchPage:
        """The page of a checked query."""
        found = self._find_text(query)
        hits, total = self._hits(self._condition(found.text.ranked, query), query)
        few = FEW_HITS if found.wider and found.wider.is_sentence else 1
        if total < few and found.wider and self._count(found.text.matching) < few:
            found = self._widen(found, hits_min=few)
            hits, total = self._hits(self._condition(found.text.ranked, query), query)
        facets, bounds = self._facets(found.text.matching, query)
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
            notices=notices,
        )

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
        rewritten = rewrite(query.text, understanding, settled) if is_rewritten else None
        return FoundText(self.text.query(settled), rewritten, wider=settled)

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
                return FoundText(text, found.rewritten, is_relaxed)
        if hits_min > 1:
            return self._widen(found, hits_min=1)
        return FoundText(self.text.loose(asked), found.rewritten, is_relaxed=True)

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

    def _hits(self, condition: Query, query: ParsedQuery) -> tuple[tuple[SearchHit, ...], int]:
        size = min(query.page_size, max(self.settings.hits_max - query.offset, 1))
        if query.sort is None:
            result = self.searcher.search(condition, limit=size, offset=query.offset)
        else:
            order = Order.Asc if query.sort.order == "ascending" else Order.Desc
            result = self.searcher.search(
                condition,
                limit=size,
                offset=query.offset,
                order_by_field=sort_name(query.sort.field),
                order=order,
            )
        decode = msgspec.json.Decoder(DOCUMENT_TYPES[query.index]).decode
        hits = [
            SearchHit(
                score=round(float(key), 4) if query.sort is None else 0.0,
                document=decode(bytes(self.searcher.doc(address)["source"][0])),
            )
            for key, address in result.hits
        ]
        if query.sort is None:
            hits.sort(key=lambda hit: (-hit.score, hit.document.id))
        return tuple(hits), int(result.count)  # type: ignore[attr-defined]  # missing in the stub

    def _facets(
        self, text: Query, query: ParsedQuery
    ) -> tuple[dict[str, tuple[FacetCount, ...]], dict[str, Bounds]]:
        """Counts of every asked facet; a facet with a filter of its own is counted without it."""
        facets: dict[str, tuple[FacetCount, ...]] = {}
        bounds: dict[str, Bounds] = {}
        filtered = [field for field in query.facets if field in query.filters]
        free = [field for field in query.facets if field not in query.filters]
        groups = [(self._condition(text, query), free)] if free else []
        groups += [(self._condition(text, query, without=field), [field]) for field in filtered]
        for condition, fields in groups:
            answer = self.searcher.aggregate(condition, self._aggregations(fields))
            for field in fields:
                facets[field] = self._facet_counts(answer[field])
                stats = answer.get(f"{field} bounds")
                if stats and stats["count"]:
                    bounds[field] = Bounds(lower=stats["min"], upper=stats["max"])
        return {field: facets[field] for field in query.facets}, bounds

    def _aggregations(self, fields: list[str]) -> dict[str, Any]:
        size = self.settings.facet_values_max
        asked: dict[str, Any] = {}
        for field in fields:
            name = filter_name(field)
            # Every segment reports ten times as many, so that the merged counts are exact in practice.
            asked[field] = {"terms": {"field": name, "size": size, "segment_size": size * 10}}
            entry = self.settings.find_filterable(field)
            if entry and entry.type == "integer":
                asked[f"{field} bounds"] = {"stats": {"field": name}}
        return asked

    def _facet_counts(self, answer: dict[str, Any]) -> tuple[FacetCount, ...]:
        counts = [
            FacetCount(value=_facet_value(bucket), count=bucket["doc_count"]) for bucket in answer["buckets"]
        ]
        return tuple(sorted(counts, key=lambda facet: (-facet.count, facet.value)))


def _facet_value(bucket: dict[str, Any]) -> str:
    key = bucket.get("key_as_string", bucket["key"])
    return str(int(key)) if isinstance(key, float) else str(key)
