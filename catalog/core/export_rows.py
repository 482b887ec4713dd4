"""Rows as the bytes of a file: what `import_rows.py` reads back as the same cells."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping

_LOOKS_LIKE_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r]")


def write_csv(columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as CSV that Excel opens as text and `read_csv` reads back as the same cells.

    A cell that a spreadsheet would run as a formula (it begins with `=`, `+`, `-` or `@`, also in full
    width) gets an apostrophe in front, which the import takes off again (OWASP ASVS 5.0, 1.2.10).
    """
    names = list(columns)
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([escaped(row.get(name, "")) for name in names])
    return written.getvalue().encode("utf-8-sig")


def write_json_lines(rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as JSON Lines, every value a string; `read_json_lines` reads back the same cells."""
    return "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows).encode()


def escaped(cell: str) -> str:
    """The cell as a spreadsheet takes it for text."""
    return f"'{cell}" if _LOOKS_LIKE_FORMULA.match(cell) else cell
