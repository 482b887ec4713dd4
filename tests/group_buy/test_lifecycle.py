"""What was fixed before opening happens: extensions, carrying over, lower minima, fill-up, families, substitutes."""

from datetime import timedelta

import asyncpg
import pytest
from builders import a_buyer, a_coordinator, a_pledge, a_round, fund

from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput, Pledge
from group_buy.core.round import Round, RoundPolicies
from group_buy.deciding import clear_if_decided
from group_buy.errors import InvalidPledge, InvalidRound, PledgeMayOnlyHelp
from group_buy.opening import begin_due_fill_ups
from group_buy.pledging import change_pledge, get_pledge
from group_buy.repeating import repeat_round, schedule_rounds
from group_buy.substituting import Substitute, rank_substitutes


async def close(conn: asyncpg.Connection, code: str = "round") -> bool:
    await begin_closing(conn, code=code, early=True)
    return await clear_if_decided(conn, code=code)


async def state_of(conn: asyncpg.Connection, code: str = "round") -> str:
    return str(await conn.fetchval("SELECT state FROM rounds WHERE code = $1", code))


async def change(conn: asyncpg.Connection, pledge: Pledge, factory: str, *lines: LineInput) -> Pledge:
    buyer, person_id = await a_buyer(conn, factory)
    return await change_pledge(
        conn,
        pledge_id=pledge.id,
        buyer=buyer,
        person_id=person_id,
        version=pledge.version + 1,
        lines=lines,
    )


async def test_a_short_round_is_extended_once_and_then_released(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    policies = RoundPolicies(shortfall_policy="extend", extension_days=3)
    buying_round = await a_round(checked, policies=policies)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 1))
    assert await close(checked)
    assert await state_of(checked) == "open"
    await a_pledge(checked, buying_round, "daeseong", 1)
    assert await close(checked)
    assert await state_of(checked) == "released"
    kinds = await checked.fetch("SELECT kind FROM events WHERE subject = 'round' ORDER BY id")
    assert [row[0].removeprefix("round.") for row in kinds] == [
        "open", "closing", "shortfall", "open", "closing", "shortfall", "released",
    ]  # fmt: skip
    until = await checked.fetchval("SELECT single_price_until - decided_at FROM rounds")
    assert abs(until - timedelta(days=7)) < timedelta(minutes=1)


async def test_commitments_are_carried_with_their_places_and_their_money(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, policies=RoundPolicies(shortfall_policy="carry"))
    pledge = await a_pledge(checked, buying_round, "hanbit", 1)
    await fund(checked, pledge, received_krw=100_000)
    assert await close(checked)
    assert await state_of(checked) == "carried_over"
    row = await checked.fetchrow("SELECT outcome, carried_to_id FROM pledges WHERE id = $1", pledge.id)
    assert row is not None
    assert row["outcome"] == "carried"
    carried = await get_pledge(checked, row["carried_to_id"], buyer_id=pledge.buyer_id)
    assert (carried.state, carried.lines) == ("placed", pledge.lines)
    assert await checked.fetchval("SELECT count(*) FROM charges") == 0
    code = await checked.fetchval("SELECT code FROM rounds WHERE id = $1", carried.round_id)
    await fund(checked, await a_pledge(checked, await _round_by(checked, code), "daeseong", 1))
    assert await close(checked, code)
    assert await state_of(checked, code) == "cleared"


