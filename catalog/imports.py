"""What became of each imported file: kept with its report for who brought it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.errors import ImportIdReused, ImportNotFound
from catalog.importing import ImportReport

ImportState = Literal["checked", "applied", "refused"]


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One file, its report, and whether its rows were written.

    `checked` = a dry run without errors, `refused` = errors kept it from being written (a dry run with
    errors too), `applied` = written, all rows or the good ones.
    """

    id: UUID
    kind: ImportKind
    file_id: UUID | None
    file_name: str
    state: ImportState
    report: ImportReport
    created_at: datetime
    applied_at: datetime | None


async def record_import(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    kind: ImportKind,
    viewer: Viewer,
    person_id: int | None,
    file_id: UUID | None,
    file_name: str,
    report: ImportReport,
) -> Import:
    """Keep a report under the client's id. A dry run may be followed by the real one under the same id.

    Raises ImportIdReused where the id names another organization's or kind's file, or one that is applied.
    """
    state: ImportState = "applied" if report.is_applied else "refused" if report.errors else "checked"
    kept = await conn.fetchval(
        """
        INSERT INTO imports AS i
            (id, organization_id, person_id, kind, file_id, file_name, state, report, applied_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb,
                CASE WHEN $7 = 'applied' THEN clock_timestamp() END)
        ON CONFLICT (id) DO UPDATE SET
            state = excluded.state, report = excluded.report, applied_at = excluded.applied_at,
            file_id = excluded.file_id, file_name = excluded.file_name
        WHERE i.organization_id = excluded.organization_id AND i.kind = excluded.kind
          AND i.state <> 'applied'
        RETURNING i.id
        """,
        import_id,
        viewer.organization_id,
        person_id,
        kind,
        file_id,
        file_name,
        state,
        msgspec.json.encode(report).decode(),
    )
    if kept is None:
        raise ImportIdReused(str(import_id))
    return await get_import(conn, import_id=import_id, viewer=viewer)


async def get_import(conn: asyncpg.Connection, *, import_id: UUID, viewer: Viewer) -> Import:
    """An import of the viewer's own, or any for a coordinator. Raises ImportNotFound."""
    found = await _list_imports(conn, viewer=viewer, import_id=import_id, limit=1)
    if not found:
        raise ImportNotFound(str(import_id))
    return found[0]


async def list_imports(conn: asyncpg.Connection, *, viewer: Viewer, limit: int = 20) -> tuple[Import, ...]:
    """The viewer's newest imports; a coordinator sees everybody's."""
    return tuple(await _list_imports(conn, viewer=viewer, import_id=None, limit=limit))


async def _list_imports(
    conn: asyncpg.Connection, *, viewer: Viewer, import_id: UUID | None, limit: int
) -> Sequence[Import]:
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', id, 'kind', kind, 'file_id', file_id, 'file_name', file_name, 'state', state,
            'report', report, 'created_at', created_at, 'applied_at', applied_at)::text
        FROM imports
        WHERE ($1::uuid IS NULL OR id = $1) AND (organization_id = $2 OR $3)
        ORDER BY created_at DESC, id LIMIT $4
        """,
        import_id,
        viewer.organization_id,
        viewer.is_coordinator,
        limit,
    )
    return [msgspec.json.decode(row[0], type=Import) for row in rows]
