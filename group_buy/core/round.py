"""A round of group buying: its states, its frozen terms, and when it may do what."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from catalog.core.offer import PriceTier
from group_buy.core.clearing import AllocationRule, RoundTerms

RoundState = Literal[
    "draft",
    "announced",
    "open",
    "fill_up",
    "closing",
    "cleared",
    "ordered",
    "delivered",
    "settled",
    "shortfall",
    "carried_over",
    "released",
    "canceled",
]

ROUND_TRANSITIONS: Final[dict[RoundState, frozenset[RoundState]]] = {
    "draft": frozenset({"announced", "open", "canceled"}),
    "announced": frozenset({"open", "canceled"}),
    "open": frozenset({"fill_up", "closing", "canceled"}),
    "fill_up": frozenset({"closing", "canceled"}),
    "closing": frozenset({"cleared", "shortfall"}),
    "cleared": frozenset({"ordered"}),
    "ordered": frozenset({"delivered"}),
    "delivered": frozenset({"settled"}),
    "shortfall": frozenset({"open", "carried_over", "released"}),
    "settled": frozenset(),
    "carried_over": frozenset(),
    "released": frozenset(),
    "canceled": frozenset(),
}
"""From each state to the allowed next ones; `rounds_state_is_known` in SQL lists the same states."""

PLEDGING_STATES: Final[tuple[RoundState, ...]] = ("open", "fill_up")
"""The states in which a pledge may be placed, changed or withdrawn."""

CARD_DECISION_TIME: Final = timedelta(minutes=15)
"""How long after its close a round waits for cards still being asked, even when its funding window is shorter."""


class Round(msgspec.Struct, frozen=True):
    """One round as the database holds it; money in won, `deposit_bp` in basis points, instants in UTC."""

    id: int
    code: str
    state: RoundState
    offer_id: int
    vendor_id: int
    coordinator_id: int
    title_ko: str
    title_en: str
    audience: Literal["public", "members", "invited"]
    opens_at: datetime
    closes_at: datetime
    tiers: tuple[PriceTier, ...]
    capacity: int
    pack_size: int
    list_unit_price_krw: int
    allocation_rule: AllocationRule
    deposit_bp: int
    lead_time_days: int
    terms_ko: str
    terms_en: str
    is_illustrative: bool
    may_close_early: bool
    funding_window: timedelta
    closed_at: datetime | None
    funding_due_at: datetime | None
    decided_at: datetime | None
    unit_price_krw: int | None
    quantity: int | None

    @property
    def first_tier_price_krw(self) -> int:
        """The dearest price this round can clear at, in won for a unit."""
        return self.tiers[0].unit_price_krw

    @property
    def clearing_terms(self) -> RoundTerms:
        """What `clear_round` needs of the frozen terms."""
        return RoundTerms(
            capacity=self.capacity,
            pack_size=self.pack_size,
            tiers=self.tiers,
            allocation_rule=self.allocation_rule,
        )


def takes_pledges(state: RoundState, *, closes_at: datetime, now: datetime) -> bool:
    """Whether a pledge may still come in: for showing only; the database clock decides inside the lock."""
    return state in PLEDGING_STATES and now < closes_at


def is_decided(
    *,
    undecided_cards: int,
    undecided_transfers: int,
    closed_at: datetime,
    funding_due_at: datetime,
    now: datetime,
) -> bool:
    """Whether a closing round may clear: every pledge is decided, or its time for that is over.

    Transfers wait until `funding_due_at`; cards at least CARD_DECISION_TIME, because a bank's answer may be late.
    Whatever is undecided then does not count.
    """
    transfers_done = undecided_transfers == 0 or now >= funding_due_at
    cards_done = undecided_cards == 0 or now >= max(funding_due_at, closed_at + CARD_DECISION_TIME)
    return transfers_done and cards_done
