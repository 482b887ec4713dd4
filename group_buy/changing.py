"""Change what pledges were allocated, with the money that follows: negative entries beside the old, nothing rewritten."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import asyncpg

from catalog.core.money import vat_krw
from catalog.events import SYSTEM
from group_buy.allocating import AllocatedPledge, insert_transfers, write_allocations
from group_buy.core.clearing import LineId
from group_buy.core.round import Round
from group_buy.receiving import capture_transfer
from group_buy.refunding import owe_refund
from group_buy.rounds import ROUND_COLUMNS, pledge_of, read_round
from group_buy.sponsor_parts import follow_bill, read_sponsored_krw

ChangeReason = Literal["lapsed", "reclearing", "delivery", "survey_exit"]


def lines_of_pledges(allocations: Mapping[LineId, int]) -> dict[UUID, dict[int, int]]:
    """Units of lines ("<pledge id>:<line number>") by pledge and line number; lines without units are left out."""
    found: defaultdict[UUID, dict[int, int]] = defaultdict(dict)
    for line_id, quantity in allocations.items():
        if quantity:
            found[UUID(pledge_of(line_id))][int(str(line_id).rpartition(":")[2])] = quantity
    return dict(found)


async def change_allocations(
    conn: asyncpg.Connection,
    buying_round: Round,
    allocations: Mapping[LineId, int],
    *,
    unit_price_krw: int,
    reason: ChangeReason,
    person_id: int | None,
    only: frozenset[UUID] | None = None,
) -> None:
    """Bring a round's `allocations` (units by line, absent = 0) about at one price, or only those of some pledges.

    A pledge without an allocation gets one. Lapsed deposits that were taken are forfeited; every other won above
    what is owed now goes back: first off a balance that is due, then as a refund. Sets the round's quantity.
    """
    lines = lines_of_pledges(allocations)
    units = {pledge_id: sum(served.values()) for pledge_id, served in lines.items()}
    rows = await conn.fetch(
        "SELECT * FROM current_allocations WHERE round_id = $1 ORDER BY id", buying_round.id
    )
    for row in rows:
        if only is not None and row["pledge_id"] not in only:
            continue
        quantity = units.get(row["pledge_id"], 0)
        if (quantity, unit_price_krw) != (row["quantity"], row["unit_price_krw"]) and (
            quantity or row["quantity"]
        ):
            await _change(conn, buying_round, row, quantity, unit_price_krw, reason, person_id)
    known = {row["pledge_id"] for row in rows}
    newcomers = {pledge_id: served for pledge_id, served in lines.items() if pledge_id not in known}
    if newcomers and only is None:
        await _admit(conn, buying_round, newcomers, unit_price_krw)
    await conn.execute(
        """
        UPDATE rounds SET quantity = (SELECT coalesce(sum(quantity), 0) FROM current_allocations WHERE round_id = $1)
        WHERE id = $1
        """,
        buying_round.id,
    )


async def _change(
    conn: asyncpg.Connection,
    buying_round: Round,
    row: asyncpg.Record,
    quantity: int,
    unit_price_krw: int,
    reason: ChangeReason,
    person_id: int | None,
) -> None:
    if quantity == 0:
        await withdraw_cards(conn, row["id"])
    forfeited_krw = await _taken_deposits(conn, row["id"]) if reason == "lapsed" else 0
    supply_krw = quantity * unit_price_krw
    total_krw = supply_krw + vat_krw(supply_krw)
    await conn.execute(
        """
        INSERT INTO allocation_changes (allocation_id, change_no, reason, quantity, unit_price_krw,
                                        supply_krw, vat_krw, total_krw, forfeited_krw, person_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        row["id"],
        row["change_no"] + 1,
        reason,
        quantity,
        unit_price_krw,
        supply_krw,
        total_krw - supply_krw,
        total_krw,
        forfeited_krw,
        person_id,
    )
    sponsored_krw = await follow_bill(conn, buying_round, allocation=row, total_krw=total_krw)
    owed_krw = total_krw + row["forfeited_krw"] + forfeited_krw - sponsored_krw
    await _balance_out(conn, buying_round, row, owed_krw=owed_krw)


async def withdraw_cards(conn: asyncpg.Connection, allocation_id: UUID) -> None:
    """Let go of everything by card that was not taken yet: the worker cancels what the provider has of it.

    A payment that the provider takes at this very moment goes back: see `recording.record_result`.
    """
    await conn.execute(
        """
        WITH withdrawn AS (
            UPDATE charges SET capture_krw = 0, retry_at = NULL, grace_until = NULL, next_attempt_at = clock_timestamp(),
                allocation_id = CASE WHEN purpose = 'balance' THEN allocation_id END,
                state = CASE state WHEN 'due' THEN 'released' WHEN 'failed' THEN 'action_required' ELSE state END
            WHERE allocation_id = $1 AND method = 'card' AND purpose <> 'refund'
              AND state IN ('due', 'failed', 'processing', 'action_required', 'authorized')
            RETURNING id, attempt, state
        ), unneeded AS (
            UPDATE charges r SET state = 'released', capture_krw = 0 FROM withdrawn w
            WHERE r.refunded_charge_id = w.id AND r.state = 'due' RETURNING r.id, r.attempt
        )
        INSERT INTO charge_events (charge_id, attempt, state)
        SELECT id, attempt, state FROM withdrawn UNION ALL SELECT id, attempt, 'released' FROM unneeded
        ON CONFLICT DO NOTHING
        """,
        allocation_id,
    )


