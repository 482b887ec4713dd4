"""Workbooks: what is written reads back, and what would eat memory or time is not opened."""

import io
import time
import zipfile
from collections.abc import Callable

import pytest
from archives import a_lying_zip, a_workbook, a_zip
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core import import_rows
from catalog.core.import_rows import RawTable, read_table, write_csv
from catalog.core.xlsx_files import write_xlsx

CELLS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    .map(import_rows.clean_cell)
    .filter(lambda text: not import_rows._FORBIDDEN.search(text))
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
@settings(deadline=None, max_examples=150)
def test_written_cells_read_back_the_same(rows: list[tuple[str, str]]) -> None:
    cells = [{"code": f"x{code}", "note": note} for code, note in rows]
    table = read_table(write_xlsx(["code", "note"], cells), suffix=".xlsx")
    assert table.errors == ()
    assert [row.cells for row in table.rows] == cells


@given(st.sampled_from("=+-@＝＋－＠\t\r"), st.text(max_size=10))
@settings(deadline=None, max_examples=50)
def test_no_exported_cell_is_a_formula(first: str, rest: str) -> None:
    written = write_csv(["a"], [{"a": first + rest}]).decode("utf-8-sig").split("\n", 1)[1]
    assert written.lstrip('"').startswith("'")


def test_cells_of_a_sheet_are_what_a_person_would_have_typed() -> None:
    rows = (
        '<row r="2"><c r="A2" t="str"><v>code</v></c><c r="B2" t="str"><v>price</v></c></row>'
        '<row r="3"><c r="A3" t="b"><v>1</v></c><c r="B3"><v>1000000</v></c></row>'
        '<row r="5"><c r="A5"><v>0.1</v></c></row>'
        '<row r="6"><c r="A6"><v>7</v></c><c r="B6"><v>1</v></c><c r="C6"><v>2</v></c></row>'
    )
    table = read_table(a_workbook(rows), suffix=".xlsx")
    assert [(row.line, row.cells) for row in table.rows] == [
        (3, {"code": "yes", "price": "1000000"}),
        (5, {"code": "0.1", "price": ""}),
    ]
    assert [(error.line, error.found) for error in table.errors] == [(6, "3 cells")]


SPARSE = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r = \'XFD1048576\'><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (a_workbook("<row><c><v>1</v></c></row>" * 1_000_000), "parts packed at most 100 to 1"),
        (a_workbook(SPARSE), "cells side by side, at most 5,000,000 with the empty ones between"),
        (
            a_workbook('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>'),
            "cells without formula errors such as #REF!",
        ),
        (b"PK\x03\x04 cut off", "a whole file, not cut off or locked"),
        (
            a_lying_zip(a_workbook("<row/>" * 9_000), "xl/worksheets/sheet1.xml", size=90),
            "parts as large as they say",
        ),
        (a_workbook(""), "a header row with column names"),
    ],
)
def test_bad_workbooks_are_refused_quickly(content: bytes, expected: str) -> None:
    began = time.process_time()
    table = read_table(content, suffix=".xlsx")
    assert time.process_time() - began < 0.2
    assert table.is_broken
    assert table.errors[0].expected == expected


def changed(part: str, change: Callable[[bytes], bytes]) -> RawTable:
    """A good workbook with one part changed, read."""
    content = write_xlsx(["code"], [{"code": "a"}, {"code": "b"}])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(bytes(parts[part]))  # type: ignore[arg-type]
    return read_table(a_zip(parts), suffix=".xlsx")


def test_a_document_type_in_a_workbook_is_refused() -> None:
    table = changed("xl/sharedStrings.xml", lambda part: b'<!DOCTYPE x [<!ENTITY a "b">]>' + part)
    assert table.errors[0].expected == "XML without DOCTYPE and ENTITY"


def test_a_sheet_that_is_cut_off_is_refused_and_not_half_read() -> None:
    assert len(changed("xl/worksheets/sheet1.xml", bytes).rows) == 2
    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml"):
        table = changed(part, lambda content: content[:-30])
        assert (table.is_broken, table.errors[0].expected) == (True, "a workbook that opens")


@given(st.binary(max_size=300), st.sampled_from([".xlsx", ".aasx"]))
@settings(deadline=None, max_examples=200)
def test_no_bytes_do_more_than_become_errors(content: bytes, suffix: str) -> None:
    for tried in (content, b"PK\x03\x04" + content, b"PK\x05\x06" + b"\0" * 18 + content):
        table = read_table(tried, suffix=suffix)
        assert table.is_broken
        assert table.errors
