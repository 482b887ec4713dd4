"""After a decline: ask again by policy, or when told to; and when the grace period is over, go on without the money."""

from uuid import UUID

import asyncpg

from catalog.events import SYSTEM, Actor, record_event
from group_buy.changing import balance_out, withdraw_cards
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.lapsing import lapse_pledges
from group_buy.recording import record_state


async def retry_charge(
    conn: asyncpg.Connection,
    *,
    charge_id: UUID,
    actor: Actor,
    buyer_id: int | None = None,
    round_id: int | None = None,
) -> None:
    """Try a failed card charge again, as a new attempt with new keys, while its money is still needed.

    `buyer_id` and `round_id` restrict it to that buyer's, or that round's, charges. A balance, and a hold that its
    buyer is paying on the pay page, is tried again there.

    Raises:
        ChargeNotFound, ChargeStateConflict
    """
    row = await conn.fetchrow(
        """
        SELECT c.state, c.attempt, coalesce(a.is_on_session, false) AS is_on_session,
               c.purpose = 'refund' OR (c.purpose = 'deposit' AND (
                   c.capture_krw > 0 OR (c.capture_krw IS NULL AND r.decided_at IS NULL))) AS is_needed
        FROM charges c JOIN rounds r ON r.id = c.round_id
        LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
        WHERE c.id = $1 AND c.method = 'card' AND ($2::bigint IS NULL OR c.buyer_id = $2)
          AND ($3::bigint IS NULL OR c.round_id = $3)
        FOR UPDATE OF c
        """,
        charge_id,
        buyer_id,
        round_id,
    )
    if row is None:
        raise ChargeNotFound(charge_id)
    if row["state"] != "failed" or not row["is_needed"] or row["is_on_session"]:
        raise ChargeStateConflict(charge_id, row["state"])
    await _make_due(conn, charge_id, row["attempt"] + 1)
    await record_event(
        conn,
        kind="charge.retried",
        subject="charge",
        subject_id=str(charge_id),
        actor=actor,
        attempt=row["attempt"] + 1,
    )


async def _make_due(conn: asyncpg.Connection, charge_id: UUID, attempt: int) -> None:
    await conn.execute(
        """
        UPDATE charges SET state = 'due', attempt = $2, tries = 0, last_error = NULL, retry_at = NULL,
            leased_until = NULL, next_attempt_at = clock_timestamp()
        WHERE id = $1
        """,
        charge_id,
        attempt,
    )
    await record_state(conn, charge_id, attempt, "due")


async def retry_due_charges(conn: asyncpg.Connection, *, limit: int = 20) -> int:
    """Begin the scheduled attempts whose time has come and whose money is still needed; return how many."""
    rows = await conn.fetch(
        """
        UPDATE charges SET retry_at = NULL WHERE id IN (
            SELECT id FROM charges WHERE retry_at <= clock_timestamp() AND state = 'failed'
            ORDER BY retry_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        limit,
    )
    begun = 0
    for row in rows:
        try:
            await retry_charge(conn, charge_id=row["id"], actor=SYSTEM)
        except ChargeStateConflict:
            continue  # decided meanwhile, or its buyer is paying it
        begun += 1
    return begun


async def end_one_grace(conn: asyncpg.Connection) -> bool:
    """Go on without the money of one charge whose grace period is over; return whether there was one.

    A deposit of a cleared round: the pledge lapses, and the round is decided again by the promise-preserving rule.
    Where the order went out already, its deposit is added to the balance. A balance is owed by transfer again. In a
    round that is still closing the round's own deadline decides.
    """
    found = await conn.fetchrow(
        """
        SELECT id, round_id FROM charges
        WHERE grace_until <= clock_timestamp() AND state IN ('failed', 'action_required') ORDER BY grace_until LIMIT 1
        """
    )
    if found is None:
        return False
    # The round before the charge, as everybody else locks them.
    buying_round = await conn.fetchrow(
        "SELECT code, state FROM rounds WHERE id = $1 FOR UPDATE", found["round_id"]
    )
    charge = await conn.fetchrow(
        """
        UPDATE charges SET grace_until = NULL, retry_at = NULL
        WHERE id = $1 AND grace_until <= clock_timestamp() AND state IN ('failed', 'action_required')
        RETURNING id, pledge_id, allocation_id, capture_krw, purpose
        """,
        found["id"],
    )
    assert buying_round is not None, "rounds are never deleted"
    if charge is None or charge["allocation_id"] is None:
        return True
    await record_event(
        conn, kind="charge.given_up", subject="charge", subject_id=str(charge["id"]), actor=SYSTEM
    )
    is_served = await conn.fetchval(
        "SELECT quantity > 0 FROM current_allocations WHERE id = $1", charge["allocation_id"]
    )
    if charge["purpose"] == "deposit" and buying_round["state"] == "cleared" and is_served:
        await lapse_pledges(
            conn,
            code=buying_round["code"],
            pledge_ids=frozenset({charge["pledge_id"]}),
            actor=SYSTEM,
            coordinator_id=None,
        )
    else:
        await withdraw_cards(conn, charge["allocation_id"])
        await balance_out(conn, charge["allocation_id"])
    return True
