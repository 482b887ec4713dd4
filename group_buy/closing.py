"""Close a round: pledges stop, and the saved cards are asked for their holds. Or cancel it before that."""

import asyncpg

from catalog.events import SYSTEM, Actor, record_event
from group_buy.allocating import settle_outcomes
from group_buy.core.charge import CARD_HOLD_KRW_MIN
from group_buy.core.pledge import deposit_ceiling_krw
from group_buy.core.round import PLEDGING_STATES, Round
from group_buy.errors import RoundNotFound, RoundStateConflict
from group_buy.pledging import PLEDGE_ROW, read_pledge
from group_buy.rounds import ROUND_COLUMNS, ROUND_LOCK, move_round, notify_buyers, read_round


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
    await notify_buyers(conn, buying_round, kind="round.closing")
    await _owe_holds(conn, buying_round)
    return True


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
    holds = []
    for row in rows:
        pledge = read_pledge(row)
        ceiling_krw = deposit_ceiling_krw(buying_round, pledge.lines)
        if CARD_HOLD_KRW_MIN <= ceiling_krw <= row["consent_ceiling_krw"]:
            holds.append((pledge.id, pledge.buyer_id, row["payment_method_id"], ceiling_krw))
        # else nothing worth holding, or more than was agreed to: see deciding.confirmed_pledges
    await conn.execute(
        """
        WITH due AS (
            INSERT INTO charges (id, round_id, pledge_id, buyer_id, purpose, method, payment_method_id, amount_krw, entry_no)
            SELECT gen_random_uuid(), $1, pledge_id, buyer_id, 'deposit', 'card', payment_method_id, krw,
                   1 + coalesce(earlier.entry_no, 0)
            FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::bigint[])
                 AS hold (pledge_id, buyer_id, payment_method_id, krw)
            LEFT JOIN (SELECT pledge_id, max(entry_no) AS entry_no FROM charges
                       WHERE round_id = $1 AND purpose = 'deposit' GROUP BY pledge_id) earlier USING (pledge_id)
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM due
        """,
        buying_round.id,
        [hold[0] for hold in holds],
        [hold[1] for hold in holds],
        [hold[2] for hold in holds],
        [hold[3] for hold in holds],
    )


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
    await notify_buyers(conn, buying_round, kind="round.canceled")
