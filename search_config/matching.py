"""Filters over documents in plain Python: the meaning that every engine must give them. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from search_config.analysis import clean_value
from search_config.documents import SearchDocument, SpecValue
from search_config.engine import Bounds, FacetCount
from search_config.query import AllOf, AnyOf, Between, Filter, OneOf, Scalar
from search_config.settings import IndexSettings
from search_config.units import read_measure, to_base


def matches(document: SearchDocument, condition: Filter) -> bool:
    """Whether a document meets a filter tree."""
    match condition:
        case AnyOf(field, values):
            if field.startswith("specs."):
                return any(_has_spec(spec, value) for spec in _specs(document, field) for value in values)
            return not {as_text(value) for value in values}.isdisjoint(field_values(document, field))
        case Between(field, lower, upper):
            if field.startswith("specs."):
                return any(_overlaps(spec, lower, upper) for spec in _specs(document, field))
            return any(_is_between(value, lower, upper) for value in _raw_values(document, field))
        case AllOf(parts):
            return all(matches(document, part) for part in parts)
        case OneOf(parts):
            return any(matches(document, part) for part in parts)


def as_text(value: Scalar) -> str:
    """A value as facets show it: `3`, `true`, `robot`."""
    return str(value).lower() if isinstance(value, bool) else clean_value(str(value))


def field_values(document: SearchDocument, field: str) -> set[str]:
    """The values of a field as facets show them; empty text is no value."""
    return {as_text(value) for value in _raw_values(document, field)}


def count_facet(documents: Iterable[SearchDocument], field: str, *, limit: int) -> tuple[FacetCount, ...]:
    """Values of a field with the number of documents that carry them, the most frequent first."""
    counts = Counter(value for document in documents for value in field_values(document, field))
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(FacetCount(value=value, count=count) for value, count in ordered[:limit])


def bounds_of(documents: Iterable[SearchDocument], field: str, *, settings: IndexSettings) -> Bounds | None:
    """Smallest and largest value of an integer field, None for other fields or without a value."""
    entry = settings.find_filterable(field)
    if entry is None or entry.type != "integer":
        return None
    values = [
        value
        for document in documents
        for value in _raw_values(document, field)
        if not isinstance(value, str)
    ]
    return Bounds(lower=min(values), upper=max(values)) if values else None


def _raw_values(document: SearchDocument, field: str) -> Sequence[Scalar]:
    value = getattr(document, field)
    if value is None or value == "":
        return ()
    return value if isinstance(value, list) else (value,)


def _is_between(value: Scalar, lower: float | None, upper: float | None) -> bool:
    if isinstance(value, str):
        return False
    return (lower is None or value >= lower) and (upper is None or value <= upper)


def _specs(document: SearchDocument, field: str) -> list[SpecValue]:
    code = field.removeprefix("specs.")
    return [spec for spec in getattr(document, "specs", ()) if spec.code == code]


def _overlaps(spec: SpecValue, lower: float | None, upper: float | None) -> bool:
    if spec.number is None:
        return False
    end = spec.number if spec.number_max is None else spec.number_max
    return (lower is None or end >= lower) and (upper is None or spec.number <= upper)


def _has_spec(spec: SpecValue, value: Scalar) -> bool:
    text = as_text(value)
    if spec.text is not None and clean_value(spec.text) == text:
        return True
    if spec.boolean is not None and str(spec.boolean).lower() == text:
        return True
    if isinstance(value, bool):
        return False
    try:
        number = float(text)
    except ValueError:
        return _has_measure(spec, text)
    return _overlaps(spec, number, number)


def _has_measure(spec: SpecValue, text: str) -> bool:
    """`0.75 kW` asks for what is 750 W."""
    measure = read_measure(text)
    end = spec.number if spec.number_max is None else spec.number_max
    if measure is None or spec.number is None or end is None:
        return False
    based = to_base(spec.number, end, spec.unit or "")
    base, low, high = measure
    return based is not None and based[0] == base and based[2] >= low and based[1] <= high
