"""Saving a card: one request however often it is asked for, the provider's word, and the browser's never."""

import asyncio

import asyncpg
import pytest
from builders import a_pledge, a_round
from card_desk import DECLINED_AT_ONCE, GOOD, CardDesk

from catalog.core.viewer import Viewer
from catalog.events import SYSTEM
from group_buy.cards import CardRequest, find_card, finish_card, switch_to_transfer
from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput, Pledge
from group_buy.core.round import Round
from group_buy.errors import CardNotPossible, RoundNotOpen
from group_buy.gateway import GatewayUnavailable, SavedMethod, WebhookHint
from group_buy.pledging import ROUND_LOCK, change_pledge, get_pledge
from group_buy.transactions import transaction
from marketplace.payments.contract_calls import Fault
from marketplace.payments.webhooks import process_one_webhook, store_webhook

SETUP = "/v1/setup_intents"


async def a_card_pledge(conn: asyncpg.Connection, factory: str = "hanbit") -> tuple[Round, Pledge]:
    buying_round = await a_round(conn)
    return buying_round, await a_pledge(conn, buying_round, factory, 3, funding="card")


async def cards_of(conn: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await conn.fetch(
        "SELECT state, card_last4, consent_ceiling_krw, client_secret IS NOT NULL FROM payment_methods ORDER BY created_at"
    )
    return [tuple(row) for row in rows]


async def card_events(conn: asyncpg.Connection) -> list[str]:
    return [
        row[0] for row in await conn.fetch("SELECT kind FROM events WHERE kind LIKE 'card.%' ORDER BY id")
    ]


async def finish(desk: CardDesk, pledge: Pledge) -> SavedMethod:
    return await finish_card(desk.pool, desk.gateway, pledge_id=pledge.id, actor=SYSTEM)


async def webhook(
    desk: CardDesk, conn: asyncpg.Connection, request: CardRequest, event_id: str = "evt_1"
) -> None:
    await store_webhook(conn, WebhookHint(event_id, "setup_intent.succeeded", request.setup_ref, b"{}"))
    assert await process_one_webhook(desk.pool, desk.gateway)
    assert await conn.fetchval("SELECT bool_and(processed_at IS NOT NULL) FROM webhook_events")


async def test_a_saved_card_is_ready_with_its_consent(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    request = await desk.request(buying_round, pledge)
    assert request.consent_ceiling_krw == 300_000
    assert (await finish(desk, pledge)).state == "requested"
    assert await cards_of(checked) == [("requested", None, 300_000, True)]
    assert desk.type_card(request) == 200
    saved = await finish(desk, pledge)
    assert (saved.state, saved.card_brand, saved.card_last4) == ("ready", "visa", "4242")
    assert await cards_of(checked) == [("ready", "4242", 300_000, False)]
    card = await find_card(checked, pledge_id=pledge.id)
    assert card is not None
    assert (card.state, card.consent_ceiling_krw) == ("ready", 300_000)
    assert await card_events(checked) == ["card.ready"]


async def test_a_reload_takes_the_same_request_up_again(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    first = await desk.request(buying_round, pledge)
    assert await desk.request(buying_round, pledge) == first
    assert len(await cards_of(checked)) == 1


async def test_another_quantity_asks_for_another_consent(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    first = await desk.request(buying_round, pledge)
    person_id = await checked.fetchval("SELECT person_id FROM pledges")
    changed = await change_pledge(
        checked,
        pledge_id=pledge.id,
        buyer=Viewer(pledge.buyer_id, "factory"),
        person_id=person_id,
        version=2,
        lines=(LineInput(5),),
    )
    second = await desk.request(buying_round, changed)
    assert second.setup_ref != first.setup_ref
    assert (first.consent_ceiling_krw, second.consent_ceiling_krw) == (300_000, 500_000)


async def test_a_pledge_above_its_cards_consent_is_not_held(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 3)
    person_id = await checked.fetchval("SELECT person_id FROM pledges")
    await change_pledge(
        checked,
        pledge_id=pledge.id,
        buyer=Viewer(pledge.buyer_id, "factory"),
        person_id=person_id,
        version=2,
        lines=(LineInput(5),),
    )
    await begin_closing(checked, code="round", early=True)
    assert await checked.fetchval("SELECT count(*) FROM charges") == 0


async def test_a_declined_card_may_be_followed_by_a_good_one(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    """The buyer stays on the page and types another card, while the webhook of the first one is worked on."""
    buying_round, pledge = await a_card_pledge(checked)
    request = await desk.request(buying_round, pledge)
    assert desk.type_card(request, DECLINED_AT_ONCE) == 402
    await webhook(desk, checked, request)
    assert (await finish(desk, pledge)).state == "failed"
    assert await card_events(checked) == ["card.failed"]
    assert desk.type_card(request, GOOD) == 200
    assert (await finish(desk, pledge)).state == "ready"
    assert await cards_of(checked) == [("ready", "4242", 300_000, False)]
    assert await card_events(checked) == ["card.failed", "card.ready"]


async def test_the_webhook_finishes_a_card_whose_browser_never_came_back(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    request = await desk.request(buying_round, pledge)
    desk.type_card(request)
    await webhook(desk, checked, request)
    await webhook(desk, checked, request, "evt_2")
    assert await cards_of(checked) == [("ready", "4242", 300_000, False)]
    assert await card_events(checked) == ["card.ready"]


async def test_a_browser_that_comes_after_the_webhook_gets_the_same_answer(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    request = await desk.request(buying_round, pledge)
    desk.type_card(request)
    await webhook(desk, checked, request)
    answers = await asyncio.gather(*(finish(desk, pledge) for _ in range(3)))
    assert {(a.state, a.card_brand, a.card_last4) for a in answers} == {("ready", "visa", "4242")}
    assert await card_events(checked) == ["card.ready"]


async def test_nothing_requested_is_nothing_saved(desk: CardDesk, checked: asyncpg.Connection) -> None:
    _, pledge = await a_card_pledge(checked)
    assert await finish(desk, pledge) == SavedMethod(state="failed", reason="nothing_requested")
    assert await find_card(checked, pledge_id=pledge.id) is None
    assert await cards_of(checked) == []


async def test_a_provider_that_is_away_leaves_a_request_to_take_up_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    desk.local.inject(Fault("reset_after", path=SETUP))
    with pytest.raises(GatewayUnavailable):
        await desk.request(buying_round, pledge)
    assert await cards_of(checked) == [("requested", None, 300_000, False)]
    request = await desk.request(buying_round, pledge)
    assert desk.type_card(request) == 200
    assert (await finish(desk, pledge)).state == "ready"
    assert len(await cards_of(checked)) == 1


async def test_no_card_is_saved_for_a_transfer_a_withdrawn_pledge_or_a_closed_round(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round, pledge = await a_card_pledge(checked)
    transfer = await a_pledge(checked, buying_round, "transfer", 1)
    with pytest.raises(CardNotPossible):
        await desk.request(buying_round, transfer)
    left = await a_pledge(checked, buying_round, "left", 1, funding="card")
    withdrawn = await change_pledge(
        checked,
        pledge_id=left.id,
        buyer=Viewer(left.buyer_id, "factory"),
        person_id=await checked.fetchval("SELECT person_id FROM pledges WHERE id = $1", left.id),
        version=2,
        lines=(),
    )
    with pytest.raises(CardNotPossible):
        await desk.request(buying_round, withdrawn)
    await begin_closing(checked, code="round", early=True)
    with pytest.raises(RoundNotOpen):
        await desk.request(buying_round, pledge)
    with pytest.raises(RoundNotOpen):
        await switch_to_transfer(checked, pledge=pledge, buying_round=buying_round, actor=SYSTEM)
    assert await cards_of(checked) == []
    assert (await get_pledge(checked, pledge.id, buyer_id=pledge.buyer_id)).funding == "card"


async def test_a_pledge_switched_to_transfer_is_not_held(desk: CardDesk, checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 3)
    async with checked.transaction():
        await switch_to_transfer(checked, pledge=pledge, buying_round=buying_round, actor=SYSTEM)
    await begin_closing(checked, code="round", early=True)
    assert await checked.fetchval("SELECT count(*) FROM charges") == 0
    after = await get_pledge(checked, pledge.id, buyer_id=pledge.buyer_id)
    assert (after.funding, after.lines) == ("transfer", pledge.lines)


async def test_a_switch_waits_for_a_close_on_its_way_and_is_then_refused(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await desk.pledge(checked, buying_round, "hanbit", 3)

    async def switch() -> None:
        async with transaction(desk.pool) as conn:
            await switch_to_transfer(conn, pledge=pledge, buying_round=buying_round, actor=SYSTEM)

    async with transaction(desk.pool) as closing:
        await begin_closing(closing, code="round", early=True)
        switching = asyncio.create_task(switch())
        for _ in range(200):
            if await checked.fetchval(
                "SELECT count(*) FROM pg_locks WHERE classid = $1 AND NOT granted", ROUND_LOCK
            ):
                break
            await asyncio.sleep(0.01)
    with pytest.raises(RoundNotOpen):
        await switching
    assert (await get_pledge(checked, pledge.id, buyer_id=pledge.buyer_id)).funding == "card"
    assert await checked.fetchval("SELECT count(*) FROM charges WHERE method = 'card'") == 1
