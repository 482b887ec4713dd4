"""Close a round and clear it on confirmed money, at one price for all."""

from datetime import datetime
from uuid import uuid4

import asyncpg

from catalog.events import SYSTEM, Actor, record_event
from group_buy.allocating import AllocatedPledge, settle_outcomes, write_allocation
from group_buy.core.charge import CARD_HOLD_KRW_MIN
from group_buy.core.clearing import Clearing, PledgeLine, Shortfall, clear_round
from group_buy.core.pledge import deposit_ceiling_krw
from group_buy.core.round import PLEDGING_STATES, Round, is_decided
from group_buy.errors import RoundNotFound, RoundStateConflict
from group_buy.pledging import PLEDGE_ROW, ROUND_LOCK, read_pledge
from group_buy.rounds import ROUND_COLUMNS, load_lines, move_round, read_round


async def due_rounds(conn: asyncpg.Connection) -> list[str]:
    """List codes of all rounds that are past their deadline, then of those waiting to be cleared.

    Without a limit: a round may wait for days, and must not keep another from being looked at.
    """
    rows = await conn.fetch(
        """
        SELECT code FROM rounds
        WHERE state = 'closing' OR (state = ANY ($1) AND closes_at <= clock_timestamp())
        ORDER BY state = 'closing', closes_at
        """,
        list(PLEDGING_STATES),
    )
    return [row["code"] for row in rows]


async def begin_closing(
    conn: asyncpg.Connection,
    *,
    code: str,
    actor: Actor = SYSTEM,
    coordinator_id: int | None = None,
    early: bool = False,
) -> bool:
    """Stop the pledges of a round and ask the saved cards for their holds; return whether this call did it.

    `coordinator_id` restricts it to that organization's rounds. The exclusive lock waits for pledges on their
    way in and keeps new ones out; the deadline is judged by the database's clock under the lock.
    False = not due yet, or somebody closed it before.

    Raises:
        RoundNotFound: the code is unknown, or another coordinator's.
        RoundStateConflict: an early close of a round whose frozen terms do not allow one, or that is not open.
    """
    round_id = await conn.fetchval(
        "SELECT id FROM rounds WHERE code = $1 AND ($2::bigint IS NULL OR coordinator_id = $2)",
        code,
        coordinator_id,
    )
    if round_id is None:
        raise RoundNotFound(code)
    await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", ROUND_LOCK, round_id)
    row = await conn.fetchrow(
        f"""
        UPDATE rounds AS r
        SET state = 'closing', closed_at = clock_timestamp(), funding_due_at = clock_timestamp() + funding_window
        WHERE r.id = $1 AND r.state = ANY ($2)
          AND (r.closes_at <= clock_timestamp() OR ($3 AND r.may_close_early))
        RETURNING {ROUND_COLUMNS}
        """,
        round_id,
        list(PLEDGING_STATES),
        early,
    )
    if row is None:
        if early:
            state = await conn.fetchval("SELECT state FROM rounds WHERE id = $1", round_id)
            raise RoundStateConflict(code, state, "closing")
        return False
    buying_round = read_round(row)
    await record_event(conn, kind="round.closing", subject="round", subject_id=code, actor=actor, early=early)
    await _notify_buyers(conn, buying_round, kind="round.closing")
    await _owe_holds(conn, buying_round)
    return True


async def _notify_buyers(conn: asyncpg.Connection, buying_round: Round, *, kind: str) -> None:
    """Put a message to every buyer with a pledge into the outbox."""
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT buyer_id, $2, jsonb_build_object('round', $3::text) FROM pledges WHERE round_id = $1
        """,
        buying_round.id,
        kind,
        buying_round.code,
    )


async def _owe_holds(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Insert a due hold for every card pledge with a saved card: the row exists before anybody is called."""
    rows = await conn.fetch(
        f"""
        SELECT pledge.*, m.id AS payment_method_id, m.consent_ceiling_krw
        FROM ({PLEDGE_ROW} WHERE p.round_id = $1 AND p.funding = 'card' AND v.state = 'placed') pledge
        JOIN LATERAL (SELECT id, consent_ceiling_krw FROM payment_methods
                      WHERE pledge_id = pledge.id AND state = 'ready'
                      ORDER BY ready_at DESC LIMIT 1) m ON true
        """,
        buying_round.id,
    )
    for row in rows:
        pledge = read_pledge(row)
        ceiling_krw = deposit_ceiling_krw(buying_round, pledge.lines)
        if not CARD_HOLD_KRW_MIN <= ceiling_krw <= row["consent_ceiling_krw"]:
            continue  # nothing worth holding, or more than was agreed to: see _confirmed_pledges
        charge_id = uuid4()
        await conn.execute(
            """
            INSERT INTO charges (id, round_id, pledge_id, buyer_id, purpose, method, payment_method_id, amount_krw)
            VALUES ($1, $2, $3, $4, 'deposit', 'card', $5, $6)
            """,
            charge_id,
            buying_round.id,
            pledge.id,
            pledge.buyer_id,
            row["payment_method_id"],
            ceiling_krw,
        )
        await conn.execute(
            "INSERT INTO charge_events (charge_id, attempt, state) VALUES ($1, 1, 'due')", charge_id
        )


