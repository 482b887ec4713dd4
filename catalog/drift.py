"""Does the engine hold what it confirmed? Compare by bucket digests, and repair through the dirty set.

Every document falls into one of 1,024 buckets; a bucket's digest is the XOR of a hash of each id and version.
PostgreSQL makes its digests itself, so an index without drift costs one small answer. Versions are compared
and not only ids, because a stale document is the drift one does not notice.
"""

import hashlib
from collections.abc import Mapping

import asyncpg
import msgspec

from catalog.indexing import stream_documents
from catalog.projection import INDEX_OF_KIND, DocumentKind
from search_config.documents import IndexName
from search_config.engine import SearchEngine

BUCKETS = 1_024
DIGITS_MAX = 18
"""Digits of a row's number that fit into a bigint for certain."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between an engine and what it confirmed, by document id (`product-3`).

    `missing` from the engine, `stale` of another version, `extra` in the engine alone, and of these `foreign`
    with an id that no document of the catalog can have. `buckets` is how many of 1,024 differed.
    """

    index: IndexName
    documents: int
    buckets: int
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not (self.missing or self.stale or self.extra or self.foreign)


async def find_drift(
    conn: asyncpg.Connection, engine: SearchEngine, *, target: str, index: IndexName, is_deep: bool = False
) -> Drift:
    """Compare an index with what its target confirmed; documents that wait to be indexed are left out.

    `is_deep` also projects the whole catalog, and so finds documents that were never marked at all.
    Raises SearchUnavailable. A document indexed at this very moment may show as drift; repairing it is harmless.
    """
    held = dict(await engine.ids_and_versions(index))
    documents = len(held)
    dirty = await _dirty_ids(conn, target=target)
    for document_id in dirty:
        held.pop(document_id, None)
    ours = _digests(held)
    theirs = await _confirmed_digests(conn, target=target, index=index)
    differing = {bucket for bucket in range(BUCKETS) if ours.get(bucket, 0) != theirs.get(bucket, 0)}
    confirmed = await _confirmed(conn, target=target, index=index, buckets=differing)
    missing = confirmed.keys() - held.keys()
    extra = {id_ for id_ in held if id_ not in confirmed and bucket_of(id_) in differing}
    if is_deep:
        expected = await _expected_ids(conn, index=index) - dirty
        missing |= expected - held.keys()
        extra |= held.keys() - expected
    foreign = {id_ for id_ in extra if parse_document_id(id_, index=index) is None}
    return Drift(
        index=index,
        documents=documents,
        buckets=len(differing),
        missing=tuple(sorted(missing)),
        stale=tuple(sorted(id_ for id_, version in confirmed.items() if held.get(id_, version) != version)),
        extra=tuple(sorted(extra - foreign)),
        foreign=tuple(sorted(foreign)),
    )


async def repair_drift(conn: asyncpg.Connection, engine: SearchEngine, *, target: str, drift: Drift) -> int:
    """Mark what differs, so that the indexer brings it in order, and remove what is foreign; return how many.

    Harmless when the drift is already gone.
    """
    if drift.foreign:
        await engine.delete(drift.index, drift.foreign)
    parsed = [
        parse_document_id(id_, index=drift.index) for id_ in (*drift.missing, *drift.stale, *drift.extra)
    ]
    marks = [found for found in parsed if found is not None]
    await conn.execute(
        """
        INSERT INTO search_dirty (target, kind, doc_id)
        SELECT $1, d.kind, d.id FROM unnest($2::text[], $3::bigint[]) AS d (kind, id)
        ORDER BY d.kind, d.id ON CONFLICT (target, kind, doc_id) DO NOTHING
        """,
        target,
        [kind for kind, _ in marks],
        [doc_id for _, doc_id in marks],
    )
    return len(marks) + len(drift.foreign)


