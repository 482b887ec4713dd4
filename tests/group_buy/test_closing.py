"""Closing and clearing: on confirmed money only, once, to the won, and with everything given back that wins nothing."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from catalog.events import Actor, seal_events
from group_buy.closing import begin_closing, cancel_round, due_rounds
from group_buy.core.round import Round
from group_buy.deciding import clear_if_decided
from group_buy.errors import (
    ChargeNotFound,
    ChargeStateConflict,
    PledgeNotFound,
    RoundNotFound,
    RoundStateConflict,
)
from group_buy.reading import get_invoice, list_buyer_pledges, list_charges
from group_buy.receiving import mark_transferred, verify_funding
from group_buy.transactions import transaction


async def close(conn: asyncpg.Connection, buying_round: Round) -> bool:
    await begin_closing(conn, code=buying_round.code, early=True)
    return await clear_if_decided(conn, code=buying_round.code)


async def row_of(conn: asyncpg.Connection, code: str) -> tuple[str, int | None, int | None]:
    return tuple(
        await conn.fetchrow("SELECT state, unit_price_krw, quantity FROM rounds WHERE code = $1", code)
    )


async def test_a_round_clears_at_the_tier_that_confirmed_pledges_reach(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    for factory, quantity in (("hanbit", 3), ("daeseong", 2)):
        await fund(checked, await a_pledge(checked, buying_round, factory, quantity))
    assert await close(checked, buying_round)
    assert await row_of(checked, "round") == ("cleared", 900_000, 5)
    rows = await checked.fetch(
        "SELECT quantity, supply_krw, vat_krw, total_krw FROM allocations ORDER BY quantity DESC"
    )
    assert [tuple(row) for row in rows] == [
        (3, 2_700_000, 270_000, 2_970_000),
        (2, 1_800_000, 180_000, 1_980_000),
    ]


async def test_a_pledge_without_confirmed_money_does_not_count(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 2))
    await a_pledge(checked, buying_round, "unfunded", 8)
    assert await close(checked, buying_round)
    assert await row_of(checked, "round") == ("cleared", 1_000_000, 2)
    outcomes = await checked.fetch("SELECT outcome FROM pledges ORDER BY placed_at")
    assert [row[0] for row in outcomes] == ["allocated", "released"]


async def test_who_is_allocated_something_is_told_once_and_who_is_not_is_told_too(
    checked: asyncpg.Connection,
) -> None:
    buying_round = await a_round(checked)
    served = await a_pledge(checked, buying_round, "hanbit", 2)
    await fund(checked, served)
    unfunded = await a_pledge(checked, buying_round, "unfunded", 8)
    assert await close(checked, buying_round)
    told = "SELECT array_agg(kind ORDER BY id) FROM notifications WHERE organization_id = $1"
    assert await checked.fetchval(told, served.buyer_id) == ["round.closing", "invoice.issued"]
    assert await checked.fetchval(told, unfunded.buyer_id) == ["round.closing", "round.decided"]


async def test_a_round_below_its_minimum_releases_everybody_and_owes_deposits_back(
    checked: asyncpg.Connection,
) -> None:
    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 1)
    await fund(checked, pledge, received_krw=100_000)
    assert await close(checked, buying_round)
    assert await row_of(checked, "round") == ("released", None, 0)
    charges = await list_charges(checked, round_id=buying_round.id)
    assert [(c.purpose, c.method, c.amount_krw, c.state) for c in charges] == [
        ("refund", "transfer", 100_000, "due")
    ]
    kinds = [
        row[0] for row in await checked.fetch("SELECT kind FROM events WHERE subject = 'round' ORDER BY id")
    ]
    assert kinds == ["round.open", "round.closing", "round.shortfall", "round.released"]


async def test_a_received_deposit_is_taken_off_the_balance(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    await fund(checked, pledge, received_krw=200_000)
    assert await close(checked, buying_round)
    charges = await list_charges(checked, round_id=buying_round.id)
    assert sorted((c.purpose, c.amount_krw, c.state) for c in charges) == [
        ("balance", 2_000_000, "due"),
        ("deposit", 200_000, "captured"),
    ]
    view = (await list_buyer_pledges(checked, buyer_id=pledge.buyer_id))[0]
    assert view.allocation is not None
    assert (view.allocation.total_krw, view.allocation.deposit_krw) == (2_200_000, 200_000)
    invoice = await get_invoice(
        checked, number=view.allocation.invoice_number, organization_id=pledge.buyer_id
    )
    assert (invoice.supply_krw, invoice.vat_krw, invoice.balance_krw) == (2_000_000, 200_000, 2_000_000)


async def test_a_deposit_above_the_total_is_owed_back_to_the_won(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, tiers=((1, 1_000),))
    pledge = await a_pledge(checked, buying_round, "hanbit", 1)
    await fund(checked, pledge, received_krw=1_500)
    assert await close(checked, buying_round)
    charges = await list_charges(checked, round_id=buying_round.id)
    assert sorted((c.purpose, c.amount_krw) for c in charges) == [("deposit", 1_100), ("refund", 400)]


async def test_closing_twice_closes_once(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 2))
    assert await begin_closing(checked, code="round", early=True)
    assert not await begin_closing(checked, code="round")
    assert await clear_if_decided(checked, code="round")
    assert not await clear_if_decided(checked, code="round")
    assert await checked.fetchval("SELECT count(*) FROM allocations") == 1
    assert await checked.fetchval("SELECT count(*) FROM events WHERE kind = 'round.cleared'") == 1


async def test_many_workers_close_and_clear_a_round_once(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(conn)
    for number in range(6):
        await fund(conn, await a_pledge(conn, buying_round, f"factory-{number}", 2))

    async def work() -> bool:
        async with transaction(pool) as own:
            await begin_closing(own, code="round")
        async with transaction(pool) as own:
            return await clear_if_decided(own, code="round")

    await begin_closing(conn, code="round", early=True)
    cleared = await asyncio.gather(*(work() for _ in range(8)))
    assert sum(cleared) == 1
    assert await conn.fetchval("SELECT count(*) FROM allocations") == 6


async def test_a_round_is_not_due_before_its_deadline(checked: asyncpg.Connection) -> None:
    await a_round(checked)
    assert await due_rounds(checked) == []
    assert not await begin_closing(checked, code="round")
    assert (await row_of(checked, "round"))[0] == "open"


async def test_an_early_close_needs_terms_that_allow_it(checked: asyncpg.Connection) -> None:
    await a_round(checked, may_close_early=False)
    with pytest.raises(RoundStateConflict):
        await begin_closing(checked, code="round", early=True)
    assert (await row_of(checked, "round"))[0] == "open"


async def test_another_coordinators_round_is_unknown(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    stranger = await a_coordinator(checked, "other-alliance")
    assert stranger.organization_id is not None
    with pytest.raises(RoundNotFound):
        await begin_closing(checked, code="round", coordinator_id=stranger.organization_id, early=True)
    with pytest.raises(RoundNotFound):
        await cancel_round(
            checked, code="round", coordinator_id=stranger.organization_id, reason="no", actor=stranger
        )
    pledge = await a_pledge(checked, buying_round, "hanbit", 1)
    with pytest.raises(PledgeNotFound):
        await verify_funding(
            checked,
            pledge_id=pledge.id,
            coordinator_id=stranger.organization_id,
            kind="order",
            received_krw=0,
            actor=stranger,
        )
    assert await checked.fetchval("SELECT count(*) FROM pledge_fundings") == 0


async def test_closing_waits_for_transfers_until_their_time_is_over(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked, funding_window=timedelta(days=3))
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 2))
    await a_pledge(checked, buying_round, "slow", 4)
    assert not await close(checked, buying_round)
    await owner_conn.execute("UPDATE rounds SET funding_due_at = clock_timestamp()")
    assert await clear_if_decided(checked, code="round")
    assert await row_of(checked, "round") == ("cleared", 1_000_000, 2)


async def test_a_verified_pledge_that_was_changed_counts_only_after_it_is_verified_again(
    checked: asyncpg.Connection,
) -> None:
    from builders import a_buyer

    from group_buy.core.pledge import LineInput
    from group_buy.pledging import change_pledge

    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    await fund(checked, pledge)
    buyer, person_id = await a_buyer(checked, "hanbit")
    await change_pledge(
        checked, pledge_id=pledge.id, buyer=buyer, person_id=person_id, version=2, lines=(LineInput(10),)
    )
    assert await close(checked, buying_round)
    assert (await row_of(checked, "round"))[0] == "released"


async def test_canceling_owes_received_deposits_back(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 2), received_krw=200_000)
    assert actor.organization_id is not None
    await cancel_round(
        checked, code="round", coordinator_id=actor.organization_id, reason="vendor left", actor=actor
    )
    assert (await row_of(checked, "round"))[0] == "canceled"
    charges = await list_charges(checked, round_id=buying_round.id)
    assert [(c.purpose, c.amount_krw) for c in charges] == [("refund", 200_000)]


async def test_a_balance_is_recorded_once(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 2))
    assert await close(checked, buying_round)
    charge = (await list_charges(checked, round_id=buying_round.id))[0]
    assert actor.organization_id is not None

    async def received(charge_id: object = charge.id, who: Actor = actor) -> None:
        assert who.organization_id is not None
        await mark_transferred(
            checked,
            charge_id=charge_id,  # type: ignore[arg-type]
            coordinator_id=who.organization_id,
            actor=who,
        )

    with pytest.raises(ChargeNotFound):
        await received(uuid4())
    with pytest.raises(ChargeNotFound):
        await received(who=await a_coordinator(checked, "other-alliance"))
    await received()
    with pytest.raises(ChargeStateConflict):
        await received()
    states = await checked.fetch(
        "SELECT state FROM charge_events WHERE charge_id = $1 ORDER BY at", charge.id
    )
    assert [row[0] for row in states] == ["due", "processing", "authorized", "captured"]


async def test_the_event_chain_tells_a_changed_row(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    from group_buy.checks import check_invariants

    await a_round(checked)
    assert await seal_events(checked, batch_size=1) == 1
    assert await seal_events(checked) == await checked.fetchval("SELECT count(*) - 1 FROM events")
    assert await seal_events(checked) == 0
    assert [r for r in await check_invariants(checked) if r.violations] == []
    await owner_conn.execute("UPDATE events SET data = '{\"x\": 1}' WHERE id = (SELECT max(id) FROM events)")
    broken = [r.name for r in await check_invariants(checked) if r.violations]
    assert broken == ["the chain of sealed events is whole"]
    await owner_conn.execute("TRUNCATE events, event_seals, rounds CASCADE")


async def test_the_application_can_neither_rewrite_nor_delete_events(conn: asyncpg.Connection) -> None:
    await a_round(conn)
    for statement in (
        "UPDATE events SET kind = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE allocations SET quantity = 1",
        "DELETE FROM charges",
        "ALTER TABLE events ADD COLUMN x int",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
