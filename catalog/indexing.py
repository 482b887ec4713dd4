"""Keeping a search engine equal to the catalog: dirty rows → current state → engine → acknowledgment.

The effect is exactly once, because a document is replaced as a whole from the current state, and a dirty
row is deleted only if its version is still the one that was read: a change in between survives. One worker
per target holds a session lock on a connection of its own and calls `index_batch` until it answers 0.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date

import asyncpg
import msgspec

from catalog.projection import INDEX_OF_KIND, PROJECTIONS, DocumentKind
from search_config.documents import IndexName, SearchDocument
from search_config.engine import DocumentSink
from search_config.errors import SearchUnavailable

BACK_OFF_SECONDS_MAX = 3_600
ERROR_LENGTH_MAX = 500


class DirtyRow(msgspec.Struct, frozen=True):
    """A document that may differ from what the engine holds, as of `version`."""

    kind: DocumentKind
    doc_id: int
    version: int

    @property
    def document_id(self) -> str:
        return f"{self.kind}-{self.doc_id}"


class IndexLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far a target is behind: rows waiting, seconds since the oldest was changed, and rows that failed."""

    target: str
    dirty: int
    failing: int
    lag_seconds: float


class FailingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that could not be projected or indexed, and why; it is tried again later."""

    kind: DocumentKind
    doc_id: int
    attempts: int
    last_error: str


async def index_batch(
    conn: asyncpg.Connection,
    engine: DocumentSink,
    *,
    target: str,
    limit: int = 500,
) -> int:
    """Bring up to `limit` due documents to the engine; return how many were looked at, 0 = none are due.

    Rows are read without locks, so that writers never wait; call it outside a transaction, by one worker
    per target at a time. A document that fails is set aside with a growing back-off and the others go on.
    Raises SearchUnavailable when the engine is down as a whole; the rows then simply stay.
    """
    rows = await conn.fetch(
        """
        SELECT kind, doc_id, version FROM search_dirty
        WHERE target = $1 AND (not_before IS NULL OR not_before <= clock_timestamp())
        ORDER BY dirty_at, kind, doc_id LIMIT $2
        """,
        target,
        limit,
    )
    dirty = [DirtyRow(*row) for row in rows]
    for kind in PROJECTIONS:
        of_kind = [row for row in dirty if row.kind == kind]
        if of_kind:
            await _index(conn, engine, target=target, rows=of_kind)
    return len(dirty)


async def _index(
    conn: asyncpg.Connection,
    engine: DocumentSink,
    *,
    target: str,
    rows: Sequence[DirtyRow],
) -> None:
    """Index rows of one kind; on failure try each half, down to the one document that is to blame."""
    try:
        present = await _bring(conn, engine, rows=rows)
    except (SearchUnavailable, OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a document breaks, the others must go on
        if len(rows) == 1:
            await _set_aside(conn, target=target, row=rows[0], error=error)
            return
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            await _index(conn, engine, target=target, rows=half)
    else:
        await _acknowledge(conn, target=target, rows=rows, present=present)


async def _bring(
    conn: asyncpg.Connection,
    engine: DocumentSink,
    *,
    rows: Sequence[DirtyRow],
) -> set[int]:
    """Make the engine hold what the database holds; return the ids that are documents now."""
    kind = rows[0].kind
    documents = await PROJECTIONS[kind](conn, ids=[row.doc_id for row in rows])
    present = [
        msgspec.structs.replace(documents[row.doc_id], version=row.version)
        for row in rows
        if row.doc_id in documents
    ]
    absent = [row.document_id for row in rows if row.doc_id not in documents]
    if present:
        await engine.upsert(INDEX_OF_KIND[kind], present)
    if absent:
        await engine.delete(INDEX_OF_KIND[kind], absent)
    return set(documents)


async def _acknowledge(
    conn: asyncpg.Connection, *, target: str, rows: Sequence[DirtyRow], present: set[int]
) -> None:
    """Remember what the engine confirmed and forget the marks, unless they are newer than what was sent."""
    # A version is drawn once and never again, so it needs no pairing with its document; and arrays keep to
    # the primary key even before the table was ever analyzed (a join took 1 s a batch after a bulk load).
    kept = [row for row in rows if row.doc_id in present]
    await conn.execute(
        """
        WITH kept AS (
            INSERT INTO search_indexed (target, kind, doc_id, version)
            SELECT $1, $2, k.doc_id, k.version FROM unnest($5::bigint[], $6::bigint[]) AS k (doc_id, version)
            ON CONFLICT (target, kind, doc_id) DO UPDATE SET version = excluded.version
        ), removed AS (
            DELETE FROM search_indexed WHERE target = $1 AND kind = $2 AND doc_id = ANY ($7::bigint[])
        )
        DELETE FROM search_dirty
        WHERE target = $1 AND kind = $2 AND doc_id = ANY ($3::bigint[]) AND version = ANY ($4::bigint[])
        """,
        target,
        rows[0].kind,
        [row.doc_id for row in rows],
        [row.version for row in rows],
        [row.doc_id for row in kept],
        [row.version for row in kept],
        [row.doc_id for row in rows if row.doc_id not in present],
    )


async def _set_aside(conn: asyncpg.Connection, *, target: str, row: DirtyRow, error: Exception) -> None:
    await conn.execute(
        """
        UPDATE search_dirty SET attempts = attempts + 1, last_error = $5,
            not_before = clock_timestamp() + make_interval(secs => least(2 ^ least(attempts, 20), $6))
        WHERE target = $1 AND kind = $2 AND doc_id = $3 AND version = $4
        """,
        target,
        row.kind,
        row.doc_id,
        row.version,
        f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX],
        BACK_OFF_SECONDS_MAX,
    )


async def read_lag(conn: asyncpg.Connection, *, target: str) -> IndexLag:
    """How far the target is behind; 0.0 seconds when nothing waits."""
    [row] = await conn.fetch(
        """
        SELECT count(*) AS dirty, count(*) FILTER (WHERE attempts > 0) AS failing,
               coalesce(extract(epoch FROM clock_timestamp() - min(dirty_at)), 0)::double precision AS lag
        FROM search_dirty WHERE target = $1
        """,
        target,
    )
    return IndexLag(target=target, dirty=row["dirty"], failing=row["failing"], lag_seconds=row["lag"])


async def list_failing_documents(
    conn: asyncpg.Connection, *, target: str, limit: int = 100
) -> tuple[FailingDocument, ...]:
    """Documents that failed at least once and wait for another try, the most tried first."""
    rows = await conn.fetch(
        """
        SELECT kind, doc_id, attempts, coalesce(last_error, '') FROM search_dirty
        WHERE target = $1 AND attempts > 0 ORDER BY attempts DESC, kind, doc_id LIMIT $2
        """,
        target,
        limit,
    )
    return tuple(
        FailingDocument(kind=row[0], doc_id=row[1], attempts=row[2], last_error=row[3]) for row in rows
    )


async def add_target(conn: asyncpg.Connection, *, target: str) -> None:
    """Keep one more index fresh; triggers mark its rows from now on, `mark_all_dirty` the older ones."""
    await conn.execute("INSERT INTO search_targets (target) VALUES ($1) ON CONFLICT DO NOTHING", target)


async def remove_target(conn: asyncpg.Connection, *, target: str) -> None:
    """Forget an index: its marks and what it confirmed."""
    await conn.execute("DELETE FROM search_targets WHERE target = $1", target)


async def mark_all_dirty(conn: asyncpg.Connection, *, target: str) -> int:
    """Mark every document of the target, such as after a change of settings; return how many."""
    status = await conn.execute(
        """
        INSERT INTO search_dirty (target, kind, doc_id)
        SELECT $1, d.kind, d.id FROM (
            SELECT 'package_model' AS kind, id FROM package_models
            UNION ALL SELECT 'product', id FROM products
            UNION ALL SELECT 'service_center', id FROM service_centers
            UNION ALL SELECT 'vendor', id FROM organizations WHERE kind = 'vendor') d
        ORDER BY d.kind, d.id
        ON CONFLICT (target, kind, doc_id)
        DO UPDATE SET version = nextval('search_versions'), attempts = 0, not_before = NULL, last_error = NULL
        """,
        target,
    )
    return int(status.rpartition(" ")[2])


async def mark_expired_dirty(conn: asyncpg.Connection, *, since: date, until: date) -> None:
    """Mark what a mere change of day alters: offers and origin claims whose last day was in [since, until).

    No row changes when a date passes, so no trigger does this. Call it once a day, with yesterday.
    """
    await conn.execute(
        """
        WITH expired_products AS (
            SELECT product_id AS id FROM offers WHERE valid_until >= $1 AND valid_until < $2
            UNION SELECT product_id FROM origin_claims
            WHERE withdrawn_at IS NULL AND valid_until >= $1 AND valid_until < $2
        ), expired_packages AS (
            SELECT n.package_model_id AS id FROM offers o
            JOIN package_versions n ON n.id = o.package_version_id
            WHERE o.valid_until >= $1 AND o.valid_until < $2
            UNION SELECT n.package_model_id FROM bom_lines b
            JOIN package_versions n ON n.id = b.package_version_id AND n.is_current
            JOIN expired_products p ON p.id = b.product_id
        )
        SELECT mark_search_dirty('product', ARRAY(SELECT id FROM expired_products)),
               mark_search_dirty('package_model', ARRAY(SELECT id FROM expired_packages))
        """,
        since,
        until,
    )


async def stream_documents(
    conn: asyncpg.Connection,
    *,
    index: IndexName,
    batch_size: int = 500,
) -> AsyncIterator[Sequence[SearchDocument]]:
    """Every document of an index, in batches, for `SearchEngine.rebuild`.

    All carry one version drawn before the first was read, so that any later change is newer.
    """
    version = await conn.fetchval("SELECT nextval('search_versions')")
    for kind, project in PROJECTIONS.items():
        if INDEX_OF_KIND[kind] != index:
            continue
        after = 0
        while ids := await _next_ids(conn, kind=kind, after=after, limit=batch_size):
            documents = await project(conn, ids=ids)
            if documents:
                yield [msgspec.structs.replace(found, version=version) for found in documents.values()]
            after = ids[-1]


async def _next_ids(conn: asyncpg.Connection, *, kind: DocumentKind, after: int, limit: int) -> list[int]:
    rows = await conn.fetch(
        """
        SELECT id FROM (
            SELECT 'package_model' AS kind, id FROM package_models
            UNION ALL SELECT 'product', id FROM products
            UNION ALL SELECT 'service_center', id FROM service_centers
            UNION ALL SELECT 'vendor', id FROM organizations WHERE kind = 'vendor') d
        WHERE d.kind = $1 AND d.id > $2 ORDER BY d.id LIMIT $3
        """,
        kind,
        after,
        limit,
    )
    return [row["id"] for row in rows]
