"""From the bytes of a file to rows of text, or to errors that name line and column. Never an exception.

CSV is read as UTF-8 (with or without a byte order mark), else as CP949, the encoding of Korean Excel; JSON
Lines likewise. Other formats join by one more entry in `READERS`.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from catalog.core.cells import Wording

ROWS_MAX = 50_000
FILE_BYTES_MAX = 20 * 2**20
CELL_LENGTH_MAX = 10_000
COLUMNS_MAX = 2_000
FOUND_LENGTH_MAX = 80

_HANGUL = re.compile("[가-힣]")
# A cell never holds these: PostgreSQL has no text with NUL, and the others are broken copies.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ESCAPED_FORMULA = re.compile(r"'+[=+\-@\t]")

_NOTHING = Wording("", "")


class RowError(Struct, frozen=True, kw_only=True):
    """What is wrong in one cell, row (column empty) or file (line 0); lines count from 1, the header's.

    `expected` is English; `expected_ko` says the same in Korean.
    """

    line: int
    column: str
    found: str
    expected: str
    expected_ko: str = ""


class RawRow(Struct, frozen=True):
    """One row as text: NFC, trimmed, no control characters. `line` is where it begins in the file."""

    line: int
    cells: dict[str, str]


class RawTable(Struct, frozen=True, kw_only=True):
    """A file as rows of text. `columns` is the header, None where each row names its own (JSON Lines).

    A broken file has no rows that may be used; other errors leave out only their row.
    """

    columns: tuple[str, ...] | None = None
    rows: tuple[RawRow, ...] = ()
    errors: tuple[RowError, ...] = ()
    is_broken: bool = False


def row_error(line: int, column: str, found: str, expected: Wording) -> RowError:
    """An error whose `found` is cut to a length that a table can show."""
    shown = found if len(found) <= FOUND_LENGTH_MAX else found[: FOUND_LENGTH_MAX - 1] + "…"
    shown = "".join(char if char.isprintable() else "�" for char in shown)
    return RowError(line=line, column=column, found=shown, expected=expected.en, expected_ko=expected.ko)


def broken(line: int, column: str, found: str, expected: Wording) -> RawTable:
    return RawTable(errors=(row_error(line, column, found, expected),), is_broken=True)


def read_table(content: bytes, *, suffix: str) -> RawTable:
    """Read a file by the suffix of its name (`.csv`, `.jsonl`)."""
    reader = READERS.get(suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        return broken(0, "", suffix, Wording(f"a file ending in {known}", f"{known} 파일"))
    if len(content) > FILE_BYTES_MAX:
        mebibytes = FILE_BYTES_MAX // 2**20
        return broken(
            0,
            "",
            f"{len(content):,} bytes",
            Wording(f"a file of at most {mebibytes} MiB", f"{mebibytes} MiB 이내의 파일"),
        )
    text = decode_text(content)
    return text if isinstance(text, RawTable) else reader(text)


def decode_text(content: bytes) -> str | RawTable:
    """UTF-8, else CP949, for the whole file. Lines in different encodings are an error each."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    # CP949 would read UTF-8 Hangul as other characters without complaint, so mixed files are found first.
    lines = content.split(b"\n")
    foreign = [number for number, line in enumerate(lines, start=1) if not _is_utf8(line)]
    if any(_HANGUL.search(line.decode("utf-8", "replace")) for line in lines if _is_utf8(line)):
        errors = tuple(
            row_error(
                number,
                "",
                lines[number - 1].decode("cp949", "replace"),
                Wording("UTF-8 like the lines around it", "다른 줄과 같은 UTF-8"),
            )
            for number in foreign[:100]
        )
        return RawTable(errors=errors, is_broken=True)
    try:
        return content.decode("cp949")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x}"
        return broken(line, "", found, Wording("text in UTF-8 or CP949", "UTF-8 또는 CP949 텍스트"))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# -- CSV -----------------------------------------------------------------------------------------------


