"""How amounts, shares, dates and counts are written for people, in Korean and English.

Pure: the moment and the language are arguments. Money comes as integer won (`*_krw`), ratios as basis points
(`*_bp`), instants as aware UTC datetimes (`*_at`); everything goes out as text, or as `None`'s stand-in
(`unknown`). Babel's own compact won ("₩2.06억") is not what Koreans write, hence the formats of our own.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime

Lang = Literal["ko", "en"]

SEOUL = ZoneInfo("Asia/Seoul")
MAN_KRW = 10_000
"""1만, the step in which Koreans read prices."""
EOK_KRW = 100_000_000
FULL_BELOW_KRW = 10_000_000
"""Below this an amount that is not whole 만 is short enough to be written in full."""
JO_KRW = 1_000_000_000_000

UNKNOWN: Mapping[Lang, str] = {"ko": "알 수 없음", "en": "Unknown"}

COUNTS: Mapping[str, tuple[str, str, str]] = {
    "unit": ("{}대", "{} unit", "{} units"),
    "factory": ("{}곳", "{} factory", "{} factories"),
    "day": ("{}일", "{} day", "{} days"),
    "hour": ("{}시간", "{} hour", "{} hours"),
    "minute": ("{}분", "{} minute", "{} minutes"),
    "month": ("{}개월", "{} month", "{} months"),
    "year": ("{}년", "{} year", "{} years"),
    "item": ("{}개", "{} item", "{} items"),
    "result": ("{}건", "{} result", "{} results"),
    "round": ("{}건", "{} round", "{} rounds"),
    "pledge": ("{}건", "{} pledge", "{} pledges"),
    "site": ("{}곳", "{} site", "{} sites"),
    "row": ("{}행", "{} row", "{} rows"),
    "country": ("{}개국", "{} country", "{} countries"),
}
"""Noun → (Korean, English for one, English for all other counts)."""


def unknown(lang: Lang) -> str:
    """What stands where a fact is not known; never an empty cell, never a zero."""
    return UNKNOWN[lang]


def number(value: int, lang: Lang = "ko") -> str:
    """An integer with thousands separators; both languages group by three."""
    del lang
    return f"{value:,}"


def won(amount_krw: int | None, lang: Lang) -> str:
    """The exact amount: `205,550,000원` or `₩205,550,000`."""
    if amount_krw is None:
        return unknown(lang)
    sign = "-" if amount_krw < 0 else ""
    digits = f"{abs(amount_krw):,}"
    return f"{sign}{digits}원" if lang == "ko" else f"{sign}₩{digits}"


def won_short(amount_krw: int | None, lang: Lang) -> str:
    """The amount as it is said: `2억 555만원` or `₩205.55M`.

    Exact where it can be; where digits were dropped the text starts with `약 ` or `≈`, so that a rounded
    price is never taken for the price.
    """
    if amount_krw is None:
        return unknown(lang)
    if amount_krw < 0:
        return "-" + won_short(-amount_krw, lang)
    return _won_short_ko(amount_krw) if lang == "ko" else _won_short_en(amount_krw)


def _won_short_ko(amount_krw: int) -> str:
    if amount_krw < MAN_KRW or (amount_krw < FULL_BELOW_KRW and amount_krw % MAN_KRW):
        return won(amount_krw, "ko")
    step_krw = EOK_KRW if amount_krw >= JO_KRW else MAN_KRW
    rounded_krw = (amount_krw + step_krw // 2) // step_krw * step_krw
    parts = []
    for size_krw, name in ((JO_KRW, "조"), (EOK_KRW, "억"), (MAN_KRW, "만")):
        count, rounded_krw_left = divmod(rounded_krw, size_krw)
        if count:
            parts.append(f"{count:,}{name}")
        rounded_krw = rounded_krw_left
    mark = "" if amount_krw % step_krw == 0 else "약 "
    return f"{mark}{' '.join(parts)}원"


def _won_short_en(amount_krw: int) -> str:
    if amount_krw < 1_000_000:
        return won(amount_krw, "en")
    for size_krw, name in ((JO_KRW, "T"), (1_000_000_000, "B"), (1_000_000, "M")):
        step_krw = size_krw // 10
        rounded_tenths = (amount_krw + step_krw // 2) // step_krw
        if rounded_tenths >= 10:
            whole, tenth = divmod(rounded_tenths, 10)
            text = f"{whole:,}.{tenth}" if tenth else f"{whole:,}"
            return f"{'' if amount_krw % step_krw == 0 else '≈'}₩{text}{name}"
    raise AssertionError(amount_krw)  # a million is at least ten tenths of a million


def percent(share_bp: int | None, lang: Lang) -> str:
    """Basis points as a percentage, floored to 0.1: 6,996 is `69.9 %`, so no threshold looks reached early."""
    if share_bp is None:
        return unknown(lang)
    whole, tenth = divmod(share_bp // 10, 10)
    return f"{whole}.{tenth} %"


def points(change_bp: int) -> str:
    """A change of a share in percentage points, the same in both languages: `+3.2 %p`, `−0.4 %p`."""
    whole, rest = divmod(abs(change_bp), 100)
    sign = "+" if change_bp > 0 else "−" if change_bp < 0 else ""
    return f"{sign}{whole}.{rest // 10} %p"


def share_interval(verified_bp: int | None, claimed_bp: int | None, lang: Lang) -> str:
    """A domestic share as `41.2–63.0 %`: what is verified … what is verified or claimed, both floored.

    `claimed_bp` is the upper end (verified + claimed), not the difference.
    """
    if verified_bp is None or claimed_bp is None:
        return unknown(lang)
    low, high = percent(verified_bp, lang), percent(claimed_bp, lang)
    return low if low == high else f"{low.removesuffix(' %')}–{high}"


def moment(at: datetime | None, lang: Lang) -> str:
    """An instant in Seoul: `2026. 11. 24. (화) 오후 11:05` or `24 Nov 2026, 23:05 KST`."""
    if at is None:
        return unknown(lang)
    local = at.astimezone(SEOUL)
    if lang == "ko":
        return format_datetime(local, "yyyy. M. d. (E) aaaa h:mm", locale=_locale("ko"))
    return format_datetime(local, "d MMM yyyy, HH:mm", locale=_locale("en")) + " KST"


def day(on: date | None, lang: Lang) -> str:
    """A calendar day: `2026. 11. 24. (화)` or `24 Nov 2026`. An instant is read in Seoul."""
    if on is None:
        return unknown(lang)
    local = on.astimezone(SEOUL).date() if isinstance(on, datetime) else on
    return format_date(local, "yyyy. M. d. (E)" if lang == "ko" else "d MMM yyyy", locale=_locale(lang))


def iso(at: datetime | date) -> str:
    """Machine-readable form for `<time datetime>`: UTC to the second."""
    if isinstance(at, datetime):
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.isoformat()


def remaining(until_at: datetime, now: datetime, lang: Lang) -> str:
    """Time left in the two largest units, floored: `1일 5시간 남음`, `1 day 5 hours left`; `마감됨` when over."""
    minutes = int((until_at - now).total_seconds() // 60)
    if until_at <= now:
        return "마감됨" if lang == "ko" else "Closed"
    if minutes == 0:
        return "1분 미만 남음" if lang == "ko" else "Less than a minute left"
    days, minutes_of_day = divmod(minutes, 24 * 60)
    hours, minutes_left = divmod(minutes_of_day, 60)
    pairs = [(days, "day"), (hours, "hour"), (minutes_left, "minute")]
    while pairs[0][0] == 0:
        pairs.pop(0)
    text = " ".join(count(value, noun, lang) for value, noun in pairs[:2] if value)
    return f"{text} 남음" if lang == "ko" else f"{text} left"


def count(value: int | None, noun: str, lang: Lang) -> str:
    """A number with its noun: `3대` or `3 units`; `noun` is a key of `COUNTS` (KeyError otherwise)."""
    korean, one, many = COUNTS[noun]
    if value is None:
        return unknown(lang)
    pattern = korean if lang == "ko" else (one if value == 1 else many)
    return pattern.format(number(value))


def country(code: str | None, lang: Lang) -> str:
    """The country's name from CLDR for an ISO 3166-1 alpha-2 code; an unlisted one is shown as it is.

    ZZ is how a file says that nobody knows, so it reads as unknown and not as a region's name.
    """
    if not code or code.upper() == "ZZ":
        return unknown(lang)
    return str(_locale(lang).territories.get(code.upper(), code))


def decimal_text(value: Decimal | float) -> str:
    """A quantity of a specification without trailing zeros: `0.05`, `1,300`, never `1.3E+3`."""
    exact = Decimal(str(value))
    text = f"{exact:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spec_value(
    *,
    number_min: Decimal | float | None,
    number_max: Decimal | float | None,
    text: str | None,
    boolean: bool | None,
    unit: str | None,
    lang: Lang,
) -> str:
    """One specification: `10 kg`, `0–45 °C`, `IP67`, `예`; whichever of the four kinds is filled."""
    suffix = f" {unit}" if unit else ""
    if number_min is not None:
        low = decimal_text(number_min)
        if number_max is None or number_max == number_min:
            return low + suffix
        return f"{low}–{decimal_text(number_max)}{suffix}"
    if text:
        return text + suffix
    if boolean is not None:
        yes, no = ("예", "아니요") if lang == "ko" else ("Yes", "No")
        return yes if boolean else no
    return unknown(lang)


@cache
def _locale(lang: Lang) -> Locale:
    return Locale.parse("ko_KR" if lang == "ko" else "en_US")
