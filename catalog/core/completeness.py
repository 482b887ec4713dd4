"""How much of what a factory asks of a listing it says, and what it does not say yet.

Every fact weighs the same: the required specifications of its category and subcategory, summaries in both
languages, a source, an origin claim (that the origin is unknown is an answer, too, but no fact), and, where it
talks to other components, a standard. "Unknown" and "no" differ: a specification that says "no" is said.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from catalog.core.product import Category, Product
from catalog.core.spec_value import SpecDefinition

WHOLE_BP: Final = 10_000
SPEAKING: Final[frozenset[Category]] = frozenset(("software", "controller", "sensor", "robot"))
"""Categories whose products exchange data with others."""

GENERAL_FACTS: Final = {
    "summary_ko": ("한국어 요약", "Korean summary"),
    "summary_en": ("영어 요약", "English summary"),
    "source": ("자료 출처", "source of the facts"),
    "origin": ("원산지 주장", "origin claim"),
    "standard": ("통신·규격", "protocol or standard"),
}


class MissingFact(Struct, frozen=True):
    """What a listing does not say yet; `code` is a specification's or one of GENERAL_FACTS."""

    code: str
    name_ko: str
    name_en: str


class Completeness(Struct, frozen=True):
    """Share of the asked facts that are said, in basis points rounded down, and the missing ones in order."""

    score_bp: int
    asked: int
    missing: tuple[MissingFact, ...]


def required_specs(
    definitions: Sequence[SpecDefinition], *, category: str, subcategory: str
) -> tuple[SpecDefinition, ...]:
    """The specifications that a product of this category and subcategory has to state, in their order."""
    return tuple(
        definition
        for definition in definitions
        if category in definition.categories
        and (category in definition.required_for or subcategory in definition.required_for)
    )


def completeness(
    product: Product, *, definitions: Sequence[SpecDefinition], has_standard: bool
) -> Completeness:
    """What the listing of a product says of what is asked."""
    stated = {spec.code for spec in product.specs}
    asked = {
        definition.code: (definition.name_ko, definition.name_en, definition.code in stated)
        for definition in required_specs(
            definitions, category=product.category, subcategory=product.subcategory
        )
    }
    general = {
        "summary_ko": bool(product.summary_ko),
        "summary_en": bool(product.summary_en),
        # A fictional product is its own source; of a real one somebody must be able to look facts up.
        "source": bool(product.source_url or product.source_title) or product.verification == "fictional",
        "origin": product.origin is not None,
        "standard": has_standard,
    }
    if product.category not in SPEAKING:
        del general["standard"]
    if product.category == "service":
        del general["origin"]  # work has no origin in the sense of the rule
    asked |= {code: (*GENERAL_FACTS[code], is_said) for code, is_said in general.items()}
    missing = tuple(MissingFact(code, ko, en) for code, (ko, en, is_said) in asked.items() if not is_said)
    return Completeness((len(asked) - len(missing)) * WHOLE_BP // len(asked), len(asked), missing)
