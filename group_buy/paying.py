"""A buyer pays by card on session: a balance of their choice, or what was declined while they were away.

The browser confirms the provider's payment with the provider's script; card numbers never reach us. What the
browser says of the outcome is not believed: the provider is asked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.changing import balance_out
from group_buy.core.charge import CARD_HOLD_KRW_MIN, ChargePurpose, split_evenly_krw
from group_buy.errors import CardNotPossible, ChargeNotFound, ChargeStateConflict
from group_buy.gateway import GatewayUnavailable, HoldRequest, HoldResult, PaymentGateway
from group_buy.receiving import capture_transfer
from group_buy.reconciling import is_reconciled
from group_buy.recording import record_result, record_state
from group_buy.transactions import transaction

LEASE: Final = timedelta(seconds=60)
"""So long the workers leave a payment alone whose page is being made."""


BOOKS_NOT_COMPARED: Final = "books_not_compared"
"""Why nothing can be paid for some seconds in a new market, or after a restore."""


class Payment(msgspec.Struct, frozen=True):
    """One payment as its buyer sees it. may_pay: it waits for the buyer; `method_ref`: the saved card, if any."""

    charge_id: UUID
    purpose: ChargePurpose
    amount_krw: int
    state: str
    reason: str | None
    attempt: int
    pay_until: datetime | None
    title_ko: str
    title_en: str
    round_code: str
    method_ref: str | None
    card_brand: str | None
    card_last4: str | None
    provider_ref: str | None
    create_key: UUID | None
    may_pay: bool
    may_move: bool

    @property
    def wants_owner_only(self) -> bool:
        """Whether the saved card is good and its bank only wants its owner to be there."""
        return self.reason == "authentication_required" and self.method_ref is not None


FIND_PAYMENT: Final = """
    SELECT c.id, c.purpose, coalesce(a.amount_krw, nullif(c.capture_krw, 0), c.amount_krw), c.state, c.last_error,
           c.attempt, c.grace_until, r.title_ko, r.title_en, r.code, m.method_ref, m.card_brand, m.card_last4,
           a.provider_ref, a.create_key,
           (c.purpose = 'balance' AND c.capture_krw IS NULL AND (
               c.state IN ('due', 'failed', 'action_required') OR (c.state = 'processing' AND a.is_on_session)))
           OR (c.purpose = 'deposit' AND c.state IN ('failed', 'action_required')
               AND (c.capture_krw > 0 OR (c.capture_krw IS NULL AND r.state = 'closing'))),
           c.purpose = 'balance' AND c.capture_krw IS NULL AND c.state IN ('due', 'failed', 'action_required')
    FROM charges c JOIN rounds r ON r.id = c.round_id
    LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
    LEFT JOIN payment_methods m ON m.id = c.payment_method_id
    WHERE c.id = $1 AND c.buyer_id = $2 AND c.method = 'card' AND c.purpose <> 'refund'
