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

ImportState = Literal["checked", "applied", "refused", "running", "stopped"]
ImportMode = Literal["check", "apply", "take_good_rows"]
LEASE_SECONDS = 60
"""How long a worker may be silent about a long import before another one takes it over."""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One file, its report, and whether its rows were written.

    `checked` = a dry run without errors, `refused` = errors kept it from being written (a dry run with
    errors too), `applied` = written, all rows or the good ones. A long file is `running` while workers look at
    it (`rows_done` of about `rows_total`), or `stopped`, with the catalog as it was.
    """

    id: UUID
    kind: ImportKind
    file_id: UUID | None
    file_name: str
    state: ImportState
    report: ImportReport
    created_at: datetime
    applied_at: datetime | None
    mode: ImportMode = "check"
    rows_done: int = 0
    rows_total: int | None = None


class DueImport(msgspec.Struct, frozen=True):
    """A long import that a worker took: whose it is and what to do."""

    id: UUID
    mode: ImportMode
    viewer: Viewer
    person_id: int


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
            file_id = excluded.file_id, file_name = excluded.file_name, leased_until = NULL
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
            'report', report, 'created_at', created_at, 'applied_at', applied_at, 'mode', mode,
            'rows_done', rows_done, 'rows_total', rows_total)::text
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


# -- long ones -----------------------------------------------------------------------------------------


async def queue_import(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    kind: ImportKind,
    viewer: Viewer,
    person_id: int | None,
    file_id: UUID | None,
    file_name: str,
    mode: ImportMode,
    rows_total: int | None,
) -> Import:
    """Leave a file to the workers, or set a stopped, checked or refused one going again.

    Raises ImportIdReused where the id names another organization's or kind's file, or one that is applied.
    """
    kept = await conn.fetchval(
        """
        INSERT INTO imports AS i
            (id, organization_id, person_id, kind, file_id, file_name, state, report, mode, rows_total)
        VALUES ($1, $2, $3, $4, $5, $6, 'running', '{}', $7, $8)
        ON CONFLICT (id) DO UPDATE SET
            state = 'running', mode = excluded.mode, rows_done = 0, rows_total = excluded.rows_total,
            stop_asked = false, attempts = 0, leased_until = NULL
        WHERE i.organization_id = excluded.organization_id AND i.kind = excluded.kind
          AND i.state NOT IN ('applied', 'running')
        RETURNING i.id
        """,
        import_id,
        viewer.organization_id,
        person_id,
        kind,
        file_id,
        file_name,
        mode,
        rows_total,
    )
    if kept is None:
        raise ImportIdReused(str(import_id))
    return await get_import(conn, import_id=import_id, viewer=viewer)


async def take_due_import(conn: asyncpg.Connection) -> DueImport | None:
    """Lease the oldest long import that nobody works on."""
    row = await conn.fetchrow(
        """
        UPDATE imports i SET leased_until = clock_timestamp() + make_interval(secs => $1),
                             attempts = i.attempts + 1
        FROM organizations o
        WHERE o.id = i.organization_id AND i.id = (
            SELECT id FROM imports
            WHERE state = 'running' AND (leased_until IS NULL OR leased_until < clock_timestamp())
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING i.id, i.mode, i.organization_id, o.kind, i.person_id
        """,
        LEASE_SECONDS,
    )
    if row is None:
        return None
    return DueImport(row["id"], row["mode"], Viewer(row["organization_id"], row["kind"]), row["person_id"])


async def report_progress(conn: asyncpg.Connection, *, import_id: UUID, rows_done: int) -> bool:
    """Note how far a long import is and renew its lease; False where it should stop."""
    may_go_on = await conn.fetchval(
        """
        UPDATE imports SET rows_done = $2, leased_until = clock_timestamp() + make_interval(secs => $3)
        WHERE id = $1 AND state = 'running' AND NOT stop_asked RETURNING true
        """,
        import_id,
        rows_done,
        LEASE_SECONDS,
    )
    return may_go_on is not None


async def ask_to_stop(conn: asyncpg.Connection, *, import_id: UUID, viewer: Viewer) -> None:
    """Let the worker of a long import stop at its next batch. Raises ImportNotFound."""
    await get_import(conn, import_id=import_id, viewer=viewer)
    await conn.execute(
        """
        UPDATE imports SET stop_asked = true,
            state = CASE WHEN leased_until IS NULL OR leased_until < clock_timestamp() THEN 'stopped' ELSE state END
        WHERE id = $1 AND state = 'running'
        """,
        import_id,
    )


async def note_stopped(conn: asyncpg.Connection, *, import_id: UUID) -> None:
    """A long import ended before its end; the catalog is as it was."""
    await conn.execute(
        "UPDATE imports SET state = 'stopped', leased_until = NULL WHERE id = $1 AND state = 'running'",
        import_id,
    )
