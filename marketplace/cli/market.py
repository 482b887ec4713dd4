"""What every verb stands on: settings, a database that is up and current, the search index beside it."""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from catalog.indexing import index_batch, stream_documents
from catalog.reference_data import load_spec_definitions
from marketplace.db import connect, migrate
from marketplace.demo.seed import is_empty, seed_demo
from marketplace.settings import Settings, read_settings
from marketplace.worker import INDEX_LOCK, SEARCH_TARGET
from search_config.documents import IndexName
from search_config.embedded_engine import EmbeddedEngine


class Refused(Exception):
    """The verb cannot do what was asked; the text is one sentence for the person at the terminal."""


class Market(msgspec.Struct, frozen=True):
    """A database that is up and migrated, and where its search index lies."""

    settings: Settings
    dsn: str
    home: Path

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection in the application's role, for as long as the block runs."""
        conn = await connect(self.dsn)
        try:
            yield conn
        finally:
            await conn.close()

    def open_engine(self) -> EmbeddedEngine:
        """The search index of this folder."""
        return EmbeddedEngine(self.home / "search")


def settings_of(options: argparse.Namespace, **overrides: Any) -> Settings:
    """Settings from the environment, with the options of the command line before them."""
    if options.data_dir is not None:
        overrides["data_dir"] = options.data_dir
    return read_settings(**overrides)


@asynccontextmanager
async def open_market(settings: Settings, *, seed: bool = False) -> AsyncIterator[Market]:
    """Start the embedded PostgreSQL unless DATABASE_URL is set, bring the schema up, seed an empty demo folder.

    Raises:
        DatabaseUnavailable, MigrationError: one sentence each.
    """
    if settings.database_url:
        await prepare_database(settings.database_url)
        yield Market(settings, settings.database_url, settings.data_dir)
        return
    from marketplace.embedded_postgres import EmbeddedPostgres  # noqa: PLC0415 - the extra [embedded] is optional

    server = EmbeddedPostgres(settings.data_dir)
    await asyncio.to_thread(server.start)
    try:
        await prepare_database(server.dsn())
        if seed:
            await seed_if_empty(server.dsn())
        yield Market(settings, server.dsn(), settings.data_dir)
    finally:
        await asyncio.to_thread(server.stop)


async def prepare_database(dsn: str) -> None:
    """Apply missing migrations and the shipped reference data."""
    await migrate(dsn)
    conn = await connect(dsn)
    try:
        async with conn.transaction():
            await load_spec_definitions(conn)
    finally:
        await conn.close()


async def seed_if_empty(dsn: str) -> bool:
    """Fill an empty market with the demo, once even when several processes try; return whether this one did."""
    conn = await connect(dsn)
    try:
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock(7306)")
            if not await is_empty(conn):
                return False
            await seed_demo(conn)
            return True
    finally:
        await conn.close()


async def rebuild_outdated(market: Market, engine: EmbeddedEngine) -> None:
    """Build the indexes whose settings changed since they were made, or that hold nothing.

    A folder that is new to an old market, or was lost, holds nothing, and no listing is marked as waiting for it.
    """
    health = await engine.health()
    for index in health.indexes:
        if index.is_outdated or not index.is_ready or not index.documents:
            await rebuild_index(market, engine, index.index)


async def rebuild_index(market: Market, engine: EmbeddedEngine, index: IndexName) -> int:
    """Build an index aside and swap it in; searches go on meanwhile. Returns how many documents it holds."""
    async with market.connection() as conn:
        return await engine.rebuild(index, stream_documents(conn, index=index))


async def catch_up(market: Market, engine: EmbeddedEngine) -> None:
    """Index what waits, unless a running server does that already."""
    async with market.connection() as conn:
        if await conn.fetchval("SELECT pg_try_advisory_lock($1, 0)", INDEX_LOCK):
            while await index_batch(conn, engine, target=SEARCH_TARGET):
                pass


def print_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(msgspec.json.encode(document, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person at the terminal; standard output stays for programs."""
    print(text, file=sys.stderr, flush=True)


def stop_event() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, so that everything is put away before the process ends."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
