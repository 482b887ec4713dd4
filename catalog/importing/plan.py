"""What a file would do: every row beside what is stored, new, changed, unchanged or refused.

A row of the file and the row that is stored are the same kind of Struct, so "unchanged" is equality. A file is
looked at in batches, and what is to be written is packed away until its end, because a broken end or one
wrong row keeps all of it out. The rules that need other rows (owners, makers, components) are asked of the
kind's own module, set by set.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b

import asyncpg
import msgspec
from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.header_mapping import HeaderMapping, map_header, mapped, names_of
from catalog.core.import_rows import RawTable, RowError, row_error
from catalog.core.listing_columns import COLUMNS
from catalog.core.listing_diff import DIFF_ROWS_MAX, RowChange, change_of
from catalog.core.listing_parse import ParsedRow, check_row, complete_row, parse_table
from catalog.core.listing_rows import ImportKind
from catalog.core.spec_value import SpecDefinition
from catalog.core.viewer import Viewer
from catalog.errors import ImportNotAllowed, OrganizationNotFound, UnknownKind
from catalog.importing.header_choices import read_header_choices
from catalog.importing.kinds import KINDS, KindRows
from catalog.importing.report import ERRORS_MAX
from catalog.importing.reviewing import REVIEWED_KINDS, hold_back, too_many
from catalog.importing.spool import Spool
from catalog.importing.staged import Organization, Seen, StagedRow
from catalog.reference_data import list_spec_definitions
from catalog.review import list_exempt_fields

OnRows = Callable[[int], Awaitable[None]]
"""Told after each batch how many rows were looked at so far; what it raises stops the import."""


class Plan(Struct, frozen=True, kw_only=True):
    """What a file would do, in counts, and its good rows that would be written."""

    rows: Spool
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    missing: int = 0
    new_keys: tuple[str, ...] = ()
    changes: tuple[RowChange, ...] = ()
    missing_keys: tuple[str, ...] = ()
    errors: tuple[RowError, ...] = ()
    error_count: int = 0
    header: HeaderMapping | None = None
    is_broken: bool = False
    for_review: int = 0


class FilePlan:
    """The plan of one file while its batches come in."""

    def __init__(
        self,
        kind: ImportKind,
        importer: Organization,
        definitions: Sequence[SpecDefinition],
        choices: dict[str, str | None],
        *,
        will_write: bool,
        errors_max: int,
        exempt: frozenset[str] | None = None,
    ) -> None:
        self.kind, self.importer, self.choices = kind, importer, choices
        self.kind_rows = KINDS[kind]
        self.definitions = {d.code: d for d in definitions}
        self.will_write, self.errors_max, self.exempt = will_write, errors_max, exempt
        self.spool = Spool(COLUMNS[kind].row_type)
        self.header: HeaderMapping | None = None
        self.first_lines: dict[str, int] = {}
        self.seen = Seen()
        self.owner_ids: set[int] = set()
        self.errors: list[RowError] = []
        self.new_keys: list[str] = []
        self.changes: list[RowChange] = []
        self.row_count = self.new = self.changed = self.unchanged = self.error_count = self.for_review = 0
        rules = msgspec.json.encode((importer.id, definitions))
        self.digest_base = blake2b(rules, digest_size=16)

    def refuse(self, errors: Iterable[RowError]) -> set[int]:
        """Note what is wrong; return the lines that it is about."""
        found = list(errors)
        self.error_count += len(found)
        self.errors += found[: max(self.errors_max - len(self.errors), 0)]
        return {error.line for error in found}

    async def add(self, conn: asyncpg.Connection, batch: RawTable) -> bool:
        """Look at one batch; False where it shows that the file is broken, which ends it."""
        self.row_count += len(batch.rows)
        if not batch.is_broken:
            header = self.header
            if header is None or batch.columns is None:
                header = map_header(
                    self.kind, names_of(batch), definitions=self.definitions, choices=self.choices
                )
            self.header = self.header or header
            batch = mapped(batch, header)
        digests = await self.take_unchanged(conn, batch)
        parsed = parse_table(
            self.kind,
            batch,
            definitions=self.definitions,
            first_lines=self.first_lines,
            unchanged_lines=digests.unchanged_lines,
        )
        if parsed.is_broken:
            self.errors, self.error_count = [], 0
            self.refuse(parsed.errors)
            return False
        self.refuse(parsed.errors)
        repeated = {error.line for error in parsed.errors} & digests.unchanged_lines
        self.unchanged += len(digests.unchanged_lines) - len(repeated)
        if parsed.rows:
            await self.stage(conn, parsed.rows, digests.by_line)
        return True

    async def take_unchanged(self, conn: asyncpg.Connection, batch: RawTable) -> "_Digests":
        """Rows that were brought before, word for word, by the same organization, and have not changed since."""
        digests = self.kind_rows.digests
        if digests is None or batch.is_broken:
            return _Digests({}, frozenset())
        found = _Digests({}, frozenset())
        keys = [raw.cells.get("code", "") for raw in batch.rows]
        known = await digests.read(conn, keys=keys)
        unchanged = set()
        base = self.digest_base.copy()
        base.update("\x1f".join(batch.columns or ()).encode())
        for raw, key in zip(batch.rows, keys, strict=True):
            hashed = base.copy()
            words = raw.cells.values() if batch.columns else (*raw.cells, *raw.cells.values())
            hashed.update("\x1f".join(words).encode())
            digest = found.by_line[raw.line] = hashed.digest()
            stored = known.get(key)
            if stored is not None and stored[0] == digest:
                unchanged.add(raw.line)
                self.owner_ids.add(stored[1])
        return _Digests(found.by_line, frozenset(unchanged))

    async def stage(
        self, conn: asyncpg.Connection, parsed: Sequence[ParsedRow], digests: dict[int, bytes]
    ) -> None:
        """Complete rows, check them beside the catalog, and pack away what is new or changed."""
        rows = self.kind_rows
        keys = [row.key for row in parsed]
        if self.will_write:
            await rows.lock(conn, keys=keys)
        stored = await rows.read(conn, keys=keys, owner_ids=None)
        staged = [
            StagedRow(
                row.line,
                row.key,
                complete_row(
                    self.kind,
                    row,
                    current=stored[row.key].row if row.key in stored else None,
                    owner=self.importer.code,
                ),
                stored.get(row.key),
                digests.get(row.line),
                row.guesses,
            )
            for row in parsed
        ]
        staged = await rows.resolve(conn, rows=staged)
        organizations = await _organizations(conn, self.kind, staged, parsed)
        errors = [row_error(row.line, *problem) for row in staged for problem in check_row(row.row)]
        if COLUMNS[self.kind].owner is not None:
            errors += _owner_errors(self.kind, staged, self.importer, organizations)
        refused = self.refuse(errors)
        staged = [row for row in staged if row.line not in refused]
        refused = self.refuse(await rows.check(conn, rows=staged, importer=self.importer, seen=self.seen))
        staged = [row for row in staged if row.line not in refused]
        owner = COLUMNS[self.kind].owner
        if owner is not None:
            self.owner_ids |= {organizations[getattr(row.row, owner)].id for row in staged}
        await self.sort(conn, staged)

    async def sort(self, conn: asyncpg.Connection, staged: Sequence[StagedRow]) -> None:
        """New, changed, unchanged."""
        new = [row for row in staged if row.current is None]
        changed = [row for row in staged if row.is_changed]
        unchanged = [row for row in staged if row.current is not None and not row.is_changed]
        if self.exempt is not None and changed:
            held = await hold_back(conn, kind=self.kind, rows=changed, exempt=self.exempt)
            refused = self.refuse(too_many(held, asked_before=self.for_review))
            changed = [row for row in held if (row.is_changed or row.waiting) and row.line not in refused]
            # what is asked for already says nothing new, and its words are not what is stored
            self.unchanged += len(held) - len(changed) - len(refused)
            self.for_review += sum(1 for row in changed if row.waiting)
        self.new += len(new)
        self.changed += len(changed)
        self.unchanged += len(unchanged)
        self.new_keys += [row.key for row in new[: DIFF_ROWS_MAX - len(self.new_keys)]]
        self.changes += [
            change_of(self.kind, row.line, row.key, old=row.current.row, new=row.row, waiting=row.waiting)
            for row in changed[: DIFF_ROWS_MAX - len(self.changes)]
            if row.current is not None
        ]
        if self.will_write:
            self.spool.add([*new, *changed])
            if self.kind_rows.digests is not None:
                await self.kind_rows.digests.write(conn, rows=unchanged)

    def owners(self) -> list[int] | None:
        """Whose rows may be missing: the importer's, or of everybody that a coordinator's file names."""
        if COLUMNS[self.kind].owner is None:
            return None
        return sorted(self.owner_ids) if self.importer.kind == "coordinator" else [self.importer.id]


class _Digests(Struct, frozen=True):
    """What the rows of a batch say, by line, and which of them say nothing new."""

    by_line: dict[int, bytes]
    unchanged_lines: frozenset[int]


async def plan_import(
    conn: asyncpg.Connection,
    *,
    kind: ImportKind,
    table: RawTable | Iterable[RawTable],
    viewer: Viewer,
    will_write: bool = False,
    errors_max: int = ERRORS_MAX,
    on_rows: OnRows | None = None,
    is_reviewed: bool = False,
) -> Plan:
    """Compare a file, whole or in batches, with the catalog. Reads only, but locks what it will write.

    `is_reviewed`: changes of published listings wait for a coordinator, but for exempt fields.
    Raises ImportNotAllowed for a kind that this organization does not write, UnknownKind.
    """
    kind_rows = _require_kind(kind, viewer)
    importer = await _importer(conn, viewer)
    choices = await read_header_choices(conn, organization_id=importer.id, kind=kind)
    definitions = await list_spec_definitions(conn)
    exempt = await list_exempt_fields(conn, kind=kind) if is_reviewed and kind in REVIEWED_KINDS else None
    plan = FilePlan(
        kind, importer, definitions, choices, will_write=will_write, errors_max=errors_max, exempt=exempt
    )
    for batch in (table,) if isinstance(table, RawTable) else table:
        if not await plan.add(conn, batch):
            return Plan(
                rows=plan.spool,
                errors=tuple(plan.errors),
                error_count=plan.error_count,
                header=plan.header,
                is_broken=True,
            )
        if on_rows is not None:
            await on_rows(plan.row_count)
    missing, missing_keys = await kind_rows.count_missing(
        conn, keys=list(plan.first_lines), owner_ids=plan.owners()
    )
    return Plan(
        rows=plan.spool,
        new=plan.new,
        changed=plan.changed,
        unchanged=plan.unchanged,
        missing=missing,
        new_keys=tuple(plan.new_keys),
        changes=tuple(plan.changes),
        missing_keys=missing_keys,
        errors=tuple(plan.errors),
        error_count=plan.error_count,
        header=plan.header,
        for_review=plan.for_review,
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
