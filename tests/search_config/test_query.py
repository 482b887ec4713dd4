import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.errors import InvalidFilterValue, UnknownField
from search_config.query import (
    ANONYMOUS,
    TEXT_LENGTH_MAX,
    AllOf,
    AnyOf,
    Between,
    Filter,
    OneOf,
    ParsedQuery,
    Principal,
    SearchQuery,
    Sort,
    parse_query,
    visibility_filter,
)
from search_config.settings import load_settings

CATALOG = load_settings("catalog")


def parse(**fields: object) -> ParsedQuery:
    return parse_query(SearchQuery(**fields), CATALOG)  # type: ignore[arg-type]  # wrong types are the point


def allows(condition: Filter, document: dict[str, object]) -> bool:
    """What a filter means, told without an engine."""
    match condition:
        case AnyOf(field, values):
            held = document.get(field)
            return any(value in values for value in (held if isinstance(held, list) else [held]))
        case AllOf(parts):
            return all(allows(part, document) for part in parts)
        case OneOf(parts):
            return any(allows(part, document) for part in parts)
        case Between():
            raise AssertionError("visibility has no ranges")


def test_values_from_a_url_become_typed_conditions() -> None:
    query = parse(
        filters={"category": ["robot", "sensor"], "has_open_round": ["true"], "level_to": ["3"]},
        ranges={"price_krw": (1, None), "specs.payload": (0.5, 10)},
    )
    assert query.filters == {
        "category": AnyOf("category", ("robot", "sensor")),
        "has_open_round": AnyOf("has_open_round", (True,)),
        "level_to": AnyOf("level_to", (3,)),
        "price_krw": Between("price_krw", 1, None),
        "specs.payload": Between("specs.payload", 0.5, 10),
    }


def test_values_and_a_range_of_one_field_both_hold() -> None:
    query = parse(filters={"price_krw": [5]}, ranges={"price_krw": (1, 9)})
    assert query.filters["price_krw"] == AllOf((AnyOf("price_krw", (5,)), Between("price_krw", 1, 9)))


def test_kinds_and_a_kind_filter_meet() -> None:
    assert parse(kinds=["product"]).filters["kind"] == AnyOf("kind", ("product",))
    both = parse(kinds=["product"], filters={"kind": ["package_model"]})
    assert both.filters["kind"] == AnyOf("kind", ())


def test_leaving_out_a_field_drops_its_condition_alone() -> None:
    query = parse(filters={"category": ["robot"], "kind": ["product"]})
    assert query.filter_without("category") == AllOf((AnyOf("kind", ("product",)),))
    assert len(query.filter_without().parts) == 2


def test_empty_choices_are_no_condition() -> None:
    assert parse(filters={"category": []}, ranges={"price_krw": (None, None)}).filters == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": {"colour": ["red"]}},
        {"filters": {"visibility": ["public"]}},
        {"ranges": {"tenants": (1, 2)}},
        {"filters": {"specs": ["x"]}},
        {"filters": {"specs.": ["x"]}},
        {"filters": {"specs.a b": ["x"]}},
        {"filters": {"category.x": ["x"]}},
        {"facets": ["price"]},
        {"facets": ["tenants"]},
        {"sort": "colour"},
    ],
)
def test_a_field_outside_the_allow_list_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UnknownField) as refused:
        parse(**fields)
    assert refused.value.field in str(refused.value)
    assert refused.value.allowed
    assert not {"visibility", "tenants"} & set(refused.value.allowed)


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": {"price_krw": ["cheap"]}},
        {"filters": {"price_krw": ["1.5"]}},
        {"filters": {"price_krw": ["9" * 19]}},
        {"filters": {"price_krw": [True]}},
        {"filters": {"has_open_round": ["maybe"]}},
        {"filters": {"category": ["x"] * 201}},
        {"ranges": {"category": (1, 2)}},
        {"ranges": {"price_krw": (2, 1)}},
        {"ranges": {"price_krw": (float("nan"), None)}},
        {"ranges": {"specs.payload": (None, float("inf"))}},
        {"sort": "price:sideways"},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidFilterValue):
        parse(**fields)


@pytest.mark.parametrize(
    ("sort", "parsed"),
    [
        ("relevance", None),
        ("", None),
        ("price", Sort("price_krw", "ascending")),
        ("price:descending", Sort("price_krw", "descending")),
        ("domestic_share", Sort("domestic_verified_bp", "descending")),
    ],
)
def test_a_sort_has_its_natural_order(sort: str, parsed: Sort | None) -> None:
    assert parse(sort=sort).sort == parsed


@pytest.mark.parametrize(
    ("page", "page_size", "parsed"),
    [(1, 20, (1, 20)), (0, 0, (1, 1)), (-5, 500, (1, 100)), (10**30, 100, (10, 100)), (51, 20, (50, 20))],
)
def test_pages_are_brought_into_range(page: int, page_size: int, parsed: tuple[int, int]) -> None:
    query = parse(page=page, page_size=page_size)
    assert (query.page, query.page_size) == parsed
    assert query.offset + query.page_size <= CATALOG.hits_max


def test_a_long_text_is_cut_with_a_notice() -> None:
    query = parse(text="가" * (TEXT_LENGTH_MAX + 1))
    assert len(query.text) == TEXT_LENGTH_MAX
    assert query.notices == ("text_cut",)
    assert parse(text="가" * TEXT_LENGTH_MAX).notices == ()


def test_a_trailing_space_says_the_last_word_is_finished() -> None:
    assert parse(text="로봇 ").is_finished
    assert not parse(text="로봇").is_finished


@given(st.text(max_size=2_500))
@settings(deadline=None, max_examples=200)
def test_any_text_becomes_clean_text(text: str) -> None:
    cleaned = parse(text=text).text
    assert len(cleaned) <= TEXT_LENGTH_MAX
    cleaned.encode()
    assert cleaned == cleaned.strip()
    assert all(character.isprintable() or character == " " for character in cleaned if ord(character) < 128)


@given(
    st.builds(Principal, is_member=st.booleans(), tenant_ids=st.frozensets(st.integers(1, 4), max_size=3)),
    st.sampled_from(["public", "members", "tenant", "draft", ""]),
    st.lists(st.integers(1, 4), max_size=3),
)
@settings(deadline=None)
def test_visibility_is_exactly_the_rule(principal: Principal, visibility: str, tenants: list[int]) -> None:
    seen = allows(visibility_filter(principal), {"visibility": visibility, "tenants": tenants})
    assert seen == (
        visibility == "public"
        or (visibility == "members" and principal.is_member)
        or (visibility == "tenant" and bool(principal.tenant_ids & set(tenants)))
    )


def test_a_visitor_sees_the_public_part_alone() -> None:
    assert visibility_filter(ANONYMOUS) == OneOf((AnyOf("visibility", ("public",)),))


def test_a_query_travels_as_json() -> None:
    query = SearchQuery(text="로봇", filters={"category": ["robot"]}, ranges={"price_krw": (1, None)})
    assert msgspec.json.decode(msgspec.json.encode(query), type=SearchQuery).filters == {
        "category": ["robot"]
    }
