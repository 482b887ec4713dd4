"""Synonym groups: words that mean one thing in Korean, English and abbreviations. Pure."""

import msgspec

from search_config.analysis import split_runs, squash
from search_config.errors import InvalidSettings


class Synonyms(msgspec.Struct, frozen=True):
    """`words` maps a squashed word to the others of its groups; `parts` are the single words of all phrases."""

    words: dict[str, tuple[str, ...]]
    parts: frozenset[str] = frozenset()

    def of(self, word: str) -> tuple[str, ...]:
        """The other words of every group that `word` (squashed) belongs to."""
        return self.words.get(word, ())


def parse_synonyms(text: str, *, file: str = "synonyms.txt") -> Synonyms:
    """Read groups, one a line, words separated by commas; `a, b => c` reads a and b as c, not back.

    `#` starts a comment. Raises InvalidSettings with the line number for a group of fewer than two words.
    """
    words: dict[str, list[str]] = {}
    parts: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        left, arrow, right = content.partition("=>")
        sources = [word.strip() for word in left.split(",") if word.strip()]
        targets = [word.strip() for word in right.split(",") if word.strip()] if arrow else sources
        if not sources or not targets or len({*map(squash, sources), *map(squash, targets)}) < 2:
            raise InvalidSettings(file, reason=f"line {number}: a group needs two different words")
        parts.update(
            run.text for word in (*sources, *targets) for run in split_runs(word) if len(run.text) > 1
        )
        for source in sources:
            key = squash(source)
            others = [target for target in targets if squash(target) != key]
            known = words.setdefault(key, [])
            known.extend(other for other in others if other not in known)
    return Synonyms({word: tuple(others) for word, others in words.items()}, frozenset(parts))
