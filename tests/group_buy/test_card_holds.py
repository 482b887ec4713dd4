"""Holds end, cards are declined, banks want their owner: the deposit is paid after all, or the round goes on without it."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund
from card_desk import (
    CONFIRM,
    CREATE,
    DECLINED_LATER,
    GOOD,
    WANTS_OWNER,
    CardDesk,
    Held,
    charge_of,
    close,
    make_due,
    trail,
)

from catalog.events import SYSTEM, Actor
from group_buy.consenting import answer_consent
from group_buy.core.charge import RETRY_DELAYS, retry_delay
from group_buy.core.pledge import Pledge
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.gateway import WebhookHint
from group_buy.paying import begin_payment, finish_payment
from group_buy.retrying import end_one_grace, retry_charge, retry_due_charges
from group_buy.settling import settle_one
from marketplace.payments.contract_calls import Fault
from marketplace.payments.webhooks import process_one_webhook, store_webhook

TIERS = ((2, 1_000_003), (4, 900_001))
WAITS = timedelta(hours=72)


async def a_closed_round(
    desk: CardDesk,
    conn: asyncpg.Connection,
    *,
    number: str = GOOD,
    waits: timedelta = timedelta(0),
    other: int = 2,
) -> tuple[Pledge, int]:
    """A closed round of 2 units by card and `other` by an order; returns the card's pledge and the coordinator."""
    actor = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=actor, tiers=TIERS, funding_window=waits)
    pledge = await desk.pledge(conn, buying_round, "hanbit", 2, number=number)
    await fund(conn, await a_pledge(conn, buying_round, "other", other))
    await close(conn)
    await desk.settle()
    assert actor.organization_id is not None
    return pledge, actor.organization_id


async def swap_card(desk: CardDesk, conn: asyncpg.Connection, pledge: Pledge, number: str) -> None:
    """The saved card becomes one that behaves otherwise."""
    other = await desk.pledge(
        conn, await a_round(conn, "elsewhere", coordinator=await a_coordinator(conn, "else")), "cardgiver", 2,
        number=number,
    )  # fmt: skip
    await conn.execute(
        """
        UPDATE payment_methods m SET customer_ref = o.customer_ref, method_ref = o.method_ref
        FROM payment_methods o WHERE m.pledge_id = $1 AND o.pledge_id = $2
        """,
        pledge.id,
        other.id,
    )


async def pass_time(conn: asyncpg.Connection, column: str) -> None:
    """Let the moment come that a charge waits for."""
    await conn.execute(f"UPDATE charges SET {column} = clock_timestamp() WHERE {column} IS NOT NULL")


async def notices(conn: asyncpg.Connection) -> list[str]:
    rows = await conn.fetch("SELECT kind FROM notifications WHERE kind LIKE 'charge.%' ORDER BY id")
    return [row[0] for row in rows]


# -- holds that end ----------------------------------------------------------------------------------------------


async def test_a_hold_that_ended_before_its_capture_is_asked_for_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked)
    assert await clear_if_decided(checked, code="round")
    first = await charge_of(checked, pledge)
    desk.local.expire(first["provider_ref"])
    assert await desk.settle() == 3  # the old one is gone; a new hold of what is owed; captured
    second = await charge_of(checked, pledge)
    assert (second["state"], second["attempt"], second["capture_krw"]) == ("captured", 2, 180_000)
    for key in ("create_key", "confirm_key", "finish_key", "provider_ref"):
        assert second[key] != first[key]
    assert await desk.holds(first["id"]) == [
        Held(180_000, 180_000, "succeeded"),
        Held(200_000, 0, "canceled"),
    ]
    assert (await trail(checked, first["id"]))[-5:] == [
        (1, "released"),
        (2, "due"),
        (2, "processing"),
        (2, "authorized"),
        (2, "captured"),
    ]


async def test_a_webhook_about_an_ended_hold_begins_the_new_attempt(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked)
    assert await clear_if_decided(checked, code="round")
    first = await charge_of(checked, pledge)
    desk.local.expire(first["provider_ref"])
    for event_id in ("evt_1", "evt_2"):
        await store_webhook(
            checked, WebhookHint(event_id, "payment_intent.canceled", first["provider_ref"], b"{}")
        )
        assert await process_one_webhook(desk.pool, desk.gateway)
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["attempt"]) == ("due", 2)
    await desk.settle()
    assert (await charge_of(checked, pledge))["state"] == "captured"


