"""From what a caller asks to what an engine runs. Pure: no I/O, clock or chance.

Filters become a small tree of Structs; no engine ever concatenates a caller's text into a filter
language. Every field is checked against the allow-list of the index settings.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from search_config.analysis import clean_text
from search_config.documents import IndexName
from search_config.errors import InvalidFilterValue, UnknownField
from search_config.geography import Near
from search_config.settings import FieldType, IndexSettings, SortOrder

TEXT_LENGTH_MAX = 2_000
"""Characters of a query that are read; the rest is cut off and the page says so."""
FILTER_VALUES_MAX = 200
SPEC_FIELD = re.compile(r"specs\.[A-Za-z0-9_\-]{1,64}")
INTEGER_MAX = 2**63 - 1

Scalar: TypeAlias = str | int | float | bool
RELEVANCE = "relevance"
DISTANCE = "distance"
RADIUS_KM_MAX = 20_040.0
"""Half way around the Earth: every place lies within it."""
HIDDEN_FIELDS = frozenset(("visibility", "tenants"))
"""Filterable for the engine alone: a caller who could filter by them would learn who sees what."""


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """The field has at least one of these values; no values match nothing."""

    field: str
    values: tuple[Scalar, ...]


class Between(msgspec.Struct, frozen=True, tag=True):
    """The field lies between both ends, ends included; None is open. Documents without it do not match."""

    field: str
    lower: float | None = None
    upper: float | None = None


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part holds; no parts match everything."""

    parts: tuple["Filter", ...]


class OneOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part holds; no parts match nothing."""

    parts: tuple["Filter", ...]


Filter: TypeAlias = AnyOf | Between | AllOf | OneOf


class Principal(msgspec.Struct, frozen=True):
    """Who searches, as far as visibility goes: signed in or not, and for which organizations."""

    is_member: bool = False
    tenant_ids: frozenset[int] = frozenset()


ANONYMOUS = Principal()


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks, unchecked: values may be text straight from a URL.

    `filters` maps a field to values (any of them), `ranges` to (lower, upper) with None for open,
    `sort` is `relevance`, a sortable name, or a name with `:ascending` / `:descending`.
    Fields: those of the index settings, and `specs.<code>` for a technical property.
    `is_literal` searches the words as written: the way back from a text that was read as another.
    `distinct` keeps the best hit of every value of a text field. `near` limits to a circle, and orders by
    distance with sort `distance` (indexes with places only).
    """

    index: IndexName = "catalog"
    text: str = ""
    kinds: Sequence[str] = ()
    filters: Mapping[str, Sequence[Scalar]] = {}
    ranges: Mapping[str, tuple[float | None, float | None]] = {}
    sort: str = RELEVANCE
    page: int = 1
    page_size: int = 20
    facets: Sequence[str] = ()
    is_literal: bool = False
    highlights: bool = False
    distinct: str = ""
    near: Near | None = None


class Sort(msgspec.Struct, frozen=True):
    """Order by a document field, or by distance; missing values last."""

    field: str
    order: SortOrder


class ParsedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A checked query. `filters` holds one condition per field, so a facet can leave out its own.

    `is_finished`: a space follows the last word, so it is not completed.
    """

    index: IndexName
    text: str
    filters: dict[str, Filter]
    sort: Sort | None
    page: int
    page_size: int
    facets: tuple[str, ...]
    is_finished: bool = False
    is_literal: bool = False
    highlights: bool = False
    distinct: str = ""
    near: Near | None = None
    notices: tuple[Literal["text_cut", "page_limited"], ...] = ()

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size

    def filter_without(self, field: str | None = None) -> AllOf:
        """All conditions but the one on `field`."""
        return AllOf(tuple(part for name, part in self.filters.items() if name != field))


def visibility_filter(principal: Principal) -> Filter:
    """What this principal may see. Engines AND it to every read, counts and facets included."""
    parts: list[Filter] = [AnyOf("visibility", ("public",))]
    if principal.is_member:
        parts.append(AnyOf("visibility", ("members",)))
    if principal.tenant_ids:
        tenants = AnyOf("tenants", tuple(sorted(principal.tenant_ids)))
        parts.append(AllOf((AnyOf("visibility", ("tenant",)), tenants)))
    return OneOf(tuple(parts))


def parse_query(query: SearchQuery, settings: IndexSettings) -> ParsedQuery:
    """Check a query against the settings of its index.

    Raises UnknownField for a field outside the allow-list, InvalidFilterValue for a value of the wrong
    type. Page and page size are brought into range rather than refused.
    """
    notices: list[Literal["text_cut", "page_limited"]] = []
    if len(query.text) > TEXT_LENGTH_MAX:
        notices.append("text_cut")
    text = clean_text(query.text[:TEXT_LENGTH_MAX])[:TEXT_LENGTH_MAX]
    page_size = min(max(query.page_size, 1), settings.page_size_max, settings.hits_max)
    page_last = max(settings.hits_max // page_size, 1)
    if query.page > page_last:
        notices.append("page_limited")
    return ParsedQuery(
        index=query.index,
        text=text,
        filters=_parse_filters(query, settings),
        sort=_parse_sort(query, settings),
        page=min(max(query.page, 1), page_last),
        page_size=page_size,
        facets=_parse_facets(query.facets, settings),
        is_finished=query.text[:TEXT_LENGTH_MAX][-1:].isspace(),
        is_literal=query.is_literal,
        highlights=query.highlights,
        distinct=_parse_distinct(query.distinct, settings),
        near=_parse_near(query.near, settings),
        notices=tuple(notices),
    )


def _parse_filters(query: SearchQuery, settings: IndexSettings) -> dict[str, Filter]:
    wanted = {field: values for field, values in query.filters.items() if values}
    if query.kinds:
        kinds = [kind for kind in query.kinds if kind in wanted.get("kind", query.kinds)]
        wanted["kind"] = kinds
    filters: dict[str, Filter] = {}
    for field, values in wanted.items():
        kind = _field_type(field, settings)
        if len(values) > FILTER_VALUES_MAX:
            raise InvalidFilterValue(
                field, value=f"{len(values)} values", expected=f"at most {FILTER_VALUES_MAX}"
            )
        filters[field] = AnyOf(field, tuple(_parse_value(field, value, kind=kind) for value in values))
    for field, (lower, upper) in query.ranges.items():
        if lower is None and upper is None:
            continue
        between = _parse_range(field, lower, upper, settings=settings)
        filters[field] = AllOf((filters[field], between)) if field in filters else between
    return filters


def _allowed_fields(settings: IndexSettings) -> tuple[str, ...]:
    names = (
        f"{entry.field}.<code>" if entry.type == "specs" else entry.field for entry in settings.filterable
    )
    return tuple(name for name in names if name not in HIDDEN_FIELDS)


def _field_type(field: str, settings: IndexSettings) -> FieldType:
    entry = settings.find_filterable(field)
    is_bad_spec = entry is not None and entry.type == "specs" and not SPEC_FIELD.fullmatch(field)
    if entry is None or is_bad_spec or field in HIDDEN_FIELDS:
        raise UnknownField(field, use="filter", allowed=_allowed_fields(settings))
    return entry.type


def _parse_value(field: str, value: Scalar, *, kind: FieldType) -> Scalar:
    text = str(value).strip()
    if kind == "boolean":
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        raise InvalidFilterValue(field, value=text, expected="true or false")
    if kind == "integer":
        if (
            isinstance(value, bool)
            or not re.fullmatch(r"-?[0-9]{1,19}", text)
            or abs(int(text)) > INTEGER_MAX
        ):
            raise InvalidFilterValue(field, value=text, expected="a whole number")
        return int(text)
    if kind == "specs" and not isinstance(value, str):
        return value
    return clean_text(text)


def _parse_range(field: str, lower: float | None, upper: float | None, *, settings: IndexSettings) -> Between:
    kind = _field_type(field, settings)
    if kind not in {"integer", "specs"}:
        raise InvalidFilterValue(field, value=f"{lower}..{upper}", expected=f"a {kind} value, not a range")
    for end in (lower, upper):
        if end is not None and (not math.isfinite(end) or abs(end) > INTEGER_MAX):
            raise InvalidFilterValue(field, value=str(end), expected="a finite number")
    if lower is not None and upper is not None and lower > upper:
        raise InvalidFilterValue(field, value=f"{lower}..{upper}", expected="the lower end first")
    return Between(field, lower, upper)


def _parse_sort(query: SearchQuery, settings: IndexSettings) -> Sort | None:
    text = query.sort
    name, _, order = text.partition(":")
    if name in {"", RELEVANCE}:
        return None
    if name == DISTANCE and query.near is not None and order in {"", "ascending"}:
        return Sort(DISTANCE, "ascending")
    allowed = (RELEVANCE, *(entry.name for entry in settings.sortable))
    allowed += (DISTANCE,) if query.near is not None else ()
    entry = next((entry for entry in settings.sortable if entry.name == name), None)
    if entry is None:
        raise UnknownField(name, use="sort", allowed=allowed)
    match order:
        case "":
            return Sort(entry.field, entry.order)
        case "ascending" | "descending":
            return Sort(entry.field, order)
        case _:
            raise InvalidFilterValue("sort", value=text, expected="name, name:ascending or name:descending")


def _parse_distinct(field: str, settings: IndexSettings) -> str:
    allowed = tuple(
        entry.field
        for entry in settings.filterable
        if entry.facet and entry.type == "text" and entry.field not in HIDDEN_FIELDS
    )
    if field and field not in allowed:
        raise UnknownField(field, use="distinct", allowed=allowed)
    return field


def _parse_near(near: Near | None, settings: IndexSettings) -> Near | None:
    if near is None:
        return None
    if not settings.has_places:
        raise UnknownField("near", use="filter", allowed=_allowed_fields(settings))
    radius_km = RADIUS_KM_MAX if near.radius_km is None else near.radius_km
    limits = (("lat", near.lat, -90.0, 90.0), ("lon", near.lon, -180.0, 180.0))
    for name, value, lower, upper in (*limits, ("radius_km", radius_km, 0.0, RADIUS_KM_MAX)):
        if not (math.isfinite(value) and lower <= value <= upper):
            raise InvalidFilterValue(name, value=str(value), expected=f"{lower:g}..{upper:g}")
    return near


def _parse_facets(facets: Sequence[str], settings: IndexSettings) -> tuple[str, ...]:
    allowed = tuple(field for field in settings.facet_fields if field not in HIDDEN_FIELDS)
    for field in facets:
        if field not in allowed:
            raise UnknownField(field, use="facet", allowed=allowed)
    return tuple(dict.fromkeys(facets))
