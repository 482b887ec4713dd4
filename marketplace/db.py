"""The way to PostgreSQL: connections with JSON codecs, one pool, and the forward-only migration runner.

PostgreSQL 15 or newer. Reading a database URL, and deciding when to migrate, is the caller's business.
"""

import asyncio
import hashlib
import importlib.resources
import re
import time
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg
import msgspec

APP_ROLE = "marketplace_app"
"""The role requests and workers act as. It owns nothing; `0001_accounts.sql` makes it."""

SERVER_MAJOR_MIN = 15

MIGRATIONS = importlib.resources.files("marketplace") / "migrations"

_MIGRATION_NAME = re.compile(r"(?P<version>\d{4})_[a-z0-9_]+\.sql")
_NO_TRANSACTION = "-- no-transaction"
_MIGRATION_LOCK = 7_303_014  # an arbitrary number; advisory locks belong to one database
_LOCK_POLL_SECONDS = 0.05


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be used. The message is one sentence for the person who started the program."""


class MigrationError(Exception):
    """The schema cannot be brought forward. The message is one sentence that names the file at fault."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered SQL file.

    version: from 1, without gaps. name: the whole file name. sha256: hex, of the text with LF line ends,
    so that a checkout with CRLF counts as the same file.
    """

    version: int
    name: str
    sql: str
    sha256: str

    @property
    def in_transaction(self) -> bool:
        return self.sql.partition("\n")[0].strip() != _NO_TRANSACTION


# -- connections ---------------------------------------------------------------------------------------


async def create_pool(
    dsn: str, *, size_min: int = 1, size_max: int = 10, role: str | None = APP_ROLE
) -> asyncpg.Pool:
    """Open a pool of connections that act as `role` (None: as whoever the dsn names).

    A released connection is rolled back but not reset: asyncpg's own reset is a round trip that doubles
    the server's work for a page by primary key. So code that borrows from a pool leaves no session state:
    `SET LOCAL` instead of `SET`, `pg_advisory_xact_lock` instead of `pg_advisory_lock`, no LISTEN, no
    temporary table that outlives its transaction. Code that needs one of these opens its own connection
    with `connect`. `tests/marketplace/test_db.py` reads the sources for it, and the `pool` fixture looks
    at the connections after each test.

    Raises DatabaseUnavailable.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=size_min,
            max_size=size_max,
            init=_prepare_connection,
            reset=_keep_session,
            server_settings=_server_settings(role),
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unavailable(error, role=role) from error


async def connect(dsn: str, *, role: str | None = APP_ROLE) -> asyncpg.Connection:
    """Open one connection of its own, set up like those of the pool. Raises DatabaseUnavailable."""
    try:
        conn = await asyncpg.connect(dsn, server_settings=_server_settings(role))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unavailable(error, role=role) from error
    try:
        await _prepare_connection(conn)
    except BaseException:
        conn.terminate()
        raise
    return conn


def _server_settings(role: str | None) -> dict[str, str]:
    # As start-up settings they are the session's defaults: not even RESET ALL drops the role.
    return {"application_name": "marketplace"} | ({"role": role} if role else {})


async def _prepare_connection(conn: asyncpg.Connection) -> None:
    version = conn.get_server_version()
    if version.major < SERVER_MAJOR_MIN:
        raise DatabaseUnavailable(
            f"PostgreSQL {SERVER_MAJOR_MIN} or newer is needed; this server is PostgreSQL {version.major}."
        )
    for name in ("json", "jsonb"):
        await conn.set_type_codec(
            name, schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
        )


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _keep_session(_conn: asyncpg.Connection) -> None:
    """Do nothing when a connection comes back; see create_pool for why that is enough."""


def _unavailable(error: Exception, *, role: str | None) -> DatabaseUnavailable:
    # 22023 is how PostgreSQL refuses a start-up setting, here a role that does not exist.
    if role and isinstance(error, asyncpg.InvalidParameterValueError):
        return DatabaseUnavailable(
            f'The database has no role "{role}" yet: run `marketplace migrate` with the owner\'s URL first.'
        )
    reason = str(error) or type(error).__name__
    return DatabaseUnavailable(f"PostgreSQL cannot be reached: {reason.rstrip('.')}.")


# -- migrations ----------------------------------------------------------------------------------------


