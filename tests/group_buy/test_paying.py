"""A balance by card: taken at once on session, split where one charge cannot carry it, by transfer again at any time."""

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund
from card_desk import DECLINED_LATER, GOOD, WANTS_OWNER, CardDesk, Held, close, make_due, trail
from hypothesis import given
from hypothesis import strategies as st

from catalog.core.money import CHARGE_KRW_MAX
from catalog.events import SYSTEM
from group_buy.core.charge import CARD_HOLD_KRW_MIN, split_evenly_krw
from group_buy.core.pledge import Pledge
from group_buy.deciding import clear_if_decided
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.gateway import GatewayUnavailable
from group_buy.paying import begin_payment, choose_card, choose_transfer, finish_payment
from group_buy.reading import get_invoice
from group_buy.reconciling import reconcile_if_due
from group_buy.retrying import end_one_grace
from group_buy.settling import settle_one

BALANCE = 2_000_006 + 200_000  # two units and VAT; no deposit, the order was enough


@given(st.integers(min_value=CARD_HOLD_KRW_MIN, max_value=10**12))
def test_an_amount_is_split_into_as_few_even_charges_as_it_needs(amount_krw: int) -> None:
    parts = split_evenly_krw(amount_krw)
    assert sum(parts) == amount_krw
    assert max(parts) - min(parts) <= 1
    assert CARD_HOLD_KRW_MIN <= min(parts) <= max(parts) <= CHARGE_KRW_MAX
    assert (len(parts) - 1) * CHARGE_KRW_MAX < amount_krw


async def an_invoiced_pledge(
    conn: asyncpg.Connection, *, price: int = 1_000_003, units: int = 2
) -> tuple[Pledge, asyncpg.Record]:
    """A pledge of a cleared round, and its balance by transfer."""
    buying_round = await a_round(conn, tiers=((2, price),), coordinator=await a_coordinator(conn))
    pledge = await a_pledge(conn, buying_round, "hanbit", units)
    await fund(conn, pledge)
    await close(conn)
    assert await clear_if_decided(conn, code="round")
    return pledge, await balance_of(conn, pledge)


async def balance_of(conn: asyncpg.Connection, pledge: Pledge) -> asyncpg.Record:
    row = await conn.fetchrow(
        "SELECT * FROM charges WHERE pledge_id = $1 AND purpose = 'balance' ORDER BY entry_no LIMIT 1",
        pledge.id,
    )
    assert row is not None
    return row


async def balances(conn: asyncpg.Connection, pledge: Pledge) -> list[tuple[str, int, str]]:
    rows = await conn.fetch(
        "SELECT method, amount_krw, state FROM charges WHERE pledge_id = $1 AND purpose = 'balance' ORDER BY entry_no",
        pledge.id,
    )
    return [tuple(row) for row in rows]


