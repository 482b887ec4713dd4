"""Meilisearch as a search engine, version 1.31 or newer.

Version 1.31 is the oldest whose swaps of indexes lose no task. The order of the server's own queue makes
writers of several processes safe. While an index is rebuilt, a second index named `…__rebuild` stands
beside it; writers of every process wait until it is gone.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

from search_config.documents import IndexName, SearchDocument
from search_config.engine import EngineHealth, IndexHealth, SearchPage, Suggestions
from search_config.errors import SearchUnavailable
from search_config.meilisearch_control import MeilisearchControl
from search_config.meilisearch_documents import every_lane, to_meilisearch
from search_config.meilisearch_hits import IndexMissing
from search_config.meilisearch_http import NOT_FOUND, MeilisearchHttp, Refusal
from search_config.meilisearch_search import MeilisearchSearch
from search_config.meilisearch_settings import compile_settings
from search_config.meilisearch_vocabulary import IndexVocabulary
from search_config.query import Principal, SearchQuery, parse_query
from search_config.settings import INDEX_NAMES, IndexSettings, load_settings, load_synonyms
from search_config.suggesting import complete_words, suggest

REBUILD = "__rebuild"
REBUILD_WAIT_SECONDS = 600.0
REBUILD_DEAD_SECONDS = 120.0
"""A rebuild that has written nothing for so long is over: its process was killed."""
REBUILD_POLL_SECONDS = 0.05
BATCHES_AHEAD = 8
"""Batches of a rebuild that may wait in the server's queue."""


