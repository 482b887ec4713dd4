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
from group_buy.rounds import pledge_of

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
    forfeited_krw = await _forfeit(conn, row["id"]) if reason == "lapsed" else 0
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
    await _balance_out(conn, buying_round, row, owed_krw=total_krw + row["forfeited_krw"] + forfeited_krw)


async def _forfeit(conn: asyncpg.Connection, allocation_id: UUID) -> int:
    """Let go of a hold that could not be taken, and return the won of deposits that were."""
    await conn.execute(
        """
        UPDATE charges SET capture_krw = 0, allocation_id = NULL, next_attempt_at = clock_timestamp()
        WHERE allocation_id = $1 AND purpose = 'deposit' AND state = 'authorized'
        """,
        allocation_id,
    )
    taken: int = await conn.fetchval(
        """
        SELECT coalesce(sum(capture_krw), 0)::bigint FROM charges
        WHERE allocation_id = $1 AND purpose = 'deposit' AND state = 'captured'
        """,
        allocation_id,
    )
    return taken


async def _balance_out(
    conn: asyncpg.Connection, buying_round: Round, row: asyncpg.Record, *, owed_krw: int
) -> None:
    """Make deposits + balances - refunds of an allocation what is owed now, to the won."""
    sums = await conn.fetchrow(
        """
        SELECT coalesce(sum(CASE WHEN purpose = 'deposit' OR purpose = 'balance' AND state = 'captured' THEN capture_krw
                                 WHEN purpose = 'balance' THEN amount_krw ELSE -amount_krw END), 0)::bigint AS entered_krw,
               coalesce(sum(amount_krw) FILTER (WHERE purpose = 'balance' AND state = 'due'), 0)::bigint AS due_krw
        FROM charges WHERE allocation_id = $1 AND state <> 'released'
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
        await insert_transfers(conn, buying_round, purpose="refund", owed=[(*who, -missing_krw)])


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
