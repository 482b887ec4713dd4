"""Money goes back to the card that paid: once, to the won, never more than it was charged, whatever fails on the way."""

from uuid import UUID, uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund
from card_desk import CAPTURE, REFUND, CardDesk, charge_of, close, gateway_to, make_due

from catalog.events import SYSTEM, Actor
from group_buy.changing import balance_out
from group_buy.checks import check_invariants
from group_buy.core.pledge import Pledge
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery, settle_round
from group_buy.errors import ChargeNotFound, ChargeStateConflict
from group_buy.gateway import GatewayRefused, RefundRequest
from group_buy.lapsing import lapse_pledges
from group_buy.payouts import list_payables
from group_buy.reading import list_charges
from group_buy.receiving import mark_transferred
from group_buy.reconciling import reconcile
from group_buy.refunding import refund_by_transfer
from group_buy.retrying import retry_charge
from group_buy.settling import settle_one
from marketplace.payments.contract_calls import Fault
from marketplace.payments.stripe_gateway import StripeGateway

TIERS = ((2, 1_000_003),)


async def a_cleared_round(
    desk: CardDesk, conn: asyncpg.Connection, *, units: int = 4, captured: bool = True
) -> tuple[Actor, Pledge]:
    """A cleared round of a pledge by card, which wants `units`, and one of 2 by an order. Deposits: 10 %."""
    actor = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=actor, tiers=TIERS)
    pledge = await desk.pledge(conn, buying_round, "hanbit", units)
    await fund(conn, await a_pledge(conn, buying_round, "other", 2))
    await close(conn)
    await desk.settle()
    assert await clear_if_decided(conn, code="round")
    if captured:
        await desk.settle()
    return actor, pledge


async def deliver(conn: asyncpg.Connection, actor: Actor, quantity: int) -> None:
    assert actor.organization_id is not None
    await order_round(conn, code="round", coordinator_id=actor.organization_id, actor=actor)
    await record_delivery(conn, code="round", quantity=quantity, actor=actor)


async def pay_balances(conn: asyncpg.Connection) -> None:
    await conn.execute(
        """
        WITH paid AS (UPDATE charges SET state = 'captured', capture_krw = amount_krw
                      WHERE purpose = 'balance' AND state = 'due' RETURNING id)
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'captured' FROM paid
        """
    )


async def refunds_of(conn: asyncpg.Connection, pledge: Pledge) -> list[tuple[str, int, str]]:
    rows = await conn.fetch(
        "SELECT method, amount_krw, state FROM charges WHERE pledge_id = $1 AND purpose = 'refund' ORDER BY entry_no",
        pledge.id,
    )
    return [tuple(row) for row in rows]


async def refund_row(conn: asyncpg.Connection) -> asyncpg.Record:
    row = await conn.fetchrow(
        """
        SELECT c.id, c.state, c.attempt, c.last_error, a.create_key, a.provider_ref FROM charges c
        LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
        WHERE c.purpose = 'refund' AND c.method = 'card'
        """
    )
    assert row is not None
    return row


async def payment_ref(conn: asyncpg.Connection, pledge: Pledge) -> str:
    return str(
        await conn.fetchval(
            """
            SELECT a.provider_ref FROM charges c JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
            WHERE c.pledge_id = $1 AND c.purpose = 'deposit'
            """,
            pledge.id,
        )
    )


