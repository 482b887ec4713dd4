from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog.core.cells import UnreadableCell
from catalog.core.spec_value import SpecDefinition, format_spec_value, parse_spec_value
from catalog.core.units import UNITS


def a_definition(kind: Any = "number", unit: str | None = None, **facts: Any) -> SpecDefinition:
    return SpecDefinition(code="x", categories=("robot",), kind=kind, unit=unit, **facts)


def test_half_a_second_equals_500_milliseconds() -> None:
    definition = a_definition(unit="ms")
    seconds, milliseconds = (parse_spec_value(text, definition) for text in ("0.5 s", "500ms"))
    assert seconds.number == milliseconds.number == 500.0
    assert (seconds.shown, seconds.unit) == ("0.5 s", "s")


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("10 kg", "kg", 10.0),
        ("9500 g", "kg", 9.5),
        ("0.1 m", "mm", 100.0),
        ("1,300 mm", "m", 1.3),
        ("±0.05 mm", "mm", 0.05),
        ("+/- 50 μm", "mm", 0.05),
        ("-10 ℃", "°C", -10.0),
        ("−10 °C", "°C", -10.0),
        ("273.15 K", "°C", 0.0),
        ("1 bar", "MPa", 0.1),
        ("1 kgf·m", "N·m", 9.80665),
        ("2 Nm", "N·m", 2.0),
        ("0.4 kW", "W", 400.0),
        ("24000 mV", "V", 24.0),
        ("4 mA", "A", 0.004),
        ("1.5 kHz", "Hz", 1500.0),
        ("10 rpm", "r/min", 10.0),
        ("12 points", "points", 12.0),  # an unknown unit works where it is the definition's own
        ("6", None, 6.0),
    ],
)
def test_a_number_is_kept_in_the_base_unit(text: str, unit: str | None, number: float) -> None:
    assert parse_spec_value(text, a_definition(unit=unit)).number == number


def test_a_degree_is_pi_over_180_radians() -> None:
    assert parse_spec_value("180 deg", a_definition(unit="rad")).number == pytest.approx(3.141592653589793)
    assert parse_spec_value("360 °", a_definition(unit="deg")).number == 360.0


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("10", "kg"),  # kilograms or grams?
        ("10 mm", "kg"),
        ("10 kg", None),
        ("0,05 mm", "mm"),
        ("1.000,5 mm", "mm"),
        ("about 10 kg", "kg"),
        ("< 10 kg", "kg"),
        ("10..20 kg", "kg"),
        ("10 kg 5", "kg"),
        ("NaN kg", "kg"),
        ("9" * 20 + " kg", "kg"),
        ("10 parsec", "m"),
    ],
)
def test_a_number_that_could_mean_two_things_is_refused(text: str, unit: str | None) -> None:
    with pytest.raises(UnreadableCell) as refused:
        parse_spec_value(text, a_definition(unit=unit))
    assert (unit or "without a unit") in refused.value.expected.en


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("0..45 °C", 0.0, 45.0),
        ("-10~45℃", -10.0, 45.0),
        ("0 – 45 °C", 0.0, 45.0),
        ("-20 to -5 °C", -20.0, -5.0),
        ("0-45 °C", 0.0, 45.0),
        ("±5 °C", -5.0, 5.0),
        ("45 °C", 45.0, 45.0),
        ("273.15..283.15 K", 0.0, 10.0),
    ],
)
def test_a_range_has_both_ends(text: str, lower: float, upper: float) -> None:
    value = parse_spec_value(text, a_definition("range", "°C"))
    assert (value.number, value.number_max) == (lower, upper)


def test_a_falling_range_is_refused() -> None:
    with pytest.raises(UnreadableCell) as refused:
        parse_spec_value("45..0 °C", a_definition("range", "°C"))
    assert refused.value.expected.en == "a range that rises, such as 0..45 °C"


def test_words_are_text_enum_or_yes_and_no() -> None:
    assert parse_spec_value("IP67", a_definition("text")).text == "IP67"
    assert parse_spec_value("ip67", a_definition("enum", choices=("IP65", "IP67"))).text == "IP67"
    assert parse_spec_value("예", a_definition("boolean")).boolean is True
    assert parse_spec_value("아니오", a_definition("boolean")).boolean is False
    with pytest.raises(UnreadableCell) as refused:
        parse_spec_value("IP99", a_definition("enum", choices=("IP65", "IP67")))
    assert refused.value.expected.en == "one of IP65, IP67"


UNITS_BY_DIMENSION = {
    dimension: sorted(name for name, unit in UNITS.items() if unit.dimension == dimension)
    for dimension in {unit.dimension for unit in UNITS.values()}
}


@given(st.floats(-1e12, 1e12), st.sampled_from(sorted(UNITS)), st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_written_value_reads_back_as_the_same_value(number: float, unit: str, is_range: bool) -> None:
    assume(number == 0 or abs(number) > 1e-9)
    definition = a_definition("range" if is_range else "number", unit)
    first = parse_spec_value(f"{number:.9f} {unit}", definition)
    again = parse_spec_value(format_spec_value(first, definition), definition)
    assert (again.number, again.number_max) == (first.number, first.number_max)


@given(st.integers(-(10**9), 10**9), st.data())
@settings(deadline=None, max_examples=300)
def test_converting_there_and_back_is_exact(number: int, data: st.DataObject) -> None:
    dimension = data.draw(st.sampled_from(sorted(set(UNITS_BY_DIMENSION) - {"angle", "angular speed"})))
    one, other = (data.draw(st.sampled_from(UNITS_BY_DIMENSION[dimension])) for _ in range(2))
    there = UNITS[one].factor * number + UNITS[one].offset
    there = (there - UNITS[other].offset) / UNITS[other].factor
    back = (there * UNITS[other].factor + UNITS[other].offset - UNITS[one].offset) / UNITS[one].factor
    assert back == number


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for kind, unit in (("number", "kg"), ("range", "°C"), ("enum", None), ("boolean", None)):
        with suppress(UnreadableCell):
            assert parse_spec_value(text, a_definition(kind, unit)).shown == text
