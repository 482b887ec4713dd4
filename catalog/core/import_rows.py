"""From the bytes of a file to rows of text, or to errors that name line and column. Never an exception.

CSV is read as UTF-8 (with or without a byte order mark), else as CP949, the encoding of Korean Excel; JSON
Lines likewise. `xlsx_files.py` and `aasx_rows.py` read the other formats. Rows come in batches, so that a long
file is never in memory as rows.
"""

import codecs
import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.export_rows import write_csv as write_csv  # noqa: PLC0414 - read and written is one pair
from catalog.core.export_rows import write_json_lines as write_json_lines  # noqa: PLC0414

ROWS_MAX = 50_000
FILE_BYTES_MAX = 20 * 2**20
CELL_LENGTH_MAX = 10_000
COLUMNS_MAX = 2_000
FOUND_LENGTH_MAX = 80
BATCH_ROWS = 1_000
"""Rows that are looked at together: enough to be fast, few enough to be forgotten soon."""

SUFFIXES = (".csv", ".xlsx", ".jsonl", ".aasx")

_HANGUL = re.compile("[가-힣]")
# A cell never holds these: PostgreSQL has no text with NUL, and the others are broken copies.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ESCAPED_FORMULA = re.compile(r"'+[=+\-@＝＋－＠\t\r]")

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


class RawRow(Struct, frozen=True, gc=False):
    """One row as text: NFC, trimmed, no control characters. `line` is where it begins in the file.

    `guesses` are columns that the reader filled without knowing; they never replace what is listed.
    """

    line: int
    cells: dict[str, str]
    guesses: frozenset[str] = frozenset()


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
    """Read a whole file at once, by the suffix of its name. For long files take `read_batches`."""
    return whole_table(read_batches(content, suffix=suffix))


def whole_table(batches: Iterable[RawTable]) -> RawTable:
    """The batches of one file as one table; a broken file has its breaking errors only."""
    columns: tuple[str, ...] | None = None
    rows: list[RawRow] = []
    errors: list[RowError] = []
    for batch in batches:
        if batch.is_broken:
            return RawTable(errors=batch.errors, is_broken=True)
        columns = batch.columns
        rows.extend(batch.rows)
        errors.extend(batch.errors)
    return RawTable(columns=columns, rows=tuple(rows), errors=tuple(errors))


def read_batches(content: bytes, *, suffix: str) -> Iterator[RawTable]:
    """Read a file by the suffix of its name, BATCH_ROWS rows at a time; the last batch may be a broken one.

    What makes a file broken may come late (a quote that is never closed), so nothing of it may be used
    before the end.
    """
    suffix = suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        yield broken(0, "", suffix, Wording(f"a file ending in {known}", f"{known} 파일"))
    elif len(content) > FILE_BYTES_MAX:
        mebibytes = FILE_BYTES_MAX // 2**20
        wording = Wording(f"a file of at most {mebibytes} MiB", f"{mebibytes} MiB 이내의 파일")
        yield broken(0, "", f"{len(content):,} bytes", wording)
    elif suffix == ".xlsx":
        from catalog.core.xlsx_files import read_xlsx  # noqa: PLC0415 - its reader is loaded where one is read

        yield from read_xlsx(content)
    elif suffix == ".aasx":
        from catalog.core.aasx_rows import read_aasx  # noqa: PLC0415 - lxml is an extra

        yield from read_aasx(content)
    else:
        text = open_text(content)
        if isinstance(text, RawTable):
            yield text
        else:
            yield from read_csv(text) if suffix == ".csv" else read_json_lines(text)


def open_text(content: bytes) -> io.TextIOBase | RawTable:
    """UTF-8, else CP949, for the whole file. Lines in different encodings are an error each."""
    if _first_undecodable(content, "utf-8") is None:
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
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
    wrong = _first_undecodable(content, "cp949")
    if wrong is None:
        return io.TextIOWrapper(io.BytesIO(content), encoding="cp949", newline="")
    line = content.count(b"\n", 0, wrong) + 1
    found = f"byte 0x{content[wrong]:02x}"
    return broken(line, "", found, Wording("text in UTF-8 or CP949", "UTF-8 또는 CP949 텍스트"))