async def record_rebuilt(
    conn: asyncpg.Connection,
    *,
    target: str,
    index: IndexName,
    versions: Mapping[str, int],
    until: int | None = None,
) -> None:
    """Remember what an index holds that has just replaced another: id → version.

    What the target confirmed with a version up to `until` (default: up to now) it told the index of before. A
    document that is written at the very moment of the swap may show as drift once; its repair is harmless.
    """
    if until is None:
        until = await conn.fetchval("SELECT nextval('search_versions')")
    parsed = [(parse_document_id(id_, index=index), version) for id_, version in versions.items()]
    rows = [(*found, version) for found, version in parsed if found is not None]
    await conn.execute(
        """
        WITH fresh AS (
            SELECT * FROM unnest($4::text[], $5::bigint[], $6::bigint[]) AS f (kind, doc_id, version)
        ), gone AS (
            DELETE FROM search_indexed i
            WHERE i.target = $1 AND i.kind = ANY ($2) AND i.version <= $3
              AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f.kind = i.kind AND f.doc_id = i.doc_id)
        )
        INSERT INTO search_indexed (target, kind, doc_id, version)
        SELECT $1, kind, doc_id, version FROM fresh
        ON CONFLICT (target, kind, doc_id)
        DO UPDATE SET version = excluded.version WHERE search_indexed.version <= $3
        """,
        target,
        kinds_of(index),
        until,
        [kind for kind, _, _ in rows],
        [doc_id for _, doc_id, _ in rows],
        [version for _, _, version in rows],
    )


def kinds_of(index: IndexName) -> list[DocumentKind]:
    """Kinds of documents that an index holds."""
    return [kind for kind, name in INDEX_OF_KIND.items() if name == index]


def parse_document_id(document_id: str, *, index: IndexName) -> tuple[DocumentKind, int] | None:
    """`product-3` as (`product`, 3); None for an id that this index cannot have."""
    kind, _, number = document_id.rpartition("-")
    known = next((known for known in kinds_of(index) if known == kind), None)
    if known is None or not (number.isascii() and number.isdigit()) or len(number) > DIGITS_MAX:
        return None
    return known, int(number)


def bucket_of(document_id: str) -> int:
    """0..1023, from the first bits of the id's MD5 (a checksum here, not a secret)."""
    return int.from_bytes(_md5(document_id)[:2]) % BUCKETS


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


def _digests(held: Mapping[str, int]) -> dict[int, int]:
    digests: dict[int, int] = {}
    for document_id, version in held.items():
        bucket = bucket_of(document_id)
        hashed = int.from_bytes(_md5(f"{document_id}:{version}")[:8], signed=True)
        digests[bucket] = digests.get(bucket, 0) ^ hashed
    return digests


async def _confirmed_digests(conn: asyncpg.Connection, *, target: str, index: IndexName) -> dict[int, int]:
    rows = await conn.fetch(
        """
        SELECT ('x' || left(md5(i.kind || '-' || i.doc_id), 4))::bit(16)::integer % $3 AS bucket,
               bit_xor(('x' || left(md5(i.kind || '-' || i.doc_id || ':' || i.version), 16))::bit(64)::bigint)
        FROM search_indexed i
        WHERE i.target = $1 AND i.kind = ANY ($2) AND NOT EXISTS (
            SELECT 1 FROM search_dirty d
            WHERE d.target = i.target AND d.kind = i.kind AND d.doc_id = i.doc_id)
        GROUP BY 1
        """,
        target,
        kinds_of(index),
        BUCKETS,
    )
    return {row[0]: row[1] for row in rows}


async def _confirmed(
    conn: asyncpg.Connection, *, target: str, index: IndexName, buckets: set[int]
) -> dict[str, int]:
    """Confirmed id → version in these buckets."""
    rows = await conn.fetch(
        """
        SELECT i.kind || '-' || i.doc_id, i.version FROM search_indexed i
        WHERE i.target = $1 AND i.kind = ANY ($2)
          AND ('x' || left(md5(i.kind || '-' || i.doc_id), 4))::bit(16)::integer % $3 = ANY ($4::integer[])
          AND NOT EXISTS (
            SELECT 1 FROM search_dirty d
            WHERE d.target = i.target AND d.kind = i.kind AND d.doc_id = i.doc_id)
        """,
        target,
        kinds_of(index),
        BUCKETS,
        list(buckets),
    )
    return {row[0]: row[1] for row in rows}


async def _dirty_ids(conn: asyncpg.Connection, *, target: str) -> set[str]:
    rows = await conn.fetch("SELECT kind || '-' || doc_id FROM search_dirty WHERE target = $1", target)
    return {row[0] for row in rows}


async def _expected_ids(conn: asyncpg.Connection, *, index: IndexName) -> set[str]:
    """Ids of everything that is a document now."""
    return {document.id async for batch in stream_documents(conn, index=index) for document in batch}
