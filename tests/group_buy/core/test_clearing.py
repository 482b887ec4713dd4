"""Clearing by example. Foodsoft's rows: mission.md section 2.4, ported there and found at fault."""

import random
from typing import Any

import pytest

from catalog.core.offer import OfferError, PriceTier
from group_buy.core import reachable
from group_buy.core.clearing import (
    AllocationRule,
    Clearing,
    LineId,
    PledgeLine,
    PledgeLineError,
    RoundTerms,
    Shortfall,
    clear_round,
)

RULES: tuple[AllocationRule, ...] = ("pro_rata", "time", "price_time")


def terms(
    capacity: int, *tiers: tuple[int, int], pack_size: int = 1, rule: AllocationRule = "pro_rata"
) -> RoundTerms:
    return RoundTerms(capacity, pack_size, tuple(PriceTier(*tier) for tier in tiers), rule)


def line(
    name: str, low: int, high: int, limit: int | None = None, *, group: int = 0, sequence: int = 0
) -> PledgeLine:
    return PledgeLine(name, low, high, limit, group, sequence)


def served(outcome: Clearing | Shortfall) -> dict[LineId, int]:
    assert isinstance(outcome, Clearing)
    return dict(outcome.allocations)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("pack_size", "wanted", "tolerance", "packs_min"),
    [(5, 9, 0, 2), (12, 13, 0, 2), (5, 5, 5, 3), (5, 1, 1, 2)],
)
def test_foodsoft_orders_where_we_fall_short(
    rule: AllocationRule, pack_size: int, wanted: int, tolerance: int, packs_min: int
) -> None:
    """Foodsoft orders 1, 1 and 1 pack, below the minimum, and 2 packs of which nobody asked for 8 pieces."""
    offer = terms(1_000, (packs_min * pack_size, 100), pack_size=pack_size, rule=rule)
    everything_up_to = wanted + tolerance
    assert clear_round(offer, [line("member", wanted, everything_up_to)]) == Shortfall(
        quantity_min=packs_min * pack_size, quantity_demanded=everything_up_to
    )
    missing = packs_min * pack_size - everything_up_to
    helped = clear_round(offer, [line("member", wanted, everything_up_to), line("neighbor", 1, missing)])
    assert served(helped) == {"member": everything_up_to, "neighbor": missing}


@pytest.mark.parametrize("rule", RULES)
def test_no_pledges_fall_short(rule: AllocationRule) -> None:
    assert clear_round(terms(10, (1, 100), rule=rule), []) == Shortfall(quantity_min=1, quantity_demanded=0)


@pytest.mark.parametrize("rule", RULES)
def test_the_cheapest_reachable_tier_is_the_price_for_all(rule: AllocationRule) -> None:
    offer = terms(100, (5, 100), (10, 90), (20, 80), rule=rule)
    outcome = clear_round(offer, [line("a", 4, 6, 95), line("b", 2, 5), line("c", 3, 9, 80)])
    assert outcome == Clearing(2, 80, 20, {"a": 6, "b": 5, "c": 9})


@pytest.mark.parametrize("rule", RULES)
def test_a_line_whose_limit_no_tier_meets_is_not_served(rule: AllocationRule) -> None:
    outcome = clear_round(terms(100, (5, 100), (10, 90), rule=rule), [line("a", 5, 9), line("b", 1, 9, 89)])
    assert outcome == Clearing(0, 100, 9, {"a": 9})


@pytest.mark.parametrize("rule", RULES)
def test_a_tier_above_the_capacity_is_not_reached(rule: AllocationRule) -> None:
    outcome = clear_round(terms(8, (5, 100), (9, 90), rule=rule), [line("a", 5, 90)])
    assert outcome == Clearing(0, 100, 8, {"a": 8})


def test_a_promised_unit_is_not_taken_to_fill_the_last_seat() -> None:
    outcome = clear_round(terms(2, (1, 100)), [line("one", 1, 1, sequence=1), line("two", 2, 2, sequence=2)])
    assert outcome == Clearing(0, 100, 1, {"one": 1})


def test_class_zero_is_served_first_and_ties_go_by_id() -> None:
    lines = [line("a", 3, 3, group=1, sequence=1), line("c", 3, 3, sequence=9), line("b", 3, 3, sequence=9)]
    assert list(served(clear_round(terms(6, (1, 100)), lines))) == ["b", "c"]
    assert served(clear_round(terms(5, (1, 100)), lines)) == {"b": 3}


