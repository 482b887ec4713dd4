"""The catalog as JSON: problems for what is not there, strict parameters, imports that are idempotent by id."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

FILE = (
    "code,maker,maker_ko,maker_country,model,category,subcategory,name_ko,name_en,verification\n"
    "grip-1,Alpha Machines,알파기계,KR,G1,robot,gripper,그리퍼 1,Gripper 1,fictional\n"
).encode()
BROKEN_FILE = FILE.replace(b",robot,", b",rocket,")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/products/nothing", "product-not-found"),
        ("/api/package-models/nothing", "package-model-not-found"),
        ("/api/offers/nothing", "offer-not-found"),
    ],
)
async def test_an_unknown_code_is_a_problem(market: Any, client: httpx.AsyncClient, path: str, kind: str):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"], problem["code"]) == (f"/problems/{kind}", 404, "nothing")


async def test_a_package_model_comes_with_its_parts_offers_and_share(market: Any, client: httpx.AsyncClient):
    answer = (await client.get("/api/package-models/weld-cell")).json()
    package = answer["package_model"]
    assert [line["product"]["code"] for line in package["version"]["lines"]] == ["cobot-10", "plc-1"]
    assert [offer["code"] for offer in package["offers"]] == ["weld-offer"]
    assert answer["domestic_share"] is None, "no part has a price, so the share is unknown"


async def test_a_product_and_its_offers_are_read_in_base_units(market: Any, client: httpx.AsyncClient):
    await market.bring(
        "offers",
        {
            "code": "robot-offer",
            "product": "cobot-10",
            "list_unit_price_krw": "30000000",
            "tiers": "2:29000000",
        },
    )
    answer = (await client.get("/api/products/cobot-10")).json()
    specs = {spec["code"]: (spec["number"], spec["base_unit"]) for spec in answer["product"]["specs"]}
    assert specs == {"payload": (10.0, "kg"), "reach": (1300.0, "mm")}
    assert [offer["list_unit_price_krw"] for offer in answer["offers"]] == [30_000_000]
    assert (await client.get("/api/offers/robot-offer")).json()["subject"]["code"] == "cobot-10"


@pytest.mark.parametrize(("audience", "visitor", "member"), [("members", 404, 200), ("invited", 404, 404)])
async def test_an_offer_is_seen_by_its_audience_alone(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, audience: str, visitor: int, member: int
):
    await market.bring("offers", {"code": "robot-offer", "product": "cobot-10", "audience": audience})
    assert (await client.get("/api/offers/robot-offer")).status_code == visitor
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/api/offers/robot-offer")).status_code == member


async def test_search_answers_hits_facets_and_pages(market: Any, client: httpx.AsyncClient):
    answer = (await client.get("/api/search?q=cobot&kind=product&page_size=1&page=2")).json()
    assert (answer["total"], answer["page"], answer["page_count"], len(answer["hits"])) == (2, 2, 2, 1)
    assert answer["facets"]["category"] == [{"value": "robot", "count": 2}]
    assert answer["is_degraded"] is False


async def test_search_never_tells_who_else_may_see_a_listing(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    await market.conn.execute("UPDATE products SET visibility = 'owner' WHERE code = 'cobot-5'")
    await market.index()
    assert (await client.get("/api/search?q=C5&kind=product&category=robot")).json()["total"] == 0
    await sign_in_as(client, "alpha@test.example")
    hits = (await client.get("/api/search?kind=product&category=robot")).json()["hits"]
    assert sorted(hit["document"]["code"] for hit in hits) == ["cobot-10", "cobot-5"]
    assert [hit["document"]["tenants"] for hit in hits] == [[], []]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("categry=robot", "unknown-field"),
        ("visibility=members", "unknown-field"),
        ("tenants=1", "unknown-field"),
        ("category=rocket", "invalid-filter-value"),
        ("price_max=cheap", "invalid-filter-value"),
        ("sort=luck", "invalid-filter-value"),
        ("page_size=1000", "invalid-request"),
    ],
)
async def test_a_misspelt_condition_is_refused_and_never_counts_as_met(
    market: Any, client: httpx.AsyncClient, query: str, kind: str
):
    answer = await client.get(f"/api/search?{query}")
    assert (answer.status_code, answer.json()["type"]) == (400, f"/problems/{kind}")


async def test_sites_are_listed_with_their_true_roles(market: Any, client: httpx.AsyncClient):
    async def codes(query: str) -> list[str]:
        return [site["code"] for site in (await client.get(f"/api/service-centers{query}")).json()]

    assert await codes("") == ["acme-turin", "acme-hanoi"]
    assert await codes("?service_only=true") == ["acme-hanoi"]
    assert await codes("?role=sales") == ["acme-turin"]
    assert await codes("?country=VN&maker=Acme%20Robotics") == ["acme-hanoi"]
    for query in ("?role=barber", "?country=vietnam"):
        assert (await client.get(f"/api/service-centers{query}")).status_code == 400


# -- imports -------------------------------------------------------------------------------------------


async def put_file(client: httpx.AsyncClient, path: str, content: bytes) -> httpx.Response:
    token = client.cookies.get("csrftoken") or ""
    return await client.put(path, content=content, headers={"x-csrftoken": token})


async def test_the_same_put_twice_is_one_import(market: Any, client: httpx.AsyncClient, sign_in_as: Any):
    await sign_in_as(client, "alpha@test.example")
    import_id = uuid4()
    path = f"/api/imports/{import_id}?kind=products&file_name=grippers.csv&mode=apply"
    first, second = await put_file(client, path, FILE), await put_file(client, path, FILE)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["state"] == "applied"
    assert first.json()["report"] == {"new": 1, "changed": 0, "unchanged": 0, "missing": 3, "errors": []}
    assert (await client.get(f"/api/imports/{import_id}")).json() == first.json()
    other = await put_file(client, path, BROKEN_FILE)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/import-id-reused")
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 1


async def test_the_same_put_from_two_hands_at_once_is_one_import(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    await sign_in_as(client, "alpha@test.example")
    path = f"/api/imports/{uuid4()}?kind=products&file_name=grippers.csv&mode=apply"
    answers = await asyncio.gather(*(put_file(client, path, FILE) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.text for answer in answers} == {answers[0].text}
    assert await market.conn.fetchval("SELECT count(*) FROM products WHERE code = 'grip-1'") == 1
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 1


async def test_a_file_with_errors_is_answered_with_all_of_them_and_writes_nothing(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    await sign_in_as(client, "alpha@test.example")
    path = f"/api/imports/{uuid4()}?kind=products&file_name=grippers.csv&mode=apply"
    answer = (await put_file(client, path, BROKEN_FILE)).json()
    assert answer["state"] == "refused"
    assert [(e["line"], e["column"], e["found"]) for e in answer["report"]["errors"]] == [
        (2, "category", "rocket")
    ]
    assert await market.conn.fetchval("SELECT count(*) FROM products") == 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("kind=rockets&file_name=a.csv", 400),
        ("kind=products", 400),
        ("kind=vendors&file_name=a.csv", 403),
        ("kind=products&file_name=a.csv&mode=maybe", 400),
    ],
)
async def test_imports_that_make_no_sense_or_are_not_allowed_are_refused(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any, query: str, status: int
):
    await sign_in_as(client, "alpha@test.example")
    assert (await put_file(client, f"/api/imports/{uuid4()}?{query}", FILE)).status_code == status
    assert await market.conn.fetchval("SELECT count(*) FROM imports") == 0


async def test_imports_need_a_vendor_who_is_signed_in(
    market: Any, client: httpx.AsyncClient, sign_in_as: Any
):
    await client.get("/sign-in")
    path = f"/api/imports/{uuid4()}?kind=products&file_name=a.csv"
    assert (await put_file(client, path, FILE)).status_code == 401
    await sign_in_as(client, "mill@test.example")
    assert (await put_file(client, path, FILE)).status_code == 403
    assert await market.conn.fetchval("SELECT count(*) FROM files") == 0
