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
from catalog.core.import_rows import RawRow, RawTable, RowError
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX, cells_of, parse_components
from catalog.core.listing_extras import (
    EXTRAS,
    FORM_LINE,
    changed_fields,
    check_extras,
    format_extras,
    parse_extras,
)
from catalog.core.listing_rows import ImportKind, OfferRow, PackageModelRow, ProductRow
from catalog.core.viewer import Viewer
from catalog.errors import NotFound, OfferNotFound, PackageModelNotFound, ProductNotFound
from catalog.importing import apply_import, check_import
from catalog.importing.kinds import KINDS
from catalog.listing.extras import (
    check_references,
    read_extras,
    write_offer_extras,
    write_product_extras,
)
from catalog.listing.package_facts import current_version_id, renew_version, write_facts

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
    extras = await read_extras(conn, kind=kind, code=code)
    fields = cells_of(kind, row, spec_codes=spec_codes) | format_extras(kind, extras)
    return StoredListing(kind=kind, code=code, state=row.state, fields=fields)


async def check_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: Mapping[str, str], vendor_id: int
) -> tuple[RowError, ...]:
    """What is wrong with these fields; nothing is written. An error's column is the field's name."""
    viewer = Viewer(vendor_id, "vendor")
    report = await check_import(conn, kind=kind, table=_one_row(kind, fields), viewer=viewer)
    values, errors = parse_extras(kind, fields)
    between = check_extras(
        kind,
        values,
        package_type=fields.get("package_type", ""),
        components=_components(fields) if kind == "package-models" else frozenset(),
    )
    references = await check_references(conn, kind=kind, values=values, viewer=viewer)
    return (*report.errors, *errors, *between, *references)


async def write_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: Mapping[str, str], vendor_id: int
) -> tuple[RowError, ...]:
    """Write the vendor's own listing whole, or nothing and say what is wrong.

    `fields` hold every field of the listing. A change of a package's content makes a new version.
    """
    errors = await check_listing(conn, kind=kind, fields=fields, vendor_id=vendor_id)
    if errors:
        return errors
    code = fields["code"]
    before = (
        await current_version_id(conn, code=code, vendor_id=vendor_id) if kind == "package-models" else None
    )
    report = await apply_import(
        conn, kind=kind, table=_one_row(kind, fields), viewer=Viewer(vendor_id, "vendor")
    )
    if not report.is_applied:
        return report.errors
    values, _ = parse_extras(kind, fields)
    if kind == "products":
        await write_product_extras(conn, code=code, vendor_id=vendor_id, values=values)
    elif kind == "offers":
        await write_offer_extras(conn, code=code, vendor_id=vendor_id, values=values)
    else:
        await _write_package_facts(conn, fields, vendor_id=vendor_id, version_before=before)
    return ()


async def _write_package_facts(
    conn: asyncpg.Connection, fields: Mapping[str, str], *, vendor_id: int, version_before: int | None
) -> None:
    """Facts belong to a version: where they change and the import made none, one is made."""
    code = fields["code"]
    version_id = await current_version_id(conn, code=code, vendor_id=vendor_id)
    assert version_id is not None, "the import has just written it"
    stored = format_extras("package-models", await read_extras(conn, kind="package-models", code=code))
    given = {name: value for name, value in fields.items() if name in stored}
    if not changed_fields(stored, given):
        return
    if version_id == version_before:
        version_id = await renew_version(conn, version_id=version_id)
    values, _ = parse_extras("package-models", stored | given)
    await write_facts(conn, version_id=version_id, values=values)


def _one_row(kind: ImportKind, fields: Mapping[str, str]) -> RawTable:
    names = {*COLUMNS[kind].names}
    cells = {
        name: value.strip()
        for name, value in fields.items()
        if name in names or (COLUMNS[kind].has_specs and name.startswith(SPEC_PREFIX))
    }
    return RawTable(columns=tuple(cells), rows=(RawRow(FORM_LINE, cells),))


def _components(fields: Mapping[str, str]) -> frozenset[str]:
    try:
        return frozenset(part.product for part in parse_components(fields.get("components", "")))
    except UnreadableCell:
        return frozenset()


def normalized(kind: ImportKind, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields as a file would write them (`₩1,000` → `1000`); what cannot be read stays as typed."""
    columns = {column.name: column for column in (*COLUMNS[kind].columns, *EXTRAS[kind])}
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
    return frozenset((*COLUMNS[kind].names, *(column.name for column in EXTRAS[kind])))
