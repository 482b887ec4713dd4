"""How a query is read: with a vocabulary of what the documents say, and never away from what is known."""

import time
from statistics import quantiles

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.rewriting import Understanding, rewrite, understand
from search_config.settings import load_settings, load_synonyms
from search_config.synonyms import parse_synonyms
from search_config.vocabulary import EMPTY, build_vocabulary

SYNONYMS = load_synonyms(load_settings("catalog"))
WORDS = {
    "협동로봇": 120,
    "+협동로봇": 20,
    "그리퍼": 60,
    "근접센서": 90,
    "온도센서": 70,
    "압력센서": 50,
    "센서": 30,
    "인버터": 80,
    "서보모터": 40,
    "온도조절기": 25,
    "창고관리시스템": 20,
    "품질관리시스템": 15,
    "라이다": 12,
    "한빛로보틱스": 33,
    "산업용": 9,
    "바코드리더": 14,
    "mes": 44,
    "erp": 21,
    "plc": 77,
    "proximity": 55,
    "collaborative": 60,
    "robot": 200,
    "inverter": 66,
    "sensor": 210,
    "servo": 41,
    "welding": 18,
}
VOCABULARY = build_vocabulary(WORDS, SYNONYMS)
SEEN = sorted(word.removeprefix("+") for word in WORDS)


def read(text: str) -> Understanding:
    return understand(text, SYNONYMS, VOCABULARY)


def heads_of(text: str) -> set[str]:
    """Everything that the last slot of a query may be called, slips corrected."""
    slot = read(text).slots[-1]
    return {way.head for way in (slot.corrections or slot.alternatives)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("tpstj", "센서"),
        ("guqehdfhqht", "협동로봇"),
        ("ㅡㄷㄴ", "mes"),
        ("ㄷ게", "erp"),
        ("ㅔㅣㅊ", "plc"),
        ("인버타", "인버터"),
        ("협동로붓", "협동로봇"),
        ("proximty", "proximity"),
        ("invertor", "inverter"),
    ],
)
def test_a_slip_is_corrected_and_said(text: str, word: str) -> None:
    [slot] = read(text).slots
    assert slot.correction == word
    assert slot.alternatives[0].head == text.lower()
    assert word in heads_of(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("협동로ㅂ", "협동로봇"),
        ("협동롭", "협동로봇"),
        ("협동 로ㅂ", "협동로봇"),
        ("인버ㅌ", "인버터"),
        ("근접쎈서", "근접센서"),
        ("collabo", "collaborative"),
        ("ㅎㄷㄹㅂ", "협동로봇"),
        ("ㅅㅅ", "센서"),
        ("엠이에스", "mes"),
        ("센서로", "센서"),
        ("인버터의", "인버터"),
        ("리더기", "리더"),
        ("MES를", "mes"),
    ],
)
def test_a_word_is_completed_or_stripped_without_being_called_a_slip(text: str, word: str) -> None:
    understanding = read(text)
    assert not any(slot.corrections for slot in understanding.slots)
    assert word in heads_of(text)


@pytest.mark.parametrize(
    "text", ["협동로봇", "도로", "mes", "산업용 로봇", "sensor", "프로그래머블 로직 컨트롤러"]
)
def test_what_is_known_is_left_alone(text: str) -> None:
    assert not any(slot.corrections for slot in read(text).slots)


@given(st.lists(st.sampled_from(SEEN), min_size=1, max_size=5))
@settings(deadline=None)
def test_known_words_are_never_corrected(words: list[str]) -> None:
    assert not any(slot.corrections for slot in read(" ".join(words)).slots)


@given(st.text(max_size=120))
@settings(deadline=None, max_examples=400)
def test_any_text_is_read_and_literal_reading_changes_no_word(text: str) -> None:
    understanding = read(text)
    assert understanding.settled(tuple(slot.corrected() for slot in understanding.slots)).slots is not None
    literal = understand(text, SYNONYMS, VOCABULARY, is_literal=True)
    assert not any(slot.corrections for slot in literal.slots)
    assert all(len(slot.alternatives) <= 2 for slot in literal.slots)


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("진동을 측정하는 센서를 찾고 있습니다", ["진동을", "센서를"]),
        ("공장에서 쓸 인버터 추천해 주세요", ["인버터"]),
        ("looking for a robot that welds", ["robot"]),
        ("ERP 시스템", ["erp"]),
        ("시스템", ["시스템"]),
    ],
)
def test_only_words_about_the_thing_are_required(text: str, required: list[str]) -> None:
    assert [slot.surface for slot in read(text).slots if not slot.is_optional] == required


def test_the_thing_asked_for_is_named_by_the_head() -> None:
    assert "온도센서" in read("온도 센서").heads
    assert "품질관리시스템" in read("품질 데이터를 관리하는 소프트웨어").heads
    assert read("gripper for collaborative robots").tails[0] == "gripper"


def test_corrected_words_are_shown_in_the_place_of_the_typed_ones() -> None:
    asked = read("10kg rmfflvj 두개")
    settled = asked.settled(tuple(slot.corrected() if slot.corrections else slot for slot in asked.slots))
    assert rewrite("10kg rmfflvj 두개", asked, settled) == "10kg 그리퍼 두개"


def test_without_a_vocabulary_synonyms_still_work() -> None:
    [slot] = understand("협동 로봇을", parse_synonyms("협동로봇, cobot"), EMPTY).slots
    assert "cobot" in {way.head for way in slot.alternatives}


def test_reading_a_query_takes_less_than_half_a_millisecond() -> None:
    texts = [
        "협동로봇 10kg",
        "guqehdfhqht",
        "진동을 측정하는 센서를 찾고 있습니다",
        "ㅎㄷㄹㅂ",
        "온도콘트롤러",
        "xgbxbms",
        "proximty sensor",
    ]
    times_ms = []
    for text in texts * 30:
        started = time.thread_time()
        read(text)
        times_ms.append((time.thread_time() - started) * 1_000)
    assert quantiles(times_ms, n=100)[97] <= 0.5
