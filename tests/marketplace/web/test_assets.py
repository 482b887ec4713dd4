"""Bundles where they were built, plain files where they were not: either way a page has its styles."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from marketplace.web import assets
from marketplace.web.pages import static_files

CACHES = (
    assets.read_manifest,
    assets.bundle,
    assets.asset,
    static_files.read_bundle,
    static_files.read_static,
)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of the built files."""
    for module in (assets, static_files):
        monkeypatch.setattr(module, "BUILD_DIR", tmp_path)
    for cached in CACHES:
        cached.cache_clear()
    yield tmp_path
    for cached in CACHES:
        cached.cache_clear()


def write_build(folder: Path, *, style_source: str) -> None:
    (folder / "app.AAAA2222.js").write_text("live()")
    (folder / "app.BBBB3333.css").write_text("body{}")
    entries = {
        "app.js": {"file": "app.AAAA2222.js", "source": None},
        "app.css": {"file": "app.BBBB3333.css", "source": style_source},
    }
    (folder / "manifest.json").write_bytes(msgspec.json.encode({"inputs": "x", "entries": entries}))


def digest_of(name: str) -> str:
    return hashlib.sha256((assets.STATIC_DIR / name).read_bytes()).hexdigest()


async def test_without_a_build_a_page_has_its_plain_style_and_no_script(
    build: Path, app: Any, client: httpx.AsyncClient
) -> None:
    page = await client.get("/search")
    style = re.search(r'href="(/static/app\.css\?v=[0-9a-f]{10})"', page.text)
    assert style is not None
    assert (await client.get(style[1])).status_code == 200
    assert "<script" not in page.text
    assert "without-script" not in page.text, "the buttons that a script replaces stay"


async def test_a_build_is_served_under_its_hash_for_ever(
    build: Path, app: Any, client: httpx.AsyncClient
) -> None:
    write_build(build, style_source=digest_of("app.css"))
    page = await client.get("/search")
    assert 'href="/static/build/app.BBBB3333.css"' in page.text
    assert '<script src="/static/build/app.AAAA2222.js" defer></script>' in page.text
    script = await client.get("/static/build/app.AAAA2222.js")
    assert script.text == "live()"
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    for name in ("manifest.json", "app.CCCC4444.js", "..%2Fapp.css", "app.css"):
        assert (await client.get(f"/static/build/{name}")).status_code == 404


def test_a_plain_file_that_changed_since_the_build_is_served_instead(build: Path) -> None:
    write_build(build, style_source="0" * 64)
    assert assets.asset("app.css").startswith("/static/app.css?v=")
    assert assets.bundle("app.js") == "/static/build/app.AAAA2222.js"


def test_a_manifest_that_is_broken_or_names_a_missing_file_counts_as_none(build: Path) -> None:
    write_build(build, style_source=digest_of("app.css"))
    (build / "app.AAAA2222.js").unlink()
    assert assets.bundle("app.js") is None
    (build / "manifest.json").write_text("{")
    for cached in CACHES:
        cached.cache_clear()
    assert assets.bundle("app.css") is None
    assert assets.asset("card.js").startswith("/static/card.js?v=")
