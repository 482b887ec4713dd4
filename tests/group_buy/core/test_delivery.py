"""Short and over delivery: the chosen rule shares what came, and refunds follow to the won."""

from clearing_cases import pledge_lines, round_terms
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.offer import PriceTier
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms, clear_round
from group_buy.core.delivery import difference_krw, reallocate


@settings(deadline=None, max_examples=250)
@given(terms=round_terms(), lines=pledge_lines(), delivered=st.integers(0, 90))
def test_what_came_is_shared_within_everybodys_bounds(
    terms: RoundTerms, lines: list[PledgeLine], delivered: int
) -> None:
    clearing = clear_round(terms, lines)
    if not isinstance(clearing, Clearing):
        return
    delivery = reallocate(terms, lines, clearing, delivered)
    by_id = {line.id: line for line in lines}
    assert sum(delivery.allocations.values()) + delivery.units_returned == delivered
    for line_id, quantity in delivery.allocations.items():
        assert by_id[line_id].quantity_min <= quantity <= by_id[line_id].quantity_max
        if delivered <= clearing.quantity:
            assert quantity <= clearing.allocations[line_id]
    if delivered >= clearing.quantity:
        assert all(delivery.allocations[i] >= q for i, q in clearing.allocations.items())
    if delivered == clearing.quantity:
        assert delivery.allocations == clearing.allocations


@settings(deadline=None, max_examples=150)
@given(
    terms=round_terms(rules=("pro_rata",)), lines=pledge_lines(minimum_max=1), delivered=st.integers(0, 90)
)
def test_one_unit_more_from_the_vendor_takes_none_from_a_buyer(
    terms: RoundTerms, lines: list[PledgeLine], delivered: int
) -> None:
    """Sainte-Laguë is house-monotone: below the cleared quantity, with minima of one."""
    clearing = clear_round(terms, lines)
    if not isinstance(clearing, Clearing):
        return
    delivered %= clearing.quantity
    less = reallocate(terms, lines, clearing, delivered)
    more = reallocate(terms, lines, clearing, delivered + 1)
    assert less.units_returned == more.units_returned == 0
    assert all(more.allocations.get(i, 0) >= q for i, q in less.allocations.items())


def test_a_short_delivery_goes_to_whole_minima_first_and_the_rest_goes_back() -> None:
    terms = RoundTerms(20, 1, (PriceTier(5, 1000),), "time")
    lines = [PledgeLine("a", 4, 4, None, 0, 1), PledgeLine("b", 4, 6, None, 0, 2)]
    clearing = Clearing(0, 1000, 10, {"a": 4, "b": 6})
    delivery = reallocate(terms, lines, clearing, 7)
    assert (delivery.allocations, delivery.units_returned) == ({"a": 4}, 3)
    assert reallocate(terms, lines, clearing, 9).allocations == {"a": 4, "b": 5}
    assert reallocate(terms, lines, clearing, 0).allocations == {}


@given(before=st.integers(0, 10**6), after=st.integers(0, 10**6), price=st.integers(1, 10**9))
def test_a_refund_is_the_difference_of_two_right_invoices(before: int, after: int, price: int) -> None:
    owed = difference_krw(quantity_before=before, quantity_after=after, unit_price_krw=price)
    assert owed == -difference_krw(quantity_before=after, quantity_after=before, unit_price_krw=price)
    assert (owed >= 0) == (before >= after)
    assert difference_krw(quantity_before=3, quantity_after=2, unit_price_krw=9_999) == 10_999
