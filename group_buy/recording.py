"""Write down what the provider said of an attempt, and what follows from it for the charge."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from catalog.events import SYSTEM, record_event
from group_buy.changing import balance_out
from group_buy.core.charge import GRACE, HOLD_LIFE, HOLD_RENEWAL, ChargeState, retry_delay, steps_to
from group_buy.gateway import HoldResult
from group_buy.refunding import owe_refund_of

NEXT_ATTEMPT_DELAY: Final = timedelta(hours=1)
"""A hold that was lost again and again is asked for this much later each time."""


async def record_result(
    conn: asyncpg.Connection, *, charge_id: UUID, attempt: int, result: HoldResult
) -> bool:
    """Write what the provider said of an attempt; return whether the charge moved.

    Results may come twice, late, or in any order (call, webhook, reconciling): only steps that
    CHARGE_TRANSITIONS allows are taken, and an attempt that is not the newest changes nothing. A hold that ended
    before it was captured, and is still needed, is asked for again as a new attempt.
    """
    row = await _lock_charge(conn, charge_id)
    if row is None or row["attempt"] != attempt or result.state == "processing":
        return False
    if result.state == "released" and row["is_needed"]:
        await begin_again(conn, charge_id, attempt, reason=result.reason or "hold_ended")
        return True
    steps = steps_to(result.state, state=row["state"], is_hold=row["purpose"] == "deposit")
    if not steps:
        return False
    await _write(conn, row, steps, result)
    if result.state in {"failed", "action_required"} and result.reason and row["purpose"] != "refund":
        await _tell_buyer(conn, row, result)
    elif result.state == "captured" and row["purpose"] == "deposit" and row["capture_krw"] == 0:
        await owe_refund_of(conn, charge_id)  # it was withdrawn while the provider took it
    elif result.state in {"captured", "released"} and row["purpose"] == "balance":
        await balance_out(conn, row["allocation_id"])
    elif result.state == "captured" and row["purpose"] == "refund":
        await _mark_refunded(conn, charge_id)
    return True


async def _lock_charge(conn: asyncpg.Connection, charge_id: UUID) -> asyncpg.Record | None:
    """Lock a charge, and before it the round of a balance, whose other charges may have to change with it."""
    return await conn.fetchrow(
        """
        WITH first AS MATERIALIZED (
            SELECT id FROM rounds WHERE id = (SELECT round_id FROM charges WHERE id = $1 AND purpose = 'balance')
            FOR UPDATE
        )
        SELECT c.id, c.state, c.attempt, c.purpose, c.capture_krw, c.declines, c.buyer_id, c.allocation_id, r.code,
               r.decided_at IS NOT NULL AS is_decided,
               c.purpose = 'deposit' AND c.state IN ('processing', 'action_required', 'authorized')
                   AND (c.capture_krw > 0 OR (c.capture_krw IS NULL AND r.state = 'closing')) AS is_needed
        FROM charges c JOIN rounds r ON r.id = c.round_id
        WHERE c.id = $1 AND (SELECT count(*) FROM first) >= 0 FOR UPDATE OF c
        """,
        charge_id,
    )


async def _write(
    conn: asyncpg.Connection, row: asyncpg.Record, steps: Sequence[ChargeState], result: HoldResult
) -> None:
    """Set the new state with what belongs to it, and its trail, in one round trip.

    A state without declines forgets them. A hold that came after its round was decided wins nothing: it is let go at
    once. One that nobody decided about yet is looked at again before it ends.
    """
    is_declined = result.state in {"failed", "action_required"} and row["purpose"] != "refund"
    declines = row["declines"] + (result.state == "failed") if is_declined else 0
    delay = retry_delay(result.reason, declines=declines) if result.state == "failed" else None
    is_too_late = result.state == "authorized" and row["capture_krw"] is None and row["is_decided"]
    waits = result.state == "authorized" and row["capture_krw"] is None and not row["is_decided"]
    await conn.execute(
        """
        WITH written AS (
            UPDATE charges SET state = $2, leased_until = NULL, tries = 0, last_error = $3,
                capture_krw = CASE WHEN $12 THEN 0 WHEN $2 <> 'captured' THEN capture_krw
                                   WHEN purpose = 'refund' THEN amount_krw ELSE $4 END,
                declines = $5, retry_at = clock_timestamp() + $6::interval,
                grace_until = CASE WHEN $7 THEN coalesce(grace_until, clock_timestamp() + $8::interval) END,
                next_attempt_at = CASE WHEN $13 THEN coalesce($9::timestamptz, clock_timestamp() + $10::interval)
                    - $11::interval ELSE clock_timestamp() END
            WHERE id = $1
            RETURNING id, attempt
        ), dated AS (
            UPDATE charge_attempts a SET expires_at = $9 FROM written w
            WHERE $9::timestamptz IS NOT NULL AND a.charge_id = w.id AND a.attempt = w.attempt
        ), told AS (
            INSERT INTO charge_events (charge_id, attempt, state, data)
            SELECT w.id, w.attempt, step, $15 FROM written w, unnest($14::text[]) step ON CONFLICT DO NOTHING
        )
        INSERT INTO events (kind, subject, subject_id, data)
        SELECT 'charge.' || step, 'charge', w.id::text, $15::jsonb || jsonb_build_object('attempt', w.attempt)
        FROM written w, unnest($14::text[]) WITH ORDINALITY AS s (step, n) ORDER BY n
        """,
        row["id"],
        result.state,
        result.reason,
        result.captured_krw,
        declines,
        delay,
        is_declined,
        GRACE,
        result.expires_at,
        HOLD_LIFE,
        HOLD_RENEWAL,
        is_too_late,
        waits,
        list(steps),
        {"reason": result.reason} if result.reason else {},
    )


async def _mark_refunded(conn: asyncpg.Connection, refund_id: UUID) -> None:
    """A payment of which everything went back is refunded; one of which a part did stays captured."""
    row = await conn.fetchrow(
        """
        UPDATE charges p SET state = 'refunded'
        WHERE p.id = (SELECT refunded_charge_id FROM charges WHERE id = $1) AND p.state = 'captured'
          AND p.capture_krw <= (SELECT sum(r.amount_krw) FROM charges r
                                WHERE r.refunded_charge_id = p.id AND r.state = 'captured')
        RETURNING p.id, p.attempt
        """,
        refund_id,
    )
    if row is not None:
        await record_state(conn, row["id"], row["attempt"], "refunded")


async def _tell_buyer(conn: asyncpg.Connection, row: asyncpg.Record, result: HoldResult) -> None:
    """Put a message with the pay-now link into the outbox."""
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        VALUES ($1, $2, jsonb_build_object('round', $3::text, 'path', $4::text, 'reason', $5::text))
        """,
        row["buyer_id"],
        f"charge.{result.state}",
        row["code"],
        f"/my/charges/{row['id']}/pay",
        result.reason or "",
    )