async def migrate(
    dsn: str, *, migrations: Traversable = MIGRATIONS, lock_wait_seconds: float = 600
) -> list[str]:
    """Apply the files of `migrations` that the database has not seen, in order; return their names.

    Connects as the owner (no role). Any number of servers may call it at once: one works, the others wait
    and find nothing left to do. Each file is one transaction together with its row in schema_migrations.
    A file whose first line is `-- no-transaction` holds exactly one statement (PostgreSQL runs several
    sent together as one transaction) and must be repeatable, such as
    CREATE INDEX CONCURRENTLY IF NOT EXISTS: a crash may fall between the statement and its row.

    Raises MigrationError, with what was applied before it kept, and DatabaseUnavailable.
    """
    known = read_migrations(migrations)
    conn = await connect(dsn, role=None)
    try:
        is_begun = await conn.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        if is_begun and not await _pending(conn, known):
            return []  # also for a login that may not migrate: it only serves
        await _take_migration_lock(conn, wait_seconds=lock_wait_seconds)
        # PUBLIC may read it: a server that may not migrate still tells whether it is ready.
        await conn.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                version    integer PRIMARY KEY,
                name       text NOT NULL,
                sha256     text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
            );
            GRANT SELECT ON schema_migrations TO PUBLIC;
            """
        )
        pending = await _pending(conn, known)
        for migration in pending:
            await _apply(conn, migration)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            "The schema is not up to date and this login may not change it: "
            "run `marketplace migrate` with the owner's DATABASE_URL."
        ) from error
    finally:
        await conn.close()
    return [migration.name for migration in pending]


async def pending_migrations(conn: asyncpg.Connection, *, migrations: Traversable = MIGRATIONS) -> list[str]:
    """Name the files the database still lacks; empty means ready.

    A database that is ahead counts as ready: during a rolling deployment the older servers keep serving
    after the first newer one has migrated. Otherwise raises MigrationError like migrate.
    """
    known = read_migrations(migrations)
    if await conn.fetchval("SELECT to_regclass('schema_migrations') IS NULL"):
        return [migration.name for migration in known]
    return [migration.name for migration in await _pending(conn, known, ahead_is_fine=True)]


def read_migrations(folder: Traversable = MIGRATIONS) -> list[Migration]:
    """Read `NNNN_name.sql` files, numbered from 0001 without gap or double; raise MigrationError if not."""
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    migrations = []
    for number, file in enumerate(files, start=1):
        match = _MIGRATION_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name} is not named like 0001_what_it_does.sql.")
        if int(match["version"]) != number:
            raise MigrationError(
                f"{file.name} should be number {number:04}: the files have a gap or a double."
            )
        sql = file.read_text(encoding="utf-8")
        migrations.append(Migration(number, file.name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return migrations


async def _pending(
    conn: asyncpg.Connection, known: Sequence[Migration], *, ahead_is_fine: bool = False
) -> list[Migration]:
    """Compare history with the files. History must be the beginning of the files, unchanged."""
    history = await conn.fetch("SELECT version, name, sha256 FROM schema_migrations ORDER BY version")
    for number, row in enumerate(history, start=1):
        if row["version"] != number:
            raise MigrationError(
                f"The database has {row['name']} but never had number {number:04} before it."
            )
        if number > len(known):
            if ahead_is_fine:
                return []
            raise MigrationError(f"The database is ahead: it has {row['name']}, which this version lacks.")
        file = known[number - 1]
        if (file.name, file.sha256) != (row["name"], row["sha256"]):
            raise MigrationError(
                f"{file.name} is not what the database once applied as {row['name']}: "
                "undo the edit and write a new migration."
            )
    return list(known[len(history) :])


async def _apply(conn: asyncpg.Connection, migration: Migration) -> None:
    try:
        if not migration.in_transaction:
            await conn.execute(migration.sql)
            await _record(conn, migration)
            return
        async with conn.transaction():
            await conn.execute(migration.sql)
            if not conn.is_in_transaction():
                raise MigrationError(
                    f"{migration.name} ends its own transaction; the runner does that, so leave COMMIT out."
                )
            await _record(conn, migration)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name}{_line_of(error, migration.sql)} failed: {error}.") from error


async def _record(conn: asyncpg.Connection, migration: Migration) -> None:
    await conn.execute(
        "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.sha256,
    )


def _line_of(error: asyncpg.PostgresError, sql: str) -> str:
    position = getattr(error, "position", None)  # counted in characters from 1; absent for most errors
    return f", line {sql.count(chr(10), 0, int(position) - 1) + 1}," if position else ""


async def _take_migration_lock(conn: asyncpg.Connection, *, wait_seconds: float) -> None:
    """Take the migration lock of this database. It is the session's: closing it, or dying, gives it back.

    Asked for again and again, never waited for: a session waiting inside pg_advisory_lock keeps a
    snapshot, CREATE INDEX CONCURRENTLY waits for all snapshots, and the two deadlock.
    """
    deadline = time.monotonic() + wait_seconds
    while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", _MIGRATION_LOCK):
        if time.monotonic() > deadline:
            raise MigrationError(f"Another process has held the migration lock for {wait_seconds:g} seconds.")
        await asyncio.sleep(_LOCK_POLL_SECONDS)
