"""Move money by card in short steps: claim in one transaction, call outside any, record in another.

The row and its random keys are committed before the provider hears of them. A call without a clear answer leaves
the charge as it was, and is asked about later; nothing is ever deleted.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from catalog.events import SYSTEM, Actor, record_event
from group_buy.core.charge import ChargeState, steps_to
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.gateway import GatewayRefused, GatewayUnavailable, HoldRequest, HoldResult, PaymentGateway
from group_buy.transactions import transaction

LEASE: Final = timedelta(seconds=60)
"""How long a claimed charge is left alone; a worker that died is replaced after it. Calls end well before."""

RETRY_DELAY_MAX: Final = timedelta(minutes=10)


class ChargeWork(msgspec.Struct, frozen=True):
    """One claimed step of one charge: ask for the hold, capture a part of it, or release it."""

    charge_id: UUID
    attempt: int
    state: ChargeState
    amount_krw: int
    capture_krw: int | None
    customer_ref: str
    method_ref: str
    create_key: UUID
    confirm_key: UUID
    finish_key: UUID
    provider_ref: str | None

    @property
    def is_too_late(self) -> bool:
        """Whether the round was decided without this hold, so that asking the bank for it serves nobody."""
        return self.state == "processing" and self.capture_krw == 0

    @property
    def hold_request(self) -> HoldRequest:
        """The attempt as the gateway wants it."""
        return HoldRequest(
            charge_id=self.charge_id,
            attempt=self.attempt,
            amount_krw=self.amount_krw,
            customer_ref=self.customer_ref,
            method_ref=self.method_ref,
            create_key=self.create_key,
            confirm_key=self.confirm_key,
        )


async def settle_one(pool: asyncpg.Pool, gateway: PaymentGateway) -> bool:
    """Take one step of one card charge that is due; return whether there was one."""
    async with transaction(pool) as conn:
        work = await claim_charge(conn)
    if work is None:
        return False
    try:
        result = await _call_gateway(pool, gateway, work)
    except GatewayRefused as error:
        result = _refused(work, error)
    except GatewayUnavailable as error:
        result = HoldResult(provider_ref="", state="processing", reason=error.reason)
    async with transaction(pool) as conn:
        if not await record_result(conn, charge_id=work.charge_id, attempt=work.attempt, result=result):
            await _put_off(conn, work, reason=result.reason or "not decided yet")
    return True


async def _call_gateway(pool: asyncpg.Pool, gateway: PaymentGateway, work: ChargeWork) -> HoldResult:
    if work.state == "authorized":
        assert work.provider_ref is not None
        if work.capture_krw:
            return await gateway.capture(
                provider_ref=work.provider_ref, amount_krw=work.capture_krw, finish_key=work.finish_key
            )
        return await gateway.release(provider_ref=work.provider_ref, finish_key=work.finish_key)
    provider_ref = work.provider_ref
    if provider_ref is None:
        provider_ref = await gateway.create_hold(work.hold_request)
        async with transaction(pool) as conn:
            await _record_provider_ref(conn, work, provider_ref)
    else:
        known = await gateway.read_hold(provider_ref=provider_ref)
        if known.state != "processing":
            return known
    if work.is_too_late:
        return await gateway.release(provider_ref=provider_ref, finish_key=work.finish_key)
    return await gateway.confirm_hold(work.hold_request, provider_ref=provider_ref)


def _refused(work: ChargeWork, error: GatewayRefused) -> HoldResult:
    """A refused creation holds nothing and has failed; a later step that is refused is left to be looked at."""
    nothing_is_held = work.state != "authorized" and work.provider_ref is None
    return HoldResult(
        provider_ref="", state="failed" if nothing_is_held else "processing", reason=error.reason
    )


async def claim_charge(conn: asyncpg.Connection) -> ChargeWork | None:
    """Lease the oldest card charge with a step to take; a due one becomes processing with fresh keys."""
    row = await conn.fetchrow(
        """
        UPDATE charges SET leased_until = clock_timestamp() + $1, tries = tries + 1
        WHERE id = (
            SELECT id FROM charges
            WHERE method = 'card' AND next_attempt_at <= clock_timestamp()
              AND (state IN ('due', 'processing') OR (state = 'authorized' AND capture_krw IS NOT NULL))
              AND (leased_until IS NULL OR leased_until < clock_timestamp())
            ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, attempt, state, capture_krw
        """,
        LEASE,
    )
    if row is None:
        return None
    if row["state"] == "due":
        await _begin_attempt(conn, row["id"], row["attempt"])
    work = await conn.fetchrow(
        """
        SELECT c.id, c.attempt, c.state, c.amount_krw, c.capture_krw, m.customer_ref, m.method_ref,
               a.create_key, a.confirm_key, a.finish_key, a.provider_ref
        FROM charges c
        JOIN payment_methods m ON m.id = c.payment_method_id
        JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
        WHERE c.id = $1
        """,
        row["id"],
    )
    assert work is not None, "a claimed charge has a card and an attempt"
    return ChargeWork(*work)


async def _begin_attempt(conn: asyncpg.Connection, charge_id: UUID, attempt: int) -> None:
    await conn.execute(
        """
        INSERT INTO charge_attempts (charge_id, attempt, create_key, confirm_key, finish_key)
        VALUES ($1, $2, $3, $4, $5)
        """,
        charge_id,
        attempt,
        uuid4(),
        uuid4(),
        uuid4(),
    )
    await conn.execute("UPDATE charges SET state = 'processing' WHERE id = $1", charge_id)
    await _record_state(conn, charge_id, attempt, "processing")


async def _record_provider_ref(conn: asyncpg.Connection, work: ChargeWork, provider_ref: str) -> None:
    await conn.execute(
        "UPDATE charge_attempts SET provider_ref = $3 WHERE charge_id = $1 AND attempt = $2",
        work.charge_id,
        work.attempt,
        provider_ref,
    )


async def _put_off(conn: asyncpg.Connection, work: ChargeWork, *, reason: str) -> None:
    """Give a charge back unchanged, to be tried again after a growing delay (2 s, 4 s … 10 min).

    Unless a webhook moved it meanwhile: then the step that is due now is another one.
    """
    await conn.execute(
        """
        UPDATE charges SET leased_until = NULL, last_error = $2,
            next_attempt_at = clock_timestamp() + least($3::interval, interval '1 second' * power(2, least(tries, 20)))
        WHERE id = $1 AND attempt = $4 AND state = $5
        """,
        work.charge_id,
        reason,
        RETRY_DELAY_MAX,
        work.attempt,
        work.state,
    )


async def record_result(
    conn: asyncpg.Connection, *, charge_id: UUID, attempt: int, result: HoldResult
) -> bool:
    """Write what the provider said of an attempt; return whether the charge moved.

    Results may come twice, late, or in any order (call, webhook, reconciling): only steps that
    CHARGE_TRANSITIONS allows are taken, and an attempt that is not the newest changes nothing.
    """
    row = await conn.fetchrow(
        "SELECT state, attempt, round_id FROM charges WHERE id = $1 FOR UPDATE", charge_id
    )
    if row is None or row["attempt"] != attempt:
        return False
    steps = () if result.state == "processing" else steps_to(result.state, state=row["state"])
    if not steps:
        return False
    await conn.execute(
        """
        UPDATE charges SET state = $2, leased_until = NULL, tries = 0, last_error = $3,
            capture_krw = CASE WHEN $2 = 'captured' THEN $4 ELSE capture_krw END,
            next_attempt_at = clock_timestamp()
        WHERE id = $1
        """,
        charge_id,
        result.state,
        result.reason,
        result.captured_krw,
    )
    for step in steps:
        await _record_state(conn, charge_id, attempt, step, reason=result.reason)
    if result.state == "authorized":
        await _release_if_too_late(conn, charge_id)
    return True


async def _release_if_too_late(conn: asyncpg.Connection, charge_id: UUID) -> None:
    """A hold that came after its round was decided wins nothing: let it go at once."""
    await conn.execute(
        """
        UPDATE charges c SET capture_krw = 0 FROM rounds r
        WHERE c.id = $1 AND r.id = c.round_id AND r.decided_at IS NOT NULL AND c.capture_krw IS NULL
        """,
        charge_id,
    )


async def _record_state(
    conn: asyncpg.Connection,
    charge_id: UUID,
    attempt: int,
    state: ChargeState,
    *,
    reason: str | None = None,
) -> None:
    await conn.execute(
        """
        INSERT INTO charge_events (charge_id, attempt, state, data) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        charge_id,
        attempt,
        state,
        {"reason": reason} if reason else {},
    )
    await record_event(
        conn,
        kind=f"charge.{state}",
        subject="charge",
        subject_id=str(charge_id),
        actor=SYSTEM,
        attempt=attempt,
        **({"reason": reason} if reason else {}),
    )


