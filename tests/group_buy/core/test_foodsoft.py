"""The four wrong orders of a food co-op system, and the traps of others that concern rounds: our answers.

Rows and trap numbers are those of the survey; docs/comparison-with-others.md shows them side by side.
"""

import json

import pytest

from catalog.core.offer import PriceTier
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms, Shortfall, clear_round
from group_buy.core.simulation import simulate_json

ROWS = [
    # pack, wanted, tolerance, minimum in packs, our answer in units
    (5, 9, 0, 2, 0),
    (12, 13, 0, 2, 0),
    (5, 5, 5, 3, 0),
    (5, 1, 1, 2, 0),
]


@pytest.mark.parametrize(("pack", "wanted", "tolerance", "minimum", "sold"), ROWS)
def test_nothing_is_ordered_below_the_minimum_or_that_nobody_asked_for(
    pack: int, wanted: int, tolerance: int, minimum: int, sold: int
) -> None:
    """Trap 1: the four rows. "Wanted + tolerance" is a line from wanted to wanted + tolerance units."""
    terms = RoundTerms(1000, pack, (PriceTier(minimum * pack, 100),), "time")
    line = PledgeLine("a", wanted, wanted + tolerance, None, 0, 1)
    outcome = clear_round(terms, [line])
    assert isinstance(outcome, Shortfall)
    assert sold == 0


def test_with_enough_tolerance_the_minimum_is_met_in_whole_packs() -> None:
    terms = RoundTerms(1000, 5, (PriceTier(10, 100),), "time")
    assert clear_round(terms, [PledgeLine("a", 9, 10, None, 0, 1)]) == Clearing(0, 100, 10, {"a": 10})


@pytest.mark.parametrize("wrong", [1.5, "3", True, None, "₩1,000,000", "€ 50,00"])
def test_a_fraction_or_a_formatted_amount_is_refused_and_never_cut_to_a_number(wrong: object) -> None:
    """Traps 2 and 3: an amount with signs must not become 0, a fraction must not be truncated."""
    document = {
        "offer": {"capacity": 10, "pack_size": 1, "tiers": [{"quantity_min": 1, "unit_price_krw": wrong}]},
        "allocation_rule": "time",
        "pledges": [],
    }
    answer, ok = simulate_json(json.dumps(document).encode())
    assert not ok
    assert json.loads(answer)["error"]["type"] == "not_an_integer"


def test_packs_are_not_always_rounded_up() -> None:
    """Trap 3: eleven units in packs of five are two packs, and the eleventh is not bought."""
    terms = RoundTerms(1000, 5, (PriceTier(5, 100),), "pro_rata")
    outcome = clear_round(terms, [PledgeLine(f"p{n}", 1, 1, None, 0, n) for n in range(11)])
    assert isinstance(outcome, Clearing)
    assert outcome.quantity == 10


def test_the_cheaper_of_two_reachable_tiers_wins() -> None:
    """Trap 14: a lower tier must not win a tie."""
    terms = RoundTerms(10, 1, (PriceTier(5, 100), PriceTier(6, 90)), "time")
    outcome = clear_round(terms, [PledgeLine("a", 5, 6, None, 0, 1)])
    assert isinstance(outcome, Clearing)
    assert (outcome.unit_price_krw, outcome.quantity) == (90, 6)


def test_capacity_is_never_oversold_by_orders_at_the_same_time() -> None:
    """Trap 10, the pure half: whatever came in, the total stays within the capacity."""
    terms = RoundTerms(10, 1, (PriceTier(1, 100),), "time")
    outcome = clear_round(terms, [PledgeLine(f"p{n}", 1, 4, None, 0, 1) for n in range(50)])
    assert isinstance(outcome, Clearing)
    assert outcome.quantity == 10
