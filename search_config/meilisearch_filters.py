"""Filter trees to Meilisearch's filter language. Pure: text in, text out.

The language has no bound parameters, so every value a caller can influence passes through `quote`. Equality
in Meilisearch compares the NFKD lower-case form of a value; the embedded engine compares exactly.
"""

from collections.abc import Iterable

from search_config.analysis import clean_value
from search_config.geography import Near
from search_config.query import RADIUS_KM_MAX, AllOf, AnyOf, Between, Filter, OneOf, Scalar
from search_config.units import read_measure

NOTHING = "visibility IN []"
"""A condition that no document meets; every index can be filtered by its visibility."""
SPEC_LOWER, SPEC_UPPER, SPEC_TEXT = "spec_lower", "spec_upper", "spec_text"
BASE_LOWER, BASE_UPPER, FIRST_LOWER, FIRST_UPPER = "base_lower", "base_upper", "first_lower", "first_upper"
"""Lanes of technical properties: the ends of their intervals, and their words; the ends in base units by unit and
property; and those of the first property of each base unit, which is what `10kg 이상` means of a robot."""


def quote(value: str) -> str:
    """A value as one literal: backslash and double quote are escaped, everything else is data."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def all_of(conditions: Iterable[str]) -> str:
    """Every condition holds; `""` (everything) is left out."""
    parts = [condition for condition in conditions if condition]
    return parts[0] if len(parts) == 1 else " AND ".join(f"({part})" for part in parts)


def one_of(conditions: Iterable[str]) -> str:
    """At least one condition holds; none given, nothing matches."""
    parts = [condition for condition in dict.fromkeys(conditions) if condition != NOTHING]
    if not parts:
        return NOTHING
    return parts[0] if len(parts) == 1 else " OR ".join(f"({part})" for part in parts)


def any_value(field: str, values: Iterable[str]) -> str:
    """The field has at least one of these values."""
    quoted = [quote(value) for value in dict.fromkeys(values)]
    return f"{field} IN [{', '.join(quoted)}]" if quoted else NOTHING


def begins(field: str, prefix: str) -> str:
    """The field has a value that begins so."""
    return f"{field} STARTS WITH {quote(prefix)}"


def compile_filter(condition: Filter) -> str:
    """The text of a filter tree; `""` when it holds for every document."""
    match condition:
        case AnyOf(field, values):
            if field.startswith("specs."):
                return _any_spec(field.removeprefix("specs."), values)
            return any_value(field, (_text(value) for value in values))
        case Between(field, lower, upper):
            if field.startswith("specs."):
                return _spec_between(field.removeprefix("specs."), lower, upper)
            return _between(field, field, lower=lower, upper=upper)
        case AllOf(parts):
            return all_of(compile_filter(part) for part in parts)
        case OneOf(parts):
            return one_of(compile_filter(part) for part in parts)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _between(begin: str, end: str, *, lower: float | None, upper: float | None) -> str:
    """The interval from `begin` to `end`, one field or two, overlaps lower..upper."""
    ends = [
        "" if lower is None else f"{end} >= {_number(lower)}",
        "" if upper is None else f"{begin} <= {_number(upper)}",
    ]
    return all_of(ends) or f"{begin} EXISTS"


def _number(value: float) -> str:
    """Quoted, because a bare `-1` or `1e+22` would not be read as one word."""
    return quote(repr(value))


def _spec_between(code: str, lower: float | None, upper: float | None) -> str:
    return _between(f"{SPEC_LOWER}.{code}", f"{SPEC_UPPER}.{code}", lower=lower, upper=upper)


def _any_spec(code: str, values: tuple[Scalar, ...]) -> str:
    texts = [clean_value(_text(value)) for value in values]
    ways = [any_value(f"{SPEC_TEXT}.{code}", texts)]
    for value, text in zip(values, texts, strict=True):
        if not isinstance(value, bool) and (number := _as_number(text)) is not None:
            ways.append(_spec_between(code, number, number))
        elif measure := read_measure(text):
            base, low, high = measure
            name = f"{plain_unit(base)}.{code}"
            ways.append(_between(f"{BASE_LOWER}.{name}", f"{BASE_UPPER}.{name}", lower=low, upper=high))
    return one_of(ways)


def measure_between(base: str, lower: float | None, upper: float | None) -> str:
    """The first property in this base unit overlaps lower..upper."""
    name = plain_unit(base)
    return _between(f"{FIRST_LOWER}.{name}", f"{FIRST_UPPER}.{name}", lower=lower, upper=upper)


def within(near: Near) -> str:
    """The document lies in the circle of `near`; without a radius, anywhere."""
    radius_km = RADIUS_KM_MAX if near.radius_km is None else near.radius_km
    return f"_geoRadius({near.lat:.7f}, {near.lon:.7f}, {radius_km * 1000:.0f})"


def plain_unit(base: str) -> str:
    """A unit as part of an attribute's name: letters and digits, `u` + hex for the rest (`℃`, `m/s`)."""
    return "".join(c if c.isascii() and c.isalnum() else f"u{ord(c):x}" for c in base)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
