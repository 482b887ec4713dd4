"""A round of group buying: its states, its frozen terms, and when it may do what."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from catalog.core.money import ROUND_KRW_MAX
from catalog.core.offer import PriceTier
from group_buy.core.clearing import AllocationRule, RoundTerms
from group_buy.errors import InvalidRound

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
    "cleared": frozenset({"ordered", "released"}),
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


Custody = Literal["direct", "operator"]
ShortfallPolicy = Literal["extend", "carry", "release", "lower_tier"]

SINGLE_PRICE_TIME: Final = timedelta(days=7)
"""So long after a shortfall the price for one alone stays on offer to the round's buyers."""


class RoundPolicies(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is fixed before a round opens, beside the offer's terms.

    A missed threshold: "extend" once by `extension_days`; "carry" the commitments into a new round; "release"
    everybody; "lower_tier": the vendor sells at the first tier's price from `fallback_quantity_min` units.
    From `fills_up_at`, and in the last `withdrawal_lock_hours`, a pledge may only help. `delivery_tolerance` =
    units that the vendor may deliver below a tier's minimum. Rounds of a `family` clear in order of
    `family_position`. `survey_cap_krw` = won of site work above which a buyer leaves free of charge.
    """

    shortfall_policy: ShortfallPolicy = "release"
    extension_days: int = 0
    fallback_quantity_min: int | None = None
    fills_up_at: datetime | None = None
    withdrawal_lock_hours: int = 0
    delivery_tolerance: int = 0
    family: str | None = None
    family_position: int | None = None
    survey_cap_krw: int | None = None


class SettlementTerms(msgspec.Struct, frozen=True):
    """Who holds what buyers pay by transfer, and what the coordinator keeps of it (basis points of the supply value).

    "direct": buyers pay the vendor. "operator": buyers pay the coordinator, who pays the vendor out after delivery;
    that needs a licence to hold money for others (전자금융거래법). Both are the market's settings, frozen into a round.
    """

    custody: Custody = "direct"
    commission_bp: int = 0


def require_valid_policies(
    policies: RoundPolicies, *, terms: RoundTerms, opens_at: datetime, closes_at: datetime
) -> None:
    """Raise InvalidRound, with the field and the rule it breaks."""
    wanted_days = range(1, 91) if policies.shortfall_policy == "extend" else range(1)
    if policies.extension_days not in wanted_days:
        raise InvalidRound("/policies/extension_days", "1 to 90 with the policy extend, else 0")
    fallback = policies.fallback_quantity_min
    if (policies.shortfall_policy == "lower_tier") != (fallback is not None):
        raise InvalidRound("/policies/fallback_quantity_min", "just with the policy lower_tier")
    if fallback is not None and not 1 <= fallback < terms.tiers[0].quantity_min:
        raise InvalidRound("/policies/fallback_quantity_min", "from 1 to below the first tier's minimum")
    if policies.fills_up_at is not None and not opens_at < policies.fills_up_at < closes_at:
        raise InvalidRound("/policies/fills_up_at", "between the opening and the deadline")
    if not 0 <= policies.withdrawal_lock_hours <= 24 * 90:
        raise InvalidRound("/policies/withdrawal_lock_hours", "0 to 2160 hours")
    if not 0 <= policies.delivery_tolerance < terms.tiers[0].quantity_min:
        raise InvalidRound("/policies/delivery_tolerance", "from 0 to below the first tier's minimum")
    if (policies.family is None) != (policies.family_position is None):
        raise InvalidRound("/policies/family_position", "a family and a place in it come together")
    if policies.family_position is not None and not 1 <= policies.family_position <= 1000:
        raise InvalidRound("/policies/family_position", "from 1 to 1000")
    if policies.survey_cap_krw is not None and not 0 <= policies.survey_cap_krw <= ROUND_KRW_MAX:
        raise InvalidRound("/policies/survey_cap_krw", "won, at least 0")


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
    shortfall_policy: ShortfallPolicy
    extension_days: int
    fallback_quantity_min: int | None
    fills_up_at: datetime | None
    withdrawal_lock: timedelta
    delivery_tolerance: int
    family: str | None
    family_position: int | None
    survey_cap_krw: int | None
    extended_at: datetime | None
    single_price_until: datetime | None
    custody: Custody
    commission_bp: int

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

    @property
    def fallback_terms(self) -> RoundTerms | None:
        """The terms that count where the first tier was missed: its price from fewer units. None = no such policy."""
        if self.fallback_quantity_min is None:
            return None
        fallback = PriceTier(self.fallback_quantity_min, self.tiers[0].unit_price_krw)
        return msgspec.structs.replace(self.clearing_terms, tiers=(fallback, *self.tiers[1:]))


def may_only_help(
    state: RoundState, *, closes_at: datetime, withdrawal_lock: timedelta, now: datetime
) -> bool:
    """Whether pledges may be widened but not narrowed now: for showing only, as `takes_pledges`."""
    return state == "fill_up" or now >= closes_at - withdrawal_lock


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
