"""After clearing, over HTTP: lapses, consents, deliveries, site surveys, substitutes, single purchases, demands."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import httpx
import pytest

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.consenting import answer_consent
from group_buy.core.pledge import LineInput
from group_buy.core.round import RoundPolicies
from group_buy.deciding import clear_if_decided
from group_buy.errors import ConsentClosed, InvalidRound, SinglePurchaseConflict
from group_buy.pledging import place_pledge
from group_buy.rounds import open_round
from group_buy.single_purchasing import SinglePurchaseState, buy_single
from marketplace.accounts.people import add_organization, add_person
from marketplace.db import connect
from marketplace.web.labels import LABELS

PASSWORD = "a password of a test"


async def counts(market) -> dict[str, int]:
    """How many rows there are of everything that a refusal must not touch."""
    tables = (
        "events", "notifications", "allocation_changes", "price_consents", "deliveries", "survey_quotes", "charges",
        "pledge_substitutes", "single_purchases", "demands", "rounds", "clearings", "round_guests",
    )  # fmt: skip
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables)
    found = dict(await market.conn.fetch(query))
    answers = "SELECT count(*) FROM price_consents WHERE answer IS NOT NULL"
    events = "SELECT count(*) FROM events WHERE kind <> 'person.signed_in'"
    return found | {
        "answers": await market.conn.fetchval(answers),
        "events": await market.conn.fetchval(events),
    }


@pytest.fixture
async def factories(market) -> dict[str, tuple[int, int]]:
    """mill, and three factories more: organization and person by name."""
    mill = await market.conn.fetchrow(
        """
        SELECT m.organization_id, m.person_id FROM memberships m JOIN people p ON p.id = m.person_id
        WHERE p.email = 'mill@test.example'
        """
    )
    found = {"mill": (mill[0], mill[1])}
    for name in ("forge", "press", "cast"):
        organization = await add_organization(
            market.conn, code=name, kind="factory", name_ko=f"{name} 공장", name_en=f"{name} factory"
        )
        person = await add_person(
            market.conn,
            email=f"{name}@test.example",
            name=name,
            password=PASSWORD,
            organization_id=organization,
            roles=frozenset({"buyer"}),
        )
        found[name] = (organization, person)
    return found


async def make_round(market, code: str = "spring", *, days: int = 3, **policies) -> None:
    person = await market.conn.fetchval("SELECT id FROM people WHERE email = 'alliance@test.example'")
    now = await market.conn.fetchval("SELECT clock_timestamp()")
    async with market.conn.transaction():
        await open_round(
            market.conn,
            code=code,
            offer_code="weld-offer",
            coordinator_id=market.coordinator.organization_id,
            opens_at=now,
            closes_at=now + timedelta(days=days),
            allocation_rule="time",
            deposit_bp=1000,
            may_close_early=True,
            funding_window=timedelta(0),
            policies=RoundPolicies(**policies),
            actor=Actor(person, market.coordinator.organization_id),
        )


async def pledged(market, factories, **quantities: int) -> dict[str, UUID]:
    """Pledges that are backed by an order."""
    ids: dict[str, UUID] = {}
    for name, quantity in quantities.items():
        organization, person = factories[name]
        pledge = await place_pledge(
            market.conn,
            round_code="spring",
            pledge_id=uuid4(),
            buyer=Viewer(organization, "factory"),
            person_id=person,
            funding="transfer",
            lines=(LineInput(quantity),),
        )
        ids[name] = pledge.id
        await market.conn.execute(
            """
            INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by) VALUES ($1, 1, 'order', $2)
            """,
            pledge.id,
            person,
        )
    return ids


async def decide(market) -> None:
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
        assert await clear_if_decided(market.conn, code="spring")


async def json_request(client: httpx.AsyncClient, method: str, path: str, body=None) -> httpx.Response:
    await client.get("/sign-in")
    headers = {"x-csrftoken": client.cookies["csrftoken"], "accept": "application/json"}
    return await client.request(method, path, json=body, headers=headers)


def text_of(page: httpx.Response) -> str:
    """What a person reads: without tags, spaces collapsed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


async def cleared_at_the_cheap_price(market, factories, **policies) -> dict[str, UUID]:
    """10 units at the second tier, with nobody to spare."""
    await make_round(market, **policies)
    ids = await pledged(market, factories, mill=4, forge=4, press=2)
    await decide(market)
    assert await market.conn.fetchval("SELECT unit_price_krw FROM rounds") == 45_000_000
    return ids


# -- lapses and consents -------------------------------------------------------------------------------


