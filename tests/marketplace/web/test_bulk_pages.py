"""Bulk listing in the browser: unknown columns, files with errors, long imports, pictures, shells from abroad."""

import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from archives import a_png

from catalog.core import import_rows
from catalog.core.import_rows import read_batches, read_table, write_csv
from catalog.importing import apply_import
from catalog.imports import LEASE_SECONDS, report_progress, take_due_import
from marketplace import import_files
from marketplace.import_files import work_on_import

DATA = Path(os.environ.get("SFA_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
ROW = {
    "code": "grip-1", "maker": "Alpha Machines", "maker_ko": "알파기계", "maker_country": "KR", "model": "G1",
    "category": "robot", "subcategory": "gripper", "name_ko": "그리퍼", "name_en": "Gripper", "verification": "fictional",
}  # fmt: skip


async def bring_file(
    client: httpx.AsyncClient, submit: Any, content: bytes, name: str = "a.csv", **fields: str
) -> str:
    form = {"kind": "products", "mode": "check", "import_id": str(uuid4())} | fields
    sent = await submit(client, "/vendor/imports", files={"file": (name, content)}, **form)
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"]).partition("?")[0]


async def test_unknown_columns_are_asked_about_once(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    row = {("모델명칭" if name == "model" else name): cell for name, cell in ROW.items()} | {"담당": "김영희"}
    path = await bring_file(client, submit, write_csv(row, [row]))
    page = await client.get(path)
    assert "이 열은 무엇인가요?" in page.text
    assert '<option value="model" selected>model · 모델</option>' in page.text
    assert "<code>김영희</code>" in page.text
    assert "이 열은 무엇인가요?" not in (await client.get(f"/en{path}")).text
    sent = await submit(client, f"{path}/columns", **{"column-0": "model", "column-1": "-"})
    assert sent.status_code == 303
    page = await client.get(path)
    assert "/apply" in page.text
    assert "모델명칭 → <code>model</code>" in page.text
    other = await bring_file(
        client, submit, write_csv(row, [row | {"code": "grip-2", "모델명칭": "G2"}]), mode="apply"
    )
    assert "반영됨" in (await client.get(other)).text
    await sign_in_as(client, "beta@test.example")
    assert (await submit(client, f"{path}/columns", **{"column-0": "code"})).status_code == 404
    assert await market.conn.fetchval("SELECT count(*) FROM import_header_choices") == 2


async def test_the_page_shows_changes_and_gives_the_file_back(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    await bring_file(client, submit, write_csv(ROW, [ROW]), mode="apply")
    rows = [
        ROW | {"name_ko": "집게 <b>"},
        *(ROW | {"code": f"x-{n}", "model": f"X{n}", "category": "ship"} for n in range(9)),
    ]
    path = await bring_file(client, submit, write_csv(ROW, rows), "목록.csv")
    page = await client.get(path)
    assert "<del>그리퍼</del>" in page.text
    assert "<ins>집게 &lt;b&gt;</ins>" in page.text
    assert "3, 4, 5, 6, 7, 8, 9, 10, …" in page.text
    back = await client.get(f"/en{path}/errors-file")
    assert back.headers["content-disposition"].endswith("-errors.csv")
    cells = [row.cells["error"] for row in read_table(back.content, suffix=".csv").rows]
    assert cells[0] == ""
    assert cells[1:] == ["category «ship» → one of software, controller, sensor, robot, service"] * 9
    await sign_in_as(client, "beta@test.example")
    assert (await client.get(f"{path}/errors-file")).status_code == 404


async def test_everything_of_ones_own_is_exported_in_the_shape_that_imports(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "beta@test.example")
    await bring_file(client, submit, write_csv(ROW, [ROW]), mode="apply")
    for suffix in (".xlsx", ".csv", ".jsonl"):
        answer = await client.get("/vendor/export", params={"kind": "products", "suffix": suffix})
        rows = read_table(answer.content, suffix=suffix).rows
        assert [row.cells["code"] for row in rows] == ["grip-1"]
    assert (await client.get("/vendor/export", params={"suffix": ".exe"})).status_code == 400
    assert (await client.get("/vendor/export", params={"kind": "vendors"})).status_code == 400


# -- long imports --------------------------------------------------------------------------------------


@pytest.fixture
def everything_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_files, "INLINE_BYTES_MAX", 10)
    monkeypatch.setattr(import_rows, "BATCH_ROWS", 5)


async def progress(conn: asyncpg.Connection) -> tuple[str, int]:
    row = await conn.fetchrow("SELECT state, rows_done FROM imports")
    return row["state"], row["rows_done"]


def many(count: int) -> bytes:
    return write_csv(ROW, [ROW | {"code": f"g-{n}", "model": f"G{n}"} for n in range(count)])


async def test_a_long_import_runs_in_the_background_and_its_page_follows(
    market: Any,
    client: httpx.AsyncClient,
    sign_in_as: Any,
    submit: Any,
    pool: asyncpg.Pool,
    everything_is_long: None,
):
    await sign_in_as(client, "alpha@test.example")
    path = await bring_file(client, submit, many(23), mode="apply")
    page = await client.get(path)
    assert page.headers["refresh"] == "2"
    assert "진행 중" in page.text
    assert await work_on_import(pool) == 1
    assert await work_on_import(pool) == 0
    page = await client.get(path)
    assert "refresh" not in page.headers
    assert await progress(market.conn) == ("applied", 23)
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code LIKE 'g-%'") == 23


async def test_a_stopped_import_leaves_nothing_and_is_resumed(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any, pool: asyncpg.Pool,
    everything_is_long: None, monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    await sign_in_as(client, "alpha@test.example")
    path = await bring_file(client, submit, many(23), mode="apply")

    async def stop_after_ten(conn: asyncpg.Connection, **facts: Any) -> bool:
        if facts["rows_done"] == 10:
            assert (await submit(client, f"{path}/stop")).status_code == 303
        return await report_progress(conn, **facts)

    monkeypatch.setattr(import_files, "report_progress", stop_after_ten)
    await work_on_import(pool)
    assert await progress(market.conn) == ("stopped", 5)
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code LIKE 'g-%'") == 0
    assert "이어서 하기" in (await client.get(path)).text
    monkeypatch.setattr(import_files, "report_progress", report_progress)
    await submit(client, f"{path}/resume")
    await work_on_import(pool)
    assert await progress(market.conn) == ("applied", 23)


async def test_a_worker_that_died_is_followed_by_another(
    market: Any,
    client: httpx.AsyncClient,
    sign_in_as: Any,
    submit: Any,
    pool: asyncpg.Pool,
    everything_is_long: None,
):
    await sign_in_as(client, "alpha@test.example")
    await bring_file(client, submit, many(7), mode="apply")
    assert await take_due_import(market.conn) is not None  # and never heard of again
    assert await work_on_import(pool) == 0
    await market.conn.execute(
        "UPDATE imports SET leased_until = leased_until - make_interval(secs => $1)", LEASE_SECONDS + 1
    )
    assert await work_on_import(pool) == 1
    assert await progress(market.conn) == ("applied", 7)


async def test_nobody_stops_or_resumes_the_import_of_another(
    market: Any,
    client: httpx.AsyncClient,
    sign_in_as: Any,
    submit: Any,
    pool: asyncpg.Pool,
    everything_is_long: None,
):
    await sign_in_as(client, "alpha@test.example")
    path = await bring_file(client, submit, many(7), mode="apply")
    await sign_in_as(client, "beta@test.example")
    for verb in ("stop", "resume", "apply"):
        assert (await submit(client, f"{path}/{verb}")).status_code == 404
    assert await progress(market.conn) == ("running", 0)


# -- pictures ------------------------------------------------------------------------------------------


async def test_a_picture_is_put_up_shown_and_served_without_sniffing(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    for listing in ("product:cobot-10", "package_model:weld-cell"):
        sent = await submit(
            client, "/vendor/images", files={"file": ("p.png", a_png())}, listing=listing, caption_ko="앞모습"
        )
        assert sent.status_code == 303, sent.text
    for path in ("/products/cobot-10", "/packages/weld-cell", "/vendor/images?listing=product:cobot-10"):
        found = re.search(r'<img src="(/images/[0-9a-f]{64})" alt="앞모습"', (await client.get(path)).text)
        assert found is not None, path
    picture = await client.get(found[1])
    assert (picture.content, picture.headers["content-type"]) == (a_png(), "image/png")
    assert set(picture.headers.get_list("x-content-type-options")) == {"nosniff"}
    for wrong in ("x" * 64, "0" * 64, "0"):
        assert (await client.get(f"/images/{wrong}")).status_code == 404


async def test_a_page_that_calls_itself_a_picture_is_refused_and_words_are_kept(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    fields = {"listing": "product:cobot-10", "caption_ko": "남은 글"}
    sent = await submit(client, "/vendor/images", files={"file": ("p.png", b"<script>")}, **fields)
    assert sent.status_code == 400
    assert "남은 글" in sent.text
    await sign_in_as(client, "beta@test.example")
    sent = await submit(client, "/vendor/images", files={"file": ("p.png", a_png())}, **fields)
    assert sent.status_code == 400
    assert await market.conn.fetchval("SELECT count(*) FROM listing_images") == 0


# -- shells --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (DATA / "aas").is_dir(), reason=f"no foreign AASX files under {DATA}")
@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        (
            "Festo_8047502_VTEM_03_3S7PLKP1N6K.aasx",
            "festo-vtem",
            ("Motion Terminal VTEM", "FESTO", "독일", "8047502", "24 V", "5–50 °C", "IP65", "제조사 확인"),
        ),
        (
            "Phoenix_Contact_PT_4_-_CAD.aasx",
            "phoenix-contact-3211757",
            (
                "Feed-through terminal block - PT 4", "PHOENIX CONTACT GmbH &amp; Co. KG", "3211757", "0.008 kg",
                "6.15 × 55.93 × 35.25 mm", "https://www.phoenixcontact.net/product/3211757",
            ),
        ),
    ],
)  # fmt: skip
async def test_products_from_foreign_shells_look_right(
    market: Any, client: httpx.AsyncClient, file: str, code: str, words: tuple[str, ...]
):
    content = (DATA / "aas" / file).read_bytes()
    async with market.conn.transaction():
        report = await apply_import(
            market.conn,
            kind="products",
            table=read_batches(content, suffix=".aasx"),
            viewer=market.coordinator,
        )
    assert report.errors == ()
    page = await client.get(f"/products/{code}")
    assert page.status_code == 200
    assert [word for word in words if word not in page.text] == []


async def test_a_vendors_file_asks_for_changes_and_the_coordinator_approves_them_together(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    rows = [ROW, ROW | {"code": "grip-2", "model": "G2"}]
    await bring_file(client, submit, write_csv(ROW, rows), mode="apply")
    changed = write_csv(ROW, [row | {"name_ko": "집게"} for row in rows])
    path = await bring_file(client, submit, changed)
    page = (await client.get(path)).text
    assert page.count("검토 뒤 반영") == 3
    assert "after review" in (await client.get(f"/en{path}")).text
    path = await bring_file(client, submit, changed, mode="apply")
    assert 'href="/vendor/changes"' in (await client.get(path)).text
    names = "SELECT name_ko FROM products WHERE code LIKE 'grip-%'"
    assert {row[0] for row in await market.conn.fetch(names)} == {"그리퍼"}
    assert (await submit(client, "/coordinator/changes/approve", id="x")).status_code == 403
    await sign_in_as(client, "alliance@test.example")
    ids = re.findall(r'name="id" value="([^"]+)"', (await client.get("/coordinator/changes")).text)
    assert len(ids) == 2
    none = await submit(client, "/coordinator/changes/approve", id="no uuid")
    assert none.headers["location"].endswith("notice=changes-none")
    assert {row[0] for row in await market.conn.fetch(names)} == {"그리퍼"}
    await market.conn.execute("UPDATE products SET name_ko = '손' WHERE code = 'grip-2'")
    sent = await submit(client, "/coordinator/changes/approve", id="; ".join(ids))
    assert sent.headers["location"].endswith("notice=changes-left")
    assert {row[0] for row in await market.conn.fetch(names)} == {"집게", "손"}
    assert await market.conn.fetchval("SELECT count(*) FROM change_requests WHERE state = 'pending'") == 1