async def clear_if_decided(conn: asyncpg.Connection, *, code: str) -> bool:
    """Clear a closing round once every pledge is decided or its time is up; return whether it was decided now.

    One transaction writes the round's price, the allocations, what each pledge owes, and the events.
    """
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE code = $1 AND state = 'closing' FOR UPDATE SKIP LOCKED",
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
    confirmed = await _confirmed_pledges(conn, buying_round)
    lines = await load_lines(conn, round_id=buying_round.id)
    counted = [line for line in lines if _pledge_of(line) in confirmed]
    outcome = clear_round(buying_round.clearing_terms, counted)
    if isinstance(outcome, Shortfall):
        await _release_round(conn, buying_round)
    else:
        await _write_clearing(conn, buying_round, outcome, confirmed)
    await _notify_buyers(conn, buying_round, kind="round.decided")
    return True


def _pledge_of(line: PledgeLine) -> str:
    return str(line.id).partition(":")[0]


async def _count_undecided(conn: asyncpg.Connection, buying_round: Round) -> tuple[int, int, datetime]:
    """Count cards still being asked and transfers not verified.

    A card whose owner would have to confirm in person is decided: nobody is there at the close.
    """
    row = await conn.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE pledge.funding = 'card' AND c.state IN ('due', 'processing')),
               count(*) FILTER (WHERE pledge.funding = 'transfer' AND f.pledge_id IS NULL),
               clock_timestamp()
        FROM ({PLEDGE_ROW} WHERE p.round_id = $1 AND v.state = 'placed') pledge
        LEFT JOIN charges c ON c.pledge_id = pledge.id AND c.purpose = 'deposit'
        LEFT JOIN pledge_fundings f ON f.pledge_id = pledge.id AND f.version = pledge.version
        """,
        buying_round.id,
    )
    assert row is not None, "an aggregate always answers"
    return row[0], row[1], row[2]


async def _confirmed_pledges(conn: asyncpg.Connection, buying_round: Round) -> dict[str, AllocatedPledge]:
    """Find the pledges whose money is confirmed: an authorized hold, or a verified funding.

    Where a card's whole deposit is below what a card can be charged, a saved card is enough.
    """
    rows = await conn.fetch(
        f"""
        SELECT pledge.id, pledge.buyer_id, c.id AS hold_charge_id, coalesce(f.received_krw, 0) AS received_krw
        FROM ({PLEDGE_ROW} WHERE p.round_id = $1 AND v.state = 'placed') pledge
        LEFT JOIN charges c ON c.pledge_id = pledge.id AND c.purpose = 'deposit' AND c.state = 'authorized'
        LEFT JOIN pledge_fundings f ON f.pledge_id = pledge.id AND f.version = pledge.version
        WHERE c.id IS NOT NULL OR f.pledge_id IS NOT NULL
           OR (pledge.funding = 'card'
               AND NOT EXISTS (SELECT FROM charges x WHERE x.pledge_id = pledge.id)
               AND $2::bigint * (SELECT sum(l.quantity_max * $3::bigint) FROM pledge_lines l
                         WHERE l.pledge_id = pledge.id AND l.version = pledge.version) / 10000 < $4
               AND EXISTS (SELECT FROM payment_methods m WHERE m.pledge_id = pledge.id AND m.state = 'ready'))
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
    served = [pledge for pledge in confirmed.values() if pledge.quantity > 0]
    assert sum(pledge.quantity for pledge in served) == clearing.quantity
    for pledge in served:
        await write_allocation(conn, buying_round, pledge, unit_price_krw=clearing.unit_price_krw)
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


async def _release_round(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Nobody pays: the round passes through shortfall to released, and every hold and deposit goes back."""
    await conn.execute(
        """
        UPDATE rounds SET state = 'released', decided_at = clock_timestamp(), quantity = 0
        WHERE id = $1 AND state = 'closing'
        """,
        buying_round.id,
    )
    for state in ("shortfall", "released"):
        await record_event(
            conn, kind=f"round.{state}", subject="round", subject_id=buying_round.code, actor=SYSTEM
        )
    await settle_outcomes(conn, buying_round)


async def cancel_round(
    conn: asyncpg.Connection, *, code: str, coordinator_id: int, reason: str, actor: Actor
) -> None:
    """Cancel a round before it closes: nobody pays, and deposits that came already are owed back.

    Raises:
        RoundNotFound: the code is unknown, or another coordinator's.
        RoundStateConflict: it is closing or further.
    """
    round_id = await conn.fetchval(
        "SELECT id FROM rounds WHERE code = $1 AND coordinator_id = $2", code, coordinator_id
    )
    if round_id is None:
        raise RoundNotFound(code)
    await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", ROUND_LOCK, round_id)
    row = await conn.fetchrow(f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE r.id = $1 FOR UPDATE", round_id)
    assert row is not None, "rounds are never deleted"
    buying_round = read_round(row)
    await move_round(conn, buying_round, to="canceled", actor=actor, reason=reason)
    await settle_outcomes(conn, buying_round)
    await _notify_buyers(conn, buying_round, kind="round.canceled")
