"""The words of a query, each read with the help of the vocabulary: particles off, compounds split, slips seen.

Pure and engine-neutral. A word that the vocabulary knows is never read as another one.
"""

from collections.abc import Iterator
from importlib import resources
from typing import Literal

import msgspec

from search_config.analysis import PREPOSITIONS, Run, fold_plural, split_runs
from search_config.hangul import (
    PARTICLES,
    compose,
    initials,
    is_jamo,
    is_syllable,
    keystrokes,
    particle_stems,
    spelled_letters,
    verb_stem,
)
from search_config.synonyms import Synonyms
from search_config.vocabulary import Vocabulary

LAYOUT_LETTERS_MIN = 3
COMPLETED_KEYS_MIN = 2
COMPLETED_LETTERS_MIN = 3
SPLIT_LETTERS_MIN = 3


def _read_words(kind: str) -> frozenset[str]:
    text = resources.files("search_config").joinpath("sentence_words.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines())
    return frozenset(word for line in lines if line and line[0] == kind for word in line[1:])


FILLERS = _read_words("fill")
"""Words of a sentence that say nothing about the thing; skipped while others remain."""
GENERIC = _read_words("general")
"""Nouns that fit nearly everything: they rank, but only a query of nothing else must find them."""
VERB_MARKS = frozenset({"to", "that", "which"})
"""What follows one of these is a verb: a sensor to measure pressure."""
PLACE_PARTICLES = frozenset({"에서", "에서는", "에서도", "에게"})
"""A word that carries one of these says where, not what."""

Role = Literal["word", "soft", "filler", "preposition", "particle"]


Side = Literal["", "lower", "upper"]
SIDES_AFTER: dict[str, Side] = {
    **dict.fromkeys(("이상", "이상의", "이상인", "초과", "넘는", "부터"), "lower"),
    **dict.fromkeys(("이하", "이하의", "이하인", "미만", "미만의", "이내", "이내의", "까지"), "upper"),
}
SIDES_BEFORE: dict[str, Side] = {
    **dict.fromkeys(("over", "above", "least", "min", "minimum"), "lower"),
    **dict.fromkeys(("under", "below", "most", "max", "maximum"), "upper"),
}
"""Words beside a measure that make it a bound: `10kg 이상`, `over 10 kg`."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One word as read. `text` is the word looked for, `typed` what was written.

    `is_slip`: `text` stands for a mistyped `typed`. `others` are further readings: completions, acronyms.
    `soft` pieces rank without being required. `side`: a measure is a `lower` or an `upper` bound.
    """

    text: str
    typed: str
    run: Run
    role: Role = "word"
    is_slip: bool = False
    is_known: bool = False
    others: tuple[str, ...] = ()
    side: Side = ""


class Reader(msgspec.Struct, frozen=True):
    """Reads the runs of one query. `is_literal` keeps every word as written."""

    synonyms: Synonyms
    vocabulary: Vocabulary
    is_literal: bool = False

    def read(self, runs: tuple[Run, ...], *, is_finished: bool) -> list[Piece]:
        """The pieces of a query; the last word is completed unless `is_finished`."""
        pieces: list[Piece] = []
        for position, run in enumerate(runs):
            is_open = position + 1 == len(runs) and not is_finished
            before = runs[position - 1] if position else None
            if side := self._side_of(runs, position):
                if pieces and before is not None and before.is_measure:
                    pieces[-1] = msgspec.structs.replace(pieces[-1], side=side)
                continue
            found = self._read_run(run, before, is_open=is_open)
            is_verb = before is not None and before.text in VERB_MARKS and not self.is_literal
            pieces.extend(msgspec.structs.replace(p, role="soft") if is_verb else p for p in found)
            if run.is_measure and before is not None and not self.is_literal:
                pieces[-1] = msgspec.structs.replace(pieces[-1], side=SIDES_BEFORE.get(before.text, ""))
        return pieces

    def _side_of(self, runs: tuple[Run, ...], position: int) -> Side:
        """Whether this word only says on which side of the measure beside it the thing must lie."""
        if self.is_literal:
            return ""
        before = runs[position - 1].text if position else ""
        if before.isascii() and any(character.isdigit() for character in before):  # also IP67 이상
            return SIDES_AFTER.get(runs[position].text, "")
        is_before = position + 1 < len(runs) and runs[position + 1].is_measure
        return SIDES_BEFORE.get(runs[position].text, "") if is_before else ""

    def _read_run(self, run: Run, before: Run | None, *, is_open: bool) -> Iterator[Piece]:
        plain = Piece(text=run.text, typed=run.text, run=run)
        if self.is_literal or run.kind == "other" or run.is_measure:
            yield plain
        elif run.kind == "latin":
            yield from self._read_latin(plain, is_open=is_open)
        elif before is not None and before.kind == "latin" and self._is_particle(run.text):
            yield msgspec.structs.replace(plain, role="particle")
        elif run.text in FILLERS:
            yield msgspec.structs.replace(plain, role="filler")
        else:
            yield from self._read_hangul(plain, is_open=is_open)

    def knows(self, word: str) -> bool:
        return self.vocabulary.knows(word) or word in self.synonyms.words or word in GENERIC

    def _is_particle(self, word: str) -> bool:
        return len(word) == 1 or (word in PARTICLES and not self.knows(word))

    def _read_hangul(self, plain: Piece, *, is_open: bool) -> Iterator[Piece]:
        word = plain.text
        if self.knows(word):
            yield self._known(plain, word)
        elif stem := self._stem(word):
            known = self._known(plain, stem)
            is_place = word.removeprefix(stem) in PLACE_PARTICLES
            yield msgspec.structs.replace(known, role="soft") if is_place else known
        elif (noun := verb_stem(word)) and (self.knows(noun) or not is_open):
            yield msgspec.structs.replace(plain, text=noun, role="soft", is_known=self.knows(noun))
        elif parts := self._segments(word):
            yield from (self._known(plain, part) for part in parts)
        elif len(word) > 1 and all("ㄱ" <= character <= "ㅎ" for character in word):
            yield self._read_consonants(plain)
        else:
            yield self._read_unknown(plain, is_open=is_open)

    def _stem(self, word: str) -> str:
        """The word without its particle when the rest is known, or at least begins a known word."""
        stems = particle_stems(word)
        found = next(filter(self.knows, stems), None)
        return found or next(filter(self.vocabulary.begins, stems), "")

    def _known(self, plain: Piece, word: str) -> Piece:
        role: Role = "soft" if word in GENERIC else "word"
        tool = word.removesuffix("기")
        others = (tool,) if tool != word and len(tool) > 1 and self.knows(tool) else ()
        return msgspec.structs.replace(plain, text=word, role=role, is_known=True, others=others)

    def _segments(self, word: str) -> tuple[str, ...]:
        for stem in (word, *particle_stems(word)):
            if parts := self.vocabulary.segments(stem, known=self.synonyms.words):
                return parts
        return ()

    def _read_consonants(self, plain: Piece) -> Piece:
        """Initial consonants of a word; when there is no such word, Latin letters on the wrong layout."""
        found = self.vocabulary.by_initials(plain.text)
        is_whole = any(initials(word) == plain.text for word in found)
        slip = None if is_whole else self._slip(plain, self._letters_meant(plain.text))
        return slip or msgspec.structs.replace(plain, others=tuple(found))

    def _read_unknown(self, plain: Piece, *, is_open: bool) -> Piece:
        word, keys = plain.text, keystrokes(plain.text)
        if is_open and len(keys) >= COMPLETED_KEYS_MIN and (found := self.vocabulary.completions(keys)):
            return msgspec.structs.replace(plain, others=tuple(found))
        if said := self._letters_said(word):
            return msgspec.structs.replace(plain, others=(said,))
        meant = self._letters_meant(word)
        return self._slip(plain, meant or self._near(word)) or plain

    def _letters_said(self, word: str) -> str:
        """엠이에스(를) is mes, 엘에스일렉트릭 is ls일렉트릭 where these are known words."""
        for stem in (word, *particle_stems(word)):
            letters, rest = spelled_letters(stem)
            if len(letters) > 1 and (not rest or self.knows(rest)):
                joined = letters + rest
                if self.knows(joined) or (rest and self.knows(letters)):
                    return joined if not rest or self.knows(joined) else f"{letters} {rest}"
        return ""

    def _letters_meant(self, word: str) -> str:
        """ㅡㄷㄴ is mes typed with the keyboard in Hangul."""
        letters = keystrokes(word)
        if len(letters) < 2 or not letters.isascii():
            return ""
        folded = fold_plural(letters)
        if self.knows(letters):
            return letters
        if self.knows(folded):
            return folded
        is_spelled = any(is_jamo(character) for character in word)
        found = self.vocabulary.letter_completions(letters) if is_spelled and len(letters) > 2 else []
        return found[0] if found else ""

    def _near(self, word: str) -> str:
        for stem in (word, *particle_stems(word)):
            if found := self.vocabulary.nearest(stem):
                return found[0]
        return self._near_in_parts(word)

    def _near_in_parts(self, word: str) -> str:
        """A compound with one part right and the other mistyped."""
        if len(word) < 4 or not all(map(is_syllable, word)):
            return ""
        for place in range(2, len(word) - 1):
            left, right = word[:place], word[place:]
            if self.knows(left) and (found := self.vocabulary.nearest(right)):
                return left + found[0]
            if self.knows(right) and (found := self.vocabulary.nearest(left)):
                return found[0] + right
        return ""

    def _slip(self, plain: Piece, meant: str) -> Piece | None:
        if not meant or meant == plain.text:
            return None
        return msgspec.structs.replace(plain, text=meant, is_slip=True, is_known=True)

    def _read_latin(self, plain: Piece, *, is_open: bool) -> Iterator[Piece]:
        run = plain.run
        word = fold_plural(run.joined) if len(run.parts) == 1 else run.joined
        if run.text in PREPOSITIONS:
            yield msgspec.structs.replace(plain, role="preposition")
        elif run.text in FILLERS:
            yield msgspec.structs.replace(plain, role="filler")
        elif not word.isalpha() or len(run.parts) > 1:
            yield plain
        elif self.knows(word):
            yield self._known(plain, word)
        else:
            yield from self._read_unknown_latin(plain, word, is_open=is_open)

    def _read_unknown_latin(self, plain: Piece, word: str, *, is_open: bool) -> Iterator[Piece]:
        hangul = self._hangul_meant(word, is_open=is_open)
        completed = self.vocabulary.letter_completions(word) if len(word) >= COMPLETED_LETTERS_MIN else []
        if is_open and len(word) == 1:
            plain = msgspec.structs.replace(plain, role="soft")
        if hangul and not completed:
            yield self._slip(plain, hangul) or plain
        elif completed:
            yield msgspec.structs.replace(plain, others=tuple(completed))
        elif parts := self._letter_segments(word):
            yield from (self._known(plain, part) for part in parts)
        elif found := self.vocabulary.nearest(word):
            yield self._slip(plain, found[0]) or plain
        elif said := (self._letters_said(hangul_said) if (hangul_said := compose(word)) else ""):
            yield self._slip(plain, said) or plain
        else:
            yield plain

    def _hangul_meant(self, word: str, *, is_open: bool) -> str:
        """tpstj is 센서 typed with the keyboard in English, also half of it."""
        if len(word) < LAYOUT_LETTERS_MIN:
            return ""
        hangul = compose(word)
        if hangul and len(hangul) > 1:
            if self.knows(hangul):
                return hangul
            if stem := next(filter(self.knows, particle_stems(hangul)), None):
                return stem
            if self._segments(hangul):
                return hangul
        found = self.vocabulary.completions(word) if is_open else []
        if found:
            return found[0]
        return self._near(hangul) if hangul and len(hangul) > 1 else ""

    def _letter_segments(self, word: str) -> tuple[str, ...]:
        """`servodrive` is servo and drive."""
        for place in range(SPLIT_LETTERS_MIN, len(word) - SPLIT_LETTERS_MIN + 1):
            left, right = word[:place], fold_plural(word[place:])
            if self.knows(left) and self.knows(right):
                return left, right
        return ()


def read_text(
    text: str,
    reader: Reader,
    *,
    is_finished: bool,
    runs_max: int,
) -> list[Piece]:
    """The pieces of the first `runs_max` words of a text; fillers go while anything else remains."""
    pieces = reader.read(split_runs(text)[:runs_max], is_finished=is_finished)
    if any(piece.role in {"word", "soft"} for piece in pieces):
        return [piece for piece in pieces if piece.role not in {"filler", "particle"}]
    return [msgspec.structs.replace(piece, role="word") for piece in pieces]
