"""A file that somebody brings: kept as it came, checked, and applied when asked; twice under one id is once."""

import asyncio
import hashlib
import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final, Literal
from uuid import UUID, uuid5

import asyncpg

from catalog.core.import_rows import read_table
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.errors import ImportIdReused, ImportNotFound
from catalog.importing import apply_import, check_import
from catalog.imports import Import, get_import, record_import

ImportMode = Literal["check", "apply", "take_good_rows"]
IMPORT_MODES: Final[tuple[ImportMode, ...]] = ("check", "apply", "take_good_rows")
FILE_NAME_LENGTH_MAX: Final = 120


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
) -> Import:
    """Keep the file and check or apply it. The same file under the same id again answers what became of it.

    Raises ImportNotAllowed, UnknownKind; ImportIdReused where the id names another file.
    """
    await _lock(conn, import_id)
    sha256 = hashlib.sha256(content).digest()
    earlier = await _find(conn, import_id=import_id, viewer=viewer)
    if earlier is not None:
        if (earlier.kind, await _file_sha256(conn, earlier.file_id)) != (kind, sha256):
            raise ImportIdReused(str(import_id))
        if earlier.state == "applied" or mode == "check":
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
    conn: asyncpg.Connection, *, import_id: UUID, mode: ImportMode, viewer: Viewer, person_id: int
) -> Import:
    """Apply a file that was checked before, against the catalog as it is now.

    Raises ImportNotFound, also for another organization's; ImportNotAllowed.
    """
    await _lock(conn, import_id)
    found = await get_import(conn, import_id=import_id, viewer=viewer)
    if found.state == "applied":
        return found
    content = await conn.fetchval(
        "SELECT c.content FROM files f JOIN file_contents c USING (sha256) WHERE f.id = $1", found.file_id
    )
    if content is None or found.file_id is None:
        raise ImportNotFound(str(import_id))
    return await _run(
        conn,
        import_id=import_id,
        kind=found.kind,
        file_id=found.file_id,
        file_name=found.file_name,
        content=content,
        mode=mode,
        viewer=viewer,
        person_id=person_id,
    )


async def _run(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    kind: ImportKind,
    file_id: UUID,
    file_name: str,
    content: bytes,
    mode: ImportMode,
    viewer: Viewer,
    person_id: int,
) -> Import:
    suffix = PurePosixPath(file_name).suffix
    # Parsing a file of 20 MiB takes a second; other requests are served meanwhile.
    table = await asyncio.to_thread(read_table, content, suffix=suffix)
    if mode == "check":
        report = await check_import(conn, kind=kind, table=table, viewer=viewer)
    else:
        report = await apply_import(
            conn, kind=kind, table=table, viewer=viewer, take_good_rows=mode == "take_good_rows"
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
