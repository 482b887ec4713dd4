"""Orders: quantities, days and states hold whatever is asked of them; the penalty is what counting day by day gives."""

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from group_buy.core.order import (
    ORDER_TRANSITIONS,
    Close,
    Confirm,
    Deliver,
    Inspect,
    Install,
    OrderProgress,
    OrderStep,
    add_months,
    due_steps,
    late_penalty,
    take_step,
)
from group_buy.errors import InvalidOrderStep, OrderStepRefused

DAY = date(2026, 3, 2)


def placed(quantity: int = 5, **facts: object) -> OrderProgress:
    defaults: dict[str, object] = {
        "state": "placed",
        "ordered_on": DAY,
        "last_on": DAY,
        "warranty_months": 12,
    }
    return OrderProgress(quantity=quantity, **(defaults | facts))  # type: ignore[arg-type]


def after(order: OrderProgress, *steps: OrderStep, today: date = DAY + timedelta(30)) -> OrderProgress:
    for step in steps:
        order = take_step(order, step, today=DAY if isinstance(step, Confirm) else today)[-1].progress
    return order


def installed(quantity: int = 5, *, came: int | None = None) -> OrderProgress:
    day = DAY + timedelta(10)
    return after(placed(quantity), Confirm(day), Deliver(day, came or quantity), Install(day))


def test_an_accepted_order_begins_its_warranty_on_the_day_of_acceptance() -> None:
    taken = take_step(installed(), Inspect(DAY + timedelta(12), accepted=5), today=DAY + timedelta(12))
    assert [each.progress.state for each in taken] == ["inspected", "in_warranty"]
    last = taken[-1].progress
    assert (last.inspection, last.warranty_until) == ("accepted", date(2027, 3, 14))
    assert (last.quantity_delivered, last.quantity_accepted, last.open) == (5, 5, 0)


def test_rejected_units_go_back_and_are_open_until_they_are_replaced() -> None:
    partly = after(installed(), Inspect(DAY + timedelta(12), accepted=3, rejected=2, reason="damaged"))
    assert (partly.state, partly.inspection, partly.open, partly.waiting) == ("inspected", "partly", 2, 0)
    assert [(due.kind, due.side) for due in due_steps(partly)] == [("deliver", "vendor")]
    day = DAY + timedelta(20)
    whole = after(partly, Deliver(day, 2), Install(day), Inspect(day, accepted=2))
    assert (whole.state, whole.inspection, whole.quantity_accepted) == ("in_warranty", "accepted", 5)


def test_a_part_is_accepted_before_the_rest_comes() -> None:
    part = after(installed(came=2), Inspect(DAY + timedelta(12), accepted=2))
    assert (part.state, part.inspection, part.open) == ("inspected", "partly", 3)


def test_an_order_that_is_not_ordered_yet_is_not_confirmed() -> None:
    with pytest.raises(OrderStepRefused, match="not_ordered"):
        take_step(placed(ordered_on=None), Confirm(DAY), today=DAY)


@pytest.mark.parametrize(
    ("order", "step", "pointer"),
    [
        (placed(), Confirm(DAY - timedelta(1)), "/promised_on"),
        (placed(), Confirm(DAY + timedelta(1096)), "/promised_on"),
        (after(placed(), Confirm(DAY)), Deliver(DAY, 6), "/quantity"),
        (after(placed(), Confirm(DAY)), Deliver(DAY, 0), "/quantity"),
        (after(placed(), Confirm(DAY)), Deliver(DAY - timedelta(1), 1), "/done_on"),
        (after(placed(), Confirm(DAY)), Deliver(DAY + timedelta(31), 1), "/done_on"),
        (installed(), Inspect(DAY + timedelta(12), accepted=6), "/accepted"),
        (installed(), Inspect(DAY + timedelta(12), accepted=4), "/rejected"),
        (installed(), Inspect(DAY + timedelta(12), accepted=4, rejected=1), "/reason"),
        (installed(), Inspect(DAY + timedelta(12), accepted=5, reason="damaged"), "/reason"),
        (installed(), Inspect(DAY + timedelta(9), accepted=5), "/done_on"),
        (installed(), Inspect(DAY + timedelta(12), accepted=5, note="x" * 1001), "/note"),
    ],
)  # fmt: skip
def test_a_step_outside_its_limits_is_refused_by_its_field(
    order: OrderProgress, step: OrderStep, pointer: str
) -> None:
    with pytest.raises(InvalidOrderStep) as refused:
        take_step(order, step, today=DAY if isinstance(step, Confirm) else DAY + timedelta(30))
    assert refused.value.pointer == pointer


def test_a_second_acceptance_is_refused() -> None:
    accepted = after(installed(), Inspect(DAY + timedelta(12), accepted=5))
    with pytest.raises(OrderStepRefused, match="is_in_warranty"):
        take_step(accepted, Inspect(DAY + timedelta(12), accepted=5), today=DAY + timedelta(12))


def test_an_order_is_closed_after_its_warranty_and_not_before() -> None:
    accepted = after(installed(), Inspect(DAY + timedelta(12), accepted=5))
    assert accepted.warranty_until == date(2027, 3, 14)
    with pytest.raises(OrderStepRefused, match="in_warranty"):
        take_step(accepted, Close(), today=date(2027, 3, 14))
    assert take_step(accepted, Close(), today=date(2027, 3, 15))[-1].progress.state == "closed"


def test_an_order_that_fell_away_takes_no_step() -> None:
    assert due_steps(placed(0)) == []
    with pytest.raises(OrderStepRefused, match="fell_away"):
        take_step(placed(0), Confirm(DAY), today=DAY)


