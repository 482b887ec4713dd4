"""Connections, the pool that does not reset, and the migration runner."""

import ast
import asyncio
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from marketplace import db
from marketplace.db import (
    DatabaseUnavailable,
    MigrationError,
    connect,
    create_pool,
    migrate,
    pending_migrations,
)

SOURCES = Path(__file__).parents[2]
FIRST = "CREATE TABLE makers (id int PRIMARY KEY, name text NOT NULL);"
SECOND = "INSERT INTO makers VALUES (1, '새한정밀');"
INDEX = "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS makers_name ON makers (name);"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_makers.sql").write_text(FIRST)
    (tmp_path / "0002_first_maker.sql").write_text(SECOND)
    return tmp_path


@pytest.fixture
async def empty_conn(empty_database):
    opened = await connect(empty_database, role=None)
    yield opened
    opened.terminate()


# -- connections ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_json_comes_back_as_python_values(conn, kind):
    value = {"이름": "온도 센서", "prices_krw": [99_999_999, None], "share": 0.5, "domestic": True}
    assert await conn.fetchval(f"SELECT $1::{kind}", value) == value
    assert await conn.fetchval(f"SELECT 'null'::{kind}") is None
    assert await conn.fetchval(f"SELECT $1::{kind}->>'이름'", value) == "온도 센서"


async def test_pool_and_connection_act_as_the_application_role(pool, conn, owner_conn):
    for each in (pool, conn):
        assert await each.fetchval("SELECT current_user") == db.APP_ROLE
        assert await each.fetchval("SELECT current_setting('application_name')") == "marketplace"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await each.execute("CREATE TABLE own (id int)")
    assert await owner_conn.fetchval("SELECT to_regclass('own')") is None
    assert await owner_conn.fetchval("SELECT current_user = session_user")


async def test_not_even_reset_all_drops_the_role(conn):
    await conn.execute("RESET ALL; RESET ROLE")
    assert await conn.fetchval("SELECT current_user") == db.APP_ROLE


async def test_a_missing_role_is_told_in_one_sentence(empty_database):
    for attempt in (connect, create_pool):
        with pytest.raises(DatabaseUnavailable, match=r'no role "absent" yet: run `marketplace migrate`'):
            await attempt(empty_database, role="absent")


@pytest.mark.parametrize(
    "dsn", ["postgresql://x@/y?host=/nowhere", "nonsense", "postgresql://x@127.0.0.1:1/y"]
)
async def test_an_unreachable_server_is_told_in_one_sentence(dsn):
    for attempt in (connect, create_pool, migrate):
        with pytest.raises(DatabaseUnavailable, match=r"^PostgreSQL cannot be reached: .*[^.]\.$"):
            await attempt(dsn)


async def test_a_server_older_than_15_is_refused(empty_database, monkeypatch):
    monkeypatch.setattr(
        asyncpg.Connection, "get_server_version", lambda _: asyncpg.types.ServerVersion(14, 9, 0, "final", 0)
    )
    for attempt in (connect, create_pool):
        with pytest.raises(
            DatabaseUnavailable, match=r"^PostgreSQL 15 or newer is needed; .* PostgreSQL 14\.$"
        ):
            await attempt(empty_database, role=None)


# -- a pool that does not reset ------------------------------------------------------------------------


async def fail_halfway(pool):
    async with pool.acquire() as held, held.transaction():
        await held.execute("CREATE TABLE half_done (id int)")
        raise ZeroDivisionError


async def test_a_released_connection_keeps_its_session_but_not_its_transaction(empty_database):
    opened = await create_pool(empty_database, size_max=1, role=None)
    async with opened.acquire() as held:
        await held.execute("SET lock_timeout = '7s'")
    with pytest.raises(ZeroDivisionError):
        await fail_halfway(opened)
    assert await opened.fetchval("SHOW lock_timeout") == "7s"  # so nothing was sent to reset it
    assert await opened.fetchval("SELECT to_regclass('half_done')") is None
    await opened.close()


