"""What Meilisearch is given: plain words it cannot split, lanes that follow our analysis, nothing unlawful."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.analysis import squash
from search_config.documents import CatalogDocument, SpecValue
from search_config.hangul import compose, keystrokes
from search_config.meilisearch_documents import (
    EVERY,
    PLAIN_LENGTH_MAX,
    every_lane,
    plain_word,
    to_meilisearch,
)
from search_config.meilisearch_text import TextCompiler, Wanted, at_least, grade_filters, rank_text
from search_config.query import SearchQuery, parse_query
from search_config.rewriting import Understanding, understand
from search_config.settings import load_settings, load_synonyms
from search_config.vocabulary import build_vocabulary

SETTINGS = load_settings("catalog")
SYNONYMS = load_synonyms(SETTINGS)
Build = Callable[..., CatalogDocument]


@given(st.text(max_size=80))
@settings(max_examples=500, deadline=None)
def test_a_plain_word_is_latin_letters_and_digits_whatever_was_typed(text: str) -> None:
    word = plain_word(squash(text))
    assert word == "" or (word.isascii() and word.isalnum() and word == word.lower())
    assert len(word) <= PLAIN_LENGTH_MAX


@pytest.mark.parametrize(
    ("text", "word"),
    [("협동로봇", "guqehdfhqht"), ("협동롭", "guqehdfhq"), ("xgbxbms", "xgbxbms"), ("㎜漢", "mmu6f22")],
)
def test_hangul_becomes_the_keys_that_type_it(text: str, word: str) -> None:
    assert plain_word(squash(text)) == word


def test_a_word_in_the_wrong_layout_is_the_same_word() -> None:
    assert plain_word("센서") == "tpstj"
    assert compose("tpstj") == "센서"
    assert keystrokes("ㅡㄷㄴ") == "mes"


def test_a_document_is_whole_in_its_source_and_has_no_empty_values(a_cobot: Build) -> None:
    document = a_cobot(
        1, model="HB-05", payload_kg=5, maker_country=None, tags=[], visibility="tenant", tenants=[7]
    )
    sent = to_meilisearch(document, SETTINGS)
    assert sent[every_lane(SETTINGS)] == EVERY
    assert (sent["id"], sent["visibility"], sent["tenants"]) == ("product-1", "tenant", [7])
    assert "maker_country" not in sent
    assert "tags" not in sent
    assert sent["has_open_round"] is False
    assert (sent["spec_lower"], sent["spec_upper"]) == ({"payload": [5]}, {"payload": [5]})
    assert "guqehdfhqht" in sent["rank_heads"].split()
    assert "협동" in sent["match_tokens"]
    assert "hb05" in sent["match_codes"]
    assert "words" not in sent  # a hidden document teaches the vocabulary nothing
    assert "협동로봇" in to_meilisearch(a_cobot(1, model="HB-05", payload_kg=5), SETTINGS)["words"]
    assert sent == to_meilisearch(document, SETTINGS)


def test_the_ends_and_words_of_properties_have_lanes_of_their_own(a_document: Build) -> None:
    specs = [
        SpecValue(code="ambient", number=-25, number_max=70),
        SpecValue(code="body", text="Steel "),
        SpecValue(code="is_safe", boolean=True),
    ]
    sent = to_meilisearch(a_document(1, specs=specs), SETTINGS)
    assert (sent["spec_lower"], sent["spec_upper"]) == ({"ambient": [-25]}, {"ambient": [70]})
    assert sent["spec_text"] == {"body": ["Steel"], "is_safe": ["true"]}


VOCABULARY = build_vocabulary({"협동로봇": 9, "근접센서": 5, "센서": 9, "그리퍼": 3}, SYNONYMS)


def read(text: str) -> Understanding:
    parsed = parse_query(SearchQuery(text=text), SETTINGS)
    return understand(parsed.text, SYNONYMS, VOCABULARY, is_finished=parsed.is_finished)


@pytest.mark.parametrize(
    ("text", "ranked"),
    [
        ("협동로봇", "z0z guqehdfhqht "),
        ("협동로봇을", "z0z guqehdfhqht "),
        ("협동롭", "z0z guqehdfhqht "),
        ("XGB-XBMS", "z0z xgbxbm "),
        ("근접센서 그리퍼", "z0z rmswjqtpstj rmflvj "),
    ],
)
def test_the_ranking_text_is_the_words_as_typed_by_keys(text: str, ranked: str) -> None:
    assert rank_text(read(text).slots) == ranked


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_compiles_to_ten_words_at_most(text: str) -> None:
    wanted = TextCompiler(SETTINGS).query(read(text))
    assert len(wanted.ranked.split()) <= 10
    assert wanted.ranked.split()[0] == EVERY


def test_only_a_sentence_is_graded_by_what_the_thing_is() -> None:
    assert TextCompiler(SETTINGS).query(read("협동로봇")).grades == ()
    grades = TextCompiler(SETTINGS).query(read("금속을 감지하는 근접센서")).grades
    assert any(grade.startswith("match_heads IN") for grade in grades)


def test_no_document_falls_into_two_grades() -> None:
    assert grade_filters(Wanted("m", ("a", "b"))) == [
        ["a"], ["b", "NOT (a)"], ["NOT (a)", "NOT (b)"],
    ]  # fmt: skip
    assert grade_filters(Wanted("m")) == [[]]


def test_some_of_many_conditions_are_combined_and_too_many_are_cut() -> None:
    conditions = [f"c{n}" for n in range(9)]
    assert at_least(conditions[:3], 3) == "(c0) AND (c1) AND (c2)"
    assert at_least(conditions[:3], 1) == "(c0) OR (c1) OR (c2)"
    assert at_least(conditions[:3], 2) == "((c0) AND (c1)) OR ((c0) AND (c2)) OR ((c1) AND (c2))"
    assert at_least(conditions, 3).count(" OR ") == 19
    assert "c6" not in at_least(conditions, 3)
