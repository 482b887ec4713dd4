"""Move money by card in short steps: claim in one transaction, call outside any, record in another.

The row and its random keys are committed before the provider hears of them. A call without a clear answer leaves
the charge as it was, and is asked about later; nothing is ever deleted.
"""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from group_buy.core.charge import ChargePurpose, ChargeState
from group_buy.failpoints import failpoint
from group_buy.gateway import (
    GatewayRefused,
    GatewayUnavailable,
    HoldRequest,
    HoldResult,
    PaymentGateway,
    RefundRequest,
)
from group_buy.recording import record_result
from group_buy.transactions import borrowed, transaction

LEASE: Final = timedelta(seconds=60)
"""How long a claimed charge is left alone; a worker that died is replaced after it. Calls end well before."""

RETRY_DELAY_MAX: Final = timedelta(minutes=10)


class ChargeWork(msgspec.Struct, frozen=True):
    """One claimed step of one charge: ask for the hold, capture a part of it, release it, or refund."""

    charge_id: UUID
    attempt: int
    state: ChargeState
    purpose: ChargePurpose
    tries: int
    capture_krw: int | None
    customer_ref: str | None
    method_ref: str | None
    create_key: UUID
    confirm_key: UUID
    finish_key: UUID
    provider_ref: str | None
    amount_krw: int
    is_on_session: bool
    payment_ref: str | None

    @property
    def is_too_late(self) -> bool:
        """Whether nobody needs this money any more, e.g. the round was decided without this hold."""
        return self.state in {"processing", "action_required"} and self.capture_krw == 0

    @property
    def hold_request(self) -> HoldRequest:
        """The attempt as the gateway wants it; on session the buyer's browser brings the card."""
        return HoldRequest(
            charge_id=self.charge_id,
            attempt=self.attempt,
            amount_krw=self.amount_krw,
            customer_ref=None if self.is_on_session else self.customer_ref,
            method_ref=None if self.is_on_session else self.method_ref,
            create_key=self.create_key,
            confirm_key=self.confirm_key,
            is_hold=self.purpose == "deposit",
        )

    @property
    def refund_request(self) -> RefundRequest:
        """The attempt of a refund as the gateway wants it."""
        assert self.payment_ref is not None, "a refund is claimed after its payment was captured"
        return RefundRequest(self.charge_id, self.attempt, self.payment_ref, self.amount_krw, self.create_key)


async def settle_one(pool: asyncpg.Pool, gateway: PaymentGateway) -> bool:
    """Take one step of one card charge that is due; return whether there was one."""
    return await settle_batch(pool, gateway, limit=1) == 1


async def settle_batch(pool: asyncpg.Pool, gateway: PaymentGateway, *, limit: int) -> int:
    """Take one step of up to `limit` card charges that are due, beside each other; return how many there were.

    Raises:
        ExceptionGroup: what some steps failed with, after all others were taken.
    """
    async with borrowed(pool) as conn:
        claimed = await claim_charges(conn, limit=limit)
    ended = await asyncio.gather(*(_settle(pool, gateway, work) for work in claimed), return_exceptions=True)
    failures = [error for error in ended if isinstance(error, Exception)]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("charges failed", failures)
    return len(claimed)


async def _settle(pool: asyncpg.Pool, gateway: PaymentGateway, work: ChargeWork) -> None:
    step = "refund" if work.purpose == "refund" else "charge"
    failpoint(f"{step}.claimed")
    try:
        result = await _call_gateway(pool, gateway, work)
    except GatewayRefused as error:
        result = _refused(work, error)
    except GatewayUnavailable as error:
        result = HoldResult(provider_ref="", state="processing", reason=error.reason)
    async with transaction(pool) as conn:
        if not await record_result(conn, charge_id=work.charge_id, attempt=work.attempt, result=result):
            await _put_off(conn, work, reason=result.reason or "not decided yet")
        failpoint(f"{step}.recorded")
    failpoint(f"{step}.committed")


async def _call_gateway(pool: asyncpg.Pool, gateway: PaymentGateway, work: ChargeWork) -> HoldResult:
    if work.purpose == "refund":
        return await _refund(pool, gateway, work)
    if work.state == "authorized":
        assert work.provider_ref is not None
        if work.capture_krw:
            result = await gateway.capture(
                provider_ref=work.provider_ref, amount_krw=work.capture_krw, finish_key=work.finish_key
            )
        else:  # not needed, or about to end while it is still waited for: then a new attempt follows
            result = await gateway.release(provider_ref=work.provider_ref, finish_key=work.finish_key)
        failpoint("charge.confirmed")
        return result
    provider_ref = work.provider_ref
    if provider_ref is None:
        provider_ref = await gateway.create_hold(work.hold_request)
        failpoint("charge.created")
        await _record_provider_ref(pool, work, provider_ref)
        failpoint("charge.saved")
    else:
        known = await gateway.read_hold(provider_ref=provider_ref)
        may_be_paid = known.state in {"processing", "action_required", "failed"}
        if known.state != "processing" and not (work.is_too_late and may_be_paid):
            return known
    if work.is_too_late:
        return await gateway.release(provider_ref=provider_ref, finish_key=work.finish_key)
    if work.is_on_session:
        return HoldResult(provider_ref=provider_ref, state="action_required")
    result = await gateway.confirm_hold(work.hold_request, provider_ref=provider_ref)
    failpoint("charge.confirmed")
    return result


