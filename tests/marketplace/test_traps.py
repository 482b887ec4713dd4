"""The regression traps of the survey (mission.md section 7) that concern the catalog, by number.

Trap 2 is in `tests/catalog/core/test_cells.py` and `test_bulk_listing.py`, 4 and 6 in `web/test_comparison.py`,
13 in `web/test_vendor_life_pages.py`, 14 in `tests/catalog/core/test_comparison.py`; the others are here, some in
both places. Traps 1, 3, 5 and 10 concern rounds and settling (`tests/group_buy/`).
"""

import re
from typing import Any

import httpx
import pytest

from catalog.core.import_rows import read_table, write_csv
from catalog.core.onboarding import RULES
from catalog.importing import apply_import, report_document


@pytest.mark.parametrize("typed", ["닥터스피지에이", "닥터 스피지에이", "스피지에이"])
async def test_trap_7_a_product_is_found_by_its_korean_name(
    market: Any, client: httpx.AsyncClient, typed: str
) -> None:
    """saleor#17393: a full-text search that knows no Korean found nothing."""
    await market.bring(
        "products",
        {"code": "doctor-spga", "name_ko": "닥터스피지에이", "name_en": "Doctor SPGA", "model": "SPGA"},
    )
    found = (await client.get("/api/search", params={"q": typed})).json()
    assert found["hits"][0]["document"]["code"] == "doctor-spga"


async def test_trap_8_a_bad_row_is_named_by_line_and_column_and_keeps_no_good_one_out(market: Any) -> None:
    """Mercur threw one error for the whole file; its vendor panel said "processing" and then nothing."""
    good = {
        "vendor": "alpha",
        "maker": "Acme Robotics",
        "maker_ko": "아크메로보틱스",
        "maker_country": "KR",
        "category": "robot",
        "subcategory": "collaborative robot",
        "verification": "fictional",
    }
    rows = [
        {**good, "code": f"unit-{n}", "model": f"U{n}", "name_ko": f"장비 {n}", "name_en": f"Unit {n}"}
        for n in range(4)
    ]
    rows[2]["category"] = "toaster"
    table = read_table(write_csv(list(rows[0]), rows), suffix=".csv")
    async with market.conn.transaction():
        report = await apply_import(
            market.conn, kind="products", table=table, viewer=market.coordinator, take_good_rows=True
        )
    document = report_document(report)
    assert [(error["line"], error["column"], error["found"]) for error in document["errors"]] == [
        (4, "category", "toaster")
    ]
    assert document["new"] == 3
    codes = await market.conn.fetch("SELECT code FROM products WHERE code LIKE 'unit-%' ORDER BY code")
    assert [row["code"] for row in codes] == ["unit-0", "unit-1", "unit-3"]


async def test_trap_9_no_site_is_lost_without_a_filter_and_a_filter_keeps_its_country(
    market: Any, client: httpx.AsyncClient
) -> None:
    """nextcloud#50 lost the worldwide entry under a filter: here no site is worldwide, each has one country."""
    everywhere = (await client.get("/en/service-centers")).text
    vietnam = (await client.get("/en/service-centers?country=VN")).text
    assert all(f'id="{code}"' in everywhere for code in ("acme-hanoi", "acme-turin"))
    assert 'id="acme-hanoi"' in vietnam
    assert 'id="acme-turin"' not in vietnam


async def test_trap_11_nothing_known_is_shown_as_unknown_and_never_as_full_marks(
    market: Any, client: httpx.AsyncClient
) -> None:
    """ERPNext scores a supplier without data 100."""
    await market.conn.execute("DELETE FROM product_specs")
    page = (await client.get("/products/plc-1")).text
    said = page.partition("자료 충실도")[2].partition("</section>")[0]
    [score] = re.findall(r'value="([0-9]+)"', said)
    assert 0 <= int(score) < 10_000
    assert "원산지 주장" in said  # each missing fact by its name
    assert "share-verified" not in page  # no share is not a share of zero or of everything
    rows = (await client.get("/api/compare?id=cobot-5&id=cobot-10")).json()["groups"]
    share = [row for group in rows for row in group["rows"] if row["code"] == "domestic_share"]
    assert share == []  # nobody knows: no row rather than zeros


@pytest.mark.parametrize("field", ["minimum_product", "Complete_Profile", "vendr", "spec.payload_kg"])
async def test_trap_12_a_misspelt_key_is_refused_and_satisfies_nobody(
    market: Any, client: httpx.AsyncClient, field: str
) -> None:
    """Spree's plan: keys typed in a text box "failed open". Neither rules nor conditions may."""
    assert field not in RULES
    assert (await client.get("/api/search", params={field: "1"})).status_code == 400


async def test_trap_15_a_korean_code_is_an_address_everywhere(market: Any, client: httpx.AsyncClient) -> None:
    """Mercur's filter let ASCII handles through only."""
    await market.bring(
        "products", {"code": "협동로봇-십", "name_ko": "협동로봇 십", "name_en": "Cobot Ten", "model": "십"}
    )
    assert (await client.get("/products/협동로봇-십")).status_code == 200
    assert (await client.get("/api/products/협동로봇-십")).status_code == 200
    assert "협동로봇 십" in (await client.get("/compare?id=협동로봇-십&id=cobot-10")).text
    found = (await client.get("/api/search", params={"q": "협동로봇 십"})).json()
    assert found["hits"][0]["document"]["code"] == "협동로봇-십"
