"""Query text to slots of alternatives: what each word may be called in a document. Pure, engine-neutral.

A slot is a word or a known phrase of the query. Its alternatives are the word itself without its particle,
its completions while it is being typed, and its synonyms. `corrections` stand for a slip (other keyboard
layout, mistyped word); an engine uses them only when the slot as typed finds nothing, so that a query that
has hits is never turned into another one.
"""

import functools
import itertools

import msgspec

from search_config.analysis import WORD_MARK, clean_text, fold_plural, phrase_tokens, split_runs, squash
from search_config.hangul import keystrokes, particle_stems, say_letters
from search_config.reading import Piece, Reader, read_text
from search_config.synonyms import Synonyms
from search_config.units import read_measure
from search_config.vocabulary import EMPTY, Vocabulary

RUNS_MAX = 24
"""Words of a query that are searched; bounds the work of one query."""
WINDOW_MAX = 5
"""Words that one synonym may span."""
SYNONYM_WEIGHT = 0.8
COMPLETED_WEIGHT = 0.95
HEAD_WORDS_MAX = 4
SQUASHED_MAX = 200
COMPLETED_SYLLABLES_MIN = 4
"""Syllables before a generic noun that are completed to a name: 온도를 조절하는 장치 is a 온도조절기."""


class Alternative(msgspec.Struct, frozen=True):
    """One way to say a slot: tokens that must all be there; `head` is the squashed form."""

    tokens: tuple[str, ...]
    weight: float
    head: str
    bonus: tuple[str, ...] = ()


