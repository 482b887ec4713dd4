import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core import import_rows
from catalog.core.import_rows import RawRow, RawTable, read_table, write_csv, write_json_lines


def read(content: bytes | str, *, suffix: str = ".csv") -> RawTable:
    return read_table(content.encode() if isinstance(content, str) else content, suffix=suffix)


def errors_of(table: RawTable) -> list[tuple[int, str, str]]:
    return [(error.line, error.column, error.expected) for error in table.errors]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_korean_is_read_from_every_encoding_that_excel_writes(encoding: str) -> None:
    table = read("code,name_ko\na,협동로봇\n".encode(encoding))
    assert table == RawTable(
        columns=("code", "name_ko"), rows=(RawRow(2, {"code": "a", "name_ko": "협동로봇"}),)
    )


def test_decomposed_korean_becomes_nfc_and_cells_are_trimmed() -> None:
    table = read("code,name_ko\n a ,\u1112\u1167\u11b8\u1103\u1169\u11bc \r\n")
    assert table.rows == (RawRow(2, {"code": "a", "name_ko": "협동"}),)


def test_lines_of_mixed_encodings_are_named_and_nothing_is_guessed() -> None:
    table = read("code,name\na,가나다\n".encode() + "b,라마바\n".encode("cp949"))
    assert table.is_broken
    assert table.rows == ()
    assert errors_of(table) == [(3, "", "UTF-8 like the lines around it")]
    assert table.errors[0].found == "b,라마바"


def test_bytes_of_no_known_encoding_are_a_file_error_with_its_line() -> None:
    for content, line in ((b"code\n\xff\xff\n", 2), ("code\na\n".encode("utf-16"), 1)):
        table = read(content)
        assert table.is_broken
        assert errors_of(table) == [(line, "", "text in UTF-8 or CP949")]


def test_a_ragged_row_leaves_out_only_itself() -> None:
    table = read("code,name\na,1\nb\nc,1,2\nd,4\n")
    assert [row.cells["code"] for row in table.rows] == ["a", "d"]
    assert [(error.line, error.found) for error in table.errors] == [(3, "1 cells"), (4, "3 cells")]
    assert not table.is_broken


def test_line_numbers_count_lines_inside_quotes() -> None:
    table = read('code,note\na,"one\ntwo\nthree"\n\n,\nb,x\n')
    assert [(row.line, row.cells["code"]) for row in table.rows] == [(2, "a"), (7, "b")]


@pytest.mark.parametrize("cell", ["a\x00b", "a\x1bb", "a\x7f"])
def test_control_characters_are_a_row_error(cell: str) -> None:
    table = read(f"code,name\n{cell},1\nb,2\n")
    assert [row.cells["code"] for row in table.rows] == ["b"]
    assert errors_of(table) == [(2, "code", "text without control characters")]


def test_a_lone_surrogate_in_json_is_a_row_error() -> None:
    table = read('{"code": "\\ud800"}\n{"code": "b"}\n', suffix=".jsonl")
    assert [row.line for row in table.rows] == [2]
    assert errors_of(table) == [(1, "code", "text without control characters")]


@pytest.mark.parametrize(
    "content",
    ['code,name\na,"open\n', 'code\n"a"b\n', f'code\n"{"x" * 200_000}"\n'],
)
def test_malformed_csv_is_a_file_error(content: str) -> None:
    table = read(content)
    assert table.is_broken
    assert table.errors[0].expected.startswith("well-formed CSV")


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_lacks_its_header(content: str) -> None:
    assert errors_of(read(content)) == [(1, "", "a header row with column names")]


def test_a_header_with_doubles_or_gaps_is_broken() -> None:
    table = read("code,,code\na,b,c\n")
    assert table.is_broken
    assert errors_of(table) == [(1, "", "a name for every column"), (1, "code", "each column once")]


def test_limits_are_errors_and_not_cut_offs(monkeypatch: pytest.MonkeyPatch) -> None:
    table = read("code,name\na," + "x" * 10_001 + "\nb,y\n")
    assert errors_of(table) == [(2, "name", "at most 10,000 characters")]
    assert len(table.errors[0].found) == import_rows.FOUND_LENGTH_MAX
    monkeypatch.setattr(import_rows, "ROWS_MAX", 2)
    for content, suffix in (("code\na\nb\nc\n", ".csv"), ('{"a":1}\n' * 3, ".jsonl")):
        table = read(content, suffix=suffix)
        assert (table.is_broken, table.rows) == (True, ())
    monkeypatch.setattr(import_rows, "FILE_BYTES_MAX", 10)
    assert errors_of(read("code\n" + "a" * 10))[0][0] == 0


def test_an_unknown_suffix_names_the_known_ones() -> None:
    assert errors_of(read("x", suffix=".pdf")) == [(0, "", "a file ending in .csv, .xlsx, .jsonl, .aasx")]


def test_json_lines_stand_for_the_same_cells() -> None:
    table = read(
        '{"code": "a", "price": 12000000, "ok": true, "note": null, "tags": ["x", 2], "ratio": 0.10}\n',
        suffix=".jsonl",
    )
    assert table.columns is None
    assert table.rows == (
        RawRow(
            1, {"code": "a", "price": "12000000", "ok": "yes", "note": "", "tags": "x; 2", "ratio": "0.10"}
        ),
    )


@pytest.mark.parametrize(
    "line",
    ["[1]", "1", "{", '{"a": {"b": 1}}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": [[1]]}', '{"a": 1} x'],
)
def test_a_line_that_is_no_plain_object_is_a_row_error(line: str) -> None:
    table = read(f'{{"code": "a"}}\n{line}\n', suffix=".jsonl")
    assert [row.line for row in table.rows] == [1]
    assert errors_of(table) == [(2, "", "one JSON object with plain values")]


def test_a_cell_that_looks_like_a_formula_is_written_with_an_apostrophe() -> None:
    content = write_csv(["a", "b"], [{"a": "=1+1", "b": "-5 °C"}, {"a": "'=x", "b": "'plain"}])
    assert content.decode("utf-8-sig") == "a,b\n'=1+1,'-5 °C\n''=x,'plain\n"
    rows = read(content).rows
    assert [row.cells for row in rows] == [{"a": "=1+1", "b": "-5 °C"}, {"a": "'=x", "b": "'plain"}]


CELLS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    .map(import_rows.clean_cell)
    .filter(lambda text: not import_rows._FORBIDDEN.search(text))
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8))
@settings(deadline=None, max_examples=300)
def test_written_cells_read_back_the_same(rows: list[tuple[str, str]]) -> None:
    cells = [{"code": f"x{code}", "note": note} for code, note in rows]
    for content, suffix in (
        (write_csv(["code", "note"], cells), ".csv"),
        (write_json_lines(cells), ".jsonl"),
    ):
        table = read_table(content, suffix=suffix)
        assert table.errors == ()
        assert [row.cells for row in table.rows] == cells


@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl"]))
@settings(deadline=None, max_examples=500)
def test_no_bytes_do_more_than_become_rows_or_errors(content: bytes, suffix: str) -> None:
    table = read_table(content, suffix=suffix)
    assert not (table.is_broken and table.rows)
    assert table.is_broken <= bool(table.errors)
