"""What a file would do: every row beside what is stored, new, changed, unchanged or refused.

A row of the file and the row that is stored are the same kind of Struct, so "unchanged" is equality. The
rules that need other rows (owners, makers, components) are asked of the kind's own module, set by set.
"""

from collections.abc import Sequence

import asyncpg
from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.import_rows import RawTable, RowError, row_error
from catalog.core.listing_columns import COLUMNS
from catalog.core.listing_parse import ParsedRow, check_row, complete_row, parse_table
from catalog.core.listing_rows import ImportKind, VendorRow
from catalog.core.viewer import Viewer
from catalog.errors import ImportNotAllowed, OrganizationNotFound, UnknownKind
from catalog.importing.kinds import KINDS, KindRows
from catalog.importing.staged import Organization, StagedRow
from catalog.reference_data import list_spec_definitions


class Plan(Struct, frozen=True, kw_only=True):
    """The good rows by what they would do, and everything that is wrong."""

    new: tuple[StagedRow, ...] = ()
    changed: tuple[StagedRow, ...] = ()
    unchanged: tuple[StagedRow, ...] = ()
    missing: int = 0
    errors: tuple[RowError, ...] = ()
    is_broken: bool = False


async def plan_import(conn: asyncpg.Connection, *, kind: ImportKind, table: RawTable, viewer: Viewer) -> Plan:
    """Compare a file with the catalog. Reads only.

    Raises ImportNotAllowed for a kind that this organization does not write, UnknownKind.
    """
    kind_rows = _require_kind(kind, viewer)
    importer = await _importer(conn, viewer)
    definitions = {d.code: d for d in await list_spec_definitions(conn)}
    parsed = parse_table(kind, table, definitions=definitions)
    if parsed.is_broken:
        return Plan(errors=parsed.errors, is_broken=True)
    stored = await kind_rows.read(conn, keys=[row.key for row in parsed.rows], owner_ids=None)
    staged = [
        StagedRow(
            row.line,
            row.key,
            complete_row(
                kind, row, current=stored[row.key].row if row.key in stored else None, owner=importer.code
            ),
            stored.get(row.key),
        )
        for row in parsed.rows
    ]
    staged = await kind_rows.resolve(conn, rows=staged)
    organizations = await _organizations(conn, kind, staged, parsed.rows)
    errors = [*parsed.errors]
    errors += [row_error(row.line, *problem) for row in staged for problem in check_row(row.row)]
    if COLUMNS[kind].owner is not None:
        errors += _owner_errors(kind, staged, importer, organizations)
    refused = {error.line for error in errors}
    staged = [row for row in staged if row.line not in refused]
    found = await kind_rows.check(conn, rows=staged, importer=importer)
    refused = {error.line for error in found}
    staged = [row for row in staged if row.line not in refused]
    owners = _owners_in(kind, staged, importer, organizations)
    return Plan(
        new=tuple(row for row in staged if row.current is None),
        changed=tuple(row for row in staged if row.is_changed),
        unchanged=tuple(row for row in staged if row.current is not None and not row.is_changed),
        missing=await kind_rows.count_missing(conn, keys=sorted(parsed.keys), owner_ids=owners),
        errors=tuple(errors + found),
    )


def _require_kind(kind: ImportKind, viewer: Viewer) -> KindRows:
    kind_rows = KINDS.get(kind)
    if kind_rows is None:
        raise UnknownKind(kind, allowed=tuple(KINDS))
    if viewer.organization_id is None or viewer.kind not in kind_rows.writers:
        raise ImportNotAllowed(kind, organization_kind=viewer.kind)
    return kind_rows


async def _importer(conn: asyncpg.Connection, viewer: Viewer) -> Organization:
    row = await conn.fetchrow(
        "SELECT id, code, kind FROM organizations WHERE id = $1", viewer.organization_id
    )
    if row is None:
        raise OrganizationNotFound(str(viewer.organization_id))
    return Organization(*row)


async def _organizations(
    conn: asyncpg.Connection, kind: ImportKind, staged: Sequence[StagedRow], parsed: Sequence[ParsedRow]
) -> dict[str, Organization]:
    """The organizations that rows name as owners, by code."""
    owner = COLUMNS[kind].owner
    if owner is None:
        return {}
    codes = {getattr(row.row, owner) for row in staged} | {row.values.get(owner) for row in parsed}
    rows = await conn.fetch(
        "SELECT id, code, kind FROM organizations WHERE code = ANY ($1::text[])", list(codes - {None})
    )
    return {row["code"]: Organization(*row) for row in rows}


def _owner_errors(
    kind: ImportKind,
    staged: Sequence[StagedRow],
    importer: Organization,
    organizations: dict[str, Organization],
) -> list[RowError]:
    """Everybody but a coordinator writes rows of their own only; an owner is of the right kind."""
    column = COLUMNS[kind].owner or ""
    owner_kinds = KINDS[kind].owner_kinds
    errors = []
    for row in staged:
        owner = organizations.get(getattr(row.row, column))
        if importer.kind != "coordinator":
            if row.current is not None and row.current.owner_id != importer.id:
                expected = Wording("a code that nobody else uses", "다른 기업이 쓰지 않는 코드")
                errors.append(row_error(row.line, COLUMNS[kind].key, row.key, expected))
                continue
            if owner is None or owner.id != importer.id:
                expected = Wording(f"{importer.code}, your own", f"자사 코드 {importer.code}")
                errors.append(row_error(row.line, column, getattr(row.row, column), expected))
                continue
        if owner is None or owner.kind not in owner_kinds:
            listed = " or ".join(owner_kinds)
            expected = Wording(f"the code of a known {listed}", f"등록된 기관({listed})의 코드")
            errors.append(row_error(row.line, column, getattr(row.row, column), expected))
    return errors


def _owners_in(
    kind: ImportKind,
    staged: Sequence[StagedRow],
    importer: Organization,
    organizations: dict[str, Organization],
) -> list[int] | None:
    """Whose rows may be missing: the importer's, or of everybody that a coordinator's file names."""
    owner = COLUMNS[kind].owner
    if owner is None or any(isinstance(row.row, VendorRow) for row in staged):
        return None
    if importer.kind != "coordinator":
        return [importer.id]
    return sorted({organizations[getattr(row.row, owner)].id for row in staged})
