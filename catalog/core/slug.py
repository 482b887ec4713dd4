"""Codes that stand in addresses, made from names in any script: `현대 로봇 HX-10` → `현대-로봇-hx-10`. Pure.

A code is made once and never follows its name, so that an address that somebody kept goes on working.
"""

import re
import unicodedata
from collections.abc import Container
from typing import Final

CODE_LENGTH_MAX: Final = 60
"""Shorter than the 100 that a code may have: there is room for a number behind it."""

_NOT_WORD = re.compile(r"[^\w.]+")
_EDGES = "-._"


def make_code(*names: str) -> str:
    """One code of these names; `item` where they hold no letter and no digit.

    NFKC folds full-width letters and joins Hangul that came in parts, so that one name has one code.
    """
    text = unicodedata.normalize("NFKC", " ".join(names)).lower().replace("_", "-")
    code = _NOT_WORD.sub("-", text).strip(_EDGES)
    if len(code) > CODE_LENGTH_MAX:
        cut = code[:CODE_LENGTH_MAX]
        code = cut[: cut.rindex("-")] if "-" in cut else cut
    return code.strip(_EDGES) or "item"


def make_free_code(*names: str, taken: Container[str]) -> str:
    """The code of these names, with the first number from 2 that makes it free."""
    code = make_code(*names)
    if code not in taken:
        return code
    number = 2
    while f"{code}-{number}" in taken:
        number += 1
    return f"{code}-{number}"
