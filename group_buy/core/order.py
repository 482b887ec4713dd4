"""An order from its placing to acceptance and warranty: states, quantities, days, and the penalty for late delivery.

One order for each allocation and each purchase alone. Its units are ordered = delivered + open; a unit that the
buyer rejects goes back and is open again until its replacement comes. Days are Korean days.
"""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from group_buy.errors import InvalidOrderStep, OrderStepRefused

OrderState = Literal["placed", "confirmed", "shipped", "installed", "inspected", "in_warranty", "closed"]
StepKind = Literal["confirm", "deliver", "install", "inspect", "warranty", "close"]
Inspection = Literal["accepted", "partly", "rejected"]
RejectReason = Literal["damaged", "missing_parts", "not_to_spec", "not_working", "wrong_item", "other"]

ORDER_TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    "placed": frozenset({"confirmed"}),
    "confirmed": frozenset({"shipped"}),
    "shipped": frozenset({"installed"}),
    "installed": frozenset({"shipped", "inspected"}),
    "inspected": frozenset({"shipped", "in_warranty"}),
    "in_warranty": frozenset({"closed"}),
    "closed": frozenset(),
}
"""From each state to the next ones; `orders_state_is_known` in SQL lists the same. Back to `shipped` leads what is
delivered later: the rest of a partial delivery, or the replacement of rejected units."""

PROMISE_DAYS_MAX: Final = 1095
"""A vendor promises a day at most so long after the order."""

NOTE_LETTERS_MAX: Final = 1000

LATE_DAY_PPM: Final = 750
"""지체상금률 for goods made or bought: 0.75/1000 a day (국가계약법 시행규칙 제75조 제2호), in parts per million,
because 7.5 basis points are no whole number. Private contracts may agree on another; it is frozen in each order."""

LATE_CAP_BP: Final = 3000
"""The penalty never exceeds 30 % of the price (국가계약법 시행령 제74조 제3항)."""


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="confirm"):
    """The vendor takes the order and promises the day by which all of it is delivered."""

    promised_on: date
    note: str = ""


class Deliver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="deliver"):
    """The vendor brought units to the buyer's site; the rest may follow."""

    done_on: date
    quantity: int
    note: str = ""


class Install(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="install"):
    """What was delivered stands and ran: installed and commissioned by the vendor."""

    done_on: date
    note: str = ""


class Inspect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="inspect"):
    """The buyer's word on every unit that was delivered and not yet accepted; rejected ones with a reason."""

    done_on: date
    accepted: int
    rejected: int = 0
    reason: RejectReason | None = None
    note: str = ""


class Close(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="close"):
    """Nothing is left to do: the warranty is over."""

    note: str = ""


OrderStep: TypeAlias = Confirm | Deliver | Install | Inspect | Close


class OrderProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an order is. Units; `ordered_on` None = the vendor does not have it yet. `last_on`: day of its last step.

    `quantity` 0 is an order that fell away: its pledge lapsed or left, or the purchase was canceled.
    """

    state: OrderState
    quantity: int
    ordered_on: date | None
    last_on: date
    quantity_delivered: int = 0
    quantity_accepted: int = 0
    promised_on: date | None = None
    inspection: Inspection | None = None
    warranty_months: int | None = None
    warranty_until: date | None = None

    @property
    def open(self) -> int:
        """Units that are still to come."""
        return self.quantity - self.quantity_delivered

    @property
    def waiting(self) -> int:
        """Units that are at the buyer's site and not yet accepted."""
        return self.quantity_delivered - self.quantity_accepted


class DueStep(msgspec.Struct, frozen=True):
    """A step that somebody owes an order: who (the vendor or the buyer) and from which day on."""

    kind: StepKind
    side: Literal["vendor", "buyer"]
    on: date


def due_steps(order: OrderProgress) -> list[DueStep]:
    """Which steps an order waits for; several where a part came and the rest is open. None of one that fell away."""
    if order.quantity == 0 or order.ordered_on is None:
        return []
    if order.state == "placed":
        return [DueStep("confirm", "vendor", order.ordered_on)]
    if order.state == "in_warranty":
        until = order.warranty_until if order.warranty_months else None
        return [DueStep("close", "vendor", until + timedelta(days=1) if until else order.last_on)]
    found = []
    if order.state != "closed" and order.open:
        assert order.promised_on is not None, "every confirmed order has its day"
        found.append(DueStep("deliver", "vendor", max(order.promised_on, order.ordered_on)))
    if order.state == "shipped":
        found.append(DueStep("install", "vendor", order.last_on))
    if order.state == "installed":
        found.append(DueStep("inspect", "buyer", order.last_on))
    return found


class TakenStep(msgspec.Struct, frozen=True):
    """What a step made of an order; a last acceptance also begins the warranty."""

    kind: StepKind
    done_on: date
    progress: OrderProgress


def take_step(order: OrderProgress, step: OrderStep, *, today: date) -> list[TakenStep]:
    """What a step makes of an order, in order of what happens.

    Raises:
        OrderStepRefused: the order is not where this step is taken; `reason` says why.
        InvalidOrderStep: a field is outside its limits: more than is open or was delivered, a day before the last.
    """
    if order.quantity == 0:
        raise OrderStepRefused("fell_away")
    if len(step.note) > NOTE_LETTERS_MAX:
        raise InvalidOrderStep("/note", f"at most {NOTE_LETTERS_MAX} letters")
    match step:
        case Confirm():
            return [_confirm(order, step, today)]
        case Deliver():
            return [_deliver(order, step, today)]
        case Install():
            _require_state(order, "shipped")
            _require_day(order, step.done_on, today)
            return [_taken(order, "install", "installed", step.done_on)]
        case Inspect():
            return _inspect(order, step, today)
        case Close():
            return [_close(order, today)]


