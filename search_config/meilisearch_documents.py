"""What a document becomes inside Meilisearch: its own filter values, and lanes of words made by us.

Words are written as the keys that type them (`협동로봇` is `guqehdfhqht`), one plain Latin word each. So
Meilisearch's prefix search completes half-typed syllables, its typo tolerance counts keystrokes, and a word
typed in the wrong keyboard layout is the word itself. No Korean dictionary of the server is needed.
Source of the idea: keystroke lane of the query-understanding prototype, measured in the design notes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from search_config.analysis import (
    Run,
    clean_value,
    code_tokens,
    fold_plural,
    head_tokens,
    initial_tokens,
    key_tokens,
    split_runs,
    squash,
    text_tokens,
)
from search_config.documents import SearchDocument, SpecValue
from search_config.hangul import keystrokes
from search_config.meilisearch_filters import SPEC_LOWER, SPEC_TEXT, SPEC_UPPER
from search_config.settings import IndexSettings

EVERY = "z0z"
"""A word that every document has, so that the others of a query rank and never exclude."""
EXACT, HEADS, INITIALS = "rank_exact", "rank_heads", "rank_initials"
KEYS, CODES, STARTS = "match_keys", "match_codes", "match_initials"
NAME_LENGTH = "name_length"
WORD_LENGTH_MAX = 60
VALUE_LENGTH_MAX = 200
"""Characters of a facet value; longer ones are cut, as in the embedded engine."""

_NOT_PLAIN = re.compile(r"[^0-9a-z]")


def plain_word(text: str) -> str:
    """A squashed word as Meilisearch cannot split it: keystrokes, and `u` + hex for any other character."""
    typed = _NOT_PLAIN.sub(lambda match: f"u{ord(match.group()):x}", keystrokes(text))
    return typed[:WORD_LENGTH_MAX]


def tier_suffix(weight: float) -> str:
    """Fields of equal weight share their lanes."""
    return f"{weight:g}".replace(".", "_")


def tiers(settings: IndexSettings) -> tuple[str, ...]:
    """Suffixes of the lanes of this index, heaviest first."""
    weights = sorted({entry.weight for entry in settings.searchable}, reverse=True)
    return tuple(tier_suffix(weight) for weight in weights)


def words_lane(tier: str) -> str:
    """Lane that ranks by the words of a tier."""
    return f"rank_words_{tier}"


def tokens_lane(tier: str) -> str:
    """Lane that matches the tokens of a tier."""
    return f"match_tokens_{tier}"


def every_lane(settings: IndexSettings) -> str:
    """Lane of `EVERY`. It carries the fingerprint: an index of other settings has another one."""
    return f"rank_every_{settings.fingerprint}"


def sort_lane(field: str) -> str:
    """Lane that sorts by a text field."""
    return f"sort_{field}"


def to_meilisearch(document: SearchDocument, settings: IndexSettings) -> dict[str, Any]:
    """One document as it is sent: `source` is the whole document, the rest is to filter, rank and sort."""
    sent: dict[str, Any] = {
        "id": document.id,
        "version": document.version,
        "source": msgspec.json.encode(document).decode(),
        every_lane(settings): EVERY,
    }
    for entry in settings.filterable:
        if entry.type == "specs":
            sent |= _spec_lanes(getattr(document, entry.field))
        elif values := _values(document, entry.field):
            cut = [
                clean_value(value)[:VALUE_LENGTH_MAX] if isinstance(value, str) else value for value in values
            ]
            sent[entry.field] = cut if isinstance(getattr(document, entry.field), list) else cut[0]
    for field in {entry.field for entry in settings.sortable}:
        value = getattr(document, field)
        if isinstance(value, str) and value:
            sent[sort_lane(field)] = clean_value(value).casefold()[:VALUE_LENGTH_MAX]
        elif value not in {None, ""}:
            sent[field] = value
    return sent | _text_lanes(document, settings)


def _text_lanes(document: SearchDocument, settings: IndexSettings) -> dict[str, Any]:
    words: dict[str, dict[str, None]] = {}
    lanes: dict[str, set[str]] = {}
    lengths = [0]

    def add(lane: str, tokens: Iterable[str]) -> None:
        lanes.setdefault(lane, set()).update(tokens)

    for entry in settings.searchable:
        tier = tier_suffix(entry.weight)
        for value in _texts(document, entry.field):
            runs = split_runs(value)
            words.setdefault(words_lane(tier), {}).update(dict.fromkeys(_ranked_words(runs)))
            add(tokens_lane(tier), text_tokens(runs))
            if entry.completes:
                add(KEYS, key_tokens(runs))
                add(CODES, code_tokens(runs))
                add(STARTS, initial_tokens(runs))
            if entry.is_name or entry.is_label:
                add(HEADS, map(plain_word, head_tokens(runs)))
            if entry.is_name or entry.is_code:
                add(EXACT, [plain_word(squash(value))])
            if entry.is_name:
                add(INITIALS, map(plain_word, initial_tokens(runs)))
                lengths.append(len(value))
    ranked = {lane: " ".join(found) for lane, found in words.items()}
    # Sorted, so that the same document is always sent as the same bytes.
    matched = {lane: sorted(found - {""}) for lane, found in lanes.items()}
    return {**ranked, **matched, NAME_LENGTH: max(lengths)}


def _ranked_words(runs: list[Run]) -> Iterator[str]:
    for run in runs:
        if run.kind == "latin":
            yield from (plain_word(fold_plural(part)) for part in run.parts)
        else:
            yield plain_word(run.joined)
    yield from sorted(map(plain_word, code_tokens(runs)))
    yield from sorted(map(plain_word, key_tokens(runs)))


def _values(document: SearchDocument, field: str) -> list[Any]:
    value = getattr(document, field)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def _texts(document: SearchDocument, field: str) -> list[str]:
    return [
        _spec_text(value) if isinstance(value, SpecValue) else str(value)
        for value in _values(document, field)
    ]


def _spec_text(spec: SpecValue) -> str:
    number = "" if spec.number is None else f"{spec.number:g}{spec.unit or ''}"
    upper = "" if spec.number_max is None else f"{spec.number_max:g}{spec.unit or ''}"
    return " ".join(part for part in (spec.code.replace("_", " "), number, upper, spec.text or "") if part)


def _spec_lanes(specs: list[SpecValue]) -> dict[str, Any]:
    lower: dict[str, list[float]] = {}
    upper: dict[str, list[float]] = {}
    text: dict[str, list[str]] = {}
    for spec in specs:
        if spec.text is not None:
            text.setdefault(spec.code, []).append(clean_value(spec.text)[:VALUE_LENGTH_MAX])
        if spec.boolean is not None:
            text.setdefault(spec.code, []).append(str(spec.boolean).lower())
        if spec.number is not None:
            lower.setdefault(spec.code, []).append(spec.number)
            upper.setdefault(spec.code, []).append(
                spec.number if spec.number_max is None else spec.number_max
            )
    lanes = {SPEC_LOWER: lower, SPEC_UPPER: upper, SPEC_TEXT: text}
    return {lane: values for lane, values in lanes.items() if values}
