from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core import cells
from catalog.core.cells import UnreadableCell
from catalog.core.offer import PriceTier


@pytest.mark.parametrize(
    ("text", "amount_krw"),
    [
        ("12000000", 12_000_000),
        ("12,000,000", 12_000_000),
        ("₩12,000,000", 12_000_000),
        ("₩ 12,000,000", 12_000_000),
        ("￦500", 500),
        ("12000000원", 12_000_000),
        ("12,000,000 원", 12_000_000),
        ("1,000,000,000,000", 10**12),
    ],
)
def test_won_is_read_as_people_write_it(text: str, amount_krw: int) -> None:
    assert cells.parse_won(text) == amount_krw


@pytest.mark.parametrize(
    "text",
    [
        "€ 50,00",  # foodsoft#1166: became 0 and an order went out below its minimum
        "1.000.000",
        "1,00",
        "12,00,000",
        "1,200만원",
        "1억",
        "$100",
        "100.0",
        "1e6",
        "-5",
        "0",
        "1,000,000,000,001",
        "১২৩",
        "12 000",
    ],
)
def test_money_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCell) as refused:
        cells.parse_won(text)
    assert "whole number of won" in refused.value.expected.en
    assert "정수 금액" in refused.value.expected.ko


@given(st.integers(1, 10**12))
@settings(deadline=None)
def test_won_reads_back_what_was_written_with_and_without_commas(amount_krw: int) -> None:
    assert cells.parse_won(cells.format_whole(amount_krw)) == amount_krw
    assert cells.parse_won(f"₩{amount_krw:,}") == amount_krw


@given(st.floats(-180, 180))
@settings(deadline=None)
def test_a_decimal_reads_back_as_the_same_double(number: float) -> None:
    assert cells.parse_decimal(-180, 180)(cells.format_decimal(number)) == number


@pytest.mark.parametrize("text", ["1,5", "nan", "inf", "0x10", "1_000", "", "190", "--1"])
def test_a_decimal_out_of_shape_or_bounds_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCell):
        cells.parse_decimal(-180, 180)(text)


def test_yes_and_no_are_read_in_both_languages() -> None:
    assert [cells.parse_yes_no(word) for word in ("yes", "예", "TRUE", "no", "아니오", "아니요")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(UnreadableCell):
        cells.parse_yes_no("1")


def test_dates_are_iso_only() -> None:
    assert cells.parse_date("2026-02-28") == date(2026, 2, 28)
    for text in ("2026-02-29", "20260228", "2026.02.28", "28/02/2026", "2026-W09-6"):
        with pytest.raises(UnreadableCell):
            cells.parse_date(text)


def test_a_code_may_be_korean_but_never_has_capitals_or_separators() -> None:
    assert cells.parse_code("협동로봇-10.a_b") == "협동로봇-10.a_b"
    for text in ("Cobot", "a b", "a:b", "a/b", "-a", "a" * 101, "a;b"):
        with pytest.raises(UnreadableCell):
            cells.parse_code(text)


def test_a_business_number_needs_its_check_digit() -> None:
    assert cells.parse_business_number("1248100998") == "124-81-00998"  # published, a listed company
    with pytest.raises(UnreadableCell):
        cells.parse_business_number("124-81-00999")


def test_tiers_are_pairs_of_quantity_and_won() -> None:
    tiers = (PriceTier(1, 50_000_000), PriceTier(5, 47_000_000))
    assert cells.parse_tiers("1:50,000,000; 5:₩47000000;") == tiers
    assert cells.parse_tiers(cells.format_tiers(tiers)) == tiers
    for text in ("1:50.000", "1", "0:100", "a:1", "1:2:3", ";"):
        with pytest.raises(UnreadableCell):
            cells.parse_tiers(text)


def test_a_list_of_choices_names_what_is_allowed() -> None:
    assert cells.parse_choices(("a", "b"))("b; a;") == ("b", "a")
    for text in ("c", "a; a", ";"):
        with pytest.raises(UnreadableCell):
            cells.parse_choices(("a", "b"))(text)
