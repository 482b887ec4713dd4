"""Statements and the ledger as people and programs get them: own entries only, the same sums everywhere."""

import csv
import io
from uuid import uuid4

from builders import a_person, an_organization

from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided


async def a_cleared_round(market, client, submit, sign_in_as) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    answer = await submit(
        client, "/rounds/spring/pledges", pledge_id=str(uuid4()), quantity_max="3", quantity_min="1",
        limit_unit_price_krw="", payment_method="transfer",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
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


async def test_a_buyer_sees_what_it_owes_as_a_page_a_file_and_json(
    market, client, submit, sign_in_as
) -> None:
    empty = market
    await sign_in_as(client, "mill@test.example")
    assert "이 기간에는 거래가 없습니다" in (await client.get("/my/statement")).text
    await a_cleared_round(empty, client, submit, sign_in_as)
    owed_krw = await market.conn.fetchval("SELECT balance_krw FROM invoices")
    page = (await client.get("/my/statement")).text
    assert "성사되어 배정" in page
    assert f"{owed_krw:,}원" in page
    english = (await client.get("/en/my/statement")).text
    assert "Deposit set off against the price" in english
    assert f"₩{owed_krw:,}" in english
    statement = (await client.get("/api/my/statement")).json()
    balances = {each["account"]: each["balance_krw"] for each in statement["balances"]}
    assert balances == {"buyer_receivable": owed_krw, "deposits_held": 0, "refunds_owed": 0, "carried": 0}
    rows = list(csv.reader(io.StringIO((await client.get("/my/statement.csv")).content.decode("utf-8-sig"))))
    assert [row[2] for row in rows[1:]] == [
        "보증금 입금",
        "성사되어 배정",
        "보증금을 대금에 충당",
        "보증금을 대금에 충당",
    ]
    assert len(rows) - 1 == len(statement["lines"]) == 4


async def test_a_period_without_entries_and_one_that_is_none(market, client, submit, sign_in_as) -> None:
    await a_cleared_round(market, client, submit, sign_in_as)
    assert "이 기간에는 거래가 없습니다" in (await client.get("/my/statement?until=2020-01-01")).text
    for query in ("since=yesterday", "since=2026-02-02&until=2026-02-01"):
        answer = await client.get(f"/my/statement?{query}")
        assert answer.status_code == 400
        assert 'class="field-error"' in answer.text
    assert (await client.get("/api/my/statement?since=yesterday")).status_code == 400


async def test_nobody_sees_the_entries_of_others(market, client, submit, sign_in_as) -> None:
    await a_cleared_round(market, client, submit, sign_in_as)
    await an_organization(market.conn, "stranger")
    await a_person(market.conn, "stranger", roles=("buyer",))
    await sign_in_as(client, "stranger@test.example")
    assert (await client.get("/api/my/statement")).json()["lines"] == []
    assert "성사되어 배정" not in (await client.get("/my/statement")).text
    for path in ("/vendor/statement", "/coordinator/ledger"):
        assert (await client.get(path)).status_code == 403


async def test_a_coordinator_sees_that_debits_equal_credits(market, client, submit, sign_in_as) -> None:
    await a_cleared_round(market, client, submit, sign_in_as)
    await sign_in_as(client, "alliance@test.example")
    page = (await client.get("/coordinator/ledger?round=spring")).text
    krw = await market.conn.fetchval("SELECT sum(amount_krw)::bigint FROM ledger_entries")
    assert page.count(f"{krw:,}원") == 2
    assert ">0원<" in page
    assert "아직 원장에 적힌 것이 없습니다" in (await client.get("/coordinator/ledger?round=other")).text
