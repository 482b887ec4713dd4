"""Payments lapse after a round cleared: decide again, keep every promise, ask before any dearer price."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import SYSTEM, Actor, record_event
from group_buy.changing import ChangeReason, change_allocations
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms
from group_buy.core.proof import read_input
from group_buy.core.reclearing import ConsentWanted, Loss, Recleared, RoundFailed, reclear
from group_buy.core.round import Round
from group_buy.deciding import write_proof
from group_buy.errors import PledgeNotFound, RoundNotFound, RoundStateConflict
from group_buy.rounds import ROUND_COLUMNS, notify_buyers, pledge_of, read_round
from group_buy.substituting import fall_through

CONSENT_TIME: Final = timedelta(hours=48)
"""So long a buyer may think about a dearer price; silence is a no, without a penalty."""


class Decision(msgspec.Struct, frozen=True):
    """The newest decision about a round's units, and the lines that the first one counted."""

    terms: RoundTerms
    lines: tuple[PledgeLine, ...]
    clearing: Clearing


async def lock_decided_round(
    conn: asyncpg.Connection, *, code: str, coordinator_id: int | None, state: str
) -> Round:
    """Lock a round in a state, of this coordinator (None = any). Raises RoundNotFound, RoundStateConflict."""
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE code = $1 AND ($2::bigint IS NULL OR coordinator_id = $2) FOR UPDATE",
        code,
        coordinator_id,
    )
    if row is None:
        raise RoundNotFound(code)
    buying_round = read_round(row)
    if buying_round.state != state:
        raise RoundStateConflict(code, buying_round.state, "changed")
    return buying_round


async def read_decision(conn: asyncpg.Connection, buying_round: Round) -> Decision:
    """Read the newest decision of a cleared round."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT input FROM clearings WHERE round_id = $1 AND kind = 'clearing' ORDER BY clearing_no DESC LIMIT 1),
               (SELECT outcome FROM clearings WHERE round_id = $1 ORDER BY clearing_no DESC LIMIT 1)
        """,
        buying_round.id,
    )
    assert row is not None, "it selects two values"
    terms, lines = read_input(row[0].encode())
    prices = [tier.unit_price_krw for tier in terms.tiers]
    outcome = row[1]
    return Decision(
        terms,
        lines,
        Clearing(
            prices.index(outcome["unit_price_krw"]),
            outcome["unit_price_krw"],
            outcome["quantity"],
            outcome["allocations"],
        ),
    )


async def lapse_pledges(
    conn: asyncpg.Connection,
    *,
    code: str,
    pledge_ids: frozenset[UUID],
    actor: Actor,
    reason: ChangeReason = "lapsed",
    coordinator_id: int | None,
) -> None:
    """Record that allocated pledges will not be paid for, and decide the round again.

    A deposit that was taken is forfeited into the round's pool; with reason "survey_exit" it goes back in full.
    A pledge that went for the same reason before is passed over, so that a repetition changes nothing.

    Raises:
        RoundNotFound, RoundStateConflict: not a cleared round of this coordinator.
        PledgeNotFound: a pledge without units in the round.
    """
    buying_round = await lock_decided_round(conn, code=code, coordinator_id=coordinator_id, state="cleared")
    rows = await conn.fetch(
        "SELECT pledge_id, quantity, reason FROM current_allocations WHERE round_id = $1", buying_round.id
    )
    pledge_ids -= {row["pledge_id"] for row in rows if row["quantity"] == 0 and row["reason"] == reason}
    for pledge_id in sorted(pledge_ids - {row["pledge_id"] for row in rows if row["quantity"]}):
        raise PledgeNotFound(pledge_id)
    if not pledge_ids:
        return
    assert buying_round.unit_price_krw is not None
    await change_allocations(
        conn,
        buying_round,
        {},
        unit_price_krw=buying_round.unit_price_krw,
        reason=reason,
        person_id=actor.person_id,
        only=pledge_ids,
    )
    for pledge_id in sorted(pledge_ids):
        await record_event(
            conn,
            kind="pledge.lapsed" if reason == "lapsed" else "pledge.left",
            subject="pledge",
            subject_id=str(pledge_id),
            actor=actor,
            round=code,
        )
    await decide_again(conn, buying_round)


