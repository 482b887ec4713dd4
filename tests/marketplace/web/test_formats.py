"""How amounts, shares, dates and counts are written."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.web import formats

CLOSING = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


def test_the_full_amount_is_written_to_the_won() -> None:
    assert formats.won(205_550_000, "ko") == "205,550,000원"
    assert formats.won(205_550_000, "en") == "₩205,550,000"
    assert formats.won(0, "ko") == "0원"
    assert formats.won(-1_500, "en") == "-₩1,500"


@pytest.mark.parametrize(
    ("amount_krw", "korean", "english"),
    [
        (205_550_000, "2억 555만원", "≈₩205.6M"),
        (205_554_321, "약 2억 555만원", "≈₩205.6M"),
        (200_000_000, "2억원", "₩200M"),
        (205_500_000, "2억 550만원", "₩205.5M"),
        (9_500, "9,500원", "₩9,500"),
        (412_000, "412,000원", "₩412,000"),
        (450_000, "45만원", "₩450,000"),
        (99_996_000, "약 1억원", "≈₩100M"),
        (1_234_500_000_000, "1조 2,345억원", "≈₩1.2T"),
        (999_999_999, "약 10억원", "≈₩1B"),
    ],
)
def test_a_short_amount_says_when_digits_were_dropped(amount_krw: int, korean: str, english: str) -> None:
    assert formats.won_short(amount_krw, "ko") == korean
    assert formats.won_short(amount_krw, "en") == english


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**15))
def test_a_short_korean_amount_without_a_mark_is_exact(amount_krw: int) -> None:
    text = formats.won_short(amount_krw, "ko")
    total = 0
    for part in text.removeprefix("약 ").removesuffix("원").replace(",", "").split():
        unit = {"조": 10**12, "억": 10**8, "만": 10**4}.get(part[-1])
        total += int(part[:-1]) * unit if unit else int(part)
    if text.startswith("약 "):
        assert 0 < abs(total - amount_krw) <= (5 * 10**7 if amount_krw >= 10**12 else 5_000)
    else:
        assert total == amount_krw


def test_a_share_is_floored_so_that_no_threshold_looks_reached_early() -> None:
    assert formats.percent(6_999, "ko") == "69.9 %"
    assert formats.percent(750, "en") == "7.5 %"
    assert formats.share_interval(4_128, 6_309, "ko") == "41.2–63.0 %"
    assert formats.share_interval(6_300, 6_309, "en") == "63.0 %"
    assert formats.share_interval(None, 6_309, "ko") == "알 수 없음"


def test_a_moment_is_shown_in_seoul() -> None:
    assert formats.moment(CLOSING, "ko") == "2026. 11. 24. (화) 오후 11:05"
    assert formats.moment(CLOSING, "en") == "24 Nov 2026, 23:05 KST"
    assert formats.moment(datetime(2026, 11, 24, 15, 30, tzinfo=UTC), "ko") == "2026. 11. 25. (수) 오전 12:30"
    assert formats.day(date(2027, 3, 31), "ko") == "2027. 3. 31. (수)"
    assert formats.day(datetime(2026, 11, 24, 15, 30, tzinfo=UTC), "en") == "25 Nov 2026"
    assert formats.iso(CLOSING) == "2026-11-24T14:05:00Z"


@pytest.mark.parametrize(
    ("left", "korean", "english"),
    [
        (timedelta(days=1, hours=5, minutes=59), "1일 5시간 남음", "1 day 5 hours left"),
        (timedelta(days=2, minutes=59), "2일 남음", "2 days left"),
        (timedelta(hours=1, minutes=1), "1시간 1분 남음", "1 hour 1 minute left"),
        (timedelta(seconds=119), "1분 남음", "1 minute left"),
        (timedelta(seconds=59), "1분 미만 남음", "Less than a minute left"),
        (timedelta(0), "마감됨", "Closed"),
        (timedelta(seconds=-1), "마감됨", "Closed"),
    ],
)
def test_remaining_time_names_the_two_largest_units(left: timedelta, korean: str, english: str) -> None:
    assert formats.remaining(CLOSING, CLOSING - left, "ko") == korean
    assert formats.remaining(CLOSING, CLOSING - left, "en") == english


def test_counts_have_a_plural_in_english_only() -> None:
    assert formats.count(3, "unit", "ko") == "3대"
    assert formats.count(1, "unit", "en") == "1 unit"
    assert formats.count(1_000, "factory", "en") == "1,000 factories"
    with pytest.raises(KeyError):
        formats.count(1, "sheep", "en")


def test_countries_have_their_usual_names() -> None:
    assert formats.country("VN", "ko") == "베트남"
    assert formats.country("TR", "ko") == "튀르키예"
    assert formats.country("kr", "en") == "South Korea"
    assert formats.country("XQ", "en") == "XQ"
    assert formats.country(None, "ko") == "알 수 없음"


@pytest.mark.parametrize(
    ("kind", "korean", "english"),
    [
        ({"number_min": Decimal("10.0"), "unit": "kg"}, "10 kg", "10 kg"),
        ({"number_min": 0.05, "unit": "mm"}, "0.05 mm", "0.05 mm"),
        ({"number_min": 0, "number_max": 45, "unit": "°C"}, "0–45 °C", "0–45 °C"),
        ({"number_min": Decimal("1.3E+3"), "unit": "mm"}, "1,300 mm", "1,300 mm"),
        ({"text": "IP67"}, "IP67", "IP67"),
        ({"boolean": False}, "아니요", "No"),
        ({}, "알 수 없음", "Unknown"),
    ],
)
def test_each_kind_of_specification_is_written(kind: dict[str, object], korean: str, english: str) -> None:
    nothing = {"number_min": None, "number_max": None, "text": None, "boolean": None, "unit": None}
    assert formats.spec_value(**{**nothing, **kind}, lang="ko") == korean  # type: ignore[arg-type] # table of cases
    assert formats.spec_value(**{**nothing, **kind}, lang="en") == english  # type: ignore[arg-type] # table of cases
