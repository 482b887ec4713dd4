"""A listing as the fields of its form: what is stored, what is wrong with what was typed, and writing it.

The columns of the import row go through the import itself, so a form has no rules of its own: owners,
makers, components and cells are checked as they are in a file of one line.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import asyncpg
from msgspec import Struct

from catalog.core.cells import UnreadableCell
from catalog.core.first_listing import FORM_LINE
from catalog.core.import_rows import RawRow, RawTable, RowError
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX, cells_of
from catalog.core.listing_rows import ImportKind, OfferRow, PackageModelRow, ProductRow
from catalog.core.viewer import Viewer
from catalog.errors import NotFound, OfferNotFound, PackageModelNotFound, ProductNotFound
from catalog.importing import apply_import, check_import
from catalog.importing.kinds import KINDS

LISTING_KINDS: Final[tuple[ImportKind, ...]] = ("products", "package-models", "offers")

_NOT_FOUND: Final[Mapping[ImportKind, type[NotFound]]] = {
    "products": ProductNotFound,
    "package-models": PackageModelNotFound,
    "offers": OfferNotFound,
}


class StoredListing(Struct, frozen=True, kw_only=True):
    """A listing of one vendor as text by field name, and its state."""

    kind: ImportKind
    code: str
    state: str
    fields: dict[str, str]


async def read_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, code: str, vendor_id: int
) -> StoredListing:
    """The vendor's own listing. Raises NotFound (of its kind), also for somebody else's."""
    stored = (await KINDS[kind].read(conn, keys=[code], owner_ids=[vendor_id])).get(code)
    if stored is None or not isinstance(stored.row, (ProductRow, PackageModelRow, OfferRow)):
        raise _NOT_FOUND[kind](code)
    row = stored.row
    spec_codes = tuple(row.specs) if isinstance(row, ProductRow) else ()
    return StoredListing(
        kind=kind, code=code, state=row.state, fields=cells_of(kind, row, spec_codes=spec_codes)
    )


async def check_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: Mapping[str, str], vendor_id: int
) -> tuple[RowError, ...]:
    """What is wrong with these fields; nothing is written. An error's column is the field's name."""
    viewer = Viewer(vendor_id, "vendor")
    report = await check_import(conn, kind=kind, table=_one_row(kind, fields), viewer=viewer)
    return report.errors


async def write_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: Mapping[str, str], vendor_id: int
) -> tuple[RowError, ...]:
    """Write the vendor's own listing whole, or nothing and say what is wrong.

    `fields` hold every field of the listing. A change of a package's content makes a new version.
    """
    report = await apply_import(
        conn, kind=kind, table=_one_row(kind, fields), viewer=Viewer(vendor_id, "vendor")
    )
    return () if report.is_applied else report.errors


def _one_row(kind: ImportKind, fields: Mapping[str, str]) -> RawTable:
    names = {*COLUMNS[kind].names}
    cells = {
        name: value.strip()
        for name, value in fields.items()
        if name in names or (COLUMNS[kind].has_specs and name.startswith(SPEC_PREFIX))
    }
    return RawTable(columns=tuple(cells), rows=(RawRow(FORM_LINE, cells),))


def normalized(kind: ImportKind, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields as a file would write them (`₩1,000` → `1000`); what cannot be read stays as typed."""
    columns = {column.name: column for column in COLUMNS[kind].columns}
    done = {}
    for name, value in fields.items():
        text = value.strip()
        column = columns.get(name)
        if text and column is not None:
            with suppress(UnreadableCell):
                text = column.format(column.parse(text))
        done[name] = text
    return done


def field_names(kind: ImportKind) -> frozenset[str]:
    """All fields of a kind but specs."""
    return frozenset(COLUMNS[kind].names)
