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


class OneIndex:
    """Lets an indexer write to one index; what belongs to the others is already in their live indexes."""

    def __init__(self, engine: DocumentSink, index: IndexName) -> None:
        self.engine = engine
        self.index = index

    async def upsert(self, index: IndexName, documents: Sequence[SearchDocument]) -> None:
        if index == self.index:
            await self.engine.upsert(index, documents)

    async def delete(self, index: IndexName, ids: Sequence[str]) -> None:
        if index == self.index:
            await self.engine.delete(index, ids)


def prepare_shadow(conn: asyncpg.Connection, *, index: IndexName, target: str) -> Preparation:
    """How a shadow of `index` is filled from this database and, once swapped in, taken over by `target`.

    Uses the connection for as long as the preparation lasts, outside a transaction.
    """
    versions: dict[str, int] = {}
    names: list[str] = []

    async def start(engine: DocumentSink, name: str) -> None:
        names.append(name)
        await remove_target(conn, target=name)  # marks of an attempt that was killed
        await add_target(conn, target=name)

    async def batches() -> AsyncIterator[Sequence[SearchDocument]]:
        async for batch in stream_documents(conn, index=index):
            versions.update({document.id: document.version for document in batch})
            yield batch

    async def catch_up(engine: DocumentSink) -> int:
        return await index_batch(conn, OneIndex(engine, index), target=names[-1])

    async def finish(engine: DocumentSink) -> None:
        while await catch_up(engine):
            pass
        await record_rebuilt(conn, target=target, index=index, versions=versions)
        await _take_over(conn, shadow=names[-1], target=target)
        await remove_target(conn, target=names[-1])

    return Preparation(start=start, batches=batches, catch_up=catch_up, finish=finish)


async def _take_over(conn: asyncpg.Connection, *, shadow: str, target: str) -> None:
    """What the shadow confirmed is what the live target has now."""
    await conn.execute(
        """
        INSERT INTO search_indexed (target, kind, doc_id, version)
        SELECT $2, kind, doc_id, version FROM search_indexed WHERE target = $1
        ON CONFLICT (target, kind, doc_id)
        DO UPDATE SET version = greatest(search_indexed.version, excluded.version)
        """,
        shadow,
        target,
    )
