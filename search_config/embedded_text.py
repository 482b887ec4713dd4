"""Slots of a query to one tantivy query that finds and ranks.

Ranking, strongest first: the whole query is a name or model number; it is what the name ends with (the
head noun: a robot for `로봇`, not a robot's gripper); then the sum over fields of weighted BM25 of every
word. Rule measured in the design notes: a sum over fields beats the best single field.
"""

import math
import re
from collections.abc import Sequence

import msgspec
from tantivy import Occur, Query, Schema, Searcher

from search_config.embedded_filters import all_of, measure_between
from search_config.embedded_schema import tiers
from search_config.rewriting import Alternative, Slot, Understanding
from search_config.settings import IndexSettings

EXACT_SCORE = 200.0
HEAD_SCORE = 20.0
SHORT_HEAD_SCORE = 8.0
COMPLETED_SCORE = 1.5
CODE_SCORE = 12.0
OWN_CODE_SCORE = 4.0
WORD_BONUS = 0.5
NEARLY_COMPLETE = 2
CODES_MAX = 256
"""Model numbers that a beginning is expanded to; a beginning of more is found by scanning the dictionary."""


class TextQuery(msgspec.Struct, frozen=True):
    """`matching` finds, `ranked` finds the same and ranks; counting needs only the first."""

    matching: Query
    ranked: Query


