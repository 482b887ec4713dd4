"""What only a live Meilisearch can show: swaps under load, killed rebuilds, hostile text. Skipped without one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import msgspec
import pytest

from catalog.drift import find_drift, repair_drift
from catalog.indexing import index_batch, mark_all_dirty, stream_documents
from catalog.shadowing import OneIndex, prepare_shadow
from search_config import meilisearch_engine
from search_config.documents import CatalogDocument, IndexName
from search_config.lifecycle import SettingsApplied, apply_settings, read_state, wanted_settings
from search_config.meilisearch_engine import MeilisearchEngine
from search_config.query import ANONYMOUS, SearchQuery
from search_config.settings import INDEX_NAMES, IndexSettings, load_settings

Build = Callable[..., CatalogDocument]
Make = Callable[..., MeilisearchEngine]
SETTINGS = load_settings("catalog")


async def total(engine: MeilisearchEngine, text: str = "") -> int:
    return (await engine.search(SearchQuery(text=text), ANONYMOUS)).total


async def _batches(*batches: list[CatalogDocument]) -> AsyncIterator[list[CatalogDocument]]:
    for batch in batches:
        yield batch


async def test_a_killed_rebuild_holds_writers_up_only_for_a_while(
    meilisearch: Make, a_document: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = meilisearch()
    await engine.upsert("catalog", [a_document(1)])
    marker = engine.uids["catalog"] + meilisearch_engine.REBUILD
    await engine.http.wait("catalog", await engine.control.create_index("catalog", marker))
    monkeypatch.setattr(meilisearch_engine, "REBUILD_DEAD_SECONDS", 0.5)
    began = time.monotonic()
    await engine.upsert("catalog", [a_document(2)])
    assert time.monotonic() - began > 0.3
    assert await total(engine) == 2
    assert await engine.http.find_index("catalog", marker) is None


async def test_changed_settings_ask_for_a_rebuild(meilisearch: Make, a_document: Build) -> None:
    old = meilisearch(settings={"catalog": SETTINGS})
    await old.upsert("catalog", [a_document(1)])
    new = meilisearch(settings={"catalog": msgspec.structs.replace(SETTINGS, version=99)})
    health = await new.health()
    assert [(index.is_ready, index.is_outdated) for index in health.indexes] == [(False, True)]
    with pytest.raises(Exception, match="rebuild"):
        await total(new)
    with pytest.raises(Exception, match="rebuild"):
        await new.upsert("catalog", [a_document(2)])
    assert await total(old) == 1
    assert await new.rebuild("catalog", _batches([a_document(2)])) == 1
    assert await total(new) == 1


@pytest.mark.parametrize("index", INDEX_NAMES)
async def test_what_was_set_is_what_the_server_says(meilisearch: Make, index: IndexName) -> None:
    engine = meilisearch()
    task = await engine.control.update_settings(index, engine.uids[index], wanted_settings(engine, index))
    await engine.http.wait(index, task)
    state = await read_state(engine, index)
    assert (state.exists, state.changes) == (True, ())


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\\", '\\"', '"] OR visibility IN ["tenant"', "한글 '값'"])
async def test_a_hostile_value_is_found_as_itself(meilisearch: Make, a_document: Build, value: str) -> None:
    engine = meilisearch()
    hidden = a_document(2, category=value, visibility="tenant", tenants=[7])
    await engine.upsert("catalog", [a_document(1, category=value), hidden, a_document(3)])
    page = await engine.search(SearchQuery(filters={"category": [value]}), ANONYMOUS)
    assert [hit.document.id for hit in page.hits] == ["product-1"]


# --- with a database


@pytest.fixture
async def shop(conn: asyncpg.Connection) -> asyncpg.Connection:
    await conn.execute(
        """
        INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ('alpha', 'vendor', '알파', 'Alpha');
        INSERT INTO makers (name, name_ko, country) VALUES ('Acme', '아크메', 'KR');
        INSERT INTO products (code, vendor_id, maker_id, model, category, subcategory, name_ko, name_en,
                              verification, state)
        SELECT 'p' || n, o.id, m.id, 'M' || n, 'sensor', 'proximity sensor', '근접센서 ' || n, 'Sensor ' || n,
               'fictional', 'published'
        FROM organizations o, makers m, generate_series(1, 500) n
        """
    )
    await mark_all_dirty(conn, target="main")
    return conn


async def apply(make: Make, conn: asyncpg.Connection, settings: IndexSettings) -> tuple[SettingsApplied, int]:
    engine = make(settings={"catalog": settings})
    done = await apply_settings(
        engine,
        "catalog",
        open_shadow=lambda uids: make(settings={"catalog": settings}, uids=uids),
        preparation=prepare_shadow(conn, index="catalog", target="main"),
    )
    return done, engine.control.writes


async def assert_index_is_the_database(conn: asyncpg.Connection, engine: MeilisearchEngine) -> None:
    expected = {found.id async for batch in stream_documents(conn, index="catalog") for found in batch}
    assert set(await engine.ids_and_versions("catalog")) == expected
    page = await engine.search(SearchQuery(text="새 이름", page_size=100), ANONYMOUS)
    renamed = await conn.fetchval(
        "SELECT count(*) FROM products WHERE name_ko = '새 이름' AND state = 'published'"
    )
    assert page.total == renamed
    held = {hit.document.code for hit in page.hits}
    assert len(held) == min(renamed, 100)


async def index_forever(conn: asyncpg.Connection, engine: MeilisearchEngine) -> None:
    """The worker's loop for the live index. A search worker of old settings stops writing after the swap."""
    while True:
        if not await index_batch(conn, only_catalog(engine), target="main"):
            await asyncio.sleep(0.02)