async def test_a_hold_near_its_end_is_replaced_while_its_round_waits(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked)
    first = await charge_of(checked, pledge)
    assert first["state"] == "authorized"
    days = first["waits_seconds"] / 86_400
    assert 6.4 < days < 6.6  # twelve hours before the provider's capture_before
    await pass_time(checked, "next_attempt_at")
    assert await desk.settle() == 2
    second = await charge_of(checked, pledge)
    assert (second["state"], second["attempt"]) == ("authorized", 2)
    assert await desk.holds(first["id"]) == [
        Held(200_000, 0, "requires_capture"),
        Held(200_000, 0, "canceled"),
    ]
    assert await clear_if_decided(checked, code="round")


async def test_no_row_is_locked_while_the_provider_is_asked(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked)
    assert await clear_if_decided(checked, code="round")
    charge = await charge_of(checked, pledge)
    desk.local.expire(charge["provider_ref"])
    await settle_one(desk.pool, desk.gateway)
    held: list[list[str]] = []
    for path in (CREATE, CONFIRM, "/v1/payment_intents/.*/capture"):
        desk.local.inject(Fault("slow", path=path, seconds=0.6))
        step = asyncio.create_task(desk.settle())
        await asyncio.sleep(0.35)
        rows = await owner_conn.fetch(
            """
            SELECT l.mode || ' ' || coalesce(l.relation::regclass::text, l.locktype) FROM pg_locks l
            JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
            UNION ALL SELECT 'in transaction' FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'
            """
        )
        held.append([row[0] for row in rows])
        await step
        await make_due(checked)
    assert held == [[], [], []]
    assert (await charge_of(checked, pledge))["state"] == "captured"


# -- declines ----------------------------------------------------------------------------------------------------


def test_a_decline_is_asked_again_by_policy_and_a_bank_that_wants_its_owner_is_not() -> None:
    assert [retry_delay("card_declined", declines=n) for n in range(5)] == [
        None,
        *RETRY_DELAYS["card_declined"],
        None,
    ]
    assert retry_delay("authentication_required", declines=1) is None
    assert retry_delay("never_heard_of", declines=1) is None
    assert all(list(delays) == sorted(delays) for delays in RETRY_DELAYS.values())


async def test_a_declined_card_is_asked_again_by_itself_and_the_round_waits_for_it(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked, number=DECLINED_LATER, waits=WAITS)
    declined = await charge_of(checked, pledge)
    assert (declined["state"], declined["declines"]) == ("failed", 1)
    assert declined["retry_at"] is not None
    assert await notices(checked) == ["charge.failed"]
    assert not await clear_if_decided(
        checked, code="round"
    )  # waits for the buyer until the transfers' time ends
    assert await retry_due_charges(checked) == 0
    await pass_time(checked, "retry_at")
    assert await retry_due_charges(checked) == 1
    await desk.settle()
    again = await charge_of(checked, pledge)
    assert (again["state"], again["attempt"], again["declines"]) == ("failed", 2, 2)
    assert again["retry_at"] > declined["retry_at"]
    assert again["grace_until"] == declined["grace_until"]
    await swap_card(desk, checked, pledge, GOOD)
    await pass_time(checked, "retry_at")
    assert await retry_due_charges(checked) == 1
    await desk.settle()
    good = await charge_of(checked, pledge)
    assert (good["state"], good["declines"], good["grace_until"]) == ("authorized", 0, None)
    assert await clear_if_decided(checked, code="round")


async def test_a_decline_after_the_round_was_decided_is_not_asked_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked, number=DECLINED_LATER)
    assert await clear_if_decided(checked, code="round")
    await pass_time(checked, "retry_at")
    assert await retry_due_charges(checked) == 0
    assert (await charge_of(checked, pledge))["state"] == "failed"


@pytest.mark.parametrize("number", [WANTS_OWNER, DECLINED_LATER])
async def test_the_owner_pays_on_session_what_was_declined_off_session(
    desk: CardDesk, checked: asyncpg.Connection, number: str
) -> None:
    pledge, _ = await a_closed_round(desk, checked, number=number, waits=WAITS)
    charge = await charge_of(checked, pledge)
    assert charge["state"] == ("action_required" if number == WANTS_OWNER else "failed")
    with pytest.raises(ChargeNotFound):
        await begin_payment(desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id + 1)
    payment, secret = await begin_payment(
        desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id
    )
    assert (
        payment.provider_ref == charge["provider_ref"]
    )  # the same intent: there is never a second that could be paid
    assert payment.wants_owner_only == (number == WANTS_OWNER)
    with pytest.raises(ChargeStateConflict):
        await retry_charge(checked, charge_id=charge["id"], actor=await a_coordinator(checked, "third"))
    if number == WANTS_OWNER:
        paid = desk.pay_in_browser(secret, payment_method=payment.method_ref)
    else:
        assert desk.pay_in_browser(secret, number=DECLINED_LATER) == (402, "card_declined")
        state = await finish_payment(
            desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id
        )
        assert state == "failed"
        paid = desk.pay_in_browser(secret, number=GOOD)
    assert paid == (200, "requires_capture")
    state = await finish_payment(desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id)
    assert state == "authorized"
    assert len(await desk.holds(charge["id"])) == 1
    assert await clear_if_decided(checked, code="round")
    await desk.settle()
    assert (await charge_of(checked, pledge))["state"] == "captured"


