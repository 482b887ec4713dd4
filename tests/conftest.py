"""One PostgreSQL per run, one template with all migrations, one fresh database per test.

TEST_DATABASE_URL names a server to use instead of the embedded one; its user must be allowed to create
databases and roles.
"""

import asyncio
import os
import shutil
import tempfile
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from marketplace.db import connect, create_pool, migrate
from marketplace.embedded_postgres import EmbeddedPostgres

Answer = TypeVar("Answer")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The owner's dsn of a database to create others from."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    # Not pytest's tmp_path: as root, the account the server runs as could not reach it.
    home = Path(tempfile.gettempdir()) / f"marketplace-test-{uuid.uuid4().hex[:12]}"
    server = EmbeddedPostgres(home, durable=False)
    try:
        with server:
            yield server.dsn()
    finally:
        shutil.rmtree(server.home, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> Iterator[str]:
    """The name of a database with every migration applied, to be copied and never connected to."""
    with _new_database(postgres) as dsn:
        _run(migrate(dsn))
        yield _name_of(dsn)


@pytest.fixture
def database(postgres: str, migrated_template: str) -> Iterator[str]:
    """The owner's dsn of a fresh, migrated database. Not async, so that browser tests can use it too."""
    with _new_database(postgres, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The owner's dsn of a fresh database without any migration."""
    with _new_database(postgres) as dsn:
        yield dsn


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool as the application has it, acting as the application's role. Fails a test that leaves session
    state on one of its connections, because the pool does not reset them.
    """
    opened = await create_pool(database)
    try:
        yield opened
        left = await _left_behind(opened)
    finally:
        opened.terminate()
    assert left == [], f"session state left on pooled connections: {left}"


@pytest.fixture
async def conn(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the application's role, in no transaction."""
    opened = await connect(database)
    try:
        yield opened
    finally:
        opened.terminate()


@pytest.fixture
async def owner_conn(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the schema, who may do what the application may not."""
    opened = await connect(database, role=None)
    try:
        yield opened
    finally:
        opened.terminate()


async def _left_behind(pool: asyncpg.Pool) -> list[str]:
    """Name settings, advisory locks, channels and temporary tables found on the idle connections."""
    idle = [await pool.acquire() for _ in range(pool.get_idle_size())]
    found: set[str] = set()
    for conn in idle:
        rows = await conn.fetch(
            """
            SELECT 'setting ' || name AS what FROM pg_settings
                WHERE source = 'session' AND setting IS DISTINCT FROM reset_val -- asyncpg puts jit off and back
            UNION ALL SELECT 'advisory lock ' || objid FROM pg_locks
                WHERE locktype = 'advisory' AND pid = pg_backend_pid()
            UNION ALL SELECT 'channel ' || channel FROM pg_listening_channels() AS channel
            UNION ALL SELECT 'temporary table ' || relname FROM pg_class
                WHERE relnamespace = pg_my_temp_schema()
            """
        )
        found |= {row["what"] for row in rows}
    return sorted(found)


@contextmanager
def _new_database(server: str, *, template: str = "template1") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    _run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    try:
        yield urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


def _name_of(dsn: str) -> str:
    return urllib.parse.urlsplit(dsn).path.removeprefix("/")


async def _execute(dsn: str, statement: str) -> None:
    conn = await connect(dsn, role=None)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine from synchronous code, even where this thread has a running loop (Playwright's)."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