def read_csv(text: str) -> RawTable:
    """Comma-separated values with a header row (RFC 4180). Rows without any text are skipped.

    An apostrophe before `=`, `+`, `-` or `@` is the mark of an exported cell that is no formula, and is
    taken off.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: tuple[str, ...] | None = None
    rows: list[RawRow] = []
    errors: list[RowError] = []
    line = 1
    try:
        for cells in lines:
            start, line = line, lines.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = tuple(clean_cell(cell) for cell in cells)
                if errors := _header_errors(header, start):
                    return RawTable(errors=tuple(errors), is_broken=True)
                continue
            if len(rows) >= ROWS_MAX:
                return _too_many_rows(start)
            if len(cells) != len(header):
                errors.append(_ragged(start, found=len(cells), wanted=len(header)))
                continue
            named = {name: _unescaped(cell) for name, cell in zip(header, cells, strict=True)}
            _collect(named, line=start, rows=rows, errors=errors)
    except csv.Error as error:
        wording = Wording("well-formed CSV: quotes closed and doubled inside", "따옴표가 올바른 CSV")
        return broken(line, "", str(error), wording)
    if header is None:
        return broken(1, "", "", Wording("a header row with column names", "열 이름이 있는 머리글 행"))
    return RawTable(columns=header, rows=tuple(rows), errors=tuple(errors))


def _header_errors(header: tuple[str, ...], line: int) -> list[RowError]:
    if len(header) > COLUMNS_MAX:
        wording = Wording(f"at most {COLUMNS_MAX} columns", f"{COLUMNS_MAX}개 이내의 열")
        return [row_error(line, "", f"{len(header)} columns", wording)]
    errors = []
    for position, name in enumerate(header):
        if not name:
            wording = Wording("a name for every column", "모든 열에 이름")
            errors.append(row_error(line, "", f"column {position + 1} without a name", wording))
        elif name in header[:position]:
            errors.append(row_error(line, name, name, Wording("each column once", "중복 없는 열")))
    return errors


def _ragged(line: int, *, found: int, wanted: int) -> RowError:
    return row_error(
        line, "", f"{found} cells", Wording(f"{wanted} cells as in the header", f"머리글과 같은 {wanted}칸")
    )


def _too_many_rows(line: int) -> RawTable:
    wording = Wording(f"at most {ROWS_MAX:,} rows in one file", f"파일 하나에 {ROWS_MAX:,}행 이내")
    return broken(line, "", f"more than {ROWS_MAX:,} rows", wording)


def _unescaped(cell: str) -> str:
    stripped = cell.strip()
    return stripped[1:] if _ESCAPED_FORMULA.match(stripped) else cell


# -- JSON Lines ----------------------------------------------------------------------------------------


class _NotAnObject(ValueError):
    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


def read_json_lines(text: str) -> RawTable:
    """One JSON object a line; numbers and words stand for their text, lists for `a; b`, null for empty."""
    rows: list[RawRow] = []
    errors: list[RowError] = []
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        if len(rows) >= ROWS_MAX:
            return _too_many_rows(line)
        try:
            named = _object_of(written)
        except _NotAnObject as problem:
            wording = Wording("one JSON object with plain values", "단순한 값만 있는 JSON 객체 하나")
            errors.append(row_error(line, "", problem.found, wording))
            continue
        _collect(named, line=line, rows=rows, errors=errors)
    return RawTable(rows=tuple(rows), errors=tuple(errors))


def _object_of(written: str) -> dict[str, str]:
    try:
        # Numbers stay the text they were written as; a repeated key would silently lose a value.
        pairs = json.loads(
            written,
            object_pairs_hook=list,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except (ValueError, RecursionError):
        raise _NotAnObject(written) from None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise _NotAnObject(written)
    named: dict[str, str] = {}
    for name, value in pairs:
        if name in named:
            raise _NotAnObject(f"{name} twice")
        named[name] = _text_of(value, name=name)
    return named


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _text_of(value: Any, *, name: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return str(value)
        case list() if not any(isinstance(item, (list, tuple)) for item in value):
            return "; ".join(_text_of(item, name=name) for item in value)
    raise _NotAnObject(f"{name}: {value}")


# -- cells ---------------------------------------------------------------------------------------------


def clean_cell(text: str) -> str:
    """NFC, trimmed, line ends as `\\n`."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _collect(named: Mapping[str, str], *, line: int, rows: list[RawRow], errors: list[RowError]) -> None:
    cells = {clean_cell(name): clean_cell(text) for name, text in named.items()}
    problems = [
        row_error(line, name, text, wording)
        for name, text in cells.items()
        if (wording := _cell_problem(text)) is not _NOTHING
    ]
    errors.extend(problems)
    if not problems:
        rows.append(RawRow(line, cells))


def _cell_problem(text: str) -> Wording:
    if len(text) > CELL_LENGTH_MAX:
        return Wording(f"at most {CELL_LENGTH_MAX:,} characters", f"{CELL_LENGTH_MAX:,}자 이내")
    if _FORBIDDEN.search(text):
        return Wording("text without control characters", "제어 문자가 없는 텍스트")
    return _NOTHING


READERS: Mapping[str, Callable[[str], RawTable]] = {".csv": read_csv, ".jsonl": read_json_lines}
"""How a file is read, by the suffix of its name."""


# -- writing -------------------------------------------------------------------------------------------

_LOOKS_LIKE_FORMULA = re.compile(r"'*[=+\-@\t]")


def write_csv(columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as CSV that Excel opens as text and `read_csv` reads back as the same cells.

    A cell that a spreadsheet would run as a formula (it begins with `=`, `+`, `-` or `@`) gets an
    apostrophe in front, which the import takes off again (OWASP, "CSV injection").
    """
    names = list(columns)
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([escape_formula(row.get(name, "")) for name in names])
    return written.getvalue().encode("utf-8-sig")


def write_json_lines(rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as JSON Lines, every value a string; `read_json_lines` reads back the same cells."""
    return "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows).encode()


def escape_formula(cell: str) -> str:
    """The cell as a spreadsheet shows it without running it; column names are the caller's to escape."""
    return f"'{cell}" if _LOOKS_LIKE_FORMULA.match(cell) else cell
