"""What a changed row changes, field by field, as people read it in a file. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from catalog.core.listing_columns import COLUMNS, SPEC_PREFIX
from catalog.core.listing_rows import ImportKind, ListingRow, ProductRow

DIFF_ROWS_MAX = 200
"""Most rows of each sort that a report shows one by one; its counts are of all."""
SHOWN_LENGTH_MAX = 200


class FieldChange(Struct, frozen=True):
    """One cell before and after, written as an export would write it; empty = nothing. `waits`: for a coordinator."""

    column: str
    old: str
    new: str
    waits: bool = False


class RowChange(Struct, frozen=True):
    """One listing that a file changes."""

    line: int
    key: str
    fields: tuple[FieldChange, ...]


def change_of(
    kind: ImportKind,
    line: int,
    key: str,
    *,
    old: ListingRow,
    new: ListingRow,
    waiting: Mapping[str, tuple[str, str]] = {},
) -> RowChange:
    """The columns in which two rows of one kind differ, in the order of the file's columns; specs, then what waits."""
    fields = [
        FieldChange(column.name, _shown(column.format(before)), _shown(column.format(after)))
        for column in COLUMNS[kind].columns
        if (before := getattr(old, column.name)) != (after := getattr(new, column.name))
    ]
    if isinstance(old, ProductRow) and isinstance(new, ProductRow):
        for code in sorted(old.specs.keys() | new.specs.keys()):
            before, after = old.specs.get(code), new.specs.get(code)
            if before != after:
                fields.append(
                    FieldChange(
                        SPEC_PREFIX + code,
                        _shown(before.shown if before else ""),
                        _shown(after.shown if after else ""),
                    )
                )
    fields += [
        FieldChange(name, _shown(before), _shown(after), waits=True)
        for name, (before, after) in waiting.items()
    ]
    return RowChange(line, key, tuple(fields))


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Fields of `after` that say something else than `before`: name → (before, after), trimmed."""
    found = {}
    for name, value in after.items():
        old, new = before.get(name, "").strip(), value.strip()
        if old != new:
            found[name] = (old, new)
    return found