def only_catalog(engine: MeilisearchEngine) -> OneIndex:
    sink = OneIndex("catalog")
    sink.engine = engine
    return sink


async def test_settings_are_swapped_under_load_without_a_failed_search_or_a_lost_write(
    meilisearch: Make, database: str, shop: asyncpg.Connection
) -> None:
    from marketplace.db import connect

    first, _ = await apply(meilisearch, shop, SETTINGS)
    assert (first.outcome, first.documents) == ("swapped", 500)
    engine = meilisearch(settings={"catalog": SETTINGS})
    conns = [await connect(database) for _ in range(3)]
    writes, searches = [0], [0]

    async def write() -> None:
        while True:
            number = writes[0] % 500 + 1
            state = "draft" if writes[0] % 7 == 0 else "published"
            await conns[0].execute(
                "UPDATE products SET name_ko = '새 이름', state = $2 WHERE code = 'p' || $1::text",
                str(number),
                state,
            )
            writes[0] += 1
            await asyncio.sleep(0.01)

    async def search() -> None:
        while True:
            assert await total(engine, "센서") >= 0
            searches[0] += 1
            await asyncio.sleep(0.005)

    background = [asyncio.create_task(work) for work in (write(), search(), index_forever(conns[1], engine))]
    try:
        await asyncio.sleep(0.5)
        # The same fields in another version of the documents: structural, and old programs keep searching.
        changed = msgspec.structs.replace(SETTINGS, hits_max=999)
        unchanged, sent = await apply(meilisearch, conns[2], changed)
        assert (unchanged.outcome, sent) == ("unchanged", 0)
        shadow = await rebuild_in_shadow(meilisearch, conns[2])
        assert shadow.outcome == "swapped"
        await asyncio.sleep(0.5)
        assert not any(task.done() for task in background)
    finally:
        for task in background:
            task.cancel()
        for result in await asyncio.gather(*background, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result
    assert writes[0] > 50
    assert searches[0] > 50
    while await index_batch(shop, only_catalog(engine), target="main"):
        pass
    await assert_index_is_the_database(shop, engine)
    assert (await apply(meilisearch, shop, SETTINGS))[1] == 0
    drift = await find_drift(shop, engine, target="main", index="catalog", is_deep=True)
    assert (drift.extra, drift.foreign) == ((), ())
    # The index is right; what was written at the very moment of the swap is only remembered wrongly.
    assert len(drift.missing) + len(drift.stale) < 20
    await repair_drift(shop, engine, target="main", drift=drift)
    while await index_batch(shop, only_catalog(engine), target="main"):
        pass
    assert (await find_drift(shop, engine, target="main", index="catalog", is_deep=True)).is_clean
    for opened in conns:
        opened.terminate()


async def rebuild_in_shadow(make: Make, conn: asyncpg.Connection) -> SettingsApplied:
    """Make the live index structurally different, without changing what its documents are, and apply ours."""
    engine = make(settings={"catalog": SETTINGS})
    task = await engine.control.update_settings("catalog", engine.uids["catalog"], {"separatorTokens": ["|"]})
    await engine.http.wait("catalog", task)
    state = await read_state(engine, "catalog")
    assert [(change.key, change.kind) for change in state.changes] == [("separatorTokens", "structural")]
    return (await apply(make, conn, SETTINGS))[0]


async def test_drift_is_found_and_repaired_on_meilisearch_too(
    meilisearch: Make, shop: asyncpg.Connection, a_document: Build
) -> None:
    engine = meilisearch(settings={"catalog": SETTINGS})
    sink = only_catalog(engine)
    while await index_batch(shop, sink, target="main"):
        pass
    assert (await find_drift(shop, engine, target="main", index="catalog")).is_clean
    ids = sorted(await engine.ids_and_versions("catalog"))
    await engine.delete("catalog", ids[:100])
    await engine.upsert("catalog", [a_document(1, id=id_, version=1) for id_ in ids[100:150]])
    await engine.upsert("catalog", [a_document(1, id=f"stray{number}") for number in range(20)])
    drift = await find_drift(shop, engine, target="main", index="catalog")
    assert (len(drift.missing), len(drift.stale), len(drift.foreign)) == (100, 50, 20)
    assert await repair_drift(shop, engine, target="main", drift=drift) == 170
    while await index_batch(shop, sink, target="main"):
        pass
    assert (await find_drift(shop, engine, target="main", index="catalog", is_deep=True)).is_clean
