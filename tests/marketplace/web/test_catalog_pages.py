"""The catalog side of the site over HTTP: who sees what, in both languages, and what an import leaves behind."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from catalog.core.import_rows import FILE_BYTES_MAX, write_csv
from search_config.errors import SearchUnavailable

HANGUL = re.compile("[가-힣]")
PAGES = (
    "/",
    "/search",
    "/search?q=cobot&sort=name",
    "/search?q=nothing-has-this-name",
    "/search?category=nonsense",
    "/products/cobot-10",
    "/packages/weld-cell",
    "/compare",
    "/compare?id=cobot-10&id=cobot-5",
    "/compare?id=weld-cell&id=load-cell&id=plc-1&id=unknown",
    "/service-centers",
    "/service-centers?country=ZZ",
)
PRODUCT_COLUMNS = (
    "code",
    "maker",
    "maker_ko",
    "maker_country",
    "model",
    "category",
    "subcategory",
    "name_ko",
    "name_en",
    "verification",
)


def codes_in(page: httpx.Response) -> list[str]:
    """The listings that a result names, in order."""
    return re.findall(r'<h2><a href="(?:/en)?/(?:packages|products)/([^"]+)">', page.text)


def words_of(page: httpx.Response) -> str:
    """What the page says, without the language switch, which names each language in itself."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", page.text, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", text).replace("한국어", "")


def a_products_file(*rows: dict[str, str]) -> bytes:
    defaults = {
        "maker": "Alpha Machines",
        "maker_ko": "알파기계",
        "maker_country": "KR",
        "category": "robot",
        "subcategory": "gripper",
        "verification": "fictional",
    }
    return write_csv(PRODUCT_COLUMNS, [{**defaults, **row} for row in rows])


GOOD_ROW = {"code": "grip-1", "model": "G1", "name_ko": "그리퍼 1", "name_en": "Gripper 1"}
BAD_ROW = {
    "code": "grip-2",
    "model": "G2",
    "name_ko": "그리퍼 2",
    "name_en": "Gripper 2",
    "category": "rocket",
}


# -- reading -------------------------------------------------------------------------------------------


async def test_pages_answer_in_both_languages_without_hangul_in_english(
    market: Any, client: httpx.AsyncClient
):
    for path in PAGES:
        korean, english = await client.get(path), await client.get(f"/en{path}")
        wanted = 400 if "nonsense" in path else 200
        assert (path, korean.status_code, english.status_code) == (path, wanted, wanted)
        assert '<html lang="ko">' in korean.text, path
        assert '<html lang="en">' in english.text, path
        assert HANGUL.search(words_of(korean)), path
        assert HANGUL.findall(words_of(english)) == [], path


async def test_unknown_codes_are_a_page_that_says_not_found(market: Any, client: httpx.AsyncClient):
    for path in ("/products/unknown", "/packages/unknown", "/packages/cobot-10"):
        page = await client.get(path)
        assert page.status_code == 404
        assert "찾는 화면이 없습니다" in page.text


async def test_the_front_page_shows_open_rounds_and_what_is_listed(market: Any, client: httpx.AsyncClient):
    await market.open_round("weld-round", "weld-offer")
    page = await client.get("/")
    assert "/rounds/weld-round" in page.text
    assert "/search?kind=package_model&amp;industries=welding" in page.text
    assert re.findall(r"<dd>(\d+)</dd>", page.text)[:4] == ["2", "3", "2", "1"]


async def test_a_product_page_states_its_facts_with_the_packages_that_hold_it(
    market: Any, client: httpx.AsyncClient
):
    page = await client.get("/en/products/cobot-10")
    assert "<b>10 kg</b>" in page.text
    assert "/en/packages/weld-cell" in page.text
    assert "/en/service-centers#acme-hanoi" in page.text
    assert page.text.count("Unknown") >= 2, "no origin is claimed, so none is shown"


async def test_a_package_page_shows_parts_scope_prices_and_who_answers_for_it(
    market: Any, client: httpx.AsyncClient
):
    await market.open_round("weld-round", "weld-offer")
    page = await client.get("/en/packages/weld-cell")
    for text in (
        "Cobot C10",
        "Controller P1",
        "Germany",
        "Robot installation",
        "Electrical work",
        "alpha company",
    ):
        assert text in page.text
    assert "₩50,000,000" in page.text
    assert "₩45,000,000" in page.text
    assert "/en/rounds/weld-round" in page.text


