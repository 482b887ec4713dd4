"""What stands on papers: sums to the won, the outcome at every tier, and a ceiling that no clearing exceeds."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.core.money import vat_krw
from catalog.core.offer import PriceTier
from group_buy.core.clearing import Clearing, PledgeLine, clear_round
from group_buy.core.estimate import bill_for
from group_buy.core.paper import (
    ceiling_of,
    line_of,
    outcomes_of,
    paper_number,
    sum_of,
    valid_until,
    with_deposit,
)
from group_buy.core.pledge import LineInput
from group_buy.core.round import Round
from group_buy.errors import PaperRefused

TIERS = (PriceTier(5, 9_999_999), PriceTier(10, 8_888_887), PriceTier(20, 7_777_773))
PRICES = [tier.unit_price_krw for tier in TIERS]
LIMITS = st.none() | st.sampled_from(PRICES) | st.integers(PRICES[-1], PRICES[0])


def a_round(*, capacity: int = 40, fallback: int | None = None) -> Round:
    fields = dict.fromkeys(Round.__struct_fields__)
    terms = {
        "tiers": TIERS,
        "capacity": capacity,
        "pack_size": 1,
        "allocation_rule": "pro_rata",
        "deposit_bp": 1000,
    }
    return Round(**{**fields, **terms, "fallback_quantity_min": fallback})


@st.composite
def a_wanted_line(draw: st.DrawFn) -> LineInput:
    most = draw(st.integers(1, 12))
    return LineInput(most, draw(st.integers(1, most)), draw(LIMITS))


PLEDGES = st.lists(a_wanted_line(), min_size=1, max_size=8)


def as_lines(name: str, lines: list[LineInput], *, first: int) -> list[PledgeLine]:
    return [
        PledgeLine(
            id=f"{name}:{n}",
            quantity_min=line.quantity_min,
            quantity_max=line.quantity_max,
            limit_unit_price_krw=line.limit_unit_price_krw,
            priority_class=0,
            sequence=first + n,
        )
        for n, line in enumerate(lines)
    ]


@given(own=PLEDGES, others=PLEDGES)
def test_no_clearing_costs_a_pledge_more_than_its_ceiling_or_its_tier_says(own, others) -> None:
    buying_round = a_round()
    outcomes = outcomes_of(buying_round, own)
    for outcome in outcomes:
        if outcome.bill:
            bill = outcome.bill
            assert bill.supply_krw == bill.quantity * outcome.unit_price_krw
            assert bill.total_krw == bill.supply_krw + bill.vat_krw == bill.deposit_krw + bill.balance_krw
    lines = as_lines("own", own, first=1) + as_lines("others", others, first=100)
    cleared = clear_round(buying_round.clearing_terms, lines)
    if not isinstance(cleared, Clearing):
        return
    units = sum(count for line, count in cleared.allocations.items() if str(line).startswith("own:"))
    if not units:
        return
    paid = bill_for(buying_round, quantity=units, unit_price_krw=cleared.unit_price_krw)
    [at_tier] = [each for each in outcomes if each.unit_price_krw == cleared.unit_price_krw]
    assert at_tier.bill is not None
    assert units <= at_tier.bill.quantity
    assert paid.total_krw <= at_tier.bill.total_krw <= ceiling_of(outcomes).total_krw


@given(
    price=st.integers(1, 10**12),
    units=st.lists(st.integers(1, 500), min_size=1, max_size=20),
    data=st.data(),
)
def test_lines_sum_to_the_won_through_returns(price, units, data) -> None:
    lines = [line_of(count, price) for count in units]
    back = data.draw(st.integers(0, sum(units)))
    if back:
        lines.append(line_of(-back, price))
    total = sum_of(lines)
    assert total.supply_krw == (sum(units) - back) * price
    assert total.vat_krw == vat_krw(total.supply_krw)
    assert total.total_krw == total.supply_krw + total.vat_krw
    assert [line.is_return for line in lines] == [False] * len(units) + [True] * bool(back)


def test_more_cannot_go_back_than_came() -> None:
    with pytest.raises(ValueError, match="not negative"):
        sum_of([line_of(1, 100), line_of(-2, 100)])


def test_a_limit_below_every_tier_buys_nothing() -> None:
    outcomes = outcomes_of(a_round(), [LineInput(3, 1, 1)])
    assert [each.bill for each in outcomes] == [None, None, None]
    with pytest.raises(PaperRefused) as refused:
        ceiling_of(outcomes)
    assert refused.value.reason == "buys_nothing"


def test_a_tier_above_the_capacity_is_no_outcome() -> None:
    assert len(outcomes_of(a_round(capacity=12), [LineInput(3)])) == 2


def test_a_round_that_sells_from_fewer_units_says_so() -> None:
    found = [each.quantity_min for each in outcomes_of(a_round(fallback=3), [LineInput(3)])]
    assert found == [3, 10, 20]


@given(paid=st.integers(0, 10**9))
def test_what_is_left_after_a_subsidy_adds_up(paid: int) -> None:
    outcomes = outcomes_of(a_round(), [LineInput(2)], subsidy=lambda _: paid)
    for each in outcomes:
        assert each.bill is not None
        assert each.own_krw is not None
        assert each.own_krw + paid == each.bill.total_krw


def test_a_quotation_holds_thirty_days_or_until_its_offer_ends() -> None:
    today = date(2026, 11, 25)
    assert valid_until(offer_until=None, today=today) == date(2026, 12, 25)
    assert valid_until(offer_until=today + timedelta(3), today=today) == today + timedelta(3)
    assert valid_until(offer_until=today, today=today) == today
    with pytest.raises(PaperRefused):
        valid_until(offer_until=today - timedelta(1), today=today)


@given(paid=st.integers(0, 10**9))
def test_deposit_and_balance_add_up_whatever_was_paid_before(paid: int) -> None:
    bill = with_deposit(bill_for(a_round(), quantity=3, unit_price_krw=PRICES[0]), paid)
    assert bill.deposit_krw == min(paid, bill.total_krw)
    assert bill.deposit_krw + bill.balance_krw == bill.total_krw


def test_a_number_names_the_kind_and_the_year() -> None:
    assert paper_number("approval", year=2026, serial=7) == "AP-2026-00007"
