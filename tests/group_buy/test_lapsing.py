"""Lapsed payments, deliveries and surveys: the right price for who stays, and every won accounted for."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from builders import a_buyer, a_coordinator, a_pledge, a_round, fund

from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.consenting import answer_consent, end_silence
from group_buy.core.pledge import LineInput, Pledge
from group_buy.core.round import Round, RoundPolicies
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery, settle_round
from group_buy.errors import (
    ConsentClosed,
    ConsentNotFound,
    PledgeNotFound,
    RoundNotFound,
    RoundStateConflict,
    SurveyQuoteStands,
)
from group_buy.lapsing import lapse_pledges
from group_buy.pledging import place_pledge
from group_buy.reading import list_charges
from group_buy.receiving import mark_transferred
from group_buy.substituting import Substitute, rank_substitutes
from group_buy.surveying import accept_survey_quote, leave_after_survey, record_survey_quote


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
    for _ in range(2):
        await answer_consent(checked, pledge_id=pledges[0].id, unit_price_krw=900_000, is_yes=True, actor=yes)
    with pytest.raises(ConsentClosed):
        await answer_consent(
            checked, pledge_id=pledges[0].id, unit_price_krw=900_000, is_yes=False, actor=yes
        )
    assert await state(checked) == ("cleared", 800_000, 9)
    consented = "SELECT count(*) FROM events WHERE kind IN ('pledge.consented', 'pledge.declined')"
    assert await checked.fetchval(consented) == 1
    with pytest.raises(RoundStateConflict):
        await order_round(checked, code="round", coordinator_id=actor.organization_id or 0, actor=actor)
    await owner_conn.execute("UPDATE price_consents SET due_at = clock_timestamp()")
    late = Actor(None, pledges[1].buyer_id)
    for is_yes in (True, False):
        with pytest.raises(ConsentClosed):
            await answer_consent(
                checked, pledge_id=pledges[1].id, unit_price_krw=900_000, is_yes=is_yes, actor=late
            )
    assert await checked.fetchval(consented) == 1
    assert await end_silence(checked) == 1
    with pytest.raises(ConsentClosed):
        await answer_consent(
            checked, pledge_id=pledges[1].id, unit_price_krw=900_000, is_yes=True, actor=late
        )
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


async def test_only_allocated_pledges_of_a_cleared_round_can_lapse_and_only_once(
    checked: asyncpg.Connection,
) -> None:
    actor, _, pledges = await cleared(checked, 6, 4, 2)
    await lapse(checked, actor, pledges[2])
    events = await checked.fetchval("SELECT count(*) FROM events")
    await lapse(checked, actor, pledges[2])
    stranger = msgspec.structs.replace(pledges[0], id=uuid4())
    with pytest.raises(PledgeNotFound):
        await lapse(checked, actor, stranger)
    assert await checked.fetchval("SELECT count(*) FROM allocation_changes") == 1
    assert await checked.fetchval("SELECT count(*) FROM events") == events


async def test_a_short_delivery_is_shared_and_owed_back_and_then_settled(checked: asyncpg.Connection) -> None:
    actor, buying_round, _ = await cleared(checked, 6, 4)
    mine = actor.organization_id or 0
    await order_round(checked, code="round", coordinator_id=mine, actor=actor)
    charges = await list_charges(checked, round_id=buying_round.id)
    await mark_transferred(checked, charge_id=charges[1].id, coordinator_id=mine, actor=actor)
    returned = await record_delivery(checked, code="round", quantity=8, actor=actor)
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
            quote_krw=quote,
            note="",
            actor=actor,
        )
    with pytest.raises(PledgeNotFound):
        await leave_after_survey(checked, pledge_id=pledges[1].id, actor=Actor(None, pledges[1].buyer_id))
    with pytest.raises(RoundStateConflict):
        await order_round(checked, code="round", coordinator_id=actor.organization_id or 0, actor=actor)
    with pytest.raises(SurveyQuoteStands):
        await record_survey_quote(checked, pledge_id=pledges[2].id, quote_krw=1, note="", actor=actor)
    for _ in range(2):
        await leave_after_survey(checked, pledge_id=pledges[2].id, actor=Actor(None, pledges[2].buyer_id))
    with pytest.raises(SurveyQuoteStands):
        await accept_survey_quote(checked, pledge_id=pledges[2].id, actor=Actor(None, pledges[2].buyer_id))
    assert await checked.fetchval("SELECT count(*) FROM events WHERE kind = 'pledge.surveyed'") == 2
    assert await state(checked) == ("cleared", 800_000, 10)
    refunds = [c for c in await list_charges(checked, round_id=pledges[0].round_id) if c.purpose == "refund"]
    assert [c.amount_krw for c in refunds] == [100_000]


async def test_a_waiting_pledge_of_several_lines_is_admitted_line_by_line(
    checked: asyncpg.Connection,
) -> None:
    """Its second line wins what its first does not: the first one's limit is below the announced price."""
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor, capacity=9, allocation_rule="time")
    first = await a_pledge(checked, buying_round, "f0", 6)
    second = await a_pledge(checked, buying_round, "f1", 3)
    buyer, person_id = await a_buyer(checked, "f2")
    waiting = await place_pledge(
        checked,
        round_code="round",
        pledge_id=uuid4(),
        buyer=buyer,
        person_id=person_id,
        funding="transfer",
        lines=(LineInput(2, 1, 800_000), LineInput(2), LineInput(3, 1, 900_000)),
    )
    for pledge in (first, second, waiting):
        await fund(checked, pledge)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    assert await state(checked) == ("cleared", 900_000, 9)
    await lapse(checked, actor, second)
    assert await state(checked) == ("cleared", 900_000, 9)
    lines = await checked.fetch(
        """
        SELECT l.line_no, l.quantity FROM allocation_lines l JOIN allocations a ON a.id = l.allocation_id
        WHERE a.pledge_id = $1 ORDER BY 1
        """,
        waiting.id,
    )
    assert [tuple(row) for row in lines] == [(2, 2), (3, 1)]


