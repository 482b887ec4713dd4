"""The steps of an order: confirmed, delivered, installed, inspected, closed, each dated, owned, and taken once."""

from typing import Final
from uuid import UUID, uuid5

import asyncpg

from catalog.events import Actor, record_event
from group_buy.core.order import (
    Close,
    Confirm,
    Deliver,
    Inspect,
    OrderProgress,
    OrderStep,
    TakenStep,
    take_step,
)
from group_buy.delivering import record_delivery
from group_buy.errors import IdReused, OrderNotFound
from group_buy.single_purchasing import confirm_single

PROGRESS: Final = """
    SELECT state, quantity, ordered_on, quantity_delivered,
           coalesce(last_on, ordered_on, (placed_at AT TIME ZONE 'Asia/Seoul')::date) AS last_on,
           quantity_accepted, promised_on, inspection, warranty_months, warranty_until
    FROM orders WHERE id = $1 FOR UPDATE
"""


async def take_order_step(
    conn: asyncpg.Connection, *, number: str, step_id: UUID, step: OrderStep, actor: Actor
) -> None:
    """Take a step of an order, under an id that the client made: the same twice is one step.

    The vendor confirms, delivers and installs; the buyer inspects; each of both and the coordinator closes. The last
    delivery of a round's last open order makes the round delivered (`delivering.record_delivery`).

    Raises:
        OrderNotFound: no such order, or the step is not this organization's to take.
        OrderStepRefused, InvalidOrderStep: see `core.order.take_step`; nothing changes.
        SinglePurchaseConflict: the purchase alone was canceled meanwhile.
        IdReused: the id exists with other content.
    """
    order = await conn.fetchrow(
        """
        SELECT o.id, o.source, o.round_id, r.code FROM orders o JOIN rounds r ON r.id = o.round_id
        WHERE o.number = $1 AND ($2 = o.vendor_id AND $3 <> 'inspect' OR $2 = o.buyer_id AND $3 IN ('inspect', 'close')
                                 OR $2 = o.coordinator_id AND $3 = 'close')
        FOR UPDATE OF r
        """,
        number,
        actor.organization_id,
        _kind(step),
    )
    if order is None:
        raise OrderNotFound(number)
    if await _was_taken(conn, order["id"], step_id, step):
        return
    if isinstance(step, Confirm) and order["source"] == "single_purchase":
        await confirm_single(conn, purchase_id=order["id"], actor=actor)
    row = await conn.fetchrow(PROGRESS, order["id"])
    assert row is not None, "orders are never deleted"
    today = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    for taken in take_step(OrderProgress(**dict(row)), step, today=today):
        await _write(conn, order["id"], step_id, step, taken, actor)
        await record_event(
            conn,
            kind=f"order.{taken.kind}",
            subject="order",
            subject_id=number,
            actor=actor,
            round=order["code"],
            state=taken.progress.state,
            delivered=taken.progress.quantity_delivered,
            accepted=taken.progress.quantity_accepted,
        )
    await tell_order(conn, order["id"], f"order.{_kind(step)}", actor)
    if isinstance(step, Deliver) and order["source"] == "allocation":
        await _deliver_round(conn, order["round_id"], order["code"], actor)


def _kind(step: OrderStep) -> str:
    return type(step).__name__.lower()


async def _was_taken(conn: asyncpg.Connection, order_id: UUID, step_id: UUID, step: OrderStep) -> bool:
    """Whether this very step was taken before. Raises IdReused for another one of this id."""
    row = await conn.fetchrow(
        """
        SELECT order_id, kind, done_on, promised_on, quantity, quantity_accepted, quantity_rejected, reason, note
        FROM order_steps WHERE id = $1
        """,
        step_id,
    )
    if row is None:
        return False
    done_on = row["done_on"] if isinstance(step, Confirm | Close) else step.done_on
    if tuple(row) != (order_id, _kind(step), done_on, *_content(step)):
        raise IdReused(step_id)
    return True


def _content(step: OrderStep) -> tuple[object, ...]:
    """What a step says beside its day: promised_on, quantity, accepted, rejected, reason, note."""
    inspected = (step.accepted, step.rejected, step.reason) if isinstance(step, Inspect) else (None,) * 3
    return (
        step.promised_on if isinstance(step, Confirm) else None,
        step.quantity if isinstance(step, Deliver) else None,
        *inspected,
        step.note,
    )


async def _write(
    conn: asyncpg.Connection, order_id: UUID, step_id: UUID, step: OrderStep, taken: TakenStep, actor: Actor
) -> None:
    is_own = taken.kind == _kind(step)
    progress = taken.progress
    await conn.execute(
        """
        INSERT INTO order_steps (id, order_id, step_no, kind, done_on, promised_on, quantity, quantity_accepted,
                                 quantity_rejected, reason, note, person_id, organization_id)
        SELECT $1, $2, 1 + count(*), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM order_steps WHERE order_id = $2
        """,
        step_id if is_own else uuid5(step_id, taken.kind),
        order_id,
        taken.kind,
        taken.done_on,
        *(_content(step) if is_own else (None, None, None, None, None, "")),
        actor.person_id,
        actor.organization_id,
    )
    await conn.execute(
        """
        UPDATE orders SET state = $2, quantity_delivered = $3, quantity_accepted = $4, promised_on = $5, last_on = $6,
                          inspection = $7, warranty_until = $8
        WHERE id = $1
        """,
        order_id,
        progress.state,
        progress.quantity_delivered,
        progress.quantity_accepted,
        progress.promised_on,
        progress.last_on,
        progress.inspection,
        progress.warranty_until,
    )


async def _deliver_round(conn: asyncpg.Connection, round_id: int, code: str, actor: Actor) -> None:
    """The round is delivered once nothing is open of any of its orders; what was rejected must have come again."""
    quantity = await conn.fetchval(
        """
        SELECT r.quantity FROM rounds r WHERE r.id = $1 AND r.state = 'ordered' AND NOT EXISTS (
            SELECT FROM orders o WHERE o.round_id = r.id AND o.source = 'allocation' AND o.quantity_delivered < o.quantity)
        """,
        round_id,
    )
    if quantity is not None:
        await record_delivery(conn, code=code, quantity=quantity, actor=actor)


async def tell_order(conn: asyncpg.Connection, order_id: UUID, kind: str, actor: Actor) -> None:
    """Tell the other two of buyer, vendor and coordinator."""
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT told, $2, jsonb_build_object('number', o.number, 'path', '/orders/' || o.number)
        FROM orders o, unnest(ARRAY[o.buyer_id, o.vendor_id, o.coordinator_id]) AS told
        WHERE o.id = $1 AND told IS DISTINCT FROM $3
        """,
        order_id,
        kind,
        actor.organization_id,
    )
