"""The engine against answers recorded from a real Meilisearch, so that it is tested where none runs.

The tape holds, for one fixed story, every request's method, path and keys, and the server's answer. Replayed, a
request that goes elsewhere or has other keys fails. Values are not compared: the analysis may improve without
a new tape. To record anew: MEILI_RECORD=1 with a live server, see the fixture `meilisearch_server`.
"""

import json
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from search_config.documents import CatalogDocument, IndexName
from search_config.engine import SearchPage
from search_config.errors import SearchUnavailable
from search_config.lifecycle import (
    Preparation,
    apply_settings,
    drop_old,
    read_state,
    shadow_uid,
    wanted_settings,
)
from search_config.meilisearch_engine import MeilisearchEngine
from search_config.query import ANONYMOUS, SearchQuery
from search_config.settings import IndexSettings, decode_settings
from search_config.synonyms import parse_synonyms

TAPE = Path(__file__).with_name("meilisearch_tape.json")
LOOK = "/indexes/tape_catalog"
TASK = re.compile(r"/tasks/\d+")
SETTINGS = decode_settings(
    """
    index = "catalog"
    version = 1
    searchable = [
      { field = "model", weight = 4.0, completes = true, is_name = true, is_code = true },
      { field = "name_ko", weight = 4.0, completes = true, is_name = true },
      { field = "name_en", weight = 4.0, completes = true, is_name = true },
      { field = "subcategory", weight = 2.0, completes = true, is_label = true },
      { field = "component_names", weight = 0.5, completes = true },
      { field = "specs", weight = 0.5 },
    ]
    filterable = [
      { field = "kind", type = "text", facet = true },
      { field = "category", type = "text", facet = true },
      { field = "price_krw", type = "integer", facet = true },
      { field = "specs", type = "specs" },
      { field = "visibility", type = "text" },
      { field = "tenants", type = "integer" },
    ]
    sortable = [
      { name = "price", field = "price_krw" },
      { name = "name", field = "name_ko" },
      { name = "name_en", field = "name_en" },
    ]
    """,
    file="contract.toml",
)
"""Of our own, so that the shipped settings may change without a new tape. No synonyms: they would fill it."""
CHANGED = msgspec.structs.replace(SETTINGS, sortable=SETTINGS.sortable[:2])
FINGERPRINTS = {"FINGERPRINT_1": SETTINGS.fingerprint, "FINGERPRINT_2": CHANGED.fingerprint}
HASH = "0123456789ab"


class Tape:
    """A loopback server that either passes requests on and records them, or replays what was recorded."""

    def __init__(self, live: tuple[str, str] | None) -> None:
        self.live = live
        self.exchanges: list[dict[str, Any]] = [] if live else json.loads(TAPE.read_text(encoding="utf-8"))
        self.tasks = {entry["path"]: entry for entry in self.exchanges if TASK.fullmatch(entry["path"])}
        self.position = 0
        self.look: dict[str, Any] | None = None
        self.failures: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        asked = {
            "method": request.method,
            "path": self._neutral(request.path_qs),
            "keys": keys_of(self._neutral(body.decode())),
        }
        if self.live:
            return await self._record(request, asked, body)
        return self._replay(asked)

    async def _record(self, request: web.Request, asked: dict[str, Any], body: bytes) -> web.Response:
        url, key = self.live or ("", "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body:
            headers["Content-Type"] = "application/json"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, url + request.path_qs, data=body or None, headers=headers
            ) as given,
        ):
            text = await given.text()
            answer = json.loads(text) if text else None
            if not (TASK.fullmatch(request.path) and answer["status"] in {"enqueued", "processing"}):
                neutral = json.loads(self._neutral(json.dumps(answer)))
                self.exchanges.append({**asked, "status": given.status, "answer": neutral})
            return web.json_response(answer, status=given.status)

    def _replay(self, asked: dict[str, Any]) -> web.Response:
        entry = self._next(asked["path"])
        if entry is None:
            return self._fail(f"not on the tape: {asked}")
        if {name: entry[name] for name in asked} != asked:
            return self._fail(f"request {self.position} was {asked}, on the tape it is {entry}")
        answer = json.loads(self._real(json.dumps(entry["answer"])))
        return web.json_response(answer, status=entry["status"])

    def _next(self, path: str) -> dict[str, Any] | None:
        """The entry whose turn it is. How often tasks and the index's date are looked at depends on the clock."""
        if path in self.tasks:
            return self.tasks[path]
        while self.position < len(self.exchanges):
            entry = self.exchanges[self.position]
            is_look = entry["path"] == LOOK and entry["method"] == "GET"
            if path == LOOK and not is_look and not TASK.fullmatch(entry["path"]):
                break
            self.position += 1
            if is_look:
                self.look = entry
            if path == LOOK and is_look:
                return entry
            if path != LOOK and not is_look and not TASK.fullmatch(entry["path"]):
                return entry
        return self.look if path == LOOK else None

    def _fail(self, text: str) -> web.Response:
        self.failures.append(text)
        return web.json_response({"message": text, "code": "tape", "type": "internal"}, status=500)

    def _neutral(self, text: str) -> str:
        """Names that follow from our settings' versions are no part of the contract."""
        neutral = text
        for name, fingerprint in FINGERPRINTS.items():
            neutral = neutral.replace(fingerprint, name)
        return re.sub(r"(tape_catalog__)[0-9a-f]{12}", rf"\g<1>{HASH}", neutral)

    def _real(self, text: str) -> str:
        real = text
        for name, fingerprint in FINGERPRINTS.items():
            real = real.replace(name, fingerprint)
        return real


