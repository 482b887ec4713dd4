"""The demo's own files, brought in as the demo does it, exported again, and read."""

import asyncio
from pathlib import Path

import asyncpg

from catalog.core.import_rows import read_table
from catalog.core.listing_rows import IMPORT_KINDS, ImportKind
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.exporting import EXPORT_SUFFIXES, export_rows, write_export
from catalog.importing import apply_import, check_import
from catalog.indexing import index_batch
from catalog.package_models import list_package_models_by_codes
from catalog.products import get_product
from catalog.reference_data import load_spec_definitions, read_spec_definitions
from search_config.documents import CatalogDocument
from search_config.embedded_engine import EmbeddedEngine
from search_config.query import Principal, SearchQuery

DATA = Path(__file__).parents[2] / "marketplace" / "demo" / "data"
FACTORIES = (
    "hanbit-precision",
    "daeseong-forging",
    "mirae-food",
    "seojin-injection",
    "dongbang-battery",
    "ureum-plating",
)


async def _coordinator(conn: asyncpg.Connection) -> Viewer:
    for code in FACTORIES:
        await conn.execute(
            "INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ($1, 'factory', $1, $1)", code
        )
    found = await conn.fetchval(
        """
        INSERT INTO organizations (code, kind, name_ko, name_en) VALUES ('allies', 'coordinator', 'a', 'a')
        RETURNING id
        """
    )
    await load_spec_definitions(conn)
    return Viewer(found, "coordinator")


def _content(kind: ImportKind) -> bytes:
    return (DATA / f"{kind}.csv").read_bytes()


async def test_the_demo_files_import_whole_and_a_second_time_as_unchanged(conn: asyncpg.Connection) -> None:
    coordinator = await _coordinator(conn)
    for kind in IMPORT_KINDS:
        table = await asyncio.to_thread(lambda kind=kind: read_table(_content(kind), suffix=".csv"))
        async with conn.transaction():
            report = await apply_import(conn, kind=kind, table=table, viewer=coordinator)
        assert report.errors == ()
        assert (report.new, report.changed, report.unchanged) == (len(table.rows), 0, 0)
        await conn.execute("DELETE FROM search_dirty")
        async with conn.transaction():
            again = await apply_import(conn, kind=kind, table=table, viewer=coordinator)
        assert (again.new, again.changed, again.unchanged, again.missing) == (0, 0, len(table.rows), 0)
        assert await conn.fetchval("SELECT count(*) FROM search_dirty") == 0

    for kind in IMPORT_KINDS:
        for suffix in EXPORT_SUFFIXES:
            content = write_export(kind, await export_rows(conn, kind=kind), suffix=suffix)
            report = await check_import(
                conn, kind=kind, table=read_table(content, suffix=suffix), viewer=coordinator
            )
            assert report.errors == ()
            assert (report.new, report.changed, report.missing) == (0, 0, 0)
            assert report.unchanged == len(read_table(_content(kind), suffix=".csv").rows)

    codes = [row.cells["code"] for row in read_table(_content("package-models"), suffix=".csv").rows]
    models = await list_package_models_by_codes(conn, codes=codes, viewer=ANONYMOUS)
    assert [model.code for model in models] == codes
    assert all(model.offers and model.version.lines for model in models)
    robot = await get_product(conn, code="hd-hyundai-robotics-hh020")
    assert {spec.code: spec.shown for spec in robot.specs}["payload"] == "20 kg"


async def test_loading_the_spec_definitions_again_changes_nothing(conn: asyncpg.Connection) -> None:
    assert await load_spec_definitions(conn) == len(read_spec_definitions())
    assert await load_spec_definitions(conn) == 0


async def test_the_indexed_demo_is_found_by_korean_and_english_words(
    conn: asyncpg.Connection, tmp_path: Path
) -> None:
    coordinator = await _coordinator(conn)
    async with conn.transaction():
        for kind in IMPORT_KINDS:
            table = await asyncio.to_thread(lambda kind=kind: read_table(_content(kind), suffix=".csv"))
            await apply_import(conn, kind=kind, table=table, viewer=coordinator)
    engine = EmbeddedEngine(tmp_path / "search")
    try:
        while await index_batch(conn, engine, target="main"):
            pass
        assert await conn.fetchval("SELECT count(*) FROM search_dirty") == 0
        everything = await engine.search(SearchQuery(page_size=1), Principal())
        assert everything.total == sum(
            len(read_table(_content(kind), suffix=".csv").rows) for kind in ("products", "package-models")
        )
        for words in ("협동로봇", "collaborative robot"):
            page = await engine.search(SearchQuery(text=words, kinds=["product"]), Principal())
            first = page.hits[0].document
            assert isinstance(first, CatalogDocument)
            assert first.subcategory == "collaborative robot"
    finally:
        await engine.close()
