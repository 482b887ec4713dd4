"""Files that prove a statement about a product: kept as they came, told by their first bytes, read by few."""

import hashlib
from typing import Final
from uuid import UUID, uuid5

import asyncpg
import msgspec

from catalog.core.viewer import Viewer
from catalog.errors import EvidenceNotFound, EvidenceRefused
from marketplace.import_files import clean_file_name

EVIDENCE_BYTES_MAX: Final = 10 * 1024 * 1024
MAGIC: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}
"""First bytes of the types that are taken; what a file calls itself is not asked."""


class EvidenceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A kept file as it is handed out."""

    name: str
    media_type: str
    content: bytes


def media_type_of(content: bytes) -> str | None:
    """The type by the first bytes; None for anything that is not taken."""
    return next((name for magic, name in MAGIC.items() if content.startswith(magic)), None)


async def keep_evidence(
    conn: asyncpg.Connection,
    *,
    product_code: str,
    file_name: str,
    content: bytes,
    viewer: Viewer,
    person_id: int,
) -> UUID:
    """Keep a file for this organization and answer its id; the same file for the same product twice is one.

    Raises EvidenceRefused `file_size` above 10 MiB or empty, `file_type` for anything but PDF, PNG and JPEG.
    """
    if not 0 < len(content) <= EVIDENCE_BYTES_MAX:
        raise EvidenceRefused(product_code, reason="file_size")
    media_type = media_type_of(content)
    if media_type is None:
        raise EvidenceRefused(product_code, reason="file_type")
    sha256 = hashlib.sha256(content).digest()
    file_id = uuid5(UUID(int=0), f"evidence:{viewer.organization_id}:{product_code}:{sha256.hex()}")
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
        clean_file_name(file_name),
        media_type,
        len(content),
    )
    return file_id


async def read_evidence(conn: asyncpg.Connection, *, file_id: UUID, viewer: Viewer) -> EvidenceFile:
    """A file that proves something, for who brought it and for coordinators; others do not learn that it exists.

    Raises EvidenceNotFound, also for a file of another purpose.
    """
    row = await conn.fetchrow(
        """
        SELECT f.name, f.media_type, c.content FROM files f JOIN file_contents c USING (sha256)
        WHERE f.id = $1 AND (f.organization_id = $2 OR $3)
          AND (EXISTS (SELECT FROM origin_claims x WHERE x.evidence_file_id = f.id)
               OR EXISTS (SELECT FROM origin_challenges x WHERE x.evidence_file_id = f.id)
               OR EXISTS (SELECT FROM product_standards x WHERE x.evidence_file_id = f.id)
               OR EXISTS (SELECT FROM research_outcomes x WHERE x.document_file_id = f.id))
        """,
        file_id,
        viewer.organization_id,
        viewer.is_coordinator,
    )
    if row is None:
        raise EvidenceNotFound(str(file_id))
    return EvidenceFile(**dict(row))
