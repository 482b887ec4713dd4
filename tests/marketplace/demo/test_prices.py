"""The price rule of the demo data: size classes, services, rounding and tiers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.offer import require_valid_tiers
from marketplace.demo import prices


def product(category: str, subcategory: str, **specs: str) -> prices.PricedProduct:
    return prices.PricedProduct(code="x", category=category, subcategory=subcategory, specs=specs)


def test_size_classes_change_at_their_limits() -> None:
    cells = ("5 kg", "5.1 kg", "12 kg", "14 kg", "")
    found = [
        prices.reference_price_krw(product("robot", "collaborative robot", payload=cell)) for cell in cells
    ]
    assert found == [26_000_000, 36_000_000, 36_000_000, 48_000_000, 36_000_000]


def test_a_service_costs_its_days_times_the_day_rate() -> None:
    assert prices.reference_price_krw(product("service", "training", service_days="2 d")) == 1_400_000


def test_what_the_rule_does_not_know_is_refused() -> None:
    with pytest.raises(prices.UnpricedProductError, match="tail"):
        prices.reference_price_krw(product("robot", "tail"))
    with pytest.raises(prices.UnpricedProductError, match="days"):
        prices.reference_price_krw(product("service", "training"))


def test_a_package_is_its_parts_times_the_vendor_factor_rounded_up() -> None:
    cobot = product("robot", "collaborative robot", payload="10 kg")
    training = product("service", "training", service_days="2 d")
    # (36,000,000 + 2 × 1,400,000) × 1.01 = 39,188,000 → the next 100,000
    assert prices.package_price_krw([(cobot, 1), (training, 2)], vendor="narae-robot") == 39_200_000


def test_tiers_keep_whole_packs_and_end_at_the_capacity() -> None:
    schedule = prices.tiers(520_000, capacity=39, pack_size=2)
    assert [(tier.quantity_min, tier.unit_price_krw) for tier in schedule] == [
        (6, 494_000),
        (10, 473_200),
        (20, 447_200),
    ]


@settings(deadline=None)
@given(
    list_price_krw=st.integers(min_value=10_000, max_value=10**9),
    capacity=st.integers(min_value=10, max_value=60),
    pack_size=st.integers(min_value=1, max_value=5),
)
def test_every_schedule_is_valid_and_below_the_list_price(
    list_price_krw: int, capacity: int, pack_size: int
) -> None:
    schedule = prices.tiers(list_price_krw, capacity=capacity, pack_size=pack_size)
    require_valid_tiers(schedule)
    assert schedule[0].unit_price_krw < list_price_krw
    assert all(tier.quantity_min % pack_size == 0 for tier in schedule)
    assert schedule[-1].quantity_min <= capacity