class TextCompiler:
    """Compiles slots against one searcher; words that no document has cost nothing."""

    def __init__(self, searcher: Searcher, schema: Schema, settings: IndexSettings) -> None:
        self.searcher = searcher
        self.schema = schema
        self.tiers = tiers(settings)
        self.has_specs = any(entry.type == "specs" for entry in settings.filterable)

    def query(self, understanding: Understanding) -> TextQuery:
        """Documents that hold every slot, best first."""
        needed = [self.slot(slot) for slot in understanding.slots if not slot.is_optional]
        return self.combine(understanding, needed, slots_min=len(needed))

    def combine(
        self, understanding: Understanding, needed: list[Query], *, slots_min: int, kept: Sequence[Query] = ()
    ) -> TextQuery:
        """Documents with at least `slots_min` of the needed slots and all that are `kept`; others raise the score."""
        if slots_min >= len(needed):
            found = all_of(needed)
        else:
            clauses = [(Occur.Should, query) for query in needed]
            found = Query.boolean_query(clauses, minimum_number_should_match=slots_min)
            found = all_of([found, *(Query.const_score_query(query, 0.0) for query in kept)])
        if understanding.is_code:
            code = self.code(understanding.squashed)
            found = Query.boolean_query([(Occur.Should, found), (Occur.Should, code)])
        bonuses = [self.slot(slot) for slot in understanding.slots if slot.is_optional]
        if self.searcher.doc_freq("exact", understanding.squashed):
            bonuses.append(self._constant("exact", understanding.squashed, EXACT_SCORE))
        bonuses += self._heads(understanding)
        ranked = Query.boolean_query([(Occur.Must, found), *((Occur.Should, bonus) for bonus in bonuses)])
        return TextQuery(found, ranked)

    def slot(self, slot: Slot) -> Query:
        """Documents that say this slot in one of its ways; the best way counts."""
        ways = [way for alternative in slot.alternatives if (way := self._alternative(alternative))]
        if slot.code_prefix:
            ways.append(self.code(slot.code_prefix))
        if slot.bound is not None and self.has_specs:
            bound = slot.bound
            reached = measure_between(self.schema, bound.base, bound.lower, bound.upper)
            ways.append(Query.const_score_query(reached, COMPLETED_SCORE))
        if len(ways) == 1:
            return ways[0]
        return Query.disjunction_max_query(ways, tie_breaker=0.1) if ways else Query.empty_query()

    def loose(self, understanding: Understanding) -> TextQuery:
        """The last resort: documents with half of the syllable pairs of one of the words."""
        ways = []
        for token_set in {slot.alternatives[0].tokens for slot in understanding.slots if slot.alternatives}:
            found = [token for token in token_set if not token.isascii() and len(token) > 1]
            if len(found) > 1:
                clauses = [(Occur.Should, self._anywhere(token)) for token in found]
                least = math.ceil(len(found) / 2)
                ways.append(Query.boolean_query(clauses, minimum_number_should_match=least))
        anything = Query.disjunction_max_query(ways) if ways else Query.empty_query()
        return TextQuery(anything, anything)

    def _heads(self, understanding: Understanding) -> list[Query]:
        """A bonus for being the thing asked for: in full words more than in the last word alone."""
        full = [head for head in understanding.heads if self.searcher.doc_freq("heads", head)]
        tails = [head for head in understanding.tails if self.searcher.doc_freq("heads", head)]
        scored = ((full, HEAD_SCORE), (tails, SHORT_HEAD_SCORE if full else HEAD_SCORE))
        return [self._constant_any("heads", names, score) for names, score in scored if names]

    def _alternative(self, alternative: Alternative) -> Query | None:
        tokens = alternative.tokens
        if not tokens:
            return None
        share = alternative.weight / len(tokens)
        clauses: list[tuple[Occur, Query]] = []
        for name, weight in self.tiers.items():
            if not all(self.searcher.doc_freq(name, token) for token in tokens):
                continue
            terms = [(Occur.Must, self._term(name, token)) for token in tokens]
            terms += [
                (Occur.Should, Query.boost_query(self._term(name, token), WORD_BONUS))
                for token in alternative.bonus
                if len(tokens) > 1 or token != tokens[0]
            ]
            found = terms[0][1] if len(terms) == 1 else Query.boolean_query(terms)
            clauses.append((Occur.Should, Query.boost_query(found, weight * share)))
        if len(clauses) == 1:
            return clauses[0][1]
        return Query.boolean_query(clauses) if clauses else None

    def code(self, code: str) -> Query:
        """A model number or the beginning of one; the thing's own number before one of its components."""
        ways = [self._constant("codes", code, CODE_SCORE), self._prefix("codes", code)]
        own = self._beginning("exact", code)
        if own is not None:
            ways.append(Query.const_score_query(own, OWN_CODE_SCORE))
        return Query.boolean_query([(Occur.Should, way) for way in ways])

    def _beginning(self, field: str, prefix: str, *, longer_by: int | None = None) -> Query | None:
        """Documents with a term that begins so, None when there is no such term."""
        terms = [term for term, _ in self.searcher.terms_with_prefix(field, prefix, limit=CODES_MAX)]
        if len(terms) < CODES_MAX:
            kept = [term for term in terms if longer_by is None or len(term) <= len(prefix) + longer_by]
            return Query.term_set_query(self.schema, field, kept) if kept else None
        rest = ".*" if longer_by is None else f".{{0,{longer_by}}}"
        return Query.regex_query(self.schema, field, re.escape(prefix) + rest)

    def _prefix(self, field: str, prefix: str) -> Query:
        """Words that begin so; the nearer to complete, the better (`ur5`: UR5e before UR512e)."""
        begins = self._beginning(field, prefix)
        if begins is None:
            return Query.empty_query()
        clauses = [(Occur.Must, Query.const_score_query(begins, COMPLETED_SCORE))]
        nearly = self._beginning(field, prefix, longer_by=NEARLY_COMPLETE)
        if nearly is not None:
            clauses.append((Occur.Should, Query.const_score_query(nearly, COMPLETED_SCORE)))
        clauses.append((Occur.Should, self._constant(field, prefix, COMPLETED_SCORE)))
        return Query.boolean_query(clauses)

    def _anywhere(self, token: str) -> Query:
        return Query.boolean_query([(Occur.Should, self._term(name, token)) for name in self.tiers])

    def _term(self, field: str, token: str) -> Query:
        return Query.term_query(self.schema, field, token, index_option="freq")

    def _constant(self, field: str, token: str, score: float) -> Query:
        return Query.const_score_query(
            Query.term_query(self.schema, field, token, index_option="basic"), score
        )

    def _constant_any(self, field: str, tokens: list[str], score: float) -> Query:
        # Measured: for a handful of terms a union of postings is a quarter faster than a term set.
        terms = [(Occur.Should, self._constant(field, token, 1.0)) for token in tokens]
        return Query.const_score_query(terms[0][1] if len(terms) == 1 else Query.boolean_query(terms), score)
