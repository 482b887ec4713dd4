"""Decide a closed round on confirmed money, at one price for all, and keep the whole input as its proof."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec

from catalog.events import SYSTEM, record_event
from group_buy.allocating import RECEIVED, AllocatedPledge, settle_outcomes, write_allocations
from group_buy.core.charge import CARD_HOLD_KRW_MIN
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms, Shortfall, clear_round
from group_buy.core.proof import canonical_input, input_sha256
from group_buy.core.round import Round, is_decided
from group_buy.rounds import ROUND_COLUMNS, load_lines, notify_buyers, pledge_of, read_round
from group_buy.shortfall import end_short
from group_buy.substituting import fall_through

ClearingKind = Literal["clearing", "reclearing", "delivery"]

PLACED_PLEDGES = """
    SELECT p.id, p.buyer_id, p.funding, v.version FROM pledges p
    JOIN LATERAL (SELECT version, state FROM pledge_versions
                  WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON v.state = 'placed'
    WHERE p.round_id = $1
"""
NEWEST_HOLD = """
    LATERAL (SELECT id, state, capture_krw FROM charges
             WHERE pledge_id = pledge.id AND purpose = 'deposit' ORDER BY entry_no DESC LIMIT 1)
"""


async def clear_if_decided(conn: asyncpg.Connection, *, code: str) -> bool:
    """Clear a closing round once every pledge is decided or its time is up; return whether it was decided now.

    One transaction writes the round's price, the allocations, what each pledge owes, the proof and the events. A
    round of a family waits for those before it, whose pledges may still fall through to it.
    """
    row = await conn.fetchrow(
        f"""
        SELECT {ROUND_COLUMNS} FROM rounds r
        WHERE code = $1 AND state = 'closing' AND NOT EXISTS (
            SELECT FROM rounds f WHERE f.family = r.family AND f.family_position < r.family_position
              AND f.state IN ('draft', 'announced', 'open', 'fill_up', 'closing'))
        FOR UPDATE SKIP LOCKED
        """,
        code,
    )
    if row is None:
        return False
    buying_round = read_round(row)
    assert buying_round.closed_at is not None
    assert buying_round.funding_due_at is not None
    cards, transfers, now = await _count_undecided(conn, buying_round)
    if not is_decided(
        undecided_cards=cards,
        undecided_transfers=transfers,
        closed_at=buying_round.closed_at,
        funding_due_at=buying_round.funding_due_at,
        now=now,
    ):
        return False
    confirmed = await confirmed_pledges(conn, buying_round)
    lines = await load_lines(conn, round_id=buying_round.id)
    counted = [line for line in lines if pledge_of(line.id) in confirmed]
    terms, outcome = _clear(buying_round, counted)
    await write_proof(conn, buying_round, terms, counted, kind="clearing", outcome=_shown(outcome))
    if isinstance(outcome, Shortfall):
        await end_short(conn, buying_round)
    else:
        await _write_clearing(conn, buying_round, outcome, confirmed)
    await notify_buyers(conn, buying_round, kind="round.decided")
    await fall_through(conn, buying_round)
    return True


def _clear(buying_round: Round, counted: Sequence[PledgeLine]) -> tuple[RoundTerms, Clearing | Shortfall]:
    """Clear by the round's tiers; where the first is missed and the policy says so, by its lower minimum."""
    terms = buying_round.clearing_terms
    outcome = clear_round(terms, counted)
    if isinstance(outcome, Shortfall) and buying_round.fallback_terms is not None:
        terms = buying_round.fallback_terms
        outcome = clear_round(terms, counted)
    return terms, outcome


def _shown(outcome: Clearing | Shortfall) -> dict[str, Any]:
    if isinstance(outcome, Shortfall):
        return {"outcome": "shortfall", "unit_price_krw": None, "quantity": 0, "allocations": {}}
    return {
        "outcome": "cleared",
        "unit_price_krw": outcome.unit_price_krw,
        "quantity": outcome.quantity,
        "allocations": outcome.allocations,
    }


async def write_proof(
    conn: asyncpg.Connection,
    buying_round: Round,
    terms: RoundTerms,
    lines: Sequence[PledgeLine],
    *,
    kind: ClearingKind,
    outcome: dict[str, Any],
    steps: Sequence[Any] = (),
    pool_krw: int = 0,
) -> int:
    """Keep the input of a decision with its digest; return the decision's number within the round, from 1."""
    text = canonical_input(terms, lines)
    number: int = await conn.fetchval(
        """
        INSERT INTO clearings (round_id, clearing_no, kind, input, input_sha256, outcome, steps, pool_krw)
        SELECT $1, 1 + coalesce(max(clearing_no), 0), $2, $3, $4, $5, $6, $7 FROM clearings WHERE round_id = $1
        RETURNING clearing_no
        """,
        buying_round.id,
        kind,
        text.decode(),
        input_sha256(text),
        outcome,
        msgspec.to_builtins(steps),
        pool_krw,
    )
    return number


async def _count_undecided(conn: asyncpg.Connection, buying_round: Round) -> tuple[int, int, datetime]:
    """Count cards whose bank has not answered, and pledges that their buyers may still secure; and the time.

    A declined card is of the second kind: it may be tried again, or paid on the pay page, until the transfers' time ends.
    """
    row = await conn.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE pledge.funding = 'card' AND c.state IN ('due', 'processing')),
               count(*) FILTER (WHERE (pledge.funding = 'transfer' AND f.pledge_id IS NULL)
                                   OR (pledge.funding = 'card' AND c.state IN ('failed', 'action_required'))),
               clock_timestamp()
        FROM ({PLACED_PLEDGES}) pledge
        LEFT JOIN {NEWEST_HOLD} c ON pledge.funding = 'card'
        LEFT JOIN pledge_fundings f ON f.pledge_id = pledge.id AND f.version = pledge.version
        """,
        buying_round.id,
    )
    assert row is not None, "an aggregate always answers"
    return row[0], row[1], row[2]


async def confirmed_pledges(conn: asyncpg.Connection, buying_round: Round) -> dict[str, AllocatedPledge]:
    """Find the pledges whose money is confirmed: an authorized hold, or a verified funding.

    All that came for a confirmed pledge is its deposit, less what was taken back because it was another's.

    After a restore a hold may turn out to be captured already, by a decision that was lost; it counts as it is.
    Where a card's whole deposit is below what a card can be charged, a saved card is enough.
    """
    rows = await conn.fetch(
        f"""
        SELECT pledge.id, pledge.buyer_id, CASE WHEN c.state IN ('authorized', 'captured') THEN c.id END AS hold_charge_id,
               CASE WHEN c.state = 'captured' THEN c.capture_krw END AS captured_krw,
               CASE WHEN f.pledge_id IS NULL THEN 0
                    ELSE coalesce(received.krw, 0) - coalesce(returned.krw, 0) END AS received_krw
        FROM ({PLACED_PLEDGES}) pledge
        LEFT JOIN {NEWEST_HOLD} c ON pledge.funding = 'card'
        LEFT JOIN pledge_fundings f ON f.pledge_id = pledge.id AND f.version = pledge.version
        LEFT JOIN ({RECEIVED}) received ON received.pledge_id = pledge.id
        LEFT JOIN (SELECT pledge_id, sum(amount_krw)::bigint AS krw FROM charges
                   WHERE round_id = $1 AND purpose = 'refund' GROUP BY pledge_id) returned ON returned.pledge_id = pledge.id
        WHERE c.state IN ('authorized', 'captured') OR f.pledge_id IS NOT NULL
           OR (pledge.funding = 'card' AND c.id IS NULL
               AND $2::bigint * (SELECT sum(l.quantity_max * $3::bigint) FROM pledge_lines l
                         WHERE l.pledge_id = pledge.id AND l.version = pledge.version) / 10000 < $4
               AND EXISTS (SELECT FROM payment_methods m WHERE m.pledge_id = pledge.id AND m.state = 'ready'))
        ORDER BY pledge.id
        """,
        buying_round.id,
        buying_round.deposit_bp,
        buying_round.first_tier_price_krw,
        CARD_HOLD_KRW_MIN,
    )
    return {
        str(row["id"]): AllocatedPledge(
            pledge_id=row["id"],
            buyer_id=row["buyer_id"],
            lines={},
            hold_charge_id=row["hold_charge_id"],
            received_krw=row["received_krw"],
            captured_krw=row["captured_krw"],
        )
        for row in rows
    }


async def _write_clearing(
    conn: asyncpg.Connection, buying_round: Round, clearing: Clearing, confirmed: dict[str, AllocatedPledge]
) -> None:
    await conn.execute(
        """
        UPDATE rounds SET state = 'cleared', decided_at = clock_timestamp(), unit_price_krw = $2, quantity = $3
        WHERE id = $1 AND state = 'closing'
        """,
        buying_round.id,
        clearing.unit_price_krw,
        clearing.quantity,
    )
    for line_id, quantity in clearing.allocations.items():
        pledge_id, _, line_no = str(line_id).partition(":")
        confirmed[pledge_id].lines[int(line_no)] = quantity
    served = [pledge for pledge in confirmed.values() if pledge.lines]
    assert sum(pledge.quantity for pledge in served) == clearing.quantity
    await write_allocations(conn, buying_round, served, unit_price_krw=clearing.unit_price_krw)
    await settle_outcomes(conn, buying_round)
    await record_event(
        conn,
        kind="round.cleared",
        subject="round",
        subject_id=buying_round.code,
        actor=SYSTEM,
        unit_price_krw=clearing.unit_price_krw,
        quantity=clearing.quantity,
        pledges=len(served),
    )
