"""After clearing: ordered, delivered (also short or over), settled. And the way out when site work costs too much."""

from uuid import UUID

import asyncpg

from catalog.events import Actor, record_event
from group_buy.changing import change_allocations
from group_buy.core.delivery import reallocate
from group_buy.core.round import Round
from group_buy.deciding import write_proof
from group_buy.errors import InvalidRound, PledgeNotFound, RoundStateConflict
from group_buy.lapsing import lapse_pledges, lock_decided_round, read_decision, units_of_pledges
from group_buy.rounds import move_round, notify_buyers


async def order_round(conn: asyncpg.Connection, *, code: str, coordinator_id: int, actor: Actor) -> None:
    """Record that the vendor got the order. Raises RoundNotFound; RoundStateConflict also while consent is asked."""
    buying_round = await lock_decided_round(conn, code=code, coordinator_id=coordinator_id, state="cleared")
    if await conn.fetchval(
        "SELECT EXISTS (SELECT FROM price_consents WHERE round_id = $1 AND answer IS NULL)", buying_round.id
    ):
        raise RoundStateConflict(code, "cleared", "ordered")
    await move_round(conn, buying_round, to="ordered", actor=actor)


async def record_delivery(
    conn: asyncpg.Connection, *, code: str, coordinator_id: int, quantity: int, actor: Actor
) -> int:
    """Record how many units came, share them by the round's rule, owe the difference; return units that go back.

    Raises:
        RoundNotFound, RoundStateConflict: not an ordered round of this coordinator.
        InvalidRound: a quantity below 0, or above twice the round's.
    """
    buying_round = await lock_decided_round(conn, code=code, coordinator_id=coordinator_id, state="ordered")
    decision = await read_decision(conn, buying_round)
    if not 0 <= quantity <= 2 * decision.clearing.quantity:
        raise InvalidRound("/quantity", f"from 0 to {2 * decision.clearing.quantity}, twice what was cleared")
    gone = await _gone(conn, buying_round)
    living = [line for line in decision.lines if UUID(str(line.id).partition(":")[0]) not in gone]
    delivery = reallocate(decision.terms, living, decision.clearing, quantity)
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
        units_of_pledges(delivery.allocations),
        unit_price_krw=decision.clearing.unit_price_krw,
        reason="delivery",
        person_id=actor.person_id,
    )
    await move_round(conn, buying_round, to="delivered", actor=actor)
    await notify_buyers(conn, buying_round, kind="round.delivered")
    return delivery.units_returned


async def _gone(conn: asyncpg.Connection, buying_round: Round) -> set[UUID]:
    rows = await conn.fetch(
        """
        SELECT pledge_id FROM current_allocations WHERE round_id = $1 AND quantity = 0 AND change_no > 0
        UNION SELECT pledge_id FROM price_consents WHERE round_id = $1 AND answer = 'no'
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


async def record_survey_quote(
    conn: asyncpg.Connection, *, pledge_id: UUID, coordinator_id: int, quote_krw: int, note: str, actor: Actor
) -> None:
    """Record what the survey of a buyer's site found that site work would cost (won); the first quote stands.

    Raises:
        PledgeNotFound: no allocated pledge in a round of this coordinator that states a cap.
        InvalidRound: a quote below 0 or a note above 1000 letters.
    """
    if not 0 <= quote_krw <= 10**15 or len(note) > 1000:
        raise InvalidRound("/quote_krw", "won, at least 0, with a note of at most 1000 letters")
    row = await conn.fetchrow(
        """
        WITH target AS (
            SELECT p.id, p.buyer_id, r.code FROM pledges p JOIN rounds r ON r.id = p.round_id
            WHERE p.id = $1 AND r.coordinator_id = $2 AND p.outcome = 'allocated' AND r.survey_cap_krw IS NOT NULL
        ), quote AS (
            INSERT INTO survey_quotes (pledge_id, quote_krw, note, recorded_by) SELECT id, $3, $4, $5 FROM target
            ON CONFLICT DO NOTHING
        )
        SELECT code, buyer_id FROM target
        """,
        pledge_id,
        coordinator_id,
        quote_krw,
        note,
        actor.person_id,
    )
    if row is None:
        raise PledgeNotFound(pledge_id)
    await record_event(
        conn,
        kind="pledge.surveyed",
        subject="pledge",
        subject_id=str(pledge_id),
        actor=actor,
        round=row["code"],
    )
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, 'pledge.surveyed', $2)",
        row["buyer_id"],
        {"round": row["code"], "quote_krw": quote_krw},
    )


async def leave_after_survey(conn: asyncpg.Connection, *, pledge_id: UUID, actor: Actor) -> None:
    """Leave a cleared round free of charge, because site work was quoted above the round's cap.

    The deposit goes back in full, and the round is decided again without the pledge.

    Raises:
        PledgeNotFound: not this buyer's pledge, or its quote is not above the cap.
        RoundStateConflict: the round is ordered already.
    """
    code = await conn.fetchval(
        """
        SELECT r.code FROM pledges p JOIN rounds r ON r.id = p.round_id JOIN survey_quotes q ON q.pledge_id = p.id
        WHERE p.id = $1 AND p.buyer_id = $2 AND q.quote_krw > r.survey_cap_krw
        """,
        pledge_id,
        actor.organization_id,
    )
    if code is None:
        raise PledgeNotFound(pledge_id)
    await lapse_pledges(
        conn,
        code=code,
        pledge_ids=frozenset({pledge_id}),
        actor=actor,
        reason="survey_exit",
        coordinator_id=None,
    )
