"""Korean business registration numbers (사업자등록번호): ten digits, the last one a check digit. Pure."""

import re
import unicodedata
from typing import Final, Literal

WEIGHTS: Final = (1, 3, 7, 1, 3, 7, 1, 3, 5)
"""As published by the National Tax Service (국세청). The tens of the ninth product count too."""

_SEPARATORS = re.compile(r"[\s\-‐‑–—.]")

BusinessNumberProblem = Literal["letters", "length", "check_digit"]


class InvalidBusinessNumber(ValueError):
    """A number that nobody can have.

    `reason`: `letters` (something else than digits and separators), `length` (not ten digits; `digit_count`
    says how many), `check_digit` (a digit is mistyped or two are swapped).
    """

    def __init__(self, reason: BusinessNumberProblem, *, digit_count: int = 0) -> None:
        self.reason = reason
        self.digit_count = digit_count
        super().__init__(f"not a business number: {reason}")


def read_business_number(text: str) -> str:
    """`123-45-67891`, `1234567891` or full-width digits → `123-45-67891`. Raises InvalidBusinessNumber."""
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    if not plain.isascii() or not plain.isdigit():
        raise InvalidBusinessNumber("letters")
    if len(plain) != 10:
        raise InvalidBusinessNumber("length", digit_count=len(plain))
    if check_digit(plain[:9]) != int(plain[9]):
        raise InvalidBusinessNumber("check_digit")
    return f"{plain[:3]}-{plain[3:5]}-{plain[5:]}"


def check_digit(nine_digits: str) -> int:
    """The tenth digit that belongs to the first nine."""
    products = [int(digit) * weight for digit, weight in zip(nine_digits, WEIGHTS, strict=True)]
    return -(sum(products) + products[8] // 10) % 10
