"""Query text to slots of alternatives: what each word may be called in a document. Pure, engine-neutral.

A slot is a word or a known phrase of the query. Its alternatives are the word itself, the word without its
particle and its synonyms. `layout` is what the same keys type in the other keyboard language; an engine
tries it only when the slot finds nothing.
"""

import functools

import msgspec

from search_config.analysis import WORD_MARK, Run, fold_plural, phrase_tokens, split_runs
from search_config.hangul import compose, is_jamo, is_syllable, keystrokes, strip_particle
from search_config.synonyms import Synonyms

RUNS_MAX = 24
"""Words of a query that are searched; bounds the work of one query."""
WINDOW_MAX = 5
"""Words that one synonym may span."""
SYNONYM_WEIGHT = 0.8
STRIPPED_WEIGHT = 0.9
COMPLETED_WEIGHT = 0.5
COMPLETED_KEYS_MIN = 2


class Alternative(msgspec.Struct, frozen=True):
    """One way to say a slot: tokens that must all be there; `head` is the squashed form."""

    tokens: tuple[str, ...]
    weight: float
    head: str
    bonus: tuple[str, ...] = ()


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A word of the query.

    `key_prefix`, `code_prefix` and `initial_prefix` complete it; `is_optional` words only raise the score;
    `fuzzy_keys` and `fuzzy_code` are compared with one or two slips when nothing else is found.
    """

    surface: str
    alternatives: tuple[Alternative, ...]
    key_prefix: str = ""
    code_prefix: str = ""
    initial_prefix: str = ""
    fuzzy_keys: str = ""
    fuzzy_code: str = ""
    layout: str = ""
    is_optional: bool = False


class Understanding(msgspec.Struct, frozen=True):
    """A whole query: its slots, its squashed form, and whether it may be one model number."""

    slots: tuple[Slot, ...]
    squashed: str
    is_code: bool


def understand(text: str, synonyms: Synonyms, *, is_finished: bool = False) -> Understanding:
    """Read a query. `is_finished` means its last word is complete (a space follows)."""
    runs = split_runs(text)[:RUNS_MAX]
    slots: list[Slot] = []
    position = 0
    while position < len(runs):
        end, slot = _take_slot(runs, position, synonyms, is_finished=is_finished)
        slots.append(slot)
        position = end
    if len(slots) > 1 and all(slot.is_optional for slot in slots):
        slots = [msgspec.structs.replace(slot, is_optional=False) for slot in slots]
    elif slots:
        slots[0] = msgspec.structs.replace(slots[0], is_optional=slots[0].is_optional and len(slots) > 1)
    is_code = len(runs) > 1 and all(run.kind == "latin" for run in runs)
    return Understanding(tuple(slots), "".join(run.joined for run in runs), is_code)


def _take_slot(runs: list[Run], position: int, synonyms: Synonyms, *, is_finished: bool) -> tuple[int, Slot]:
    """The longest known phrase from here, else the single word."""
    for end in range(min(len(runs), position + WINDOW_MAX), position, -1):
        window = runs[position:end]
        if others := _synonyms_of(window, synonyms):
            is_last = end == len(runs) and not is_finished
            return end, _phrase_slot(window, others, is_last=is_last)
    run = runs[position]
    is_last = position + 1 == len(runs) and not is_finished
    is_after_latin = position > 0 and runs[position - 1].kind == "latin"
    return position + 1, _word_slot(run, synonyms, is_last=is_last, is_after_latin=is_after_latin)


def _synonyms_of(window: list[Run], synonyms: Synonyms) -> tuple[str, ...]:
    before = "".join(run.joined for run in window[:-1])
    last = window[-1].joined
    endings = (last, strip_particle(last) if window[-1].kind == "hangul" else fold_plural(last))
    return next((found for ending in endings if (found := synonyms.of(before + ending))), ())


def _phrase_slot(window: list[Run], others: tuple[str, ...], *, is_last: bool) -> Slot:
    surface = " ".join(run.text for run in window)
    said = [*_own_alternatives(window), *(_alternative(other, SYNONYM_WEIGHT) for other in others)]
    joined = "".join(run.joined for run in window)
    is_hangul = all(run.kind == "hangul" for run in window)
    is_latin = len(window) == 1 and window[0].kind == "latin"
    return Slot(
        surface=surface,
        alternatives=tuple(said),
        key_prefix=keystrokes(joined) if is_last and is_hangul else "",
        code_prefix=joined if is_last and is_latin else "",
    )


def _own_alternatives(window: list[Run]) -> list[Alternative]:
    text = " ".join(run.text for run in window)
    own = [_alternative(text, 1.0)]
    last = window[-1]
    if last.kind == "hangul" and (stripped := strip_particle(last.text)) != last.text:
        before = [run.text for run in window[:-1]]
        own.append(_alternative(" ".join([*before, stripped]), STRIPPED_WEIGHT))
    return own


@functools.lru_cache(maxsize=10_000)
def _alternative(text: str, weight: float) -> Alternative:
    runs = split_runs(text)
    head = "".join(run.joined for run in runs[:-1]) + (fold_plural(runs[-1].joined) if runs else "")
    is_word = len(runs) == 1 and runs[0].kind == "hangul"
    return Alternative(phrase_tokens(text), weight, head, (WORD_MARK + runs[0].text,) if is_word else ())


def _word_slot(run: Run, synonyms: Synonyms, *, is_last: bool, is_after_latin: bool) -> Slot:
    if run.kind == "other":
        return Slot(surface=run.text, alternatives=(_alternative(run.text, 1.0),))
    if run.kind == "latin":
        return _latin_slot(run, synonyms, is_last=is_last)
    if all(is_jamo(character) for character in run.text):
        keys = keystrokes(run.text)
        own = _alternative(run.text, 1.0)
        is_initials = len(run.text) > 1 and all("ㄱ" <= character <= "ㅎ" for character in run.text)
        prefix = run.text if is_initials else ""
        return Slot(surface=run.text, alternatives=(own,), initial_prefix=prefix, layout=keys)
    keys = keystrokes(run.text)
    completed = _completed(keys, synonyms, is_latin=False) if is_last else []
    is_whole = all(is_syllable(character) for character in run.text)
    return Slot(
        surface=run.text,
        alternatives=(*_own_alternatives([run]), *completed),
        key_prefix=keys if is_last and len(keys) >= COMPLETED_KEYS_MIN else "",
        fuzzy_keys=keys,
        layout=keys if keys.isascii() else "",
        is_optional=is_whole and len(run.text) == 1 and is_after_latin,
    )


def _latin_slot(run: Run, synonyms: Synonyms, *, is_last: bool) -> Slot:
    joined = run.joined
    has_digit = any(character.isdigit() for character in joined)
    own = [_alternative(run.text, 1.0)]
    if len(run.parts) > 1:
        own.append(Alternative((joined,), 1.0, joined))
    completed = _completed(joined, synonyms, is_latin=True) if is_last and not has_digit else []
    completes = is_last or (has_digit and len(joined) > 2)
    hangul = compose(joined) if joined.isalpha() and len(joined) > 3 else None
    return Slot(
        surface=run.text,
        alternatives=(*own, *completed),
        code_prefix=joined if completes and len(joined) > 1 else "",
        fuzzy_code=joined if joined.isalpha() else "",
        layout=hangul or "",
    )


def _completed(keys: str, synonyms: Synonyms, *, is_latin: bool) -> list[Alternative]:
    words = synonyms.completions(keys, is_latin=is_latin)
    others = [other for word in words for other in (word, *synonyms.of(word))]
    return [_alternative(other, COMPLETED_WEIGHT) for other in dict.fromkeys(others)]
