"""Messages to organizations: written in the transaction of what they tell, read in the inbox."""

from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct


class Notice(Struct, frozen=True, kw_only=True):
    """One message. `data` holds what its sentence needs, and `path`, the page where it goes on."""

    id: int
    kind: str
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


async def notify(
    conn: asyncpg.Connection, *, organization_id: int, kind: str, path: str, **data: str
) -> None:
    """Tell one organization; `kind` such as "change.approved", `path` a page of this site."""
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, $2, $3)",
        organization_id,
        kind,
        {"path": path, **data},
    )


async def notify_coordinators(conn: asyncpg.Connection, *, kind: str, path: str, **data: str) -> None:
    """Tell every active coordinator."""
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT id, $1, $2 FROM organizations WHERE kind = 'coordinator' AND state = 'active'
        """,
        kind,
        {"path": path, **data},
    )


async def list_notices(conn: asyncpg.Connection, *, organization_id: int, limit: int = 100) -> list[Notice]:
    """The organization's messages, the newest first."""
    rows = await conn.fetch(
        """
        SELECT id, kind, data, created_at, read_at FROM notifications
        WHERE organization_id = $1 ORDER BY id DESC LIMIT $2
        """,
        organization_id,
        limit,
    )
    return [Notice(**dict(row)) for row in rows]


async def mark_read(conn: asyncpg.Connection, *, organization_id: int, notice_id: int | None = None) -> int:
    """Mark one message of the organization's own as read, or all; return how many were unread."""
    rows = await conn.fetch(
        """
        UPDATE notifications SET read_at = clock_timestamp()
        WHERE organization_id = $1 AND read_at IS NULL AND ($2::bigint IS NULL OR id = $2) RETURNING id
        """,
        organization_id,
        notice_id,
    )
    return len(rows)


async def organization_names(conn: asyncpg.Connection, *, organization_id: int) -> dict[str, str]:
    """The names of an organization as messages take them: `name_ko`, `name_en`."""
    row = await conn.fetchrow("SELECT name_ko, name_en FROM organizations WHERE id = $1", organization_id)
    return dict(row or {})