class MeilisearchEngine:
    """SearchEngine over one server. Safe to share by the tasks of one event loop.

    `prefix` is put before the names of all indexes, so that several markets may share a server; `uids`
    gives single indexes another name. `settings` replaces the shipped index settings, for tests and tools.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        prefix: str = "",
        uids: Mapping[IndexName, str] | None = None,
        settings: Mapping[IndexName, IndexSettings] | None = None,
    ) -> None:
        self.http = MeilisearchHttp(url, key=key)
        self.control = MeilisearchControl(url, key=key)
        self.settings = dict(settings or {index: load_settings(index) for index in INDEX_NAMES})
        self.synonyms = {index: load_synonyms(entry) for index, entry in self.settings.items()}
        self.uids = {index: f"{prefix}{index}" for index in self.settings} | dict(uids or {})
        self._current: set[IndexName] = set()
        self._vocabularies = {
            index: IndexVocabulary(self.http, index, uid, self.synonyms[index])
            for index, uid in self.uids.items()
        }

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        settings = self.settings[query.index]
        parsed = parse_query(query, settings)
        try:
            if query.index not in self._current:
                await self._require_current(query.index)
            search = MeilisearchSearch(
                self.http,
                self.uids[query.index],
                settings=settings,
                synonyms=self.synonyms[query.index],
                vocabulary=await self._vocabularies[query.index].read(),
                principal=principal,
            )
            return await search.run(parsed)
        except IndexMissing:
            return SearchPage(
                hits=(),
                total=0,
                page=parsed.page,
                page_size=parsed.page_size,
                page_count=0,
                facets=dict.fromkeys(parsed.facets, ()),
                text=parsed.text,
                notices=parsed.notices,
            )
        except SearchUnavailable:
            self._current.discard(query.index)  # someone may have changed its settings: look again
            raise

    async def suggest(self, text: str, principal: Principal, *, limit: int = 8) -> Suggestions:
        words: tuple[str, ...] = ()
        if "catalog" in self.settings:
            words = complete_words(text, await self._vocabularies["catalog"].read())
        return await suggest(self, text, principal, words=words, indexes=tuple(self.settings), limit=limit)

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        if not documents:
            return
        await self._wait_for_rebuild(index)
        await self._create(index)
        sent = [to_meilisearch(document, self.settings[index]) for document in documents]
        await self._done(index, await self.http.put_documents(index, self.uids[index], sent))

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        if not ids:
            return
        await self._wait_for_rebuild(index)
        with contextlib.suppress(IndexMissing):
            await self._require_current(index)
            await self._done(index, await self.http.delete_documents(index, self.uids[index], list(ids)))

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        uid, fresh = self.uids[index], self.uids[index] + REBUILD
        while True:
            await self._wait_for_rebuild(index)
            with contextlib.suppress(SearchUnavailable):  # another process was faster
                await self._done(index, await self.control.create_index(index, fresh))
                break
            await self.http.list_indexes(index)  # raises when it is the server that is down
        try:
            await self.fill(index, fresh, batches)
            if await self.http.find_index(index, uid) is None:
                await self._done(index, await self.control.create_index(index, uid))
            kept = await self.http.count_documents(index, fresh)
            await self._done(index, await self.control.swap_indexes(index, uid, fresh))
        finally:
            await asyncio.shield(self._drop(index, fresh))
        self._current.discard(index)
        return kept

    async def fill(
        self, index: IndexName, uid: str, batches: AsyncIterator[Sequence[SearchDocument]]
    ) -> None:
        """Give an index of that name our settings and these documents; wait until all are searchable."""
        settings = self.settings[index]
        compiled = compile_settings(settings, self.synonyms[index])
        await self._done(index, await self.control.update_settings(index, uid, compiled))
        tasks: list[int] = []
        async for batch in batches:
            if batch:
                sent = [to_meilisearch(document, settings) for document in batch]
                tasks.append(await self.http.put_documents(index, uid, sent))
            if len(tasks) > BATCHES_AHEAD:
                await self._done(index, tasks.pop(0))
        for task in tasks:
            await self._done(index, task)

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        return {
            found.id: found.version
            async for batch in self.http.identities(index, self.uids[index])
            for found in batch
        }

    async def health(self) -> EngineHealth:
        indexes = [await self._index_health(index) for index in self.settings]
        is_ready = all(index.is_ready for index in indexes)
        return EngineHealth(engine="meilisearch", is_ready=is_ready, indexes=tuple(indexes))

    async def drop_indexes(self) -> None:
        """Remove this engine's indexes from the server: for throw-away engines only."""
        for index, uid in self.uids.items():
            await self._drop(index, uid)

    async def close(self) -> None:
        await self.http.close()

    async def _index_health(self, index: IndexName) -> IndexHealth:
        try:
            fields = await self.http.searchable_fields(index, self.uids[index])
            documents = await self.http.count_documents(index, self.uids[index])
        except SearchUnavailable as error:
            return IndexHealth(
                index=index, documents=0, is_ready=False, is_outdated=False, reason=error.reason
            )
        is_outdated = fields is not None and every_lane(self.settings[index]) not in fields
        reason = "its settings changed; rebuild it" if is_outdated else ""
        return IndexHealth(
            index=index, documents=documents, is_ready=not is_outdated, is_outdated=is_outdated, reason=reason
        )

    async def _require_current(self, index: IndexName) -> None:
        """Raise IndexMissing or SearchUnavailable unless the index has the settings of this program.

        Asked before every write: a program of yesterday must not put yesterday's lanes into a swapped index.
        """
        found = await self.http.searchable_fields(index, self.uids[index])
        if found is None:
            raise IndexMissing
        if every_lane(self.settings[index]) not in found:
            raise SearchUnavailable(index, reason="its settings changed; rebuild it")
        self._current.add(index)

    async def _create(self, index: IndexName) -> None:
        """Make the index with its settings if there is none."""
        try:
            await self._require_current(index)
        except IndexMissing:
            compiled = compile_settings(self.settings[index], self.synonyms[index])
            task = await self.control.update_settings(index, self.uids[index], compiled)
            await self._done(index, task)
            self._current.add(index)

    async def _done(self, index: IndexName, task: int) -> None:
        try:
            await self.http.wait(index, task)
            self._vocabularies[index].forget()
        except Refusal as error:
            self._current.discard(index)
            if error.code == NOT_FOUND:
                raise IndexMissing from error
            raise SearchUnavailable(index, reason=str(error)) from error

    async def _wait_for_rebuild(self, index: IndexName) -> None:
        """Return when no rebuild is under way. One whose process was killed is cleared away."""
        deadline = time.monotonic() + REBUILD_WAIT_SECONDS
        while marker := await self.http.find_index(index, self.uids[index] + REBUILD):
            idle = datetime.now(UTC) - datetime.fromisoformat(marker.updated_at)
            if idle.total_seconds() > REBUILD_DEAD_SECONDS:
                await self._drop(index, marker.uid)
            if time.monotonic() > deadline:
                raise SearchUnavailable(index, reason=f"a rebuild takes longer than {REBUILD_WAIT_SECONDS} s")
            await asyncio.sleep(REBUILD_POLL_SECONDS)

    async def _drop(self, index: IndexName, uid: str) -> None:
        with contextlib.suppress(IndexMissing):
            await self._done(index, await self.control.delete_index(index, uid))
