import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.analysis import (
    clean_text,
    clean_value,
    code_tokens,
    fold_plural,
    head_tokens,
    phrase_tokens,
    split_runs,
    squash,
    text_tokens,
    vocabulary_words,
)
from search_config.hangul import (
    compose,
    initials,
    keystrokes,
    particle_stems,
    say_letters,
    spelled_letters,
    verb_stem,
)
from search_config.rewriting import RUNS_MAX, understand
from search_config.synonyms import parse_synonyms

SYLLABLES = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=8)
SHIFTLESS = st.text(
    st.sampled_from("가나다라마바사아자차카타파하로봇센서협동값읽없왜귀의"), min_size=1, max_size=8
)
NO_SYNONYMS = parse_synonyms("")


def tokens(text: str) -> set[str]:
    return set(text_tokens(split_runs(text)))


@pytest.mark.parametrize("text", ["협동로봇", "협동 로봇", "협 동 로 봇", "협동로봇용", "두산협동로봇팔"])
def test_a_word_is_found_in_any_spacing(text: str) -> None:
    assert set(phrase_tokens("협동 로봇")) == set(phrase_tokens("협동로봇")) <= tokens(text)


@given(SYLLABLES, SYLLABLES)
@settings(deadline=None)
def test_a_space_never_hides_a_compound(left: str, right: str) -> None:
    assert set(phrase_tokens(left + right)) - {left, right} <= tokens(f"{left} {right}")
    assert set(phrase_tokens(f"{left} {right}")) <= tokens(left + right) | {left, right}


@given(SYLLABLES)
@settings(deadline=None)
def test_every_part_of_two_syllables_is_found(word: str) -> None:
    for start in range(len(word) - 1):
        assert word[start : start + 2] in tokens(word)


@given(SHIFTLESS)
@settings(deadline=None)
def test_composing_keystrokes_gives_the_word_back(word: str) -> None:
    composed = compose(keystrokes(word))
    assert composed is not None
    assert keystrokes(composed) == keystrokes(word)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ("tpstj", "센서"),
        ("guqehdfhqht", "협동로봇"),
        ("rkqt", "값"),
        ("dkswdk", "앉아"),
        ("dkswk", "안자"),
        ("plc", None),
        ("r1", None),
    ],
)
def test_keys_compose_to_syllables_or_to_nothing(keys: str, word: str | None) -> None:
    assert compose(keys) == word


def test_keystrokes_see_through_half_typed_syllables() -> None:
    assert keystrokes("협동롭") == keystrokes("협동로ㅂ") == "guqehdfhq"
    assert keystrokes("근접쎈서") == keystrokes("근접센서")
    assert keystrokes("ㅔㅣㅊ") == "plc"


def test_names_teach_the_vocabulary_their_words_alone_and_together() -> None:
    assert set(vocabulary_words(split_runs("HB-10 협동 로봇 Cobots"))) == {
        "협동",
        "로봇",
        "+협동로봇",
        "cobot",
    }
    assert initials("협동로봇") == "ㅎㄷㄹㅂ"


@pytest.mark.parametrize(
    ("word", "stem"), [("센서를", "센서"), ("로봇용", "로봇"), ("공장에서는", "공장"), ("로봇용으로", "로봇")]
)
def test_every_particle_a_word_may_carry_is_tried(word: str, stem: str) -> None:
    assert stem in particle_stems(word)


def test_a_word_of_two_syllables_keeps_them() -> None:
    assert particle_stems("도로") == []
    assert particle_stems("온도") == []


@pytest.mark.parametrize(
    ("word", "stem"), [("측정하는", "측정"), ("관리할", "관리"), ("조절해서", "조절"), ("센서", None)]
)
def test_a_verb_gives_its_noun(word: str, stem: str | None) -> None:
    assert verb_stem(word) == stem


@pytest.mark.parametrize(
    ("word", "letters", "rest"),
    [
        ("엠이에스", "mes", ""),
        ("엘에스일렉트릭", "ls", "일렉트릭"),
        ("더블유엠에스", "wms", ""),
        ("로봇", "", "로봇"),
    ],
)
def test_letters_are_read_as_they_are_said(word: str, letters: str, rest: str) -> None:
    assert spelled_letters(word) == (letters, rest)