async def test_a_pledge_that_fell_through_is_not_admitted_to_the_round_it_left(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    first = await a_round(checked, coordinator=actor, capacity=10, allocation_rule="time")
    await a_round(checked, "later", coordinator=actor, lasts=timedelta(days=2))
    served = [await a_pledge(checked, first, "f0", 6), await a_pledge(checked, first, "f1", 4)]
    moving = await a_pledge(checked, first, "f2", 4)
    buyer, person_id = await a_buyer(checked, "f2")
    await rank_substitutes(
        checked,
        pledge_id=moving.id,
        buyer=buyer,
        person_id=person_id,
        substitutes=(Substitute("later", (LineInput(4),)),),
    )
    for pledge in (*served, moving):
        await fund(checked, pledge)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    assert await checked.fetchval("SELECT count(*) FROM pledges WHERE fell_from_id = $1", moving.id) == 1
    await lapse(checked, actor, served[1])
    assert await checked.fetchval("SELECT count(*) FROM allocations WHERE pledge_id = $1", moving.id) == 0


async def test_a_buyer_whose_round_failed_after_clearing_falls_through(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    first = await a_round(checked, coordinator=actor)
    await a_round(checked, "later", coordinator=actor, lasts=timedelta(days=2))
    pledges = [await a_pledge(checked, first, "f0", 1), await a_pledge(checked, first, "f1", 1)]
    for number, pledge in enumerate(pledges):
        buyer, person_id = await a_buyer(checked, f"f{number}")
        await rank_substitutes(
            checked,
            pledge_id=pledge.id,
            buyer=buyer,
            person_id=person_id,
            substitutes=(Substitute("later", (LineInput(2),)),),
        )
        await fund(checked, pledge)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    await lapse(checked, actor, pledges[1])
    assert (await state_of(checked, "round"), await state_of(checked, "later")) == ("released", "open")
    moved = await checked.fetch("SELECT fell_from_id FROM pledges WHERE fell_from_id IS NOT NULL")
    assert [row[0] for row in moved] == [pledges[0].id]


async def state_of(conn: asyncpg.Connection, code: str) -> str:
    return str(await conn.fetchval("SELECT state FROM rounds WHERE code = $1", code))


async def test_a_repeated_delivery_is_one_and_another_figure_is_refused(checked: asyncpg.Connection) -> None:
    actor, buying_round, _ = await cleared(checked, 6, 4)
    await order_round(checked, code="round", coordinator_id=actor.organization_id or 0, actor=actor)
    vendor = Actor(actor.person_id, buying_round.vendor_id)
    stranger = Actor(actor.person_id, (actor.organization_id or 0) + 10_000)
    with pytest.raises(RoundNotFound):
        await record_delivery(checked, code="round", quantity=8, actor=stranger)
    for _ in range(2):
        assert await record_delivery(checked, code="round", quantity=8, actor=vendor) == 0
    with pytest.raises(RoundStateConflict):
        await record_delivery(checked, code="round", quantity=9, actor=actor)
    assert await checked.fetchval("SELECT count(*) FROM allocation_changes") == 1
    assert await checked.fetchval("SELECT count(*) FROM deliveries") == 1