async def _refund(pool: asyncpg.Pool, gateway: PaymentGateway, work: ChargeWork) -> HoldResult:
    """Ask for a refund once: a repeated step looks for it first, because a key does not live for ever."""
    request = work.refund_request
    if work.provider_ref is not None:
        return await gateway.read_refund(provider_ref=work.provider_ref)
    result = None
    if work.tries > 1:
        result = await gateway.find_refund(
            payment_ref=request.payment_ref, charge_id=work.charge_id, attempt=work.attempt
        )
    if result is None:
        result = await gateway.refund(request)
        failpoint("refund.created")
    await _record_provider_ref(pool, work, result.provider_ref)
    failpoint("refund.saved")
    return result


def _refused(work: ChargeWork, error: GatewayRefused) -> HoldResult:
    """A refused creation moves nothing and has failed; a later step that is refused is left to be looked at."""
    nothing_moved = work.state != "authorized" and work.provider_ref is None
    return HoldResult(provider_ref="", state="failed" if nothing_moved else "processing", reason=error.reason)


async def claim_charges(conn: asyncpg.Connection, *, limit: int) -> list[ChargeWork]:
    """Lease the oldest card charges with a step to take; a due one becomes processing with fresh keys.

    One statement, so one commit. Nothing is claimed before the books were compared in this incarnation of the
    database (see `reconciling.py`), no balance before its buyer comes to pay it, and no refund before what it
    gives back was captured.
    """
    rows = await conn.fetch(
        """
        WITH picked AS (
            SELECT id, state FROM charges c
            WHERE method = 'card' AND next_attempt_at <= clock_timestamp()
              AND (state IN ('processing', 'authorized') OR (state = 'due' AND purpose <> 'balance')
                   OR (state = 'action_required' AND capture_krw = 0))
              AND (leased_until IS NULL OR leased_until < clock_timestamp())
              AND (refunded_charge_id IS NULL OR EXISTS (
                  SELECT FROM charges p WHERE p.id = c.refunded_charge_id AND p.state IN ('captured', 'refunded')))
              AND EXISTS (SELECT FROM reconciliations WHERE incarnation = database_incarnation())
            ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ), numbered AS (
            SELECT *, row_number() OVER () AS n FROM picked
        ), claimed AS (
            UPDATE charges c SET leased_until = clock_timestamp() + $1, tries = tries + 1,
                state = CASE c.state WHEN 'due' THEN 'processing' ELSE c.state END
            FROM numbered WHERE c.id = numbered.id
            RETURNING c.*, numbered.state AS before, numbered.n
        ), begun AS (
            INSERT INTO charge_attempts (charge_id, attempt, create_key, confirm_key, finish_key, amount_krw)
            SELECT c.id, c.attempt, k.create_key, k.confirm_key, k.finish_key,
                   coalesce(nullif(c.capture_krw, 0), c.amount_krw)
            FROM claimed c
            JOIN unnest($3::uuid[], $4::uuid[], $5::uuid[]) WITH ORDINALITY
                 AS k (create_key, confirm_key, finish_key, n) ON k.n = c.n
            WHERE c.before = 'due'
            RETURNING *
        ), told AS (
            INSERT INTO charge_events (charge_id, attempt, state)
            SELECT charge_id, attempt, 'processing' FROM begun ON CONFLICT DO NOTHING
        ), recorded AS (
            INSERT INTO events (kind, subject, subject_id, data)
            SELECT 'charge.processing', 'charge', charge_id::text, jsonb_build_object('attempt', attempt) FROM begun
        )
        SELECT c.id, c.attempt, c.state, c.purpose, c.tries, c.capture_krw, m.customer_ref, m.method_ref,
               a.create_key, a.confirm_key, a.finish_key, a.provider_ref, a.amount_krw, a.is_on_session,
               (SELECT p.provider_ref FROM charge_attempts p JOIN charges paid ON paid.id = p.charge_id
                WHERE p.charge_id = c.refunded_charge_id AND p.attempt = paid.attempt)
        FROM claimed c
        LEFT JOIN payment_methods m ON m.id = c.payment_method_id
        CROSS JOIN LATERAL (SELECT * FROM begun b WHERE b.charge_id = c.id UNION ALL
                            SELECT * FROM charge_attempts o WHERE o.charge_id = c.id AND o.attempt = c.attempt) a
        ORDER BY c.n
        """,
        LEASE,
        limit,
        [uuid4() for _ in range(limit)],
        [uuid4() for _ in range(limit)],
        [uuid4() for _ in range(limit)],
    )
    return [ChargeWork(*row) for row in rows]


async def _record_provider_ref(pool: asyncpg.Pool, work: ChargeWork, provider_ref: str) -> None:
    async with borrowed(pool) as conn:
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


async def find_charge_by_ref(conn: asyncpg.Connection, provider_ref: str) -> tuple[UUID, int] | None:
    """Find the charge and attempt behind a provider's id, as webhooks name it."""
    row = await conn.fetchrow(
        "SELECT charge_id, attempt FROM charge_attempts WHERE provider_ref = $1", provider_ref
    )
    return None if row is None else (row["charge_id"], row["attempt"])
