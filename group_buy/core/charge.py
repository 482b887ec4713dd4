"""A charge: one movement of a buyer's money, and the states it may walk through."""

from typing import Final, Literal

ChargeState = Literal[
    "due", "processing", "action_required", "authorized", "captured", "released", "failed", "refunded"
]
ChargePurpose = Literal["deposit", "balance", "refund"]
ChargeMethod = Literal["card", "transfer"]

CHARGE_TRANSITIONS: Final[dict[ChargeState, frozenset[ChargeState]]] = {
    "due": frozenset({"processing", "released"}),
    "processing": frozenset({"action_required", "authorized", "failed", "released"}),
    "action_required": frozenset({"processing", "authorized", "failed", "released"}),
    "authorized": frozenset({"captured", "released"}),
    "failed": frozenset({"due", "released"}),
    "captured": frozenset({"refunded"}),
    "released": frozenset(),
    "refunded": frozenset(),
}
"""From each state to the allowed next ones; `charges_state_is_known` in SQL lists the same states."""

CARD_HOLD_KRW_MIN: Final = 100
"""The smallest amount a card can be charged in won (Stripe's minimum for KRW); a smaller hold is not asked."""


def steps_to(reported: ChargeState, *, state: ChargeState) -> tuple[ChargeState, ...]:
    """The states that a charge in `state` walks through when its provider reports `reported`; () = old news.

    Reports come late and in any order: one of captured money also tells of the hold that was never heard of.
    """
    if reported in CHARGE_TRANSITIONS[state]:
        return (reported,)
    if reported == "captured" and "authorized" in CHARGE_TRANSITIONS[state]:
        return ("authorized", "captured")
    return ()


def deposit_krw(*, deposit_bp: int, supply_krw: int) -> int:
    """Return the deposit on goods worth `supply_krw` won (without VAT), rounded down to the won."""
    return deposit_bp * supply_krw // 10_000
