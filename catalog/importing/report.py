"""What became of a file: counts and errors, in the shape that the contract of `import` promises."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.header_mapping import HeaderMapping
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_diff import RowChange

ERRORS_MAX = 1_000
"""Most errors that one report lists; a last entry counts the others."""


class ImportReport(Struct, frozen=True, kw_only=True):
    """Counts of the readable rows; `missing` are the owners' rows that the file does not name.

    `is_applied` says whether `new` and `changed` were written. Missing rows are never deleted. `new_keys`,
    `changes` (field by field) and `missing_keys` name the first DIFF_ROWS_MAX rows of each sort. `header` is
    how the columns of a file with a header were understood. `for_review` of the changed rows wait for a coordinator,
    in part or whole.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    missing: int = 0
    errors: tuple[RowError, ...] = ()
    is_applied: bool = False
    new_keys: tuple[str, ...] = ()
    changes: tuple[RowChange, ...] = ()
    missing_keys: tuple[str, ...] = ()
    error_count: int = 0
    header: HeaderMapping | None = None
    for_review: int = 0


def report_document(report: ImportReport) -> dict[str, Any]:
    """The report as `import --json` prints it (contracts, "Command line"): five keys, English errors."""
    return {
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "missing": report.missing,
        "errors": [
            {"line": e.line, "column": e.column, "found": e.found, "expected": e.expected}
            for e in report.errors
        ],
    }


def listed_errors(errors: Sequence[RowError], *, count: int | None = None) -> tuple[RowError, ...]:
    """The errors by line, at most ERRORS_MAX of them and a count of the rest (of `count` in all)."""
    ordered = sorted(errors, key=lambda error: (error.line, error.column))
    rest = (len(ordered) if count is None else count) - min(len(ordered), ERRORS_MAX)
    if not rest:
        return tuple(ordered)
    more = row_error(
        0, "", f"{rest} more errors", Wording("the errors above mended first", "위 오류부터 수정")
    )
    return (*ordered[:ERRORS_MAX], more)