def _confirm(order: OrderProgress, step: Confirm, today: date) -> TakenStep:
    _require_state(order, "placed")
    if order.ordered_on is None:
        raise OrderStepRefused("not_ordered")
    if not today <= step.promised_on <= order.ordered_on + timedelta(days=PROMISE_DAYS_MAX):
        raise InvalidOrderStep(
            "/promised_on", f"from today to {PROMISE_DAYS_MAX} days after the order of {order.ordered_on}"
        )
    return _taken(order, "confirm", "confirmed", today, promised_on=step.promised_on)


def _deliver(order: OrderProgress, step: Deliver, today: date) -> TakenStep:
    _require_state(order, "confirmed", "shipped", "installed", "inspected")
    if order.open == 0:
        raise OrderStepRefused("nothing_open")
    if not 1 <= step.quantity <= order.open:
        raise InvalidOrderStep("/quantity", f"from 1 to the {order.open} units that are open")
    _require_day(order, step.done_on, today)
    delivered = order.quantity_delivered + step.quantity
    return _taken(order, "deliver", "shipped", step.done_on, quantity_delivered=delivered)


def _inspect(order: OrderProgress, step: Inspect, today: date) -> list[TakenStep]:
    _require_state(order, "installed")
    _require_day(order, step.done_on, today)
    if not 0 <= step.accepted <= order.waiting:
        raise InvalidOrderStep("/accepted", f"from 0 to the {order.waiting} units that wait for acceptance")
    if step.rejected != order.waiting - step.accepted:
        raise InvalidOrderStep("/rejected", f"with those accepted, the {order.waiting} units that wait")
    if (step.reason is not None) != (step.rejected > 0):
        raise InvalidOrderStep("/reason", "just where units are rejected")
    accepted = order.quantity_accepted + step.accepted
    is_done = accepted == order.quantity
    word: Inspection = "accepted" if is_done else "rejected" if step.accepted == 0 else "partly"
    inspected = _taken(
        order,
        "inspect",
        "inspected",
        step.done_on,
        quantity_accepted=accepted,
        quantity_delivered=order.quantity_delivered - step.rejected,
        inspection=word,
    )
    if not is_done:
        return [inspected]
    until = add_months(step.done_on, order.warranty_months or 0)
    return [
        inspected,
        _taken(inspected.progress, "warranty", "in_warranty", step.done_on, warranty_until=until),
    ]


def _close(order: OrderProgress, today: date) -> TakenStep:
    _require_state(order, "in_warranty")
    if order.warranty_until is not None and order.warranty_months and today <= order.warranty_until:
        raise OrderStepRefused("in_warranty")
    return _taken(order, "close", "closed", today)


def _taken(
    order: OrderProgress, kind: StepKind, state: OrderState, done_on: date, **changes: object
) -> TakenStep:
    assert state in ORDER_TRANSITIONS[order.state] or order.state == state == "shipped", "checked before"
    return TakenStep(kind, done_on, msgspec.structs.replace(order, state=state, last_on=done_on, **changes))


def _require_state(order: OrderProgress, *states: OrderState) -> None:
    if order.state not in states:
        raise OrderStepRefused(f"is_{order.state}")


def _require_day(order: OrderProgress, done_on: date, today: date) -> None:
    if not order.last_on <= done_on <= today:
        raise InvalidOrderStep("/done_on", f"from the last step's day, {order.last_on}, to today")


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or that month's last (민법 제160조: periods of months go by the calendar)."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))


class LatePenalty(msgspec.Struct, frozen=True):
    """What lateness would cost: `unit_days` = Σ days that each unit was late; won, before anybody agreed to it."""

    days: int
    unit_days: int
    penalty_krw: int
    is_capped: bool


NOT_LATE: Final = LatePenalty(0, 0, 0, is_capped=False)


def late_penalty(
    *,
    quantity: int,
    unit_price_krw: int,
    due_on: date | None,
    changes: Sequence[tuple[date, int]],
    late_day_ppm: int,
    late_cap_bp: int,
    as_of: date,
) -> LatePenalty:
    """The penalty for late delivery (지체상금) of an order up to the end of `as_of`.

    `changes` are days with the units that came (positive) or were sent back at inspection (negative). A unit is late
    on each day after `due_on` on whose morning it was not there; the days of an inspection do not count (국가계약법
    시행령 제74조, 시행규칙 제75조: rate × days × price of what is late). Rounded down once, on the whole sum; never
    above the cap. The price is the supply value without VAT: damages are no supply (부가가치세법 제4조).
    """
    if due_on is None or as_of <= due_on:
        return NOT_LATE
    unit_days, days, day, is_open = 0, 0, due_on, quantity
    for changed_on, units in sorted(changes):
        if changed_on > due_on:
            upto = min(changed_on, as_of)
            unit_days += is_open * (upto - day).days
            days += (upto - day).days if is_open else 0
            day = upto
        is_open -= units
    unit_days += is_open * (as_of - day).days
    days += (as_of - day).days if is_open else 0
    penalty_krw = unit_days * unit_price_krw * late_day_ppm // 1_000_000
    cap_krw = quantity * unit_price_krw * late_cap_bp // 10_000
    return LatePenalty(days, unit_days, min(penalty_krw, cap_krw), is_capped=penalty_krw > cap_krw)
