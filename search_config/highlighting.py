"""Where the words of a query stand in a text. Pure, the same for every engine, for the few hits of a page.

Words are compared squashed, so that `협동로봇` is marked in `협동 로봇` and `xgbxbms` in `XGB-XBMS`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from search_config.analysis import clean_text, fold_text, strip_accents
from search_config.rewriting import Understanding

HIGHLIGHTED = ("name_ko", "name_en", "model", "code", "maker_ko", "maker_en", "vendor_ko", "vendor_en")
SUMMARIES = ("summary_ko", "summary_en", "products")
MEASURE = re.compile(
    r"[-±]?[0-9][0-9.,]*(?:\s*[~–-]\s*[0-9][0-9.,]*)?\s?[^\W0-9_·]{0,9}(?:[·/][^\W0-9_]{1,4})?"
)
LETTERS_MIN = 2

Spans: TypeAlias = tuple[tuple[int, int], ...]


class Needles(msgspec.Struct, frozen=True):
    """What to mark: squashed words, and measures in base units."""

    words: tuple[str, ...]
    measures: frozenset[str]


def needles_of(understanding: Understanding) -> Needles:
    """Everything that the slots of a settled query may be called."""
    words: dict[str, None] = {}
    measures: set[str] = set()
    for slot in understanding.slots:
        for alternative in slot.alternatives:
            if alternative.tokens and alternative.tokens[0][:1].isdigit():
                measures.update(alternative.tokens)
            else:
                words[alternative.head] = None
        words[slot.code_prefix] = None
    longest_first = sorted((word for word in words if len(word) >= LETTERS_MIN), key=lambda w: (-len(w), w))
    return Needles(tuple(longest_first), frozenset(measures))


def highlight(text: str, needles: Needles) -> Spans:
    """Spans (start, end) of the needles in a text, in order, never touching or overlapping."""
    squashed, places = _squash_with_places(text)
    marked: set[int] = set()
    for word in needles.words:
        start = squashed.find(word)
        while start >= 0:
            if _is_word_start(squashed, places, text, start):
                marked.update(range(places[start], places[start + len(word) - 1] + 1))
            start = squashed.find(word, start + 1)
    for match in MEASURE.finditer(text) if needles.measures else ():
        if fold_text(match.group()).strip() in needles.measures:
            marked.update(range(match.start(), match.end()))
    return _spans(sorted(marked))


def highlight_document(document: Any, needles: Needles) -> Mapping[str, Spans]:
    """Spans by field, of the fields that a result card shows and that hold a needle."""
    found: dict[str, Spans] = {}
    for field in (*HIGHLIGHTED, *SUMMARIES):
        text = getattr(document, field, "")
        if text and (spans := highlight(text, needles)):
            found[field] = spans
    return found


def _squash_with_places(text: str) -> tuple[str, list[int]]:
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for folded in strip_accents(clean_text(character).lower()):
            if folded.isalnum():
                characters.append(folded)
                places.append(place)
    return "".join(characters), places


def _is_word_start(squashed: str, places: Sequence[int], text: str, start: int) -> bool:
    """Latin words are marked from their beginning only; Korean compounds anywhere."""
    if not squashed[start].isascii() or start == 0 or places[start] == 0:
        return True
    before = text[places[start] - 1]
    return not (before.isascii() and before.isalnum())


def _spans(marked: Iterable[int]) -> Spans:
    spans: list[list[int]] = []
    for place in marked:
        if spans and spans[-1][1] == place:
            spans[-1][1] = place + 1
        else:
            spans.append([place, place + 1])
    return tuple((start, end) for start, end in spans)
