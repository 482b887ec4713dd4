"""What a listing still lacks, asked for kindly after it is published: nothing here keeps anybody from selling. Pure."""

from collections.abc import Mapping
from typing import Final, Literal

from catalog.core.listing_rows import ImportKind

Hint = Literal[
    "name_en", "summary", "specs", "price", "datasheet", "origin", "warranty", "codes", "source",
    "return_terms", "spare_parts", "installation", "alternatives", "courses", "references", "type_facts",
]  # fmt: skip

HINTS: Final[Mapping[ImportKind, tuple[Hint, ...]]] = {
    "products": ("price", "specs", "summary", "name_en", "datasheet", "origin", "warranty", "source", "codes"),
    "package-models": (
        "price", "type_facts", "return_terms", "spare_parts", "alternatives", "references", "courses", "name_en",
    ),
    "offers": ("warranty", "return_terms", "installation", "spare_parts"),
}  # fmt: skip
"""What is asked of each kind, the most useful to buyers first."""

WHOLE_BP: Final = 10_000


def missing_facts(kind: ImportKind, known: Mapping[Hint, bool]) -> tuple[Hint, ...]:
    """The facts that are asked of this kind and not there; a fact that `known` does not name is not asked."""
    return tuple(hint for hint in HINTS[kind] if not known.get(hint, True))


def completeness_bp(kind: ImportKind, known: Mapping[Hint, bool]) -> int:
    """The share of what is asked that is there, in basis points, rounded down."""
    asked = [hint for hint in HINTS[kind] if hint in known]
    if not asked:
        return WHOLE_BP
    return sum(known[hint] for hint in asked) * WHOLE_BP // len(asked)
