"""Preparing a second index of the catalog beside the live one, so that the two can be swapped without a gap.

The shadow is a target of its own: from its start every change marks a row for it too. What the live index has
confirmed says nothing about the shadow, and the other way round.
"""

from collections.abc import AsyncIterator, Sequence

import asyncpg

from catalog.drift import record_rebuilt
from catalog.indexing import add_target, index_batch, remove_target, stream_documents
from search_config.documents import IndexName, SearchDocument
from search_config.engine import DocumentSink
from search_config.lifecycle import Preparation

BATCH_SIZE = 500


class OneIndex:
    """Writes to one index and remembers what it holds; what belongs to other indexes is in their live ones."""

    def __init__(self, index: IndexName) -> None:
        self.index = index
        self.engine: DocumentSink | None = None
        self.versions: dict[str, int] = {}

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        if index == self.index and self.engine is not None:
            await self.engine.upsert(index, documents)
            self.keep(documents)

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        if index == self.index and self.engine is not None:
            await self.engine.delete(index, ids)
            for id_ in ids:
                self.versions.pop(id_, None)

    def keep(self, documents: Sequence[SearchDocument]) -> None:
        self.versions.update({document.id: document.version for document in documents})


def prepare_shadow(conn: asyncpg.Connection, *, index: IndexName, target: str) -> Preparation:
    """How a shadow of `index` is filled from this database and, once swapped in, taken over by `target`.

    Uses the connection for as long as the preparation lasts, outside a transaction.
    """
    sink = OneIndex(index)
    names: list[str] = []

    async def start(engine: DocumentSink, name: str) -> None:
        names.append(name)
        await remove_target(conn, target=name)  # marks of an attempt that was killed
        await add_target(conn, target=name)

    async def batches() -> AsyncIterator[Sequence[SearchDocument]]:
        async for batch in stream_documents(conn, index=index):
            sink.keep(batch)
            yield batch

    async def catch_up(engine: DocumentSink) -> int:
        sink.engine = engine
        return await index_batch(conn, sink, target=names[-1], limit=BATCH_SIZE)

    async def finish(engine: DocumentSink) -> None:
        swapped_at = await conn.fetchval("SELECT nextval('search_versions')")
        # The oldest come first, so a batch that is not full holds the last that were marked before the swap;
        # what is marked later, the live target's own worker brings to the index that is live now.
        while await catch_up(engine) == BATCH_SIZE:
            pass
        await record_rebuilt(conn, target=target, index=index, versions=sink.versions, until=swapped_at)
        await remove_target(conn, target=names[-1])

    return Preparation(start=start, batches=batches, catch_up=catch_up, finish=finish)
