"""Many at once: nothing late, nothing lost, closed once, and the record tells the same as the tables."""

import asyncio
import random
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from builders import a_pledge, a_round, fund

from catalog.core.viewer import Viewer
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.core.clearing import Clearing, clear_round
from group_buy.core.pledge import LineInput
from group_buy.core.replay import replay_pledges
from group_buy.core.round import Round
from group_buy.deciding import clear_if_decided
from group_buy.errors import GroupBuyError, RoundNotOpen
from group_buy.pledging import change_pledge, place_pledge
from group_buy.rounds import load_lines
from group_buy.transactions import transaction

CLOSE_MANY = """
import asyncio, sys
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided
from marketplace.db import connect

async def main():
    conn = await connect(sys.argv[1])
    won = 0
    for code in sys.argv[2].split(","):
        async with conn.transaction():
            won += await begin_closing(conn, code=code)
        async with conn.transaction():
            await clear_if_decided(conn, code=code)
    print(won)
    await conn.close()

asyncio.run(main())
"""


async def some_factories(conn: asyncpg.Connection, count: int) -> list[int]:
    rows = await conn.fetch(
        """
        INSERT INTO organizations (code, kind, name_ko, name_en)
        SELECT 'factory-' || n, 'factory', 'f', 'f' FROM generate_series(1, $1::int) n RETURNING id
        """,
        count,
    )
    return [row["id"] for row in rows]


async def place(pool: asyncpg.Pool, code: str, buyer_id: int, line: LineInput, pledge_id: UUID) -> Any:
    async with transaction(pool) as own:
        return await place_pledge(
            own,
            round_code=code,
            pledge_id=pledge_id,
            buyer=Viewer(buyer_id, "factory"),
            person_id=1,
            funding="transfer",
            lines=(line,),
        )


async def test_fifteen_closings_under_thirty_two_joiners_lose_nothing_and_take_nothing_late(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    buyers = await some_factories(conn, 32)
    for number in range(15):
        code = f"round-{number}"
        buying_round = await a_round(conn, code, capacity=1000)
        accepted: list[UUID] = []

        async def join(buyer_id: int, code: str = code, accepted: list[UUID] = accepted) -> None:
            pledge_id = uuid4()
            try:
                await place(pool, code, buyer_id, LineInput(1), pledge_id)
            except RoundNotOpen:
                return
            accepted.append(pledge_id)

        async def stop(code: str = code) -> set[UUID]:
            await asyncio.sleep(random.random() * 0.05)
            async with transaction(pool) as own:
                assert await begin_closing(own, code=code, early=True)
            rows = await conn.fetch(
                "SELECT p.id FROM pledges p JOIN rounds r ON r.id = p.round_id WHERE r.code = $1", code
            )
            return {row["id"] for row in rows}

        seen, *_ = await asyncio.gather(stop(), *(join(buyer_id) for buyer_id in buyers))
        stored = await conn.fetch("SELECT id FROM pledges WHERE round_id = $1", buying_round.id)
        assert {row["id"] for row in stored} == set(accepted) == seen
    assert [result for result in await check_invariants(conn) if result.violations] == []


def close_in_two_processes(database: str, codes: list[str]) -> list[int]:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CLOSE_MANY, database, ",".join(order)], stdout=subprocess.PIPE, text=True
        )
        for order in (codes, codes)
    ]
    return [int(process.communicate(timeout=300)[0]) for process in running]


async def closed_once(
    database: str, conn: asyncpg.Connection, owner_conn: asyncpg.Connection, *, count: int
) -> None:
    codes = [f"round-{number}" for number in range(count)]
    for code in codes:
        await fund(conn, await a_pledge(conn, await a_round(conn, code), "hanbit", 2))
    await owner_conn.execute(
        "UPDATE rounds SET opens_at = opens_at - interval '2 days', closes_at = clock_timestamp()"
    )
    wins = await asyncio.to_thread(close_in_two_processes, database, codes)
    assert sum(wins) == count
    assert await conn.fetchval("SELECT count(*) FROM events WHERE kind = 'round.cleared'") == count
    assert await conn.fetchval("SELECT count(*) FROM allocations") == count
    assert [result for result in await check_invariants(conn) if result.violations] == []


