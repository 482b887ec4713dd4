"""What one pledge would pay, now and then: at every tier it accepts, and if the round closed at this moment."""

from collections.abc import Sequence

from msgspec import Struct

from catalog.core.money import vat_krw
from group_buy.core.charge import deposit_krw
from group_buy.core.clearing import Clearing, PledgeLine, clear_round
from group_buy.core.round import Round


class Bill(Struct, frozen=True):
    """`quantity` units at one price, in won; total = supply + VAT = deposit + balance."""

    quantity: int
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    total_krw: int
    deposit_krw: int
    balance_krw: int


class Estimate(Struct, frozen=True):
    """`at_tiers` at the pledge's maximum; `if_closed_now` None = nothing would be served."""

    hold_krw_max: int
    at_tiers: tuple[Bill, ...]
    if_closed_now: Bill | None


def bill_for(buying_round: Round, *, quantity: int, unit_price_krw: int) -> Bill:
    """The money of one allocation under a round's terms."""
    supply_krw = quantity * unit_price_krw
    vat = vat_krw(supply_krw)
    deposit = deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=supply_krw)
    total_krw = supply_krw + vat
    return Bill(quantity, unit_price_krw, supply_krw, vat, total_krw, deposit, total_krw - deposit)


def estimate_pledge(
    buying_round: Round, others: Sequence[PledgeLine], wanted: Sequence[PledgeLine]
) -> Estimate:
    """Estimate a pledge of some lines beside the lines of `others`; their sequences stand behind them all."""
    dearest = buying_round.first_tier_price_krw
    limits = {line.id: min(line.limit_unit_price_krw or dearest, dearest) for line in wanted}
    outcome = clear_round(buying_round.clearing_terms, [*others, *wanted])
    units, price = 0, 0
    if isinstance(outcome, Clearing):
        units = sum(outcome.allocations.get(line.id, 0) for line in wanted)
        price = outcome.unit_price_krw
    at_tiers = [
        (sum(line.quantity_max for line in wanted if limits[line.id] >= tier.unit_price_krw), tier)
        for tier in buying_round.tiers
    ]
    return Estimate(
        hold_krw_max=deposit_krw(
            deposit_bp=buying_round.deposit_bp,
            supply_krw=sum(limits[line.id] * line.quantity_max for line in wanted),
        ),
        at_tiers=tuple(
            bill_for(buying_round, quantity=quantity, unit_price_krw=tier.unit_price_krw)
            for quantity, tier in at_tiers
            if quantity
        ),
        if_closed_now=bill_for(buying_round, quantity=units, unit_price_krw=price) if units else None,
    )