async def _taken_deposits(conn: asyncpg.Connection, allocation_id: UUID) -> int:
    """The won of deposits that were taken, less what went back already: a lapsed pledge forfeits them."""
    taken: int = await conn.fetchval(
        """
        SELECT coalesce(sum(c.capture_krw - coalesce((SELECT sum(r.amount_krw) FROM charges r
                   WHERE r.refunded_charge_id = c.id AND r.state <> 'released'), 0)), 0)::bigint
        FROM charges c WHERE c.allocation_id = $1 AND c.purpose = 'deposit' AND c.state = 'captured'
        """,
        allocation_id,
    )
    return taken


async def balance_out(conn: asyncpg.Connection, allocation_id: UUID) -> None:
    """Make what an allocation's buyer was charged what it owes now, after a payment or a sponsor's part changed.

    Whoever calls holds the round's lock.
    """
    allocation = await conn.fetchrow("SELECT * FROM current_allocations WHERE id = $1", allocation_id)
    assert allocation is not None, "allocations are never deleted"
    row = await conn.fetchrow(f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE r.id = $1", allocation["round_id"])
    assert row is not None, "rounds are never deleted"
    sponsored_krw = await read_sponsored_krw(conn, allocation_id)
    owed_krw = allocation["total_krw"] + allocation["forfeited_krw"] - sponsored_krw
    await _balance_out(conn, read_round(row), allocation, owed_krw=owed_krw)


async def _balance_out(
    conn: asyncpg.Connection, buying_round: Round, row: asyncpg.Record, *, owed_krw: int
) -> None:
    """Make deposits + balances - refunds of an allocation what its buyer owes now, to the won."""
    sums = await conn.fetchrow(
        """
        SELECT coalesce(sum(CASE WHEN purpose = 'deposit' OR purpose = 'balance' AND state = 'captured' THEN capture_krw
                                 WHEN purpose = 'refund' THEN -amount_krw
                                 WHEN method = 'card' AND capture_krw = 0 THEN 0 ELSE amount_krw END), 0)::bigint
                   AS entered_krw,
               coalesce(sum(amount_krw) FILTER (WHERE purpose = 'balance' AND state = 'due'), 0)::bigint AS due_krw
        FROM charges WHERE allocation_id = $1 AND state <> 'released' AND sponsorship_id IS NULL
        """,
        row["id"],
    )
    assert sums is not None, "an aggregate always answers"
    missing_krw = owed_krw - sums["entered_krw"]
    if missing_krw == 0:
        return
    who = (row["pledge_id"], row["id"], row["buyer_id"])
    if missing_krw < 0 and sums["due_krw"]:
        missing_krw += sums["due_krw"] - await _keep_received(conn, row["id"])
        await conn.execute(
            """
            WITH dropped AS (
                UPDATE charges SET state = 'released'
                WHERE allocation_id = $1 AND purpose = 'balance' AND state = 'due' RETURNING id, attempt
            )
            INSERT INTO charge_events (charge_id, attempt, state) SELECT id, attempt, 'released' FROM dropped
            """,
            row["id"],
        )
    if missing_krw > 0:
        await insert_transfers(conn, buying_round, purpose="balance", owed=[(*who, missing_krw)])
    elif missing_krw < 0:
        await owe_refund(conn, buying_round, allocation=row, krw=-missing_krw)


async def _keep_received(conn: asyncpg.Connection, allocation_id: UUID) -> int:
    """Capture what came in for balances that are partly paid; return those won. The rest of them is not owed so."""
    rows = await conn.fetch(
        """
        SELECT c.id, e.krw FROM charges c
        JOIN (SELECT charge_id, sum(amount_krw)::bigint AS krw FROM receipts WHERE kind = 'balance' GROUP BY charge_id) e
             ON e.charge_id = c.id
        WHERE c.allocation_id = $1 AND c.purpose = 'balance' AND c.state = 'due' AND e.krw > 0 ORDER BY c.entry_no
        """,
        allocation_id,
    )
    for row in rows:
        await capture_transfer(conn, charge_id=row["id"], actor=SYSTEM, capture_krw=row["krw"])
    return sum(row["krw"] for row in rows)


async def _admit(
    conn: asyncpg.Connection,
    buying_round: Round,
    newcomers: Mapping[UUID, dict[int, int]],
    unit_price_krw: int,
) -> None:
    """Allocate to pledges of the waiting list, each line what it won. Their deposits went back: all is a balance."""
    rows = await conn.fetch(
        """
        UPDATE pledges SET outcome = 'allocated' WHERE id = ANY ($1) AND outcome = 'released'
        RETURNING id, buyer_id
        """,
        list(newcomers),
    )
    assert len(rows) == len(newcomers)
    pledges = [AllocatedPledge(row["id"], row["buyer_id"], newcomers[row["id"]], None, 0) for row in rows]
    await write_allocations(conn, buying_round, pledges, unit_price_krw=unit_price_krw)
