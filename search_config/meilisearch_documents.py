"""What a document becomes inside Meilisearch: values to filter by, and lanes of words made by us.

`match_…` lanes hold our tokens as facet values: filters over them decide which documents match. `rank_…` lanes
are searched and put the matches in order. There a word is written as the keys that type it (`협동로봇` is
`guqehdfhqht`): one plain Latin word each, which no version of the server splits, and a slip of the finger is
one letter. So no Korean dictionary of the server is needed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from search_config.analysis import (
    Run,
    clean_value,
    code_tokens,
    fold_plural,
    head_tokens,
    split_runs,
    squash,
    text_tokens,
    vocabulary_words,
)
from search_config.documents import SearchDocument, ServiceCenterDocument, SpecValue
from search_config.hangul import keystrokes
from search_config.meilisearch_filters import (
    BASE_LOWER,
    BASE_UPPER,
    FIRST_LOWER,
    FIRST_UPPER,
    SPEC_LOWER,
    SPEC_TEXT,
    SPEC_UPPER,
    plain_unit,
)
from search_config.settings import IndexSettings, Searchable
from search_config.units import spec_measure, to_base

EVERY = "z0z"
"""A word that every document has, so that the others of a query rank and never exclude."""
TOKENS, EXACT, HEADS, CODES, WORDS = "match_tokens", "match_exact", "match_heads", "match_codes", "words"
"""Lanes: tokens of all fields, whole names and model numbers, what a thing is, codes and their parts, words of
the vocabulary."""
RANK_EXACT, RANK_HEADS = "rank_exact", "rank_heads"
NAME_LENGTH = "name_length"
PLAIN_LENGTH_MAX = 60
VALUE_LENGTH_MAX = 200
"""Characters of a facet value; longer ones are cut, as in the embedded engine."""

_NOT_PLAIN = re.compile(r"[^0-9a-z]")


def plain_word(text: str) -> str:
    """A squashed word as Meilisearch cannot split it: keystrokes, and `u` + hex for any other character."""
    typed = _NOT_PLAIN.sub(lambda match: f"u{ord(match.group()):x}", keystrokes(text))
    return typed[:PLAIN_LENGTH_MAX]


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
    if isinstance(document, ServiceCenterDocument) and document.lat is not None and document.lon is not None:
        sent["_geo"] = {"lat": document.lat, "lng": document.lon}
    return sent | _text_lanes(document, settings)


def _text_lanes(document: SearchDocument, settings: IndexSettings) -> dict[str, Any]:
    ranked: dict[str, dict[str, None]] = {}
    matched: dict[str, set[str]] = {}
    length = 0
    for entry in settings.searchable:
        tier = tier_suffix(entry.weight)
        for value in _texts(document, entry.field):
            runs = split_runs(value)
            ranked.setdefault(words_lane(tier), {}).update(dict.fromkeys(_ranked_words(runs)))
            matched.setdefault(TOKENS, set()).update(text_tokens(runs))
            for lane, tokens in _lane_tokens(value, runs, entry):
                matched.setdefault(lane, set()).update(tokens)
            length = max(length, len(value) if entry.is_name else 0)
    if document.visibility != "public":
        matched.pop(WORDS, None)  # or corrections would tell what hidden documents say
    for lane, source in ((RANK_EXACT, EXACT), (RANK_HEADS, HEADS)):
        ranked[lane] = dict.fromkeys(sorted(map(plain_word, matched.get(source, ()))))
    texts = {lane: " ".join(filter(None, words)) for lane, words in ranked.items()}
    # Sorted, so that the same document is always sent as the same bytes.
    values = {
        lane: sorted({token[:VALUE_LENGTH_MAX] for token in tokens} - {""})
        for lane, tokens in matched.items()
    }
    return {**texts, **values, NAME_LENGTH: length}


def _lane_tokens(value: str, runs: Sequence[Run], entry: Searchable) -> Iterator[tuple[str, Iterable[str]]]:
    """What one value adds to the lanes beside its tokens; the same as in the embedded engine."""
    if entry.completes:
        yield CODES, code_tokens(runs)
        yield WORDS, vocabulary_words(runs)
    if entry.is_name or entry.is_label:
        yield HEADS, head_tokens(runs)
    if entry.is_name or entry.is_code:
        yield EXACT, [squash(value)]
    if entry.is_code:
        yield CODES, [squash(value)]


def _ranked_words(runs: Sequence[Run]) -> Iterator[str]:
    """Every word, every ending of a Hangul word, and two neighbors as one word."""
    for position, run in enumerate(runs):
        after = runs[position + 1] if position + 1 < len(runs) else None
        if run.kind == "latin":
            yield from (plain_word(fold_plural(part)) for part in run.parts)
            yield plain_word(fold_plural(run.joined))
        else:
            yield from (plain_word(run.joined[start:]) for start in range(max(len(run.joined) - 1, 1)))
        if after is not None and after.kind == run.kind:
            yield plain_word(fold_plural(run.joined + after.joined))


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
    code, unit = spec_measure(spec.code, spec.unit)
    upper = "" if spec.number_max is None else f"~{spec.number_max:.10g}"
    number = "" if spec.number is None else f"{spec.number:.10g}{upper}{unit or ''}"
    return " ".join(part for part in (code.replace("_", " "), number, spec.text or "") if part)


def _spec_lanes(specs: list[SpecValue]) -> dict[str, Any]:
    """Ends and words of every property, by code; ends in base units too. Empty lanes are left out."""
    lanes: dict[str, dict[str, list[Any]]] = {}

    def add(lane: str, name: str, value: float | str) -> None:
        lanes.setdefault(lane, {}).setdefault(name, []).append(value)

    for spec in specs:
        if spec.text is not None:
            add(SPEC_TEXT, spec.code, clean_value(spec.text)[:VALUE_LENGTH_MAX])
        if spec.boolean is not None:
            add(SPEC_TEXT, spec.code, str(spec.boolean).lower())
        if spec.number is None:
            continue
        upper = spec.number if spec.number_max is None else spec.number_max
        add(SPEC_LOWER, spec.code, spec.number)
        add(SPEC_UPPER, spec.code, upper)
        if based := to_base(spec.number, upper, spec.unit or ""):
            base, low, high = based
            add(BASE_LOWER, f"{plain_unit(base)}.{spec.code}", low)
            add(BASE_UPPER, f"{plain_unit(base)}.{spec.code}", high)
        _, unit = spec_measure(spec.code, spec.unit)
        first = to_base(spec.number, upper, unit or "")
        if first and plain_unit(first[0]) not in lanes.get(FIRST_LOWER, {}):
            add(FIRST_LOWER, plain_unit(first[0]), first[1])
            add(FIRST_UPPER, plain_unit(first[0]), first[2])
    # Dots in a name would make it unreachable: `base_lower.w.power` is read as nested objects.
    return {
        lane: _nested(values) if lane in {BASE_LOWER, BASE_UPPER} else values
        for lane, values in lanes.items()
    }


def _nested(values: dict[str, list[Any]]) -> dict[str, dict[str, list[Any]]]:
    nested: dict[str, dict[str, list[Any]]] = {}
    for name, found in values.items():
        base, _, code = name.partition(".")
        nested.setdefault(base, {})[code] = found
    return nested
