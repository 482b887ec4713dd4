"""The file that somebody brought, given back with a column that says what is wrong in each row."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import asyncpg

from catalog.core.header_mapping import ERROR_COLUMNS
from catalog.core.import_rows import RowError, read_batches, write_csv, write_json_lines
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer
from catalog.core.xlsx_files import write_xlsx
from catalog.importing.plan import plan_import

ALL_ERRORS = 200_000


async def write_error_file(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    content: bytes,
    file_name: str,
    viewer: Viewer,
    in_english: bool,
) -> tuple[bytes, str]:
    """The file in its own format (AASX as CSV), and its suffix. The import leaves the new column out again.

    Rows that could not be read at all (ragged, control characters) come last, with their line in words.
    Raises ImportNotAllowed, UnknownKind.
    """
    suffix = PurePosixPath(file_name).suffix.lower()
    batches = read_batches(content, suffix=suffix)
    plan = await plan_import(conn, kind=kind, table=batches, viewer=viewer, errors_max=ALL_ERRORS)
    wrong: dict[int, list[str]] = {}
    for error in plan.errors:
        wrong.setdefault(error.line, []).append(_sentence(error, in_english=in_english))
    column = ERROR_COLUMNS[1 if in_english else 0]
    names: dict[str, None] = {}
    for batch in read_batches(content, suffix=suffix):
        names |= dict.fromkeys(batch.columns or (name for row in batch.rows for name in row.cells))
    for old in ERROR_COLUMNS:
        names.pop(old, None)
    columns = [*names, column]
    rows = _rows(content, suffix, wrong, column=column)
    if suffix == ".xlsx":
        return write_xlsx(columns, rows), suffix
    if suffix == ".jsonl":
        return write_json_lines(rows), suffix
    return write_csv(columns, rows), ".csv"


def _rows(
    content: bytes, suffix: str, wrong: dict[int, list[str]], *, column: str
) -> Iterator[dict[str, str]]:
    seen: set[int] = set()
    for batch in read_batches(content, suffix=suffix):
        for row in batch.rows:
            seen.add(row.line)
            cells = {name: cell for name, cell in row.cells.items() if name not in ERROR_COLUMNS}
            yield {**cells, column: " / ".join(wrong.get(row.line, ()))}
    for line in sorted(wrong.keys() - seen):
        yield {column: f"[{line}] " + " / ".join(wrong[line])}


def _sentence(error: RowError, *, in_english: bool) -> str:
    expected = error.expected if in_english else error.expected_ko or error.expected
    found = f" «{error.found}»" if error.found else ""
    return f"{error.column or '*'}{found} → {expected}"
