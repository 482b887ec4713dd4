"""A bank's file that somebody brings: checked in a transaction that is rolled back, or booked."""

import hashlib
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from catalog.core.import_rows import FILE_BYTES_MAX
from catalog.events import Actor
from group_buy.banking import BankReport, import_statement
from marketplace.import_files import clean_file_name

UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX + 64 * 1024
"""The largest file and the other fields of its form."""
CHECKED_FILE_LASTS: Final = timedelta(days=1)
"""So long a checked file waits to be booked without being brought again."""


async def take_statement(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    content: bytes,
    file_name: str,
    account: str,
    is_dry_run: bool,
    take_good_rows: bool,
    actor: Actor,
) -> BankReport:
    """Book a statement, or say exactly what booking it would do: the same work, taken back. Raises BankFileRefused."""
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        report = await import_statement(
            conn,
            import_id=import_id,
            content=content,
            file_name=clean_file_name(file_name),
            account=account,
            take_good_rows=take_good_rows,
            actor=actor,
        )
    except BaseException:
        await savepoint.rollback()
        raise
    if is_dry_run:
        await savepoint.rollback()
    else:
        await savepoint.commit()
    return report


async def keep_checked_file(
    conn: asyncpg.Connection, *, import_id: UUID, content: bytes, file_name: str, actor: Actor
) -> None:
    """Keep a checked file for a day, for its own organization only, so that a button can book it."""
    sha256 = hashlib.sha256(content).digest()
    await conn.execute(
        "INSERT INTO file_contents (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256, content
    )
    await conn.execute(
        """
        INSERT INTO files (id, sha256, organization_id, person_id, name, media_type, size_bytes, expires_at)
        VALUES ($1, $2, $3, $4, $5, 'text/csv', $6, clock_timestamp() + $7) ON CONFLICT DO NOTHING
        """,
        import_id,
        sha256,
        actor.organization_id,
        actor.person_id,
        clean_file_name(file_name),
        len(content),
        CHECKED_FILE_LASTS,
    )


async def read_checked_file(
    conn: asyncpg.Connection, *, import_id: UUID, organization_id: int
) -> tuple[str, bytes] | None:
    """Name and bytes of an organization's checked file, or None when it is gone."""
    row = await conn.fetchrow(
        """
        SELECT f.name, c.content FROM files f JOIN file_contents c USING (sha256)
        WHERE f.id = $1 AND f.organization_id = $2 AND f.media_type = 'text/csv'
        """,
        import_id,
        organization_id,
    )
    return None if row is None else (row["name"], row["content"])


async def remove_checked_files(conn: asyncpg.Connection) -> int:
    """Forget checked files whose day is over: a statement holds the names and sums of strangers. Returns how many."""
    rows = await conn.fetch(
        """
        DELETE FROM files WHERE media_type = 'text/csv' AND expires_at < clock_timestamp()
          AND NOT EXISTS (SELECT FROM imports i WHERE i.file_id = files.id) RETURNING sha256
        """
    )
    await conn.execute(
        """
        DELETE FROM file_contents c WHERE sha256 = ANY ($1) AND NOT EXISTS (SELECT FROM files f WHERE f.sha256 = c.sha256)
          AND NOT EXISTS (SELECT FROM listing_images i WHERE i.sha256 = c.sha256)
        """,
        [row["sha256"] for row in rows],
    )
    return len(rows)