async def test_a_component_that_its_lister_hides_keeps_its_line_without_a_name(
    market: Any, client: httpx.AsyncClient
):
    await market.conn.execute("UPDATE products SET visibility = 'members' WHERE code = 'plc-1'")
    page = await client.get("/en/packages/weld-cell")
    assert page.status_code == 200
    assert "Undisclosed component" in page.text
    assert "Controller P1" not in page.text
    assert "/products/plc-1" not in page.text


@pytest.mark.parametrize(
    "change", ["state = 'draft'", "state = 'retired'", "visibility = 'members'", "visibility = 'owner'"]
)
async def test_what_is_not_public_does_not_exist_for_a_visitor(
    market: Any, client: httpx.AsyncClient, change: str
):
    await market.conn.execute(f"UPDATE products SET {change} WHERE code = 'cobot-5'")
    await market.conn.execute(f"UPDATE package_models SET {change} WHERE code = 'load-cell'")
    await market.index()
    assert (await client.get("/products/cobot-5")).status_code == 404
    assert (await client.get("/packages/load-cell")).status_code == 404
    assert sorted(codes_in(await client.get("/search"))) == ["cobot-10", "plc-1", "weld-cell"]
    assert "Cobot C5" not in (await client.get("/en/compare?id=cobot-5&id=cobot-10&id=plc-1")).text


async def test_members_see_what_is_for_members_and_an_owner_its_drafts(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    await market.conn.execute("UPDATE products SET visibility = 'members' WHERE code = 'cobot-5'")
    await market.conn.execute("UPDATE package_models SET state = 'draft' WHERE code = 'load-cell'")
    await market.index()
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/products/cobot-5")).status_code == 200
    assert (await client.get("/packages/load-cell")).status_code == 404
    assert "cobot-5" in codes_in(await client.get("/search"))
    await sign_in_as(client, "alpha@test.example")
    assert (await client.get("/packages/load-cell")).status_code == 200


async def test_a_source_is_linked_only_where_it_is_on_the_web(market: Any, client: httpx.AsyncClient):
    for address, is_linked in (("https://maker.example/c10", True), ("javascript:alert(1)", False)):
        await market.conn.execute(
            "UPDATE products SET source_title = 'data sheet', source_url = $1 WHERE code = 'cobot-10'",
            address,
        )
        page = await client.get("/products/cobot-10")
        assert (f'href="{address}"' in page.text, "javascript:" in page.text) == (is_linked, False)


async def test_plain_files_are_kept_for_ever_under_the_hash_of_their_content(
    app: Any, client: httpx.AsyncClient
):
    page = await client.get("/search")
    address = re.search(r"/static/icons\.svg\?v=[0-9a-f]+", page.text)
    assert address is not None
    icons = await client.get(address[0])
    assert icons.headers["content-type"].startswith("image/svg+xml")
    assert icons.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await client.get("/static/app.css?v=other")).headers["cache-control"] == "public, max-age=60"
    for name in ("nothing.css", "..%2Frender.py", "%2e%2e", "app.css%00"):
        assert (await client.get(f"/static/{name}")).status_code == 404


# -- search --------------------------------------------------------------------------------------------


async def test_each_condition_narrows_the_result_and_its_own_choices_stay_counted(
    market: Any, client: httpx.AsyncClient
):
    page = await client.get("/en/search?kind=product&category=robot")
    assert sorted(codes_in(page)) == ["cobot-10", "cobot-5"]
    choices = re.findall(
        r'name="category" value="(\w+)" form="find"( checked)?> <span>[^<]*</span><small>(\d+)</small>',
        page.text,
    )
    assert choices == [("robot", " checked", "2"), ("controller", "", "1")]
    both = await client.get("/en/search?kind=product&category=robot&category=controller")
    assert sorted(codes_in(both)) == ["cobot-10", "cobot-5", "plc-1"]
    assert 'href="/en/search?kind=product&amp;category=controller"' in both.text, "a chip takes one value off"


