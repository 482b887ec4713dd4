"""Live rounds: a hint of any process reaches everybody who watches, and one reading serves them all."""

import asyncio
import time

import asyncpg
from builders import a_round

from group_buy.closing import begin_closing
from marketplace.db import connect
from marketplace.live import LiveRounds, SharedReadings
from marketplace.worker import running


async def test_a_hint_reaches_two_hundred_watchers_of_another_process_within_a_second(database: str) -> None:
    here, there = (LiveRounds(lambda: connect(database)) for _ in range(2))
    readings: SharedReadings[int] = SharedReadings()
    reads = 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0.01)
        return reads

    async def watch(ready: asyncio.Semaphore) -> float:
        async for version in there.follow("round", beat_seconds=10):
            await readings.get("ko:round", version, read)
            if version:
                return time.monotonic()
            ready.release()
        raise AssertionError("following never ends by itself")

    async with running([here.run(), there.run()]):
        await asyncio.sleep(0.5)
        ready = asyncio.Semaphore(0)
        watchers = [asyncio.ensure_future(watch(ready)) for _ in range(200)]
        for _ in watchers:
            await ready.acquire()
        began = time.monotonic()
        here.changed("round")
        seen = await asyncio.wait_for(asyncio.gather(*watchers), 10)
    assert max(seen) - began <= 1.0
    assert reads == 2  # before and after, for two hundred


async def test_the_database_hints_when_a_round_moves(database: str, conn: asyncpg.Connection) -> None:
    live = LiveRounds(lambda: connect(database))
    await a_round(conn)
    async with running([live.run()]):
        await asyncio.sleep(0.5)
        following = live.follow("round", beat_seconds=10)
        first = await anext(following)
        await begin_closing(conn, code="round", early=True)
        assert await asyncio.wait_for(anext(following), 5) == first + 1
        await following.aclose()


async def test_a_reading_that_failed_is_made_again() -> None:
    readings: SharedReadings[int] = SharedReadings()
    answers = iter([ValueError("no"), 7])

    async def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    first = await asyncio.gather(readings.get("k", 1, read), return_exceptions=True)
    assert isinstance(first[0], ValueError)
    assert await readings.get("k", 1, read) == 7
