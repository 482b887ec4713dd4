"""What only the embedded engine promises: crashes, locks, changed settings."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from search_config.documents import CatalogDocument
from search_config.embedded_engine import EmbeddedEngine
from search_config.errors import SearchUnavailable
from search_config.query import ANONYMOUS, SearchQuery
from search_config.settings import load_settings

Build = Callable[..., CatalogDocument]


async def found(engine: EmbeddedEngine) -> list[str]:
    page = await engine.search(SearchQuery(sort="name"), ANONYMOUS)
    return [hit.document.id for hit in page.hits]


async def _batches(*batches: Sequence[CatalogDocument]) -> AsyncIterator[Sequence[CatalogDocument]]:
    for batch in batches:
        yield batch


async def test_a_killed_writer_leaves_a_readable_unlocked_index(tmp_path: Path, a_document: Build) -> None:
    engine = EmbeddedEngine(tmp_path)
    await engine.upsert("catalog", [a_document(1)])
    script = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from search_config.embedded_engine import EmbeddedEngine\n"
        "async def batches():\n"
        "    os.kill(os.getpid(), 9); yield []\n"
        "asyncio.run(EmbeddedEngine(Path(sys.argv[1])).rebuild('catalog', batches()))\n"
    )
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path)], check=False
    )
    assert killed.returncode == -9
    await engine.upsert("catalog", [a_document(2)])
    assert len(await found(engine)) == 2
    await engine.rebuild("catalog", _batches([a_document(3)]))
    assert len([entry for entry in (tmp_path / "catalog").iterdir() if entry.is_dir()]) == 2


async def test_files_of_a_writer_killed_before_its_commit_do_not_stop_the_next(
    tmp_path: Path, a_document: Build
) -> None:
    engine = EmbeddedEngine(tmp_path)
    await engine.upsert("catalog", [a_document(1), a_document(2)])
    [published] = (tmp_path / "catalog").glob("*/meta.json")
    before = published.read_bytes()
    await engine.upsert("catalog", [a_document(1)])
    published.write_bytes(before)  # as if killed after writing its files and before publishing them
    await engine.upsert("catalog", [a_document(1)])
    assert len(await found(engine)) == 2


async def test_changed_settings_ask_for_a_rebuild(tmp_path: Path, a_document: Build) -> None:
    settings = load_settings("catalog")
    old = EmbeddedEngine(tmp_path, settings={"catalog": settings})
    await old.upsert("catalog", [a_document(1)])
    new = EmbeddedEngine(tmp_path, settings={"catalog": msgspec.structs.replace(settings, version=99)})
    health = await new.health()
    assert [(index.is_ready, index.is_outdated) for index in health.indexes] == [(False, True)]
    with pytest.raises(SearchUnavailable, match="rebuild"):
        await found(new)
    with pytest.raises(SearchUnavailable, match="rebuild"):
        await new.upsert("catalog", [a_document(2)])
    assert len(await found(old)) == 1
    await new.rebuild("catalog", _batches([a_document(2)]))
    assert await found(new) == ["product-2"]