async def test_conditions_find_exactly_what_meets_them(market: Any, client: httpx.AsyncClient):
    await market.open_round("weld-round", "weld-offer")
    for conditions, codes in (
        ("price_max=50,000,000", ["weld-cell"]),
        ("price_max=49999999", []),
        ("lead_time_max=60&kind=package_model", ["load-cell", "weld-cell"]),
        ("lead_time_max=59&kind=package_model", []),
        ("industries=machining", ["load-cell"]),
        ("maker_country=DE", ["plc-1"]),
        ("vendor_code=beta", []),
        ("level_to=3&level_from=1", ["load-cell", "weld-cell"]),
        ("open_round=1", ["weld-cell"]),
    ):
        found = sorted(codes_in(await client.get(f"/search?{conditions}")))
        assert (conditions, found) == (conditions, codes)


async def test_a_condition_without_sense_is_left_out_and_named(market: Any, client: httpx.AsyncClient):
    for conditions in (
        "category=rocket",
        "kind=other",
        "price_max=cheap",
        "sort=luck",
        "page=-1",
        "maker_country=korea",
    ):
        page = await client.get(f"/search?{conditions}")
        assert page.status_code == 400
        assert f"알 수 없는 조건은 빼고 찾았습니다: {conditions}" in page.text
        assert len(codes_in(page)) == 5


async def test_pages_of_a_result_follow_each_other_without_gap_or_double(
    market: Any, client: httpx.AsyncClient
):
    rows = [
        {"code": f"unit-{n:02}", "model": f"U{n}", "name_ko": f"장비 {n:02}", "name_en": f"Unit {n:02}"}
        for n in range(1, 42)
    ]
    await market.bring("products", *rows)
    address, seen = "/search?kind=product&category=robot&sort=name", []
    while address:
        page = await client.get(address)
        seen.append(codes_in(page))
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = following[1].replace("&amp;", "&") if following else ""
    assert [len(codes) for codes in seen] == [20, 20, 3]
    flat = [code for codes in seen for code in codes]
    assert sorted(flat) == sorted([row["code"] for row in rows] + ["cobot-10", "cobot-5"])


async def test_a_row_tells_what_its_open_round_goes_for_next(market: Any, client: httpx.AsyncClient):
    await market.open_round("weld-round", "weld-offer")
    page = await client.get("/en/search?q=welding")
    assert "/en/rounds/weld-round" in page.text
    assert "₩48M" in page.text
    assert "2 units" in page.text


async def test_typed_text_is_shown_as_text(market: Any, client: httpx.AsyncClient):
    page = await client.get("/search", params={"q": '<script>alert("x")</script>'})
    assert page.status_code == 200
    assert "<script>alert" not in page.text