class MeasureBound(msgspec.Struct, frozen=True):
    """`10kg 이상`: the first property in this base unit lies at or above `lower`, at or below `upper`."""

    base: str
    lower: float | None
    upper: float | None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A word of the query.

    `corrections` replace `alternatives` when those find nothing; `correction` is how a person reads them.
    `code_prefix` completes a model number; `is_optional` words only raise the score.
    """

    surface: str
    alternatives: tuple[Alternative, ...]
    corrections: tuple[Alternative, ...] = ()
    correction: str = ""
    code_prefix: str = ""
    is_optional: bool = False
    bound: MeasureBound | None = None

    def corrected(self) -> "Slot":
        """The slot as it was meant."""
        return Slot(surface=self.correction, alternatives=self.corrections, is_optional=self.is_optional)


class Understanding(msgspec.Struct, frozen=True, kw_only=True):
    """A whole query: its slots, its squashed form, whether it may be one model number, what it asks for.

    `heads` are squashed names of the thing asked for: a name that ends so is that thing. `tails` are its last
    word alone, `head_place` is its slot. `is_sentence`: it holds words that say nothing about the thing, or
    one that was split, so not every word must be found.
    """

    slots: tuple[Slot, ...]
    squashed: str
    is_code: bool
    heads: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    is_sentence: bool = False
    head_place: int = 0

    def settled(self, slots: tuple[Slot, ...]) -> "Understanding":
        """The same query with slots as an engine settled them."""
        return msgspec.structs.replace(self, slots=slots)


def understand(
    text: str,
    synonyms: Synonyms,
    vocabulary: Vocabulary = EMPTY,
    *,
    is_finished: bool = False,
    is_literal: bool = False,
) -> Understanding:
    """Read a query. `is_finished`: its last word is complete. `is_literal`: search the words as written."""
    reader = Reader(synonyms, vocabulary, is_literal)
    pieces = read_text(text, reader, is_finished=is_finished, runs_max=RUNS_MAX)
    head_end = _head_end(pieces)
    words = [piece for piece in pieces if piece.role != "preposition"] or [
        msgspec.structs.replace(piece, role="word") for piece in pieces
    ]
    compiler = _SlotCompiler(reader, words, is_finished=is_finished)
    slots = compiler.slots()
    if slots and all(slot.is_optional for slot in slots):
        slots = [msgspec.structs.replace(slot, is_optional=False) for slot in slots]
    runs = split_runs(text)[:RUNS_MAX]
    is_code = len(runs) > 1 and all(run.kind == "latin" for run in runs)
    heads, tails = compiler.heads(head_end)
    is_split = len({piece.typed for piece in words}) < len(words)
    has_soft = any(piece.role == "soft" for piece in words)
    is_sentence = len(words) > 1 and (len(words) < len(runs) or has_soft or is_split)
    return Understanding(
        slots=tuple(slots),
        squashed=squash(text)[:SQUASHED_MAX],
        is_code=is_code,
        heads=heads,
        tails=tails,
        is_sentence=is_sentence,
        head_place=compiler.head_place(head_end),
    )


def rewrite(text: str, asked: Understanding, settled: Understanding) -> str:
    """The text as it was searched: corrected words in place of the typed ones, the rest as it was."""
    written = clean_text(text)
    for before, after in zip(asked.slots, settled.slots, strict=True):
        if before == after:
            continue
        for typed, meant in zip(*_word_by_word(before.surface, after.surface), strict=True):
            start = written.lower().find(typed)
            if start >= 0 and len(written.lower()) == len(written):
                written = written[:start] + meant + written[start + len(typed) :]
    return written


def _word_by_word(typed: str, meant: str) -> tuple[list[str], list[str]]:
    words, meanings = typed.split(), meant.split()
    return (words, meanings) if len(words) == len(meanings) else ([typed], [meant])


def _head_end(pieces: list[Piece]) -> int:
    """How many words come before the first preposition: `gripper for cobots` asks for a gripper."""
    words = 0
    for piece in pieces:
        if piece.role == "preposition" and words:
            return words
        words += piece.role != "preposition"
    return words


class _SlotCompiler:
    """Joins the pieces of one query to slots, the longest known phrase first."""

    def __init__(self, reader: Reader, pieces: list[Piece], *, is_finished: bool) -> None:
        self.reader = reader
        self.pieces = pieces
        self.is_finished = is_finished
        self.ends: list[int] = []

    def slots(self) -> list[Slot]:
        slots: list[Slot] = []
        position = 0
        while position < len(self.pieces):
            end, slot = self._take(position)
            slots.append(slot)
            self.ends.append(end)
            position = end
        return slots

    def head_place(self, end: int) -> int:
        """The slot with the last required word before `end`, of those that are no measure."""
        words = [
            place
            for place, piece in enumerate(self.pieces[:end])
            if piece.role == "word" and not piece.run.is_measure
        ]
        last = words[-1] if words else max(end - 1, 0)
        return next((number for number, slot_end in enumerate(self.ends) if slot_end > last), 0)

    def heads(self, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names that the asked thing may end with: in several words, and in the last word alone."""
        every = [piece for piece in self.pieces[:end] if not piece.run.is_measure][-HEAD_WORDS_MAX:]
        if not every:
            return (), ()
        full: list[str] = []
        for words in (every, [piece for piece in every if piece.role == "word"]):
            tail = [_joined(piece) for piece in words]
            for start in range(len(tail) - 1):
                full += self._called("".join([*tail[start:-1], fold_plural(tail[-1])]))
        last, before = every[-1], "".join(_joined(piece) for piece in every[:-1])
        tails = self._called(fold_plural(_joined(last)))
        for other in last.others:
            full += self._called(before + squash(other)) if before else []
            tails += self._called(squash(other))
        if last.role == "soft" and not self.reader.is_literal:
            full += self._completed_names([_joined(piece) for piece in every[:-1]])
        return tuple(dict.fromkeys(filter(None, full))), tuple(dict.fromkeys(filter(None, tails)))

    def _completed_names(self, words: list[str]) -> list[str]:
        """Names that two of these words begin: 품질 데이터를 관리하는 … is a 품질관리시스템."""
        joined = {first + last for first, last in itertools.combinations(words, 2)} | {"".join(words)}
        long = sorted(word for word in joined if len(word) >= COMPLETED_SYLLABLES_MIN and not word.isascii())
        found = (name for word in long for name in self.reader.vocabulary.completions(keystrokes(word)))
        return [other for name in found for other in self._called(name)]

    def _called(self, name: str) -> list[str]:
        others = () if self.reader.is_literal else self.reader.synonyms.of(name)
        return [name, *(_head(other) for other in others)]

    def _take(self, position: int) -> tuple[int, Slot]:
        for end in range(min(len(self.pieces), position + WINDOW_MAX), position, -1):
            window = self.pieces[position:end]
            if others := self._synonyms_of(window):
                return end, self._phrase(window, others)
        window = self.pieces[position : position + 2]
        if len(window) == 2 and (said := self._said(window)):
            return position + 2, self._phrase(window, (said,))
        if len(window) == 2 and (found := self._completed(window, position)):
            return position + 2, self._phrase(window, found)
        return position + 1, self._phrase(self.pieces[position : position + 1], ())

    def _synonyms_of(self, window: list[Piece]) -> tuple[str, ...]:
        if self.reader.is_literal:
            return ()
        before = "".join(_joined(piece) for piece in window[:-1])
        last = _joined(window[-1])
        stems = particle_stems(last) if window[-1].run.kind == "hangul" else [fold_plural(last)]
        endings = dict.fromkeys((last, *stems))
        return next((found for last in endings if (found := self.reader.synonyms.of(before + last))), ())

    def _said(self, window: list[Piece]) -> str:
        """`TS일렉트릭` is 티에스일렉트릭 where that is a known name."""
        first, last = window
        if self.reader.is_literal or first.run.kind != "latin" or last.run.kind != "hangul":
            return ""
        said = say_letters(_joined(first)) + last.text if len(first.text) <= 4 else ""
        return said if said and self.reader.knows(said) else ""

    def _completed(self, window: list[Piece], position: int) -> tuple[str, ...]:
        """`협동 로ㅂ`: the last word completes a name of two words."""
        is_open = position + 2 == len(self.pieces) and not self.is_finished and not self.reader.is_literal
        first, last = window
        if not is_open or last.is_known or first.run.kind != "hangul" or last.run.kind != "hangul":
            return ()

        return tuple(self.reader.vocabulary.completions(keystrokes(first.text + last.text)))

    def _phrase(self, window: list[Piece], others: tuple[str, ...]) -> Slot:
        meant = " ".join(piece.text for piece in window)
        typed = " ".join(dict.fromkeys(piece.typed for piece in window))
        is_slip = any(piece.is_slip for piece in window)
        said = [_alternative(meant, 1.0), *self._joined_codes(window)]
        for other in (other for piece in window for other in piece.others):
            said.append(_alternative(other, COMPLETED_WEIGHT))
            synonyms = self.reader.synonyms.of(squash(other))
            said += [_alternative(synonym, SYNONYM_WEIGHT) for synonym in synonyms]
        said += [_alternative(other, SYNONYM_WEIGHT) for other in others]
        ways = tuple({way.tokens: way for way in reversed(said) if way.tokens}.values())[::-1]
        return Slot(
            surface=typed,
            alternatives=(_alternative(typed, 1.0),) if is_slip else ways,
            corrections=ways if is_slip else (),
            correction=meant if is_slip else "",
            code_prefix=self._code_prefix(window),
            is_optional=all(piece.role == "soft" for piece in window) and not others,
            bound=_bound(window[0]) if len(window) == 1 else None,
        )

    def _joined_codes(self, window: list[Piece]) -> list[Alternative]:
        codes = [
            piece.run.joined for piece in window if piece.run.kind == "latin" and len(piece.run.parts) > 1
        ]
        return [Alternative((code,), 1.0, code) for code in codes if len(window) == 1]

    def _code_prefix(self, window: list[Piece]) -> str:
        """Model numbers are completed anywhere, other Latin words only while they are typed."""
        run = window[0].run
        if len(window) > 1 or run.kind != "latin" or (run.is_measure and not run.joined.isdigit()):
            return ""
        joined = run.joined
        has_digit = any(character.isdigit() for character in joined)
        is_open = window[0] is self.pieces[-1] and not self.is_finished
        is_code = has_digit and len(joined) > 2
        return joined if len(joined) > 1 and (is_code or (is_open and not window[0].is_known)) else ""


def _bound(piece: Piece) -> MeasureBound | None:
    measure = read_measure(piece.text) if piece.side else None
    if measure is None:
        return None
    base, low, high = measure
    return MeasureBound(base, low, None) if piece.side == "lower" else MeasureBound(base, None, high)


def _joined(piece: Piece) -> str:
    return piece.run.joined if piece.text == piece.typed and piece.run.kind == "latin" else squash(piece.text)


@functools.lru_cache(maxsize=20_000)
def _head(text: str) -> str:
    runs = split_runs(text)
    return "".join(run.joined for run in runs[:-1]) + (fold_plural(runs[-1].joined) if runs else "")


@functools.lru_cache(maxsize=20_000)
def _alternative(text: str, weight: float) -> Alternative:
    runs = split_runs(text)
    is_word = len(runs) == 1 and runs[0].kind == "hangul"
    bonus = (WORD_MARK + runs[0].text,) if is_word else ()
    return Alternative(phrase_tokens(text), weight, _head(text), bonus)
