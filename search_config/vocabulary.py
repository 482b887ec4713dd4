"""Words that the public documents of an index use, and the ways a hurried typist reaches them. Pure.

An index keeps its words beside the documents (only of public ones, or corrections would tell of hidden
ones); a reader builds this from them. Lookups cost microseconds: sorted lists and bisection.
"""

import bisect
from collections.abc import Mapping, Sequence

import msgspec
from rapidfuzz import process
from rapidfuzz.distance import OSA

from search_config.analysis import JOINED_MARK
from search_config.hangul import initials, is_syllable, keystrokes
from search_config.synonyms import Synonyms

PIECE_WORDS_MIN = 3
"""An ending or beginning of this many different words is a word of its own: 센서 of 근접센서, 온도센서, …"""
COMPLETIONS_READ_MAX = 400
COMPLETIONS_MAX = 4
WHOLE_FACTOR = 20
"""A word that is typed in full counts as this many that are only begun."""
SHARE_MIN = 0.15
"""Rarer completions than this share of the most frequent one are left out."""
SLIP_KEYS_MIN = (5, 9)
"""Keystrokes from which one slip, and two slips, are mended in Hangul."""
SLIP_LETTERS_MIN = (4, 8)
NEAR_KEYS = (2, 3)
NEAR_LETTERS = (1, 2)
"""Keys that a word must share with a mistyped one at its beginning, or else at its end."""
NEAR_READ_MAX = 600
SEGMENTS_MAX = 4

Entry = tuple[str, str]


class Vocabulary(msgspec.Struct, frozen=True):
    """`counts`: documents per word. The lists are sorted (form, word) pairs: keystrokes, initials, reversed."""

    counts: dict[str, int]
    typed: list[Entry]
    typed_backwards: list[Entry]
    begun: list[Entry]
    letters: list[Entry]
    letters_backwards: list[Entry]

    def knows(self, word: str) -> bool:
        return word in self.counts

    def begins(self, word: str) -> bool:
        """Whether a known Hangul word begins with this one: 창고 where only 창고관리시스템 is known."""
        keys = keystrokes(word)
        place = bisect.bisect_left(self.typed, (keys, ""))
        return any(known.startswith(word) for _, known in self.typed[place : place + 3])

    def completions(self, keys: str) -> list[str]:
        """Hangul words that these keystrokes begin, the most frequent first."""
        return self._frequent(_starting(self.typed, keys), keys)

    def letter_completions(self, letters: str) -> list[str]:
        """Latin words that these letters begin, the most frequent first."""
        return self._frequent(_starting(self.letters, letters), letters)

    def by_initials(self, consonants: str) -> list[str]:
        """Words whose initial consonants begin so; words that end there come first."""
        return self._frequent(_starting(self.begun, consonants), consonants)

    def nearest(self, word: str) -> list[str]:
        """Words one slip of the finger away, two for long words; none when the word is too short."""
        if word.isascii():
            return self._near(word, self.letters, self.letters_backwards, SLIP_LETTERS_MIN, NEAR_LETTERS)
        keys = keystrokes(word)
        return self._near(keys, self.typed, self.typed_backwards, SLIP_KEYS_MIN, NEAR_KEYS)

    def segments(self, word: str, *, known: Mapping[str, object] = {}) -> tuple[str, ...]:
        """The fewest known words that make up this one, each of two syllables or more; () if there are none."""
        best: tuple[str, ...] = ()
        for end in range(len(word), 1, -1):
            piece = word[:end]
            if piece not in self.counts and piece not in known:
                continue
            if end == len(word):
                return (piece,)
            rest = self.segments(word[end:], known=known) if len(word) - end >= 2 else ()
            if rest and (not best or len(rest) + 1 < len(best)) and len(rest) < SEGMENTS_MAX:
                best = (piece, *rest)
        return best

    def _frequent(self, entries: list[Entry], asked: str) -> list[str]:
        scored: dict[str, int] = {}
        for form, word in entries:
            count = self.counts.get(word, 0)
            scored[word] = count * WHOLE_FACTOR if form == asked else count
        if any(scored.values()):
            scored = {word: score for word, score in scored.items() if score}
        # A longer word that begins with another one is found by that other one.
        longer = {word for word in scored if any(word[:end] in scored for end in range(1, len(word)))}
        ordered = sorted(scored.keys() - longer, key=lambda word: (-scored[word], len(word), word))
        floor = scored[ordered[0]] * SHARE_MIN if ordered else 0
        whole = {word for form, word in entries if form == asked}
        return [word for word in ordered[:COMPLETIONS_MAX] if scored[word] >= floor or word in whole]

    def _near(
        self,
        form: str,
        forwards: list[Entry],
        backwards: list[Entry],
        lengths: tuple[int, int],
        shared: tuple[int, int],
    ) -> list[str]:
        slips = sum(len(form) >= least for least in lengths)
        if not slips:
            return []
        near = dict(_starting(forwards, form[: shared[0]], limit=NEAR_READ_MAX))
        ends = _starting(backwards, form[::-1][: shared[1]], limit=NEAR_READ_MAX)
        near.update((other[::-1], word) for other, word in ends)
        fits = [other for other in near if abs(len(other) - len(form)) <= slips]
        found = process.extract(form, fits, scorer=OSA.distance, score_cutoff=slips, limit=20)
        least = min((distance for _, distance, _ in found), default=0)
        words = {near[other] for other, distance, _ in found if distance == least}
        return sorted(words, key=lambda word: (-self.counts.get(word, 0), word))[:2]