async def test_the_secret_of_another_payment_pays_nothing(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked, number=DECLINED_LATER, waits=WAITS)
    charge = await charge_of(checked, pledge)
    assert desk.pay_in_browser(f"{charge['provider_ref']}_secret_guessed", number=GOOD)[0] == 401
    assert await desk.holds(charge["id"]) == [Held(200_000, 0, "requires_payment_method")]


# -- the end of grace --------------------------------------------------------------------------------------------


async def lose_the_hold(desk: CardDesk, conn: asyncpg.Connection, pledge: Pledge) -> asyncpg.Record:
    """The hold of a cleared round ends, and the card does not give another one."""
    assert await clear_if_decided(conn, code="round")
    await swap_card(desk, conn, pledge, DECLINED_LATER)
    desk.local.expire((await charge_of(conn, pledge))["provider_ref"])
    await desk.settle()
    charge = await charge_of(conn, pledge)
    assert (charge["state"], charge["attempt"], charge["capture_krw"]) == ("failed", 2, 180_000)
    assert not await end_one_grace(conn)
    return charge


async def test_after_the_grace_period_the_pledge_lapses_and_the_round_is_decided_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, _ = await a_closed_round(desk, checked, other=3)
    charge = await lose_the_hold(desk, checked, pledge)
    assert await checked.fetchval("SELECT unit_price_krw FROM rounds WHERE code = 'round'") == 900_001
    await pass_time(checked, "grace_until")
    async with checked.transaction():
        assert await end_one_grace(checked)
    await desk.settle()
    lapsed = await charge_of(checked, pledge)
    assert (lapsed["state"], lapsed["capture_krw"], lapsed["allocation_id"]) == ("released", 0, None)
    row = await checked.fetchrow(
        "SELECT quantity, reason, forfeited_krw FROM current_allocations WHERE pledge_id = $1", pledge.id
    )
    assert row is not None
    assert tuple(row) == (0, "lapsed", 0)
    # 3 units are below the second tier: the one who kept the word is asked before any dearer price.
    asked = await checked.fetch("SELECT unit_price_krw FROM price_consents")
    assert [each[0] for each in asked] == [1_000_003]
    assert not await end_one_grace(checked)
    assert await desk.holds(charge["id"]) == [Held(180_000, 0, "canceled"), Held(200_000, 0, "canceled")]
    await answer_yes(checked)


async def answer_yes(conn: asyncpg.Connection) -> None:
    """Nothing is left open, so that the invariants of a decided round hold."""
    row = await conn.fetchrow(
        "SELECT c.pledge_id, c.unit_price_krw, p.buyer_id FROM price_consents c JOIN pledges p ON p.id = c.pledge_id"
    )
    assert row is not None
    async with conn.transaction():
        await answer_consent(
            conn,
            pledge_id=row["pledge_id"],
            unit_price_krw=row["unit_price_krw"],
            is_yes=True,
            actor=Actor(None, row["buyer_id"]),
        )


async def test_where_the_order_went_out_the_deposit_is_added_to_the_balance(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, coordinator_id = await a_closed_round(desk, checked)
    await lose_the_hold(desk, checked, pledge)
    await order_round(checked, code="round", coordinator_id=coordinator_id, actor=SYSTEM)
    await pass_time(checked, "grace_until")
    async with checked.transaction():
        assert await end_one_grace(checked)
    await desk.settle()
    assert (await charge_of(checked, pledge))["state"] == "released"
    balances = await checked.fetch(
        "SELECT amount_krw FROM charges WHERE pledge_id = $1 AND purpose = 'balance' AND state = 'due' ORDER BY 1",
        pledge.id,
    )
    assert [row[0] for row in balances] == [180_000, 1_800_002 + 180_000 - 180_000]


async def test_money_held_before_the_grace_ended_stays(desk: CardDesk, checked: asyncpg.Connection) -> None:
    pledge, _ = await a_closed_round(desk, checked)
    charge = await lose_the_hold(desk, checked, pledge)
    _, secret = await begin_payment(desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id)
    assert desk.pay_in_browser(secret, number=GOOD) == (200, "requires_capture")
    await finish_payment(desk.pool, desk.gateway, charge_id=charge["id"], buyer_id=pledge.buyer_id)
    await pass_time(checked, "grace_until")
    assert not await end_one_grace(checked)
    await desk.settle()
    paid = await charge_of(checked, pledge)
    assert (paid["state"], paid["capture_krw"]) == ("captured", 180_000)
