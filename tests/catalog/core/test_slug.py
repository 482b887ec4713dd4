"""Codes from names in any script (trap 15: Korean handles must work)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.core.cells import parse_code
from catalog.core.slug import make_code, make_free_code


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("현대 로봇", "HX-10"), "현대-로봇-hx-10"),
        (("LS ELECTRIC", "XGK-CPUH"), "ls-electric-xgk-cpuh"),
        (("한빛정밀(가상)",), "한빛정밀-가상"),
        (("１２ｍｍ 센서",), "12mm-센서"),
        (("ø 12/24_V",), "ø-12-24-v"),
        (("--", "!!"), "item"),
        (("가" * 200,), "가" * 60),
    ],
)
def test_names_become_codes(names: tuple[str, ...], code: str) -> None:
    assert make_code(*names) == code


def test_hangul_that_came_in_parts_gives_the_same_code() -> None:
    assert make_code(unicodedata.normalize("NFD", "협동로봇")) == make_code("협동로봇") == "협동로봇"


def test_a_taken_code_gets_the_first_free_number() -> None:
    assert make_free_code("협동로봇", taken=set()) == "협동로봇"
    assert make_free_code("협동로봇", taken={"협동로봇", "협동로봇-2", "협동로봇-4"}) == "협동로봇-3"


@given(st.text(max_size=120))
def test_every_name_gives_a_code_that_the_catalog_takes(name: str) -> None:
    assert parse_code(make_code(name)) == make_code(name)
