"""What became of a file: counts and errors, in the shape that the contract of `import` promises."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error

ERRORS_MAX = 1_000
"""Most errors that one report lists; a last entry counts the others."""


class ImportReport(Struct, frozen=True, kw_only=True):
    """Counts of the readable rows; `missing` are the owners' rows that the file does not name.

    `is_applied` says whether `new` and `changed` were written. Missing rows are never deleted.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    missing: int = 0
    errors: tuple[RowError, ...] = ()
    is_applied: bool = False


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


def listed_errors(errors: Sequence[RowError]) -> tuple[RowError, ...]:
    """The errors by line, at most ERRORS_MAX of them and a count of the rest."""
    ordered = sorted(errors, key=lambda error: (error.line, error.column))
    if len(ordered) <= ERRORS_MAX:
        return tuple(ordered)
    rest = len(ordered) - ERRORS_MAX
    more = row_error(
        0, "", f"{rest} more errors", Wording("the errors above mended first", "위 오류부터 수정")
    )
    return (*ordered[:ERRORS_MAX], more)
