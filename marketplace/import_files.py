"""A file that somebody brings: kept as it came, checked, and applied when asked; twice under one id is once."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final
from uuid import UUID, uuid5

import asyncpg

from catalog.core.import_rows import read_batches
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.errors import ImportIdReused, ImportNotFound
from catalog.events import Actor
from catalog.importing import apply_import, check_import
from catalog.importing.plan import OnRows
from catalog.imports import (
    Import,
    get_import,
    note_stopped,
    queue_import,
    record_import,
    report_progress,
    take_due_import,
)
from catalog.imports import ImportMode as ImportMode  # noqa: PLC0414 - callers name it with take_import
from group_buy.transactions import transaction

IMPORT_MODES: Final[tuple[ImportMode, ...]] = ("check", "apply", "take_good_rows")
FILE_NAME_LENGTH_MAX: Final = 120
INLINE_BYTES_MAX: Final = 2**20
"""Files up to this size are worked on while their page is waited for, longer ones by the workers."""


class ImportStopped(Exception):
    """Somebody asked a long import to stop; raised inside its transaction, which leaves nothing behind."""


async def take_import(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    kind: ImportKind,
    file_name: str,
    content: bytes,
    mode: ImportMode,
    viewer: Viewer,
    person_id: int,
    may_wait: bool = False,
) -> Import:
    """Keep the file and check or apply it, or (`may_wait`, a long file) leave it to the workers.

    The same file under the same id again answers what became of it.

    Raises ImportNotAllowed, UnknownKind; ImportIdReused where the id names another file.
    """
    await _lock(conn, import_id)
    sha256 = hashlib.sha256(content).digest()
    earlier = await _find(conn, import_id=import_id, viewer=viewer)
    if earlier is not None:
        if (earlier.kind, await _file_sha256(conn, earlier.file_id)) != (kind, sha256):
            raise ImportIdReused(str(import_id))
        if earlier.state in {"applied", "running"} or mode == "check":
            return earlier
    name = clean_file_name(file_name)
    file_id = await _keep_file(
        conn,
        import_id=import_id,
        name=name,
        content=content,
        sha256=sha256,
        viewer=viewer,
        person_id=person_id,
    )
    if may_wait and len(content) > INLINE_BYTES_MAX:
        return await queue_import(
            conn,
            import_id=import_id,
            kind=kind,
            viewer=viewer,
            person_id=person_id,
            file_id=file_id,
            file_name=name,
            mode=mode,
            rows_total=_rows_about(name, content),
        )
    return await _run(
        conn,
        import_id=import_id,
        kind=kind,
        file_id=file_id,
        file_name=name,
        content=content,
        mode=mode,
        viewer=viewer,
        person_id=person_id,
    )


async def apply_kept_import(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    mode: ImportMode,
    viewer: Viewer,
    person_id: int,
    may_wait: bool = False,
) -> Import:
    """Check or apply a kept file against the catalog as it is now, or leave a long one to the workers.

    Raises ImportNotFound, also for another organization's; ImportNotAllowed.
    """
    await _lock(conn, import_id)
    found = await get_import(conn, import_id=import_id, viewer=viewer)
    if found.state in {"applied", "running"}:
        return found
    content = await read_kept_file(conn, found)
    if may_wait and len(content) > INLINE_BYTES_MAX:
        return await queue_import(
            conn,
            import_id=import_id,
            kind=found.kind,
            viewer=viewer,
            person_id=person_id,
            file_id=found.file_id,
            file_name=found.file_name,
            mode=mode,
            rows_total=_rows_about(found.file_name, content),
        )
    return await _run_kept(conn, found, content, mode=mode, viewer=viewer, person_id=person_id)


async def read_kept_file(conn: asyncpg.Connection, found: Import) -> bytes:
    """The bytes that an import came as. Raises ImportNotFound where they are gone."""
    content: bytes | None = await conn.fetchval(
        "SELECT c.content FROM files f JOIN file_contents c USING (sha256) WHERE f.id = $1", found.file_id
    )
    if content is None:
        raise ImportNotFound(str(found.id))
    return content


async def work_on_import(pool: asyncpg.Pool) -> int:
    """Work on one long import; return whether there was one. Its progress is noted on a connection of its own.

    The catalog changes in one transaction at the end, so a stop, or a death, leaves it as it was.
    """
    async with transaction(pool) as conn:
        due = await take_due_import(conn)
    if due is None:
        return 0

    async def go_on(rows_done: int) -> None:
        async with transaction(pool) as other:
            if not await report_progress(other, import_id=due.id, rows_done=rows_done):
                raise ImportStopped(str(due.id))

    try:
        async with transaction(pool) as conn:
            found = await get_import(conn, import_id=due.id, viewer=due.viewer)
            content = await read_kept_file(conn, found)
            await _run_kept(
                conn, found, content, mode=due.mode, viewer=due.viewer, person_id=due.person_id, on_rows=go_on
            )
    except ImportStopped:
        async with transaction(pool) as conn:
            await note_stopped(conn, import_id=due.id)
    except Exception:
        async with transaction(pool) as conn:
            await note_stopped(conn, import_id=due.id)
        raise
    return 1


def _rows_about(file_name: str, content: bytes) -> int | None:
    """How many rows a text file has, about: its lines. A workbook does not say."""
    return content.count(b"\n") if file_name.lower().endswith((".csv", ".jsonl")) else None


async def _run_kept(
    conn: asyncpg.Connection,
    found: Import,
    content: bytes,
    *,
    mode: ImportMode,
    viewer: Viewer,
    person_id: int,
    on_rows: OnRows | None = None,
) -> Import:
    return await _run(
        conn,
        import_id=found.id,
        kind=found.kind,
        file_id=found.file_id,
        file_name=found.file_name,
        content=content,
        mode=mode,
        viewer=viewer,
        person_id=person_id,
        on_rows=on_rows,
    )


async def _run(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    kind: ImportKind,
    file_id: UUID | None,
    file_name: str,
    content: bytes,
    mode: ImportMode,
    viewer: Viewer,
    person_id: int,
    on_rows: OnRows | None = None,
) -> Import:
    suffix = PurePosixPath(file_name).suffix
    table = read_batches(content, suffix=suffix)
    asks = Actor(person_id, viewer.organization_id) if viewer.kind == "vendor" else None
    if mode == "check":
        report = await check_import(
            conn, kind=kind, table=table, viewer=viewer, on_rows=on_rows, is_reviewed=asks is not None
        )
    else:
        report = await apply_import(
            conn,
            kind=kind,
            table=table,
            viewer=viewer,
            take_good_rows=mode == "take_good_rows",
            on_rows=on_rows,
            asks=asks,
        )
    return await record_import(
        conn,
        import_id=import_id,
        kind=kind,
        viewer=viewer,
        person_id=person_id,
        file_id=file_id,
        file_name=file_name,
        report=report,
    )


def clean_file_name(name: str) -> str:
    """The last part of a path as text of one line: NFC, printable, of a length that a table can show."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    printable = "".join(char for char in last if char.isprintable()).strip()
    if len(printable) > FILE_NAME_LENGTH_MAX:
        suffix = PurePosixPath(printable).suffix[:10]
        printable = printable[: FILE_NAME_LENGTH_MAX - len(suffix)] + suffix
    return printable or "file"