def _starting(entries: Sequence[Entry], prefix: str, *, limit: int = COMPLETIONS_READ_MAX) -> list[Entry]:
    if not prefix:
        return []
    start = bisect.bisect_left(entries, (prefix, ""))
    end = bisect.bisect_left(entries, (prefix + "\U0010ffff", ""), start, min(start + limit, len(entries)))
    return list(entries[start:end])


def build_vocabulary(words: Mapping[str, int], synonyms: Synonyms) -> Vocabulary:
    """A vocabulary of words with their document counts; words of `vocabulary_words`, marks included."""
    whole = {word: count for word, count in words.items() if not word.startswith(JOINED_MARK)}
    counts = {word.removeprefix(JOINED_MARK): count for word, count in words.items()}
    counts.update(whole)
    for piece, count in _pieces(whole).items():
        counts[piece] = max(counts.get(piece, 0), count)
    for word in (*synonyms.words, *synonyms.parts):
        counts.setdefault(word, 0)
    for word in [word for word in counts if _is_said_of(word, counts, synonyms)]:
        counts[word[:-1]] += counts.pop(word)  # 협동로봇용 is said of a thing for a 협동로봇
    hangul = [word for word in counts if len(word) > 1 and all(map(is_syllable, word))]
    typed = sorted((keystrokes(word), word) for word in hangul)
    letters = sorted((word, word) for word in counts if word.isascii() and word.isalpha())
    return Vocabulary(
        counts,
        typed,
        sorted((keys[::-1], word) for keys, word in typed),
        sorted((initials(word), word) for word in hangul),
        letters,
        sorted((word[::-1], word) for word, _ in letters),
    )


def _is_said_of(word: str, counts: Mapping[str, int], synonyms: Synonyms) -> bool:
    return word.endswith("용") and word[:-1] in counts and word not in synonyms.parts


def _pieces(words: Mapping[str, int]) -> dict[str, int]:
    """Beginnings and endings that several words share, with the documents of those words."""
    shared: dict[str, list[int]] = {}
    for word, count in words.items():
        if not is_syllable(word[0]) or not 4 <= len(word) <= 12:
            continue
        for place in range(2, len(word) - 1):
            for piece in (word[:place], word[place:]):
                shared.setdefault(piece, []).append(count)
    return {piece: sum(found) for piece, found in shared.items() if len(found) >= PIECE_WORDS_MIN}


EMPTY = Vocabulary({}, [], [], [], [], [])
