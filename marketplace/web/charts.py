"""Geometry of the charts that the server draws: which part of a bar is filled, decided in integers.

Pure. Templates draw the result as SVG with attributes, since the content security policy forbids inline styles.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class Tier(Protocol):
    """What is read of a price tier."""

    @property
    def quantity_min(self) -> int: ...
    @property
    def unit_price_krw(self) -> int: ...


class MeterStep(msgspec.Struct, frozen=True):
    """One price tier on the meter; every step is equally wide, so that labels never collide."""

    quantity_min: int
    unit_price_krw: int
    fill_percent: int
    """How much of the way from the tier before to this one is gathered, floored, 0..100."""
    state: Literal["reached", "next", "ahead"]
    saving_bp: int
    """Against the price for one, alone; floored."""


class TierMeter(msgspec.Struct, frozen=True):
    """Where a round stands between its price tiers."""

    steps: tuple[MeterStep, ...]
    quantity: int
    current: MeterStep | None
    """The tier that is reached now; None while the round would not clear."""
    next: MeterStep | None
    """The tier that comes next; None when the last one is reached."""
    needed: int
    """Units missing to `next`; 0 when there is none."""


def tier_meter(tiers: Sequence[Tier], quantity: int, list_unit_price_krw: int) -> TierMeter:
    """The meter of `quantity` units over `tiers` (rising in quantity, falling in price)."""
    steps: list[MeterStep] = []
    below, found_next = 0, False
    for tier in tiers:
        reached = quantity >= tier.quantity_min
        span = tier.quantity_min - below
        gathered = min(max(quantity - below, 0), span)
        saving_krw = max(list_unit_price_krw - tier.unit_price_krw, 0)
        steps.append(
            MeterStep(
                quantity_min=tier.quantity_min,
                unit_price_krw=tier.unit_price_krw,
                fill_percent=100 if reached else gathered * 100 // span,
                state="reached" if reached else ("ahead" if found_next else "next"),
                saving_bp=saving_krw * 10_000 // list_unit_price_krw if list_unit_price_krw else 0,
            )
        )
        found_next = found_next or not reached
        below = tier.quantity_min
    reached_steps = [step for step in steps if step.state == "reached"]
    next_step = next((step for step in steps if step.state == "next"), None)
    return TierMeter(
        steps=tuple(steps),
        quantity=quantity,
        current=reached_steps[-1] if reached_steps else None,
        next=next_step,
        needed=next_step.quantity_min - quantity if next_step else 0,
    )
