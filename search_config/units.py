"""Measures in one writing: `0.75 kW` and `750W` become `750w`, `4-20 mA` becomes `4~20ma`. Pure.

Both documents and queries pass through here, so that a reading which is odd (5s, five seconds) is odd on
both sides and still meets itself. Units and their spellings are in `units.txt`.
"""

import functools
import re
from importlib import resources

import msgspec

FOLLOWERS = "급|형|식|짜리|용|의|을|를|이|가|은|는|로|으로|까지|이상|이하|미만|초과|다관절|수직|수평|협동"
"""What may follow a one-syllable unit without a space; `3상` is three phases, `3상태` is not."""
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_BEFORE = r"(?<![0-9a-z가-힣._/+\-])"
_DASH = r"\s*(?:~|∼|〜|–|—|‥|…|\.{2,3}|-|\bto\b)\s*"


class UnitTable(msgspec.Struct, frozen=True):
    """`factors` maps a spelling to (base unit, factor); the patterns find measures and ranges of them."""

    factors: dict[str, tuple[str, float]]
    bases: tuple[str, ...]
    measure: re.Pattern[str]
    span: re.Pattern[str]


@functools.cache
def load_units() -> UnitTable:
    """The shipped table, read once."""
    text = resources.files("search_config").joinpath("units.txt").read_text(encoding="utf-8")
    factors: dict[str, tuple[str, float]] = {}
    bases: list[str] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        base, *spellings = line.split()
        bases.append(base)
        for spelling in spellings:
            name, _, factor = spelling.partition("*")
            factors[name] = (base, float(factor or 1))
    unit = _unit_pattern(factors)
    measure = re.compile(rf"{_BEFORE}±?\s?({_NUMBER})[ \-]?{unit}")
    span = re.compile(rf"(?<![0-9a-z가-힣._/+])(-?{_NUMBER})(?:\s?{unit})?{_DASH}(\+?-?{_NUMBER})[ ]?{unit}")
    return UnitTable(factors, tuple(bases), measure, span)


def _unit_pattern(factors: dict[str, tuple[str, float]]) -> str:
    names = sorted(factors, key=lambda name: (-len(name), name))
    latin = "|".join(re.escape(name) for name in names if not "가" <= name[0] <= "힣")
    words = "|".join(name for name in names if "가" <= name[0] <= "힣" and len(name) > 1)
    single = "|".join(name for name in names if "가" <= name[0] <= "힣" and len(name) == 1)
    return rf"((?:{latin})(?![0-9a-z/·²³])|(?:{words})|(?:{single})(?=[^가-힣]|$|{FOLLOWERS}))"


_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_CURRENT_BEFORE = re.compile(r"(?<![0-9a-z])(ac|dc)[ /]?(?=[0-9])")
_CURRENT_AFTER = re.compile(r"(?<=[0-9])(\s?)v[ ]?(ac|dc)(?![0-9a-z])")
_PROTECTION = re.compile(r"(?<![0-9a-z])ip[ \-]([0-9]{2})(?![0-9])")
_DIGIT = re.compile(r"[0-9]")


def fold_measures(text: str) -> str:
    """The text (clean, lower-case) with every measure in base units and without inner spaces."""
    if not _DIGIT.search(text):
        return text
    units = load_units()
    text = _COMMA.sub("", text.replace("°c", "℃"))
    text = _PROTECTION.sub(r"ip\1", text)
    text = _CURRENT_AFTER.sub(r"\1v \2 ", _CURRENT_BEFORE.sub(r"\1 ", text))
    text = units.span.sub(_fold_span, text)
    return units.measure.sub(_fold_measure, text)


def _fold_measure(match: re.Match[str]) -> str:
    return base_measure(float(match[1]), match[2]) + _gap(match)


def _fold_span(match: re.Match[str]) -> str:
    first = _in_base(float(match[1]), match[2] or match[4])
    last = _in_base(float(match[3].lstrip("+")), match[4])
    return f"{first:.10g}~{last:.10g}{load_units().factors[match[4]][0]}{_gap(match)}"


def _gap(match: re.Match[str]) -> str:
    """Keep what follows apart: `10kg급` is a measure and a word."""
    after = match.string[match.end() : match.end() + 1]
    return " " if after and not after.isspace() else ""


def _in_base(number: float, unit: str) -> float:
    return round(number * load_units().factors[unit][1], 9)


def base_measure(number: float, unit: str, number_max: float | None = None) -> str:
    """One measure as a token: `750w`, `-25~70℃`. An unknown unit stays as it is, lower-case."""
    known = load_units().factors.get(unit)
    base, factor = known or (unit, 1.0)
    low = f"{round(number * factor, 9):.10g}"
    return f"{low}{base}" if number_max is None else f"{low}~{round(number_max * factor, 9):.10g}{base}"


def to_base(low: float, high: float, unit: str) -> tuple[str, float, float] | None:
    """Base unit and both ends in it, None for an unknown unit. Units are compared lower-case."""
    known = load_units().factors.get(unit.lower().replace("°c", "℃").replace(" ", ""))
    if known is None:
        return None
    base, factor = known
    return base, round(low * factor, 9), round(high * factor, 9)


def read_measure(text: str) -> tuple[str, float, float] | None:
    """`0.75 kW` or `4~20 mA` as base unit and both ends; None for anything else."""
    found = _BASED.fullmatch(fold_measures(text.lower().strip()).strip())
    if found is None or found[3] not in load_units().factors:
        return None
    return found[3], float(found[1]), float(found[2] or found[1])


_BASED = re.compile(rf"(-?{_NUMBER})(?:~(-?{_NUMBER}))?([^0-9\s].*)")


def spec_measure(code: str, unit: str | None) -> tuple[str, str | None]:
    """Name and unit of a property; `payload_kg` without a unit is payload in kg."""
    name, _, last = code.rpartition("_")
    if not unit and name and last.lower() in load_units().factors:
        return name, last
    return code, unit
