"""Photos of an order's steps and files of its talk: told by their first bytes, few, and for its three parties only."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final
from uuid import UUID, uuid5

import asyncpg

from catalog.errors import EvidenceNotFound
from catalog.events import Actor
from marketplace.evidence_files import EvidenceFile, media_type_of
from marketplace.import_files import clean_file_name
from marketplace.uploads import FileRefused

FILE_BYTES_MAX: Final = 10 * 2**20
FILES_AT_ONCE_MAX: Final = 3
FILES_OF_ORDER_MAX: Final = 100
SUFFIXES: Final = {
    "application/pdf": frozenset({".pdf"}),
    "image/png": frozenset({".png"}),
    "image/jpeg": frozenset({".jpg", ".jpeg"}),
}
"""What a file of each type may be called."""


def require_fit_files(files: Sequence[tuple[str, bytes]]) -> None:
    """Check names and contents. Raises FileRefused, whose `reason` says what is wrong with the first unfit one."""
    if len(files) > FILES_AT_ONCE_MAX:
        raise FileRefused(reason="too_many")
    for name, content in files:
        if not content:
            raise FileRefused(reason="empty")
        if len(content) > FILE_BYTES_MAX:
            raise FileRefused(reason="too_large")
        media_type = media_type_of(content)
        if media_type is None:
            raise FileRefused(reason="not_a_picture_or_pdf")
        if PurePosixPath(name).suffix.lower() not in SUFFIXES[media_type]:
            raise FileRefused(reason="not_what_its_name_says")


async def keep_order_files(
    conn: asyncpg.Connection, *, parent_id: UUID, files: Sequence[tuple[str, bytes]], actor: Actor
) -> None:
    """Keep files (name, content) with a step or message that this organization wrote; the same again is one.

    Raises:
        FileRefused: an unfit file, or more than FILES_OF_ORDER_MAX of one order; nothing of them is kept.
    """
    require_fit_files(files)
    for name, content in files:
        sha256 = hashlib.sha256(content).digest()
        file_id = uuid5(parent_id, sha256.hex())
        await conn.execute(
            "INSERT INTO file_contents (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            sha256,
            content,
        )
        await conn.execute(
            """
            INSERT INTO files (id, sha256, organization_id, person_id, name, media_type, size_bytes)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
            """,
            file_id,
            sha256,
            actor.organization_id,
            actor.person_id,
            clean_file_name(name),
            media_type_of(content),
            len(content),
        )
        await conn.execute(
            """
            INSERT INTO order_files (file_id, order_id, step_id, message_id)
            SELECT $1::uuid, order_id, id, NULL::uuid FROM order_steps WHERE id = $2 AND organization_id = $3
            UNION ALL SELECT $1::uuid, order_id, NULL, id FROM order_messages WHERE id = $2 AND organization_id = $3
            ON CONFLICT DO NOTHING
            """,
            file_id,
            parent_id,
            actor.organization_id,
        )
    count = await conn.fetchval(
        """
        SELECT count(*) FROM order_files WHERE order_id = (
            SELECT order_id FROM order_steps WHERE id = $1 UNION ALL SELECT order_id FROM order_messages WHERE id = $1)
        """,
        parent_id,
    )
    if count > FILES_OF_ORDER_MAX:
        raise FileRefused(reason="too_many")


async def read_order_file(
    conn: asyncpg.Connection, *, number: str, file_id: UUID, organization_id: int
) -> EvidenceFile:
    """A file of an order for its buyer, its vendor and the coordinator. Raises EvidenceNotFound for others."""
    row = await conn.fetchrow(
        """
        SELECT f.name, f.media_type, c.content
        FROM order_files x JOIN orders o ON o.id = x.order_id JOIN files f ON f.id = x.file_id
        JOIN file_contents c USING (sha256)
        WHERE x.file_id = $1 AND o.number = $2 AND $3 IN (o.buyer_id, o.vendor_id, o.coordinator_id)
        """,
        file_id,
        number,
        organization_id,
    )
    if row is None:
        raise EvidenceNotFound(str(file_id))
    return EvidenceFile(**dict(row))
