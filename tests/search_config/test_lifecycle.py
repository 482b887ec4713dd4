"""Comparing settings by meaning: order of sets, keys we do not set, hot and structural changes."""

import functools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_config.lifecycle import HOT_KEYS, diff_settings, shadow_uid
from search_config.meilisearch_settings import (
    SYNONYM_KEY_WORDS_MAX,
    SYNONYMS_PER_WORD_MAX,
    compile_settings,
)
from search_config.query import HIDDEN_FIELDS
from search_config.settings import INDEX_NAMES, load_settings, load_synonyms


@functools.cache
def compiled(index: str = "catalog") -> dict[str, Any]:
    index_settings = load_settings(index)
    return compile_settings(index_settings, load_synonyms(index_settings))


def rules_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The filterable attributes but places, which are named alone."""
    return [rule for rule in settings["filterableAttributes"] if rule != "_geo"]


def as_a_server_returns(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same meaning: sets sorted another way, keys added that we never set."""
    have = msgspec.json.decode(msgspec.json.encode(wanted))
    have["stopWords"] = list(reversed(have["stopWords"]))
    have["sortableAttributes"] = list(reversed(have["sortableAttributes"]))
    have["filterableAttributes"] = list(reversed(have["filterableAttributes"]))
    for rule in rules_of(have):
        rule["attributePatterns"] = list(reversed(rule["attributePatterns"]))
    for words in have["synonyms"].values():
        words.reverse()
    have["typoTolerance"]["disableOnAttributes"].reverse()
    have["typoTolerance"]["later"] = 1
    return {**have, "embedders": {}, "searchCutoffMs": 1500, "facetSearch": True}


@pytest.mark.parametrize("index", INDEX_NAMES)
def test_what_a_server_returns_does_not_differ(index: str) -> None:
    assert diff_settings(as_a_server_returns(compiled(index)), compiled(index)) == ()


def test_every_difference_is_named_with_its_cost() -> None:
    wanted = compiled()
    have = as_a_server_returns(wanted)
    have["synonyms"]["plc"] = ["other"]
    have["searchableAttributes"] = have["searchableAttributes"][::-1]
    del have["pagination"]
    changes = diff_settings(have, wanted)
    assert [(change.key, change.kind) for change in changes] == [
        ("pagination", "hot"),
        ("searchableAttributes", "structural"),
        ("synonyms", "hot"),
    ]


def test_the_order_of_ranking_matters_and_that_of_sets_does_not() -> None:
    wanted = compiled()
    have = as_a_server_returns(wanted)
    have["rankingRules"] = have["rankingRules"][::-1]
    assert [change.key for change in diff_settings(have, wanted)] == ["rankingRules"]


def test_a_missing_synonym_and_a_surplus_one_are_both_seen() -> None:
    wanted = compiled()
    have = as_a_server_returns(wanted)
    have["synonyms"]["surplus"] = ["word"]
    assert [change.key for change in diff_settings(have, wanted)] == ["synonyms"]


def test_an_empty_server_differs_in_everything_we_set() -> None:
    wanted = compiled()
    keys = {change.key for change in diff_settings({}, wanted)}
    assert keys == {key for key in wanted if wanted[key] is not None}


def test_the_shadow_is_named_by_meaning_and_by_the_version_of_our_projection() -> None:
    wanted = compiled()
    assert shadow_uid("catalog", wanted) == shadow_uid("catalog", as_a_server_returns_only_ours(wanted))
    index_settings = msgspec.structs.replace(load_settings("catalog"), version=99)
    other = compile_settings(index_settings, load_synonyms(index_settings))
    assert shadow_uid("catalog", wanted) != shadow_uid("catalog", other)
    assert any(change.kind == "structural" for change in diff_settings(wanted, other))


def as_a_server_returns_only_ours(wanted: dict[str, Any]) -> dict[str, Any]:
    have = as_a_server_returns(wanted)
    del have["typoTolerance"]["later"]
    return {key: have[key] for key in wanted}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_shuffled_synonyms_never_differ(data: st.DataObject) -> None:
    wanted = compiled("vendors")
    have = dict(wanted)
    word = data.draw(st.sampled_from(sorted(wanted["synonyms"])))
    shuffled = data.draw(st.permutations(wanted["synonyms"][word]))
    have["synonyms"] = {**wanted["synonyms"], word: list(shuffled)}
    assert diff_settings(have, wanted) == ()


# --- the compiled settings themselves


@pytest.mark.parametrize("index", INDEX_NAMES)
def test_no_synonym_is_dead_and_none_is_cut(index: str) -> None:
    synonyms = compiled(index)["synonyms"]
    assert len(synonyms) > 500
    for word, others in synonyms.items():
        assert len(word.split()) <= SYNONYM_KEY_WORDS_MAX
        assert 0 < len(others) <= SYNONYMS_PER_WORD_MAX
        assert word not in others
        assert all(other.isascii() and other.isalnum() for other in (word, *others))


@pytest.mark.parametrize("index", INDEX_NAMES)
def test_visibility_is_always_filterable_and_every_filter_of_ours_too(index: str) -> None:
    filterable = {name for rule in rules_of(compiled(index)) for name in rule["attributePatterns"]}
    plain = {entry.field for entry in load_settings(index).filterable if entry.type != "specs"}
    assert HIDDEN_FIELDS | plain <= filterable


@pytest.mark.parametrize("index", INDEX_NAMES)
def test_slips_are_never_forgiven_in_models_and_facets(index: str) -> None:
    index_settings = load_settings(index)
    disabled = set(compiled(index)["typoTolerance"]["disableOnAttributes"])
    codes = {entry.field for entry in index_settings.searchable if entry.is_code}
    assert codes | set(index_settings.facet_fields) <= disabled


def test_settings_that_need_the_documents_again_are_never_hot() -> None:
    assert HOT_KEYS.isdisjoint(
        {
            "searchableAttributes",
            "filterableAttributes",
            "sortableAttributes",
            "dictionary",
            "localizedAttributes",
        }
    )
