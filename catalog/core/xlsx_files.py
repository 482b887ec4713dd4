"""XLSX (ISO/IEC 29500, SpreadsheetML): the first sheet with something on it as rows of text, and rows as a sheet. Pure.

Reading is python-calamine's, after the archive was looked at: a sheet may say that it has a cell at the far end of
17 billion, and a reader makes room for all of them.
"""

import datetime
import io
import itertools
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from catalog.core.cells import Wording
from catalog.core.export_rows import escaped
from catalog.core.import_rows import (
    ROWS_MAX,
    BatchMaker,
    RawTable,
    add_cells,
    broken,
    clean_cell,
    header_errors,
    too_many_rows,
)
from catalog.core.zip_files import UnsafeZip, ZipLimits, open_zip, read_entry

LIMITS = ZipLimits(entries_max=200, bytes_max=50 * 2**20, ratio_max=100)
BLANK_ROWS_MAX = 10_000
AREA_MAX = 5_000_000
"""Most cells of the rectangle around all cells of a sheet, empty ones included: 50,000 rows of 100 columns."""

_REFERENCE = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]{0,9})([0-9]{1,9})""")
_FORMULA_ERROR = re.compile(rb"""<c\b[^<>]{0,200}\bt\s*=\s*["']e["'][^<>]{0,200}>""")
_DECLARES = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_WELL_FORMED = Wording("a workbook that opens", "열 수 있는 통합 문서")


def read_xlsx(content: bytes) -> Iterator[RawTable]:
    """The rows of the first sheet with text, below its first row with text, which names the columns."""
    try:
        rows = _sheet_rows(content)
        yield from _batches(rows)
    except UnsafeZip as problem:
        yield broken(0, "", problem.found, problem.expected)


def _sheet_rows(content: bytes) -> Iterator[list[Any]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415 - loaded where read

    _check_parts(content)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for sheet in workbook.sheets_metadata:
            if sheet.visible == SheetVisibleEnum.Visible:
                found = workbook.get_sheet_by_name(sheet.name)
                if found.height:
                    yield from found.iter_rows()
                    return
    except (CalamineError, ValueError, OSError, KeyError) as error:
        raise UnsafeZip(str(error)[:80], _WELL_FORMED) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how the reader's own bugs surface
            raise
        raise UnsafeZip("a damaged workbook", _WELL_FORMED) from None


def _check_parts(content: bytes) -> None:
    archive = open_zip(content, LIMITS)
    for name in archive.namelist():
        part = read_entry(archive, name)
        if not name.endswith(".xml"):
            continue
        if _DECLARES.search(part):
            raise UnsafeZip(name, Wording("XML without DOCTYPE and ENTITY", "DOCTYPE과 ENTITY가 없는 XML"))
        if name.startswith("xl/worksheets/"):
            if not part.rstrip().endswith(b"worksheet>"):
                raise UnsafeZip(name, _WELL_FORMED)  # a reader would take the rows before the cut
            if part.count(b"<row") > ROWS_MAX + BLANK_ROWS_MAX:
                wording = Wording(
                    f"at most {ROWS_MAX:,} rows in one file", f"파일 하나에 {ROWS_MAX:,}행 이내"
                )
                raise UnsafeZip(f"{part.count(b'<row'):,} rows", wording)
            if wrong := _FORMULA_ERROR.search(part):
                wording = Wording(
                    "cells without formula errors such as #REF!", "#REF! 같은 수식 오류가 없는 칸"
                )
                raise UnsafeZip(wrong[0].decode("utf-8", "replace"), wording)
            height, width = _extent(part)
            if height * width > AREA_MAX:
                wording = Wording(
                    f"cells side by side, at most {AREA_MAX:,} with the empty ones between",
                    f"빈칸을 포함해 {AREA_MAX:,}칸 이내의 표",
                )
                raise UnsafeZip(f"{height:,} × {width:,}", wording)


def _extent(sheet: bytes) -> tuple[int, int]:
    """The lowest row and the rightmost column that a sheet refers to; piece by piece, to take little room."""
    height = width = 0
    step = 2**20
    for start in range(0, len(sheet), step):
        # references are short: an overlap finds those that are cut
        found = set(_REFERENCE.findall(sheet, start, start + step + 40))
        height = max(height, *(int(row) for _, row in found), 0)
        width = max(width, *(_position(letters) for letters in {letters for letters, _ in found}), 0)
    return height, width


def _position(letters: bytes) -> int:
    """A → 1, Z → 26, AA → 27; rows refer to themselves without letters, 0."""
    position = 0
    for letter in letters.upper():
        position = position * 26 + letter - 64
    return position


def _batches(rows: Iterable[list[Any]]) -> Iterator[RawTable]:
    batch: BatchMaker | None = None
    for line, values in enumerate(rows, start=1):
        cells = [_text_of(value) for value in values]
        if not any(cell and not cell.isspace() for cell in cells):
            continue
        if batch is None:
            while cells and not cells[-1].strip():
                cells.pop()
            header = tuple(clean_cell(cell) for cell in cells)
            if errors := header_errors(header, line):
                yield RawTable(errors=tuple(errors), is_broken=True)
                return
            batch = BatchMaker(header)
            continue
        if batch.count >= ROWS_MAX:
            yield too_many_rows(line)
            return
        width = len(batch.columns or ())
        if not any(cells[width:]):
            # A sheet has no ragged rows: what is empty at the end is not written down.
            cells = cells[:width] + [""] * (width - len(cells))
        add_cells(batch, line, cells)
        if batch.is_full:
            yield batch.take()
    if batch is None:
        yield broken(1, "", "", Wording("a header row with column names", "열 이름이 있는 머리글 행"))
        return
    yield batch.take()


def _text_of(value: Any) -> str:
    """A cell as a person would have typed it into a text file; money stays exact to 15 digits, as Excel keeps it."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 10**15 else repr(value)
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case None:
            return ""
    return str(value)


# -- writing -------------------------------------------------------------------------------------------

_NAMESPACE = "http://schemas.openxmlformats.org"
_MAIN = f"{_NAMESPACE}/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_OFFICE = f"{_NAMESPACE}/officeDocument/2006/relationships"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_NAMESPACE}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}.sharedStrings+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_NAMESPACE}/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{_NAMESPACE}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_NAMESPACE}/officeDocument/2006/relationships">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_NAMESPACE}/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>"
    ),
}
_LOOKS_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def write_xlsx(columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as a sheet of text cells; `read_xlsx` reads back the same cells. Formulas are none, as in CSV."""
    names = list(columns)
    letters = [_letters(position) for position in range(len(names))]
    strings: dict[str, int] = {}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in _PARTS.items():
            archive.writestr(name, _DECLARATION + part)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'{_DECLARATION}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            header = dict(zip(names, names, strict=True))
            for number, row in enumerate(itertools.chain((header,), rows), start=1):
                cells = [
                    f'<c r="{letter}{number}" t="s"><v>{strings.setdefault(escaped(cell), len(strings))}</v></c>'
                    for letter, name in zip(letters, names, strict=True)
                    if (cell := row.get(name, ""))
                ]
                sheet.write(f'<row r="{number}">{"".join(cells)}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        with archive.open("xl/sharedStrings.xml", "w", force_zip64=True) as shared:
            shared.write(f'{_DECLARATION}<sst xmlns="{_MAIN}">'.encode())
            for text in strings:
                shared.write(f'<si><t xml:space="preserve">{_xml_text(text)}</t></si>'.encode())
            shared.write(b"</sst>")
    return written.getvalue()


def _xml_text(text: str) -> str:
    """`_x0041_` stands for a character in a workbook, so a text that looks like one is written otherwise."""
    return escape(_LOOKS_ESCAPED.sub("_x005F_", text)).replace("\r", "_x000D_")


def _letters(position: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
