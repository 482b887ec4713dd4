"""Codes of others on a product: G2B, HS, GTIN, ECLASS. Only the form is checked; no scheme's texts are kept. Pure."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

from catalog.core.cells import UnreadableCell

CodeScheme = Literal["g2b", "hs", "gtin", "eclass"]
CODE_SCHEMES: tuple[CodeScheme, ...] = ("g2b", "hs", "gtin", "eclass")

SCHEME_VERSION = re.compile(r"[0-9]{1,4}(?:[.\-][0-9]{1,4}){0,2}")
_G2B = re.compile(r"[0-9]{8}(?:-[0-9]{8})?")
_HS = re.compile(r"[0-9]{6}(?:[0-9]{4})?")
_ECLASS_IRDI = re.compile(r"0173-1#0[0-9A-Z]-[A-Z]{3}[0-9]{3}#[0-9]{3}")
_ECLASS_CLASS = re.compile(r"[0-9]{8}")
GTIN_LENGTHS: Final = (8, 12, 13, 14)


class ExternalCode(Struct, frozen=True, kw_only=True):
    """One code, e.g. HS 847950 of the HS edition 2022. `scheme_version` None = not stated."""

    scheme: CodeScheme
    value: str
    scheme_version: str | None = None


def read_g2b(text: str) -> str:
    """조달청 물품분류번호 (8 digits, four levels of two), or with the 8-digit identification number behind it.

    The scheme is being overhauled, so its version is kept beside it.
    """
    plain = _plain(text)
    if not _G2B.fullmatch(plain):
        raise UnreadableCell(
            "eight digits, or eight and eight with a '-', such as 43211503",
            "물품분류번호 8자리 또는 '분류번호-식별번호'(예: 43211503)",
        )
    return plain


def read_hs(text: str) -> str:
    """HS heading of six digits or HSK of ten, dots left out: `8479.50` → `847950`."""
    plain = re.sub(r"[.\-]", "", _plain(text))
    if not _HS.fullmatch(plain) or not 1 <= int(plain[:2]) <= 97:
        raise UnreadableCell(
            "six digits (HS) or ten (HSK) of chapters 01 to 97, such as 8479.50",
            "HS 6자리 또는 HSK 10자리(01~97류, 예: 8479.50)",
        )
    return plain


def read_gtin(text: str) -> str:
    """GTIN-8, -12, -13 or -14 with a right check digit (GS1 General Specifications, 7.9)."""
    plain = re.sub(r"-", "", _plain(text))
    if plain.isdigit() and len(plain) in GTIN_LENGTHS and gtin_check_digit(plain[:-1]) == int(plain[-1]):
        return plain
    raise UnreadableCell(
        "8, 12, 13 or 14 digits with a right check digit", "검증번호가 맞는 8·12·13·14자리 상품코드(GTIN)"
    )


def gtin_check_digit(digits: str) -> int:
    """The check digit behind `digits`: weights 3 and 1 in turn, from the right."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return -total % 10


def read_eclass(text: str) -> str:
    """An ECLASS class: its IRDI as in AAS files (`0173-1#01-AKJ975#017`) or its eight digits (`27-37-22-14`)."""
    plain = _plain(text).upper()
    if _ECLASS_IRDI.fullmatch(plain):
        return plain
    digits = plain.replace("-", "")
    if _ECLASS_CLASS.fullmatch(digits):
        return digits
    raise UnreadableCell(
        "an IRDI such as 0173-1#01-AKJ975#017 or eight digits such as 27-37-22-14",
        "IRDI(예: 0173-1#01-AKJ975#017) 또는 8자리 분류(예: 27-37-22-14)",
    )


def read_scheme_version(text: str) -> str:
    """`2022`, `14.0` or `2024-1`."""
    plain = _plain(text)
    if not SCHEME_VERSION.fullmatch(plain):
        raise UnreadableCell("a version such as 2022 or 14.0", "판 번호(예: 2022, 14.0)")
    return plain


READERS: Final[Mapping[CodeScheme, Callable[[str], str]]] = {
    "g2b": read_g2b,
    "hs": read_hs,
    "gtin": read_gtin,
    "eclass": read_eclass,
}


def _plain(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
