"""What a new listing needs on its first day, and what is filled in for its vendor. Pure.

A product is listed with its model, category, Korean name, three key specs, a price or "on quote", lead time,
warranty and a PDF. Everything else may come later, where it comes from included.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from catalog.core.cells import UnreadableCell, Wording, parse_won
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_columns import SPEC_PREFIX
from catalog.core.spec_value import SpecDefinition

FORM_LINE: Final = 1
"""The line that errors of a form carry: it has only one."""

KEY_SPECS_WANTED: Final = 3

_NEEDED: Final[Mapping[str, Wording]] = {
    "category": Wording("a category", "분류"),
    "model": Wording("the model's name", "모델명"),
    "name_ko": Wording("a Korean name", "한국어 이름"),
    "maker": Wording("the maker", "제조사"),
    "lead_time_days": Wording("days from order to delivery", "납기(발주 후 며칠)"),
    "warranty_months": Wording("months of warranty from acceptance", "보증 기간(검수일부터 몇 달)"),
    "datasheet": Wording("a PDF", "제품 자료 PDF"),
}


def check_first_product(
    fields: Mapping[str, str], *, definitions: Sequence[SpecDefinition]
) -> tuple[RowError, ...]:
    """What a new product still lacks; an error's column is the form's field."""
    errors = [
        row_error(FORM_LINE, name, "", wording)
        for name, wording in _NEEDED.items()
        if not fields.get(name, "").strip()
    ]
    asked = [d for d in definitions if fields.get("category") in d.categories]
    filled = [d for d in asked if fields.get(SPEC_PREFIX + d.code, "").strip()]
    wanted = min(KEY_SPECS_WANTED, len(asked))
    if len(filled) < wanted:
        expected = Wording(f"{wanted} key specifications", f"주요 사양 {wanted}가지")
        errors.append(row_error(FORM_LINE, "specs", str(len(filled)), expected))
    errors.extend(_check_price(fields))
    return tuple(errors)


def _check_price(fields: Mapping[str, str]) -> list[RowError]:
    price = fields.get("price_krw", "").strip()
    if fields.get("asks_quote") == "yes":
        if not price:
            return []
        expected = Wording("nothing where the price is on quote", "견적을 고르면 빈칸")
        return [row_error(FORM_LINE, "price_krw", price, expected)]
    if not price:
        expected = Wording("a price, or 'on quote'", "가격 또는 '견적으로 알림'")
        return [row_error(FORM_LINE, "price_krw", "", expected)]
    try:
        parse_won(price)
    except UnreadableCell as problem:
        return [row_error(FORM_LINE, "price_krw", price, problem.expected)]
    return []