"""


async def get_payment(conn: asyncpg.Connection, *, charge_id: UUID, buyer_id: int) -> Payment:
    """Read a card payment of this buyer. Raises ChargeNotFound."""
    row = await conn.fetchrow(FIND_PAYMENT, charge_id, buyer_id)
    if row is None:
        raise ChargeNotFound(charge_id)
    return Payment(*row)


async def begin_payment(
    pool: asyncpg.Pool, gateway: PaymentGateway, *, charge_id: UUID, buyer_id: int
) -> tuple[Payment, str]:
    """Make a charge payable in the buyer's browser; return it with the one-time secret for the provider's script.

    The provider's object of the newest attempt is used again, so that there are never two that could be paid.

    Raises:
        ChargeNotFound: not a card payment of this buyer.
        ChargeStateConflict: it does not wait for the buyer (any more).
        GatewayUnavailable: the provider does not answer, or the books were not compared yet; nothing was lost.
    """
    async with transaction(pool) as conn:
        payment = await _take_over(conn, charge_id, buyer_id)
    provider_ref = payment.provider_ref
    if provider_ref is None:
        assert payment.create_key is not None, "the attempt was written above"
        provider_ref = await gateway.create_hold(
            HoldRequest(
                charge_id=charge_id,
                attempt=payment.attempt,
                amount_krw=payment.amount_krw,
                customer_ref=None,
                method_ref=None,
                create_key=payment.create_key,
                confirm_key=payment.create_key,
                is_hold=payment.purpose == "deposit",
            )
        )
        async with transaction(pool) as conn:
            await conn.execute(
                "UPDATE charge_attempts SET provider_ref = $3 WHERE charge_id = $1 AND attempt = $2",
                charge_id,
                payment.attempt,
                provider_ref,
            )
    secret = await gateway.read_hold_secret(provider_ref=provider_ref)
    async with transaction(pool) as conn:
        waiting = HoldResult(provider_ref=provider_ref, state="action_required", reason=payment.reason)
        if payment.state == "processing":
            await record_result(conn, charge_id=charge_id, attempt=payment.attempt, result=waiting)
        payment = await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)
    return payment, secret


async def _take_over(conn: asyncpg.Connection, charge_id: UUID, buyer_id: int) -> Payment:
    """Stop asking by ourselves: from now on the buyer confirms the newest attempt, or a new one."""
    await conn.execute("SELECT FROM charges WHERE id = $1 AND buyer_id = $2 FOR UPDATE", charge_id, buyer_id)
    payment = await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)
    if not payment.may_pay:
        raise ChargeStateConflict(charge_id, payment.state)
    if not await is_reconciled(conn):
        raise GatewayUnavailable(BOOKS_NOT_COMPARED)
    attempt, state = payment.attempt, payment.state
    if payment.provider_ref is None and state != "processing":
        attempt += state == "failed"
        await conn.execute(
            """
            INSERT INTO charge_attempts (charge_id, attempt, create_key, confirm_key, finish_key, amount_krw, is_on_session)
            VALUES ($1, $2, $3, $4, $5, $6, true)
            """,
            charge_id,
            attempt,
            uuid4(),
            uuid4(),
            uuid4(),
            payment.amount_krw,
        )
        if state == "failed":
            await record_state(conn, charge_id, attempt, "due")
        await record_state(conn, charge_id, attempt, "processing")
        state = "processing"
    elif state == "failed":
        state = "action_required"
        await record_state(conn, charge_id, attempt, "action_required")
    await conn.execute(
        """
        WITH taken AS (UPDATE charge_attempts SET is_on_session = true WHERE charge_id = $1 AND attempt = $2)
        UPDATE charges SET state = $3, attempt = $2, retry_at = NULL, leased_until = clock_timestamp() + $4 WHERE id = $1
        """,
        charge_id,
        attempt,
        state,
        LEASE,
    )
    return await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)


async def finish_payment(
    pool: asyncpg.Pool, gateway: PaymentGateway, *, charge_id: UUID, buyer_id: int
) -> str:
    """Ask the provider how a payment ended, write it down, and return the charge's state.

    Raises:
        ChargeNotFound, GatewayUnavailable
    """
    async with transaction(pool) as conn:
        payment = await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)
    if payment.provider_ref is None:
        return payment.state
    result = await gateway.read_hold(provider_ref=payment.provider_ref)
    async with transaction(pool) as conn:
        await record_result(conn, charge_id=charge_id, attempt=payment.attempt, result=result)
        return (await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)).state


async def choose_card(
    conn: asyncpg.Connection, *, charge_id: UUID, buyer_id: int, actor: Actor
) -> Sequence[UUID]:
    """Pay a balance by card instead of by transfer; return the charges to pay, one or more.

    More than one charge can carry is split evenly. Of one that was paid in part, only the rest is asked of a card.

    Raises:
        ChargeNotFound: not a balance by transfer of this buyer.
        ChargeStateConflict: it is paid, or being paid.
        CardNotPossible: below what a card can be charged.
    """
    await conn.execute(
        "SELECT FROM rounds WHERE id = (SELECT round_id FROM charges WHERE id = $1) FOR UPDATE", charge_id
    )
    row = await conn.fetchrow(
        """
        SELECT state, amount_krw, attempt, allocation_id,
               (SELECT coalesce(sum(amount_krw), 0)::bigint FROM receipts e
                WHERE e.charge_id = c.id AND e.kind = 'balance') AS received_krw
        FROM charges c
        WHERE id = $1 AND buyer_id = $2 AND purpose = 'balance' AND method = 'transfer' FOR UPDATE
        """,
        charge_id,
        buyer_id,
    )
    if row is None:
        raise ChargeNotFound(charge_id)
    if row["state"] != "due":
        raise ChargeStateConflict(charge_id, row["state"])
    open_krw = row["amount_krw"] - row["received_krw"]
    if open_krw < CARD_HOLD_KRW_MIN:
        raise CardNotPossible(f"a card is charged at least {CARD_HOLD_KRW_MIN} won: pay by transfer")
    attempt = row["attempt"]
    if row["received_krw"]:
        charge_id = await _split_off_part(conn, charge_id, row["allocation_id"], row["received_krw"], actor)
        attempt = 1
    parts = split_evenly_krw(open_krw)
    chosen = [charge_id]
    if len(parts) == 1:
        await conn.execute("UPDATE charges SET method = 'card' WHERE id = $1", charge_id)
    else:
        await conn.execute("UPDATE charges SET state = 'released' WHERE id = $1", charge_id)
        await record_state(conn, charge_id, attempt, "released", reason="split")
        rows = await conn.fetch(
            """
            WITH parts AS (
                INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method, amount_krw, entry_no)
                SELECT gen_random_uuid(), round_id, pledge_id, allocation_id, buyer_id, 'balance', 'card', part.krw,
                       part.n + (SELECT max(entry_no) FROM charges b
                                 WHERE b.pledge_id = c.pledge_id AND b.purpose = 'balance')
                FROM charges c, unnest($2::bigint[]) WITH ORDINALITY AS part (krw, n)
                WHERE c.id = $1
                RETURNING id, entry_no
            ), told AS (
                INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM parts
            )
            SELECT id FROM parts ORDER BY entry_no
            """,
            charge_id,
            parts,
        )
        chosen = [part["id"] for part in rows]
    await record_event(
        conn,
        kind="charge.by_card",
        subject="charge",
        subject_id=str(charge_id),
        actor=actor,
        parts=len(parts),
    )
    return chosen


async def _split_off_part(
    conn: asyncpg.Connection, charge_id: UUID, allocation_id: UUID, received_krw: int, actor: Actor
) -> UUID:
    """Let what came by bank be all of its balance, and owe the rest anew: no card is asked for it twice."""
    await capture_transfer(conn, charge_id=charge_id, capture_krw=received_krw, actor=actor)
    await balance_out(conn, allocation_id)
    rest_id: UUID = await conn.fetchval(
        """
        SELECT id FROM charges WHERE allocation_id = $1 AND purpose = 'balance' AND state = 'due' AND method = 'transfer'
        ORDER BY entry_no DESC LIMIT 1
        """,
        allocation_id,
    )
    return rest_id


async def choose_transfer(conn: asyncpg.Connection, *, charge_id: UUID, buyer_id: int, actor: Actor) -> None:
    """Pay a balance by transfer after all; what the provider holds of it is canceled.

    Should the card have paid at that moment, what is owed by transfer becomes less again.

    Raises:
        ChargeNotFound, ChargeStateConflict
    """
    await conn.execute(
        "SELECT FROM rounds WHERE id = (SELECT round_id FROM charges WHERE id = $1) FOR UPDATE", charge_id
    )
    await conn.execute("SELECT FROM charges WHERE id = $1 AND buyer_id = $2 FOR UPDATE", charge_id, buyer_id)
    payment = await get_payment(conn, charge_id=charge_id, buyer_id=buyer_id)
    if not payment.may_move:
        raise ChargeStateConflict(charge_id, payment.state)
    if payment.state == "due":
        await conn.execute("UPDATE charges SET method = 'transfer' WHERE id = $1", charge_id)
    else:
        if payment.state == "failed":
            await record_state(conn, charge_id, payment.attempt, "action_required", reason="to_be_canceled")
        allocation_id = await conn.fetchval(
            """
            UPDATE charges SET capture_krw = 0, state = 'action_required', retry_at = NULL, grace_until = NULL,
                leased_until = NULL, next_attempt_at = clock_timestamp()
            WHERE id = $1 RETURNING allocation_id
            """,
            charge_id,
        )
        await balance_out(conn, allocation_id)
    await record_event(
        conn, kind="charge.by_transfer", subject="charge", subject_id=str(charge_id), actor=actor
    )
