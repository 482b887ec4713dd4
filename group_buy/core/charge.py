"""A charge: one movement of a buyer's money, and the states it may walk through."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from catalog.core.money import CHARGE_KRW_MAX, prorate_krw

ChargeState = Literal[
    "due", "processing", "action_required", "authorized", "captured", "released", "failed", "refunded"
]
ChargePurpose = Literal["deposit", "balance", "refund", "sponsored", "sponsor_refund"]
ChargeMethod = Literal["card", "transfer"]

CHARGE_TRANSITIONS: Final[dict[ChargeState, frozenset[ChargeState]]] = {
    "due": frozenset({"processing", "released"}),
    "processing": frozenset({"action_required", "authorized", "captured", "failed", "released", "due"}),
    "action_required": frozenset({"processing", "authorized", "captured", "failed", "released", "due"}),
    "authorized": frozenset({"captured", "released", "due"}),
    "failed": frozenset({"due", "action_required", "released"}),
    "captured": frozenset({"refunded"}),
    "released": frozenset(),
    "refunded": frozenset(),
}
"""From each state to the allowed next ones; `charges_state_is_known` in SQL lists the same states.

A step to `due` is a new attempt: of a decline, or of a hold that ended before it was captured.
"""

CARD_HOLD_KRW_MIN: Final = 100
"""The smallest amount a card can be charged in won (Stripe's minimum for KRW); a smaller hold is not asked."""

HOLD_LIFE: Final = timedelta(days=7)
"""How long a hold lasts where the provider does not say (Stripe, "Place a hold on a payment method")."""

HOLD_RENEWAL: Final = timedelta(hours=12)
"""So long before its end a hold that is still waited for is replaced by a new one."""

GRACE: Final = timedelta(hours=72)
"""So long after the first decline a buyer may pay after all; then the pledge lapses."""

ATTEMPTS_MAX: Final = 10
"""A hold that was lost so often is not asked for again by itself."""

RETRY_DELAYS: Final[Mapping[str, tuple[timedelta, ...]]] = {
    "card_declined": (timedelta(hours=4), timedelta(hours=24), timedelta(hours=48)),
    "processing_error": (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=24)),
    "authentication_required": (),
    "expired_card": (),
    "incorrect_number": (),
}
"""When a declined card is asked again by itself, by Stripe's error code, counted from each decline.

A bank that wants the owner, or a card that is no longer good, is not asked again: only its owner can help.
"""


def retry_delay(reason: str | None, *, declines: int) -> timedelta | None:
    """How long after the `declines`-th decline (from 1) the card is asked again; None = not by itself."""
    delays = RETRY_DELAYS.get(reason or "", ())
    return delays[declines - 1] if 1 <= declines <= len(delays) else None


def steps_to(reported: ChargeState, *, state: ChargeState, is_hold: bool = True) -> tuple[ChargeState, ...]:
    """The states that a charge in `state` walks through when its provider reports `reported`; () = old news.

    Reports come late and in any order. One of captured money also tells of the hold that was never heard of;
    one of money after a decline, that the buyer paid with another card. `is_hold` = False: taken at once.
    """
    if reported == "action_required" and state == "failed":
        return ()  # an older report: only the buyer's own page goes this way
    before: tuple[ChargeState, ...] = ()
    if state == "failed" and reported in {"authorized", "captured"}:
        before, state = ("action_required",), "action_required"
    if reported == "captured" and is_hold and state in {"processing", "action_required"}:
        return (*before, "authorized", "captured")
    return (*before, reported) if reported in CHARGE_TRANSITIONS[state] else ()


def deposit_krw(*, deposit_bp: int, supply_krw: int) -> int:
    """Return the deposit on goods worth `supply_krw` won (without VAT), rounded down to the won."""
    return deposit_bp * supply_krw // 10_000


def split_evenly_krw(amount_krw: int) -> list[int]:
    """Split an amount of won (>= 1) into as few card charges as it needs, which differ by at most one won.

    Evenly, because filling one charge after the other may leave a rest below a card's minimum.
    """
    pieces = -(-amount_krw // CHARGE_KRW_MAX)
    return prorate_krw(amount_krw, [1] * pieces)
