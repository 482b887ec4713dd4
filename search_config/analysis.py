"""Text to tokens, the same for documents and queries. Pure and engine-neutral.

Korean is matched by pairs of neighboring syllables, across spaces too, so that `협동 로봇` and `협동로봇`
are one word and every two-syllable part of a compound is found without a dictionary. Latin words, numbers
with units and model numbers keep their own forms.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from search_config.hangul import initials, is_hangul, keystrokes

WORD_MARK = "="
"""Marks a whole Hangul word among the syllable pairs: `=센서`."""
SYLLABLES_MAX = 16
"""Longest run of syllables that is completed while typing."""

PREPOSITIONS = frozenset({"for", "with", "of", "to", "by", "from", "in", "on", "at"})

_JAMO_RUN = re.compile(r"([\u3131-\u318e]+)")
_UNITS = "kg|mm|cm|ma|kva|va|kw|khz|mhz|hz|mpa|bar|nm|rpm|ppr|ms|kb|mb|gb|ch|pt|w|v|a|m|℃"
_UNIT_GAP = re.compile(rf"(?<![0-9a-z.])([0-9]+(?:\.[0-9]+)?)\s+({_UNITS})(?![0-9a-z])")
_RUN = re.compile(
    rf"[0-9]+(?:\.[0-9]+)?(?:{_UNITS}|%)?(?![0-9a-z])(?![-_/.+][0-9a-z])"
    r"|[0-9a-z]+(?:[-_/.+][0-9a-z]+)*"
    r"|[가-힣ㄱ-ㅣ]+"
    r"|[^\W0-9a-z_가-힣ㄱ-ㅣ]+"
)
_MEASURE = re.compile(rf"([0-9]+(?:\.[0-9]+)?)(?:{_UNITS}|%)")
_CONNECTOR = re.compile(r"[-_/.+]")

RunKind = Literal["hangul", "latin", "other"]


class Run(msgspec.Struct, frozen=True):
    """A stretch of one script. `parts` are the pieces of a hyphenated code, else the text itself."""

    text: str
    kind: RunKind
    parts: tuple[str, ...]

    @property
    def joined(self) -> str:
        return "".join(self.parts)


def clean_text(text: str) -> str:
    """One line of NFKC text without control characters or lone surrogates.

    Consonants and vowels on their own (ㅎㄷ) are left as typed: NFKC would turn them into other characters.
    """
    kept = "".join(_keep(character) for character in text)
    composed = unicodedata.normalize("NFC", kept)
    pieces = _JAMO_RUN.split(composed)
    pieces[::2] = [unicodedata.normalize("NFKC", piece) for piece in pieces[::2]]
    # NFKC may itself make control-like characters out of ligatures and spaces out of wide spaces.
    return " ".join("".join(_keep(character) for character in "".join(pieces)).split())


def clean_value(text: str) -> str:
    """A facet value as compared: NFC, printable, trimmed, but otherwise as written."""
    return unicodedata.normalize("NFC", "".join(_keep(character) for character in text)).strip()


def _keep(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category in {"Cs", "Cf"} else character


def fold_text(text: str) -> str:
    """Clean, lower-case, without Latin accents, numbers joined to their units (`10 kg` is `10kg`)."""
    folded = clean_text(text).lower().replace("°c", "℃")
    if not folded.isascii():
        folded = "".join(_strip_accent(character) for character in folded)
    return _UNIT_GAP.sub(r"\1\2", folded)


def _strip_accent(character: str) -> str:
    if character.isascii() or is_hangul(character):
        return character
    decomposed = unicodedata.normalize("NFKD", character)
    base = "".join(part for part in decomposed if not unicodedata.combining(part))
    return base if base.isascii() and base else character


def split_runs(text: str) -> list[Run]:
    """The runs of a text after folding, in order."""
    runs: list[Run] = []
    for match in _RUN.finditer(fold_text(text)):
        word = match.group()
        if is_hangul(word[0]):
            runs.append(Run(word, "hangul", (word,)))
        elif word[0].isascii():
            is_measure = re.fullmatch(r"[0-9]+(?:\.[0-9]+)?\D*", word) is not None and "-" not in word
            parts = (word,) if is_measure else tuple(part for part in _CONNECTOR.split(word) if part)
            runs.append(Run(word, "latin", parts))
        else:
            runs.append(Run(word, "other", (word,)))
    return runs


def fold_plural(word: str) -> str:
    """`sensors` is `sensor`; short words and -ss, -us, -is stay."""
    is_plural = len(word) > 3 and word.isalpha() and word.endswith("s") and word[-2] not in "sui"
    return word[:-1] if is_plural else word


def squash(text: str) -> str:
    """All runs without spaces or hyphens: the form in which names, model numbers and synonyms are equal."""
    return "".join(run.joined for run in split_runs(text))


def pairs(word: str) -> tuple[str, ...]:
    """Neighboring characters: `협동로봇` gives 협동, 동로, 로봇; one character stays itself."""
    return tuple(word[start : start + 2] for start in range(len(word) - 1)) if len(word) > 1 else (word,)


def text_tokens(runs: Sequence[Run]) -> list[str]:
    """Tokens a document field is found by."""
    tokens: list[str] = []
    for position, run in enumerate(runs):
        if run.kind == "latin":
            tokens.extend(fold_plural(part) for part in run.parts)
            if len(run.parts) > 1:
                tokens.append(run.joined)
            if measure := _MEASURE.fullmatch(run.text):
                tokens.append(measure.group(1))
            continue
        if position and runs[position - 1].kind == run.kind:
            tokens.append(runs[position - 1].text[-1] + run.text[0])
        tokens.extend(pairs(run.text))
        tokens.append(WORD_MARK + run.text)
    return tokens


def phrase_tokens(text: str) -> tuple[str, ...]:
    """Tokens that a document must all have to hold this phrase: tight for Hangul, loose for Latin."""
    runs = split_runs(text)
    tokens: list[str] = []
    for position, run in enumerate(runs):
        if run.kind == "latin":
            tokens.extend(fold_plural(part) for part in run.parts)
            continue
        if position and runs[position - 1].kind == run.kind:
            tokens.append(runs[position - 1].text[-1] + run.text[0])
        tokens.extend(pairs(run.text))
    return tuple(dict.fromkeys(tokens))


def _suffixes(runs: Sequence[Run], kind: RunKind) -> Iterator[str]:
    """Every ending of every word of one script, each with the word after it."""
    for position, run in enumerate(runs):
        if run.kind != kind:
            continue
        follows = position + 1 < len(runs) and runs[position + 1].kind == kind
        after = runs[position + 1].text if follows else ""
        for start in range(len(run.text)):
            yield (run.text[start:] + after)[:SYLLABLES_MAX]


def key_tokens(runs: Sequence[Run]) -> set[str]:
    """Keystrokes of every Hangul ending, so that a half-typed word is a prefix of one of them."""
    return {keystrokes(suffix) for suffix in _suffixes(runs, "hangul")}


def initial_tokens(runs: Sequence[Run]) -> set[str]:
    """Initial consonants of every Hangul ending of two syllables or more."""
    return {found for suffix in _suffixes(runs, "hangul") if len(found := initials(suffix)) > 1}


def code_tokens(runs: Sequence[Run]) -> set[str]:
    """Latin words and model numbers, joined from each of their parts on: xgbxbms and xbms."""
    tokens: set[str] = set()
    for position, run in enumerate(runs):
        if run.kind != "latin":
            continue
        following: list[str] = []
        for other in runs[position : position + 4]:
            if other.kind != "latin":
                break
            following.append(other.joined)
            tokens.add("".join(following)[:64])
        for start in range(len(run.parts)):
            tokens.add("".join(run.parts[start:])[:64])
    return tokens


def head_tokens(runs: Sequence[Run]) -> set[str]:
    """Endings of a name, squashed: what the thing is. Both languages put the head noun last.

    In English what follows a preposition is not the head: a `gripper for cobots` is a gripper.
    """
    tokens: set[str] = set()
    ends = (place for place, run in enumerate(runs) if place and run.text in PREPOSITIONS)
    runs = runs[: next(ends, len(runs))]
    tail = [run.joined for run in runs[-4:]]
    if tail:
        tail[-1] = fold_plural(tail[-1])
    for start in range(len(tail)):
        tokens.add("".join(tail[start:]))
    if runs and runs[-1].kind == "hangul":
        last = runs[-1].text
        tokens.update(last[start:] for start in range(max(len(last) - 1, 1)))
    return tokens
