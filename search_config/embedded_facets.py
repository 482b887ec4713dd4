"""Facet counts of one search, remembered until the next commit."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, TypeAlias

from tantivy import Query, Searcher

from search_config.embedded_filters import filter_name
from search_config.engine import Bounds, FacetCount
from search_config.settings import IndexSettings

REMEMBERED_MAX = 512
Counts: TypeAlias = tuple[tuple[FacetCount, ...], Bounds | None]


class FacetMemory:
    """Counts by what was asked (text, principal, filters), so that turning a page counts nothing again.

    A facet with a filter of its own is counted without it, so choosing a value asks for what the page before
    has counted. Everything is forgotten when the index changes. Safe to share by threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searcher: Searcher | None = None
        self._counts: OrderedDict[Hashable, Counts] = OrderedDict()

    def find(self, searcher: Searcher, key: Hashable) -> Counts | None:
        with self._lock:
            if searcher is not self._searcher:
                return None
            found = self._counts.get(key)
            if found is not None:
                self._counts.move_to_end(key)
            return found

    def keep(self, searcher: Searcher, key: Hashable, counts: Counts) -> None:
        with self._lock:
            if searcher is not self._searcher:
                self._searcher = searcher
                self._counts.clear()
            self._counts[key] = counts
            while len(self._counts) > REMEMBERED_MAX:
                self._counts.popitem(last=False)


def count_facets(
    searcher: Searcher, condition: Query, fields: list[str], settings: IndexSettings
) -> dict[str, Counts]:
    """Counts of every field among the documents of a condition; bounds of numbers too."""
    answer = searcher.aggregate(condition, _aggregations(fields, settings))
    return {field: (_facet_counts(answer[field]), _bounds(answer.get(f"{field} bounds"))) for field in fields}


def _aggregations(fields: list[str], settings: IndexSettings) -> dict[str, Any]:
    size = settings.facet_values_max
    asked: dict[str, Any] = {}
    for field in fields:
        name = filter_name(field)
        # Every segment reports ten times as many, so that the merged counts are exact in practice.
        asked[field] = {"terms": {"field": name, "size": size, "segment_size": size * 10}}
        entry = settings.find_filterable(field)
        if entry and entry.type == "integer":
            asked[f"{field} bounds"] = {"stats": {"field": name}}
    return asked


def _facet_counts(answer: dict[str, Any]) -> tuple[FacetCount, ...]:
    counts = [FacetCount(value=_value(bucket), count=bucket["doc_count"]) for bucket in answer["buckets"]]
    return tuple(sorted(counts, key=lambda facet: (-facet.count, facet.value)))


def _bounds(stats: dict[str, Any] | None) -> Bounds | None:
    return Bounds(lower=stats["min"], upper=stats["max"]) if stats and stats["count"] else None


def _value(bucket: dict[str, Any]) -> str:
    key = bucket.get("key_as_string", bucket["key"])
    return str(int(key)) if isinstance(key, float) else str(key)