SESSION_STATE = re.compile(
    r"""
    \bpg_(try_)?advisory_(un)?lock          # lives until the session ends; the xact ones are fine
    | ^\s*(un)?listen\s+[\w"]+\s*;?\s*$
    | (^|;)\s*set\s+(session\s+)?(?!local\b)[\w.]+\s*(=|to\b)
    | (^|;)\s*set\s+(session\s+)?(role|authorization|time\s+zone|characteristics)\b
    | (^|;)\s*reset\s+[\w.]+\s*(;|$)
    | \bset_config\s*\([^)]*,\s*false\s*\)
    | \bcreate\s+(temp|temporary)\s+table\b(?!.*\bon\s+commit\s+drop\b)
    | \bwith\s+hold\b
    | (^|;)\s*(prepare|deallocate|discard|load)\s+\w+
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
ON_ITS_OWN_CONNECTION = [
    ("marketplace/db.py", "SELECT pg_try_advisory_lock($1)"),
    ("marketplace/cli/market.py", "SELECT pg_try_advisory_lock($1, 0)"),
    ("marketplace/worker.py", "SELECT pg_try_advisory_lock($1, 0)"),
]
"""Session state kept on purpose, on a connection from `db.connect`, never on a pooled one."""


def texts_of(source: str) -> Iterator[str]:
    """Yield the strings of a module but its docstrings; an f-string is one text, with x for its values."""
    tree = ast.parse(source)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


def test_no_source_leaves_session_state_on_a_pooled_connection():
    packages = ("marketplace", "catalog", "group_buy", "search_config")
    files = [file for package in packages for file in (SOURCES / package).rglob("*.py")]
    assert len(files) >= 10
    found = []
    for file in files:
        name, source = file.relative_to(SOURCES).as_posix(), file.read_text(encoding="utf-8")
        found += [(name, text) for text in texts_of(source) if SESSION_STATE.search(text)]
        found += [(name, "add_listener") for _ in re.findall(r"\.add_listener\(", source)]
    assert [each for each in found if each not in ON_ITS_OWN_CONNECTION] == []


@pytest.mark.parametrize(
    "leak",
    [
        "SELECT pg_advisory_lock(1)",
        "select pg_try_advisory_lock($1)",
        "LISTEN rounds",
        "SET lock_timeout = '5s'",
        "set session timezone to 'UTC'",
        "SELECT 1; SET ROLE owner;",
        "SELECT set_config('a.b', $1, false)",
        "CREATE TEMP TABLE rows (id int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ],
)
def test_the_check_of_the_sources_sees(leak):
    assert SESSION_STATE.search(leak)


@pytest.mark.parametrize(
    "fine",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "SET LOCAL lock_timeout = '5s'",
        "UPDATE rounds\n   SET state = 'cleared' WHERE id = $1",
        "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE\nSET n = 1",
        "SELECT set_config('a.b', $1, true)",
        "CREATE TEMP TABLE rows (id int) ON COMMIT DROP",
        "SET CONSTRAINTS ALL DEFERRED",
        "set up everything to begin",
        "listen to the customer",
    ],
)
def test_the_check_of_the_sources_passes(fine):
    assert not SESSION_STATE.search(fine)


# -- migrations ----------------------------------------------------------------------------------------


async def test_files_are_applied_in_order_once_and_recorded(empty_database, empty_conn, folder):
    assert await pending_migrations(empty_conn, migrations=folder) == [
        "0001_makers.sql",
        "0002_first_maker.sql",
    ]
    assert await migrate(empty_database, migrations=folder) == ["0001_makers.sql", "0002_first_maker.sql"]
    assert await migrate(empty_database, migrations=folder) == []
    assert await pending_migrations(empty_conn, migrations=folder) == []
    rows = await empty_conn.fetch("SELECT * FROM schema_migrations ORDER BY version")
    assert [(row["version"], row["name"], row["sha256"]) for row in rows] == [
        (1, "0001_makers.sql", hashlib.sha256(FIRST.encode()).hexdigest()),
        (2, "0002_first_maker.sql", hashlib.sha256(SECOND.encode()).hexdigest()),
    ]
    assert all(row["applied_at"].tzinfo for row in rows)
    assert await empty_conn.fetch("SELECT * FROM makers") == [(1, "새한정밀")]


async def test_the_application_role_sees_that_the_real_schema_is_complete(conn, owner_conn):
    assert await pending_migrations(conn) == []
    assert await owner_conn.fetchval("SELECT count(*) FROM schema_migrations") == len(db.read_migrations())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.execute("DELETE FROM schema_migrations")


@pytest.mark.parametrize("indexed", [False, True])
async def test_four_servers_starting_at_once_all_succeed(empty_database, empty_conn, folder, indexed):
    (folder / "0003_slow.sql").write_text("SELECT pg_sleep(0.2)")
    if indexed:
        (folder / "0004_index.sql").write_text(INDEX)
    names = [file.name for file in sorted(folder.iterdir())]
    answers = await asyncio.gather(*(migrate(empty_database, migrations=folder) for _ in range(4)))
    assert sorted(answers) == [[], [], [], names]
    assert await empty_conn.fetchval("SELECT count(*) FROM makers") == 1


async def test_a_statement_that_forbids_transactions_runs_without_one(empty_database, empty_conn, folder):
    (folder / "0003_index.sql").write_text(INDEX)
    assert len(await migrate(empty_database, migrations=folder)) == 3
    assert await empty_conn.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'makers_name'::regclass"
    )


async def test_a_failing_file_names_its_line_and_leaves_nothing_of_itself(empty_database, empty_conn, folder):
    (folder / "0003_broken.sql").write_text("CREATE TABLE half_done (id int);\n\nSELECT 1 FROM nowhere;")
    with pytest.raises(MigrationError, match=r'^0003_broken.sql, line 3, failed: relation "nowhere" .*\.$'):
        await migrate(empty_database, migrations=folder)
    assert await empty_conn.fetchval("SELECT to_regclass('half_done')") is None
    assert await pending_migrations(empty_conn, migrations=folder) == ["0003_broken.sql"]
    (folder / "0003_broken.sql").write_text("CREATE TABLE half_done (id int)")
    assert await migrate(empty_database, migrations=folder) == ["0003_broken.sql"]


async def test_a_file_that_commits_by_itself_is_refused(empty_database, folder):
    (folder / "0003_commits.sql").write_text("SELECT 1; COMMIT;")
    with pytest.raises(MigrationError, match=r"^0003_commits.sql ends its own transaction"):
        await migrate(empty_database, migrations=folder)


async def refusal(dsn, folder, conn):
    """Return the sentence of a refused migration, having checked that it changed nothing."""
    before = await conn.fetch("SELECT * FROM schema_migrations")
    with pytest.raises(MigrationError) as caught:
        await migrate(dsn, migrations=folder)
    assert await conn.fetch("SELECT * FROM schema_migrations") == before
    assert await conn.fetchval("SELECT to_regclass('fresh')") is None
    return str(caught.value)


async def test_a_changed_or_renamed_file_is_refused(empty_database, empty_conn, folder):
    await migrate(empty_database, migrations=folder)
    (folder / "0003_fresh.sql").write_text("CREATE TABLE fresh (id int)")
    (folder / "0001_makers.sql").write_text(FIRST + "\n")
    assert (await refusal(empty_database, folder, empty_conn)).startswith(
        "0001_makers.sql is not what the database once applied as 0001_makers.sql"
    )
    with pytest.raises(MigrationError, match=r"^0001_makers\.sql is not what"):
        await pending_migrations(empty_conn, migrations=folder)
    (folder / "0001_makers.sql").write_text(FIRST)
    (folder / "0002_first_maker.sql").rename(folder / "0002_other.sql")
    assert (await refusal(empty_database, folder, empty_conn)).startswith("0002_other.sql is not what")


async def test_a_checkout_with_other_line_ends_is_the_same_file(empty_database, folder):
    (folder / "0001_makers.sql").write_bytes(FIRST.encode() + b"\n-- made\n")
    await migrate(empty_database, migrations=folder)
    (folder / "0001_makers.sql").write_bytes(FIRST.encode() + b"\r\n-- made\r\n")
    assert await migrate(empty_database, migrations=folder) == []


async def test_a_database_that_is_ahead_is_not_migrated_but_is_ready(empty_database, empty_conn, folder):
    await migrate(empty_database, migrations=folder)
    (folder / "0002_first_maker.sql").unlink()
    said = await refusal(empty_database, folder, empty_conn)
    assert said == "The database is ahead: it has 0002_first_maker.sql, which this version lacks."
    assert await pending_migrations(empty_conn, migrations=folder) == []


async def test_a_hole_in_the_history_is_refused(empty_database, empty_conn, folder):
    await migrate(empty_database, migrations=folder)
    await empty_conn.execute("DELETE FROM schema_migrations WHERE version = 1")
    said = await refusal(empty_database, folder, empty_conn)
    assert said == "The database has 0002_first_maker.sql but never had number 0001 before it."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("0004_gap.sql", "0004_gap.sql should be number 0003"),
        ("0002_double.sql", "0002_first_maker.sql should be number 0003"),
        ("3_short.sql", "3_short.sql is not named like 0001_what_it_does.sql"),
        ("0003-dash.sql", "0003-dash.sql is not named like"),
    ],
)
async def test_misnumbered_files_are_refused_before_the_database_is_touched(
    empty_database, empty_conn, folder, name, sentence
):
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=sentence):
        await migrate(empty_database, migrations=folder)
    assert await empty_conn.fetchval("SELECT to_regclass('schema_migrations')") is None


async def test_a_lock_held_too_long_is_told_and_a_dead_holder_frees_it(empty_database, empty_conn, folder):
    await empty_conn.execute("SELECT pg_advisory_lock($1)", db._MIGRATION_LOCK)
    with pytest.raises(MigrationError, match=r"held the migration lock for 0\.1 seconds\."):
        await migrate(empty_database, migrations=folder, lock_wait_seconds=0.1)
    waiting = asyncio.create_task(migrate(empty_database, migrations=folder))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    empty_conn.terminate()
    assert len(await waiting) == 2


async def test_a_login_that_does_not_own_the_database_may_serve_but_not_migrate(
    owner_conn: asyncpg.Connection, database: str, tmp_path: Path
) -> None:
    if "://marketplace@/" not in database:
        pytest.skip("TEST_DATABASE_URL: its server may ask a new login for a password")
    await owner_conn.execute("DROP ROLE IF EXISTS only_serves")
    await owner_conn.execute("CREATE ROLE only_serves LOGIN IN ROLE marketplace_app")
    dsn = database.replace("://marketplace@", "://only_serves@")
    assert await migrate(dsn) == []
    for file in db.read_migrations():
        (tmp_path / file.name).write_text(file.sql)
    (tmp_path / f"{len(db.read_migrations()) + 1:04}_more.sql").write_text("CREATE TABLE more (id int)")
    with pytest.raises(MigrationError, match="owner's DATABASE_URL"):
        await migrate(dsn, migrations=tmp_path)
    assert await owner_conn.fetchval("SELECT to_regclass('more') IS NULL")
    await owner_conn.execute("DROP ROLE only_serves")
