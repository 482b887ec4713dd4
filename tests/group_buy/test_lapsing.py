"""Lapsed payments, deliveries and surveys: the right price for who stays, and every won accounted for."""

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.core.pledge import Pledge
from group_buy.core.round import Round, RoundPolicies
from group_buy.deciding import clear_if_decided
from group_buy.delivering import (
    leave_after_survey,
    order_round,
    record_delivery,
    record_survey_quote,
    settle_round,
)
from group_buy.errors import ConsentNotFound, PledgeNotFound, RoundStateConflict
from group_buy.lapsing import answer_consent, end_silence, lapse_pledges
from group_buy.reading import list_charges
from group_buy.receiving import mark_transferred


async def cleared(
    conn: asyncpg.Connection,
    *quantities: int,
    received_krw: int = 0,
    policies: RoundPolicies | None = None,
    capacity: int = 20,
) -> tuple[Actor, Round, list[Pledge]]:
    """A cleared round of pledges by factories f0, f1, …, each for so many units."""
    actor = await a_coordinator(conn)
    buying_round = await a_round(
        conn,
        coordinator=actor,
        policies=policies or RoundPolicies(),
        capacity=capacity,
        allocation_rule="time",
    )
    pledges = [await a_pledge(conn, buying_round, f"f{n}", each) for n, each in enumerate(quantities)]
    for pledge in pledges:
        await fund(conn, pledge, received_krw=received_krw)
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    return actor, buying_round, pledges


async def units(conn: asyncpg.Connection) -> list[tuple[int, int, int]]:
    rows = await conn.fetch(
        """
        SELECT a.quantity, a.unit_price_krw, a.total_krw FROM current_allocations a JOIN pledges p ON p.id = a.pledge_id
        ORDER BY p.placed_at
        """
    )
    return [tuple(row) for row in rows]


async def lapse(conn: asyncpg.Connection, actor: Actor, pledge: Pledge) -> None:
    await lapse_pledges(
        conn,
        code="round",
        pledge_ids=frozenset({pledge.id}),
        actor=actor,
        coordinator_id=actor.organization_id,
    )


async def state(conn: asyncpg.Connection) -> tuple[str, int | None, int]:
    return tuple(await conn.fetchrow("SELECT state, unit_price_krw, quantity FROM rounds"))


async def test_a_lapse_that_leaves_the_tier_reached_changes_nobody_else(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 6, 4, 2)
    await lapse(checked, actor, pledges[2])
    assert await state(checked) == ("cleared", 800_000, 10)
    assert [row[0] for row in await units(checked)] == [6, 4, 0]


async def test_the_waiting_list_fills_the_hole_at_the_announced_price(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 6, 4, 5, capacity=10)
    await lapse(checked, actor, pledges[1])
    assert await state(checked) == ("cleared", 800_000, 10)
    assert [row[:2] for row in await units(checked)] == [(6, 800_000), (0, 800_000), (4, 800_000)]
    assert await checked.fetchval("SELECT count(*) FROM invoices") == 3


async def test_the_vendors_tolerance_holds_the_price(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 6, 3, 1, policies=RoundPolicies(delivery_tolerance=1))
    await lapse(checked, actor, pledges[2])
    assert await state(checked) == ("cleared", 800_000, 9)


async def test_forfeited_deposits_hold_the_price(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 6, 1, 3, received_krw=700_000)
    await lapse(checked, actor, pledges[2])
    assert await state(checked) == ("cleared", 800_000, 7)
    decision = await checked.fetchrow("SELECT kind, pool_krw FROM clearings WHERE clearing_no = 2")
    assert tuple(decision) == ("reclearing", 700_000)