async def test_a_lapse_asks_the_others_and_shows_every_step(
    market, client, sign_in_as, submit, factories
) -> None:
    ids = await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    page = await client.get("/coordinator/rounds/spring/after")
    assert page.status_code == 200
    before = await counts(market)
    path = "/coordinator/rounds/spring/lapses"
    unsure = await submit(client, path, pledge_id=str(ids["press"]))
    assert unsure.status_code == 400
    assert "바뀐 것은 없습니다" in unsure.text
    assert await counts(market) == before
    for _ in range(2):
        done = await submit(client, path, pledge_id=str(ids["press"]), confirmed="yes")
        assert done.status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM price_consents") == 2
    shown = text_of(await client.get("/coordinator/rounds/spring/after"))
    for words in (
        "같은 단가 유지 시도",
        "성립하지 않음",
        "동의한 공장만 단가 인상",
        "동의를 물음",
        "결제하지 못함",
    ):
        assert words in shown, words
    english = text_of(await client.get("/en/coordinator/rounds/spring/after"))
    assert "Consent asked" in english
    refused = await submit(client, "/coordinator/rounds/spring/order")
    assert refused.status_code == 409
    assert "답을 기다리는 공장" in refused.text
    assert await market.conn.fetchval("SELECT state FROM rounds") == "cleared"


async def test_a_buyer_reads_the_whole_question_and_answers_once(
    market, client, sign_in_as, submit, factories
) -> None:
    ids = await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    await json_request(client, "PUT", f"/api/rounds/spring/lapses/{ids['press']}")
    path = f"/my/pledges/{ids['mill']}/consents/48000000"
    await sign_in_as(client, "forge@test.example")
    assert (await client.get(path)).status_code == 404
    before = await counts(market)
    assert (await submit(client, path, answer="yes")).status_code == 404
    assert await counts(market) == before
    await sign_in_as(client, "mill@test.example")
    assert path in (await client.get("/my/pledges")).text
    shown = text_of(await client.get(path))
    for words in ("45,000,000원", "48,000,000원", "211,200,000원", "답할 기한", "위약금 없이", "4대"):
        assert words in shown, words
    assert "₩211,200,000" in text_of(await client.get(f"/en{path}"))
    for _ in range(2):
        assert (await submit(client, path, answer="yes")).status_code == 303
    before = await counts(market)
    changed = await submit(client, path, answer="no")
    assert changed.status_code == 409
    assert "이 답은 받지 않았습니다" in changed.text
    assert await counts(market) == before
    other = f"/api/pledges/{ids['forge']}/consents/48000000"
    await sign_in_as(client, "forge@test.example")
    assert (await json_request(client, "PUT", other, {"answer": "yes"})).status_code == 204
    row = await market.conn.fetchrow("SELECT state, unit_price_krw, quantity FROM rounds")
    assert tuple(row) == ("cleared", 48_000_000, 8)


async def test_a_late_answer_is_refused_by_the_databases_clock(
    market, client, sign_in_as, factories, owner_conn
) -> None:
    ids = await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    await json_request(client, "PUT", f"/api/rounds/spring/lapses/{ids['press']}")
    await owner_conn.execute("UPDATE price_consents SET due_at = clock_timestamp()")
    await sign_in_as(client, "mill@test.example")
    before = await counts(market)
    late = await json_request(
        client, "PUT", f"/api/pledges/{ids['mill']}/consents/48000000", {"answer": "yes"}
    )
    assert (late.status_code, late.json()["type"]) == (409, "/problems/consent-closed")
    never = await json_request(client, "PUT", f"/api/pledges/{ids['mill']}/consents/1", {"answer": "yes"})
    assert never.status_code == 404
    assert await counts(market) == before
    [question] = (await json_request(client, "GET", "/api/consents")).json()
    assert (question["is_open"], question["unit_price_krw"]) == (False, 48_000_000)


# -- deliveries ----------------------------------------------------------------------------------------


