"""From our index settings to Meilisearch's. Pure: one TOML file in, one JSON object out.

Everything that ranks is pinned, because servers have changed their defaults between versions. Only keys
that we set are compared with a server later.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from search_config.analysis import squash
from search_config.documents import DOCUMENT_TYPES
from search_config.errors import InvalidSettings
from search_config.meilisearch_documents import (
    CODES,
    EVERY,
    EXACT,
    HEADS,
    NAME_LENGTH,
    RANK_EXACT,
    RANK_HEADS,
    TOKENS,
    WORDS,
    every_lane,
    plain_word,
    sort_lane,
    tiers,
    words_lane,
)
from search_config.meilisearch_filters import (
    BASE_LOWER,
    BASE_UPPER,
    FIRST_LOWER,
    FIRST_UPPER,
    SPEC_LOWER,
    SPEC_TEXT,
    SPEC_UPPER,
)
from search_config.settings import IndexSettings
from search_config.synonyms import Synonyms

CompiledSettings = Mapping[str, Any]

RANKING_RULES = ("sort", "words", "typo", "attribute", "exactness", f"{NAME_LENGTH}:asc")
"""`attribute` rather than the newer `attributeRank`: servers before 1.36 know only the former. No proximity:
lanes hold words out of order. Equal hits: the shorter name (UR5e before UR512e when one types UR5)."""
VOCABULARY_MAX = 200_000
"""The vocabulary is read as a facet; our own facets are cut to the settings' `facet_values_max` by us."""
TOTAL_HITS_MAX = 10_000_000
"""Meilisearch cuts totals here. Paging ends earlier, at the settings' `hits_max`, but totals are exact."""
TYPO_KEYS, TWO_TYPO_KEYS = 4, 9
"""Keystrokes of a word before one and two slips are forgiven."""
SYNONYM_KEY_WORDS_MAX = 3
SYNONYMS_PER_WORD_MAX = 50
"""Limits of Meilisearch: a longer key never matches, further synonyms are ignored."""


def compile_settings(settings: IndexSettings, synonyms: Synonyms) -> dict[str, Any]:
    """The settings object of one index, for `PATCH /indexes/{uid}/settings`.

    Raises InvalidSettings when a synonym could never match.
    """
    suffixes = tiers(settings)
    return {
        "displayedAttributes": ["*"],
        "searchableAttributes": [
            RANK_EXACT,
            RANK_HEADS,
            *(words_lane(suffix) for suffix in suffixes),
            every_lane(settings),
        ],
        "filterableAttributes": _filterable(settings),
        "sortableAttributes": sorted({*_sort_fields(settings).values(), NAME_LENGTH, *_places(settings)}),
        "rankingRules": list(RANKING_RULES),
        "synonyms": _compile_synonyms(synonyms, file=settings.synonyms),
        "stopWords": [],
        "dictionary": [],
        "separatorTokens": [],
        "nonSeparatorTokens": [],
        # Lanes hold Latin words only. Left to guess, a server may take one for German and split it.
        "localizedAttributes": [{"attributePatterns": ["*"], "locales": ["eng"]}],
        "proximityPrecision": "byAttribute",
        "prefixSearch": "indexingTime",
        "distinctAttribute": None,
        "typoTolerance": {
            "enabled": True,
            "minWordSizeForTypos": {"oneTypo": TYPO_KEYS, "twoTypos": TWO_TYPO_KEYS},
            "disableOnWords": [EVERY],
            "disableOnAttributes": sorted(
                {
                    RANK_EXACT,
                    RANK_HEADS,
                    every_lane(settings),
                    *_code_fields(settings),
                    *settings.facet_fields,
                }
            ),
            "disableOnNumbers": True,
        },
        "faceting": {
            "maxValuesPerFacet": VOCABULARY_MAX,
            "sortFacetValuesBy": {"*": "count"},
        },
        "pagination": {"maxTotalHits": TOTAL_HITS_MAX},
    }


def sort_field(settings: IndexSettings, field: str) -> str:
    """The attribute that Meilisearch sorts by for a document field."""
    return _sort_fields(settings)[field]


def _sort_fields(settings: IndexSettings) -> dict[str, str]:
    types = {field.name: field.type for field in msgspec.structs.fields(DOCUMENT_TYPES[settings.index])}
    return {
        entry.field: entry.field if types[entry.field] in {int, int | None} else sort_lane(entry.field)
        for entry in settings.sortable
    }


def _code_fields(settings: IndexSettings) -> set[str]:
    return {entry.field for entry in settings.searchable if entry.is_code}


def _filterable(settings: IndexSettings) -> list[dict[str, Any] | str]:
    """Rules by what a filter may do, sorted: facets, equal values, ranges, and our own lanes."""
    text = [entry.field for entry in settings.filterable if entry.type in {"text", "boolean"}]
    integers = [entry.field for entry in settings.filterable if entry.type == "integer"]
    lanes = [TOKENS, EXACT, HEADS, CODES, WORDS]
    rules = [_rule([*integers, "version"], comparison=True), _rule([*text, *lanes, "id"], comparison=False)]
    if any(entry.type == "specs" for entry in settings.filterable):
        ends = (SPEC_LOWER, SPEC_UPPER, BASE_LOWER, BASE_UPPER, FIRST_LOWER, FIRST_UPPER)
        rules[0]["attributePatterns"] += [f"{lane}.*" for lane in ends]
        rules[1]["attributePatterns"] += [f"{SPEC_TEXT}.*"]
    sorted_rules = [{**rule, "attributePatterns": sorted(rule["attributePatterns"])} for rule in rules]
    return [*sorted_rules, *_places(settings)]


def _places(settings: IndexSettings) -> list[str]:
    return ["_geo"] if settings.has_places else []


def _rule(patterns: list[str], *, comparison: bool) -> dict[str, Any]:
    features = {"facetSearch": False, "filter": {"equality": True, "comparison": comparison}}
    return {"attributePatterns": patterns, "features": features}


def _compile_synonyms(synonyms: Synonyms, *, file: str) -> dict[str, list[str]]:
    """Keys and values as single plain words: a phrase is one word in our lanes."""
    compiled: dict[str, list[str]] = {}
    for word, others in synonyms.words.items():
        key = plain_word(word)
        values = dict.fromkeys(plain_word(squash(other)) for other in others)
        known = [value for value in values if value and value != key]
        if len(key.split()) > SYNONYM_KEY_WORDS_MAX or len(known) > SYNONYMS_PER_WORD_MAX:
            raise InvalidSettings(file, reason=f"the synonyms of {word!r} exceed what Meilisearch matches")
        if key and known:
            compiled[key] = list(dict.fromkeys([*compiled.get(key, []), *known]))
    return compiled