async def test_a_dearer_price_needs_a_fresh_yes_and_silence_leaves_without_penalty(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor, _, pledges = await cleared(checked, 6, 3, 1, received_krw=300_000)
    await lapse(checked, actor, pledges[2])
    assert await state(checked) == ("cleared", 800_000, 9)
    asked = await checked.fetch("SELECT pledge_id, unit_price_krw FROM price_consents ORDER BY pledge_id")
    assert {row[0] for row in asked} == {pledges[0].id, pledges[1].id}
    assert {row[1] for row in asked} == {900_000}
    yes = Actor(None, pledges[0].buyer_id)
    with pytest.raises(ConsentNotFound):
        await answer_consent(checked, pledge_id=pledges[1].id, unit_price_krw=900_000, is_yes=True, actor=yes)
    await answer_consent(checked, pledge_id=pledges[0].id, unit_price_krw=900_000, is_yes=True, actor=yes)
    assert await state(checked) == ("cleared", 800_000, 9)
    with pytest.raises(RoundStateConflict):
        await order_round(checked, code="round", coordinator_id=actor.organization_id or 0, actor=actor)
    await owner_conn.execute("UPDATE price_consents SET due_at = clock_timestamp()")
    assert await end_silence(checked) == 1
    assert await state(checked) == ("cleared", 900_000, 6)
    assert await units(checked) == [(6, 900_000, 5_940_000), (0, 900_000, 0), (0, 800_000, 0)]
    refunds = [c for c in await list_charges(checked, round_id=pledges[0].round_id) if c.purpose == "refund"]
    assert [(c.buyer_id, c.amount_krw) for c in refunds] == [(pledges[1].buyer_id, 300_000)]
    assert await checked.fetchval("SELECT sum(forfeited_krw) FROM current_allocations") == 300_000


async def test_a_round_that_nobody_wants_dearer_is_released_in_full(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 1, 1)
    await lapse(checked, actor, pledges[1])
    assert await state(checked) == ("released", None, 0)
    assert [row[2] for row in await units(checked)] == [0, 0]
    due = [c for c in await list_charges(checked, round_id=pledges[0].round_id) if c.state == "due"]
    assert due == []


async def test_only_allocated_pledges_of_a_cleared_round_can_lapse(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(checked, 6, 4, 2)
    await lapse(checked, actor, pledges[2])
    before = await checked.fetchval("SELECT count(*) FROM allocation_changes")
    with pytest.raises(PledgeNotFound):
        await lapse(checked, actor, pledges[2])
    assert await checked.fetchval("SELECT count(*) FROM allocation_changes") == before == 1


async def test_a_short_delivery_is_shared_and_owed_back_and_then_settled(checked: asyncpg.Connection) -> None:
    actor, buying_round, _ = await cleared(checked, 6, 4)
    mine = actor.organization_id or 0
    await order_round(checked, code="round", coordinator_id=mine, actor=actor)
    charges = await list_charges(checked, round_id=buying_round.id)
    await mark_transferred(checked, charge_id=charges[1].id, coordinator_id=mine, actor=actor)
    returned = await record_delivery(checked, code="round", coordinator_id=mine, quantity=8, actor=actor)
    assert returned == 0
    assert [row[0] for row in await units(checked)] == [6, 2]
    assert await state(checked) == ("delivered", 800_000, 8)
    with pytest.raises(RoundStateConflict):
        await settle_round(checked, code="round", coordinator_id=mine, actor=actor)
    for charge in await list_charges(checked, round_id=buying_round.id):
        if charge.state == "due":
            await mark_transferred(checked, charge_id=charge.id, coordinator_id=mine, actor=actor)
    await settle_round(checked, code="round", coordinator_id=mine, actor=actor)
    assert (await state(checked))[0] == "settled"


async def test_a_buyer_leaves_free_of_charge_only_above_the_survey_cap(checked: asyncpg.Connection) -> None:
    actor, _, pledges = await cleared(
        checked, 6, 4, 2, received_krw=100_000, policies=RoundPolicies(survey_cap_krw=500_000)
    )
    for pledge, quote in ((pledges[1], 500_000), (pledges[2], 500_001)):
        await record_survey_quote(
            checked,
            pledge_id=pledge.id,
            coordinator_id=actor.organization_id or 0,
            quote_krw=quote,
            note="",
            actor=actor,
        )
    with pytest.raises(PledgeNotFound):
        await leave_after_survey(checked, pledge_id=pledges[1].id, actor=Actor(None, pledges[1].buyer_id))
    await leave_after_survey(checked, pledge_id=pledges[2].id, actor=Actor(None, pledges[2].buyer_id))
    assert await state(checked) == ("cleared", 800_000, 10)
    refunds = [c for c in await list_charges(checked, round_id=pledges[0].round_id) if c.purpose == "refund"]
    assert [c.amount_krw for c in refunds] == [100_000]