async def _lock(conn: asyncpg.Connection, import_id: UUID) -> None:
    """Two requests under one id wait for each other, so that the second finds what the first did."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('import file'), hashtext($1))", str(import_id))


async def _find(conn: asyncpg.Connection, *, import_id: UUID, viewer: Viewer) -> Import | None:
    try:
        return await get_import(conn, import_id=import_id, viewer=viewer)
    except ImportNotFound:
        return None


async def _file_sha256(conn: asyncpg.Connection, file_id: UUID | None) -> bytes | None:
    sha256: bytes | None = await conn.fetchval("SELECT sha256 FROM files WHERE id = $1", file_id)
    return sha256


async def _keep_file(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    name: str,
    content: bytes,
    sha256: bytes,
    viewer: Viewer,
    person_id: int,
) -> UUID:
    """Store the content once and a row for this upload; the id follows from both, so a repetition adds nothing."""
    file_id = uuid5(import_id, f"{viewer.organization_id}:{sha256.hex()}")
    await conn.execute(
        "INSERT INTO file_contents (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256, content
    )
    await conn.execute(
        """
        INSERT INTO files (id, sha256, organization_id, person_id, name, media_type, size_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        file_id,
        sha256,
        viewer.organization_id,
        person_id,
        name,
        "application/octet-stream",
        len(content),
    )
    return file_id