async def test_without_its_engine_search_still_finds_words_and_says_that_it_is_degraded(
    market: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def fail(*_: Any) -> None:
        raise SearchUnavailable("catalog", reason="stopped for the test")

    monkeypatch.setattr(market.engine, "search", fail)
    await market.conn.execute("UPDATE products SET visibility = 'members' WHERE code = 'cobot-5'")
    page = await client.get("/search?q=cobot c&kind=product")
    assert page.status_code == 200
    assert codes_in(page) == ["cobot-10"]
    assert "검색 엔진을 쓸 수 없어" in page.text
    assert codes_in(await client.get("/search?q=100%25")) == []
    assert codes_in(await client.get("/search?kind=package_model&industries=machining")) == ["load-cell"]


# -- comparison ----------------------------------------------------------------------------------------


async def test_the_best_value_is_marked_among_things_that_do_the_same(market: Any, client: httpx.AsyncClient):
    page = await client.get("/en/compare?id=cobot-5&id=cobot-10")
    payload = re.search(r'<th scope="row">Payload</th>(.*?)</tr>', page.text, re.DOTALL)
    reach = re.search(r'<th scope="row">Reach</th>(.*?)</tr>', page.text, re.DOTALL)
    assert payload is not None
    assert reach is not None
    assert re.findall(r'<td(?: class="(best)")?>', payload[1]) == ["", "best"]
    assert 'class="best"' not in reach[1], "one value is unknown, so none is best"
    assert "Unknown" in reach[1]


async def test_nothing_is_best_among_things_that_do_different_work(market: Any, client: httpx.AsyncClient):
    page = await client.get("/en/compare?id=cobot-10&id=plc-1&id=weld-cell")
    assert page.status_code == 200
    assert 'class="best"' not in page.text
    payload = re.search(r'<th scope="row">Payload</th>(.*?)</tr>', page.text, re.DOTALL)
    assert payload is not None
    assert payload[1].count("Not applicable") == 2


async def test_a_comparison_keeps_order_and_says_what_it_left_out(market: Any, client: httpx.AsyncClient):
    await market.conn.execute("UPDATE products SET verification = 'name_only' WHERE code = 'plc-1'")
    ids = "&".join(f"id={code}" for code in ("load-cell", "weld-cell", "plc-1", "nothing"))
    page = await client.get(f"/en/compare?{ids}")
    table = page.text.partition('class="compare-table"')[2].partition("</table>")[0]
    heads = re.findall(r'<th scope="col">.*?<a href="([^"]+)"', table, re.DOTALL)
    assert heads == ["/en/packages/load-cell", "/en/packages/weld-cell"]
    assert "Controller P1: not compared, because only its name is confirmed." in page.text
    assert "Left out because not found: 1 item." in page.text
    assert 'href="/en/compare?id=weld-cell"' in page.text


async def test_more_than_eight_are_cut_to_eight(market: Any, client: httpx.AsyncClient):
    rows = [
        {"code": f"unit-{n}", "model": f"U{n}", "name_ko": f"장비 {n}", "name_en": f"Unit {n}"}
        for n in range(9)
    ]
    await market.bring("products", *rows)
    page = await client.get("/compare?" + "&".join(f"id=unit-{n}" for n in range(9)))
    table = page.text.partition('class="compare-table"')[2].partition("</table>")[0]
    assert table.count('<th scope="col">') == 8
    assert "8개까지 비교할 수 있습니다." in page.text


# -- A/S sites -----------------------------------------------------------------------------------------


async def test_sites_are_named_by_what_they_do_and_filtered(market: Any, client: httpx.AsyncClient):
    everywhere = await client.get("/en/service-centers")
    assert re.findall(r'<li class="site( is-service)?" id="([^"]+)"', everywhere.text) == [
        (" is-service", "acme-hanoi"),
        ("", "acme-turin"),
    ]
    assert everywhere.text.count('<a href="#acme-') == 2, "each is a pin on the map"
    italy = await client.get("/en/service-centers?country=IT")
    assert re.findall(r'<li class="site[^"]*" id="([^"]+)"', italy.text) == ["acme-turin"]
    assert "acme-" not in (await client.get("/service-centers?role=repair")).text
    assert (await client.get("/service-centers?role=barber&maker=%00x")).status_code == 200


# -- vendors -------------------------------------------------------------------------------------------


async def bring_file(client: httpx.AsyncClient, submit: Any, content: bytes, **fields: str) -> httpx.Response:
    form = {"kind": "products", "mode": "check", "import_id": str(uuid4())} | fields
    return await submit(client, "/vendor/imports", files={"file": ("목록.csv", content)}, **form)


async def test_only_vendors_reach_the_pages_of_vendors(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    for path in ("/vendor/imports", "/vendor/offers", f"/vendor/imports/{uuid4()}"):
        page = await client.get(path)
        assert (page.status_code, page.headers["location"][:8]) == (303, "/sign-in")
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/vendor/imports")).status_code == 403


async def test_a_dry_run_shows_every_error_and_writes_nothing(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    sent = await bring_file(client, submit, a_products_file(GOOD_ROW, BAD_ROW))
    assert sent.status_code == 303
    report = await client.get(sent.headers["location"])
    assert "목록.csv" in report.text
    assert "<code>rocket</code>" in report.text
    assert re.findall(r'<td class="num"[^>]*>(\d+)</td>', report.text) == ["3"]
    assert "/take-good-rows" in report.text
    assert "/apply" not in report.text
    english = await client.get(f"/en{sent.headers['location']}")
    assert HANGUL.findall(words_of(english).replace("목록.csv", "")) == []
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code LIKE 'grip%'") == 0


async def test_a_checked_file_is_applied_once(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    sent = await bring_file(client, submit, a_products_file(GOOD_ROW))
    path = sent.headers["location"]
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code = 'grip-1'") == 0
    for _ in range(2):
        applied = await submit(client, f"{path}/apply")
        assert applied.headers["location"] == f"{path}?notice=import-applied"
    rows = await market.conn.fetch("SELECT state FROM imports")
    assert [row["state"] for row in rows] == ["applied"]
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code = 'grip-1'") == 1
    assert (await client.get("/products/grip-1")).status_code == 200


async def test_good_rows_are_taken_where_asked_and_the_errors_stay_listed(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    sent = await bring_file(client, submit, a_products_file(GOOD_ROW, BAD_ROW), mode="apply")
    path = sent.headers["location"]
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code LIKE 'grip%'") == 0
    await submit(client, f"{path}/take-good-rows")
    rows = await market.conn.fetch("SELECT code FROM products WHERE code LIKE 'grip%'")
    assert [row["code"] for row in rows] == ["grip-1"]
    report = await client.get(path)
    assert "일부 반영됨" in report.text
    assert "<code>rocket</code>" in report.text


async def test_one_upload_sent_twice_is_one_import(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    same = str(uuid4())
    for _ in range(2):
        await bring_file(client, submit, a_products_file(GOOD_ROW), import_id=same, mode="apply")
    other = await bring_file(client, submit, a_products_file(GOOD_ROW, BAD_ROW), import_id=same)
    assert other.status_code == 409
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 1
    assert await market.conn.fetchval("SELECT count(*) FROM files") == 1


async def test_nobody_reads_or_applies_the_file_of_another_vendor(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    path = (await bring_file(client, submit, a_products_file(GOOD_ROW))).headers["location"]
    await sign_in_as(client, "beta@test.example")
    assert (await client.get(path)).status_code == 404
    assert (await submit(client, f"{path}/apply")).status_code == 404
    assert path not in (await client.get("/vendor/imports")).text
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code = 'grip-1'") == 0


async def test_a_form_without_file_or_kind_is_shown_again_with_what_is_missing(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    page = await submit(client, "/vendor/imports", kind="vendors", mode="check")
    assert page.status_code == 400
    assert "목록에서 종류를 고르세요." in page.text
    assert "올릴 파일을 고르세요." in page.text
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 0


async def test_a_file_above_one_megabyte_is_read_and_one_above_the_limit_is_refused(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "alpha@test.example")
    long = {**GOOD_ROW, "name_en": "x" * 9_000}
    many = [{**long, "code": f"grip-{n}", "model": f"G{n}"} for n in range(200)]
    sent = await bring_file(client, submit, a_products_file(*many))
    assert sent.status_code == 303
    assert await market.conn.fetchval("SELECT max(size_bytes) > 1000000 FROM files")
    refused = await bring_file(client, submit, b"x" * (FILE_BYTES_MAX + 100_000))
    assert refused.status_code == 413
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 1


async def test_a_vendor_asks_for_a_round_once_and_only_on_its_own_offer(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "beta@test.example")
    assert (await submit(client, "/vendor/offers/weld-offer/request-round")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    for _ in range(2):
        asked = await submit(client, "/vendor/offers/weld-offer/request-round")
        assert asked.status_code == 303
    events = await market.conn.fetch("SELECT subject_id FROM events WHERE kind = 'offer.round_requested'")
    assert [row["subject_id"] for row in events] == ["weld-offer"]
    assert "요청함" in (await client.get("/vendor/offers")).text
    await market.open_round("weld-round", "weld-offer")
    assert "/rounds/weld-round" in (await client.get("/vendor/offers")).text


async def test_a_factory_asks_for_a_round_on_a_package(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, submit: Any
):
    await sign_in_as(client, "mill@test.example")
    assert "/packages/weld-cell/demands" in (await client.get("/packages/weld-cell")).text
    assert "/demands" not in (await client.get("/packages/load-cell")).text, "nothing is offered there"
    asked = await submit(client, "/packages/weld-cell/demands")
    assert asked.headers["location"] == "/packages/weld-cell?notice=demand-saved"
    assert await market.conn.fetchval("SELECT count(*) FROM events WHERE kind = 'offer.round_requested'") == 1
    assert (await submit(client, "/packages/load-cell/demands")).status_code == 404
