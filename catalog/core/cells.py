"""From the text of one cell to a value and back. A cell that could be read in two ways is refused.

Every `parse_*` takes trimmed NFC text that is not empty and raises `UnreadableCell`; every `format_*`
writes what the parser of the same name reads back as the same value.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from catalog.core.offer import PriceTier

PRICE_KRW_MAX = 10**12
CODE_LENGTH_MAX = 100
LIST_LENGTH_MAX = 200
LIST_SEPARATOR = ";"
WEB_ADDRESS_LENGTH_MAX = 2_000

# Korean fonts and CP949 show the backslash as the won sign.
_WON = re.compile(r"[₩￦\\]? ?(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15}) ?원?")
_WHOLE = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,30})?(?:[eE]-?[0-9]{1,3})?")
_WEB_ADDRESS = re.compile(r"https?://[^\s\"<>\\^`{|}]+", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE = re.compile(r"\w[\w.\-]*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_BUSINESS_NUMBER = re.compile(r"[0-9]{3}-?[0-9]{2}-?[0-9]{5}")
_BUSINESS_NUMBER_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)

_YES = frozenset(("yes", "true", "예", "네"))
_NO = frozenset(("no", "false", "아니오", "아니요"))


class Wording(NamedTuple):
    """One sentence part for people, in English and Korean."""

    en: str
    ko: str


class UnreadableCell(ValueError):
    """A cell that cannot be read; `expected` says what would have been."""

    def __init__(self, en: str, ko: str) -> None:
        self.expected = Wording(en, ko)
        super().__init__(en)


def parse_text(text: str) -> str:
    return text


def format_text(value: str | None) -> str:
    return value or ""


def parse_web_address(text: str) -> str:
    """An address that a page may link: http or https, nothing that a browser would run. Never fetched."""
    if len(text) > WEB_ADDRESS_LENGTH_MAX or not _WEB_ADDRESS.fullmatch(text):
        raise UnreadableCell(
            "an address that begins with https:// or http://", "https:// 또는 http://로 시작하는 주소"
        )
    return text


def parse_won(text: str) -> int:
    """`12000000`, `12,000,000`, `₩12,000,000` or `12000000원` → 12000000.

    Never silently wrong: other currencies, decimal commas, dots between thousands and words such as
    `만` are refused, as is anything outside 1 … 10^12 won.
    """
    match = _WON.fullmatch(text)
    amount_krw = int(match["digits"].replace(",", "")) if match else 0
    if not 1 <= amount_krw <= PRICE_KRW_MAX:
        raise UnreadableCell(
            "a whole number of won from 1 to 1,000,000,000,000, such as 12000000 or ₩12,000,000",
            "1원에서 1조 원 사이의 정수 금액(예: 12000000, ₩12,000,000)",
        )
    return amount_krw


def format_whole(value: int | None) -> str:
    return "" if value is None else str(value)


def parse_whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds, ends included."""

    def parse(text: str) -> int:
        number = int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None
        if number is None or not least <= number <= most:
            raise UnreadableCell(f"a whole number from {least} to {most}", f"{least}에서 {most} 사이의 정수")
        return number

    return parse


def parse_decimal(least: float, most: float) -> Callable[[str], float]:
    """A parser of decimal numbers with a point, within bounds, ends included."""

    def parse(text: str) -> float:
        number = float(text) if _DECIMAL.fullmatch(text) else None
        if number is None or not least <= number <= most:
            raise UnreadableCell(
                f"a number from {least:g} to {most:g} with a decimal point",
                f"{least:g}에서 {most:g} 사이의 수(소수점은 마침표)",
            )
        return number

    return parse


def format_decimal(value: float | None) -> str:
    return "" if value is None else repr(value)


def parse_yes_no(text: str) -> bool:
    word = text.lower()
    if word not in _YES and word not in _NO:
        raise UnreadableCell("yes or no", "예 또는 아니오(yes/no)")
    return word in _YES