async def retry_charge(
    conn: asyncpg.Connection,
    *,
    charge_id: UUID,
    actor: Actor,
    buyer_id: int | None = None,
    round_id: int | None = None,
) -> None:
    """Try a failed card charge again, as a new attempt with new keys, while its round is not decided yet.

    `buyer_id` and `round_id` restrict it to that buyer's, or that round's, charges.

    Raises:
        ChargeNotFound, ChargeStateConflict
    """
    row = await conn.fetchrow(
        """
        SELECT c.state, c.attempt, r.decided_at, r.code FROM charges c JOIN rounds r ON r.id = c.round_id
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
    if row["state"] != "failed" or row["decided_at"] is not None:
        raise ChargeStateConflict(charge_id, row["state"])
    await conn.execute(
        """
        UPDATE charges SET state = 'due', attempt = attempt + 1, tries = 0, last_error = NULL,
            leased_until = NULL, next_attempt_at = clock_timestamp()
        WHERE id = $1
        """,
        charge_id,
    )
    await _record_state(conn, charge_id, row["attempt"] + 1, "due")
    await record_event(
        conn,
        kind="charge.retried",
        subject="charge",
        subject_id=str(charge_id),
        actor=actor,
        attempt=row["attempt"] + 1,
    )


async def find_charge_by_ref(conn: asyncpg.Connection, provider_ref: str) -> tuple[UUID, int] | None:
    """Find the charge and attempt behind a provider's id, as webhooks name it."""
    row = await conn.fetchrow(
        "SELECT charge_id, attempt FROM charge_attempts WHERE provider_ref = $1", provider_ref
    )
    return None if row is None else (row["charge_id"], row["attempt"])
