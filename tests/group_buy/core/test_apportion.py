import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from group_buy.core.apportion import sainte_lague

weight_lists = st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any)


def one_by_one(weights: list[int], units: int) -> list[int]:
    shares = [0] * len(weights)
    for _ in range(units):
        winner = max(range(len(weights)), key=lambda i: (Fraction(weights[i], 2 * shares[i] + 1), -i))
        shares[winner] += 1
    return shares


def test_one_more_unit_takes_nothing_from_the_small_buyer() -> None:
    """Largest remainder gives 1, 1, 1 of three units and 0, 2, 2 of four (Alabama paradox)."""
    assert [sainte_lague([1, 3, 3], units) for units in (3, 4, 7)] == [[1, 1, 1], [1, 2, 1], [1, 3, 3]]


def test_a_stranger_who_withdraws_takes_nothing_from_others() -> None:
    """Largest remainder gives 1, 0, 1 with the second and 0, 2 without (new-state paradox)."""
    before, after = sainte_lague([1, 1, 4], 2), sainte_lague([1, 4], 2)
    assert (before, after) == ([0, 0, 2], [0, 2])


@settings(deadline=None, max_examples=300)
@given(weights=weight_lists, data=st.data())
def test_units_go_one_by_one_to_the_largest_quotient(weights: list[int], data: st.DataObject) -> None:
    units = data.draw(st.integers(0, sum(weights)))
    shares = sainte_lague(weights, units)
    assert shares == one_by_one(weights, units)
    assert all(share <= weight for share, weight in zip(shares, weights, strict=True))


@settings(deadline=None)
@given(weights=weight_lists, data=st.data())
def test_one_more_unit_never_takes_one_away(weights: list[int], data: st.DataObject) -> None:
    units = data.draw(st.integers(0, sum(weights) - 1))
    fewer, more = sainte_lague(weights, units), sainte_lague(weights, units + 1)
    assert sum(more) == sum(fewer) + 1
    assert all(a <= b for a, b in zip(fewer, more, strict=True))


@settings(deadline=None)
@given(weights=weight_lists, data=st.data())
def test_whoever_leaves_with_their_share_changes_no_other_share(
    weights: list[int], data: st.DataObject
) -> None:
    shares = sainte_lague(weights, data.draw(st.integers(0, sum(weights))))
    leaver = data.draw(st.integers(0, len(weights) - 1))
    others = [share for i, share in enumerate(shares) if i != leaver]
    assert sainte_lague([weight for i, weight in enumerate(weights) if i != leaver], sum(others)) == others


@pytest.mark.parametrize("weight_max", [3, 1_000, 10**15])
def test_many_holders_agree_with_the_definition_of_the_last_quotient(weight_max: int) -> None:
    """No holder's next quotient is larger than the quotient that any holder was last served at."""
    chance = random.Random(weight_max)
    weights = [chance.randint(0, weight_max) for _ in range(3_000)]
    units = min(sum(weights) // 3, 100_000)
    shares = sainte_lague(weights, units)
    assert sum(shares) == units
    pairs = list(zip(weights, shares, strict=True))
    lowest_served = min(Fraction(weight, 2 * share - 1) for weight, share in pairs if share)
    highest_waiting = max(Fraction(weight, 2 * share + 1) for weight, share in pairs)
    assert highest_waiting <= lowest_served
