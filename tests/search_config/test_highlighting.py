import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.geography import EARTH_RADIUS_KM, Near, box_around, distance_km
from search_config.highlighting import highlight, needles_of
from search_config.rewriting import understand
from search_config.settings import load_settings, load_synonyms

SYNONYMS = load_synonyms(load_settings("catalog"))


def marked(query: str, text: str) -> list[str]:
    needles = needles_of(understand(query, SYNONYMS))
    return [text[start:end] for start, end in highlight(text, needles)]


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("협동로봇", "한빛 협동 로봇 HB-10", ["협동 로봇"]),
        ("코봇", "한빛 협동로봇용 그리퍼", ["협동로봇"]),
        ("xgbxbms", "XGB-XBMS 블록형 PLC", ["XGB-XBMS"]),
        ("750W", "인버터 0.75 kW 3상", ["0.75 kW"]),
        ("arm", "alarm arm", ["arm"]),
        ("sensor", "No match here", []),
    ],
)
def test_words_are_marked_as_they_are_written(query: str, text: str, words: list[str]) -> None:
    assert marked(query, text) == words


@given(st.text(max_size=60), st.text(max_size=60))
@settings(deadline=None)
def test_spans_are_in_order_and_inside_the_text(query: str, text: str) -> None:
    spans = highlight(text, needles_of(understand(query, SYNONYMS)))
    ends = [place for span in spans for place in span]
    assert ends == sorted(set(ends))
    assert all(0 <= end <= len(text) for end in ends)


def test_distances_are_those_of_the_globe() -> None:
    assert distance_km(37.57, 126.98, 35.18, 129.08) == pytest.approx(325, abs=5)  # Seoul to Busan
    assert distance_km(0, 0, 0, 180) == pytest.approx(EARTH_RADIUS_KM * 3.14159265, rel=1e-6)


@given(
    st.floats(-89, 89),
    st.floats(-180, 180),
    st.floats(0.1, 8_000),
    st.floats(-89.9, 89.9),
    st.floats(-180, 180),
)
@settings(deadline=None)
def test_the_box_holds_the_whole_circle(
    lat: float, lon: float, radius_km: float, other_lat: float, other_lon: float
) -> None:
    box = box_around(Near(lat, lon, radius_km))
    if box is None or distance_km(lat, lon, other_lat, other_lon) > radius_km * 0.999:
        return
    assert box.lat_min - 1e-6 <= other_lat <= box.lat_max + 1e-6
    if box.lon_min <= box.lon_max:
        assert box.lon_min - 1e-6 <= other_lon <= box.lon_max + 1e-6
    else:
        assert other_lon >= box.lon_min - 1e-6 or other_lon <= box.lon_max + 1e-6