async def test_a_short_delivery_by_the_vendor_is_shared_and_shown_to_its_buyers(
    market, client, sign_in_as, submit, factories
) -> None:
    await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    assert (await submit(client, "/coordinator/rounds/spring/order")).status_code == 303
    await sign_in_as(client, "beta@test.example")
    before = await counts(market)
    for path in ("/vendor/rounds/spring", "/vendor/rounds/unknown"):
        assert (await client.get(path)).status_code == 404
    assert (await submit(client, "/vendor/rounds/spring/delivery", quantity="9")).status_code == 404
    foreign = await json_request(client, "PUT", "/api/rounds/spring/delivery", {"quantity": 9})
    assert foreign.status_code == 404
    await sign_in_as(client, "alpha@test.example")
    assert "spring" in (await client.get("/vendor/rounds")).text
    for wrong in ("", "-1", "21", "9.5", "9" * 5000):
        refused = await submit(client, "/vendor/rounds/spring/delivery", quantity=wrong)
        assert refused.status_code == 400, wrong[:10]
    assert await counts(market) == before
    for _ in range(2):
        assert (await submit(client, "/vendor/rounds/spring/delivery", quantity="9")).status_code == 303
    assert (await submit(client, "/vendor/rounds/spring/delivery", quantity="8")).status_code == 409
    assert await market.conn.fetchval("SELECT quantity FROM deliveries") == 9
    shown = text_of(await client.get("/vendor/rounds/spring"))
    assert "2 → 1대" in shown
    await sign_in_as(client, "press@test.example")
    for path in ("/rounds/spring", "/my/pledges"):
        assert "2 → 1대" in text_of(await client.get(path)), path
    assert "49,500,000원 줄어" in text_of(await client.get("/rounds/spring"))
    await sign_in_as(client, "mill@test.example")
    assert "2 → 1대" not in text_of(await client.get("/rounds/spring"))


async def test_an_over_delivery_goes_back_where_nobody_wanted_more(
    market, client, sign_in_as, factories
) -> None:
    await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    assert (await json_request(client, "POST", "/api/rounds/spring/order")).status_code == 204
    answer = await json_request(client, "PUT", "/api/rounds/spring/delivery", {"quantity": 12})
    assert answer.json() == {"code": "spring", "quantity": 12, "returned": 2}
    assert await market.conn.fetchval("SELECT quantity FROM rounds") == 10


# -- site surveys --------------------------------------------------------------------------------------


async def test_a_quote_above_the_cap_lets_a_buyer_leave_free_of_charge(
    market, client, sign_in_as, submit, factories
) -> None:
    await make_round(market, survey_cap_krw=1_000_000)
    await market.conn.execute(
        "UPDATE rounds SET installation_includes = '{로봇 설치}', installation_excludes = '{전기 공사}'"
    )
    ids = await pledged(market, factories, mill=4, forge=6, press=2)
    page = text_of(await client.get("/rounds/spring"))
    assert "로봇 설치" in page
    assert "전기 공사" in page
    assert "1,000,000원(부가세 별도)입니다" in page
    await decide(market)
    await sign_in_as(client, "beta@test.example")
    before = await counts(market)
    quote = f"/vendor/rounds/spring/pledges/{ids['press']}/survey"
    assert (await submit(client, quote, quote_krw="1", note="")).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    for wrong in ("", "-5", "many"):
        refused = await submit(client, quote, quote_krw=wrong, note="지게차 필요")
        assert refused.status_code == 400
        assert refused.text.count('value="지게차 필요"') == 1
    assert await counts(market) == before
    for _ in range(2):
        assert (await submit(client, quote, quote_krw="1500000", note="배관 이설")).status_code == 303
    assert (await submit(client, quote, quote_krw="1400000", note="")).status_code == 409
    assert (
        await submit(client, quote.replace(str(ids["press"]), str(ids["mill"])), quote_krw="900000")
    ).status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM events WHERE kind = 'pledge.surveyed'") == 2
    await sign_in_as(client, "mill@test.example")
    assert (await client.get(f"/my/pledges/{ids['press']}/survey")).status_code == 404
    within = text_of(await client.get(f"/my/pledges/{ids['mill']}/survey"))
    assert "비용 없이 나가는 선택은 없습니다" in within
    before = await counts(market)
    answer = await json_request(
        client, "PUT", f"/api/pledges/{ids['mill']}/survey-answer", {"answer": "leave"}
    )
    assert answer.status_code == 404
    assert await counts(market) == before
    assert (await submit(client, f"/my/pledges/{ids['mill']}/survey", answer="accept")).status_code == 303
    await sign_in_as(client, "alliance@test.example")
    assert (await submit(client, "/coordinator/rounds/spring/order")).status_code == 409
    await sign_in_as(client, "press@test.example")
    assert "배관 이설" in (await client.get(f"/en/my/pledges/{ids['press']}/survey")).text
    for _ in range(2):
        assert (await submit(client, f"/my/pledges/{ids['press']}/survey", answer="leave")).status_code == 303
    assert (await submit(client, f"/my/pledges/{ids['press']}/survey", answer="accept")).status_code == 409
    assert await market.conn.fetchval("SELECT quantity FROM rounds") == 10
    assert await market.conn.fetchval("SELECT count(*) FROM charges WHERE state = 'due'") == 2
    await sign_in_as(client, "alliance@test.example")
    assert (await submit(client, "/coordinator/rounds/spring/order")).status_code == 303


