"""PDF files that people bring: known by their bytes, not by their name, kept once per content."""

import hashlib
from typing import Final
from uuid import UUID, uuid5

import asyncpg

from catalog.errors import CatalogError
from catalog.events import Actor
from marketplace.import_files import clean_file_name

PDF_BYTES_MAX: Final = 10 * 2**20
PDF_MAGIC: Final = b"%PDF-"
PDF_MAGIC_WITHIN: Final = 1024
"""Readers accept the header within the first KiB (ISO 32000-1, Annex H, note 13)."""

_PDF_END: Final = b"%%EOF"
_UPLOADS: Final = UUID("6f1a4a2e-7a58-4d5c-9a53-2c1f6d1f5b0d")


class FileRefused(CatalogError):
    """A file that is not taken; `reason` is `empty`, `too_large` or `not_a_pdf`."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the file is refused: {reason}")


def require_pdf(content: bytes) -> None:
    """Raises FileRefused unless these are the bytes of a whole PDF of at most 10 MiB."""
    if not content:
        raise FileRefused(reason="empty")
    if len(content) > PDF_BYTES_MAX:
        raise FileRefused(reason="too_large")
    if PDF_MAGIC not in content[:PDF_MAGIC_WITHIN] or _PDF_END not in content[-PDF_MAGIC_WITHIN:]:
        raise FileRefused(reason="not_a_pdf")


async def keep_pdf(conn: asyncpg.Connection, *, name: str, content: bytes, actor: Actor) -> UUID:
    """Store a PDF for an organization and return its id; the same file again is the same id. Raises FileRefused."""
    require_pdf(content)
    sha256 = hashlib.sha256(content).digest()
    file_id = uuid5(_UPLOADS, f"{actor.organization_id}:{sha256.hex()}")
    await conn.execute(
        "INSERT INTO file_contents (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256, content
    )
    await conn.execute(
        """
        INSERT INTO files (id, sha256, organization_id, person_id, name, media_type, size_bytes)
        VALUES ($1, $2, $3, $4, $5, 'application/pdf', $6) ON CONFLICT DO NOTHING
        """,
        file_id,
        sha256,
        actor.organization_id,
        actor.person_id,
        clean_file_name(name),
        len(content),
    )
    return file_id


async def read_pdf(conn: asyncpg.Connection, *, file_id: UUID) -> tuple[str, bytes] | None:
    """Name and bytes of a kept PDF; None for another kind of file. Whether the asker may is the caller's to know."""
    row = await conn.fetchrow(
        """
        SELECT f.name, c.content FROM files f JOIN file_contents c USING (sha256)
        WHERE f.id = $1 AND f.media_type = 'application/pdf'
        """,
        file_id,
    )
    return None if row is None else (row["name"], row["content"])
