"""Filter trees to tantivy queries, and the shape of filter values inside the index."""

import re
import struct
from collections.abc import Sequence

from tantivy import FieldType, Occur, Query, Schema

from search_config.analysis import clean_value
from search_config.documents import SpecValue
from search_config.query import AllOf, AnyOf, Between, Filter, OneOf, Scalar
from search_config.units import read_measure, spec_measure, to_base

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


def filter_name(field: str) -> str:
    """Name of the index field behind a filterable document field."""
    return f"filter_{field}"


def compile_filter(schema: Schema, condition: Filter) -> Query:
    """The tantivy query of a filter tree."""
    match condition:
        case AnyOf(field, values):
            if field.startswith("specs."):
                return _any_spec(schema, field.removeprefix("specs."), values)
            return _one_of([Query.term_query(schema, filter_name(field), value) for value in values])
        case Between(field, lower, upper):
            if field.startswith("specs."):
                return _spec_between(schema, field.removeprefix("specs."), lower, upper)
            return _between(schema, filter_name(field), lower, upper)
        case AllOf(parts):
            return all_of([compile_filter(schema, part) for part in parts])
        case OneOf(parts):
            return _one_of([compile_filter(schema, part) for part in parts])


def all_of(queries: list[Query]) -> Query:
    """Every query holds; no queries match everything."""
    if not queries:
        return Query.all_query()
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def _one_of(queries: list[Query]) -> Query:
    if not queries:
        return Query.empty_query()
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _between(schema: Schema, name: str, lower: float | None, upper: float | None) -> Query:
    low = INTEGER_MIN if lower is None else -int(-lower // 1)
    high = INTEGER_MAX if upper is None else int(upper // 1)
    if low > high:
        return Query.empty_query()
    return Query.range_query(schema, name, FieldType.Integer, low, min(high, INTEGER_MAX))


def first_measure_terms(specs: Sequence[SpecValue]) -> list[str]:
    """Terms of the first property of every base unit: what `10kg 이상` means of a robot is its payload."""
    terms: dict[str, list[str]] = {}
    for spec in specs:
        _, unit = spec_measure(spec.code, spec.unit)
        upper = spec.number if spec.number_max is None else spec.number_max
        if spec.number is None or upper is None or not (based := to_base(spec.number, upper, unit or "")):
            continue
        base, low, high = based
        terms.setdefault(base, [f"@{base}<{_sortable(low)}", f"@{base}>{_sortable(high)}"])
    return [term for pair in terms.values() for term in pair]


def measure_between(schema: Schema, base: str, lower: float | None, upper: float | None) -> Query:
    """The first property in this base unit overlaps lower..upper."""
    return _spec_between(schema, f"@{base}", lower, upper)


def spec_terms(spec: SpecValue) -> list[str]:
    """Index terms of one technical property.

    `code=text` for words and yes/no; `code<…` with the lower end and `code>…` with the upper end of a
    number, as hex that sorts like the number, so that two ranges of terms say whether intervals overlap;
    the same once more in the base unit (`code@w<…`), so that `0.75 kW` asks for what is 750 W.
    """
    terms: list[str] = []
    if spec.text is not None:
        terms.append(f"{spec.code}={clean_value(spec.text)}")
    if spec.boolean is not None:
        terms.append(f"{spec.code}={str(spec.boolean).lower()}")
    if spec.number is not None:
        upper = spec.number if spec.number_max is None else spec.number_max
        terms.append(f"{spec.code}<{_sortable(spec.number)}")
        terms.append(f"{spec.code}>{_sortable(upper)}")
        if based := to_base(spec.number, upper, spec.unit or ""):
            base, low, high = based
            terms.append(f"{spec.code}@{base}<{_sortable(low)}")
            terms.append(f"{spec.code}@{base}>{_sortable(high)}")
    return terms


def _sortable(number: float) -> str:
    """Sixteen hex digits in the order of the numbers (IEEE 754 total order, sign flipped)."""
    bits = int.from_bytes(struct.pack(">d", float(number) + 0.0), "big")
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return f"{bits:016x}"


def _any_spec(schema: Schema, code: str, values: tuple[Scalar, ...]) -> Query:
    queries: list[Query] = []
    for value in values:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        queries.append(Query.term_query(schema, filter_name("specs"), f"{code}={clean_value(text)}"))
        if not isinstance(value, bool) and (number := _as_number(text)) is not None:
            queries.append(_spec_between(schema, code, number, number))
        elif measure := read_measure(text):
            base, low, high = measure
            queries.append(_spec_between(schema, f"{code}@{base}", low, high))
    return _one_of(queries)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _spec_between(schema: Schema, code: str, lower: float | None, upper: float | None) -> Query:
    """The interval of the property overlaps lower..upper. tantivy has no ranges over text: regex it is."""
    name = filter_name("specs")
    begins, ends = re.escape(f"{code}<"), re.escape(f"{code}>")
    parts = [
        Query.regex_query(schema, name, begins + (".*" if upper is None else _at_most(_sortable(upper))))
    ]
    if lower is not None:
        parts.append(Query.regex_query(schema, name, ends + _at_least(_sortable(lower))))
    return all_of(parts)


HEX = "0123456789abcdef"


def _at_least(bound: str) -> str:
    """A regex of the hex words that do not sort before `bound`."""
    return _beside(bound, [HEX[HEX.index(digit) + 1 :] for digit in bound])


def _at_most(bound: str) -> str:
    """A regex of the hex words that do not sort after `bound`."""
    return _beside(bound, [HEX[: HEX.index(digit)] for digit in bound])


def _beside(bound: str, digits: list[str]) -> str:
    ways = [f"{bound[:place]}[{allowed}].*" for place, allowed in enumerate(digits) if allowed]
    return f"({'|'.join([bound, *ways])})"
