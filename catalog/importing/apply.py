"""The two verbs: say what a file would do, and do it."""

import asyncpg

from catalog.core.import_rows import RawTable
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.importing.kinds import KINDS
from catalog.importing.plan import Plan, plan_import
from catalog.importing.report import ImportReport, listed_errors


async def check_import(
    conn: asyncpg.Connection, *, kind: ImportKind, table: RawTable, viewer: Viewer
) -> ImportReport:
    """What applying the file would do; nothing is written.

    Raises ImportNotAllowed where the viewer's kind of organization does not write such rows, UnknownKind.
    """
    plan = await plan_import(conn, kind=kind, table=table, viewer=viewer)
    return _report(plan, is_applied=False)


async def apply_import(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    table: RawTable,
    viewer: Viewer,
    take_good_rows: bool = False,
) -> ImportReport:
    """Write what is new or changed, all or nothing; call it inside a transaction.

    With an error in any row nothing is written, unless `take_good_rows`; a file that is broken as a whole
    (header, encoding, size) is never taken. The same file again changes nothing. Imports of one kind wait
    for each other, so that a plan is still true when it is carried out.
    Raises ImportNotAllowed, UnknownKind.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('catalog import'), hashtext($1))", kind)
    plan = await plan_import(conn, kind=kind, table=table, viewer=viewer)
    is_applied = not plan.is_broken and (take_good_rows or not plan.errors)
    rows = (*plan.new, *plan.changed)
    if is_applied and rows:
        await KINDS[kind].write(conn, rows=rows)
    return _report(plan, is_applied=is_applied)


def _report(plan: Plan, *, is_applied: bool) -> ImportReport:
    return ImportReport(
        new=len(plan.new),
        changed=len(plan.changed),
        unchanged=len(plan.unchanged),
        missing=plan.missing,
        errors=listed_errors(plan.errors),
        is_applied=is_applied,
    )