def _first_undecodable(content: bytes, encoding: str) -> int | None:
    """Where the first byte is that is no text; looked for piece by piece, because text takes more room."""
    decoder = codecs.getincrementaldecoder(encoding)()
    step = 2**18
    for start in range(0, len(content) or 1, step):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(content[start : start + step], final=start + step >= len(content))
        except UnicodeDecodeError as error:
            return max(start - kept + error.start, 0)
    return None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class BatchMaker:
    """Gathers the rows of one file into batches, and the errors beside them."""

    def __init__(self, columns: tuple[str, ...] | None = None) -> None:
        self.columns = columns
        self.count = 0
        self.rows: list[RawRow] = []
        self.errors: list[RowError] = []

    def add(self, line: int, names: Sequence[str], cells: Sequence[str]) -> None:
        """Clean the cells of a row (names are clean already) and keep it, or what is wrong with it."""
        self.count += 1
        joined = "|".join(cells)
        # Most rows are plain: what has no controls, is NFC and short as a whole is so cell by cell. Of what can be
        # printed only the space is trimmed, so a row without one at an edge is clean.
        if joined.isprintable() and unicodedata.is_normalized("NFC", joined):
            has_edge = "| " in joined or " |" in joined or joined[:1] == " " or joined[-1:] == " "
            cleaned = [cell.strip() for cell in cells] if has_edge else cells
            if len(joined) <= CELL_LENGTH_MAX:
                self.rows.append(RawRow(line, dict(zip(names, cleaned, strict=True))))
                return
        else:
            cleaned = [clean_cell(cell) for cell in cells]
        problems = [
            row_error(line, name, text, wording)
            for name, text in zip(names, cleaned, strict=True)
            if (wording := _cell_problem(text)) is not _NOTHING
        ]
        self.errors.extend(problems)
        if not problems:
            self.rows.append(RawRow(line, dict(zip(names, cleaned, strict=True))))

    @property
    def is_full(self) -> bool:
        """Whether it is time to hand a batch on."""
        return len(self.rows) + len(self.errors) >= BATCH_ROWS

    def take(self) -> RawTable:
        """The batch so far; the next one begins empty."""
        batch = RawTable(columns=self.columns, rows=tuple(self.rows), errors=tuple(self.errors))
        self.rows, self.errors = [], []
        return batch


# -- CSV -----------------------------------------------------------------------------------------------


def read_csv(text: Iterable[str]) -> Iterator[RawTable]:
    """Comma-separated values with a header row (RFC 4180). Rows without any text are skipped.

    An apostrophe before `=`, `+`, `-` or `@` is the mark of an exported cell that is no formula, and is
    taken off.
    """
    lines = csv.reader(text, strict=True)
    batch: BatchMaker | None = None
    line = 1
    try:
        for cells in lines:
            start, line = line, lines.line_num + 1
            joined = "".join(cells)
            if not joined or joined.isspace():
                continue
            if batch is None:
                header = tuple(clean_cell(cell) for cell in cells)
                if errors := header_errors(header, start):
                    yield RawTable(errors=tuple(errors), is_broken=True)
                    return
                batch = BatchMaker(header)
                continue
            if batch.count >= ROWS_MAX:
                yield too_many_rows(start)
                return
            add_cells(batch, start, cells)
            if batch.is_full:
                yield batch.take()
    except csv.Error as error:
        wording = Wording("well-formed CSV: quotes closed and doubled inside", "따옴표가 올바른 CSV")
        yield broken(line, "", str(error), wording)
        return
    if batch is None:
        yield broken(1, "", "", Wording("a header row with column names", "열 이름이 있는 머리글 행"))
        return
    yield batch.take()


def add_cells(batch: BatchMaker, line: int, cells: list[str]) -> None:
    """Add one line of a table with a header, apostrophes of exported cells taken off; ragged is an error."""
    header = batch.columns or ()
    if len(cells) != len(header):
        wording = Wording(f"{len(header)} cells as in the header", f"머리글과 같은 {len(header)}칸")
        batch.errors.append(row_error(line, "", f"{len(cells)} cells", wording))
        batch.count += 1
        return
    if "'" in "".join(cells):
        cells = [_unescaped(cell) for cell in cells]
    batch.add(line, header, cells)


def header_errors(header: tuple[str, ...], line: int) -> list[RowError]:
    """What is wrong with a row of column names: too many, one without a name, one twice."""
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


def too_many_rows(line: int) -> RawTable:
    """The file is longer than ROWS_MAX."""
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


def read_json_lines(text: Iterable[str]) -> Iterator[RawTable]:
    """One JSON object a line; numbers and words stand for their text, lists for `a; b`, null for empty."""
    batch = BatchMaker()
    for line, written in enumerate(text, start=1):
        if not written.strip():
            continue
        if batch.count >= ROWS_MAX:
            yield too_many_rows(line)
            return
        try:
            named = _object_of(written)
        except _NotAnObject as problem:
            wording = Wording("one JSON object with plain values", "단순한 값만 있는 JSON 객체 하나")
            batch.errors.append(row_error(line, "", problem.found, wording))
            batch.count += 1
            continue
        batch.add(line, list(named), list(named.values()))
        if batch.is_full:
            yield batch.take()
    yield batch.take()


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
    for written_name, value in pairs:
        name = clean_cell(written_name)
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


def _cell_problem(text: str) -> Wording:
    if len(text) > CELL_LENGTH_MAX:
        return Wording(f"at most {CELL_LENGTH_MAX:,} characters", f"{CELL_LENGTH_MAX:,}자 이내")
    if _FORBIDDEN.search(text):
        return Wording("text without control characters", "제어 문자가 없는 텍스트")
    return _NOTHING