async def begin_again(conn: asyncpg.Connection, charge_id: UUID, attempt: int, *, reason: str) -> None:
    """Make a new attempt due, with new keys when it is claimed: the old one ended without money."""
    await conn.execute(
        """
        UPDATE charges SET state = 'due', attempt = attempt + 1, tries = 0, last_error = $3, leased_until = NULL,
            retry_at = NULL, next_attempt_at = clock_timestamp() + (attempt - 1) * $4::interval
        WHERE id = $1 AND attempt = $2
        """,
        charge_id,
        attempt,
        reason,
        NEXT_ATTEMPT_DELAY,
    )
    await record_state(conn, charge_id, attempt, "released", reason=reason)
    await record_state(conn, charge_id, attempt + 1, "due")


async def record_state(
    conn: asyncpg.Connection,
    charge_id: UUID,
    attempt: int,
    state: ChargeState,
    *,
    reason: str | None = None,
) -> None:
    """Append a state of an attempt to the charge's trail and to the events."""
    data: dict[str, Any] = {"reason": reason} if reason else {}
    await conn.execute(
        """
        INSERT INTO charge_events (charge_id, attempt, state, data) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        charge_id,
        attempt,
        state,
        data,
    )
    await record_event(
        conn,
        kind=f"charge.{state}",
        subject="charge",
        subject_id=str(charge_id),
        actor=SYSTEM,
        attempt=attempt,
        **data,
    )