async def decide_again(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Re-clear a locked, cleared round on what is left; ask for consent where only a dearer price is left."""
    decision = await read_decision(conn, buying_round)
    loss = await _read_loss(conn, buying_round, decision)
    outcome = reclear(decision.terms, decision.lines, loss)
    match outcome:
        case ConsentWanted():
            await _ask(conn, buying_round, outcome)
        case Recleared():
            await _write_recleared(conn, buying_round, decision, outcome)
        case RoundFailed():
            await _write_failed(conn, buying_round, decision, outcome)


async def _read_loss(conn: asyncpg.Connection, buying_round: Round, decision: Decision) -> Loss:
    announced = decision.clearing
    gone = {
        str(row["pledge_id"])
        for row in await conn.fetch(
            """
            SELECT pledge_id FROM current_allocations WHERE round_id = $1 AND reason IN ('lapsed', 'survey_exit')
            UNION SELECT pledge_id FROM price_consents WHERE round_id = $1 AND answer = 'no' AND unit_price_krw <= $2
            UNION SELECT n.fell_from_id FROM pledges n JOIN pledges p ON p.id = n.fell_from_id WHERE p.round_id = $1
            """,
            buying_round.id,
            announced.unit_price_krw,
        )
    }
    answers: dict[str, int] = {}
    refusals: dict[str, int] = {}
    for row in await conn.fetch(
        "SELECT pledge_id, unit_price_krw, answer FROM price_consents WHERE round_id = $1 ORDER BY unit_price_krw",
        buying_round.id,
    ):
        if row["answer"] == "yes":
            answers[str(row["pledge_id"])] = row["unit_price_krw"]
        elif row["answer"] == "no":
            refusals.setdefault(str(row["pledge_id"]), row["unit_price_krw"])
    pool_krw = await conn.fetchval(
        """
        SELECT (SELECT coalesce(sum(forfeited_krw), 0) FROM current_allocations WHERE round_id = $1)::bigint
             - (SELECT coalesce(sum(pool_krw), 0) FROM clearings WHERE round_id = $1)::bigint
        """,
        buying_round.id,
    )
    ids = {line.id: pledge_of(line.id) for line in decision.lines}
    return Loss(
        clearing=announced,
        lapsed=frozenset(i for i, pledge in ids.items() if pledge in gone),
        tolerance=buying_round.delivery_tolerance,
        pool_krw=pool_krw,
        answers={i: answers[pledge] for i, pledge in ids.items() if pledge in answers},
        refusals={i: refusals[pledge] for i, pledge in ids.items() if pledge in refusals},
    )


async def _ask(conn: asyncpg.Connection, buying_round: Round, wanted: ConsentWanted) -> None:
    asked = await conn.fetch(
        """
        WITH asked AS (
            INSERT INTO price_consents (pledge_id, unit_price_krw, round_id, due_at)
            SELECT pledge_id, $2, $1, clock_timestamp() + $4 FROM unnest($3::uuid[]) pledge_id
            ON CONFLICT DO NOTHING RETURNING pledge_id
        )
        INSERT INTO notifications (organization_id, kind, data)
        SELECT p.buyer_id, 'round.consent_wanted', jsonb_build_object(
            'round', $5::text, 'unit_price_krw', $2::bigint, 'path', '/my/pledges/' || p.id || '/consents/' || $2::bigint)
        FROM asked JOIN pledges p ON p.id = asked.pledge_id
        RETURNING id
        """,
        buying_round.id,
        wanted.unit_price_krw,
        sorted({UUID(pledge_of(line_id)) for line_id in wanted.lines_asked}),
        CONSENT_TIME,
        buying_round.code,
    )
    if asked:
        await record_event(
            conn,
            kind="round.consent_wanted",
            subject="round",
            subject_id=buying_round.code,
            actor=SYSTEM,
            unit_price_krw=wanted.unit_price_krw,
            pledges=len(asked),
            steps=msgspec.to_builtins(wanted.steps),
        )


async def _write_recleared(
    conn: asyncpg.Connection, buying_round: Round, decision: Decision, outcome: Recleared
) -> None:
    after = outcome.clearing
    await write_proof(
        conn,
        buying_round,
        decision.terms,
        decision.lines,
        kind="reclearing",
        outcome={
            "outcome": "cleared",
            "unit_price_krw": after.unit_price_krw,
            "quantity": after.quantity,
            "allocations": after.allocations,
        },
        steps=outcome.steps,
        pool_krw=outcome.pool_krw,
    )
    await conn.execute(
        "UPDATE rounds SET unit_price_krw = $2 WHERE id = $1", buying_round.id, after.unit_price_krw
    )
    await change_allocations(
        conn,
        buying_round,
        after.allocations,
        unit_price_krw=after.unit_price_krw,
        reason="reclearing",
        person_id=None,
    )
    await record_event(
        conn,
        kind="round.recleared",
        subject="round",
        subject_id=buying_round.code,
        actor=SYSTEM,
        unit_price_krw=after.unit_price_krw,
        quantity=after.quantity,
        carried_by=outcome.carried_by,
    )
    await notify_buyers(conn, buying_round, kind="round.recleared")
    await fall_through(conn, buying_round)


async def _write_failed(
    conn: asyncpg.Connection, buying_round: Round, decision: Decision, outcome: RoundFailed
) -> None:
    """No price is left: everybody who kept the word gets everything back."""
    await write_proof(
        conn,
        buying_round,
        decision.terms,
        decision.lines,
        kind="reclearing",
        outcome={"outcome": "failed", "unit_price_krw": None, "quantity": 0, "allocations": {}},
        steps=outcome.steps,
    )
    await change_allocations(
        conn,
        buying_round,
        {},
        unit_price_krw=decision.clearing.unit_price_krw,
        reason="reclearing",
        person_id=None,
    )
    await conn.execute(
        "UPDATE rounds SET state = 'released', unit_price_krw = NULL WHERE id = $1", buying_round.id
    )
    await record_event(
        conn, kind="round.released", subject="round", subject_id=buying_round.code, actor=SYSTEM
    )
    await notify_buyers(conn, buying_round, kind="round.released")
    await fall_through(conn, buying_round)
