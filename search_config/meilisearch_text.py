"""Slots of a query to what Meilisearch understands: filters that match and grade, a text that ranks. Pure.

Which documents match is decided by filters over our own tokens, with the meaning the embedded engine gives
them, so that both engines count the same. Also by filters the matches fall into grades: the whole query is a
name, it is what the name ends with, … Within a grade Meilisearch's ranking rules order them by the words of
the query; a word that is missing lowers a document and never excludes it.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import msgspec

from search_config.meilisearch_documents import (
    CODES,
    EVERY,
    EXACT,
    HEADS,
    TOKENS,
    VALUE_LENGTH_MAX,
    plain_word,
)
from search_config.meilisearch_filters import NOTHING, all_of, any_value, begins, measure_between, one_of
from search_config.rewriting import COMPLETED_WEIGHT, Alternative, Slot, Understanding
from search_config.settings import IndexSettings

RANKED_WORDS_MAX = 9
"""Meilisearch reads ten words of a query; the first is `EVERY`."""
COMBINED_MAX = 6
"""Conditions of which some may be missing; more would make too many combinations."""


class Wanted(msgspec.Struct, frozen=True):
    """What to look for. `condition` decides who matches, `grades` are conditions of better and better matches
    from the best down, `ranked` orders those of one grade."""

    condition: str
    grades: tuple[str, ...] = ()
    ranked: str = ""


EVERYTHING = Wanted("")
NOWHERE = Wanted(NOTHING)


class TextCompiler:
    """Compiles slots for one index."""

    def __init__(self, settings: IndexSettings) -> None:
        self.has_specs = any(entry.type == "specs" for entry in settings.filterable)

    def query(self, understanding: Understanding) -> Wanted:
        """Documents that hold every slot."""
        needed = [self.slot(slot) for slot in understanding.slots if not slot.is_optional]
        return self.combine(understanding, needed, slots_min=len(needed))

    def combine(
        self,
        understanding: Understanding,
        needed: Sequence[str],
        *,
        slots_min: int,
        kept: Sequence[str] = (),
    ) -> Wanted:
        """Documents with at least `slots_min` of the needed slots and all that are `kept`."""
        found = all_of([at_least(needed, slots_min), *kept])
        if understanding.is_code:
            found = one_of((found, self.code(understanding.squashed)))
        grades = self._grades(understanding) if understanding.is_sentence else ()
        return Wanted(found, grades, rank_text(understanding.slots))

    def slot(self, slot: Slot) -> str:
        """Documents that say this slot in one of its ways."""
        single = [way.tokens[0] for way in slot.alternatives if len(way.tokens) == 1]
        ways = [any_value(TOKENS, single)] if single else []
        ways += [self._alternative(way) for way in slot.alternatives if len(way.tokens) > 1]
        if slot.code_prefix:
            ways.append(self.code(slot.code_prefix))
        if slot.bound is not None and self.has_specs:
            ways.append(measure_between(slot.bound.base, slot.bound.lower, slot.bound.upper))
        return one_of(ways)

    def loose(self, understanding: Understanding) -> Wanted:
        """The last resort: documents with half of the syllable pairs of one of the words."""
        ways = []
        for tokens in {slot.alternatives[0].tokens for slot in understanding.slots if slot.alternatives}:
            pairs = [token for token in tokens if not token.isascii() and len(token) > 1]
            if len(pairs) > 1:
                anywhere = [any_value(TOKENS, (pair,)) for pair in pairs]
                ways.append(at_least(anywhere, math.ceil(len(anywhere[:COMBINED_MAX]) / 2)))
        return Wanted(one_of(ways), ranked=rank_text(understanding.slots))

    def _alternative(self, alternative: Alternative) -> str:
        """All its tokens, in whatever fields. The embedded engine wants them in fields of equal weight, which
        here would take three conditions for one."""
        return all_of(any_value(TOKENS, (token,)) for token in alternative.tokens)

    def code(self, code: str) -> str:
        """A model number or the beginning of one."""
        return one_of((begins(CODES, code), begins(EXACT, code)))

    def _grades(self, understanding: Understanding) -> tuple[str, ...]:
        """The whole query is a name; a name ends with what is asked for, in full words or in the last one;
        a model number of its own (not of a component) begins so."""
        whole = understanding.squashed[:VALUE_LENGTH_MAX]
        codes = [slot.code_prefix for slot in understanding.slots if slot.code_prefix]
        codes += [understanding.squashed] if understanding.is_code else []
        grades = (
            any_value(EXACT, (whole,)) if whole else NOTHING,
            any_value(HEADS, understanding.heads),
            one_of(begins(EXACT, code) for code in codes),
            any_value(HEADS, understanding.tails),
        )
        return tuple(grade for grade in dict.fromkeys(grades) if grade != NOTHING)


def rank_text(slots: Iterable[Slot]) -> str:
    """The words that rank, most important first. Meilisearch gives up words from the end: optional ones last."""
    ordered = sorted(slots, key=lambda slot: slot.is_optional)
    words = dict.fromkeys(word for slot in ordered if (word := _ranked_word(slot)))
    # The space at the end says that the last word is complete.
    return " ".join([EVERY, *itertools.islice(words, RANKED_WORDS_MAX)]) + " "


def _ranked_word(slot: Slot) -> str:
    """The word as documents have it: its best completion while it is half typed, else itself."""
    completed = next((way for way in slot.alternatives if way.weight == COMPLETED_WEIGHT), None)
    chosen = completed or next(iter(slot.alternatives), None)
    return plain_word(chosen.head) if chosen else ""


def at_least(conditions: Sequence[str], count: int) -> str:
    """At least `count` of the conditions hold; of more than `COMBINED_MAX` only the first are looked at."""
    if count >= len(conditions):
        return all_of(conditions)
    chosen = conditions[:COMBINED_MAX]
    needed = min(count, len(chosen))
    if not needed:
        return NOTHING
    return one_of(all_of(some) for some in itertools.combinations(chosen, needed))


def grade_filters(wanted: Wanted) -> list[list[str]]:
    """One list of conditions per grade, best first, then the rest. No document falls into two of them."""
    slices = []
    for place, grade in enumerate(wanted.grades):
        better = [f"NOT ({other})" for other in wanted.grades[:place]]
        slices.append([grade, *better])
    slices.append([f"NOT ({grade})" for grade in wanted.grades])
    return slices
