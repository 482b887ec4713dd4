"""Slots of a query to one tantivy query that finds and ranks.

Ranking, strongest first: the whole query is a name or model number; it is what the name ends with (the
head noun: a robot for `로봇`, not a robot's gripper); then the sum over fields of weighted BM25 of every
word. Rule measured in the design notes: a sum over fields beats the best single field.
"""

import re

from tantivy import Occur, Query, Schema

from search_config.embedded_filters import all_of
from search_config.embedded_schema import tiers
from search_config.rewriting import Alternative, Slot, Understanding
from search_config.settings import IndexSettings

EXACT_SCORE = 200.0
HEAD_SCORE = 20.0
COMPLETED_SCORE = 1.5
CODE_SCORE = 12.0
OWN_CODE_SCORE = 4.0
WORD_BONUS = 0.5
NEARLY_COMPLETE = ".{0,2}"


class TextCompiler:
    """Compiles slots against one schema."""

    def __init__(self, schema: Schema, settings: IndexSettings) -> None:
        self.schema = schema
        self.tiers = tiers(settings)

    def query(self, understanding: Understanding) -> Query:
        """Documents that hold every slot, best first."""
        needed = [self.slot(slot) for slot in understanding.slots if not slot.is_optional]
        return self.combine(understanding, needed, slots_min=len(needed))

    def combine(self, understanding: Understanding, needed: list[Query], *, slots_min: int) -> Query:
        """Documents that hold at least `slots_min` of the needed slots; what else fits raises the score."""
        if slots_min >= len(needed):
            found = all_of(needed)
        else:
            clauses = [(Occur.Should, query) for query in needed]
            found = Query.boolean_query(clauses, minimum_number_should_match=slots_min)
        if understanding.is_code:
            code = self._code(understanding.squashed)
            found = Query.boolean_query([(Occur.Should, found), (Occur.Should, code)])
        bonuses = [self.slot(slot) for slot in understanding.slots if slot.is_optional]
        bonuses.append(self._constant("exact", understanding.squashed, EXACT_SCORE))
        heads = {alternative.head for slot in understanding.slots[-1:] for alternative in slot.alternatives}
        heads.add(understanding.squashed)
        bonuses.append(self._constant_any("heads", sorted(heads - {""}), HEAD_SCORE))
        return Query.boolean_query([(Occur.Must, found), *((Occur.Should, bonus) for bonus in bonuses)])

    def slot(self, slot: Slot) -> Query:
        """Documents that say this slot in one of its ways; the best way counts."""
        ways = [self._alternative(alternative) for alternative in slot.alternatives if alternative.tokens]
        if slot.key_prefix:
            ways.append(self._prefix("keys", slot.key_prefix))
        if slot.initial_prefix:
            ways.append(self._prefix("initials", slot.initial_prefix))
        if slot.code_prefix:
            ways.append(self._code(slot.code_prefix))
        return Query.disjunction_max_query(ways, tie_breaker=0.1) if ways else Query.empty_query()

    def fuzzy(self, slot: Slot) -> Query | None:
        """Documents with a word one slip away (two for long words), or None when the word is too short."""
        if slot.fuzzy_keys:
            field, word, unit = "keys", slot.fuzzy_keys, 5
        else:
            field, word, unit = "codes", slot.fuzzy_code, 4
        if len(word) < unit:
            return None
        slips = 2 if len(word) >= 2 * unit else 1
        near = Query.fuzzy_term_query(self.schema, field, word, slips)
        return Query.boost_query(near, COMPLETED_SCORE)

    def _alternative(self, alternative: Alternative) -> Query:
        share = alternative.weight / len(alternative.tokens)
        clauses: list[tuple[Occur, Query]] = []
        for name, weight in self.tiers.items():
            terms = [(Occur.Must, Query.term_query(self.schema, name, token)) for token in alternative.tokens]
            terms += [
                (Occur.Should, Query.boost_query(Query.term_query(self.schema, name, token), WORD_BONUS))
                for token in alternative.bonus
            ]
            clauses.append((Occur.Should, Query.boost_query(Query.boolean_query(terms), weight * share)))
        return Query.boolean_query(clauses)

    def _code(self, code: str) -> Query:
        """A model number or the beginning of one; the thing's own number before one of its components."""
        exact = self._constant("codes", code, CODE_SCORE)
        own = Query.regex_query(self.schema, "exact", re.escape(code) + ".*")
        ways = [exact, self._prefix("codes", code), Query.const_score_query(own, OWN_CODE_SCORE)]
        return Query.boolean_query([(Occur.Should, way) for way in ways])

    def _prefix(self, field: str, prefix: str) -> Query:
        """Words that begin so; the nearer to complete, the better (`ur5`: UR5e before UR512e)."""
        literal = re.escape(prefix)
        begins = Query.regex_query(self.schema, field, literal + ".*")
        nearly = Query.regex_query(self.schema, field, literal + NEARLY_COMPLETE)
        return Query.boolean_query(
            [
                (Occur.Must, Query.const_score_query(begins, COMPLETED_SCORE)),
                (Occur.Should, Query.const_score_query(nearly, COMPLETED_SCORE)),
                (Occur.Should, self._constant(field, prefix, COMPLETED_SCORE)),
            ]
        )

    def _constant(self, field: str, token: str, score: float) -> Query:
        return Query.const_score_query(Query.term_query(self.schema, field, token), score)

    def _constant_any(self, field: str, tokens: list[str], score: float) -> Query:
        if not tokens:
            return Query.empty_query()
        return Query.const_score_query(Query.term_set_query(self.schema, field, tokens), score)