async def _round_by(conn: asyncpg.Connection, code: str) -> Round:
    from group_buy.rounds import ROUND_COLUMNS, read_round

    row = await conn.fetchrow(f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE code = $1", code)
    assert row is not None
    return read_round(row)


async def test_a_lower_minimum_that_was_agreed_clears_at_the_first_price(checked: asyncpg.Connection) -> None:
    policies = RoundPolicies(shortfall_policy="lower_tier", fallback_quantity_min=1)
    buying_round = await a_round(checked, policies=policies)
    await fund(checked, await a_pledge(checked, buying_round, "hanbit", 1))
    assert await close(checked)
    row = await checked.fetchrow("SELECT state, unit_price_krw, quantity FROM rounds")
    assert tuple(row) == ("cleared", 1_000_000, 1)


@pytest.mark.parametrize(
    ("policies", "pointer"),
    [
        (RoundPolicies(shortfall_policy="extend"), "/policies/extension_days"),
        (RoundPolicies(extension_days=3), "/policies/extension_days"),
        (RoundPolicies(shortfall_policy="lower_tier"), "/policies/fallback_quantity_min"),
        (
            RoundPolicies(shortfall_policy="lower_tier", fallback_quantity_min=2),
            "/policies/fallback_quantity_min",
        ),
        (RoundPolicies(delivery_tolerance=2), "/policies/delivery_tolerance"),
        (RoundPolicies(withdrawal_lock_hours=-1), "/policies/withdrawal_lock_hours"),
        (RoundPolicies(family="spring"), "/policies/family_position"),
        (RoundPolicies(survey_cap_krw=-1), "/policies/survey_cap_krw"),
    ],
)
async def test_a_policy_outside_its_rule_is_refused_by_name(
    conn: asyncpg.Connection, policies: RoundPolicies, pointer: str
) -> None:
    with pytest.raises(InvalidRound) as refusal:
        await a_round(conn, policies=policies)
    assert refusal.value.pointer == pointer
    assert await conn.fetchval("SELECT count(*) FROM rounds") == 0


async def test_near_the_deadline_a_pledge_may_only_help(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(
        checked, lasts=timedelta(hours=3), policies=RoundPolicies(withdrawal_lock_hours=6)
    )
    pledge = await a_pledge(checked, buying_round, "hanbit", 3, limit=900_000)
    for lines in ((), (LineInput(2, 1, 900_000),), (LineInput(4, 2, 900_000),), (LineInput(9, 1, 800_000),)):
        with pytest.raises(PledgeMayOnlyHelp):
            await change(checked, pledge, "hanbit", *lines)
    assert await checked.fetchval("SELECT count(*) FROM pledge_versions") == 1
    wider = await change(checked, pledge, "hanbit", LineInput(5, 1, 900_000))
    assert wider.quantity_max == 5


async def test_the_fill_up_phase_begins_by_itself_and_takes_newcomers(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 3)
    assert await begin_due_fill_ups(checked) == 0
    await owner_conn.execute("UPDATE rounds SET fills_up_at = clock_timestamp()")
    assert await begin_due_fill_ups(checked) == 1
    assert await state_of(checked) == "fill_up"
    with pytest.raises(PledgeMayOnlyHelp):
        await change(checked, pledge, "hanbit")
    await a_pledge(checked, buying_round, "daeseong", 1)


async def test_a_family_clears_in_order_and_what_wins_nothing_falls_through(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    first = await a_round(
        checked, "first", coordinator=actor, policies=RoundPolicies(family="spring", family_position=1)
    )
    second = await a_round(
        checked, "second", coordinator=actor, policies=RoundPolicies(family="spring", family_position=2)
    )
    pledge = await a_pledge(checked, first, "hanbit", 1)
    buyer, person_id = await a_buyer(checked, "hanbit")
    await rank_substitutes(
        checked,
        pledge_id=pledge.id,
        buyer=buyer,
        person_id=person_id,
        substitutes=(Substitute("second", (LineInput(2),)),),
    )
    await fund(checked, pledge)
    await fund(checked, await a_pledge(checked, second, "daeseong", 4))
    await begin_closing(checked, code="second", early=True)
    assert not await clear_if_decided(checked, code="second")
    assert await close(checked, "first")
    assert await clear_if_decided(checked, code="second")
    assert await state_of(checked, "first") == "released"
    row = await checked.fetchrow("SELECT unit_price_krw, quantity FROM rounds WHERE code = 'second'")
    assert tuple(row) == (900_000, 6)
    assert await checked.fetchval("SELECT count(*) FROM events WHERE kind = 'pledge.fell_through'") == 1


async def test_a_substitute_must_clear_later(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    early = await a_round(checked, "early", coordinator=actor)
    late = await a_round(checked, "late", coordinator=actor, lasts=timedelta(days=2))
    pledge = await a_pledge(checked, late, "hanbit", 1)
    buyer, person_id = await a_buyer(checked, "hanbit")
    with pytest.raises(InvalidPledge):
        await rank_substitutes(
            checked,
            pledge_id=pledge.id,
            buyer=buyer,
            person_id=person_id,
            substitutes=(Substitute(early.code, (LineInput(1),)),),
        )
    assert await checked.fetchval("SELECT count(*) FROM pledge_substitutes") == 0


async def test_a_round_is_repeated_and_scheduled_with_its_rules(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(
        checked, coordinator=actor, policies=RoundPolicies(shortfall_policy="extend", extension_days=2)
    )
    later = buying_round.opens_at + timedelta(days=30)
    repeated = await repeat_round(checked, buying_round=buying_round, opens_at=later, actor=actor)
    assert (repeated.code, repeated.state, repeated.extension_days) == ("round-r2", "announced", 2)
    assert repeated.closes_at - repeated.opens_at == buying_round.closes_at - buying_round.opens_at
    scheduled = await schedule_rounds(
        checked, buying_round=repeated, first_opens_at=later, every_days=7, count=2, actor=actor
    )
    assert [each.code for each in scheduled] == ["round-r3", "round-r4"]
