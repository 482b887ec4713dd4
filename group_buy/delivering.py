"""After clearing: ordered, delivered (also short or over), settled."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from catalog.events import Actor
from group_buy.changing import change_allocations, lines_of_pledges
from group_buy.core.clearing import LineId
from group_buy.core.delivery import reallocate
from group_buy.core.round import Round
from group_buy.deciding import write_proof
from group_buy.errors import InvalidRound, RoundNotFound, RoundStateConflict
from group_buy.lapsing import lock_decided_round, read_decision
from group_buy.rounds import ROUND_COLUMNS, move_round, notify_buyers, pledge_of, read_round


async def order_round(conn: asyncpg.Connection, *, code: str, coordinator_id: int, actor: Actor) -> None:
    """Record that the vendor got the order.

    Raises:
        RoundNotFound
        RoundStateConflict: also while a buyer is asked about a dearer price, or about site work above the cap.
    """
    buying_round = await lock_decided_round(conn, code=code, coordinator_id=coordinator_id, state="cleared")
    if await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM price_consents WHERE round_id = $1 AND answer IS NULL)
            OR EXISTS (SELECT FROM survey_quotes q JOIN current_allocations a ON a.pledge_id = q.pledge_id
                       WHERE a.round_id = $1 AND a.quantity > 0 AND q.quote_krw > $2
                         AND q.answer IS NULL AND clock_timestamp() < q.due_at)
        """,
        buying_round.id,
        buying_round.survey_cap_krw,
    ):
        raise RoundStateConflict(code, "cleared", "ordered")
    await move_round(conn, buying_round, to="ordered", actor=actor)
    await conn.execute(
        """
        UPDATE orders SET ordered_on = (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date
        WHERE round_id = $1 AND source = 'allocation'
        """,
        buying_round.id,
    )
    await notify_buyers(conn, buying_round, kind="round.ordered")


async def record_delivery(conn: asyncpg.Connection, *, code: str, quantity: int, actor: Actor) -> int:
    """Record how many units came in all, share them by the round's rule, owe the difference; return units that go back.

    The round's coordinator or its vendor records it, once; the same quantity again changes nothing. Every order of
    the round gets what is still open of it. Where all that was ordered comes, this follows from its orders' own
    deliveries (`ordering.take_order_step`); by hand it is for less, for more, and for all at once.

    Raises:
        RoundNotFound, RoundStateConflict: not an ordered round of this organization.
        InvalidRound: a quantity below 0, above twice the round's, or that leaves an order less than it got already.
    """
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE code = $1 AND $2 IN (coordinator_id, vendor_id) FOR UPDATE",
        code,
        actor.organization_id,
    )
    if row is None:
        raise RoundNotFound(code)
    buying_round = read_round(row)
    recorded = await conn.fetchrow(
        "SELECT quantity, returned FROM deliveries WHERE round_id = $1", buying_round.id
    )
    if recorded is not None and recorded["quantity"] == quantity:
        return int(recorded["returned"])
    if buying_round.state != "ordered":
        raise RoundStateConflict(code, buying_round.state, "delivered")
    decision = await read_decision(conn, buying_round)
    if not 0 <= quantity <= 2 * decision.clearing.quantity:
        raise InvalidRound("/quantity", f"from 0 to {2 * decision.clearing.quantity}, twice what was cleared")
    gone = await _gone(conn, buying_round)
    living = [line for line in decision.lines if UUID(pledge_of(line.id)) not in gone]
    delivery = reallocate(decision.terms, living, decision.clearing, quantity)
    await _require_what_came(conn, buying_round, delivery.allocations)
    await write_proof(
        conn,
        buying_round,
        decision.terms,
        decision.lines,
        kind="delivery",
        outcome={
            "outcome": "delivered",
            "unit_price_krw": decision.clearing.unit_price_krw,
            "quantity": quantity - delivery.units_returned,
            "allocations": delivery.allocations,
        },
    )
    await conn.execute(
        "INSERT INTO deliveries (round_id, quantity, returned, recorded_by) VALUES ($1, $2, $3, $4)",
        buying_round.id,
        quantity,
        delivery.units_returned,
        actor.person_id,
    )
    await change_allocations(
        conn,
        buying_round,
        delivery.allocations,
        unit_price_krw=decision.clearing.unit_price_krw,
        reason="delivery",
        person_id=actor.person_id,
    )
    await conn.execute(
        "SELECT deliver_orders($1, (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date, $2, $3)",
        buying_round.id,
        actor.person_id,
        actor.organization_id,
    )
    await move_round(
        conn,
        buying_round,
        to="delivered",
        actor=actor,
        delivered=str(quantity),
        ordered=str(decision.clearing.quantity),
    )
    await notify_buyers(conn, buying_round, kind="round.delivered")
    return delivery.units_returned


async def _require_what_came(
    conn: asyncpg.Connection, buying_round: Round, allocations: Mapping[LineId, int]
) -> None:
    """Raise InvalidRound where an order would keep fewer units than were delivered to it already."""
    units = {pledge_id: sum(served.values()) for pledge_id, served in lines_of_pledges(allocations).items()}
    rows = await conn.fetch(
        """
        SELECT a.pledge_id, o.number, o.quantity_delivered FROM orders o JOIN allocations a ON a.id = o.id
        WHERE o.round_id = $1 AND o.quantity_delivered > 0
        """,
        buying_round.id,
    )
    for row in rows:
        if units.get(row["pledge_id"], 0) < row["quantity_delivered"]:
            raise InvalidRound(
                "/quantity",
                f"enough for the {row['quantity_delivered']} units that order {row['number']} got already",
            )


async def _gone(conn: asyncpg.Connection, buying_round: Round) -> set[UUID]:
    rows = await conn.fetch(
        """
        SELECT pledge_id FROM current_allocations WHERE round_id = $1 AND quantity = 0 AND change_no > 0
        UNION SELECT pledge_id FROM price_consents WHERE round_id = $1 AND answer = 'no'
        UNION SELECT n.fell_from_id FROM pledges n JOIN pledges p ON p.id = n.fell_from_id WHERE p.round_id = $1
        """,
        buying_round.id,
    )
    return {row["pledge_id"] for row in rows}


async def settle_round(conn: asyncpg.Connection, *, code: str, coordinator_id: int, actor: Actor) -> None:
    """Record that every charge of a delivered round is final. Raises RoundNotFound, RoundStateConflict."""
    buying_round = await lock_decided_round(conn, code=code, coordinator_id=coordinator_id, state="delivered")
    if await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM charges WHERE round_id = $1
                       AND (state IN ('due', 'processing', 'action_required', 'authorized')
                            OR (state = 'failed' AND (purpose <> 'deposit' OR capture_krw > 0))))
        """,
        buying_round.id,
    ):
        raise RoundStateConflict(code, "delivered", "settled")
    await move_round(conn, buying_round, to="settled", actor=actor)