def test_letters_are_said_as_they_are_read() -> None:
    assert say_letters("ts") == "티에스"
    assert spelled_letters(say_letters("mes"))[0] == "mes"


@pytest.mark.parametrize(
    ("text", "squashed"),
    [
        ("XGB-XBMS", "xgbxbms"),
        ("xgb xbms", "xgbxbms"),
        ("협동 로봇", "협동로봇"),
        ("RS-485", "rs485"),
        ("10 kg", "10kg"),
        ("0.75 kW", "075kw"),
        ("Düsseldorf", "dusseldorf"),
        ("ＭＥＳ", "mes"),
    ],
)
def test_writings_of_one_thing_are_equal_when_squashed(text: str, squashed: str) -> None:
    assert squash(text) == squashed


def test_a_model_number_is_joined_from_each_part() -> None:
    assert {"xgbxbms", "xbms"} <= code_tokens(split_runs("XGB-XBMS"))
    assert "lbriiwa7r800" in code_tokens(split_runs("LBR iiwa 7 R800"))


def test_numbers_are_found_with_and_without_their_unit() -> None:
    assert {"10kg", "10"} <= tokens("가반하중 10 kg")
    assert {"750w", "750"} <= tokens("0.75kW 인버터")


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("HB-10 협동로봇", {"협동로봇", "로봇"}, "hb10"),
        ("협동로봇용 그리퍼", {"그리퍼"}, "협동로봇"),
        ("Gripper for cobots", {"gripper"}, "cobot"),
        ("Collaborative robots", {"robot", "collaborativerobot"}, "collaborative"),
    ],
)
def test_the_head_of_a_name_says_what_it_is(name: str, inside: set[str], outside: str) -> None:
    heads = head_tokens(split_runs(name))
    assert inside <= heads
    assert outside not in heads


@pytest.mark.parametrize(
    ("word", "folded"), [("sensors", "sensor"), ("mes", "mes"), ("class", "class"), ("bus", "bus")]
)
def test_plurals_are_folded_carefully(word: str, folded: str) -> None:
    assert fold_plural(word) == folded


def test_decomposed_text_is_composed_and_lone_consonants_stay() -> None:
    assert clean_text(unicodedata.normalize("NFD", "협동로봇")) == "협동로봇"
    assert clean_text("ㅎㄷㄹㅂ") == "ㅎㄷㄹㅂ"
    assert clean_text("a\x00b\u200bc\ud800d\n e") == "a bcd e"


@given(st.text(st.characters(), max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_text_is_analyzed_to_tokens_without_spaces(text: str) -> None:
    runs = split_runs(text)
    lanes = (text_tokens(runs), code_tokens(runs), head_tokens(runs), list(vocabulary_words(runs)))
    for token in (token for lane in lanes for token in lane):
        assert token
        assert not any(character.isspace() for character in token)
        token.encode()


@given(st.text(max_size=100))
@settings(deadline=None)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)
    assert clean_value(clean_value(text)) == clean_value(text)


@given(st.text(max_size=100))
@settings(deadline=None)
def test_what_was_indexed_is_found_by_its_own_words(text: str) -> None:
    for slot in understand(text, NO_SYNONYMS).slots:
        assert set(slot.alternatives[0].tokens) <= tokens(text) | {slot.surface}


def test_a_known_phrase_is_one_slot_with_its_synonyms() -> None:
    synonyms = parse_synonyms("협동로봇, collaborative robot, 코봇")
    (slot,) = understand("Collaborative Robots", synonyms).slots
    assert {alternative.head for alternative in slot.alternatives} == {
        "collaborativerobot",
        "협동로봇",
        "코봇",
    }
    brand, thing = understand("두산 협동 로봇을", synonyms).slots
    assert (brand.surface, thing.surface) == ("두산", "협동 로봇을")


def test_the_work_of_one_query_is_bounded() -> None:
    assert len(understand("로봇 " * 500, NO_SYNONYMS).slots) == RUNS_MAX