# -- substitutes ---------------------------------------------------------------------------------------


async def test_a_buyer_ranks_sees_and_withdraws_substitutes(
    market, client, sign_in_as, submit, factories
) -> None:
    await make_round(market)
    await make_round(market, "summer", days=10)
    await make_round(market, "early", days=1)
    ids = await pledged(market, factories, mill=3)
    path = f"/my/pledges/{ids['mill']}/substitutes"
    await sign_in_as(client, "forge@test.example")
    before = await counts(market)
    assert (await client.get(path)).status_code == 404
    fields = {"round-1": "summer", "min-1": "1", "max-1": "2", "limit-1": ""}
    assert (await submit(client, path, **fields)).status_code == 404
    await sign_in_as(client, "mill@test.example")
    page = await client.get(path)
    assert 'value="summer"' in page.text
    assert 'value="early"' not in page.text
    for wrong in ({"round-1": "early"}, {"max-1": "0"}, {"min-1": "x"}, {"max-1": "900"}):
        refused = await submit(client, path, **fields | wrong)
        assert refused.status_code == 400, wrong
        assert "고른 회차, 수량, 한도를 확인하세요" in refused.text
    assert await counts(market) == before
    assert (await submit(client, path, **fields)).status_code == 303
    ranked = (await json_request(client, "GET", f"/api/pledges/{ids['mill']}/substitutes")).json()
    assert [(each["round_code"], each["lines"][0]["quantity_max"]) for each in ranked] == [("summer", 2)]
    assert "summer" in (await client.get(f"/en{path}")).text
    assert (await submit(client, path, **fields, withdraw="yes")).status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM pledge_substitutes") == 0
    body = {"substitutes": [{"round_code": "summer", "lines": [{"quantity_max": 2}]}]}
    put = await json_request(client, "PUT", f"/api/pledges/{ids['mill']}/substitutes", body)
    assert put.status_code == 200
    assert (
        await json_request(client, "DELETE", f"/api/pledges/{ids['mill']}/substitutes")
    ).status_code == 204
    assert await market.conn.fetchval("SELECT count(*) FROM pledge_substitutes") == 0


async def test_a_family_shows_its_order_and_belongs_to_one_coordinator(market, client) -> None:
    await make_round(market, family="spring sale", family_position=1)
    await make_round(market, "second", family="spring sale", family_position=2)
    page = text_of(await client.get("/rounds/second"))
    assert page.index("spring") < page.rindex("second")
    assert "회차 묶음" in page
    other = await add_organization(
        market.conn, code="rival", kind="coordinator", name_ko="다른 운영", name_en="Rival"
    )
    now = await market.conn.fetchval("SELECT clock_timestamp()")
    with pytest.raises(InvalidRound) as refusal:
        async with market.conn.transaction():
            await open_round(
                market.conn,
                code="intruder",
                offer_code="weld-offer",
                coordinator_id=other,
                opens_at=now,
                closes_at=now + timedelta(days=1),
                allocation_rule="time",
                deposit_bp=0,
                may_close_early=False,
                funding_window=timedelta(0),
                policies=RoundPolicies(family="spring sale", family_position=7),
                actor=Actor(None, other),
            )
    assert refusal.value.pointer == "/policies/family_position"
    assert await market.conn.fetchval("SELECT count(*) FROM rounds") == 2


# -- single purchases ----------------------------------------------------------------------------------


