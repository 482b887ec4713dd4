"""Rows of the tax office's bulk form, and its approval numbers."""

from datetime import date

import msgspec
import pytest

from group_buy.core.tax_invoice import (
    COLUMNS,
    CORRECTION_COLUMNS,
    InvalidApprovalNumber,
    TaxInvoice,
    TaxParty,
    form_rows,
    read_approval_number,
)

VENDOR = TaxParty("123-45-67891", "새봄비전", "김새봄", "서울", "제조", "카메라", "tax@saebom.example")
BUYER = TaxParty("", "한빛정밀", "", "", "", "", "")
ORIGINAL = TaxInvoice(
    1, "original", date(2026, 11, 5), "spring", "SFA-202611-000001", "협동로봇", 3, 1_000_000,
    3_000_000, 300_000, 3_300_000, False, None, None, VENDOR, BUYER,
)  # fmt: skip


def test_a_row_has_the_columns_of_the_form_in_their_order() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 59
    [row] = form_rows([ORIGINAL], corrections=False)
    assert set(row) <= set(COLUMNS)
    assert (row["전자(세금)계산서 종류"], row["작성일자"], row["공급자 등록번호"]) == (
        "01",
        "20261105",
        "1234567891",
    )
    assert (row["공급가액"], row["세액"], row["일자1"], row["수량1"]) == ("3000000", "300000", "05", "3")
    assert (row["단가1"], row["품목1"], row["영수(01),청구(02)"]) == ("1000000", "협동로봇", "02")


def test_a_correction_names_its_reason_and_its_original() -> None:
    back = msgspec.structs.replace(
        ORIGINAL, id=2, kind="return", quantity=-1, supply_krw=-1_000_000, vat_krw=-100_000, total_krw=-1_100_000,
        original_approval_number="2026110510000000abcd1234",
    )  # fmt: skip
    assert len(form_rows([ORIGINAL, back], corrections=False)) == 1
    [row] = form_rows([ORIGINAL, back], corrections=True)
    assert set(row) <= set(CORRECTION_COLUMNS)
    assert (row["공급가액"], row["수량1"], row["수정사유"]) == ("-1000000", "-1", "03 환입")
    assert row["당초 승인번호"] == "2026110510000000abcd1234"


def test_what_the_tax_office_cannot_do_without_is_named() -> None:
    assert VENDOR.missing == ()
    assert BUYER.missing == ("business_number", "representative")


def test_an_approval_number_is_taken_with_hyphens() -> None:
    assert read_approval_number(" 20261105-10000000-abCD1234 ") == "2026110510000000abCD1234"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261105",
        "20261305-10000000-abcd1234",
        "20261105-1000000x-abcd1234",
        "20261105-10000000-abcd12345",
    ],
)
def test_an_approval_number_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidApprovalNumber):
        read_approval_number(text)
