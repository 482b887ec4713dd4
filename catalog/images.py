"""Pictures of products and package models: brought by upload only, kept once by content, shown to who sees the listing."""

import hashlib
from typing import Literal
from uuid import UUID, uuid5

import asyncpg
import msgspec

from catalog.core.image_files import inspect_image
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import ImageNotFound, ListingNotOwned, TooManyImages
from catalog.events import Actor, record_event

ListingKind = Literal["product", "package_model"]
IMAGES_MAX = 12
"""Most pictures of one listing."""


class Image(msgspec.Struct, frozen=True):
    """A picture of a listing; `sha256` in hexadecimal is its address."""

    id: UUID
    sha256: str
    width: int
    height: int
    caption_ko: str
    caption_en: str


async def add_image(
    conn: asyncpg.Connection,
    *,
    listing: ListingKind,
    code: str,
    content: bytes,
    file_name: str,
    caption_ko: str,
    caption_en: str,
    viewer: Viewer,
    actor: Actor,
) -> None:
    """Put a picture to a listing of the viewer's own. The same picture again changes nothing.

    Raises UnfitImage, ListingNotOwned (also where there is no such listing), TooManyImages.
    """
    facts = inspect_image(content)
    listing_id = await _require_own(conn, listing=listing, code=code, viewer=viewer)
    sha256 = hashlib.sha256(content).digest()
    image_id = uuid5(UUID(int=0), f"{listing}:{listing_id}:{sha256.hex()}")
    count = await conn.fetchval(
        "SELECT count(*) FROM listing_images WHERE (product_id = $1 OR package_model_id = $2) AND id <> $3",
        listing_id if listing == "product" else None,
        listing_id if listing == "package_model" else None,
        image_id,
    )
    if count >= IMAGES_MAX:
        raise TooManyImages(code, limit=IMAGES_MAX)
    await conn.execute(
        "INSERT INTO file_contents (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256, content
    )
    await conn.execute(
        """
        INSERT INTO files (id, sha256, organization_id, person_id, name, media_type, size_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        image_id,
        sha256,
        viewer.organization_id,
        actor.person_id,
        file_name,
        facts.media_type,
        len(content),
    )
    added = await conn.fetchval(
        """
        INSERT INTO listing_images
            (id, product_id, package_model_id, file_id, sha256, media_type, width, height, caption_ko, caption_en)
        VALUES ($1, $2, $3, $1, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id
        """,
        image_id,
        listing_id if listing == "product" else None,
        listing_id if listing == "package_model" else None,
        sha256,
        facts.media_type,
        facts.width,
        facts.height,
        caption_ko,
        caption_en,
    )
    if added is not None:
        await record_event(
            conn, kind="image.added", subject=listing, subject_id=code, actor=actor, sha256=sha256.hex()
        )


async def remove_image(
    conn: asyncpg.Connection, *, image_id: UUID, viewer: Viewer, actor: Actor
) -> tuple[ListingKind, str]:
    """Take a picture away from a listing of one's own; answer which. Raises ImageNotFound."""
    row = await conn.fetchrow(
        """
        DELETE FROM listing_images i
        WHERE i.id = $1 AND (
            EXISTS (SELECT FROM products p WHERE p.id = i.product_id AND p.vendor_id = $2)
            OR EXISTS (SELECT FROM package_models m WHERE m.id = i.package_model_id AND m.vendor_id = $2))
        RETURNING coalesce((SELECT code FROM products WHERE id = i.product_id),
                           (SELECT code FROM package_models WHERE id = i.package_model_id)),
                  i.product_id IS NOT NULL
        """,
        image_id,
        viewer.organization_id,
    )
    if row is None:
        raise ImageNotFound(str(image_id))
    listing: ListingKind = "product" if row[1] else "package_model"
    await record_event(
        conn, kind="image.removed", subject=listing, subject_id=row[0], actor=actor, image_id=str(image_id)
    )
    return listing, row[0]


async def list_images(conn: asyncpg.Connection, *, listing: ListingKind, code: str) -> list[Image]:
    """The pictures of a listing in the order that they came. Ask only for one that the viewer may see."""
    rows = await conn.fetch(
        """
        SELECT i.id, encode(i.sha256, 'hex'), i.width, i.height, i.caption_ko, i.caption_en
        FROM listing_images i
        WHERE i.product_id = (SELECT id FROM products WHERE code = $2 AND $1 = 'product')
           OR i.package_model_id = (SELECT id FROM package_models WHERE code = $2 AND $1 = 'package_model')
        ORDER BY i.created_at, i.id
        """,
        listing,
        code,
    )
    return [Image(*row) for row in rows]


async def read_image(
    conn: asyncpg.Connection, *, sha256: bytes, viewer: Viewer = ANONYMOUS
) -> tuple[bytes, str]:
    """The content and media type of a picture of a listing that the viewer may see. Raises ImageNotFound."""
    row = await conn.fetchrow(
        """
        SELECT c.content, i.media_type
        FROM listing_images i
        JOIN file_contents c ON c.sha256 = i.sha256
        LEFT JOIN products p ON p.id = i.product_id
        LEFT JOIN package_models m ON m.id = i.package_model_id
        JOIN organizations v ON v.id = coalesce(p.vendor_id, m.vendor_id)
        WHERE i.sha256 = $1
          AND ($3 OR v.id = $2
               OR v.state = 'active' AND coalesce(p.state, m.state) = 'published'
                  AND (coalesce(p.visibility, m.visibility) = 'public'
                       OR coalesce(p.visibility, m.visibility) = 'members' AND $2::bigint IS NOT NULL))
        LIMIT 1
        """,
        sha256,
        viewer.organization_id,
        viewer.is_coordinator,
    )
    if row is None:
        raise ImageNotFound(sha256.hex())
    return row[0], row[1]


async def list_own_listings(
    conn: asyncpg.Connection, *, viewer: Viewer, limit: int = 500
) -> list[tuple[ListingKind, str, str, str]]:
    """What the viewer may put pictures to: kind, code, Korean and English name."""
    rows = await conn.fetch(
        """
        SELECT kind, code, name_ko, name_en FROM (
            SELECT 'package_model' AS kind, code, name_ko, name_en, updated_at FROM package_models
            WHERE vendor_id = $1 AND state <> 'retired'
            UNION ALL
            SELECT 'product', code, name_ko, name_en, updated_at FROM products
            WHERE vendor_id = $1 AND state <> 'retired') listed
        ORDER BY updated_at DESC, code LIMIT $2
        """,
        viewer.organization_id,
        limit,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def _require_own(conn: asyncpg.Connection, *, listing: ListingKind, code: str, viewer: Viewer) -> int:
    found: int | None = await conn.fetchval(
        """
        SELECT id FROM products WHERE $1 = 'product' AND code = $2 AND vendor_id = $3
        UNION ALL
        SELECT id FROM package_models WHERE $1 = 'package_model' AND code = $2 AND vendor_id = $3
        """,
        listing,
        code,
        viewer.organization_id,
    )
    if found is None:
        raise ListingNotOwned(code)
    return found