async def test_after_a_shortfall_one_click_buys_alone_at_the_frozen_price(
    market, client, sign_in_as, submit, factories, owner_conn
) -> None:
    await make_round(market)
    await pledged(market, factories, mill=1)
    await decide(market)
    assert await market.conn.fetchval("SELECT state FROM rounds") == "released"
    buy = "/rounds/spring/single-purchases"
    purchase_id = str(uuid4())
    await sign_in_as(client, "forge@test.example")
    before = await counts(market)
    stranger = await json_request(client, "PUT", f"/api{buy}/{uuid4()}", {"quantity": 1})
    assert (stranger.status_code, stranger.json()["type"]) == (409, "/problems/single-price-over")
    assert "이 가격에 구매" not in (await client.get("/rounds/spring")).text
    await sign_in_as(client, "mill@test.example")
    assert "50,000,000원" in text_of(await client.get("/rounds/spring"))
    assert (await json_request(client, "PUT", f"/api{buy}/{uuid4()}", {"quantity": 21})).status_code == 400
    assert await counts(market) == before
    for _ in range(2):
        answer = await submit(client, buy, purchase_id=purchase_id, quantity="1")
        assert answer.headers["location"].endswith("single-placed")
    assert await market.conn.fetchval("SELECT count(*) FROM single_purchases") == 1
    reused = await json_request(client, "PUT", f"/api{buy}/{purchase_id}", {"quantity": 2})
    assert reused.json()["type"] == "/problems/id-reused"
    second = await json_request(client, "PUT", f"/api{buy}/{uuid4()}", {"quantity": 1})
    assert second.json()["type"] == "/problems/single-purchase-conflict"
    await owner_conn.execute("UPDATE offers SET list_unit_price_krw = 99999999")
    for email, path in (
        ("mill", "/my/pledges"),
        ("alpha", "/vendor/rounds/spring"),
        ("alliance", "/en/coordinator/rounds/spring/after"),
    ):
        await sign_in_as(client, f"{email}@test.example")
        assert "55,000,000" in text_of(await client.get(path)), path
    await sign_in_as(client, "beta@test.example")
    assert (await json_request(client, "GET", "/api/single-purchases")).json() == []
    confirm = f"/vendor/rounds/spring/single-purchases/{purchase_id}/confirm"
    assert (await submit(client, confirm)).status_code == 404
    await sign_in_as(client, "alpha@test.example")
    for _ in range(2):
        assert (await submit(client, confirm)).status_code == 303
    await sign_in_as(client, "mill@test.example")
    assert (await submit(client, f"/my/single-purchases/{purchase_id}/cancel")).status_code == 409
    assert await market.conn.fetchval("SELECT state FROM single_purchases") == "confirmed"


async def test_the_single_price_ends_by_the_databases_clock(
    market, client, sign_in_as, submit, factories, owner_conn
) -> None:
    await make_round(market)
    await pledged(market, factories, mill=1)
    await decide(market)
    await owner_conn.execute("UPDATE rounds SET single_price_until = clock_timestamp()")
    await sign_in_as(client, "mill@test.example")
    before = await counts(market)
    assert "이 가격에 구매" not in (await client.get("/rounds/spring")).text
    answer = await submit(client, "/rounds/spring/single-purchases", purchase_id=str(uuid4()), quantity="1")
    assert answer.headers["location"].endswith("single-over")
    assert await counts(market) == before


# -- demands -------------------------------------------------------------------------------------------


