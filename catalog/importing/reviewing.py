"""A vendor's file changes published listings as a form does: what is not exempt is asked for, not written."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX, cells_of
from catalog.core.listing_diff import changed_fields
from catalog.core.listing_parse import check_row
from catalog.core.listing_rows import ImportKind, ListingRow, OfferRow, PackageModelRow, ProductRow
from catalog.events import Actor
from catalog.importing.staged import StagedRow
from catalog.review import Wanted, read_pending, request_changes

REVIEWED_KINDS: Final[frozenset[ImportKind]] = frozenset({"products", "package-models", "offers"})

REVIEWED_MAX: Final = 2_000
"""Listings that one file may ask to change; a coordinator reads each of them."""

AT_ONCE: Final = frozenset({"state", "package_version"})
"""Columns that a vendor decides alone: taking a listing down, and following its own package's version."""

_TOO_MANY = Wording(
    f"at most {REVIEWED_MAX:,} changed listings that wait for review in one file",
    f"한 파일에서 검토를 요청하는 등록은 {REVIEWED_MAX:,}건까지",
)


async def hold_back(
    conn: asyncpg.Connection, *, kind: ImportKind, rows: Sequence[StagedRow], exempt: frozenset[str]
) -> list[StagedRow]:
    """Changed rows, each with what may be written at once as its `row` and the rest as `waiting`.

    What is asked for already, word for word, waits no second time: such a row is unchanged.
    """
    pending = await read_pending(conn, kind=kind, codes=[row.key for row in rows])
    return [_held(kind, row, exempt | AT_ONCE, pending.get(row.key)) for row in rows]


def _held(
    kind: ImportKind, staged: StagedRow, exempt: frozenset[str], pending: Mapping[str, str] | None
) -> StagedRow:
    assert staged.current is not None, "only what is stored can change"
    current = staged.current.row
    assert isinstance(current, (ProductRow, PackageModelRow, OfferRow))
    if current.state == "draft":
        return staged
    specs = _spec_codes(current, staged.row)
    changes = changed_fields(
        cells_of(kind, current, spec_codes=specs), cells_of(kind, staged.row, spec_codes=specs)
    )
    waiting = {name: change for name, change in changes.items() if name not in exempt}
    if not waiting:
        return staged
    kept = _with(kind, current, staged.row, exempt & changes.keys())
    if any(check_row(kept)):  # what may change at once makes no sense without the rest: all of it waits
        kept, waiting = current, changes
    if pending == {name: after for name, (_, after) in waiting.items()}:
        waiting = {}
    # The words of the file are not what is stored: nothing is remembered as brought.
    return msgspec.structs.replace(staged, row=kept, waiting=waiting, digest=None)


def _with(kind: ImportKind, current: ListingRow, new: ListingRow, names: frozenset[str]) -> ListingRow:
    """The stored row with these columns of the new one."""
    values: dict[str, Any] = {
        column.name: getattr(new, column.name) for column in COLUMNS[kind].columns if column.name in names
    }
    if isinstance(current, ProductRow) and isinstance(new, ProductRow):
        specs = dict(current.specs)
        for name in names:
            code = name.removeprefix(SPEC_PREFIX)
            if name.startswith(SPEC_PREFIX):
                specs.pop(code, None)
                if code in new.specs:
                    specs[code] = new.specs[code]
        values["specs"] = specs
    return msgspec.structs.replace(current, **values)


def _spec_codes(*rows: ListingRow) -> tuple[str, ...]:
    return tuple(sorted({code for row in rows if isinstance(row, ProductRow) for code in row.specs}))


def too_many(rows: Sequence[StagedRow], *, asked_before: int) -> list[RowError]:
    """An error for each row beyond the REVIEWED_MAX that one file may ask for."""
    waiting = [row for row in rows if row.waiting]
    room = max(REVIEWED_MAX - asked_before, 0)
    return [row_error(row.line, "code", row.key, _TOO_MANY) for row in waiting[room:]]


async def ask_for(
    conn: asyncpg.Connection, *, kind: ImportKind, rows: Sequence[StagedRow], actor: Actor
) -> None:
    """Ask for what waits in these rows."""
    wanted = [
        Wanted(
            uuid4(),
            row.key,
            {name: before for name, (before, _) in row.waiting.items()},
            {name: after for name, (_, after) in row.waiting.items()},
        )
        for row in rows
        if row.waiting
    ]
    if wanted:
        await request_changes(conn, kind=kind, wanted=wanted, actor=actor)