async def test_two_processes_closing_the_same_rounds_close_each_once(
    database: str, conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await closed_once(database, conn, owner_conn, count=12)


@pytest.mark.long
async def test_two_processes_closing_a_thousand_rounds_close_each_once(
    database: str, conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await closed_once(database, conn, owner_conn, count=1000)


async def live_history(
    pool: asyncpg.Pool, conn: asyncpg.Connection, code: str, buyers: list[int], seed: int
) -> None:
    """Random buyers join, repeat, change, leave and lose their connection while the round closes somewhere in it."""
    chance = random.Random(seed)
    buying_round = await a_round(
        conn,
        code,
        capacity=12,
        pack_size=chance.choice([1, 2]),
        allocation_rule=chance.choice(["pro_rata", "time"]),
    )
    answers: dict[UUID, Any] = {}

    async def act(buyer_id: int, own: random.Random) -> None:
        pledge_id, version = uuid4(), 1
        line = LineInput(own.randint(1, 4), 1, own.choice([None, 900_000]))
        for _ in range(own.randint(1, 3)):  # the same PUT again and again is one pledge
            try:
                answers[pledge_id] = await place(pool, code, buyer_id, line, pledge_id)
            except GroupBuyError:
                return
        for _ in range(own.randint(0, 3)):
            wish = () if own.random() < 0.3 else (LineInput(own.randint(1, 6)),)
            version += 1
            try:
                async with transaction(pool) as inside:
                    changed = await change_pledge(
                        inside,
                        pledge_id=pledge_id,
                        buyer=Viewer(buyer_id, "factory"),
                        person_id=1,
                        version=version,
                        lines=wish,
                    )
                    if own.random() < 0.15:
                        raise ConnectionError("the client went away before the commit")
                answers[pledge_id] = changed
            except ConnectionError:
                version -= 1
            except GroupBuyError:
                return

    async def stop() -> None:
        await asyncio.sleep(chance.random() * 0.05)
        async with transaction(pool) as own:
            await begin_closing(own, code=code, early=True)

    await asyncio.gather(
        stop(), stop_again(pool, code), *(act(each, random.Random(seed + each)) for each in buyers)
    )
    await require_same(conn, buying_round, answers)


async def stop_again(pool: asyncpg.Pool, code: str) -> None:
    async with transaction(pool) as own:
        await begin_closing(own, code=code)


async def require_same(conn: asyncpg.Connection, buying_round: Round, answers: dict[UUID, Any]) -> None:
    """What buyers were answered, what the tables hold, and what the record tells are the same."""
    rows = await conn.fetch("SELECT id FROM pledges WHERE round_id = $1", buying_round.id)
    assert {row["id"] for row in rows} == set(answers)
    stored = await load_lines(conn, round_id=buying_round.id)
    told = {
        f"{i}:{line.line_no}": line.quantity_max for i, pledge in answers.items() for line in pledge.lines
    }
    assert {line.id: line.quantity_max for line in stored} == told
    events = await conn.fetch(
        """
        SELECT e.kind, e.subject_id, e.data FROM events e JOIN pledges p ON p.id::text = e.subject_id
        WHERE e.subject = 'pledge' AND p.round_id = $1 ORDER BY e.id
        """,
        buying_round.id,
    )
    replayed = replay_pledges(buying_round, [tuple(row) for row in events])
    assert {line.id: line.quantity_max for line in replayed} == told
    outcome = clear_round(buying_round.clearing_terms, stored)
    if isinstance(outcome, Clearing):
        assert outcome.quantity <= buying_round.capacity


async def run_histories(pool: asyncpg.Pool, conn: asyncpg.Connection, count: int) -> None:
    buyers = await some_factories(conn, 6)
    for seed in range(count):
        await live_history(pool, conn, f"round-{seed}", buyers, seed)
        async with transaction(pool) as own:
            await clear_if_decided(own, code=f"round-{seed}")
    assert [result for result in await check_invariants(conn) if result.violations] == []


async def test_random_histories_of_many_at_once_break_nothing(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    await run_histories(pool, conn, 20)


@pytest.mark.ci
async def test_two_thousand_random_histories_break_nothing(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    await run_histories(pool, conn, 2_000)


@pytest.mark.long
async def test_ten_thousand_random_histories_break_nothing(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    await run_histories(pool, conn, 10_000)


async def test_the_record_of_a_round_clears_to_the_same_result(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, allocation_rule="time", capacity=6)
    first = await a_pledge(checked, buying_round, "hanbit", 3)
    await a_pledge(checked, buying_round, "daeseong", 4)
    await change_pledge(
        checked,
        pledge_id=first.id,
        buyer=Viewer(first.buyer_id, "factory"),
        person_id=1,
        version=2,
        lines=(LineInput(5),),
    )
    events = await checked.fetch(
        "SELECT kind, subject_id, data FROM events WHERE subject = 'pledge' ORDER BY id"
    )
    replayed = replay_pledges(buying_round, [tuple(row) for row in events])
    stored = await load_lines(checked, round_id=buying_round.id)
    assert clear_round(buying_round.clearing_terms, replayed) == clear_round(
        buying_round.clearing_terms, stored
    )