async def test_a_demand_is_kept_once_seen_by_coordinators_and_told_when_a_round_may_meet_it(
    market, client, sign_in_as, submit, factories
) -> None:
    await sign_in_as(client, "mill@test.example")
    demand_id = str(uuid4())
    fields = {
        "demand_id": demand_id,
        "category": "robot",
        "subcategory": "collaborative robot",
        "quantity_min": "4",
        "quantity_max": "12",
        "ceiling_unit_price_krw": "46000000",
        "needed_by": "2027-03-31",
        "note": "3월 증설",
    }
    before = await counts(market)
    for name, wrong in (
        ("quantity_max", "0"),
        ("quantity_max", "3"),
        ("needed_by", "2020-01-01"),
        ("needed_by", "soon"),
        ("category", "tea"),
        ("note", "x" * 1001),
        ("ceiling_unit_price_krw", "-3"),
    ):
        refused = await submit(client, "/my/demands", **fields | {name: wrong})
        assert refused.status_code == 400, (name, wrong)
        assert "field-error" in refused.text, (name, wrong)
        assert "collaborative robot" in refused.text
    assert await counts(market) == before
    for _ in range(2):
        assert (await submit(client, "/my/demands", **fields)).status_code == 303
    assert await market.conn.fetchval("SELECT count(*) FROM demands") == 1
    await sign_in_as(client, "forge@test.example")
    assert "3월 증설" not in (await client.get("/my/demands")).text
    assert (await submit(client, f"/my/demands/{demand_id}/withdraw")).status_code == 404
    body = {"category": "robot", "quantity_max": 1}
    assert (await json_request(client, "PUT", f"/api/demands/{demand_id}", body)).status_code == 404
    assert (await json_request(client, "GET", "/api/demands")).json() == []
    await sign_in_as(client, "alliance@test.example")
    for path in (
        "/coordinator/rounds",
        "/coordinator/rounds/new?offer=weld-offer",
        "/en/coordinator/rounds/new",
    ):
        assert "3월 증설" in (await client.get(path)).text, path
    assert len((await json_request(client, "GET", "/api/open-demands?category=sensor")).json()) == 0
    new = {
        "offer_code": "weld-offer",
        "code": "weld-new",
        "closes_at": "2027-01-31T18:00",
        "deposit_percent": "10",
        "withdrawal_lock_hours": "48",
        "survey_cap_krw": "3000000",
        "family": "weld",
        "family_position": "1",
    }
    assert (await submit(client, "/coordinator/rounds/new", **new)).status_code == 303
    row = await market.conn.fetchrow(
        "SELECT withdrawal_lock, survey_cap_krw, family, family_position FROM rounds"
    )
    assert tuple(row) == (timedelta(hours=48), 3_000_000, "weld", 1)
    told = "SELECT count(*) FROM notifications WHERE kind = 'round.for_demand'"
    assert await market.conn.fetchval(told) == 1
    await sign_in_as(client, "mill@test.example")
    assert "적어 두신 수요에 맞을 수 있는 회차" in (await client.get("/my/inbox")).text
    for _ in range(2):
        assert (await submit(client, f"/my/demands/{demand_id}/withdraw")).status_code == 303
    assert await market.conn.fetchval("SELECT state FROM demands") == "withdrawn"


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("closes_at", "2020-01-01T00:00", "마감은 시작보다 뒤"),
        ("closes_at", "tomorrow", "날짜와 시각을"),
        ("opens_at", "2027-02-01T00:00", "마감은 시작보다 뒤"),
        ("code", "Not A Code", "소문자"),
        ("offer_code", "nothing", "목록에서 공급 조건을"),
        ("deposit_percent", "101", "0부터 100까지"),
        ("extension_days", "3", "연장을 고르면"),
        ("shortfall_policy", "lower_tier", "더 적은 수량으로 성사를 고른 때만"),
        ("fills_up_at", "2028-01-01T00:00", "시작과 마감 사이"),
        ("withdrawal_lock_hours", "9999", "0부터 2,160까지"),
        ("delivery_tolerance", "2", "첫 단가 수량보다"),
        ("family", "alone", "우리 기관의 묶음|묶음 이름과 순서를"),
        ("survey_cap_krw", "-1", "0부터"),
    ],
)
async def test_a_new_round_is_refused_with_the_rule_and_what_was_typed(
    market, client, sign_in_as, submit, field, wrong, words
) -> None:
    await sign_in_as(client, "alliance@test.example")
    before = await counts(market)
    fields = {
        "offer_code": "weld-offer",
        "code": "weld-new",
        "closes_at": "2027-01-31T18:00",
        "deposit_percent": "10",
    }
    refused = await submit(client, "/coordinator/rounds/new", **fields | {field: wrong})
    assert refused.status_code == 400
    assert re.search(words, refused.text), words
    if field not in {"offer_code", "shortfall_policy"}:
        assert f'value="{wrong}"' in refused.text
    assert await counts(market) == before


async def test_rounds_are_scheduled_from_the_page(market, client, sign_in_as, submit) -> None:
    await make_round(market)
    await sign_in_as(client, "alliance@test.example")
    before = await counts(market)
    path = "/coordinator/rounds/spring/schedule"
    refused = await submit(client, path, first_in_days="7", every_days="0", count="2")
    assert refused.headers["location"].endswith("schedule-refused")
    assert await counts(market) == before
    done = await submit(client, path, first_in_days="7", every_days="30", count="2")
    assert done.headers["location"].endswith("rounds-scheduled")
    assert await market.conn.fetchval("SELECT count(*) FROM rounds WHERE state = 'announced'") == 2


# -- changes of pledges --------------------------------------------------------------------------------


async def test_a_form_that_came_too_late_shows_what_was_typed(
    market, client, sign_in_as, submit, factories
) -> None:
    await make_round(market)
    await sign_in_as(client, "mill@test.example")
    async with market.conn.transaction():
        await begin_closing(market.conn, code="spring", early=True)
    before = await counts(market)
    fields = {
        "pledge_id": str(uuid4()),
        "quantity_min": "3",
        "quantity_max": "17",
        "limit_unit_price_krw": "",
    }
    late = await submit(client, "/rounds/spring/pledges", **fields, payment_method="transfer")
    assert late.status_code == 409
    shown = text_of(late)
    assert "모집이 끝나 약정을 받을 수 없습니다" in shown
    assert "3–17" in shown
    assert await counts(market) == before