async def test_a_balance_by_card_is_taken_at_once_and_not_before_its_buyer_comes(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    with pytest.raises(ChargeNotFound):
        await choose_card(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id + 1, actor=SYSTEM)
    assert await balances(checked, pledge) == [("transfer", BALANCE, "due")]
    assert await choose_card(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id, actor=SYSTEM) == [
        balance["id"]
    ]
    assert await desk.settle() == 0  # no worker asks a card for a balance by itself
    _, secret = await begin_payment(
        desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id
    )
    again, same = await begin_payment(
        desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id
    )
    assert (same, again.state) == (secret, "action_required")  # a reload makes no second payment
    assert desk.pay_in_browser(secret, number=WANTS_OWNER) == (200, "succeeded")
    state = await finish_payment(desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id)
    assert state == "captured"
    assert await desk.holds(balance["id"]) == [Held(BALANCE, BALANCE, "succeeded")]
    assert await trail(checked, balance["id"]) == [
        (1, state) for state in ("due", "processing", "action_required", "captured")
    ]
    assert await balances(checked, pledge) == [("card", BALANCE, "captured")]
    with pytest.raises(ChargeStateConflict):
        await begin_payment(desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id)
    with pytest.raises(ChargeStateConflict):
        await choose_transfer(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id, actor=SYSTEM)


async def test_nothing_is_paid_before_the_books_were_compared(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    await choose_card(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id, actor=SYSTEM)
    await owner_conn.execute("TRUNCATE reconciliations")
    with pytest.raises(GatewayUnavailable, match="books_not_compared"):
        await begin_payment(desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id)
    assert await checked.fetchval("SELECT count(*) FROM charge_attempts") == 0


async def test_the_first_card_of_a_market_may_pay_a_balance(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    await owner_conn.execute("TRUNCATE reconciliations")
    assert await checked.fetchval("SELECT count(*) FROM payment_methods") == 0
    assert await reconcile_if_due(desk.pool, desk.gateway) is None
    await choose_card(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id, actor=SYSTEM)
    assert await reconcile_if_due(desk.pool, desk.gateway) is not None
    payment, _ = await begin_payment(
        desk.pool, desk.gateway, charge_id=balance["id"], buyer_id=pledge.buyer_id
    )
    assert payment.state == "action_required"


async def test_a_balance_above_one_charge_is_split_evenly(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked, price=99_999_999)
    chosen = await choose_card(checked, charge_id=balance["id"], buyer_id=pledge.buyer_id, actor=SYSTEM)
    total = 219_999_997
    assert await balances(checked, pledge) == [
        ("transfer", total, "released"),
        ("card", 73_333_333, "due"),
        ("card", 73_333_332, "due"),
        ("card", 73_333_332, "due"),
    ]
    for charge_id in chosen:
        _, secret = await begin_payment(
            desk.pool, desk.gateway, charge_id=charge_id, buyer_id=pledge.buyer_id
        )
        assert desk.pay_in_browser(secret, number=GOOD) == (200, "succeeded")
        await finish_payment(desk.pool, desk.gateway, charge_id=charge_id, buyer_id=pledge.buyer_id)
        number = await checked.fetchval("SELECT number FROM invoices")
        invoice = await get_invoice(checked, number=number, organization_id=pledge.buyer_id)
        assert invoice.balance_state == ("captured" if charge_id == chosen[-1] else "due")
    states = await balances(checked, pledge)
    assert sum(krw for _, krw, state in states if state == "captured") == total


async def test_a_buyer_may_pay_by_transfer_after_all(desk: CardDesk, checked: asyncpg.Connection) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    who = {"charge_id": balance["id"], "buyer_id": pledge.buyer_id}
    await choose_card(checked, **who, actor=SYSTEM)
    await choose_transfer(checked, **who, actor=SYSTEM)
    assert await balances(checked, pledge) == [("transfer", BALANCE, "due")]
    await choose_card(checked, **who, actor=SYSTEM)
    _, secret = await begin_payment(desk.pool, desk.gateway, **who)
    assert desk.pay_in_browser(secret, number=DECLINED_LATER) == (402, "card_declined")
    assert await finish_payment(desk.pool, desk.gateway, **who) == "failed"
    async with checked.transaction():
        await choose_transfer(checked, **who, actor=SYSTEM)
    assert await balances(checked, pledge) == [
        ("card", BALANCE, "action_required"),
        ("transfer", BALANCE, "due"),
    ]
    with pytest.raises(ChargeStateConflict):
        await begin_payment(desk.pool, desk.gateway, **who)
    assert await desk.settle() == 1
    assert await balances(checked, pledge) == [("card", BALANCE, "released"), ("transfer", BALANCE, "due")]
    assert await desk.holds(balance["id"]) == [Held(BALANCE, 0, "canceled")]
    assert desk.pay_in_browser(secret, number=GOOD)[0] == 400  # the old page pays nothing any more


async def test_a_card_that_pays_while_its_buyer_changes_to_transfer_counts(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    who = {"charge_id": balance["id"], "buyer_id": pledge.buyer_id}
    await choose_card(checked, **who, actor=SYSTEM)
    _, secret = await begin_payment(desk.pool, desk.gateway, **who)
    async with checked.transaction():
        await choose_transfer(checked, **who, actor=SYSTEM)
    assert desk.pay_in_browser(secret, number=GOOD) == (200, "succeeded")  # faster than the worker
    assert await desk.settle() == 1
    assert await balances(checked, pledge) == [
        ("card", BALANCE, "captured"),
        ("transfer", BALANCE, "released"),
    ]
    assert await checked.fetchval("SELECT count(*) FROM charges WHERE purpose = 'refund'") == 0


async def test_a_page_that_was_never_finished_owes_a_transfer_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge, balance = await an_invoiced_pledge(checked)
    who = {"charge_id": balance["id"], "buyer_id": pledge.buyer_id}
    await choose_card(checked, **who, actor=SYSTEM)
    await begin_payment(desk.pool, desk.gateway, **who)
    await make_due(checked)
    assert not await settle_one(desk.pool, desk.gateway)
    await checked.execute("UPDATE charges SET grace_until = clock_timestamp() WHERE grace_until IS NOT NULL")
    async with checked.transaction():
        assert await end_one_grace(checked)
    await desk.settle()
    assert await balances(checked, pledge) == [("card", BALANCE, "released"), ("transfer", BALANCE, "due")]
