"""Rounds whose time has come: announced ones open, open ones begin to fill up."""

import asyncpg

from catalog.events import SYSTEM, record_event
from group_buy.rounds import ROUND_LOCK


async def open_due_rounds(conn: asyncpg.Connection, *, limit: int = 100) -> int:
    """Open announced rounds whose time has come; return how many."""
    rows = await conn.fetch(
        """
        UPDATE rounds SET state = 'open' WHERE id IN (
            SELECT id FROM rounds WHERE state = 'announced' AND opens_at <= clock_timestamp()
            ORDER BY opens_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING code
        """,
        limit,
    )
    for row in rows:
        await record_event(conn, kind="round.open", subject="round", subject_id=row["code"], actor=SYSTEM)
    return len(rows)


async def begin_due_fill_ups(conn: asyncpg.Connection, *, limit: int = 100) -> int:
    """Move open rounds into their fill-up phase when its time has come; return how many.

    Under the exclusive lock, so that a pledge is judged by the phase it was written in.
    """
    rows = await conn.fetch(
        """
        SELECT id, code FROM rounds
        WHERE state = 'open' AND fills_up_at <= clock_timestamp() AND clock_timestamp() < closes_at
        ORDER BY id LIMIT $1
        """,
        limit,
    )
    moved = 0
    for row in rows:
        await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", ROUND_LOCK, row["id"])
        if await conn.fetchval(
            "UPDATE rounds SET state = 'fill_up' WHERE id = $1 AND state = 'open' RETURNING id", row["id"]
        ):
            moved += 1
            await record_event(
                conn, kind="round.fill_up", subject="round", subject_id=row["code"], actor=SYSTEM
            )
    return moved
