import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.money import prorate_krw, vat_krw


def test_vat_is_ten_percent_rounded_down() -> None:
    assert [vat_krw(supply) for supply in (0, 9, 10, 19, 1_000_001, 10**15)] == [0, 0, 1, 1, 100_000, 10**14]


def test_vat_on_a_negative_supply_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        vat_krw(-10)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [1, 2, 7], [1, 2, 7]),
        (7, [5, 0, 5], [4, 0, 3]),
        (1, [1, 2], [0, 1]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
    ],
)
def test_won_left_over_go_to_the_largest_fractions_then_to_the_earlier(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert prorate_krw(total, weights) == parts


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [0, 0]), (-1, [1]), (1, [2, -1])], ids=str)
def test_a_split_that_cannot_be_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match=r"negative|nobody"):
        prorate_krw(total, weights)


@settings(deadline=None)
@given(
    total=st.integers(0, 10**15),
    weights=st.lists(st.integers(0, 10**12), min_size=1, max_size=20).filter(any),
)
def test_parts_sum_to_the_total_and_stay_within_one_won_of_the_exact_share(
    total: int, weights: list[int]
) -> None:
    parts = prorate_krw(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part * sum(weights) - (total * weight // sum(weights)) * sum(weights) <= sum(weights)
        assert weight or not part
