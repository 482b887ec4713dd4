import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.units import fold_measures, load_units, read_measure, spec_measure, to_base


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("0.75kw", "750w"),
        ("750 w", "750w"),
        ("4-20 ma", "4~20ma"),
        ("4…20 ma", "4~20ma"),
        ("-25~70℃", "-25~70℃"),
        ("10 to 20 bar", "1000~2000kpa"),
        ("ip 67", "ip67"),
        ("dc24v", "dc 24v"),
        ("24vdc", "24v dc "),
        ("1,000 kg", "1000kg"),
        ("1톤", "1000kg"),
        ("1.3m", "1300mm"),
        ("6축 다관절", "6axis 다관절"),
        ("6-axis", "6axis"),
        ("32점 plc", "32pt plc"),
        ("8채널", "8ch"),
        ("500만화소", "5mp"),
        ("10kg급 로봇", "10kg 급 로봇"),
        ("25 n·m", "25n·m"),
        ("±0.05mm", "0.05mm"),
    ],
)
def test_one_measure_has_one_writing(text: str, folded: str) -> None:
    assert fold_measures(text) == folded


@pytest.mark.parametrize(
    "text",
    [
        "3상태",
        "xgb-6 axis",
        "hcr-3a",
        "ur5e",
        "m12",
        "xl430-w250-t",
        "rs-485",
        "cpu 1515-2 pn",
        "lbr iiwa 7 r800",
        "2 a/s",
    ],
)
def test_model_numbers_are_no_measures(text: str) -> None:
    assert fold_measures(text) == text


@given(
    st.decimals(min_value=0, max_value=9999, places=2, allow_nan=False),
    st.sampled_from([("kw", "w", 1000), ("mpa", "kpa", 1000), ("m", "mm", 1000), ("a", "ma", 1000)]),
)
@settings(deadline=None)
def test_a_measure_is_equal_in_two_units(number: float, units: tuple[str, str, int]) -> None:
    big, small, factor = units
    assert fold_measures(f"{number} {big}") == fold_measures(f"{number * factor} {small}")


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=300)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold_measures(text.lower())
    assert fold_measures(once) == once


def test_every_base_unit_is_its_own_first_spelling() -> None:
    units = load_units()
    assert {units.factors[base] for base in units.bases} == {(base, 1.0) for base in units.bases}


def test_values_are_read_in_base_units() -> None:
    assert read_measure("0.75 kW") == ("w", 750.0, 750.0)
    assert read_measure("4~20mA") == ("ma", 4.0, 20.0)
    assert read_measure("fast") is None
    assert to_base(1, 2, "MPa") == ("kpa", 1000.0, 2000.0)
    assert to_base(1, 2, "furlong") is None
    assert spec_measure("payload_kg", None) == ("payload", "kg")
    assert spec_measure("payload", "kg") == ("payload", "kg")
