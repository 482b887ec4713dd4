"""The loops that do what is due: open, close and clear rounds, settle charges, index, seal, clean up.

The tables are the queues. Each loop runs "one batch, how many?" and sleeps only when there was nothing; any number
of processes may run them beside each other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from catalog.events import seal_events
from catalog.indexing import index_batch, mark_expired_dirty
from catalog.onboarding import refresh_vendors
from group_buy.closing import begin_closing, due_rounds
from group_buy.consenting import end_silence
from group_buy.deciding import clear_if_decided
from group_buy.dunning import read_reminder_days, send_reminders, send_sponsor_reminders
from group_buy.gateway import PaymentGateway
from group_buy.opening import begin_due_fill_ups, open_due_rounds
from group_buy.reconciling import reconcile_if_due
from group_buy.retrying import end_one_grace, retry_due_charges
from group_buy.settling import settle_batch
from group_buy.transactions import transaction
from marketplace.accounts.sessions import remove_expired
from marketplace.bank_files import remove_checked_files
from marketplace.import_files import work_on_import
from marketplace.payments.webhooks import process_one_webhook
from search_config.engine import SearchEngine

Batch = Callable[[], Awaitable[int]]

ROUNDS_SECONDS: Final = 0.5
CHARGES_SECONDS: Final = 0.25
INDEX_SECONDS: Final = 0.1
SEAL_SECONDS: Final = 5.0
DECLINES_SECONDS: Final = 5.0
RECONCILE_SECONDS: Final = 5.0
IMPORTS_SECONDS: Final = 0.5
CLEAN_SECONDS: Final = 600.0
REMINDERS_SECONDS: Final = 60.0
REMINDER_DAYS: Final = read_reminder_days("-3,0,3,7,14")
BACK_OFF_SECONDS: Final = 5.0
SETTLERS: Final = 4
"""Loops of one process that settle charges beside each other."""
CHARGES_AT_ONCE: Final = 4
"""Charges that one of them claims together, in one commit; each waits mostly for the provider."""

SEARCH_TARGET: Final = "main"
INDEX_LOCK: Final = 7305
"""Session lock of the one process that writes the embedded index."""

log = structlog.get_logger("marketplace.worker")


async def run_loop(name: str, batch: Batch, *, pause_seconds: float) -> None:
    """Repeat a batch for ever; a failure is logged and the loop goes on after a rest."""
    while True:
        try:
            did = await batch()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("loop failed", loop=name, error=str(error))
            await asyncio.sleep(BACK_OFF_SECONDS)
            continue
        if not did:
            await asyncio.sleep(pause_seconds)


async def advance_rounds(pool: asyncpg.Pool) -> int:
    """Open, close and clear every round whose time has come; return how many moved. Each in its own transaction.

    Raises:
        ExceptionGroup: what some rounds failed with, after all others were worked on.
    """
    async with transaction(pool) as conn:
        moved = await open_due_rounds(conn) + await begin_due_fill_ups(conn)
    async with transaction(pool) as conn:
        moved += await end_silence(conn)
    async with transaction(pool) as conn:
        codes = await due_rounds(conn)
    failures: list[Exception] = []
    for code in codes:
        try:
            async with transaction(pool) as conn:
                moved += await begin_closing(conn, code=code)
            async with transaction(pool) as conn:
                moved += await clear_if_decided(conn, code=code)
        except Exception as error:  # noqa: BLE001 - raised below, once the other rounds had their turn
            error.add_note(f"round {code}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("rounds failed", failures)
    return moved


async def remind_buyers(pool: asyncpg.Pool, days: Sequence[int]) -> int:
    """Send the reminders whose day has come."""
    async with transaction(pool) as conn:
        told = await send_reminders(conn, days=days)
        return told + await send_sponsor_reminders(conn, days=days)


async def chase_declines(pool: asyncpg.Pool) -> int:
    """Begin scheduled attempts, and go on without money whose grace period is over; return how many charges moved."""
    async with transaction(pool) as conn:
        moved = await retry_due_charges(conn)
    async with transaction(pool) as conn:
        moved += await end_one_grace(conn)
    return moved


async def seal_batch(pool: asyncpg.Pool) -> int:
    """Seal one batch of events."""
    async with transaction(pool) as conn:
        return await seal_events(conn)


async def clean_up(pool: asyncpg.Pool) -> int:
    """Forget what has expired, mark listings that the change of day alters, lower vendors whose papers ran out.

    Always "nothing more to do".
    """
    async with transaction(pool) as conn:
        await remove_expired(conn)
        await remove_checked_files(conn)
        today = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
        await mark_expired_dirty(conn, since=today - timedelta(days=2), until=today)
    async with transaction(pool) as conn:
        await refresh_vendors(conn, today=today)
    return 0


async def index_forever(
    dsn_connect: Callable[[], Awaitable[asyncpg.Connection]], engine: SearchEngine
) -> None:
    """Keep the index fresh while this process is the leader; wait for leadership otherwise.

    The lock belongs to a connection of its own: when the process dies, another takes over.
    """
    conn = await dsn_connect()
    try:
        is_leader = False
        while True:
            is_leader = is_leader or await conn.fetchval("SELECT pg_try_advisory_lock($1, 0)", INDEX_LOCK)
            if not is_leader:
                await asyncio.sleep(BACK_OFF_SECONDS)
            elif not await index_batch(conn, engine, target=SEARCH_TARGET):
                await asyncio.sleep(INDEX_SECONDS)
    finally:
        await asyncio.shield(conn.close())


async def _index_batch_forever(
    dsn_connect: Callable[[], Awaitable[asyncpg.Connection]], engine: SearchEngine
) -> int:
    await index_forever(dsn_connect, engine)
    return 0


def loops(
    pool: asyncpg.Pool,
    engine: SearchEngine,
    gateway: PaymentGateway | None,
    dsn_connect: Callable[[], Awaitable[asyncpg.Connection]],
    *,
    reminder_days: Sequence[int] = REMINDER_DAYS,
) -> list[Awaitable[None]]:
    """All loops of one worker, not yet started."""

    async def charge_batch() -> int:
        assert gateway is not None
        return await settle_batch(pool, gateway, limit=CHARGES_AT_ONCE)

    async def webhook_batch() -> int:
        assert gateway is not None
        return await process_one_webhook(pool, gateway)

    async def reconcile_batch() -> int:
        assert gateway is not None
        compared = await reconcile_if_due(pool, gateway)
        if compared is not None and compared.findings:
            log.warning("the payment provider's books differ", findings=len(compared.findings))
        return 0

    tasks: list[Awaitable[None]] = [
        run_loop("rounds", lambda: advance_rounds(pool), pause_seconds=ROUNDS_SECONDS),
        run_loop("index", lambda: _index_batch_forever(dsn_connect, engine), pause_seconds=INDEX_SECONDS),
        run_loop("imports", lambda: work_on_import(pool), pause_seconds=IMPORTS_SECONDS),
        run_loop("seal", lambda: seal_batch(pool), pause_seconds=SEAL_SECONDS),
        run_loop("reminders", lambda: remind_buyers(pool, reminder_days), pause_seconds=REMINDERS_SECONDS),
        run_loop("clean", lambda: clean_up(pool), pause_seconds=CLEAN_SECONDS),
    ]
    if gateway is not None:
        tasks += [run_loop("charges", charge_batch, pause_seconds=CHARGES_SECONDS) for _ in range(SETTLERS)]
        tasks += [
            run_loop("webhooks", webhook_batch, pause_seconds=CHARGES_SECONDS),
            run_loop("declines", lambda: chase_declines(pool), pause_seconds=DECLINES_SECONDS),
            run_loop("reconcile", reconcile_batch, pause_seconds=RECONCILE_SECONDS),
        ]
    return tasks


@asynccontextmanager
async def running(tasks: list[Awaitable[None]]) -> AsyncIterator[None]:
    """Run loops in the background of a block, and stop them with it."""
    started = [asyncio.ensure_future(task) for task in tasks]
    try:
        yield
    finally:
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)