async def test_a_refund_goes_to_the_card_as_far_as_it_paid_and_the_rest_by_transfer(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    actor, pledge = await a_cleared_round(desk, checked)
    await pay_balances(checked)
    await deliver(
        checked, actor, 3
    )  # 2 of 4 units come: half of 4,400,013 won goes back, the deposit was 400,001
    deposit = await charge_of(checked, pledge)
    assert (deposit["state"], deposit["capture_krw"]) == ("captured", 400_001)
    owed = await refunds_of(checked, pledge)
    assert [(method, state) for method, _, state in owed] == [("card", "due"), ("transfer", "due")]
    assert owed[0][1] == 400_001
    assert sum(krw for _, krw, _ in owed) == 4_400_013 - 2_200_006
    await desk.settle()
    assert (await refunds_of(checked, pledge))[0] == ("card", 400_001, "captured")
    assert await desk.refunds(await payment_ref(checked, pledge)) == [400_001]
    assert (await charge_of(checked, pledge))["state"] == "refunded"
    assert await desk.settle() == 0


async def test_a_deposit_that_went_back_whole_leaves_the_vendor_what_is_owed_for_the_goods(
    desk: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor, pledge = await a_cleared_round(desk, checked)
    await owner_conn.execute("UPDATE rounds SET custody = 'operator'")
    await pay_balances(checked)
    await deliver(checked, actor, 3)
    assert actor.organization_id is not None
    held = [await list_payables(checked, coordinator_id=actor.organization_id)]
    await desk.settle()
    assert (await charge_of(checked, pledge))["state"] == "refunded"
    held.append(await list_payables(checked, coordinator_id=actor.organization_id))
    # 2 units of the card's buyer and 1 of the other: what was paid for, whether the refund was made yet or not.
    assert [[each.held_krw for each in payables] for payables in held] == [[2_200_006 + 1_100_003]] * 2
    for charge in await list_charges(checked):
        if (charge.method, charge.state) == ("transfer", "due"):
            await mark_transferred(
                checked, charge_id=charge.id, coordinator_id=actor.organization_id, actor=actor
            )
    await settle_round(checked, code="round", coordinator_id=actor.organization_id, actor=actor)
    broken = {result.name for result in await check_invariants(checked) if result.violations}
    assert broken == set()
    await owner_conn.execute("UPDATE rounds SET commission_bp = 100")
    broken = {result.name for result in await check_invariants(checked) if result.violations}
    assert "what may be paid out of a settled round is what its vendor is owed" in broken
    await owner_conn.execute("UPDATE rounds SET commission_bp = 0")


async def test_a_part_of_a_deposit_goes_back_and_the_charge_stays_captured(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    actor, pledge = await a_cleared_round(desk, checked)
    await checked.execute(  # the balance is not asked for any more, so that only a part of the deposit is too much
        """
        WITH less AS (UPDATE charges SET state = 'released' WHERE pledge_id = $1 AND purpose = 'balance' RETURNING id)
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'released' FROM less
        """,
        pledge.id,
    )
    await deliver(checked, actor, 0)
    assert await refunds_of(checked, pledge) == [("card", 400_001, "due")]
    await desk.settle()
    assert await desk.refunds(await payment_ref(checked, pledge)) == [400_001]


@pytest.mark.parametrize(
    "kind", ["timeout_after", "reset_after", "status_500_after", "reset", "status_409", "status_429"]
)
async def test_a_refund_whose_answer_was_lost_is_made_once(
    desk: CardDesk, checked: asyncpg.Connection, kind: str
) -> None:
    actor, pledge = await a_cleared_round(desk, checked)
    await pay_balances(checked)
    await deliver(checked, actor, 3)
    desk.local.inject(Fault(kind, path=REFUND, seconds=1))  # type: ignore[arg-type]
    async with gateway_to(desk.local, seconds=0.5) as impatient:
        assert await settle_one(desk.pool, impatient)
    before = await refund_row(checked)
    assert before["state"] == "processing"
    assert before["last_error"] is not None
    await make_due(checked)
    await desk.settle()
    after = await refund_row(checked)
    assert (after["state"], after["create_key"], after["attempt"]) == ("captured", before["create_key"], 1)
    assert await desk.refunds(await payment_ref(checked, pledge)) == [400_001]


async def test_a_refund_whose_key_was_forgotten_is_found_before_it_is_asked_for_again(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    """Stripe prunes keys after a day: only looking first keeps a repeated refund from being a second one."""
    actor, pledge = await a_cleared_round(desk, checked)
    await pay_balances(checked)
    await deliver(checked, actor, 3)
    desk.local.inject(Fault("reset_after", path=REFUND))
    assert await settle_one(desk.pool, desk.gateway)
    await checked.execute(
        "UPDATE charge_attempts SET create_key = $1 WHERE charge_id = $2",
        uuid4(),
        (await refund_row(checked))["id"],
    )
    await make_due(checked)
    await desk.settle()
    assert (await refund_row(checked))["state"] == "captured"
    assert await desk.refunds(await payment_ref(checked, pledge)) == [400_001]


async def test_a_refused_refund_waits_for_a_person(desk: CardDesk, checked: asyncpg.Connection) -> None:
    actor, pledge = await a_cleared_round(desk, checked)
    await pay_balances(checked)
    await deliver(checked, actor, 3)
    paid = await payment_ref(checked, pledge)
    by_hand = RefundRequest(uuid4(), 1, paid, 400_001, uuid4())
    await desk.gateway.refund(by_hand)  # somebody gave it back at the provider
    await desk.settle()
    refused = await refund_row(checked)
    assert refused["state"] == "failed"
    assert await desk.refunds(paid) == [400_001]
    await retry_charge(checked, charge_id=refused["id"], actor=SYSTEM)
    await desk.settle()
    assert (await refund_row(checked))["state"] == "failed"
    assert actor.organization_id is not None
    before = await refunds_of(checked, pledge)
    with pytest.raises(ChargeNotFound):
        await refund_by_transfer(checked, charge_id=refused["id"], coordinator_id=0, actor=actor)
    assert await refunds_of(checked, pledge) == before
    await refund_by_transfer(
        checked, charge_id=refused["id"], coordinator_id=actor.organization_id, actor=actor
    )
    assert [each for each in await refunds_of(checked, pledge) if each[1] == 400_001] == [
        ("card", 400_001, "released"),
        ("transfer", 400_001, "due"),
    ]
    with pytest.raises(ChargeStateConflict):
        await refund_by_transfer(
            checked, charge_id=refused["id"], coordinator_id=actor.organization_id, actor=actor
        )


async def test_the_provider_refuses_more_than_was_captured(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    _, pledge = await a_cleared_round(desk, checked)
    paid = await payment_ref(checked, pledge)
    with pytest.raises(GatewayRefused):
        await desk.gateway.refund(RefundRequest(uuid4(), 1, paid, 400_002, uuid4()))
    assert await desk.refunds(paid) == []


async def test_a_hold_not_captured_yet_is_released_instead_of_refunded(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    actor, pledge = await a_cleared_round(desk, checked, captured=False)
    await lapse_pledges(
        checked,
        code="round",
        pledge_ids=frozenset({pledge.id}),
        actor=actor,
        reason="survey_exit",
        coordinator_id=actor.organization_id,
    )
    await desk.settle()
    charge = await charge_of(checked, pledge)
    assert (charge["state"], charge["capture_krw"]) == ("released", 0)
    assert await refunds_of(checked, pledge) == []


async def test_a_deposit_captured_while_its_pledge_left_goes_back(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    actor, pledge = await a_cleared_round(desk, checked, captured=False)

    class Leaves(StripeGateway):
        async def capture(self, *, provider_ref: str, amount_krw: int, finish_key: UUID):  # type: ignore[no-untyped-def]
            result = await super().capture(
                provider_ref=provider_ref, amount_krw=amount_krw, finish_key=finish_key
            )
            if amount_krw == 400_001:
                await lapse_pledges(
                    checked,
                    code="round",
                    pledge_ids=frozenset({pledge.id}),
                    actor=actor,
                    reason="survey_exit",
                    coordinator_id=actor.organization_id,
                )
            return result

    local = desk.local
    leaves = Leaves(local.secret_key, local.publishable_key, local.webhook_secret, local.url)
    while await settle_one(desk.pool, leaves):
        pass
    await leaves.close()
    assert await desk.refunds(await payment_ref(checked, pledge)) == [400_001]
    assert await refunds_of(checked, pledge) == [("card", 400_001, "captured")]
    assert (await charge_of(checked, pledge))["state"] == "refunded"


async def test_a_refund_waits_until_its_payment_was_captured(
    desk: CardDesk, checked: asyncpg.Connection
) -> None:
    """A dearer decision than the deposit: the capture is on its way when units go."""
    actor, pledge = await a_cleared_round(desk, checked, captured=False)
    await checked.execute(
        "UPDATE charges SET state = 'released' WHERE pledge_id = $1 AND purpose = 'balance'", pledge.id
    )
    await checked.execute(
        """
        INSERT INTO charge_events (charge_id, attempt, state)
        SELECT id, 1, 'released' FROM charges WHERE pledge_id = $1 AND purpose = 'balance'
        """,
        pledge.id,
    )
    await checked.execute(
        """
        INSERT INTO allocation_changes (allocation_id, change_no, reason, quantity, unit_price_krw, supply_krw,
                                        vat_krw, total_krw)
        SELECT id, 1, 'delivery', 0, unit_price_krw, 0, 0, 0 FROM allocations WHERE pledge_id = $1
        """,
        pledge.id,
    )
    await balance_out(
        checked, await checked.fetchval("SELECT id FROM allocations WHERE pledge_id = $1", pledge.id)
    )
    await checked.execute("UPDATE rounds SET quantity = 2")
    assert await refunds_of(checked, pledge) == [("card", 400_001, "due")]
    desk.local.inject(Fault("reset", path=CAPTURE))
    await settle_one(desk.pool, desk.gateway)
    assert not await settle_one(desk.pool, desk.gateway)
    assert (await refund_row(checked))["state"] == "due"
    await make_due(checked)
    await desk.settle()
    assert await refunds_of(checked, pledge) == [("card", 400_001, "captured")]
    assert actor.organization_id is not None


@pytest.mark.parametrize("limit", [None, 900_000])
async def test_money_that_a_lost_decision_took_counts_as_it_is_or_goes_back(
    desk: CardDesk, checked: asyncpg.Connection, limit: int | None
) -> None:
    """After a restore the round is decided again; its holds turn out to be captured already."""
    buying_round = await a_round(checked, tiers=((2, 1_000_003), (5, 800_000)))
    pledge = await desk.pledge(checked, buying_round, "hanbit", 2, limit=limit)
    await fund(checked, await a_pledge(checked, buying_round, "other", 2))
    await close(checked)
    await desk.settle()
    held = await charge_of(checked, pledge)
    taken_krw = min(200_000, held["amount_krw"])
    await desk.gateway.capture(
        provider_ref=held["provider_ref"], amount_krw=taken_krw, finish_key=held["finish_key"]
    )
    assert [
        f.kind for f in (await reconcile(desk.pool, desk.gateway)).findings if f.charge_id == held["id"]
    ] == []
    assert (await charge_of(checked, pledge))["state"] == "captured"
    assert await clear_if_decided(checked, code="round")
    await desk.settle()
    charge = await charge_of(checked, pledge)
    if limit is None:
        assert (charge["state"], charge["capture_krw"]) == ("captured", taken_krw)
        assert await refunds_of(checked, pledge) == []
    else:
        assert charge["state"] == "refunded"
        assert await refunds_of(checked, pledge) == [("card", taken_krw, "captured")]
