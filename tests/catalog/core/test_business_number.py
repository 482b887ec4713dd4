"""Business numbers: what is refused says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.core.business_number import InvalidBusinessNumber, check_digit, read_business_number


@pytest.mark.parametrize(
    "written", ["124-81-00998", "1248100998", "１２４－８１－００９９８", " 124 81 00998 "]
)
def test_a_number_is_read_however_it_is_separated(written: str) -> None:
    assert read_business_number(written) == "124-81-00998"  # published, a listed company


@pytest.mark.parametrize(
    ("written", "reason", "digit_count"),
    [
        ("123-45-67890", "check_digit", 0),
        ("124-81-00989", "check_digit", 0),
        ("124-81-0099", "length", 9),
        ("124-81-009980", "length", 11),
        ("", "letters", 0),
        ("124-81-0099X", "letters", 0),
        ("사업자번호", "letters", 0),
    ],
)
def test_a_refusal_says_why(written: str, reason: str, digit_count: int) -> None:
    with pytest.raises(InvalidBusinessNumber) as refused:
        read_business_number(written)
    assert (refused.value.reason, refused.value.digit_count) == (reason, digit_count)


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_exactly_one_check_digit_fits(nine: str) -> None:
    fitting = []
    for last in "0123456789":
        try:
            read_business_number(nine + last)
        except InvalidBusinessNumber:
            continue
        fitting.append(int(last))
    assert fitting == [check_digit(nine)]
