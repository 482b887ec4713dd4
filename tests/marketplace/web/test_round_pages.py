"""Pages of a round beyond the form: conflicts, estimates, proofs, calendar, invitations, announcements, auditors."""

import json
import re
from uuid import uuid4

from group_buy.closing import begin_closing
from group_buy.core.simulation import simulate_json
from group_buy.deciding import clear_if_decided

PLEDGE = {"quantity_min": "1", "limit_unit_price_krw": "", "payment_method": "transfer"}


async def pledge(market, client, submit, quantity: int = 3) -> str:
    pledge_id = str(uuid4())
    answer = await submit(
        client, "/rounds/spring/pledges", pledge_id=pledge_id, quantity_max=str(quantity), **PLEDGE
    )
    assert answer.status_code == 303, answer.text
    return pledge_id


async def decided(market) -> None:
    await market.conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by)
        SELECT p.id, 1, 'order', (SELECT min(id) FROM people) FROM pledges p
        """
    )
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
    await market.conn.execute("UPDATE rounds SET funding_due_at = clock_timestamp()")
    async with market.conn.transaction():
        assert await clear_if_decided(market.conn, code="spring")


async def test_a_stale_form_shows_both_versions_and_changes_nothing(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    pledge_id = await pledge(market, client, submit)
    form = {"pledge_id": pledge_id, "version": "1", **PLEDGE}
    assert (await submit(client, "/rounds/spring/pledges", **form, quantity_max="4")).status_code == 303
    answer = await submit(client, "/rounds/spring/pledges", **form, quantity_max="7")
    assert answer.status_code == 409
    assert "저장된 약정" in answer.text
    table = re.search(r'class="conflict".*?</table>', answer.text, re.DOTALL)
    assert table is not None
    assert re.findall(r'class="num">(\d+)<', table[0]) == ["1", "1", "4", "7"]
    assert 'value="7"' in answer.text
    assert await market.conn.fetchval("SELECT count(*) FROM pledge_versions") == 2
    again = await submit(client, "/rounds/spring/pledges", **form | {"version": "2"}, quantity_max="7")
    assert again.status_code == 303


async def test_a_form_pledges_more_units_at_a_lower_price_and_changes_them_in_place(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    [lower] = await market.conn.fetchrow(
        "SELECT (tiers->1->>'unit_price_krw')::bigint FROM rounds WHERE code = 'spring'"
    )
    await sign_in_as(client, "mill@test.example")
    form = {"pledge_id": str(uuid4()), "quantity_max": "4", **PLEDGE}
    steps = form | {"quantity_max_2": "6", "limit_unit_price_krw_2": str(lower)}
    refused = await submit(client, "/rounds/spring/pledges", **steps | {"quantity_min_2": "7"})
    assert refused.status_code == 400
    assert re.search(r'name="quantity_max_2"[^>]*value="6"', refused.text)
    assert await market.conn.fetchval("SELECT count(*) FROM pledges") == 0
    assert (await submit(client, "/rounds/spring/pledges", **steps)).status_code == 303
    lines = """
        SELECT version, quantity_min, quantity_max, limit_unit_price_krw, sequence FROM pledge_lines ORDER BY 1, line_no
    """
    first, second = await market.conn.fetch(lines)
    assert tuple(first)[:4] == (1, 1, 4, None)
    assert tuple(second)[:4] == (1, 1, 6, lower)
    page = await client.get("/rounds/spring")
    assert '<details class="wishes" open>' in page.text
    assert re.search(r'name="quantity_max_2"[^>]*value="6"', page.text)
    answer = await submit(client, "/rounds/spring/pledges", **steps, version="1")
    assert answer.status_code == 303
    assert (await submit(client, "/rounds/spring/pledges", **form, version="2")).status_code == 303
    *_, only = await market.conn.fetch(lines)
    assert tuple(only)[:4] == (3, 1, 4, None)
    assert only["sequence"] == first["sequence"]


async def test_a_refusal_stands_beside_its_row_also_where_a_row_before_it_is_empty(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    form = {"pledge_id": str(uuid4()), "quantity_max": "4", **PLEDGE}
    wrong = ({"quantity_min_3": "7", "quantity_max_3": "6"}, {"quantity_min_3": "7"})
    for fields, name in zip(wrong, ("quantity_min_3", "quantity_max_3"), strict=True):
        refused = await submit(client, "/rounds/spring/pledges", **form | fields)
        assert refused.status_code == 400
        invalid = re.findall(r'<input id="(\w+)"[^>]*aria-invalid="true"', refused.text)
        assert invalid == [name]
        assert '<details class="wishes" open>' in refused.text
    assert await market.conn.fetchval("SELECT count(*) FROM pledges") == 0


async def test_a_conflict_shows_every_row_of_both_versions(market, client, sign_in_as, submit) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    pledge_id = await pledge(market, client, submit)
    form = {"pledge_id": pledge_id, "version": "1", **PLEDGE}
    assert (await submit(client, "/rounds/spring/pledges", **form, quantity_max="4")).status_code == 303
    more = {f"quantity_max_{row}": str(row) for row in (2, 3, 4, 5)}
    answer = await submit(client, "/rounds/spring/pledges", **form, quantity_max="7", **more)
    assert answer.status_code == 409
    table = re.search(r'class="conflict".*?</table>', answer.text, re.DOTALL)
    assert table is not None
    for units in ("4", "7", "2", "3", "5"):
        assert f'<td class="num">{units}</td>' in table[0]


async def test_an_estimate_of_steps_counts_each_tier_with_the_units_that_accept_it(market, client) -> None:
    await market.open_round("spring", "weld-offer")
    tiers = json.loads(await market.conn.fetchval("SELECT tiers::text FROM rounds WHERE code = 'spring'"))
    page = await client.get(
        "/en/rounds/spring/estimate?quantity_min=1&quantity_max=4&limit_unit_price_krw="
        f"&quantity_max_2=6&limit_unit_price_krw_2={tiers[-1]['unit_price_krw']}"
    )
    assert page.status_code == 200
    units = re.findall(r'<tr><td class="num">[^<]*</td><td class="num">(\d+)</td>', page.text)
    assert units == ["4"] * (len(tiers) - 1) + ["10"]


async def test_an_estimate_tells_what_is_paid_now_and_later(market, client) -> None:
    await market.open_round("spring", "weld-offer")
    path = "/en/rounds/spring/estimate?quantity_min=1&quantity_max=10&limit_unit_price_krw="
    page = await client.get(path)
    assert page.status_code == 200
    assert "at most ₩48,000,000" in page.text
    assert "pay ₩495,000,000 in all" in page.text
    assert (await client.get("/rounds/spring/estimate?quantity_max=0&quantity_min=1")).status_code == 400


async def test_a_members_proof_and_an_auditors_input_name_the_same_digest(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    await pledge(market, client, submit)
    assert (await client.get("/rounds/spring/proof")).status_code == 404
    await decided(market)
    page = await client.get("/rounds/spring/proof")
    assert "모두 3개가 대당 48,000,000원에 성사되었고, 그중 3개를 받습니다." in page.text
    assert "5곳 미만이라 비공개" in page.text
    assert (await client.get("/rounds/spring/decisions/1")).status_code == 404
    await sign_in_as(client, "alliance@test.example")
    answer = await submit(client, "/coordinator/rounds/spring/auditors", organization_code="mill")
    assert answer.status_code == 400
    named = await submit(client, "/coordinator/rounds/spring/auditors", organization_code="beta")
    assert named.status_code == 303
    await sign_in_as(client, "beta@test.example")
    text = (await client.get("/rounds/spring/decisions/1")).content
    replayed, ok = simulate_json(text, explain=True)
    assert ok
    assert json.loads(replayed)["input_sha256"] in page.text


async def test_a_calendar_file_holds_the_rounds_dates(market, client) -> None:
    await market.open_round("spring", "weld-offer")
    answer = await client.get("/rounds/spring/calendar.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.text.count("BEGIN:VEVENT") == 3


async def test_an_invitation_opens_a_round_that_is_for_invited_factories(
    market, client, sign_in_as, submit
) -> None:
    await market.open_round("spring", "weld-offer")
    await market.conn.execute("UPDATE rounds SET audience = 'invited'")
    await sign_in_as(client, "alliance@test.example")
    page = await submit(client, "/coordinator/rounds/spring/invitations")
    token = re.search(r"/invitations/([\w-]+)", page.text)
    assert token is not None
    await sign_in_as(client, "mill@test.example")
    assert (await client.get("/rounds/spring")).status_code == 404
    assert (await client.get("/invitations/not-a-token")).status_code == 404
    for method in ("GET", "HEAD", "GET"):
        looked = await client.request(method, f"/invitations/{token[1]}")
        assert looked.status_code in {200, 405}
    assert "초대 수락하고 회차 보기" in looked.text
    assert await market.conn.fetchval("SELECT count(*) FROM round_guests") == 0
    assert (await client.get("/rounds/spring")).status_code == 404
    assert (await submit(client, "/invitations/not-a-token")).status_code == 404
    for _ in range(2):
        assert (await submit(client, f"/invitations/{token[1]}")).status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM round_guests") == 1
    assert (await client.get("/rounds/spring")).status_code == 200
    await pledge(market, client, submit)


async def test_an_announcement_is_shown_and_tells_the_buyers(market, client, sign_in_as, submit) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "mill@test.example")
    await pledge(market, client, submit)
    await sign_in_as(client, "alliance@test.example")
    fields = {
        "announcement_id": str(uuid4()),
        "text_ko": "실사 일정을 알려 드립니다.",
        "text_en": "Survey dates.",
    }
    for _ in range(2):
        answer = await submit(client, "/coordinator/rounds/spring/announcements", **fields)
        assert answer.status_code == 303
    assert "Survey dates." in (await client.get("/en/rounds/spring")).text
    told = "SELECT count(*) FROM notifications WHERE kind = 'round.announcement'"
    assert await market.conn.fetchval(told) == 1
    too_long = {"announcement_id": str(uuid4()), "text_ko": "길다" * 1001, "text_en": "kept"}
    refused = await submit(client, "/coordinator/rounds/spring/announcements", **too_long)
    assert refused.status_code == 400
    assert "2,000자까지" in refused.text
    assert too_long["text_ko"] in refused.text
    assert ">kept</textarea>" in refused.text
    assert await market.conn.fetchval(told) == 1
    lines = {"announcement_id": str(uuid4()), "text_ko": "가\r\n" * 999, "text_en": ""}
    assert (await submit(client, "/coordinator/rounds/spring/announcements", **lines)).status_code == 303


async def test_a_coordinator_runs_the_same_round_again(market, client, sign_in_as, submit) -> None:
    await market.open_round("spring", "weld-offer")
    await sign_in_as(client, "alliance@test.example")
    answer = await submit(client, "/coordinator/rounds/spring/repeat", in_days="30")
    assert answer.headers["location"].startswith("/coordinator/rounds/spring-r2")
    assert (await client.get("/coordinator/rounds/spring-r2")).status_code == 200
