"""Typed technical properties: from "0.5 s" to a number in the definition's base unit, exactly.

`500 ms` and `0.5 s` are equal afterwards, because conversion runs on fractions and is rounded once, at the
very end, to the double that PostgreSQL keeps.
"""

import re
import unicodedata
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from catalog.core.cells import UnreadableCell, parse_yes_no
from catalog.core.units import UNITS

SpecKind = Literal["number", "range", "enum", "boolean", "text"]
SPEC_KINDS: tuple[SpecKind, ...] = ("number", "range", "enum", "boolean", "text")

MAGNITUDE_MAX = 10**18
"""Far above any property of a machine, far below where doubles overflow."""

_PLAIN_LENGTH_MAX = 15
"""Numbers of so few characters are below MAGNITUDE_MAX without a look."""

_NUMBER = r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,20})(?:\.[0-9]{1,20})?"
_UNIT = r"(?: ?(?P<unit>[^\s0-9+.,\-].*))?"
_ONE = re.compile(rf"(?P<sign>±|\+/-)? ?(?P<number>{_NUMBER}){_UNIT}")
_RANGE = re.compile(rf"(?P<lower>{_NUMBER}) ?(?:\.\.|~|–|—|-|to) ?(?P<upper>{_NUMBER}){_UNIT}")


class SpecDefinition(Struct, frozen=True, kw_only=True):
    """What one property means: its kind, base unit, and for which categories of product it is asked.

    `required_for` names categories or subcategories whose listings are incomplete without it.
    """

    code: str
    categories: tuple[str, ...]
    kind: SpecKind
    unit: str | None = None
    name_ko: str = ""
    name_en: str = ""
    better: Literal["higher", "lower"] | None = None
    comparable: bool = True
    filterable: bool = False
    choices: tuple[str, ...] = ()
    position: int = 0
    required_for: tuple[str, ...] = ()


class SpecValue(Struct, frozen=True, kw_only=True, gc=False):
    """One value: a number (or a range with `number_max`) in the base unit, a word, or yes/no.

    `shown` keeps the lister's own writing and `unit` the unit that it was written in.
    """

    shown: str
    number: float | None = None
    number_max: float | None = None
    text: str | None = None
    boolean: bool | None = None
    unit: str | None = None


def parse_spec_value(text: str, definition: SpecDefinition) -> SpecValue:
    """Read a cell such as "10 kg", "±0.05 mm", "0..45 °C", "IP67" or "예" as `definition` asks.

    Raises `UnreadableCell` that names the kind and unit. A number without its unit is refused where the
    definition has one: 0.05 could be millimeters or meters.
    """
    if definition.kind == "boolean":
        return SpecValue(shown=text, boolean=parse_yes_no(text))
    if definition.kind == "text":
        return SpecValue(shown=text, text=text)
    if definition.kind == "enum":
        return _parse_enum(text, definition)
    plain = _plain(text)
    if definition.kind == "range" and (match := _RANGE.fullmatch(plain)):
        lower, upper, unit = match["lower"], match["upper"], match["unit"]
    elif match := _ONE.fullmatch(plain):
        # ±0.05 is a magnitude where one number is asked, and a range around zero where a range is.
        is_around_zero = match["sign"] is not None and definition.kind == "range"
        lower = f"-{match['number']}" if is_around_zero else match["number"]
        upper, unit = match["number"], match["unit"]
    else:
        raise _unreadable(definition)
    number, number_max = _in_base(lower, unit, definition), _in_base(upper, unit, definition)
    if number > number_max:
        raise _unreadable(definition)
    return SpecValue(
        shown=text,
        number=number,
        number_max=number_max if definition.kind == "range" else None,
        unit=unit,
    )


def format_spec_value(value: SpecValue, definition: SpecDefinition) -> str:
    """Write a value in the base unit, so that the same property reads the same on every product."""
    if value.boolean is not None:
        return "yes" if value.boolean else "no"
    if value.number is None:
        return value.text or ""
    unit = f" {definition.unit}" if definition.unit else ""
    if value.number_max is not None:
        return f"{_shortest(value.number)}..{_shortest(value.number_max)}{unit}"
    return f"{_shortest(value.number)}{unit}"


def _parse_enum(text: str, definition: SpecDefinition) -> SpecValue:
    for choice in definition.choices:
        if choice.casefold() == text.casefold():
            return SpecValue(shown=text, text=choice)
    listed = ", ".join(definition.choices)
    raise UnreadableCell(f"one of {listed}", f"다음 중 하나: {listed}")


def _in_base(number: str, unit: str | None, definition: SpecDefinition) -> float:
    if unit == definition.unit and len(number) <= _PLAIN_LENGTH_MAX and "," not in number:
        return float(number)  # the same double as by way of a fraction: both round correctly, once
    value = Fraction(number.replace(",", ""))
    if abs(value) > MAGNITUDE_MAX:
        raise _unreadable(definition)
    base = definition.unit and _plain(definition.unit)
    if unit == base:
        return float(value)
    if unit is None or base is None:
        raise _unreadable(definition)
    found, wanted = UNITS.get(unit), UNITS.get(base)
    if found is None or wanted is None or found.dimension != wanted.dimension:
        raise _unreadable(definition)
    converted = (value * found.factor + found.offset - wanted.offset) / wanted.factor
    if abs(converted) > MAGNITUDE_MAX:
        raise _unreadable(definition)
    return float(converted)


def _unreadable(definition: SpecDefinition) -> UnreadableCell:
    unit = f" {definition.unit}" if definition.unit else ""
    if definition.kind == "range":
        return UnreadableCell(
            f"a range that rises, such as 0..45{unit}", f"작은 값부터 쓴 범위(예: 0..45{unit})"
        )
    if unit:
        return UnreadableCell(
            f"a number with a unit that converts to {definition.unit}, such as 10{unit}",
            f"{definition.unit}(으)로 바꿀 수 있는 단위가 붙은 수(예: 10{unit})",
        )
    return UnreadableCell("a plain number without a unit, such as 6", "단위 없는 수(예: 6)")


def _plain(text: str) -> str:
    """Compatibility characters as their plain ones (℃ → °C, ㎜ → mm), one kind of minus and space."""
    if text.isascii():
        return " ".join(text.split())
    # NFKC turns º and superscripts into letters and digits, so units keep ² and ³ as they stand.
    kept = text.replace("²", "\ue002").replace("³", "\ue003")
    kept = unicodedata.normalize("NFKC", kept).replace("\ue002", "²").replace("\ue003", "³")
    return " ".join(kept.replace("−", "-").replace("〜", "~").split())


def _shortest(number: float) -> str:
    """The shortest decimal writing that reads back as the same double, never in scientific notation."""
    if number == int(number):
        return str(int(number))
    written = repr(number)
    if "e" not in written:
        return written
    digits, _, exponent = written.partition("e")
    return f"{number:.{max(len(digits.partition('.')[2]) - int(exponent), 0)}f}"
