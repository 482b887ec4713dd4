"""Documents with valid defaults, and every engine that must pass the conformance suite.

Builders reach the tests as fixtures: under importlib import mode tests cannot import each other.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search_config.documents import CatalogDocument, SpecValue
from search_config.embedded_engine import EmbeddedEngine
from search_config.engine import SearchEngine
from search_config.meilisearch_engine import MeilisearchEngine


def build_document(number: int = 1, **fields: Any) -> CatalogDocument:
    """A public product; every field can be replaced."""
    defaults: dict[str, Any] = {
        "id": f"product-{number}",
        "kind": "product",
        "code": f"P-{number:04}",
        "name_ko": f"시험 제품 {number}",
        "name_en": f"Test item {number}",
        "category": "sensor",
        "version": 1,
    }
    return CatalogDocument(**{**defaults, **fields})


def build_cobot(number: int, *, model: str, payload_kg: float, **fields: Any) -> CatalogDocument:
    defaults: dict[str, Any] = {
        "model": model,
        "name_ko": f"한빛로보틱스 {model} 협동로봇",
        "name_en": f"{model} collaborative robot",
        "maker_ko": "한빛로보틱스",
        "maker_en": "Hanbit Robotics",
        "category": "robot",
        "subcategory": "collaborative robot",
        "specs": [SpecValue(code="payload", number=payload_kg, unit="kg")],
    }
    return build_document(number, **{**defaults, **fields})


def build_catalog() -> list[CatalogDocument]:
    """Cobots, an accessory for them, PLCs, sensors, software and two package models."""
    return [
        build_cobot(1, model="HB-05", payload_kg=5, price_krw=21_000_000, lead_time_days=30),
        build_cobot(2, model="HB-10", payload_kg=10, price_krw=32_000_000, lead_time_days=20),
        build_document(
            3, name_ko="협동로봇용 그리퍼", name_en="Gripper for cobots", category="robot", price_krw=900_000
        ),
        build_document(
            4,
            model="XGB-XBMS",
            name_ko="XGB-XBMS 블록형 PLC",
            name_en="XGB-XBMS compact PLC",
            category="controller",
            subcategory="PLC",
            domestic_verified_bp=6_500,
        ),
        build_document(5, model="UR5e", name_ko="UR5e 로봇팔", name_en="UR5e arm", category="robot"),
        build_document(6, model="UR512e", name_ko="UR512e 로봇팔", name_en="UR512e arm", category="robot"),
        build_document(
            7,
            name_ko="원주형 근접센서",
            name_en="Cylindrical proximity sensor",
            specs=[SpecValue(code="ambient", number=-25, number_max=70, unit="°C")],
        ),
        build_document(
            8, name_ko="클라우드 MES", name_en="Cloud MES", category="software", domestic_verified_bp=9_000
        ),
        build_document(
            9,
            id="package_model-1",
            kind="package_model",
            code="PK-INJ-1",
            name_ko="사출성형 모니터링 패키지",
            name_en="Injection molding monitoring package",
            category="package",
            component_names=["XGB-XBMS 블록형 PLC", "클라우드 MES"],
            industries=["사출", "금형"],
            level_from=1,
            level_to=3,
            has_open_round=True,
            price_krw=48_000_000,
            lead_time_days=45,
            domestic_verified_bp=7_200,
        ),
        build_document(
            10,
            id="package_model-2",
            kind="package_model",
            code="PK-WLD-1",
            name_ko="용접 자동화 패키지",
            name_en="Welding automation package",
            category="package",
            component_names=["HB-10 협동로봇"],
            industries=["금형"],
            level_from=2,
            level_to=3,
            price_krw=95_000_000,
        ),
    ]


@pytest.fixture
def a_document() -> Callable[..., CatalogDocument]:
    return build_document


@pytest.fixture
def a_cobot() -> Callable[..., CatalogDocument]:
    return build_cobot


@pytest.fixture
def small_catalog() -> list[CatalogDocument]:
    return build_catalog()


@pytest.fixture(scope="session")
def meilisearch_server() -> Iterator[tuple[str, str]]:
    """Address and key of a live Meilisearch: MEILI_URL, or one started from a `meilisearch` on PATH. Else skip."""
    if url := os.environ.get("MEILI_URL"):
        if not _answers(url):
            pytest.skip(f"no Meilisearch answers at MEILI_URL={url}")
        yield url, os.environ.get("MEILI_MASTER_KEY", "")
        return
    binary = shutil.which("meilisearch")
    if binary is None:
        pytest.skip("no live Meilisearch: MEILI_URL is not set and no `meilisearch` is on PATH")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="meilisearch-test-") as home:
        # Left to itself the server readies two thirds of the memory for every write.
        options = ["--http-addr", address, "--no-analytics", "--max-indexing-memory", "256MiB"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MEILI_")}
        log = (Path(home) / "log").open("wb")
        with log, subprocess.Popen([binary, *options], cwd=home, env=clean, stdout=log, stderr=log) as server:
            try:
                _wait_for(f"http://{address}", server)
                yield f"http://{address}", ""
            finally:
                server.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=2) as response:  # noqa: S310 - http(s)
            return response.status == 200
    except OSError:
        return False


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail("the `meilisearch` on PATH does not start")
        time.sleep(0.1)


@pytest.fixture
async def meilisearch(meilisearch_server: tuple[str, str]) -> AsyncIterator[Callable[..., MeilisearchEngine]]:
    """Makes engines over indexes of this test alone, which are removed afterwards."""
    url, key = meilisearch_server
    prefix = f"test_{uuid.uuid4().hex[:8]}_"
    made: list[MeilisearchEngine] = []

    def make(**options: Any) -> MeilisearchEngine:
        made.append(MeilisearchEngine(url, key=key, prefix=prefix, **options))
        return made[-1]

    yield make
    cleaner = make()
    for entry in await cleaner.http.list_indexes("catalog"):
        if entry.uid.startswith(prefix):
            await cleaner.control.delete_index("catalog", entry.uid)
    for engine in made:
        await engine.close()


@pytest.fixture(params=["embedded", "meilisearch"])
def make_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SearchEngine]:
    """Engines of one kind over one store, so that two of them stand for two processes."""
    if request.param == "meilisearch":
        make: Callable[[], SearchEngine] = request.getfixturevalue("meilisearch")
        return make
    return lambda: EmbeddedEngine(tmp_path / "search")


@pytest.fixture
async def engine(make_engine: Callable[[], SearchEngine]) -> AsyncIterator[SearchEngine]:
    made = make_engine()
    yield made
    await made.close()


@pytest.fixture
async def catalog(engine: SearchEngine, small_catalog: list[CatalogDocument]) -> SearchEngine:
    await engine.upsert("catalog", small_catalog)
    return engine
