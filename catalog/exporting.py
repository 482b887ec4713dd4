"""Listings as rows of a file, in the shape that the import reads: an export imports as all unchanged."""

from collections.abc import Iterator, Sequence

import asyncpg

from catalog.core.import_rows import write_csv, write_json_lines
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX, cells_of
from catalog.core.listing_rows import ImportKind, ProductRow
from catalog.core.xlsx_files import write_xlsx
from catalog.errors import UnknownKind
from catalog.importing.kinds import KINDS

EXPORT_SUFFIXES = (".csv", ".xlsx", ".jsonl")


async def export_rows(
    conn: asyncpg.Connection, *, kind: ImportKind, owner_id: int | None = None
) -> Iterator[dict[str, str]]:
    """The rows of one kind as cells, by code: those of one organization, or all where it is None.

    Every state is exported, drafts included, so give the owner's own id unless a coordinator asks.
    Products have a column for each spec that one of them has. Raises UnknownKind.
    """
    if kind not in KINDS:
        raise UnknownKind(kind, allowed=tuple(KINDS))
    owner_ids = None if owner_id is None else [owner_id]
    stored = await KINDS[kind].read(conn, keys=None, owner_ids=owner_ids)
    rows = [found.row for found in stored.values()]
    used = {code for row in rows if isinstance(row, ProductRow) for code in row.specs}
    ordered = await conn.fetch(
        "SELECT code FROM spec_definitions WHERE code = ANY ($1::text[]) ORDER BY position, code", list(used)
    )
    spec_codes = [row["code"] for row in ordered]
    return (cells_of(kind, row, spec_codes=spec_codes) for row in rows)


def write_export(kind: ImportKind, rows: Iterator[dict[str, str]], *, suffix: str) -> bytes:
    """The file for `export_rows`, by suffix: `.csv`, `.xlsx` or `.jsonl`.

    Cells that a spreadsheet would run as a formula get an apostrophe in front, and the import takes it
    off again. Raises UnknownKind for another suffix.
    """
    listed = list(rows)
    if suffix == ".jsonl":
        return write_json_lines(listed)
    if suffix not in EXPORT_SUFFIXES:
        raise UnknownKind(suffix, allowed=EXPORT_SUFFIXES)
    columns: Sequence[str] = COLUMNS[kind].names
    if listed:
        columns = [*columns, *(name for name in listed[0] if name.startswith(SPEC_PREFIX))]
    return write_csv(columns, listed) if suffix == ".csv" else write_xlsx(columns, listed)
