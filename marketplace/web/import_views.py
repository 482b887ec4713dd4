"""What the pages of bulk listing show: a report with its causes and changes, and columns to decide about."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

import asyncpg
import msgspec

from catalog.core.header_aliases import aliases_of
from catalog.core.header_mapping import column_names
from catalog.core.import_rows import read_batches
from catalog.core.listing_columns import SPEC_PREFIX
from catalog.core.listing_diff import RowChange
from catalog.core.listing_rows import ImportKind
from catalog.imports import Import
from catalog.reference_data import list_spec_definitions
from marketplace.import_files import read_kept_file
from marketplace.web.i18n import LANG


class ErrorView(msgspec.Struct, frozen=True):
    """What is wrong where, in the language of the page."""

    line: int
    column: str
    found: str
    expected: str


class CauseView(msgspec.Struct, frozen=True):
    """Errors of one cause together: how many rows, which first, and what stood there first."""

    column: str
    expected: str
    count: int
    lines: str
    found: str


class ColumnChoice(msgspec.Struct, frozen=True):
    """A column of the file that nobody knows: its name, what stands in it first, the suggestion."""

    name: str
    sample: str
    suggestion: str


LINES_OF_CAUSE_MAX: Final = 8


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A file and what became of it, as `vendor_import.html` takes it."""

    id: str
    kind: ImportKind
    file_name: str
    at: datetime
    state: str
    new: int
    changed: int
    unchanged: int
    missing: int
    for_review: int
    errors: list[ErrorView]
    error_count: int
    good_row_count: int
    may_apply: bool
    may_take_good_rows: bool
    is_running: bool
    is_stopped: bool
    progress_percent: int | None
    rows_done: int
    causes: list[CauseView]
    new_keys: tuple[str, ...]
    changes: tuple[RowChange, ...]
    missing_keys: tuple[str, ...]
    mapped: list[tuple[str, str]]
    has_unknown_columns: bool


def causes_of(errors: list[ErrorView]) -> list[CauseView]:
    """The errors by column and cause, the most frequent first."""
    groups: dict[tuple[str, str], list[ErrorView]] = {}
    for error in errors:
        groups.setdefault((error.column, error.expected), []).append(error)
    causes = []
    for (column, expected), found in groups.items():
        lines = ", ".join(str(error.line) for error in found[:LINES_OF_CAUSE_MAX])
        more = ", …" if len(found) > LINES_OF_CAUSE_MAX else ""
        causes.append(CauseView(column, expected, len(found), lines + more, found[0].found))
    return sorted(causes, key=lambda cause: -cause.count)


def report_view(found: Import) -> ReportView:
    """The report in the language of the page, with what may be done next."""
    report, is_english = found.report, LANG.get() == "en"
    writable = report.new + report.changed
    is_open = found.state in {"checked", "refused"}
    errors = [
        ErrorView(e.line, e.column, e.found, e.expected if is_english else e.expected_ko or e.expected)
        for e in report.errors
    ]
    header = report.header.columns if report.header else ()
    # what an unknown column is, is asked above the table of errors
    unknown = {column.name for column in header if column.is_unknown}
    total = found.rows_total
    return ReportView(
        id=str(found.id),
        kind=found.kind,
        file_name=found.file_name,
        at=found.applied_at or found.created_at,
        state="applied_partly" if found.state == "applied" and report.errors else found.state,
        new=report.new,
        changed=report.changed,
        unchanged=report.unchanged,
        missing=report.missing,
        for_review=report.for_review,
        errors=errors,
        error_count=report.error_count or len(errors),
        good_row_count=writable,
        may_apply=is_open and not report.errors and writable > 0,
        may_take_good_rows=is_open and bool(report.errors) and writable > 0,
        is_running=found.state == "running",
        is_stopped=found.state == "stopped",
        progress_percent=min(100, found.rows_done * 100 // total) if total else None,
        rows_done=found.rows_done,
        causes=causes_of([error for error in errors if error.column not in unknown]),
        new_keys=report.new_keys,
        changes=report.changes,
        missing_keys=report.missing_keys,
        mapped=[(c.name, c.column or "") for c in header if not c.is_unknown and c.column != c.name],
        has_unknown_columns=is_open and any(c.is_unknown for c in header),
    )


async def unknown_columns(conn: asyncpg.Connection, found: Import) -> list[ColumnChoice]:
    """The columns to decide about, each with the first thing that stands in it."""
    suffix = PurePosixPath(found.file_name).suffix
    first = next(iter(read_batches(await read_kept_file(conn, found), suffix=suffix)))
    samples: dict[str, str] = {}
    for row in reversed(first.rows[:20]):
        samples |= {name: cell for name, cell in row.cells.items() if cell}
    unknown = found.report.header.unknown if found.report.header else ()
    return [
        ColumnChoice(column.name, samples.get(column.name, "")[:60], column.suggestion or "")
        for column in unknown
    ]


async def known_columns(conn: asyncpg.Connection, found: Import) -> list[tuple[str, str]]:
    """Every column that a file of this kind may have, and what it is called beside its name."""
    definitions = {d.code: d for d in await list_spec_definitions(conn)}
    is_english = LANG.get() == "en"
    listed = []
    for name in column_names(found.kind, definitions):
        spec = definitions.get(name.removeprefix(SPEC_PREFIX)) if name.startswith(SPEC_PREFIX) else None
        words = (spec.name_en if is_english else spec.name_ko) if spec else ""
        listed.append((name, words or ("" if is_english else next(iter(aliases_of(found.kind, name)), ""))))
    return listed
