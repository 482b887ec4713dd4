"""The loops: they open, close and clear what is due, and one broken thing stops neither the others nor the loop."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, an_offer, fund

from group_buy.closing import begin_closing, due_rounds
from group_buy.rounds import open_round
from marketplace import worker
from marketplace.accounts.sessions import open_session
from marketplace.db import connect
from marketplace.worker import advance_rounds, clean_up, loops, run_loop, running, seal_batch
from search_config.embedded_engine import EmbeddedEngine


async def states(conn: asyncpg.Connection) -> dict[str, str]:
    return dict(await conn.fetch("SELECT code, state FROM rounds ORDER BY id"))


async def end_now(conn: asyncpg.Connection, *codes: str) -> None:
    """Let the deadline of rounds pass; all of them if none is named."""
    await conn.execute(
        """
        UPDATE rounds SET opens_at = opens_at - interval '9 days', closes_at = clock_timestamp()
        WHERE $1::text[] = '{}' OR code = ANY ($1)
        """,
        list(codes),
    )


# -- rounds ------------------------------------------------------------------------------------------------------


async def test_due_rounds_are_opened_closed_and_cleared(pool: asyncpg.Pool, conn: asyncpg.Connection) -> None:
    actor = await a_coordinator(conn)
    assert actor.organization_id is not None
    offer = await an_offer(conn)
    now = await conn.fetchval("SELECT clock_timestamp()")
    await open_round(
        conn,
        code="announced",
        offer_code=offer,
        coordinator_id=actor.organization_id,
        opens_at=now + timedelta(hours=1),
        closes_at=now + timedelta(hours=2),
        allocation_rule="pro_rata",
        deposit_bp=1000,
        may_close_early=False,
        funding_window=timedelta(0),
        actor=actor,
    )
    full = await a_round(conn, "full", coordinator=actor)
    await fund(conn, await a_pledge(conn, full, "hanbit", 5))
    await a_round(conn, "empty", coordinator=actor)
    waiting = await a_round(conn, "waiting", coordinator=actor, funding_window=timedelta(days=3))
    await a_pledge(conn, waiting, "slow", 5)
    await a_round(conn, "running", coordinator=actor)
    assert await advance_rounds(pool) == 0
    await conn.execute("UPDATE rounds SET opens_at = clock_timestamp() WHERE code = 'announced'")
    await end_now(conn, "full", "empty", "waiting")
    # One opens, three close, two of them are decided at once.
    assert await advance_rounds(pool) == 6
    assert await states(conn) == {
        "announced": "open",
        "full": "cleared",
        "empty": "released",
        "waiting": "closing",
        "running": "open",
    }
    assert await advance_rounds(pool) == 0
    assert await conn.fetchval("SELECT count(*) FROM allocations") == 1


async def test_rounds_that_wait_for_money_do_not_keep_others_open(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    """Thirty wait for transfers, for days; the one whose deadline comes now closes now."""
    actor = await a_coordinator(conn)
    first = await a_round(conn, "wait-0", coordinator=actor, funding_window=timedelta(days=3))
    await a_pledge(conn, first, "slow", 5)
    for number in range(1, 30):
        await a_round(conn, f"wait-{number}", coordinator=actor, funding_window=timedelta(days=3))
    await conn.execute(
        """
        INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
        SELECT gen_random_uuid(), r.id, p.buyer_id, p.person_id, 'transfer'
        FROM rounds r, pledges p WHERE r.code <> 'wait-0'
        """
    )
    await conn.execute(
        """
        INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
        SELECT id, 1, 'placed', person_id, '' FROM pledges p
        WHERE NOT EXISTS (SELECT FROM pledge_versions v WHERE v.pledge_id = p.id)
        """
    )
    await conn.execute(
        """
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max)
        SELECT id, 1, 1, 1, 5 FROM pledges p
        WHERE NOT EXISTS (SELECT FROM pledge_lines l WHERE l.pledge_id = p.id)
        """
    )
    await end_now(conn)
    assert await advance_rounds(pool) == 30
    assert set((await states(conn)).values()) == {"closing"}
    await a_round(conn, "now", coordinator=actor)
    await end_now(conn, "now")
    assert (await due_rounds(conn))[0] == "now"
    assert await advance_rounds(pool) == 2
    assert (await states(conn))["now"] == "released"


async def test_a_round_that_fails_does_not_stop_the_others(
    pool: asyncpg.Pool, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = await a_coordinator(conn)
    for code in ("broken", "sound"):
        await a_round(conn, code, coordinator=actor)
    await end_now(conn)

    async def close_or_break(own: asyncpg.Connection, *, code: str) -> bool:
        closed = await begin_closing(own, code=code)
        if code == "broken":
            raise ZeroDivisionError
        return closed

    monkeypatch.setattr(worker, "begin_closing", close_or_break)
    with pytest.raises(ExceptionGroup) as failed:
        await advance_rounds(pool)
    assert [error.__notes__ for error in failed.value.exceptions] == [["round broken"]]
    assert await states(conn) == {"broken": "open", "sound": "released"}
    monkeypatch.undo()
    assert await advance_rounds(pool) == 2
    assert await states(conn) == {"broken": "released", "sound": "released"}


# -- loops -------------------------------------------------------------------------------------------------------


async def test_a_failing_batch_does_not_stop_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BACK_OFF_SECONDS", 0.01)
    calls: list[int] = []
    enough = asyncio.Event()

    async def batch() -> int:
        calls.append(len(calls))
        if len(calls) == 6:
            enough.set()
        if len(calls) in {1, 3}:
            raise asyncpg.PostgresConnectionError("gone")
        return 1 if len(calls) % 2 else 0

    async with running([run_loop("test", batch, pause_seconds=0.01)]):
        await asyncio.wait_for(enough.wait(), 5)
    seen = len(calls)
    await asyncio.sleep(0.05)
    assert len(calls) == seen  # stopped with its block


async def test_a_loop_rests_only_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    slept = asyncio.sleep

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await slept(0)

    left = iter([1, 1, 0, 1, 0])
    done = asyncio.Event()

    async def batch() -> int:
        try:
            return next(left)
        except StopIteration:
            done.set()
            await asyncio.Event().wait()
            return 0

    monkeypatch.setattr(worker.asyncio, "sleep", rest)
    async with running([run_loop("test", batch, pause_seconds=7)]):
        await done.wait()
    assert rests == [7, 7]


async def test_all_loops_run_beside_each_other_and_stop_with_the_process(
    database: str,
    pool: asyncpg.Pool,
    conn: asyncpg.Connection,
    engine: EmbeddedEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "ROUNDS_SECONDS", 0.02)
    monkeypatch.setattr(worker, "SEAL_SECONDS", 0.02)
    buying_round = await a_round(conn)
    await fund(conn, await a_pledge(conn, buying_round, "hanbit", 2))
    await end_now(conn)
    both = [work for _ in range(2) for work in loops(pool, engine, None, lambda: connect(database))]
    async with running(both):
        for _ in range(500):
            unsealed, waiting = await conn.fetchrow(
                """
                SELECT (SELECT count(*) FROM events WHERE seal_id IS NULL), (SELECT count(*) FROM search_dirty)
                """
            )
            if await states(conn) == {"round": "cleared"} and not unsealed and not waiting:
                break
            await asyncio.sleep(0.02)
    assert (unsealed, waiting) == (0, 0)
    assert await states(conn) == {"round": "cleared"}
    assert await conn.fetchval("SELECT count(*) FROM events WHERE kind = 'round.cleared'") == 1


async def test_cleaning_forgets_what_is_over_and_nothing_else(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(conn)
    assert actor.person_id is not None
    assert actor.organization_id is not None
    for days in (-1, 1):
        await open_session(
            conn,
            person_id=actor.person_id,
            organization_id=actor.organization_id,
            lasts=timedelta(days=days),
        )
    await conn.execute(
        "INSERT INTO rate_limits VALUES ('old', now() - interval '2 days', 1), ('new', now() - interval '1 hour', 1)"
    )
    assert await clean_up(pool) == 0
    assert await conn.fetchval("SELECT count(*) FROM sessions") == 1
    assert [row[0] for row in await conn.fetch("SELECT key FROM rate_limits")] == ["new"]


async def test_a_batch_of_sealing_says_how_much_it_sealed(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    await a_round(conn)
    count: Any = await conn.fetchval("SELECT count(*) FROM events")
    assert count >= 1
    assert await seal_batch(pool) == count
    assert await seal_batch(pool) == 0
