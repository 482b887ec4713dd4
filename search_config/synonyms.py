"""Synonym groups: words that mean one thing in Korean, English and abbreviations. Pure."""

import bisect

import msgspec

from search_config.analysis import squash
from search_config.errors import InvalidSettings
from search_config.hangul import keystrokes

COMPLETED_KEYS_MIN = 4
"""Keystrokes before a half-typed word is completed to a synonym: two syllables or four letters."""
COMPLETED_GROUPS_MAX = 3
COMPLETED_READ_MAX = 50


class Synonyms(msgspec.Struct, frozen=True):
    """`words` maps a squashed word to the others of its groups; `typed` is sorted (keystrokes, word)."""

    words: dict[str, tuple[str, ...]]
    typed: tuple[tuple[str, str], ...]

    def of(self, word: str) -> tuple[str, ...]:
        """The other words of every group that `word` (squashed) belongs to."""
        return self.words.get(word, ())

    def completions(self, keys: str, *, is_latin: bool) -> tuple[str, ...]:
        """Known words that these keystrokes begin, shortest first; none while too little is typed."""
        if len(keys) < COMPLETED_KEYS_MIN:
            return ()
        start = bisect.bisect_left(self.typed, (keys, ""))
        found: list[str] = []
        for typed, word in self.typed[start : start + COMPLETED_READ_MAX]:
            if not typed.startswith(keys):
                break
            if word.isascii() == is_latin:
                found.append(word)
        return tuple(sorted(found, key=lambda word: (len(word), word))[:COMPLETED_GROUPS_MAX])


def parse_synonyms(text: str, *, file: str = "synonyms.txt") -> Synonyms:
    """Read groups, one a line, words separated by commas; `a, b => c` reads a and b as c, not back.

    `#` starts a comment. Raises InvalidSettings with the line number for a group of fewer than two words.
    """
    words: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        left, arrow, right = content.partition("=>")
        sources = [word.strip() for word in left.split(",") if word.strip()]
        targets = [word.strip() for word in right.split(",") if word.strip()] if arrow else sources
        if not sources or not targets or len({*map(squash, sources), *map(squash, targets)}) < 2:
            raise InvalidSettings(file, reason=f"line {number}: a group needs two different words")
        for source in sources:
            key = squash(source)
            others = [target for target in targets if squash(target) != key]
            known = words.setdefault(key, [])
            known.extend(other for other in others if other not in known)
    typed = sorted((keystrokes(word), word) for word in words)
    return Synonyms({word: tuple(others) for word, others in words.items()}, tuple(typed))
