"""Text to tokens, the same for documents and queries. Pure and engine-neutral.

Korean is matched by pairs of neighboring syllables, across spaces too, so that `협동 로봇` and `협동로봇`
are one word and every two-syllable part of a compound is found without a dictionary. Latin words, numbers
with units and model numbers keep their own forms.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from search_config.hangul import is_hangul
from search_config.units import fold_measures, load_units

WORD_MARK = "="
"""Marks a whole Hangul word among the syllable pairs: `=센서`."""
JOINED_MARK = "+"
"""Marks two neighboring words of a name, read as one: `+협동로봇`."""
JOINED_WORDS_MAX = 3
WORD_LENGTH_MAX = 64

PREPOSITIONS = frozenset({"for", "with", "of", "to", "by", "from", "in", "on", "at", "that", "which"})

_JAMO_RUN = re.compile(r"([\u3131-\u318e]+)")
_FOREIGN = re.compile(r"[^\x00-\x7f가-힣ㄱ-ㆎ~℃±·]")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:~-?[0-9]+(?:\.[0-9]+)?)?"
_BASES = "|".join(sorted(map(re.escape, load_units().bases), key=len, reverse=True))
_RUN = re.compile(
    rf"(?<![0-9a-z._/+\-]){_NUMBER}(?:{_BASES})(?![0-9a-z])"
    r"|[0-9]+(?:\.[0-9]+)?(?![0-9a-z])(?![-_/.+][0-9a-z])"
    r"|[0-9a-z]+(?:[-_/.+][0-9a-z]+)*"
    r"|[가-힣ㄱ-ㅣ]+"
    r"|[^\W0-9a-z_가-힣ㄱ-ㅣ]+"
)
_MEASURE = re.compile(rf"({_NUMBER})(?:{_BASES})?")
_CONNECTOR = re.compile(r"[-_/.+]")

RunKind = Literal["hangul", "latin", "other"]


class Run(msgspec.Struct, frozen=True):
    """A stretch of one script. `parts` are the pieces of a hyphenated code, else the text itself.

    `is_measure`: a number with or without its unit.
    """

    text: str
    kind: RunKind
    parts: tuple[str, ...]
    is_measure: bool = False

    @property
    def joined(self) -> str:
        return "".join(self.parts)


def clean_text(text: str) -> str:
    """One line of NFKC text without control characters or lone surrogates.

    Consonants and vowels on their own (ㅎㄷ) are left as typed: NFKC would turn them into other characters.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = _keep_all(text)
    if not unicodedata.is_normalized("NFKC", kept):
        pieces = _JAMO_RUN.split(unicodedata.normalize("NFC", kept))
        pieces[::2] = [unicodedata.normalize("NFKC", piece) for piece in pieces[::2]]
        # NFKC may itself make control-like characters out of ligatures and spaces out of wide spaces.
        kept = _keep_all("".join(pieces))
    return " ".join(kept.split())


def _keep_all(text: str) -> str:
    return text if text.isprintable() else "".join(_keep(character) for character in text)


def clean_value(text: str) -> str:
    """A facet value as compared: NFC, printable, trimmed, but otherwise as written."""
    return unicodedata.normalize("NFC", _keep_all(text)).strip()


