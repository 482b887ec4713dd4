"""The seam of search: one Protocol, two real engines, one conformance suite (`test_engines.py`)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from search_config.documents import IndexName, SearchDocument
from search_config.highlighting import Spans
from search_config.query import Principal, SearchQuery

Notice: TypeAlias = Literal["text_cut", "page_limited", "relaxed", "degraded"]


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """One result: the whole document as indexed and its score (higher is better, 0.0 when sorted).

    `highlights` maps a field to spans (start, end) of its text where the query's words stand, when asked for.
    `distance_km` is set when the query is `near` a place.
    """

    score: float
    document: SearchDocument
    highlights: Mapping[str, Spans] = {}
    distance_km: float | None = None


class FacetCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many visible hits carry a value, as text (`"robot"`, `"3"`, `"true"`)."""

    value: str
    count: int


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Smallest and largest value of a numeric facet among visible hits."""

    lower: float
    upper: float


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of hits.

    `total` is the exact number of hits; `page_count` ends at the settings' `hits_max` (1,000 hits).
    `facets` and `bounds` of a field ignore that field's own filter, so the other choices stay visible.
    `rewritten` is the text that was searched instead of a mistyped one; `did_you_mean` is only offered, because
    the text as written has hits. `notices`: `text_cut` (2,000 characters), `page_limited` (asked beyond the last
    reachable page), `relaxed` (not every word found), `degraded` (the engine is down: PostgreSQL answered,
    simpler and from 1,000 candidates at most). `nearest` are the best hits without the filters, when the
    filters leave nothing.
    """

    hits: tuple[SearchHit, ...]
    total: int
    page: int
    page_size: int
    page_count: int
    facets: dict[str, tuple[FacetCount, ...]] = {}
    bounds: dict[str, Bounds] = {}
    text: str = ""
    rewritten: str | None = None
    did_you_mean: str | None = None
    nearest: tuple[SearchHit, ...] = ()
    notices: tuple[Notice, ...] = ()


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A thing to go to while typing; `kind` and `code` say which page."""

    kind: Literal["package_model", "product", "vendor", "service_center"]
    code: str
    name_ko: str
    name_en: str


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What may be meant by a text that is being typed: whole words, and things of every index."""

    words: tuple[str, ...] = ()
    things: tuple[Suggestion, ...] = ()


class IndexHealth(msgspec.Struct, frozen=True, kw_only=True):
    """State of one index; `is_outdated` means its settings changed and `rebuild` is needed."""

    index: IndexName
    documents: int
    is_ready: bool
    is_outdated: bool
    reason: str = ""


class EngineHealth(msgspec.Struct, frozen=True, kw_only=True):
    """State of the engine; `is_ready` when every index answers."""

    engine: str
    is_ready: bool
    indexes: tuple[IndexHealth, ...]


class DocumentSink(Protocol):
    """What an indexer needs of an engine."""

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        """Insert or replace whole documents; searchable by every process when it returns."""
        ...

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        """Remove documents; unknown ids are ignored."""
        ...


class SearchEngine(DocumentSink, Protocol):
    """What the marketplace asks of a search engine. Every method may raise `SearchUnavailable`."""

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        """Answer one query with what this principal may see.

        Raises UnknownField or InvalidFilterValue when the query does not fit the index settings.
        """
        ...

    async def suggest(self, text: str, principal: Principal, *, limit: int = 8) -> Suggestions:
        """What may be meant by a text that is being typed; words come from public documents only."""
        ...

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        """Build a fresh index aside and swap it in; searches go on meanwhile. Returns the documents kept.

        Other writers wait until the swap and then write to the new index, so nothing is lost. When the
        batches raise, the old index stays.
        """
        ...

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        """Every id with its version, for the drift check against PostgreSQL."""
        ...

    async def health(self) -> EngineHealth:
        """Say what works; never raises."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
