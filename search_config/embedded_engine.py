"""The embedded search engine: tantivy in a folder. The default of demo and tests.

One process writes at a time (a lock per index); any number of processes search the same folder and see
every commit at their next search. tantivy's calls block, so they run in threads.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
from tantivy import Document, Index, IndexWriter, Query, Schema, Searcher

from search_config.documents import IndexName, SearchDocument
from search_config.embedded_facets import FacetMemory
from search_config.embedded_folder import IndexFolder
from search_config.embedded_schema import ANALYZER, VERSION_SEPARATOR, analyzer, build_schema, to_tantivy
from search_config.embedded_search import IndexSearch
from search_config.embedded_vocabulary import IndexVocabulary
from search_config.engine import EngineHealth, IndexHealth, SearchPage, Suggestions
from search_config.errors import SearchUnavailable
from search_config.query import ParsedQuery, Principal, SearchQuery, parse_query
from search_config.settings import INDEX_NAMES, IndexSettings, load_settings, load_synonyms
from search_config.suggesting import complete_words, suggest

WRITER_HEAP_BYTES = 15_000_000
"""The least tantivy allows for one indexing thread; a batch of 500 documents needs less."""
REBUILD_HEAP_BYTES = 64_000_000
OPEN_ATTEMPTS = 5
"""A reader may meet a generation between two swaps; it then follows CURRENT again."""


class _Opened(msgspec.Struct, frozen=True):
    """A generation as last seen: `stamp` is the identity of its meta.json, which every commit replaces."""

    generation: Path
    stamp: tuple[int, int, int]
    index: Index
    searcher: Searcher


class _IndexStore:
    """One index: folder, settings and the open reader. Its methods block."""

    def __init__(self, home: Path, settings: IndexSettings) -> None:
        self.settings = settings
        self.synonyms = load_synonyms(settings)
        self.schema: Schema = build_schema(settings)
        self.folder = IndexFolder(home, index=settings.index, fingerprint=settings.fingerprint)
        self.vocabulary = IndexVocabulary(self.schema)
        self.facets = FacetMemory()
        self._opened: _Opened | None = None
        self._opening = threading.Lock()

    def searcher(self) -> Searcher | None:
        """A searcher of the latest commit, None before the first write. Raises SearchUnavailable."""
        reason = "cannot be opened"
        for _ in range(OPEN_ATTEMPTS):
            generation = self.folder.current()
            if generation is None:
                return None
            if self.folder.is_outdated(generation):
                raise SearchUnavailable(self.settings.index, reason="its settings changed; rebuild it")
            try:
                return self._open(generation)
            except (OSError, ValueError) as error:  # tantivy reports I/O trouble as ValueError
                reason = str(error)
        raise SearchUnavailable(self.settings.index, reason=reason)

    def _open(self, generation: Path) -> Searcher:
        with self._opening:
            status = (generation / "meta.json").stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            opened = self._opened
            if opened is None or opened.generation != generation:
                index = self.index_at(generation)
            elif opened.stamp == stamp:
                return opened.searcher
            else:
                index = opened.index
                index.reload()
            self._opened = _Opened(generation, stamp, index, index.searcher())
            return self._opened.searcher

    def index_at(self, generation: Path) -> Index:
        index = Index(self.schema, path=str(generation))
        index.register_tokenizer(ANALYZER, analyzer())
        index.config_reader(reload_policy="manual")
        return index

    def writable_generation(self) -> Path:
        """The current generation, made empty if there is none. Call while holding the writer lock."""
        generation = self.folder.current()
        if generation is None:
            generation = self.folder.new_generation()
            self.index_at(generation)
            self.folder.point_to(generation)
        if self.folder.is_outdated(generation):
            raise SearchUnavailable(self.settings.index, reason="its settings changed; rebuild it")
        return generation

    def analyze(self, documents: Sequence[SearchDocument]) -> list[tuple[str, Document]]:
        return [(document.id, to_tantivy(document, self.settings)) for document in documents]

    def write(self, analyzed: Sequence[tuple[str, Document]], ids: Sequence[str]) -> None:
        """Replace and delete in one commit. Call while holding the writer lock."""
        writer = self.index_at(self.writable_generation()).writer(WRITER_HEAP_BYTES, 1)
        try:
            # A process killed between its files and its meta.json leaves files whose names the next commit
            # would choose again, and tantivy refuses to overwrite them.
            writer.garbage_collect_files()
            _replace(writer, analyzed)
            for id_ in ids:
                writer.delete_documents_by_term("id", id_)
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()

    def search(self, query: ParsedQuery, principal: Principal) -> SearchPage:
        searcher = self.searcher()
        if searcher is None:
            empty: SearchPage = SearchPage(
                hits=(), total=0, page=query.page, page_size=query.page_size, page_count=0, text=query.text
            )
            return msgspec.structs.replace(empty, facets=dict.fromkeys(query.facets, ()))
        search = IndexSearch(
            searcher,
            self.schema,
            settings=self.settings,
            synonyms=self.synonyms,
            vocabulary=self.vocabulary.read(searcher, self.synonyms),
            principal=principal,
            memory=self.facets,
        )
        return search.run(query)

    def complete(self, text: str) -> tuple[str, ...]:
        """Whole words for the last one of a text."""
        searcher = self.searcher()
        if searcher is None:
            return ()
        return complete_words(text, self.vocabulary.read(searcher, self.synonyms))

    def ids_and_versions(self) -> dict[str, int]:
        searcher = self.searcher()
        if searcher is None or not searcher.num_docs:
            return {}
        # The filter leaves out terms of deleted documents that a merge has not yet dropped.
        terms = searcher.terms_with_prefix(
            "id_version", "", filter_query=Query.all_query(), limit=searcher.num_docs
        )
        pairs = (term.rsplit(VERSION_SEPARATOR, 1) for term, _ in terms)
        return {id_: int(version) for id_, version in pairs}

    def health(self) -> IndexHealth:
        generation = self.folder.current()
        is_outdated = generation is not None and self.folder.is_outdated(generation)
        try:
            searcher = self.searcher()
        except SearchUnavailable as error:
            return IndexHealth(
                index=self.settings.index,
                documents=0,
                is_ready=False,
                is_outdated=is_outdated,
                reason=error.reason,
            )
        documents = searcher.num_docs if searcher else 0
        return IndexHealth(index=self.settings.index, documents=documents, is_ready=True, is_outdated=False)

    def close(self) -> None:
        with self._opening:
            self._opened = None


def _replace(writer: IndexWriter, analyzed: Sequence[tuple[str, Document]]) -> None:
    for id_, document in analyzed:
        writer.delete_documents_by_term("id", id_)
        writer.add_document(document)


class EmbeddedEngine:
    """SearchEngine over tantivy indexes below `home`. Safe to share by the tasks of one process.

    `settings` replaces the shipped index settings, for tests and tools.
    """

    def __init__(self, home: Path, *, settings: Mapping[IndexName, IndexSettings] | None = None) -> None:
        chosen = settings or {index: load_settings(index) for index in INDEX_NAMES}
        self._stores = {index: _IndexStore(home, entry) for index, entry in chosen.items()}

    async def search(self, query: SearchQuery, principal: Principal) -> SearchPage:
        store = self._stores[query.index]
        parsed = parse_query(query, store.settings)
        return await asyncio.to_thread(store.search, parsed, principal)

    async def suggest(self, text: str, principal: Principal, *, limit: int = 8) -> Suggestions:
        words: tuple[str, ...] = ()
        if "catalog" in self._stores:
            words = await asyncio.to_thread(self._stores["catalog"].complete, text)
        return await suggest(self, text, principal, words=words, indexes=tuple(self._stores), limit=limit)

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        if not documents:
            return
        store = self._stores[index]
        analyzed = await asyncio.to_thread(store.analyze, documents)
        async with store.folder.writing():
            await asyncio.to_thread(store.write, analyzed, ())

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        if not ids:
            return
        store = self._stores[index]
        async with store.folder.writing():
            await asyncio.to_thread(store.write, (), ids)

    async def rebuild(self, index: IndexName, batches: AsyncIterator[Sequence[SearchDocument]]) -> int:
        store = self._stores[index]
        async with store.folder.writing():
            previous = store.folder.current()
            generation = store.folder.new_generation()
            # Also clears what a crashed rebuild left; the previous generation stays for slow readers.
            keep = {path for path in (previous, generation) if path is not None}
            await asyncio.to_thread(store.folder.drop_generations, keep=keep)
            try:
                documents = await self._fill(store, generation, batches)
            except BaseException:
                store.folder.drop_generations(keep={previous} if previous else set())
                raise
            store.folder.point_to(generation)
        return documents

    async def _fill(
        self, store: _IndexStore, generation: Path, batches: AsyncIterator[Sequence[SearchDocument]]
    ) -> int:
        opened = store.index_at(generation)
        writer = opened.writer(REBUILD_HEAP_BYTES, 1)
        try:
            async for batch in batches:
                analyzed = await asyncio.to_thread(store.analyze, batch)
                await asyncio.to_thread(_replace, writer, analyzed)
            await asyncio.to_thread(writer.commit)
        finally:
            await asyncio.to_thread(writer.wait_merging_threads)
        opened.reload()
        return opened.searcher().num_docs

    async def ids_and_versions(self, index: IndexName) -> Mapping[str, int]:
        return await asyncio.to_thread(self._stores[index].ids_and_versions)

    async def health(self) -> EngineHealth:
        indexes = [await asyncio.to_thread(store.health) for store in self._stores.values()]
        is_ready = all(index.is_ready for index in indexes)
        return EngineHealth(engine="embedded", is_ready=is_ready, indexes=tuple(indexes))

    async def close(self) -> None:
        for store in self._stores.values():
            store.close()