def test_in_a_price_time_round_the_firmer_line_is_first() -> None:
    """No limit counts as the first tier's price."""
    offer = terms(5, (1, 100), (2, 90), rule="price_time")
    lines = [line("early", 1, 5, 95, sequence=1), line("firm", 1, 2, 99, sequence=2)]
    assert served(clear_round(offer, lines)) == {"firm": 2, "early": 3}
    assert served(clear_round(offer, [*lines, line("any", 4, 4, sequence=3)])) == {"any": 4, "firm": 1}


def test_a_pro_rata_round_shares_what_is_above_the_minima_class_by_class() -> None:
    lines = [
        line("large", 2, 8, sequence=1),
        line("small", 2, 5, sequence=2),
        line("other class", 1, 9, group=1, sequence=0),
    ]
    assert served(clear_round(terms(11, (1, 100)), lines)) == {"large": 6, "small": 4, "other class": 1}
    assert served(clear_round(terms(16, (1, 100)), lines)) == {"large": 8, "small": 5, "other class": 3}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("pro_rata", {"a": 3, "b": 7}), ("time", {"a": 4, "b": 6}), ("price_time", {"b": 9, "a": 1})],
)
def test_the_total_is_whole_packs(rule: AllocationRule, expected: dict[LineId, int]) -> None:
    lines = [line("a", 1, 4, 100, sequence=1), line("b", 5, 9, 200, sequence=2)]
    assert served(clear_round(terms(14, (5, 100), pack_size=5, rule=rule), lines)) == expected


@pytest.mark.parametrize("rule", RULES)
def test_a_line_that_would_break_the_pack_is_passed_over(rule: AllocationRule) -> None:
    lines = [line("seven", 7, 7, sequence=1), line("four", 4, 4, sequence=2), line("six", 6, 6, sequence=3)]
    assert served(clear_round(terms(10, (10, 100), pack_size=5, rule=rule), lines)) == {"four": 4, "six": 6}


def test_two_pledges_with_one_id_are_refused() -> None:
    with pytest.raises(PledgeLineError, match="'a'") as refusal:
        clear_round(terms(10, (1, 100)), [line("a", 1, 2), line("b", 1, 2), line("a", 3, 3)])
    assert refusal.value.code == "duplicate_id"


@pytest.mark.parametrize(("low", "high"), [(0, 3), (-1, 3), (4, 3)])
def test_a_minimum_below_one_or_above_the_maximum_is_refused(low: int, high: int) -> None:
    with pytest.raises(PledgeLineError, match="quantity_min") as refusal:
        clear_round(terms(10, (1, 100)), [line("a", low, high)])
    assert refusal.value.code == "quantity_out_of_bounds"


def test_terms_without_a_whole_pack_are_refused() -> None:
    with pytest.raises(OfferError) as refusal:
        clear_round(terms(11, (6, 100), pack_size=12), [line("a", 6, 12)])
    assert refusal.value.code == "no_whole_pack"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pack_size", [1, 7, 50])
def test_a_safe_prefix_changes_nothing_but_the_time(
    rule: AllocationRule, pack_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lumpy rounds of some hundred lines, decided with short sets near the end and with sets from the start."""
    chance = random.Random(f"{rule} {pack_size}")
    exact_rounds = 0
    safe_prefix = reachable.safe_prefix

    def counted(*arguments: Any) -> tuple[int, int] | None:
        nonlocal exact_rounds
        exact_rounds += 1
        return safe_prefix(*arguments)

    monkeypatch.setattr("group_buy.core.in_order.safe_prefix", counted)
    for _ in range(25):
        lines = []
        for i in range(300):
            low = chance.randint(150, 400)
            high = low + (0 if chance.random() < 0.98 else 3)
            lines.append(line(f"p{i}", low, high, chance.choice([None, 90, 100]), sequence=i))
        capacity = chance.randint(10_000, 40_000)
        offer = terms(capacity, (5_000, 100), (capacity - pack_size - 2, 90), pack_size=pack_size, rule=rule)
        with monkeypatch.context() as widths:
            quick = clear_round(offer, lines)
            widths.setattr(reachable, "_WIDTHS", ())
            assert clear_round(offer, lines) == quick
    assert exact_rounds >= 10
