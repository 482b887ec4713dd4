"""Which things may be ranked against each other, and which values of a row are the best. Pure.

The tie rule: all that share the best value are best, unless everybody does, for then nothing is better. A row
with one unknown value has no best: the unknown one might be better.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Better = Literal["higher", "lower"]

ITEMS_MIN = 2
ITEMS_MAX = 8


class Work(Struct, frozen=True, kw_only=True):
    """What a thing is for: a product's category and subcategory, or a package's type and industries."""

    kind: Literal["product", "package_model"]
    does: str
    industries: frozenset[str] = frozenset()


def is_same_work(works: Sequence[Work]) -> bool:
    """Whether all of these do the same work, so that "best" means something.

    Products must be of one category and subcategory; packages of one type with an industry common to all.
    """
    if len({(work.kind, work.does) for work in works}) != 1:
        return False
    if works[0].kind == "product":
        return True
    return bool(frozenset.intersection(*(work.industries for work in works)))


def best_of(ranks: Sequence[float | int | None], better: Better | None) -> list[bool]:
    """Which of the values are best, by the tie rule above; None = unknown."""
    known = [rank for rank in ranks if rank is not None]
    if better is None or len(known) < len(ranks) or len(ranks) < ITEMS_MIN or min(known) == max(known):
        return [False] * len(ranks)
    top = max(known) if better == "higher" else min(known)
    return [rank == top for rank in ranks]
