"""`simulate`: the contracts' JSON, word for word."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from group_buy.core.simulation import simulate_json


def document() -> dict[str, Any]:
    return {
        "offer": {
            "capacity": 20,
            "pack_size": 5,
            "tiers": [
                {"quantity_min": 5, "unit_price_krw": 100_000},
                {"quantity_min": 15, "unit_price_krw": 90_000},
                {"quantity_min": 50, "unit_price_krw": 70_000},
            ],
        },
        "allocation_rule": "pro_rata",
        "pledges": [
            pledge("late", 4, 9, None, sequence=3),
            pledge("low", 1, 5, 80_000, sequence=0),
            pledge("early", 2, 6, 95_000, sequence=1),
            pledge("huge", 30, 40, None, sequence=2),
            pledge("lump", 8, 8, None, sequence=4),
        ],
    }


def pledge(name: str | int, low: int, high: int, limit: int | None, *, sequence: int) -> dict[str, Any]:
    return {
        "id": name,
        "quantity_min": low,
        "quantity_max": high,
        "limit_unit_price_krw": limit,
        "priority_class": 0,
        "sequence": sequence,
    }


def answer(value: object, *, explain: bool = False) -> dict[str, Any]:
    text, accepted = simulate_json(json.dumps(value).encode(), explain=explain)
    assert accepted, text
    reply: dict[str, Any] = json.loads(text)
    return reply


def refusal(text: bytes) -> dict[str, str]:
    reply, accepted = simulate_json(text)
    assert not accepted
    error = json.loads(reply)
    assert error.keys() == {"error"}
    assert error["error"].keys() == {"type", "detail"}
    refused: dict[str, str] = error["error"]
    return refused


def changed(path: str, value: object) -> dict[str, Any]:
    """The document with the value at `offer.tiers.0.quantity_min` or the like put in place."""
    whole = document()
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place: Any = whole
    for key in parents:
        place = place[key]
    place[last] = value
    return whole


def test_served_lines_are_listed_in_input_order() -> None:
    assert answer(document()) == {
        "outcome": "cleared",
        "unit_price_krw": 90_000,
        "quantity": 20,
        "allocations": [
            {"pledge_id": "late", "quantity": 7},
            {"pledge_id": "early", "quantity": 5},
            {"pledge_id": "lump", "quantity": 8},
        ],
    }


def test_a_shortfall_has_no_price_and_no_allocations() -> None:
    expected: dict[str, Any] = {
        "outcome": "shortfall",
        "unit_price_krw": None,
        "quantity": 0,
        "allocations": [],
    }
    assert answer(changed("pledges", [])) == expected
    assert answer(changed("pledges", [pledge("a", 1, 9, 69_999, sequence=1)])) == expected


def test_integer_ids_come_back_as_integers_and_break_ties_as_numbers() -> None:
    pledges = [pledge(10, 15, 15, None, sequence=1), pledge(9, 15, 15, None, sequence=1)]
    assert answer(changed("pledges", pledges))["allocations"] == [{"pledge_id": 9, "quantity": 15}]


def test_ids_of_two_kinds_are_refused() -> None:
    pledges = [pledge(1, 15, 15, None, sequence=1), pledge("1", 15, 15, None, sequence=1)]
    assert refusal(json.dumps(changed("pledges", pledges)).encode())["type"] == "wrong_type"


def test_an_explanation_stands_beside_the_answer() -> None:
    explained = answer(document(), explain=True)
    tiers, lines = explained.pop("tiers"), explained.pop("lines")
    assert len(explained.pop("input_sha256")) == 64
    assert explained == answer(document())
    assert [(tier["status"], tier["quantity_largest"]) for tier in tiers] == [
        ("reachable", 15),
        ("chosen", 20),
        ("above_capacity", None),
    ]
    assert [(tier["lines_count"], tier["quantity_demanded"]) for tier in tiers] == [(2, 17), (3, 23), (4, 28)]
    assert [(line["pledge_id"], line["reason"], line["quantity_before"]) for line in lines] == [
        ("late", "served_part", 2),
        ("low", "limit_below_price", 0),
        ("early", "served_part", 0),
        ("huge", "above_capacity", 2),
        ("lump", "served_full", 6),
    ]
    assert all(row["ko"] and row["en"] and "{" not in row["ko"] + row["en"] for row in [*tiers, *lines])


def test_a_refused_line_is_told_what_stood_in_its_way() -> None:
    pledges = [
        pledge("seven", 7, 7, None, sequence=1),
        pledge("six", 6, 6, None, sequence=2),
        pledge("fourteen", 14, 14, None, sequence=3),
        pledge("fifteen", 15, 15, None, sequence=4),
    ]
    explained = answer(changed("pledges", pledges), explain=True)
    assert explained["allocations"] == [
        {"pledge_id": "six", "quantity": 6},
        {"pledge_id": "fourteen", "quantity": 14},
    ]
    seven, _, _, fifteen = explained["lines"]
    assert (seven["reason"], fifteen["reason"]) == ("would_break_pack", "no_room")
    assert seven["ko"] == "이 신청까지 받으면 앞선 순위를 지키면서 5개 포장 단위로 성립하는 수량이 없습니다."
    assert fifteen["en"] == "Lines before it take 20 units, which leaves no room for its minimum of 15."


@pytest.mark.parametrize("value", [1.0, 5.5, True, "3", None, [], {}, 2**63, 10**30])
@pytest.mark.parametrize(
    "path",
    [
        "offer.capacity",
        "offer.pack_size",
        "offer.tiers.0.quantity_min",
        "offer.tiers.1.unit_price_krw",
        "pledges.0.quantity_min",
        "pledges.4.quantity_max",
        "pledges.1.limit_unit_price_krw",
        "pledges.0.priority_class",
        "pledges.0.sequence",
    ],
)
def test_what_is_not_an_integer_is_refused_by_name(path: str, value: object) -> None:
    if path.endswith("limit_unit_price_krw") and value is None:
        return
    error = refusal(json.dumps(changed(path, value)).encode())
    assert error["type"] == "not_an_integer"
    assert path.rpartition(".")[2] in error["detail"]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("pledges.0.quantity_min", 0, "quantity_out_of_bounds"),
        ("pledges.0.quantity_min", 10, "quantity_out_of_bounds"),
        ("pledges.0.id", "low", "duplicate_id"),
        ("pledges.0.id", None, "wrong_type"),
        ("pledges.0.id", True, "wrong_type"),
        ("pledges.0.id", 1.5, "wrong_type"),
        ("pledges.0", [], "wrong_type"),
        ("pledges", {}, "wrong_type"),
        ("offer", None, "wrong_type"),
        ("offer.tiers", "x", "wrong_type"),
        ("offer.tiers", [], "tiers_empty"),
        ("offer.tiers.1.quantity_min", 5, "tiers_not_rising"),
        ("offer.tiers.1.unit_price_krw", 100_000, "tiers_not_falling"),
        ("offer.tiers.0.unit_price_krw", 0, "tiers_out_of_bounds"),
        ("offer.tiers.0.quantity_min", 0, "tiers_out_of_bounds"),
        ("offer.capacity", 0, "capacity_out_of_bounds"),
        ("offer.capacity", 1_000_001, "capacity_out_of_bounds"),
        ("offer.capacity", 4, "no_whole_pack"),
        ("offer.pack_size", 0, "pack_size_out_of_bounds"),
        ("offer.pack_size", 21, "no_whole_pack"),
        ("allocation_rule", "lottery", "unknown_rule"),
        ("allocation_rule", ["time"], "unknown_rule"),
        ("allocation_rule", None, "unknown_rule"),
        ("offer.currency", "KRW", "unknown_field"),
        ("pledges.2.note", "", "unknown_field"),
        ("version", 1, "unknown_field"),
    ],
)
def test_a_document_outside_the_contract_is_refused_with_its_type(
    path: str, value: object, code: str
) -> None:
    assert refusal(json.dumps(changed(path, value)).encode())["type"] == code


@pytest.mark.parametrize(
    "path",
    [
        "offer",
        "allocation_rule",
        "pledges",
        "offer.pack_size",
        "offer.tiers.0.unit_price_krw",
        "pledges.0.sequence",
        "pledges.0.limit_unit_price_krw",
    ],
)
def test_a_missing_field_is_refused_by_name(path: str) -> None:
    whole = document()
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place: Any = whole
    for key in parents:
        place = place[key]
    del place[last]
    error = refusal(json.dumps(whole).encode())
    assert error["type"] == "missing_field"
    assert str(last) in error["detail"]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'"\xff"', b"NaN", b"{} {}", b"[" * 100_000, b"1" * 5_000, b'{"a": "\\ud800"}'],
    ids=lambda text: repr(text[:8]),
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    assert refusal(text)["type"] in {"malformed_json", "wrong_type"}


def test_a_deep_value_in_place_of_a_scalar_is_refused() -> None:
    text = json.dumps(changed("pledges.0.id", "DEEP")).replace('"DEEP"', "[" * 800 + "]" * 800)
    assert refusal(text.encode())["type"] == "wrong_type"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document that a value can be put in."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(*at, key), *places(value[key], (*at, key))]]


@settings(deadline=None, max_examples=300)
@given(place=st.sampled_from(places(document())), value=json_values, explain=st.booleans())
def test_whatever_stands_anywhere_is_answered(place: tuple[Any, ...], value: Any, explain: bool) -> None:
    whole = deepcopy(document())
    target: Any = whole
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    reply, accepted = simulate_json(json.dumps(whole).encode(), explain=explain)
    assert ("error" in json.loads(reply)) == (not accepted)


@settings(deadline=None)
@given(text=st.binary(max_size=40))
def test_any_bytes_are_answered(text: bytes) -> None:
    reply, accepted = simulate_json(text)
    assert not accepted
    assert "error" in json.loads(reply)