def keys_of(body: str) -> list[str]:
    """The keys of a request, and of each query of a multi-search."""
    if not body:
        return []
    value = json.loads(body)
    if isinstance(value, dict) and "queries" in value:
        return [" ".join(sorted(query)) for query in value["queries"]]
    if isinstance(value, dict):
        return sorted(value)
    parts = value if isinstance(value, list) else []
    return sorted({key for part in parts if isinstance(part, dict) for key in part})


@pytest.fixture
async def tape(request: pytest.FixtureRequest) -> AsyncIterator[Tape]:
    recording = os.environ.get("MEILI_RECORD") == "1"
    made = Tape(request.getfixturevalue("meilisearch_server") if recording else None)
    if made.live:
        await forget(made.live)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()
    if made.live:
        await forget(made.live)
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in made.exchanges)
        TAPE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def open_engine(
    tape: Tape, settings: IndexSettings = SETTINGS, uids: Mapping[IndexName, str] | None = None
) -> MeilisearchEngine:
    return MeilisearchEngine(tape.url, prefix="tape_", settings={"catalog": settings}, uids=uids)


async def ask(engine: MeilisearchEngine, text: str = "", **fields: Any) -> SearchPage:
    return await engine.search(SearchQuery(text=text, **fields), ANONYMOUS)


def ids(page: SearchPage) -> list[str]:
    return [hit.document.id for hit in page.hits]


async def _batches(*batches: Sequence[CatalogDocument]) -> AsyncIterator[Sequence[CatalogDocument]]:
    for batch in batches:
        yield batch


async def test_the_whole_story_goes_as_recorded(tape: Tape, small_catalog: list[CatalogDocument]) -> None:
    engine = open_engine(tape)
    try:
        await search_and_write(engine, small_catalog)
        await change_settings(tape, engine, small_catalog)
    finally:
        await engine.close()
    assert tape.failures == []