def _keep(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category in {"Cs", "Cf"} else character


def fold_text(text: str) -> str:
    """Clean, lower-case, without Latin accents, measures in base units (`0.75 kW` is `750w`)."""
    return fold_measures(strip_accents(clean_text(text).lower()))


def strip_accents(text: str) -> str:
    """Düsseldorf is dusseldorf; Hangul and other scripts stay."""
    return "".join(map(_strip_accent, text)) if _FOREIGN.search(text) else text


def _strip_accent(character: str) -> str:
    if character.isascii() or is_hangul(character):
        return character
    decomposed = unicodedata.normalize("NFKD", character)
    base = "".join(part for part in decomposed if not unicodedata.combining(part))
    return base if base.isascii() and base else character


@functools.lru_cache(maxsize=20_000)
def split_runs(text: str) -> tuple[Run, ...]:
    """The runs of a text after folding, in order. Makers, categories and tags repeat, so they are kept."""
    runs: list[Run] = []
    for match in _RUN.finditer(fold_text(text)):
        word = match.group()
        first = word[0]
        if first.isascii():
            is_measure = first == "-" or (first.isdigit() and _MEASURE.fullmatch(word) is not None)
            is_whole = is_measure or not _CONNECTOR.search(word)
            parts = (word,) if is_whole else tuple(part for part in _CONNECTOR.split(word) if part)
            runs.append(Run(word, "latin", parts, is_measure))
        else:
            runs.append(Run(word, "hangul" if is_hangul(first) else "other", (word,)))
    return tuple(runs)


def fold_plural(word: str) -> str:
    """`sensors` is `sensor`; short words and -ss, -us, -is stay."""
    is_plural = len(word) > 3 and word.isalpha() and word.endswith("s") and word[-2] not in "sui"
    return word[:-1] if is_plural else word


def squash(text: str) -> str:
    """Letters and digits alone: the form in which names, model numbers and synonyms are equal.

    Measures stay as written here, because `SR12 184A` is a model number and no 184 ampere.
    """
    return "".join(character for character in strip_accents(clean_text(text).lower()) if character.isalnum())


def pairs(word: str) -> tuple[str, ...]:
    """Neighboring characters: `협동로봇` gives 협동, 동로, 로봇; one character stays itself."""
    return tuple(word[start : start + 2] for start in range(len(word) - 1)) if len(word) > 1 else (word,)


def text_tokens(runs: Sequence[Run]) -> list[str]:
    """Tokens a document field is found by."""
    tokens: list[str] = []
    before: Run | None = None
    for run in runs:
        if run.kind == "latin":
            tokens.extend(_measure_tokens(run) if run.is_measure else _latin_tokens(run))
        else:
            if before is not None and before.kind == run.kind:
                tokens.append(before.text[-1] + run.text[0])
            tokens.extend(pairs(run.text))
            tokens.append(WORD_MARK + run.text)
        before = run
    return tokens


def _latin_tokens(run: Run) -> list[str]:
    tokens = [fold_plural(part) for part in run.parts]
    if len(tokens) > 1:
        tokens.append(run.joined)
    return tokens


def _measure_tokens(run: Run) -> list[str]:
    """The measure, its number alone, and both ends of a range."""
    number = _MEASURE.fullmatch(run.text)
    if number is None or number[1] == run.text:
        return [run.text]
    unit = run.text[len(number[1]) :]
    ends = [end + unit for end in number[1].split("~")] if "~" in number[1] else []
    return [run.text, number[1], *ends]


def phrase_tokens(text: str) -> tuple[str, ...]:
    """Tokens that a document must all have to hold this phrase: tight for Hangul, loose for Latin."""
    runs = split_runs(text)
    tokens: list[str] = []
    for position, run in enumerate(runs):
        if run.kind == "latin":
            tokens.extend([run.text] if run.is_measure else (fold_plural(part) for part in run.parts))
            continue
        if position and runs[position - 1].kind == run.kind:
            tokens.append(runs[position - 1].text[-1] + run.text[0])
        tokens.extend(pairs(run.text))
    return tuple(dict.fromkeys(tokens))


def vocabulary_words(runs: Sequence[Run]) -> Iterator[str]:
    """Words that the vocabulary learns from a public name: whole words, and up to three in a row as `+협동로봇`."""
    before: list[str] = []
    for run in runs:
        if run.kind == "hangul":
            if len(run.text) > 1:
                yield run.text[:WORD_LENGTH_MAX]
            before = [*before[-(JOINED_WORDS_MAX - 1) :], run.text]
            for start in range(len(before) - 1):
                yield JOINED_MARK + "".join(before[start:])[:WORD_LENGTH_MAX]
        else:
            before = []
            if len(run.parts) == 1 and len(run.text) > 1 and run.text.isascii() and run.text.isalpha():
                yield fold_plural(run.text)[:WORD_LENGTH_MAX]


def code_tokens(runs: Sequence[Run]) -> set[str]:
    """Latin words and model numbers, joined from each of their parts on: xgbxbms and xbms."""
    tokens: set[str] = set()
    for position, run in enumerate(runs):
        if run.kind != "latin":
            continue
        following = ""
        for other in runs[position : position + 4]:
            if other.kind != "latin":
                break
            following += other.joined
            tokens.add(following[:WORD_LENGTH_MAX])
        for start in range(1, len(run.parts)):
            tokens.add("".join(run.parts[start:])[:WORD_LENGTH_MAX])
    return tokens


def head_tokens(runs: Sequence[Run]) -> set[str]:
    """Endings of a name, squashed: what the thing is. Both languages put the head noun last.

    In English what follows a preposition is not the head: a `gripper for cobots` is a gripper. Sizes at
    the end of a name are no head either.
    """
    tokens: set[str] = set()
    ends = (place for place, run in enumerate(runs) if place and run.text in PREPOSITIONS)
    runs = [run for run in runs[: next(ends, len(runs))] if not run.is_measure] or runs[-1:]
    tail = [run.joined for run in runs[-4:]]
    if tail:
        tail[-1] = fold_plural(tail[-1])
    for start in range(len(tail)):
        tokens.add("".join(tail[start:]))
    if runs and runs[-1].kind == "hangul":
        last = runs[-1].text
        tokens.update(last[start:] for start in range(max(len(last) - 1, 1)))
    return tokens
