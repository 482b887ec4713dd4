"""Rounds as they move: every process hears a hint, and reads what is true once for all who watch.

A hint says only "something of this round changed". It is sent by PostgreSQL's NOTIFY, by the database itself when a
round changes its state, and by a process after pledges of its own, gathered: a NOTIFY in each pledge's transaction
would make thousands of commits queue up behind one lock. Should a hint be lost, watchers look again by themselves.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Generic, TypeVar

import asyncpg
import structlog

CHANNEL: Final = "rounds"
GATHER_SECONDS: Final = 0.2
"""Pledges of so long a time are one hint; much longer than the moment between a handler's end and its commit."""

LOOK_AGAIN_SECONDS: Final = 5.0
"""A watched round is read again after so long without any hint."""

BACK_OFF_SECONDS: Final = 2.0

log = structlog.get_logger("marketplace.live")

Reading = TypeVar("Reading")


class LiveRounds:
    """Hints of all processes on one connection, given to everybody here who waits for a round."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._versions: Counter[str] = Counter()
        self._watchers: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._fresh: set[str] = set()
        self._ripe: set[str] = set()

    def changed(self, code: str) -> None:
        """Tell all processes that pledges of a round changed, a moment from now."""
        self._fresh.add(code)

    async def follow(self, code: str, *, beat_seconds: float) -> AsyncIterator[int]:
        """Yield a number that grows with each hint of a round, at once and then on every change or beat."""
        self._watchers[code] += 1
        try:
            seen = self._versions[code]
            while True:
                yield seen
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(beat_seconds), self._changed:
                        await self._changed.wait_for(lambda seen=seen: self._versions[code] != seen)  # type: ignore[misc]
                seen = self._versions[code]
        finally:
            self._watchers[code] -= 1

    async def run(self) -> None:
        """Listen and send for as long as the process serves; after a lost connection everything counts as changed."""
        while True:
            try:
                await self._listen_and_send()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("live hints are interrupted", reason=str(error))
            await self._hear(*self._watched())
            await asyncio.sleep(BACK_OFF_SECONDS)

    async def _listen_and_send(self) -> None:
        conn = await self._connect()
        heard: asyncio.Queue[str] = asyncio.Queue()
        try:
            await conn.add_listener(CHANNEL, lambda _conn, _pid, _channel, code: heard.put_nowait(str(code)))
            looked_at = asyncio.get_running_loop().time()
            while not conn.is_closed():
                await self._send(conn)
                if (now := asyncio.get_running_loop().time()) - looked_at > LOOK_AGAIN_SECONDS:
                    looked_at = now
                    await self._hear(*self._watched())
                with contextlib.suppress(TimeoutError):
                    first = await asyncio.wait_for(heard.get(), GATHER_SECONDS)
                    rest = [heard.get_nowait() for _ in range(heard.qsize())]
                    await self._hear(first, *rest)
        finally:
            await asyncio.shield(conn.close(timeout=BACK_OFF_SECONDS))

    def _watched(self) -> list[str]:
        return [code for code, count in self._watchers.items() if count]

    async def _send(self, conn: asyncpg.Connection) -> None:
        """Send what has waited for one tick: the transaction that changed it has committed by then."""
        codes, self._ripe, self._fresh = list(self._ripe), self._fresh, set()
        if codes:
            await conn.execute("SELECT pg_notify('rounds', code) FROM unnest($1::text[]) code", codes)

    async def _hear(self, *codes: str) -> None:
        async with self._changed:
            for code in codes:
                self._versions[code] += 1
            self._changed.notify_all()


class SharedReadings(Generic[Reading]):
    """One reading for each key and version, however many watchers ask for it at once."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], asyncio.Task[Reading]] = {}

    async def get(self, key: str, version: int, read: Callable[[], Awaitable[Reading]]) -> Reading:
        """The reading of this version: made by the first who asks, shared by all others."""
        wanted = (key, version)
        task = self._running.get(wanted)
        if task is None:
            task = asyncio.ensure_future(_as_coroutine(read))
            self._running[wanted] = task
            task.add_done_callback(lambda _: self._forget(wanted))
        return await asyncio.shield(task)

    def _forget(self, wanted: tuple[str, int]) -> None:
        """Keep the newest reading of a key for latecomers; older ones go, and failed ones are not kept."""
        task = self._running[wanted]
        if task.cancelled() or task.exception() is not None:
            del self._running[wanted]
        for other in [key for key in self._running if key[0] == wanted[0] and key[1] < wanted[1]]:
            del self._running[other]


async def _as_coroutine(read: Callable[[], Awaitable[Reading]]) -> Reading:
    return await read()
