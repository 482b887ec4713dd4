"""Slots of a query to what Meilisearch understands: a filter that matches and a text that ranks. Pure.

Which documents match is decided by filters over our own tokens, with the meaning the embedded engine gives
them, so that both engines count the same. Meilisearch's ranking rules then order those documents by the
words of the query; a word that is missing lowers a document and never excludes it.
"""

import itertools
from collections.abc import Sequence

import msgspec

from search_config.meilisearch_documents import CODES, EVERY, KEYS, STARTS, plain_word, tiers, tokens_lane
from search_config.meilisearch_filters import NOTHING, all_of, any_value, begins, one_of
from search_config.rewriting import STRIPPED_WEIGHT, Alternative, Slot, Understanding
from search_config.settings import IndexSettings

RANKED_WORDS_MAX = 9
"""Meilisearch reads ten words of a query; the first is `EVERY`."""
COMBINED_SLOTS_MAX = 6
"""Slots of which some may be missing; more would make too many combinations."""
KEYS_UNIT, CODE_UNIT = 5, 4
"""Keystrokes, and letters, of a word that may hold a slip; the same as in the embedded engine."""


class Wanted(msgspec.Struct, frozen=True):
    """What to look for: `condition` decides who matches, `ranked` who comes first."""

    condition: str
    ranked: str = ""


class TextCompiler:
    """Compiles slots for one index."""

    def __init__(self, settings: IndexSettings) -> None:
        self.lanes = tuple(tokens_lane(suffix) for suffix in tiers(settings))

    def direct(self, understanding: Understanding, *, is_finished: bool) -> Wanted:
        """Documents that hold every slot."""
        needed = [slot for slot in understanding.slots if not slot.is_optional]
        found = all_of(self.slot(slot) for slot in needed)
        if understanding.is_code:
            found = one_of((found, begins(CODES, understanding.squashed)))
        return Wanted(found, rank_text(understanding.slots, is_finished=is_finished))

    def slot(self, slot: Slot) -> str:
        """Documents that say this slot in one of its ways."""
        ways = [self._alternative(alternative) for alternative in slot.alternatives if alternative.tokens]
        if slot.key_prefix:
            ways.append(begins(KEYS, slot.key_prefix))
        if slot.initial_prefix:
            ways.append(begins(STARTS, slot.initial_prefix))
        if slot.code_prefix:
            ways.append(begins(CODES, slot.code_prefix))
        return one_of(ways)

    def _alternative(self, alternative: Alternative) -> str:
        """All its tokens in the fields of one tier."""
        return one_of(
            all_of(any_value(lane, (token,)) for token in alternative.tokens) for lane in self.lanes
        )


def rank_text(slots: Sequence[Slot], *, is_finished: bool = False) -> str:
    """The words that rank, most important first, the last one open to be completed.

    Meilisearch gives up words from the end, so optional ones come last.
    """
    ordered = sorted(slots, key=lambda slot: slot.is_optional)
    words = dict.fromkeys(word for slot in ordered for word in _ranked_words(slot))
    text = " ".join([EVERY, *itertools.islice(words, RANKED_WORDS_MAX)])
    is_open = not is_finished and not any(slot.is_optional for slot in slots)
    return text if is_open else f"{text} "


def _ranked_words(slot: Slot) -> list[str]:
    """The word itself, without its particle where it has one: that is how documents name the thing."""
    own = [alternative.head for alternative in slot.alternatives if alternative.weight >= STRIPPED_WEIGHT]
    return [word for head in reversed(own) if (word := plain_word(head))]


def fuzzy_word(slot: Slot) -> str:
    """The word of a slot as looked up with slips, "" when it is too short to hold one."""
    if slot.fuzzy_keys:
        return plain_word(slot.fuzzy_keys) if len(slot.fuzzy_keys) >= KEYS_UNIT else ""
    return plain_word(slot.fuzzy_code) if len(slot.fuzzy_code) >= CODE_UNIT else ""


def corrected(words: Sequence[str]) -> str:
    """Documents that hold one of these words, which a look-up with slips has found."""
    return one_of((any_value(KEYS, words), any_value(CODES, words)))


def at_least(conditions: Sequence[str], count: int) -> str:
    """At least `count` of the conditions hold; of more than `COMBINED_SLOTS_MAX` only the first are looked at."""
    if count >= len(conditions):
        return all_of(conditions)
    chosen = conditions[:COMBINED_SLOTS_MAX]
    needed = min(count, len(chosen))
    if not needed:
        return NOTHING
    return one_of(all_of(some) for some in itertools.combinations(chosen, needed))
