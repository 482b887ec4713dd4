"""The index equals the database: after kills at any moment, after faults injected behind our back."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from catalog.drift import bucket_of, find_drift, parse_document_id, record_rebuilt, repair_drift
from catalog.indexing import (
    index_batch,
    list_failing_documents,
    mark_all_dirty,
    read_lag,
    stream_documents,
)
from catalog.reference_data import load_spec_definitions
from search_config.documents import IndexName, SearchDocument
from search_config.embedded_engine import EmbeddedEngine
from search_config.query import Principal, SearchQuery
from search_config.settings import INDEX_NAMES

INDEXER = """
import asyncio, sys
from pathlib import Path
from catalog.indexing import index_batch
from marketplace.db import connect
from search_config.embedded_engine import EmbeddedEngine

async def main():
    conn = await connect(sys.argv[1])
    while not await conn.fetchval("SELECT pg_try_advisory_lock(7305, 0)"):
        await asyncio.sleep(0.01)
    engine = EmbeddedEngine(Path(sys.argv[2]))
    print("ready", flush=True)
    while True:
        if not await index_batch(conn, engine, target="main", limit=50):
            await asyncio.sleep(0.005)

asyncio.run(main())
"""


@pytest.fixture
async def shop(conn: asyncpg.Connection) -> asyncpg.Connection:
    """A database with a vendor, a maker and 200 products."""
    await load_spec_definitions(conn)
    await conn.execute(
        """
        INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ('alpha', 'vendor', '알파', 'Alpha');
        INSERT INTO makers (name, name_ko, country) VALUES ('Acme', '아크메', 'KR');
        INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
                              verification, state)
        SELECT 'p' || n, o.id, m.id, 'M' || n, 'sensor', 'proximity sensor', '근접센서 ' || n, 'Sensor ' || n,
               'fictional', 'published'
        FROM organizations o, makers m, generate_series(1, 200) n
        """
    )
    return conn


async def index_all(conn: asyncpg.Connection, engine: Any) -> None:
    while await index_batch(conn, engine, target="main"):
        pass


async def expected_documents(conn: asyncpg.Connection, index: IndexName) -> dict[str, SearchDocument]:
    return {
        document.id: document async for batch in stream_documents(conn, index=index) for document in batch
    }


async def held_documents(engine: EmbeddedEngine, index: IndexName) -> dict[str, SearchDocument]:
    """Everything public an index holds, read page by page through its own search."""
    held: dict[str, SearchDocument] = {}
    number = 1
    while True:
        query = SearchQuery(index=index, page=number, page_size=100, sort="name")
        page = await engine.search(query, Principal())
        held |= {hit.document.id: hit.document for hit in page.hits}
        if number >= page.page_count:
            return held
        number += 1


def without_version(documents: dict[str, SearchDocument]) -> dict[str, dict[str, Any]]:
    return {
        id_: {name: getattr(found, name) for name in found.__struct_fields__ if name != "version"}
        for id_, found in documents.items()
    }


async def assert_equal(conn: asyncpg.Connection, engine: EmbeddedEngine) -> None:
    """Nothing missing, extra or stale: the same documents field by field, and no drift."""
    expected = without_version(await expected_documents(conn, "catalog"))
    assert without_version(await held_documents(engine, "catalog")) == expected
    for index in INDEX_NAMES:
        drift = await find_drift(conn, engine, target="main", index=index, is_deep=True)
        assert drift.is_clean
    assert len(await engine.ids_and_versions("catalog")) == len(expected)


# --- kills


async def write_for_a_while(conn: asyncpg.Connection, chance: random.Random, stop: asyncio.Event) -> int:
    """Random changes of every sort that a document can see, until told to stop; return how many."""
    writes = 0
    while not stop.is_set():
        number = chance.randint(1, 260)
        statement = chance.choice(
            [
                "UPDATE products SET name_ko = name_ko || '가' WHERE code = 'p' || $1 AND length(name_ko) < 40",
                "UPDATE products SET state = 'draft' WHERE code = 'p' || $1",
                "UPDATE products SET state = 'published' WHERE code = 'p' || $1",
                "UPDATE products SET visibility = 'members' WHERE code = 'p' || $1 AND $1 % 9 = 0",
                "UPDATE products SET visibility = 'public' WHERE code = 'p' || $1",
                """INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
                       verification, state)
                   SELECT 'p' || $1, o.id, m.id, 'M' || $1, 'sensor', 'late', '늦은 센서', 'Late', 'fictional',
                       'published' FROM organizations o, makers m ON CONFLICT DO NOTHING""",
                "UPDATE organizations SET name_ko = '알파' || $1 WHERE code = 'alpha'",
            ]
        )
        await conn.execute(statement.replace("$1", str(number)))
        writes += 1
        await asyncio.sleep(chance.random() * 0.01)
    return writes


async def kill_indexers(database: str, home: Path, chance: random.Random, *, kills: int) -> None:
    """Start an indexer, kill it without warning at a random moment of its work, and again."""
    for _ in range(kills):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", INDEXER, database, str(home), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(chance.random() * 0.4)
        assert process.returncode is None
        process.kill()
        await process.wait()


async def survive_kills(database: str, shop: asyncpg.Connection, home: Path, *, kills: int) -> None:
    chance = random.Random(kills)
    stop = asyncio.Event()
    writing = asyncio.create_task(write_for_a_while(shop, chance, stop))
    try:
        await kill_indexers(database, home, chance, kills=kills)
    finally:
        stop.set()
        writes = await writing
    assert writes > kills
    # Members-only documents would not show to the anonymous reader of `assert_equal`.
    await shop.execute("UPDATE products SET visibility = 'public'")
    engine = EmbeddedEngine(home)
    await index_all(shop, engine)
    assert await list_failing_documents(shop, target="main") == ()
    assert (await read_lag(shop, target="main")).dirty == 0
    await assert_equal(shop, engine)
    await engine.close()


async def test_an_index_equals_the_database_after_five_kills(
    database: str, shop: asyncpg.Connection, tmp_path: Path
) -> None:
    await survive_kills(database, shop, tmp_path, kills=5)


@pytest.mark.ci
async def test_an_index_equals_the_database_after_fifty_kills(
    database: str, shop: asyncpg.Connection, tmp_path: Path
) -> None:
    await survive_kills(database, shop, tmp_path, kills=50)


async def test_a_vendors_counts_follow_its_listings(
    shop: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    await shop.execute("UPDATE products SET state = 'draft' WHERE code = 'p1'")
    await index_all(shop, engine_with_shop)
    held = without_version(await held_documents(engine_with_shop, "vendors"))
    assert held == without_version(await expected_documents(shop, "vendors"))


# --- drift


@pytest.fixture
async def engine_with_shop(shop: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path)
    await mark_all_dirty(shop, target="main")
    await index_all(shop, engine)
    yield engine
    await engine.close()


async def test_a_faithful_index_has_no_drift(
    shop: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    await assert_equal(shop, engine_with_shop)
    drift = await find_drift(shop, engine_with_shop, target="main", index="catalog")
    assert (drift.documents, drift.buckets, drift.is_clean) == (200, 0, True)


async def test_one_repair_puts_a_thousand_injected_faults_right(
    shop: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    engine = engine_with_shop
    await shop.execute(
        """
        INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
                              verification, state)
        SELECT 'q' || n, o.id, m.id, 'Q' || n, 'sensor', 'proximity sensor', '변위센서 ' || n, 'Sensor ' || n,
               'fictional', 'published'
        FROM organizations o, makers m, generate_series(1, 700) n
        """
    )
    await index_all(shop, engine)
    documents = sorted((await expected_documents(shop, "catalog")).values(), key=lambda found: found.id)
    lost, stale = documents[:400], documents[400:700]
    await engine.delete("catalog", [document.id for document in lost])
    await engine.upsert("catalog", [change(document, version=1, name_ko="옛 이름") for document in stale])
    await engine.upsert("catalog", [change(lost[0], id=f"product-{10**9 + n}") for n in range(200)])
    await engine.upsert("catalog", [change(lost[0], id=f"stray{n}") for n in range(100)])

    drift = await find_drift(shop, engine, target="main", index="catalog")
    faults = (len(drift.missing), len(drift.stale), len(drift.extra), len(drift.foreign))
    assert faults == (400, 300, 200, 100)
    assert await repair_drift(shop, engine, target="main", drift=drift) == 1_000
    await index_all(shop, engine)
    drift = await find_drift(shop, engine, target="main", index="catalog", is_deep=True)
    assert (drift.documents, drift.is_clean) == (900, True)
    held = without_version(await held_documents(engine, "catalog"))
    assert held == without_version({document.id: document for document in documents})


def change(document: SearchDocument, **fields: Any) -> Any:
    return type(document)(**{name: getattr(document, name) for name in document.__struct_fields__} | fields)


async def test_documents_that_wait_are_not_drift(
    shop: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    await shop.execute("UPDATE products SET name_ko = '새 이름' WHERE code IN ('p1', 'p2')")
    await engine_with_shop.delete("catalog", [f"product-{await id_of(shop, 'p1')}"])
    assert (await find_drift(shop, engine_with_shop, target="main", index="catalog")).is_clean


async def id_of(conn: asyncpg.Connection, code: str) -> int:
    return await conn.fetchval("SELECT id FROM products WHERE code = $1", code)


async def test_only_the_deep_check_finds_what_was_never_marked(
    shop: asyncpg.Connection, owner_conn: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    await owner_conn.execute(
        """
        SET session_replication_role = replica;
        UPDATE products SET state = 'draft' WHERE code = 'p1';
        INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
                              verification, state)
        SELECT 'silent', o.id, m.id, 'S', 'sensor', 's', '조용한 센서', 'Silent', 'fictional', 'published'
        FROM organizations o, makers m
        """
    )
    assert (await find_drift(shop, engine_with_shop, target="main", index="catalog")).is_clean
    drift = await find_drift(shop, engine_with_shop, target="main", index="catalog", is_deep=True)
    assert drift.extra == (f"product-{await id_of(shop, 'p1')}",)
    assert drift.missing == (f"product-{await id_of(shop, 'silent')}",)
    assert await repair_drift(shop, engine_with_shop, target="main", drift=drift) == 2
    await index_all(shop, engine_with_shop)
    await assert_equal(shop, engine_with_shop)


async def test_a_rebuilt_index_is_what_was_recorded(
    shop: asyncpg.Connection, engine_with_shop: EmbeddedEngine
) -> None:
    engine = engine_with_shop
    await shop.execute("UPDATE products SET state = 'draft' WHERE code = 'p1'")
    versions: dict[str, int] = {}

    async def batches() -> AsyncIterator[Any]:
        async for batch in stream_documents(shop, index="catalog"):
            versions.update({document.id: document.version for document in batch})
            yield batch

    assert await engine.rebuild("catalog", batches()) == 199
    await record_rebuilt(shop, target="main", index="catalog", versions=versions)
    await index_all(shop, engine)
    await assert_equal(shop, engine)


@pytest.mark.parametrize(
    ("document_id", "parsed"),
    [("product-3", ("product", 3)), ("package_model-12", ("package_model", 12)), ("vendor-3", None),
     ("product-", None), ("product-x", None), ("product-٣", None), ("stray", None), ("product-" + "9" * 19, None)],
)  # fmt: skip
def test_ids_of_other_indexes_are_foreign(document_id: str, parsed: Any) -> None:
    assert parse_document_id(document_id, index="catalog") == parsed
    assert 0 <= bucket_of(document_id) < 1_024
