import pytest

from catalog.core.money import CAPACITY_MAX, ROUND_KRW_MAX
from catalog.core.offer import (
    OfferError,
    PriceTier,
    reached_tier,
    require_valid_offer,
    require_valid_tiers,
    whole_packs_up,
)

TIERS = (PriceTier(10, 100), PriceTier(20, 90), PriceTier(50, 70))


def test_the_reached_tier_is_the_cheapest_whose_minimum_is_met() -> None:
    reached = [reached_tier(TIERS, quantity) for quantity in (0, 9, 10, 19, 20, 49, 50, 10**9)]
    assert reached == [None, None, TIERS[0], TIERS[0], TIERS[1], TIERS[1], TIERS[2], TIERS[2]]


@pytest.mark.parametrize(
    ("tiers", "code"),
    [
        ([], "tiers_empty"),
        ([(0, 10)], "tiers_out_of_bounds"),
        ([(1, 0)], "tiers_out_of_bounds"),
        ([(1, -5)], "tiers_out_of_bounds"),
        ([(1, ROUND_KRW_MAX + 1)], "tiers_out_of_bounds"),
        ([(1, 10), (1, 9)], "tiers_not_rising"),
        ([(5, 10), (3, 9)], "tiers_not_rising"),
        ([(1, 10), (2, 10)], "tiers_not_falling"),
        ([(1, 10), (2, 9), (3, 11)], "tiers_not_falling"),
    ],
)
def test_a_schedule_that_does_not_rise_in_quantity_and_fall_in_price_is_refused(
    tiers: list[tuple[int, int]], code: str
) -> None:
    with pytest.raises(OfferError) as refusal:
        require_valid_tiers([PriceTier(*tier) for tier in tiers])
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("capacity", "pack_size", "code"),
    [
        (0, 1, "capacity_out_of_bounds"),
        (CAPACITY_MAX + 1, 1, "capacity_out_of_bounds"),
        (100, 0, "pack_size_out_of_bounds"),
        (9, 1, "no_whole_pack"),
        (11, 12, "no_whole_pack"),
        (13, 7, "no_whole_pack"),
    ],
)
def test_an_offer_that_cannot_sell_a_whole_pack_is_refused(capacity: int, pack_size: int, code: str) -> None:
    with pytest.raises(OfferError) as refusal:
        require_valid_offer(capacity=capacity, pack_size=pack_size, tiers=TIERS)
    assert refusal.value.code == code


@pytest.mark.parametrize(("capacity", "pack_size"), [(10, 1), (10, 5), (14, 7), (CAPACITY_MAX, CAPACITY_MAX)])
def test_later_tiers_above_the_capacity_are_no_fault(capacity: int, pack_size: int) -> None:
    require_valid_offer(capacity=capacity, pack_size=pack_size, tiers=TIERS)


def test_quantities_round_up_to_whole_packs() -> None:
    assert [whole_packs_up(quantity, 5) for quantity in (0, 1, 5, 6)] == [0, 5, 5, 10]
