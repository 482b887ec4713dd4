"""Give money back the way it came: to the card that paid, as far as it paid, and the rest by transfer.

A refund by card is a row that names its payment (`refunded_charge_id`); settling asks the provider for it.
"""

from uuid import UUID

import asyncpg

from catalog.events import Actor, record_event
from group_buy.allocating import insert_transfers
from group_buy.core.round import Round
from group_buy.errors import ChargeNotFound, ChargeStateConflict


async def owe_refund(
    conn: asyncpg.Connection, buying_round: Round, *, allocation: asyncpg.Record, krw: int
) -> None:
    """Write what an allocation's buyer gets back (`krw` >= 1), never above what each card was charged.

    `allocation` is a row of current_allocations. A payment that is still being captured is waited for. Whoever
    calls holds the round's lock, so that two refunds of one payment are not written at once.
    """
    rows = await conn.fetch(
        """
        SELECT c.id, c.capture_krw - coalesce((SELECT sum(r.amount_krw) FROM charges r
                                               WHERE r.refunded_charge_id = c.id AND r.state <> 'released'), 0)::bigint
                   AS left_krw
        FROM charges c
        WHERE c.allocation_id = $1 AND c.method = 'card' AND c.purpose <> 'refund'
          AND (c.state = 'captured' OR (c.state = 'authorized' AND c.capture_krw > 0))
        ORDER BY c.purpose, c.entry_no
        """,
        allocation["id"],
    )
    left_krw = krw
    for row in rows:
        part_krw = min(row["left_krw"], left_krw)
        if part_krw:
            await _insert_card_refund(conn, row["id"], part_krw)
            left_krw -= part_krw
    if left_krw:
        owed = (allocation["pledge_id"], allocation["id"], allocation["buyer_id"], left_krw)
        await insert_transfers(conn, buying_round, purpose="refund", owed=[owed])


async def owe_refund_of(conn: asyncpg.Connection, charge_id: UUID) -> None:
    """Give a whole captured card charge back, which nobody owed any more when it was taken."""
    krw = await conn.fetchval(
        """
        SELECT capture_krw - coalesce((SELECT sum(r.amount_krw) FROM charges r
                                       WHERE r.refunded_charge_id = c.id AND r.state <> 'released'), 0)::bigint
        FROM charges c WHERE id = $1
        """,
        charge_id,
    )
    if krw:
        await _insert_card_refund(conn, charge_id, krw)


async def _insert_card_refund(conn: asyncpg.Connection, charge_id: UUID, krw: int) -> None:
    await conn.execute(
        """
        WITH due AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method,
                                 amount_krw, entry_no, refunded_charge_id)
            SELECT gen_random_uuid(), round_id, pledge_id, allocation_id, buyer_id, 'refund', 'card', $2,
                   1 + coalesce((SELECT max(entry_no) FROM charges r
                                 WHERE r.pledge_id = c.pledge_id AND r.purpose = 'refund'), 0), c.id
            FROM charges c WHERE id = $1
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM due
        """,
        charge_id,
        krw,
    )


async def refund_by_transfer(
    conn: asyncpg.Connection, *, charge_id: UUID, coordinator_id: int, actor: Actor
) -> None:
    """Pay a refund by transfer that its card did not take, e.g. because the card's account was closed.

    Never by itself: a refund may also have failed because somebody gave the money back at the provider by hand.

    Raises:
        ChargeNotFound: no refund by card of this id in a round of this coordinator.
        ChargeStateConflict: it has not failed.
    """
    row = await conn.fetchrow(
        """
        SELECT c.state, c.attempt, c.amount_krw FROM charges c JOIN rounds r ON r.id = c.round_id
        WHERE c.id = $1 AND c.purpose = 'refund' AND c.method = 'card' AND r.coordinator_id = $2 FOR UPDATE OF c
        """,
        charge_id,
        coordinator_id,
    )
    if row is None:
        raise ChargeNotFound(charge_id)
    if row["state"] != "failed":
        raise ChargeStateConflict(charge_id, row["state"])
    await conn.execute(
        """
        WITH moved AS (
            UPDATE charges SET state = 'released', capture_krw = 0 WHERE id = $1 RETURNING *
        ), due AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method, amount_krw, entry_no)
            SELECT gen_random_uuid(), round_id, pledge_id, allocation_id, buyer_id, 'refund', 'transfer', amount_krw,
                   1 + (SELECT max(entry_no) FROM charges r WHERE r.pledge_id = m.pledge_id AND r.purpose = 'refund')
            FROM moved m
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state)
        SELECT id, 1, 'due' FROM due UNION ALL SELECT id, attempt, 'released' FROM moved
        """,
        charge_id,
    )
    await record_event(
        conn,
        kind="charge.moved_to_transfer",
        subject="charge",
        subject_id=str(charge_id),
        actor=actor,
        amount_krw=row["amount_krw"],
    )