days = st.integers(-2, 40).map(lambda n: DAY + timedelta(n))
units = st.integers(-1, 9)
reasons = st.sampled_from([None, "damaged", "other"])
steps = st.one_of(
    st.builds(Confirm, days),
    st.builds(Deliver, days, units),
    st.builds(Install, days),
    st.builds(Inspect, days, units, units, reasons),
    st.builds(Close),
)


def likely(order: OrderProgress, today: date, part: int) -> OrderStep:
    """A step that the order takes, of as many units as `part` leaves."""
    match due_steps(order)[-1].kind if due_steps(order) else "close":
        case "confirm":
            return Confirm(today)
        case "deliver":
            return Deliver(today, 1 + part % order.open)
        case "install":
            return Install(today)
        case "inspect":
            accepted = part % (order.waiting + 1)
            rejected = order.waiting - accepted
            return Inspect(today, accepted, rejected, "damaged" if rejected else None)
        case _:
            return Close()


wishes = st.integers(0, 40)


@settings(max_examples=300)
@given(
    st.integers(0, 6),
    st.lists(st.tuples(st.one_of(wishes, wishes, steps), st.integers(0, 200)), min_size=6, max_size=40),
)
def test_whatever_is_asked_quantities_and_states_hold(
    quantity: int, asked: list[tuple[OrderStep | int, int]]
) -> None:
    order, today = placed(quantity), DAY
    for wish, days_later in asked:
        today += timedelta(days_later)
        step = likely(order, today, wish) if isinstance(wish, int) else wish
        try:
            taken = take_step(order, step, today=today)
        except (InvalidOrderStep, OrderStepRefused):
            continue
        event(order.state)
        for each in taken:
            before, order = order, each.progress
            assert order.state in ORDER_TRANSITIONS[before.state] or before.state == order.state == "shipped"
            assert order.quantity == quantity == order.quantity_delivered + order.open
            assert 0 <= order.quantity_accepted <= order.quantity_delivered <= quantity
            assert order.quantity_accepted >= before.quantity_accepted
            assert before.last_on <= order.last_on <= today
        assert (order.state in {"in_warranty", "closed"}) == (order.quantity_accepted == quantity)
        assert (order.state == "closed") == (due_steps(order) == [])


def test_the_penalty_of_a_plain_delay_is_rate_times_days() -> None:
    late = late_penalty(
        quantity=1, unit_price_krw=100_000_000, due_on=DAY, changes=[(DAY + timedelta(10), 1)],
        late_day_ppm=750, late_cap_bp=3000, as_of=DAY + timedelta(99),
    )  # fmt: skip
    assert (late.days, late.unit_days, late.penalty_krw, late.is_capped) == (10, 10, 750_000, False)


def test_the_penalty_is_never_above_its_cap_and_days_of_inspection_do_not_count() -> None:
    terms = {
        "quantity": 2,
        "unit_price_krw": 1_000_001,
        "due_on": DAY,
        "late_day_ppm": 750,
        "late_cap_bp": 3000,
    }
    capped = late_penalty(changes=[], as_of=DAY + timedelta(2000), **terms)  # type: ignore[arg-type]
    assert (capped.penalty_krw, capped.is_capped) == (600_000, True)
    # Came on time, sent back nine days later, replaced on the twelfth: three days of one unit.
    changes = [(DAY, 2), (DAY + timedelta(9), -1), (DAY + timedelta(12), 1)]
    replaced = late_penalty(changes=changes, as_of=DAY + timedelta(50), **terms)  # type: ignore[arg-type]
    assert (replaced.days, replaced.unit_days, replaced.penalty_krw) == (3, 3, 2_250)


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(-5, 30), st.integers(1, 6), st.integers(0, 6)), max_size=6),
    st.integers(-5, 40),
    st.integers(0, 100_000),
    st.integers(0, 10_000),
)
def test_the_penalty_is_what_counting_every_morning_gives(
    quantity: int, moves: list[tuple[int, int, int]], until: int, ppm: int, cap_bp: int
) -> None:
    changes: list[tuple[date, int]] = []
    there = 0
    for day, units_came, units_back in sorted(moves):
        came = min(units_came, quantity - there)
        back = min(units_back, there + came)
        there += came - back
        changes += [(DAY + timedelta(day), came), (DAY + timedelta(day), -back)]
    as_of = DAY + timedelta(until)
    late = late_penalty(
        quantity=quantity, unit_price_krw=1_234_567, due_on=DAY, changes=changes,
        late_day_ppm=ppm, late_cap_bp=cap_bp, as_of=as_of,
    )  # fmt: skip
    mornings = [DAY + timedelta(n) for n in range(1, until + 1)]
    missing = [quantity - sum(n for on, n in changes if on < morning) for morning in mornings]
    assert late.unit_days == sum(missing)
    assert late.days == sum(1 for n in missing if n)
    exact = sum(missing) * 1_234_567 * ppm // 1_000_000
    assert late.penalty_krw == min(exact, quantity * 1_234_567 * cap_bp // 10_000)


@pytest.mark.parametrize(
    ("day", "months", "until"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 3, 2), 12, date(2027, 3, 2)),
        (date(2026, 3, 2), 0, date(2026, 3, 2)),
    ],
)
def test_months_go_by_the_calendar(day: date, months: int, until: date) -> None:
    assert add_months(day, months) == until


@pytest.mark.parametrize(
    "step", [Confirm(DAY), Deliver(DAY, 1), Inspect(DAY, 1, 2, "damaged", "broken"), Install(DAY), Close()]
)
def test_a_step_is_one_json_object_told_by_its_kind(step: OrderStep) -> None:
    assert msgspec.json.decode(msgspec.json.encode(step), type=OrderStep) == step
