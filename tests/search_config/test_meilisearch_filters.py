"""The filter language of Meilisearch: whatever a caller types, one condition stays one condition."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search_config.analysis import clean_text
from search_config.meilisearch_filters import (
    NOTHING,
    all_of,
    any_value,
    begins,
    compile_filter,
    one_of,
    quote,
)
from search_config.query import AllOf, AnyOf, Between, OneOf, SearchQuery, parse_query
from search_config.settings import load_settings

NASTY = [
    "\\",
    '"',
    "'",
    "\\\\",
    '\\"',
    '" OR "',
    "] OR kind IN [",
    "\n",
    "(",
    ")",
    "한글",
    "\u2028",
    "_geoRadius(1,2,3)",
]
hostile_text = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=6).map("".join)


def read_literal(text: str, position: int) -> tuple[str, int]:
    """Read a double-quoted literal as the server's parser does: a backslash takes the next character along."""
    assert text[position] == '"'
    position += 1
    value: list[str] = []
    while text[position] != '"':
        if text[position] == "\\":
            position += 1
            assert text[position] in {"\\", '"'}, "only backslash and quote are ever escaped"
        value.append(text[position])
        position += 1
    return "".join(value), position + 1


def read_in(text: str) -> tuple[str, list[str]]:
    """Read `field IN ["a", "b"]` and nothing else: anything before, between or after is a failure."""
    field, rest = text.split(" IN ", 1)
    assert rest[0] == "["
    position = 1
    values: list[str] = []
    while rest[position] != "]":
        value, position = read_literal(rest, position)
        values.append(value)
        if rest[position] == ",":
            assert rest[position : position + 2] == ", "
            position += 2
    assert position + 1 == len(rest)
    return field, values


@given(hostile_text)
@settings(max_examples=500, deadline=None)
@example("\\")
@example('\\"')
@example('a\\" OR visibility IN ["tenant"')
def test_no_value_escapes_its_quotes(value: str) -> None:
    assert read_literal(quote(value), 0) == (value, len(quote(value)))


def test_ten_thousand_hostile_values_from_a_url_stay_one_condition_each() -> None:
    """Hypothesis draws too slowly for so many; the alphabet here is what the language is made of."""
    chance = random.Random(20260101)
    index_settings = load_settings("catalog")
    pieces = [*NASTY, "robot", "AND", "NOT", "tenant", " ", "=", "{", "\x00", "\ud800", "\u202e"]
    for _ in range(10_000):
        value = "".join(chance.choices(pieces, k=chance.randint(1, 8)))
        parsed = parse_query(SearchQuery(filters={"category": [value]}), index_settings)
        [condition] = [compile_filter(part) for part in parsed.filters.values()]
        assert read_in(condition) == ("category", [clean_text(value.strip())])


@given(st.lists(hostile_text, min_size=1, max_size=4, unique=True))
@settings(max_examples=300, deadline=None)
def test_a_list_of_values_is_read_back_as_one_condition(values: list[str]) -> None:
    condition = compile_filter(AnyOf("category", tuple(values)))
    assert read_in(condition) == ("category", values)


@given(hostile_text)
@settings(max_examples=300, deadline=None)
def test_a_prefix_is_one_literal_too(value: str) -> None:
    text = begins("match_keys", value)
    head = "match_keys STARTS WITH "
    assert text.startswith(head)
    assert read_literal(text, len(head)) == (value, len(text))


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (AnyOf("kind", ("product",)), 'kind IN ["product"]'),
        (AnyOf("has_open_round", (True,)), 'has_open_round IN ["true"]'),
        (AnyOf("kind", ()), NOTHING),
        (Between("price_krw", 1, None), 'price_krw >= "1"'),
        (Between("price_krw", None, 2.5), 'price_krw <= "2.5"'),
        (Between("price_krw", 1, 2), '(price_krw >= "1") AND (price_krw <= "2")'),
        (Between("price_krw"), "price_krw EXISTS"),
        (Between("specs.payload", -5, 10), '(spec_upper.payload >= "-5") AND (spec_lower.payload <= "10")'),
        (AnyOf("specs.body", ("steel",)), 'spec_text.body IN ["steel"]'),
        (
            AnyOf("specs.ip", ("67",)),
            '(spec_text.ip IN ["67"]) OR ((spec_upper.ip >= "67.0") AND (spec_lower.ip <= "67.0"))',
        ),
        (AllOf(()), ""),
        (OneOf(()), NOTHING),
        (AllOf((AnyOf("a", ("1",)), OneOf((AnyOf("b", ("2",)), AnyOf("c", ("3",)))))),
         '(a IN ["1"]) AND ((b IN ["2"]) OR (c IN ["3"]))'),
    ],
)  # fmt: skip
def test_trees_become_text_with_every_part_in_parentheses(condition, text: str) -> None:
    assert compile_filter(condition) == text


def test_conditions_that_match_all_or_nothing_fold_away() -> None:
    assert all_of(["", 'a IN ["1"]', ""]) == 'a IN ["1"]'
    assert all_of([]) == ""
    assert one_of([NOTHING, 'a IN ["1"]', 'a IN ["1"]']) == 'a IN ["1"]'
    assert one_of([NOTHING]) == one_of([]) == any_value("a", []) == NOTHING
