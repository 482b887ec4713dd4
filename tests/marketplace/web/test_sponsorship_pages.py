"""Sponsorships over HTTP: offered by the coordinator, confirmed by the sponsor, paid, seen by whom they concern."""

import csv
import io
import re
from typing import Any
from uuid import uuid4

import pytest
from builders import a_person, an_organization

from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided

EVENTS = "SELECT count(*) FROM events WHERE kind LIKE 'sponsorship.%'"


def token(client: Any) -> dict[str, str]:
    """What a program of a signed-in person sends along."""
    return {"x-csrftoken": client.cookies["csrftoken"], "accept": "application/json"}


BASE = "/coordinator/rounds/spring/sponsorships"


@pytest.fixture
async def sponsored_market(market: Any, client: Any, submit: Any, sign_in_as: Any) -> Any:
    """A round that mill has joined, and a firm that may sponsor it."""
    await market.open_round("spring", "weld-offer")
    await an_organization(market.conn, "big-firm", kind="partner")
    await a_person(market.conn, "big-firm", roles=("finance",))
    await sign_in_as(client, "mill@test.example")
    answer = await submit(
        client, "/rounds/spring/pledges", pledge_id=str(uuid4()), quantity_max="3", quantity_min="1",
        limit_unit_price_krw="", payment_method="transfer",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    return market


async def offer(client: Any, submit: Any, sign_in_as: Any, **fields: str) -> Any:
    await sign_in_as(client, "alliance@test.example")
    asked = {"sponsorship_id": str(uuid4()), "sponsor": "big-firm", "kind": "share", "share_percent": "12.5",
             "krw_max": "", "member": "mill", "members": "", "note": "협력사 지원"} | fields  # fmt: skip
    return await submit(client, BASE, **asked)


async def clear(market: Any) -> None:
    await market.conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, received_krw, verified_by)
        SELECT p.id, 1, 'deposit', 1000000, (SELECT min(id) FROM people) FROM pledges p
        """
    )
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
    await market.conn.execute("UPDATE rounds SET funding_due_at = clock_timestamp()")
    async with market.conn.transaction():
        assert await clear_if_decided(market.conn, code="spring")


async def test_an_offer_is_confirmed_becomes_due_and_is_paid_by_its_reference(
    sponsored_market: Any, client: Any, submit: Any, sign_in_as: Any
) -> None:
    market = sponsored_market
    assert (await offer(client, submit, sign_in_as)).status_code == 303
    page = (await client.get(BASE)).text
    assert "확인 대기" in page
    assert "12.5" in page
    sponsorship_id = await market.conn.fetchval("SELECT id FROM sponsorships")
    await sign_in_as(client, "mill@test.example")
    assert "받을 후원" not in (await client.get("/rounds/spring")).text
    await sign_in_as(client, "big-firm@test.example")
    page = (await client.get("/my/sponsorships")).text
    assert 'href="/my/sponsorships"' in page
    assert "후원을 확인합니다" in page
    assert (await submit(client, f"/my/sponsorships/{sponsorship_id}/confirm")).status_code == 303
    await sign_in_as(client, "mill@test.example")
    page = (await client.get("/rounds/spring")).text
    assert "받을 후원" in page
    assert 'href="/my/sponsorships"' not in page
    await clear(market)
    total_krw, part_krw = await market.conn.fetchrow("SELECT total_krw, sponsored_krw FROM invoices")
    assert part_krw == total_krw * 1250 // 10_000
    assert f"{part_krw:,}원" in (await client.get("/rounds/spring")).text
    assert f"{part_krw:,}원" in (await client.get("/my/pledges")).text
    assert "카드로 내기" not in (await client.get("/my/pledges")).text
    number = await market.conn.fetchval("SELECT number FROM invoices")
    assert f"−{part_krw:,}원" in (await client.get(f"/my/invoices/{number}")).text
    balances = {
        each["account"]: each["balance_krw"]
        for each in (await client.get("/api/my/statement")).json()["balances"]
    }
    assert balances["buyer_receivable"] == total_krw - 1_000_000 - part_krw
    (promise,) = (await client.get("/api/my/promises")).json()
    assert promise["members"][0]["part_krw"] == part_krw

    await sign_in_as(client, "big-firm@test.example")
    (mine,) = (await client.get("/api/my/sponsorships")).json()
    assert (mine["open_krw"], mine["state"]) == (part_krw, "confirmed")
    assert mine["reference"] in (await client.get("/my/sponsorships")).text
    await sign_in_as(client, "alliance@test.example")
    page = (await client.get("/coordinator/ledger?round=spring")).text
    assert f'낼 후원금</th><td class="num">{part_krw:,}원</td><td class="num">–</td>' in page
    row = re.search(r"잔액 합계</th>(.*?)</tr>", page, re.DOTALL)
    assert row is not None
    debit, credit = re.findall(r"([\d,]+)원", row[1])
    assert debit == credit != "0"
    line = f"2026-11-20 09:00:00,{mine['reference']},0,{part_krw},{part_krw}"
    content = f"거래일시,적요,출금액(원),입금액(원),잔액(원)\n{line}\n"
    answer = await client.put(
        f"/api/bank-imports/{uuid4()}?file_name=b.csv&account=110234567890&mode=apply",
        content=content.encode(), headers=token(client),
    )  # fmt: skip
    assert answer.status_code in {200, 201}, answer.text
    assert [each["reference"] for each in answer.json()["booked"]] == [mine["reference"]]
    assert "후원 몫" in (await client.get("/coordinator/bank")).text
    assert "후원금 입금 반영" in (await client.get("/coordinator/rounds/spring")).text

    await sign_in_as(client, "big-firm@test.example")
    statement = (await client.get("/api/my/sponsor-statement")).json()
    assert [(line["reason"], line["balance_krw"]) for line in statement["lines"]] == [
        ("sponsored", part_krw),
        ("sponsor_paid", 0),
    ]
    assert "후원금 입금" in (await client.get("/my/sponsorships/statement")).text
    file = (await client.get("/my/sponsorships/statement.csv")).content.decode("utf-8-sig")
    assert [row[2] for row in list(csv.reader(io.StringIO(file)))[1:]] == ["후원 기업이 맡음", "후원금 입금"]
    assert "Paid" in (await client.get("/en/my/sponsorships")).text
    assert [result.name for result in await check_invariants(market.conn) if result.violations] == []


async def test_letting_off_asks_for_a_tick_and_tells_the_member(
    sponsored_market: Any, client: Any, submit: Any, sign_in_as: Any
) -> None:
    market = sponsored_market
    await offer(client, submit, sign_in_as, kind="top_up", krw_max="1,000,000", share_percent="")
    sponsorship_id = await market.conn.fetchval("SELECT id FROM sponsorships")
    await sign_in_as(client, "big-firm@test.example")
    assert (await submit(client, f"/my/sponsorships/{sponsorship_id}/confirm")).status_code == 303
    await clear(market)
    assert (await submit(client, f"{BASE}/{sponsorship_id}/release", confirmed="yes")).status_code == 403
    await sign_in_as(client, "alliance@test.example")
    await submit(client, f"{BASE}/{sponsorship_id}/release")
    assert await market.conn.fetchval("SELECT krw FROM current_sponsored_parts") == 1_000_000
    answer = await submit(client, f"{BASE}/{sponsorship_id}/release", confirmed="yes")
    assert answer.status_code == 303
    assert await market.conn.fetchval("SELECT krw FROM current_sponsored_parts") == 0
    answer = await submit(client, f"{BASE}/{sponsorship_id}/release", confirmed="yes")
    assert answer.status_code == 409
    assert "내지 않은 후원금이 없습니다" in answer.text
    await sign_in_as(client, "mill@test.example")
    assert "1,000,000원이 들어오지 않아" in (await client.get("/my/inbox")).text
    assert [result.name for result in await check_invariants(market.conn) if result.violations] == []


WRONG = {
    "share_percent": {"share_percent": "0"},
    "share_percent ": {"share_percent": "12.555"},
    "share_percent  ": {"share_percent": "101"},
    "krw_max": {"krw_max": "-5"},
    "krw_max ": {"kind": "top_up", "krw_max": ""},
    "kind": {"kind": "gift"},
    "members": {"member": "", "members": "nobody"},
    "members ": {"member": "", "members": ""},
    "sponsor": {"sponsor": "alpha"},
}


@pytest.mark.parametrize("field", WRONG)
async def test_a_wrong_field_is_named_and_nothing_is_kept(
    sponsored_market: Any, client: Any, submit: Any, sign_in_as: Any, field: str
) -> None:
    answer = await offer(client, submit, sign_in_as, **WRONG[field])
    assert answer.status_code == 400
    assert f'id="{field.strip()}-error"' in answer.text
    assert "협력사 지원" in answer.text
    assert await sponsored_market.conn.fetchval("SELECT count(*) FROM sponsorships") == 0


async def test_others_neither_see_nor_change_a_sponsorship(
    sponsored_market: Any, client: Any, submit: Any, sign_in_as: Any
) -> None:
    market = sponsored_market
    await offer(client, submit, sign_in_as)
    sponsorship_id = await market.conn.fetchval("SELECT id FROM sponsorships")
    await an_organization(market.conn, "stranger", kind="partner")
    await a_person(market.conn, "stranger", roles=("admin",))
    await an_organization(market.conn, "rivals", kind="coordinator")
    await a_person(market.conn, "rivals", roles=("operator",))
    before = await market.conn.fetchval(EVENTS)
    await sign_in_as(client, "stranger@test.example")
    assert (await client.get("/api/my/sponsorships")).json() == []
    assert (await client.get("/api/my/sponsor-statement")).json()["lines"] == []
    for step in ("confirm", "revoke"):
        way = f"/api/sponsorships/{sponsorship_id}/{step}"
        assert (await client.post(way, headers=token(client))).status_code == 404
    assert (await submit(client, f"/my/sponsorships/{sponsorship_id}/confirm")).status_code == 404
    assert (await client.get(BASE)).status_code == 403
    await sign_in_as(client, "rivals@test.example")
    assert (await client.get(BASE)).status_code == 404
    assert (await client.get("/api/rounds/spring/sponsorships")).json() == []
    body = {"sponsor": "big-firm", "kind": "share", "share_bp": 100, "members": ["mill"]}
    assert (
        await client.put(f"/api/rounds/spring/sponsorships/{uuid4()}", json=body, headers=token(client))
    ).status_code == 404
    assert (
        await client.post(f"/api/sponsorships/{sponsorship_id}/release", headers=token(client))
    ).status_code == 404
    assert (await submit(client, f"{BASE}/{sponsorship_id}/revoke")).status_code == 404
    await sign_in_as(client, "beta@test.example")
    assert (
        await client.post(f"/api/sponsorships/{sponsorship_id}/confirm", headers=token(client))
    ).status_code == 403
    assert await market.conn.fetchval(EVENTS) == before
    assert await market.conn.fetchval("SELECT count(*) FROM sponsorships WHERE confirmed_at IS NULL") == 1


async def test_a_program_offers_confirms_and_takes_back(
    sponsored_market: Any, client: Any, sign_in_as: Any
) -> None:
    market = sponsored_market
    sponsorship_id = uuid4()
    path = f"/api/rounds/spring/sponsorships/{sponsorship_id}"
    await sign_in_as(client, "alliance@test.example")
    body = {"sponsor": "big-firm", "kind": "share", "share_bp": 3000, "members": ["mill"]}
    for _ in range(2):
        assert (await client.put(path, json=body, headers=token(client))).status_code == 204
    answer = await client.put(path, json=body | {"members": ["nobody"]}, headers=token(client))
    assert answer.status_code == 400
    assert (answer.json()["errors"][0]["pointer"], answer.json()["found"]) == ("/members", "nobody")
    for wrong in ({"share_bp": 10_001}, {"krw_max": 0}, {"members": []}, {"secret": 1}):
        assert (await client.put(path, json=body | wrong, headers=token(client))).status_code == 400
    (shown,) = (await client.get("/api/rounds/spring/sponsorships")).json()
    assert (shown["id"], shown["state"], shown["share_bp"]) == (str(sponsorship_id), "offered", 3000)
    await sign_in_as(client, "big-firm@test.example")
    for _ in range(2):
        assert (
            await client.post(f"/api/sponsorships/{sponsorship_id}/confirm", headers=token(client))
        ).status_code == 204
    for _ in range(2):
        assert (
            await client.post(f"/api/sponsorships/{sponsorship_id}/revoke", headers=token(client))
        ).status_code == 204
    answer = await client.post(f"/api/sponsorships/{sponsorship_id}/confirm", headers=token(client))
    assert (answer.status_code, answer.json()["reason"]) == (409, "revoked")
    await clear(market)
    assert await market.conn.fetchval("SELECT sponsored_krw FROM invoices") == 0
