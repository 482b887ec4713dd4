"""Files as Korean banks write them, and what is wrong in broken ones."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.bank_statement import read_statement
from group_buy.core.matching import Receivable, find_references, match_transfer

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)

TITLED = """\ufeff거래내역조회,,,,,,
계좌번호 : 123-456-789012,예금주: 새봄비전,,,,,
조회기간 2026.11.01 ~ 2026.11.25,,,,,,

거래일시,적요,보낸분/받는분,출금액(원),입금액(원),잔액(원),거래점
2026.11.20 14:03:22,타행이체,한빛정밀SFA000012,0,"1,234,000","5,000,000",강남
2026.11.21 09:00:00,인터넷,공과금,"30,000",0,"4,970,000",
합계,,,"30,000","1,234,000",,
"""


def test_title_lines_commas_and_sums_are_understood() -> None:
    statement = read_statement(TITLED.encode(), now=NOW)
    assert statement.errors == ()
    assert (statement.account, statement.has_balance, statement.precision) == ("123456789012", True, "second")
    first, second = statement.lines
    assert first.booked_at.isoformat() == "2026-11-20T14:03:22+09:00"
    assert (first.received_krw, first.paid_krw, first.balance_krw) == (1_234_000, 0, 5_000_000)
    assert (first.remitter, first.branch, first.line) == ("타행이체 한빛정밀SFA000012", "강남", 6)
    assert (second.received_krw, second.paid_krw) == (0, 30_000)


def test_cp949_reads_as_the_same_lines() -> None:
    text = TITLED.lstrip("\ufeff")
    assert read_statement(text.encode("cp949"), now=NOW) == read_statement(text.encode(), now=NOW)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "거래일자,거래시간,적요,기재내용,찾으신금액,맡기신금액,거래후 잔액",
            "20261120,140322,이체,홍길동,,1000,5000",
        ),
        ("거래일,구분,거래금액,내용,잔액", '2026-11-20 14:03:22,입금,"1,000",홍길동,"5,000"'),
        ("거래일시\t보낸분\t입금액\t출금액\t잔액", "2026/11/20 14:03:22\t홍길동\t1,000원\t\t5,000원"),
    ],
)
def test_other_banks_columns_say_the_same(header: str, row: str) -> None:
    [line] = read_statement(f"{header}\n{row}\n".encode(), now=NOW).lines
    assert (line.booked_at.isoformat(), line.received_krw) == ("2026-11-20T14:03:22+09:00", 1000)
    assert "홍길동" in line.remitter


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        ("2026-02-30,가,100,,100", "거래일시", "2026-02-30"),
        ("2026-13-01,가,100,,100", "거래일시", "2026-13-01"),
        ("1999-12-31,가,100,,100", "거래일시", "1999-12-31"),
        ("2026-11-28,가,100,,100", "거래일시", "2026-11-28"),
        ("어제,가,100,,100", "거래일시", "어제"),
        ("2026-11-20 25:00,가,100,,100", "거래일시", "2026-11-20 25:00"),
        ('2026-11-20,가,"-1,000",,100', "입금액", "-1,000"),
        ("2026-11-20,가,1.5,,100", "입금액", "1.5"),
        ('2026-11-20,가,"1,00",,100', "입금액", "1,00"),
        ("2026-11-20,가,100,100,100", "입금액", "100 / 100"),
        ("2026-11-20,가,,,100", "입금액", "0 / 0"),
        ("2026-11-20,가,100,,", "잔액", ""),
        ("2026-11-20,가,100,,100,더", "적요", "6 cells"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_error_with_its_column(row: str, column: str, found: str) -> None:
    statement = read_statement(f"거래일시,적요,입금액,출금액,잔액\n{row}\n".encode(), now=NOW)
    [error] = statement.errors
    assert (error.line, error.column, error.found, statement.lines) == (2, column, found, ())
    assert error.expected
    assert error.expected_ko


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n1,2\n",
        b"\xff\xfe\x00",
        '거래일시,적요,입금액\n2026-11-20,"열린,100\n'.encode(),
        "거래일시,적요,입금액\n".encode() + "2026-11-20,가,1\n".encode("cp949"),
    ],
)
def test_a_file_that_is_no_statement_is_broken(content: bytes) -> None:
    statement = read_statement(content, now=NOW)
    assert statement.is_broken
    assert statement.lines == ()
    assert len(statement.errors) == 1


def test_dates_of_another_exactness_in_one_file_are_errors() -> None:
    rows = "2026-11-20 10:00:00,가,1,,1\n2026-11-20,나,1,,2\n"
    statement = read_statement(f"거래일시,적요,입금액,출금액,잔액\n{rows}".encode(), now=NOW)
    assert [error.line for error in statement.errors] == [3]


def test_equal_lines_of_one_file_are_copies_and_texts_do_not_matter_beside_a_balance() -> None:
    header = "거래일시,적요,입금액,출금액,잔액\n"
    rows = (
        "2026-11-20 10:00:00,가,100,,100\n2026-11-20 10:00:00,나,100,,100\n2026-11-20 10:00:00,가,100,,200\n"
    )
    one, two, three = read_statement((header + rows).encode(), now=NOW).lines
    assert (one.digest, one.copy_no, two.copy_no) == (two.digest, 1, 2)
    assert three.digest != one.digest


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_make_an_exception(content: bytes) -> None:
    read_statement(content, now=NOW)
    header = "거래일시,적요,입금액,출금액,잔액\n".encode()
    statement = read_statement(header + content, now=NOW)
    assert all(line.received_krw >= 0 and line.paid_krw >= 0 for line in statement.lines)


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("한빛정밀SFA000123", ("SFA000123",)),
        ("sfa-000123 잔금", ("SFA000123",)),
        ("ＳＦＰ０００００７", ("SFP000007",)),
        ("SFA000001,SFA000002 SFA000001", ("SFA000001", "SFA000002")),
        ("SFA123 한빛", ()),
        ("한빛정밀", ()),
    ],
)
def test_references_are_found_as_people_write_them(text: str, references: tuple[str, ...]) -> None:
    assert find_references(text) == references


def test_a_transfer_for_several_invoices_is_taken_only_to_the_won_and_of_one_buyer() -> None:
    owed = {f"SFA{n:06}": Receivable(f"SFA{n:06}", "balance", n // 3, n * 100) for n in (1, 2, 3)}
    ours = ("SFA000001", "SFA000002")
    assert [part.amount_krw for part in match_transfer(ours, 300, owed).parts] == [100, 200]
    assert match_transfer(ours, 299, owed).reason == "several"
    assert match_transfer(("SFA000001", "SFA000003"), 400, owed).reason == "several"
    assert match_transfer(("SFA000009",), 300, owed).reason == "unknown_reference"
    assert match_transfer((), 300, owed).reason == "no_reference"


@given(st.integers(1, 10**15), st.integers(0, 10**15))
def test_parts_and_surplus_add_up_to_what_came(amount_krw: int, open_krw: int) -> None:
    match = match_transfer(
        ("SFA000001",), amount_krw, {"SFA000001": Receivable("SFA000001", "balance", 1, open_krw)}
    )
    if match.reason is None:
        [part] = match.parts
        assert part.amount_krw + part.surplus_krw == amount_krw
        assert 1 <= part.amount_krw <= open_krw
    else:
        assert (match.reason, open_krw) == ("nothing_open", 0)