def format_yes_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def parse_date(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UnreadableCell("a date such as 2026-12-31", "날짜(예: 2026-12-31)")


def format_date(value: date | None) -> str:
    return "" if value is None else value.isoformat()


def parse_uuid(text: str) -> UUID:
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise UnreadableCell("a UUID", "UUID")


def parse_code(text: str) -> str:
    """A code as it stands in an address: letters of any script, digits, `.`, `-`, `_`; no capitals."""
    if len(text) > CODE_LENGTH_MAX or text != text.lower() or not _CODE.fullmatch(text):
        raise UnreadableCell(
            f"a code of up to {CODE_LENGTH_MAX} small letters, digits, '-', '_' or '.'",
            f"소문자·한글·숫자·'-'·'_'·'.'로 된 {CODE_LENGTH_MAX}자 이내의 코드",
        )
    return text


def parse_country(text: str) -> str:
    if not _COUNTRY.fullmatch(text):
        raise UnreadableCell("a country code of two capitals, such as KR", "대문자 두 자의 국가 코드(예: KR)")
    return text


def parse_business_number(text: str) -> str:
    """A Korean business registration number with a right check digit, written 000-00-00000.

    Check digit as published by the National Tax Service (국세청): weights 1 3 7 1 3 7 1 3 5, and the tens
    of the last product count too.
    """
    if _BUSINESS_NUMBER.fullmatch(text):
        digits = [int(digit) for digit in text if digit != "-"]
        products = [digit * weight for digit, weight in zip(digits, _BUSINESS_NUMBER_WEIGHTS, strict=False)]
        if (sum(products) + products[8] // 10 + digits[9]) % 10 == 0:
            plain = text.replace("-", "")
            return f"{plain[:3]}-{plain[3:5]}-{plain[5:]}"
    raise UnreadableCell(
        "a business number of ten digits with a right check digit, such as 000-00-00000",
        "검증번호가 맞는 사업자등록번호 10자리(예: 000-00-00000)",
    )


def parse_choice(choices: Sequence[str]) -> Callable[[str], str]:
    """A parser of one word out of `choices`, written exactly so."""

    def parse(text: str) -> str:
        if text not in choices:
            listed = ", ".join(choices)
            raise UnreadableCell(f"one of {listed}", f"다음 중 하나: {listed}")
        return text

    return parse


def split_list(text: str) -> list[str]:
    items = [item.strip() for item in text.split(LIST_SEPARATOR)]
    items = [item for item in items if item]
    if not items:
        raise UnreadableCell("items separated by ';'", "';'로 나눈 항목")
    if len(items) > LIST_LENGTH_MAX:
        raise UnreadableCell(f"at most {LIST_LENGTH_MAX} items", f"{LIST_LENGTH_MAX}개 이내의 항목")
    return items


def parse_list(text: str) -> tuple[str, ...]:
    """Items separated by `;`; empty items are dropped."""
    return tuple(split_list(text))


def parse_choices(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of several different words out of `choices`, separated by `;`."""
    parse_one = parse_choice(choices)

    def parse(text: str) -> tuple[str, ...]:
        items = tuple(parse_one(item) for item in split_list(text))
        if len(set(items)) != len(items):
            raise UnreadableCell("each word once", "중복 없는 항목")
        return items

    return parse


def format_list(value: Sequence[str] | None) -> str:
    return "; ".join(value or ())


def parse_tiers(text: str) -> tuple[PriceTier, ...]:
    """`1:50,000,000; 5:47000000` → tiers. Whether they rise and fall is the offer's rule, not the cell's."""
    tiers = []
    parse_quantity = parse_whole(1, 1_000_000)
    for item in split_list(text):
        quantity, colon, price = item.partition(":")
        try:
            if not colon:
                raise ValueError
            tiers.append(PriceTier(parse_quantity(quantity.strip()), parse_won(price.strip())))
        except ValueError:
            raise UnreadableCell(
                "quantity:won pairs separated by ';', such as 1:50000000; 5:47000000",
                "';'로 나눈 수량:원 쌍(예: 1:50000000; 5:47000000)",
            ) from None
    return tuple(tiers)


def format_tiers(value: Sequence[PriceTier]) -> str:
    return "; ".join(f"{tier.quantity_min}:{tier.unit_price_krw}" for tier in value)
