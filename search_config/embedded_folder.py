"""One index on disk: generations side by side, a pointer to the current one, a lock for writers.

    catalog/CURRENT                  name of the generation in use, replaced atomically
    catalog/writer.lock              held (flock) by whoever writes, in any process
    catalog/<fingerprint>-<random>/  one tantivy index

Readers need no lock: they follow CURRENT and keep the old files mapped until they look again.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from search_config.documents import IndexName
from search_config.errors import SearchUnavailable

WRITER_WAIT_SECONDS = 120.0
"""How long a writer waits for another, for instance for a rebuild of 100,000 documents."""
WRITER_POLL_SECONDS = 0.02


class IndexFolder:
    """The folder of one index and the settings fingerprint it should have been built with."""

    def __init__(self, home: Path, *, index: IndexName, fingerprint: str) -> None:
        self.index = index
        self.fingerprint = fingerprint
        self.path = home / index
        self._seen: tuple[tuple[int, int], Path] | None = None

    def current(self) -> Path | None:
        """The generation in use, None before the first write."""
        pointer = self.path / "CURRENT"
        try:
            status = pointer.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            seen = self._seen
            if seen is None or seen[0] != stamp:  # every swap makes a new file
                seen = self._seen = (stamp, self.path / pointer.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        return seen[1]

    def is_outdated(self, generation: Path) -> bool:
        """Whether this generation was built with other settings."""
        return not generation.name.startswith(f"{self.fingerprint}-")

    def new_generation(self) -> Path:
        """A fresh empty folder that nobody reads yet."""
        generation = self.path / f"{self.fingerprint}-{uuid.uuid4().hex[:12]}"
        generation.mkdir(parents=True)
        return generation

    def point_to(self, generation: Path) -> None:
        """Make this generation the current one, durably and in one step."""
        draft = self.path / "CURRENT.new"
        with draft.open("w", encoding="ascii") as file:
            file.write(generation.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / "CURRENT")
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop_generations(self, *, keep: set[Path]) -> None:
        """Remove what crashed or earlier rebuilds left. Call only while holding the writer lock."""
        for entry in self.path.iterdir():
            if entry.is_dir() and entry not in keep:
                shutil.rmtree(entry, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Hold the writer lock. The kernel drops it when the process dies.

        Raises SearchUnavailable when another writer keeps it for WRITER_WAIT_SECONDS or the folder cannot
        be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SearchUnavailable(
                self.index, reason=f"cannot write {self.path.name}: {error.strerror}"
            ) from error
        try:
            await self._wait_for(lock)
            yield
        finally:
            os.close(lock)  # closing the only descriptor of this open releases the flock

    async def _wait_for(self, lock: int) -> None:
        try:
            async with asyncio.timeout(WRITER_WAIT_SECONDS):
                while not _try_lock(lock):  # noqa: ASYNC110 - the lock is the kernel's, nobody can set an event
                    await asyncio.sleep(WRITER_POLL_SECONDS)
        except TimeoutError as error:
            raise SearchUnavailable(
                self.index, reason="another process has been writing for too long"
            ) from error


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
