"""The comparison under its address: rows, marks, cost, files, and what the catalog's traps look like in it."""

import csv
import io
import time
from typing import Any

import httpx
import pytest

ROBOTS = "id=cobot-10&id=cobot-5"


def rows_of(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    return {row["code"]: row for group in answer.json()["groups"] for row in group["rows"]}


async def test_the_same_address_gives_another_visitor_the_same_table(market: Any, client: httpx.AsyncClient):
    address = f"/compare?{ROBOTS}&years=3&one_off.cobot-10=30000000&differences=yes"
    first = await client.get(address)
    second = await client.get(address, headers={"user-agent": "another browser"})
    tables = [
        page.text.partition('class="compare-table"')[2].partition("</table>")[0] for page in (first, second)
    ]
    assert tables[0] == tables[1]
    assert "3,000만원" in tables[0]
    assert 'id="differences" name="differences" value="yes" form="cost-form" checked' in first.text


async def test_best_is_marked_only_among_things_that_do_the_same_work(market: Any, client: httpx.AsyncClient):
    same = (await client.get(f"/api/compare?{ROBOTS}")).json()
    mixed = (await client.get("/api/compare?id=cobot-10&id=plc-1")).json()
    cells = [cell for group in mixed["groups"] for row in group["rows"] for cell in row["cells"]]
    assert (same["is_ranked"], mixed["is_ranked"]) == (True, False)
    assert [cell for cell in cells if cell["best"]] == []
    # weld-cell and load-cell share no industry
    other = (await client.get("/api/compare?id=weld-cell&id=load-cell")).json()
    assert other["is_ranked"] is False


async def test_unknown_is_unknown_and_blocks_the_mark(market: Any, client: httpx.AsyncClient):
    rows = rows_of(await client.get(f"/api/compare?{ROBOTS}"))
    assert [cell["value"] and cell["value"]["number"] for cell in rows["reach"]["cells"]] == [1300, None]
    assert [cell["best"] for cell in rows["reach"]["cells"]] == [False, False]
    assert [cell["best"] for cell in rows["payload"]["cells"]] == [True, False]


async def test_trap_6_every_property_is_compared_whether_or_not_it_varies(
    market: Any, client: httpx.AsyncClient
):
    """odoo#147894: attributes that make no variants vanish from the comparison."""
    for code in ("cobot-10", "cobot-5"):
        await market.conn.execute(
            """
            INSERT INTO product_specs (product_id, code, text, shown)
            SELECT id, 'drive', 'AC', 'AC' FROM products WHERE code = $1
            """,
            code,
        )
    rows = rows_of(await client.get(f"/api/compare?{ROBOTS}"))
    assert rows["drive"]["is_same"] is True
    assert [cell["value"]["text"] for cell in rows["drive"]["cells"]] == ["AC", "AC"]


async def test_trap_4_prices_are_won_and_nothing_else(market: Any):
    """ERPNext compared raw amounts of several currencies: here no other currency gets in."""
    offer = {"code": "o", "product": "cobot-10", "list_unit_price_krw": "€ 50,00"}
    with pytest.raises(AssertionError):
        await market.add("offers", offer)
    assert await market.conn.fetchval("SELECT count(*) FROM offers") == 1


async def test_trap_15_korean_codes_are_compared(market: Any, client: httpx.AsyncClient):
    await market.add(
        "products", {"code": "협동로봇-가", "model": "G", "name_ko": "협동로봇 가", "name_en": "Cobot G"}
    )
    answer = await client.get(
        "/api/compare", params={"id": ["협동로봇-가", "cobot-5"], "training.협동로봇-가": "70"}
    )
    assert [item["code"] for item in answer.json()["items"]] == ["협동로봇-가", "cobot-5"]
    assert [cell["value"] for cell in rows_of(answer)["cost_training"]["cells"]] == [70, None]


async def test_the_cost_is_complete_only_when_all_is_known(market: Any, client: httpx.AsyncClient):
    known = "&".join(
        f"{name}.{code}=0" for code in ("cobot-10", "cobot-5") for name in ("energy", "training", "service")
    )
    prices = "one_off.cobot-10=30000000&one_off.cobot-5=20000000"
    rows = rows_of(await client.get(f"/api/compare?{ROBOTS}&{prices}"))
    assert [cell["value"]["is_complete"] for cell in rows["cost_total"]["cells"]] == [False, False]
    assert [cell["best"] for cell in rows["cost_total"]["cells"]] == [False, False]
    rows = rows_of(
        await client.get(f"/api/compare?{ROBOTS}&{prices}&{known}&subsidy_percent=50&subsidy_max=12,000,000")
    )
    assert [cell["value"] for cell in rows["cost_total"]["cells"]] == [
        {"krw": 18_000_000, "is_complete": True},
        {"krw": 10_000_000, "is_complete": True},
    ]
    assert [cell["best"] for cell in rows["cost_total"]["cells"]] == [False, True]


@pytest.mark.parametrize("text", ["€ 50,00", "1.000.000", "-1", "9" * 20, "NaN", "1e3", "₩1"])
async def test_trap_2_an_amount_that_cannot_be_read_is_named_and_never_zero(
    market: Any, client: httpx.AsyncClient, text: str
):
    answer = await client.get(
        "/api/compare", params={"id": ["cobot-10", "cobot-5"], "training.cobot-10": text}
    )
    assert answer.status_code == 200
    assert answer.json()["wrong_inputs"] == ["training.cobot-10"]
    assert "cost_training" not in rows_of(answer)


async def test_the_csv_holds_the_rows_of_the_page_and_no_formula(market: Any, client: httpx.AsyncClient):
    await market.conn.execute("UPDATE products SET name_en = '=HYPERLINK(1)' WHERE code = 'cobot-5'")
    answer = await client.get(f"/en/compare.csv?{ROBOTS}&one_off.cobot-10=30000000")
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert list(table[0]) == ["Kind", "Property", "Cobot C10", "'=HYPERLINK(1)", "Best"]
    payload = next(row for row in table if row["Property"] == "Payload")
    assert (payload["Cobot C10"], payload["'=HYPERLINK(1)"], payload["Best"]) == (
        "10 kg",
        "5 kg",
        "Cobot C10",
    )
    differing = await client.get(f"/en/compare.csv?{ROBOTS}&differences=yes")
    assert len(differing.text.splitlines()) < len(answer.text.splitlines())


async def test_the_print_sheet_has_boxes_to_sign_and_its_own_address(market: Any, client: httpx.AsyncClient):
    page = await client.get(f"/compare?{ROBOTS}&years=4")
    assert "도입 비교 검토서" in page.text
    assert "http://127.0.0.1:8000/compare?id=cobot-10&amp;id=cobot-5&amp;years=4" in page.text


async def test_eight_columns_take_few_queries(market: Any, client: httpx.AsyncClient):
    rows = [
        {"code": f"unit-{n}", "model": f"U{n}", "name_ko": f"장비 {n}", "name_en": f"Unit {n}"}
        for n in range(8)
    ]
    await market.add("products", *rows)
    address = "/api/compare?" + "&".join(f"id=unit-{n}" for n in range(8))
    await client.get(address)
    cpu = time.process_time()
    assert len((await client.get(address)).json()["items"]) == 8
    assert time.process_time() - cpu < 0.05


async def test_programs_are_chosen_by_name_and_every_step_has_its_basis(
    market: Any, client: httpx.AsyncClient
) -> None:
    programs = "subsidy=subsidy-2017&loan=100,000,000&loan_program=guarantee-loan-2017"
    address = f"{ROBOTS}&one_off.cobot-10=475000000&level=4&{programs}"
    cost = (await client.get(f"/api/compare?{address}")).json()["costs"]["cobot-10"]
    lines = {line["part"]: line for line in cost["lines"]}
    assert (lines["subsidy"]["krw"], lines["loan_relief"]["krw"]) == (-200_000_000, -5 * 1_380_000)
    assert [step["krw"] for step in lines["subsidy"]["steps"]] == [-50_000_000, -150_000_000]
    assert all("2017" in step["basis_ko"] for step in lines["subsidy"]["steps"])
    page = (await client.get(f"/compare?{address}")).text
    assert "375,000,000원의 40 % = 150,000,000원" in page
    assert "energy-news.co.kr 46008" in page
    assert "끝난 조건" in page  # terms of a year that is over are said to be so
    wrong = await client.get(
        f"/api/compare?{ROBOTS}&subsidy=subsidy-1999&loan_program=x&guarantee_percent=85"
    )
    assert sorted(wrong.json()["wrong_inputs"]) == ["loan_program", "subsidy"]


async def test_a_package_page_shows_its_cost_from_what_is_listed_and_what_the_factory_adds(
    market: Any, client: httpx.AsyncClient
) -> None:
    await market.conn.execute(
        """
        UPDATE package_facts f SET monthly_fee_krw = 300000, saved_kwh_per_year = 10000
        FROM package_versions n JOIN package_models m ON m.id = n.package_model_id
        WHERE f.package_version_id = n.id AND m.code = 'weld-cell' AND n.is_current
        """
    )
    page = (
        await client.get("/packages/weld-cell?years=3&energy_price=150&training.weld-cell=2,000,000")
    ).text
    cost = page.partition('id="cost"')[2].partition("</section>")[0]
    assert "300,000원 × 36개월 = 10,800,000원" in cost
    assert "연 -10,000 kWh × 150원 × 3년 = -4,500,000원" in cost
    assert "등록된 값" in cost
    assert "우리 공장이 적은 값" in cost
    assert "58,300,000원" in cost  # 50,000,000 + 10,800,000 − 4,500,000 + 2,000,000, service unknown
    assert "아는 비용만 더한 값" in cost
    bad = (await client.get("/packages/weld-cell?energy_price=%E2%82%AC5,0")).text
    assert 'aria-invalid="true"' in bad.partition('id="cost"')[2].partition("</section>")[0]
