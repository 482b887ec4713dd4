"""What a listing still lacks, asked for kindly after it is published: nothing here keeps anybody from selling. Pure."""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote

from catalog.core.listing_rows import ImportKind

Hint = Literal[
    "name_en", "summary", "specs", "price", "datasheet", "origin", "warranty", "codes", "source", "industries",
    "scope", "return_terms", "spare_parts", "installation", "component_origins", "component_standards",
    "alternatives", "courses", "references", "type_facts", "tiers", "valid_until",
]  # fmt: skip

HINTS: Final[Mapping[ImportKind, tuple[Hint, ...]]] = {
    "products": ("price", "specs", "summary", "name_en", "datasheet", "origin", "warranty", "source", "codes"),
    "package-models": (
        "price", "scope", "type_facts", "component_origins", "summary", "industries", "return_terms", "spare_parts",
        "component_standards", "references", "alternatives", "courses", "name_en",
    ),
    "offers": ("warranty", "tiers", "return_terms", "installation", "spare_parts", "valid_until"),
}  # fmt: skip
"""What is asked of each kind, the most useful to buyers first."""

WHOLE_BP: Final = 10_000


def missing_facts(kind: ImportKind, known: Mapping[Hint, bool | None]) -> tuple[Hint, ...]:
    """The facts that are asked of this kind and not there; a fact that `known` does not name is not asked."""
    return tuple(hint for hint in HINTS[kind] if hint in known and not known[hint])


def completeness_bp(kind: ImportKind, known: Mapping[Hint, bool | None]) -> int:
    """The share of what is asked that is there, in basis points, rounded down; None counts as not there."""
    asked = [hint for hint in HINTS[kind] if hint in known]
    if not asked:
        return WHOLE_BP
    return sum(1 for hint in asked if known[hint]) * WHOLE_BP // len(asked)


FIELDS: Final[Mapping[Hint, str]] = {
    "scope": "included_ko", "return_terms": "return_terms_ko", "spare_parts": "spare_parts_years",
    "summary": "summary_ko", "warranty": "warranty_months", "installation": "installation_includes",
    "courses": "courses_ko", "source": "source_url",
}  # fmt: skip
"""The field of the listing's form that a fact is typed into, where it has another name than the fact."""


def fix_path(kind: ImportKind, code: str, hint: Hint) -> str:
    """The page, and the place on it, where its vendor says the fact, without the language."""
    if hint == "price":
        subject = "product" if kind == "products" else "package_model"
        return f"/vendor/listings/offers/new?{subject}={quote(code)}"
    if hint == "references":
        return f"/vendor/packages/{quote(code)}/references"
    if hint in ("component_origins", "component_standards"):
        return "/vendor/evidence"
    if hint == "origin":
        return f"/vendor/evidence/{quote(code)}"
    return f"/vendor/listings/{kind}/{quote(code)}#{FIELDS.get(hint, hint)}"