async def test_in_the_fill_up_phase_a_raised_pledge_is_raised_again_and_keeps_its_places(
    market, client, sign_in_as, submit, factories
) -> None:
    await make_round(market)
    await sign_in_as(client, "mill@test.example")
    pledge_id = str(uuid4())

    async def send(version: int, quantity: int) -> int:
        fields = {
            "pledge_id": pledge_id,
            "quantity_min": "1",
            "quantity_max": str(quantity),
            "limit_unit_price_krw": "",
        }
        more = {"version": str(version)} if version else {}
        answer = await submit(client, "/rounds/spring/pledges", **fields, **more, payment_method="transfer")
        return answer.status_code

    assert await send(0, 3) == 303
    assert await send(1, 5) == 303
    await market.conn.execute("UPDATE rounds SET state = 'fill_up'")
    assert await send(2, 8) == 303
    lines = """
        SELECT array_agg(quantity_max ORDER BY line_no), array_agg(sequence ORDER BY line_no) FROM pledge_lines
        WHERE version = $1
    """
    second, third = await market.conn.fetchrow(lines, 2), await market.conn.fetchrow(lines, 3)
    assert (second[0], third[0]) == ([3, 2], [3, 2, 3])
    assert third[1][:2] == second[1]
    for less in (7, 2):
        assert await send(3, less) == 409
    assert await send(3, 21) == 400
    assert await market.conn.fetchval("SELECT count(*) FROM pledge_versions") == 3
    await market.conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by)
        SELECT id, 3, 'order', person_id FROM pledges
        """
    )
    await decide(market)
    assert await market.conn.fetchval("SELECT quantity FROM rounds") == 8


# -- words and races -----------------------------------------------------------------------------------


def sources_of(*packages: str) -> str:
    """The text of every module of these packages."""
    root = Path(__file__).parents[3]
    return "\n".join(
        file.read_text("utf-8") for name in packages for file in sorted((root / name).rglob("*.py"))
    )


def test_every_message_and_every_event_of_a_round_has_words_for_people() -> None:
    text = sources_of("group_buy")
    told = set(re.findall(r'notify_buyers\([^)]*?kind="([\w.]+)"', text))
    told |= set(re.findall(r"INSERT INTO notifications[^;]*?'((?:round|pledge|invoice)\.\w+)'", text))
    told |= {f"single.{state}" for state in get_args(SinglePurchaseState)}
    assert len(told) >= 12
    assert told - set(LABELS["notification"]) == set()
    happened = set(re.findall(r'kind="((?:round|pledge|charge)\.\w+)"', text)) - {"round.decided"}
    words = {kind.removeprefix("round.").replace(".", "_") for kind in happened}
    assert len(words) >= 20
    assert words - set(LABELS["event"]) == set()


async def test_the_states_of_single_purchases_are_the_same_in_code_and_schema(conn) -> None:
    definition = await conn.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'single_purchases_state_is_known'"
    )
    states = set(get_args(SinglePurchaseState))
    assert set(re.findall(r"'([a-z_]+)'::text", definition)) == states == set(LABELS["single_state"])


async def test_of_two_purchases_at_once_one_is_placed(market, factories, database) -> None:
    await make_round(market)
    await pledged(market, factories, mill=1)
    await decide(market)
    organization, person = factories["mill"]

    async def buy() -> str:
        conn = await connect(database)
        try:
            async with conn.transaction():
                await buy_single(
                    conn,
                    purchase_id=uuid4(),
                    round_code="spring",
                    quantity=1,
                    buyer=Viewer(organization, "factory"),
                    person_id=person,
                )
            return "placed"
        except SinglePurchaseConflict:
            return "refused"
        finally:
            await conn.close()

    assert sorted(await asyncio.gather(*(buy() for _ in range(6)))) == ["placed"] + ["refused"] * 5
    assert await market.conn.fetchval("SELECT count(*) FROM single_purchases") == 1


async def test_of_a_yes_and_a_no_at_once_one_stands(market, client, sign_in_as, factories, database) -> None:
    ids = await cleared_at_the_cheap_price(market, factories)
    await sign_in_as(client, "alliance@test.example")
    await json_request(client, "PUT", f"/api/rounds/spring/lapses/{ids['press']}")

    async def answer(*, is_yes: bool) -> str:
        conn = await connect(database)
        try:
            async with conn.transaction():
                await answer_consent(
                    conn,
                    pledge_id=ids["mill"],
                    unit_price_krw=48_000_000,
                    is_yes=is_yes,
                    actor=Actor(factories["mill"][1], factories["mill"][0]),
                )
            return "yes" if is_yes else "no"
        except ConsentClosed:
            return "refused"
        finally:
            await conn.close()

    answers = await asyncio.gather(*(answer(is_yes=n % 2 == 0) for n in range(6)))
    stands = await market.conn.fetchval("SELECT answer FROM price_consents WHERE pledge_id = $1", ids["mill"])
    assert sorted(answers) == sorted([stands] * 3 + ["refused"] * 3)
    events = "SELECT count(*) FROM events WHERE kind IN ('pledge.consented', 'pledge.declined')"
    assert await market.conn.fetchval(events) == 1


# -- foreign organizations, and what cannot be a round or a pledge ---------------------------------------


async def test_another_coordinator_finds_nothing_and_changes_nothing(
    market, client, sign_in_as, submit, factories
) -> None:
    ids = await cleared_at_the_cheap_price(market, factories, survey_cap_krw=1)
    rival = await add_organization(
        market.conn, code="rival", kind="coordinator", name_ko="다른 운영", name_en="Rival"
    )
    await add_person(
        market.conn,
        email="rival@test.example",
        name="rival",
        password=PASSWORD,
        organization_id=rival,
        roles=frozenset({"operator"}),
    )
    await sign_in_as(client, "rival@test.example")
    before = await counts(market)
    desk = "/coordinator/rounds/spring"
    assert (await client.get(f"{desk}/after")).status_code == 404
    for path, fields in (
        (f"{desk}/lapses", {"pledge_id": str(ids["mill"]), "confirmed": "yes"}),
        (f"{desk}/order", {}),
        (f"{desk}/settle", {}),
        (f"{desk}/delivery", {"quantity": "10"}),
        (f"{desk}/schedule", {"first_in_days": "1", "every_days": "1", "count": "1"}),
        (f"{desk}/pledges/{ids['mill']}/survey", {"quote_krw": "5", "note": ""}),
    ):
        assert (await submit(client, path, **fields)).status_code == 404, path
    for method, path, body in (
        ("GET", "/api/rounds/spring/decisions", None),
        ("PUT", f"/api/rounds/spring/lapses/{ids['mill']}", None),
        ("POST", "/api/rounds/spring/order", None),
        ("POST", "/api/rounds/spring/settle", None),
        ("PUT", "/api/rounds/spring/delivery", {"quantity": 10}),
        ("PUT", f"/api/pledges/{ids['mill']}/survey-quote", {"quote_krw": 5}),
    ):
        assert (await json_request(client, method, path, body)).status_code == 404, path
    assert await counts(market) == before
    await sign_in_as(client, "mill@test.example")
    for method, path, body in (
        ("PUT", "/api/rounds/spring/delivery", {"quantity": 10}),
        ("PUT", f"/api/pledges/{ids['mill']}/survey-quote", {"quote_krw": 5}),
    ):
        assert (await json_request(client, method, path, body)).status_code == 403, path
    assert await counts(market) == before
    await sign_in_as(client, "alliance@test.example")
    decisions = (await json_request(client, "GET", "/api/rounds/spring/decisions")).json()
    assert [(each["kind"], each["quantity"]) for each in decisions] == [("clearing", 10)]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE price_tiers SET unit_price_krw = 48000000", "fall"),
        ("UPDATE offers SET capacity = 1", "capacity"),
        ("UPDATE offers SET capacity = 5, pack_size = 7", "pack"),
        (
            "UPDATE offers SET capacity = 1000000; UPDATE price_tiers SET unit_price_krw = unit_price_krw * 100",
            "won",
        ),
    ],
)
async def test_terms_that_cannot_clear_open_no_round(
    market, client, sign_in_as, submit, owner_conn, statement, rule
) -> None:
    await owner_conn.execute(statement)
    await sign_in_as(client, "alliance@test.example")
    before = await counts(market)
    body = {"code": "weld-new", "offer_code": "weld-offer", "closes_at": "2027-01-31T09:00:00Z"}
    refused = await json_request(client, "POST", "/api/rounds", body)
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/invalid-round"), refused.text
    assert refused.json()["errors"][0]["pointer"] == "/offer_code"
    assert rule in refused.json()["detail"], refused.text
    fields = {
        "offer_code": "weld-offer",
        "code": "weld-new",
        "closes_at": "2027-01-31T18:00",
        "deposit_percent": "10",
    }
    page = await submit(client, "/coordinator/rounds/new", **fields)
    assert page.status_code == 400
    assert "이 공급 조건으로는 열 수 없습니다" in page.text
    assert await counts(market) == before
