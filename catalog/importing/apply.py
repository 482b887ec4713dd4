"""The two verbs: say what a file would do, and do it."""

from collections.abc import Iterable

import asyncpg

from catalog.core.import_rows import RawTable
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.events import Actor
from catalog.importing.kinds import KINDS
from catalog.importing.plan import OnRows, Plan, plan_import
from catalog.importing.report import ImportReport, listed_errors
from catalog.importing.reviewing import ask_for


async def check_import(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    table: RawTable | Iterable[RawTable],
    viewer: Viewer,
    on_rows: OnRows | None = None,
    is_reviewed: bool = False,
) -> ImportReport:
    """What applying the file (whole or in batches) would do; nothing is written.

    Raises ImportNotAllowed where the viewer's kind of organization does not write such rows, UnknownKind.
    """
    await _plan_each_statement_anew(conn)
    plan = await plan_import(
        conn, kind=kind, table=table, viewer=viewer, on_rows=on_rows, is_reviewed=is_reviewed
    )
    return _report(plan, is_applied=False)


async def apply_import(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    table: RawTable | Iterable[RawTable],
    viewer: Viewer,
    take_good_rows: bool = False,
    on_rows: OnRows | None = None,
    asks: Actor | None = None,
) -> ImportReport:
    """Write what is new or changed, all or nothing; call it inside a transaction.

    With an error in any row nothing is written, unless `take_good_rows`; a file that is broken as a whole
    (header, encoding, size) is never taken. The same file again changes nothing. Imports of one kind wait
    for each other, so that a plan is still true when it is carried out. `on_rows` hears of the progress.
    `asks`: the vendor's person in whose name changes of published listings are asked for instead of written.
    Raises ImportNotAllowed, UnknownKind.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('catalog import'), hashtext($1))", kind)
    await _plan_each_statement_anew(conn)
    plan = await plan_import(
        conn,
        kind=kind,
        table=table,
        viewer=viewer,
        will_write=True,
        on_rows=on_rows,
        is_reviewed=asks is not None,
    )
    is_applied = not plan.is_broken and (take_good_rows or not plan.errors)
    if is_applied:
        # Foreign keys are checked row by row: their plans are better kept.
        await conn.execute("SELECT set_config('plan_cache_mode', 'auto', true)")
        for rows in plan.rows:
            written = [row for row in rows if row.current is None or row.is_changed]
            if written:
                await KINDS[kind].write(conn, rows=written)
            if asks is not None:
                await ask_for(conn, kind=kind, rows=rows, actor=asks)
    return _report(plan, is_applied=is_applied)


async def _plan_each_statement_anew(conn: asyncpg.Connection) -> None:
    """A plan kept from when the tables were small would read them whole, batch after batch."""
    await conn.execute("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


def _report(plan: Plan, *, is_applied: bool) -> ImportReport:
    return ImportReport(
        new=plan.new,
        changed=plan.changed,
        unchanged=plan.unchanged,
        missing=plan.missing,
        errors=listed_errors(plan.errors, count=plan.error_count),
        is_applied=is_applied,
        new_keys=plan.new_keys,
        changes=plan.changes,
        missing_keys=plan.missing_keys,
        error_count=plan.error_count,
        header=plan.header,
        for_review=plan.for_review,
    )
