"""Run the same round again: cloned on its offer as it is now, with the same rules, for as long, at a later time."""

import re
from datetime import datetime, timedelta

import asyncpg

from catalog.events import Actor
from group_buy.core.round import Round, RoundPolicies, SettlementTerms
from group_buy.errors import InvalidRound
from group_buy.rounds import open_round

SCHEDULE_MAX = 24
"""Rounds that one call schedules at most."""


def policies_of(buying_round: Round, *, opens_at: datetime) -> RoundPolicies:
    """The policies of a round for its clone that opens at `opens_at`; a clone belongs to no family."""
    fills_up_at = None
    if buying_round.fills_up_at is not None:
        fills_up_at = opens_at + (buying_round.fills_up_at - buying_round.opens_at)
    return RoundPolicies(
        shortfall_policy=buying_round.shortfall_policy,
        extension_days=buying_round.extension_days,
        fallback_quantity_min=buying_round.fallback_quantity_min,
        fills_up_at=fills_up_at,
        withdrawal_lock_hours=int(buying_round.withdrawal_lock.total_seconds() // 3600),
        delivery_tolerance=buying_round.delivery_tolerance,
        survey_cap_krw=buying_round.survey_cap_krw,
    )


async def repeat_round(
    conn: asyncpg.Connection, *, buying_round: Round, opens_at: datetime, actor: Actor
) -> Round:
    """Make the next round of its kind, as long as this one. Its terms are those of the offer now, frozen anew.

    Raises:
        OfferNotFound, InvalidRound
    """
    offer_code = await conn.fetchval("SELECT code FROM offers WHERE id = $1", buying_round.offer_id)
    base = re.sub(r"-r[0-9]+$", "", buying_round.code)
    number = await conn.fetchval(
        "SELECT 2 + count(*) FROM rounds WHERE left(code, length($1) + 2) = $1 || '-r'", base
    )
    return await open_round(
        conn,
        code=f"{base}-r{number}",
        offer_code=offer_code,
        coordinator_id=buying_round.coordinator_id,
        opens_at=opens_at,
        closes_at=opens_at + (buying_round.closes_at - buying_round.opens_at),
        allocation_rule=buying_round.allocation_rule,
        deposit_bp=buying_round.deposit_bp,
        may_close_early=buying_round.may_close_early,
        funding_window=buying_round.funding_window,
        policies=policies_of(buying_round, opens_at=opens_at),
        settlement=SettlementTerms(buying_round.custody, buying_round.commission_bp),
        actor=actor,
    )


async def schedule_rounds(
    conn: asyncpg.Connection,
    *,
    buying_round: Round,
    first_opens_at: datetime,
    every_days: int,
    count: int,
    actor: Actor,
) -> list[Round]:
    """Announce `count` rounds of the same kind, one every so many days.

    Raises:
        OfferNotFound, InvalidRound
    """
    if not 1 <= count <= SCHEDULE_MAX or not 1 <= every_days <= 365:
        raise InvalidRound("/count", f"1 to {SCHEDULE_MAX} rounds, every 1 to 365 days")
    return [
        await repeat_round(
            conn,
            buying_round=buying_round,
            opens_at=first_opens_at + timedelta(days=every_days * n),
            actor=actor,
        )
        for n in range(count)
    ]