async def search_and_write(engine: MeilisearchEngine, documents: list[CatalogDocument]) -> None:
    assert (await ask(engine, "로봇")).total == 0  # the index does not exist yet
    await engine.delete("catalog", ["product-1"])
    await engine.upsert("catalog", documents)
    page = await ask(engine, "협동로봇", facets=["category", "price_krw"], filters={"category": ["robot"]})
    assert set(ids(page)[:2]) == {"product-1", "product-2"}
    assert {entry.value: entry.count for entry in page.facets["category"]} == {"robot": 3, "package": 1}
    assert page.bounds["price_krw"].lower == 900_000
    assert all(0 < hit.score <= 1 for hit in page.hits)
    page = await ask(engine, "rmswjqtpstj")
    assert (ids(page), page.rewritten) == (["product-7"], "근접센서")
    page = await ask(engine, "근접샌서")
    assert (ids(page), page.rewritten) == (["product-7"], "근접센서")
    page = await ask(engine, "금속을 감지하는 근접센서", page=1, page_size=1)
    assert ids(page) == ["product-7"]
    page = await ask(engine, "존재하지않는단어 근접센서")
    assert (ids(page), page.notices) == (["product-7"], ("relaxed",))
    assert ids(await ask(engine, sort="price"))[0] == "product-3"
    assert await engine.ids_and_versions("catalog") == {document.id: 1 for document in documents}
    await engine.delete("catalog", ["product-1", "product-999"])
    health = await engine.health()
    assert [(index.documents, index.is_ready, index.is_outdated) for index in health.indexes] == [
        (9, True, False)
    ]
    assert await engine.rebuild("catalog", _batches(documents[:4], documents[4:])) == 10
    assert (await ask(engine)).total == 10


async def change_settings(tape: Tape, engine: MeilisearchEngine, documents: list[CatalogDocument]) -> None:
    state = await read_state(engine, "catalog")
    assert (state.exists, state.changes) == (True, ())

    calls: list[str] = []

    async def start(shadow: MeilisearchEngine, uid: str) -> None:
        calls.append("start")
        assert uid == shadow_uid("tape_catalog", wanted_settings(shadow, "catalog"))

    async def catch_up(shadow: MeilisearchEngine) -> int:
        calls.append("catch_up")
        return 500 if calls.count("catch_up") < 2 else 0

    async def finish(live: MeilisearchEngine) -> None:
        calls.append("finish")
        assert live.uids["catalog"] == "tape_catalog"

    preparation = Preparation(
        start=start, batches=lambda: _batches(documents), catch_up=catch_up, finish=finish
    )

    async def apply(settings: IndexSettings, synonyms: str = "") -> tuple[str, tuple[str, ...], int]:
        wanted = open_engine(tape, settings)
        wanted.synonyms["catalog"] = parse_synonyms(synonyms)
        done = await apply_settings(
            wanted,
            "catalog",
            open_shadow=lambda uids: open_engine(tape, settings, uids),
            preparation=preparation,
        )
        await wanted.close()
        return done.outcome, done.keys, wanted.control.writes

    assert await apply(SETTINGS) == ("unchanged", (), 0)
    assert await apply(SETTINGS, "로봇, 자동기계") == ("patched", ("synonyms",), 1)
    assert await apply(SETTINGS, "로봇, 자동기계") == ("unchanged", (), 0)
    outcome, keys, _ = await apply(CHANGED)
    assert outcome == "swapped"
    assert {"searchableAttributes", "sortableAttributes", "synonyms"} <= set(keys)
    assert calls == ["start", "catch_up", "catch_up", "finish"]
    assert await apply(CHANGED) == ("unchanged", (), 0)
    assert len(await engine.ids_and_versions("catalog")) == 10
    with pytest.raises(SearchUnavailable, match="rebuild"):  # a program of yesterday writes nothing
        await engine.upsert("catalog", documents[:1])
    later = datetime.now(UTC) + timedelta(days=2)
    assert await drop_old(engine, "catalog", now=datetime.now(UTC)) == () or not tape.live
    assert len(await drop_old(engine, "catalog", now=later)) == 1


async def forget(server: tuple[str, str]) -> None:
    """Remove what a recording left on the live server."""
    url, key = server
    engine = MeilisearchEngine(url, key=key)
    for entry in await engine.http.list_indexes("catalog"):
        if entry.uid.startswith("tape_"):
            await engine.http.wait("catalog", await engine.control.delete_index("catalog", entry.uid))
    await engine.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    engine = MeilisearchEngine("http://127.0.0.1:9", settings={"catalog": SETTINGS})
    with pytest.raises(SearchUnavailable):
        await ask(engine, "로봇")
    with pytest.raises(SearchUnavailable):
        await engine.upsert("catalog", [CatalogDocument(id="product-1", kind="product")])
    with pytest.raises(SearchUnavailable):
        await engine.control.read_settings("catalog", "catalog")
    assert not (await engine.health()).is_ready
    await engine.close()
