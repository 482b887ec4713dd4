"""Pledges: the same PUT twice is one, a late one is refused, an amendment keeps its place."""

from uuid import uuid4

import asyncpg
import pytest
from builders import a_buyer, a_pledge, a_round

from group_buy.closing import begin_closing
from group_buy.core.pledge import LineInput
from group_buy.errors import (
    AlreadyPledged,
    CardNotPossible,
    IdReused,
    InvalidPledge,
    PledgeNotFound,
    RoundNotFound,
    RoundNotOpen,
    VersionConflict,
)
from group_buy.pledging import change_pledge, get_pledge, place_pledge


async def counts(conn: asyncpg.Connection) -> tuple[int, int, int, int]:
    """Pledges, versions, lines, and events about pledges."""
    return tuple(
        await conn.fetchrow(
            """
            SELECT (SELECT count(*) FROM pledges), (SELECT count(*) FROM pledge_versions),
                   (SELECT count(*) FROM pledge_lines), (SELECT count(*) FROM events WHERE subject = 'pledge')
            """
        )
    )


async def test_the_same_pledge_twice_is_one_pledge(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledge_id = uuid4()
    first = await a_pledge(checked, buying_round, "hanbit", 3, pledge_id=pledge_id)
    again = await a_pledge(checked, buying_round, "hanbit", 3, pledge_id=pledge_id)
    assert again == first
    assert await counts(checked) == (1, 1, 1, 1)


async def test_the_same_id_with_other_content_is_refused(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 3)
    before = await counts(checked)
    with pytest.raises(IdReused):
        await a_pledge(checked, buying_round, "hanbit", 4, pledge_id=pledge.id)
    with pytest.raises(IdReused):
        await a_pledge(checked, buying_round, "other", 3, pledge_id=pledge.id)
    assert await counts(checked) == before


async def test_a_second_pledge_of_the_same_buyer_is_refused(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    pledge = await a_pledge(checked, buying_round, "hanbit", 3)
    with pytest.raises(AlreadyPledged) as refusal:
        await a_pledge(checked, buying_round, "hanbit", 1)
    assert refusal.value.pledge_id == pledge.id
    assert await counts(checked) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        (LineInput(0), "/lines/0/quantity_max"),
        (LineInput(-1), "/lines/0/quantity_max"),
        (LineInput(21), "/lines/0/quantity_max"),
        (LineInput(10**12), "/lines/0/quantity_max"),
        (LineInput(10**30), "/lines/0/quantity_max"),
        (LineInput(3, 4), "/lines/0/quantity_min"),
        (LineInput(3, 0), "/lines/0/quantity_min"),
        (LineInput(3, 1, 799_999), "/lines/0/limit_unit_price_krw"),
        (LineInput(3, 1, 10**16), "/lines/0/limit_unit_price_krw"),
    ],
)
async def test_a_line_outside_its_limits_is_refused_by_name(
    checked: asyncpg.Connection, line: LineInput, pointer: str
) -> None:
    buying_round = await a_round(checked)
    buyer, person_id = await a_buyer(checked, "hanbit")
    with pytest.raises(InvalidPledge) as refusal:
        await place_pledge(
            checked,
            round_code=buying_round.code,
            pledge_id=uuid4(),
            buyer=buyer,
            person_id=person_id,
            funding="transfer",
            lines=(line,),
        )
    assert refusal.value.pointer == pointer
    assert await counts(checked) == (0, 0, 0, 0)


@pytest.mark.parametrize("lines", [(), (LineInput(1),) * 9, (LineInput(15), LineInput(6))])
async def test_lines_must_be_few_and_fit_the_capacity_together(
    checked: asyncpg.Connection, lines: tuple[LineInput, ...]
) -> None:
    buying_round = await a_round(checked)
    buyer, person_id = await a_buyer(checked, "hanbit")
    with pytest.raises(InvalidPledge, match=r"line|capacity"):
        await place_pledge(
            checked,
            round_code=buying_round.code,
            pledge_id=uuid4(),
            buyer=buyer,
            person_id=person_id,
            funding="transfer",
            lines=lines,
        )
    assert await counts(checked) == (0, 0, 0, 0)


async def test_a_pledge_after_the_close_is_refused(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    await begin_closing(checked, code=buying_round.code, early=True)
    with pytest.raises(RoundNotOpen):
        await a_pledge(checked, buying_round, "late", 1)
    assert await counts(checked) == (0, 0, 0, 0)


async def test_a_pledge_past_the_deadline_is_refused_before_anybody_closed_the_round(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    buying_round = await a_round(checked)
    await owner_conn.execute(
        "UPDATE rounds SET opens_at = opens_at - interval '2 days', closes_at = clock_timestamp() WHERE code = 'round'"
    )
    with pytest.raises(RoundNotOpen) as refusal:
        await a_pledge(checked, buying_round, "late", 1)
    assert refusal.value.state == "closed"
    assert await counts(checked) == (0, 0, 0, 0)


async def test_a_round_for_invited_factories_is_unknown_to_others(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, audience="invited")
    with pytest.raises(RoundNotFound):
        await a_pledge(checked, buying_round, "stranger", 1)
    assert await counts(checked) == (0, 0, 0, 0)


async def test_raising_only_the_maximum_queues_the_increase_behind(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    mine = await a_pledge(checked, buying_round, "hanbit", 3)
    other = await a_pledge(checked, buying_round, "daeseong", 3)
    buyer, person_id = await a_buyer(checked, "hanbit")
    changed = await change_pledge(
        checked, pledge_id=mine.id, buyer=buyer, person_id=person_id, version=2, lines=(LineInput(5),)
    )
    kept, increase = changed.lines
    assert (kept.quantity_max, kept.sequence) == (3, mine.lines[0].sequence)
    assert (increase.quantity_min, increase.quantity_max) == (1, 2)
    assert increase.sequence > other.lines[0].sequence


async def test_any_other_change_takes_a_new_place(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    mine = await a_pledge(checked, buying_round, "hanbit", 3)
    other = await a_pledge(checked, buying_round, "daeseong", 3)
    buyer, person_id = await a_buyer(checked, "hanbit")
    changed = await change_pledge(
        checked, pledge_id=mine.id, buyer=buyer, person_id=person_id, version=2, lines=(LineInput(2),)
    )
    assert changed.lines[0].sequence > other.lines[0].sequence


async def test_a_stale_change_is_refused_and_a_repeated_one_is_not(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    mine = await a_pledge(checked, buying_round, "hanbit", 3)
    buyer, person_id = await a_buyer(checked, "hanbit")

    async def write(version: int, quantity: int) -> int:
        changed = await change_pledge(
            checked,
            pledge_id=mine.id,
            buyer=buyer,
            person_id=person_id,
            version=version,
            lines=(LineInput(quantity),),
        )
        return changed.version

    assert await write(2, 2) == 2
    assert await write(2, 2) == 2
    before = await counts(checked)
    for version, quantity in ((2, 4), (1, 4), (4, 4)):
        with pytest.raises(VersionConflict):
            await write(version, quantity)
    assert await counts(checked) == before


async def test_a_withdrawn_pledge_has_no_lines_and_can_come_back(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    mine = await a_pledge(checked, buying_round, "hanbit", 3)
    buyer, person_id = await a_buyer(checked, "hanbit")
    gone = await change_pledge(
        checked, pledge_id=mine.id, buyer=buyer, person_id=person_id, version=2, lines=()
    )
    assert (gone.state, gone.lines) == ("withdrawn", ())
    back = await change_pledge(
        checked, pledge_id=mine.id, buyer=buyer, person_id=person_id, version=3, lines=(LineInput(1),)
    )
    assert (back.state, back.quantity_max) == ("placed", 1)


async def test_somebody_elses_pledge_is_unknown(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    mine = await a_pledge(checked, buying_round, "hanbit", 3)
    stranger, person_id = await a_buyer(checked, "stranger")
    before = await counts(checked)
    with pytest.raises(PledgeNotFound):
        await get_pledge(checked, mine.id, buyer_id=stranger.organization_id)
    with pytest.raises(PledgeNotFound):
        await change_pledge(
            checked, pledge_id=mine.id, buyer=stranger, person_id=person_id, version=2, lines=()
        )
    assert await counts(checked) == before


async def test_a_deposit_above_one_charge_cannot_be_by_card(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, tiers=((1, 500_000_000),), deposit_bp=1000)
    with pytest.raises(CardNotPossible):
        await a_pledge(checked, buying_round, "hanbit", 2, funding="card")
    assert await counts(checked) == (0, 0, 0, 0)
    await a_pledge(checked, buying_round, "hanbit", 2, funding="transfer")


async def test_a_limit_above_the_first_price_buys_no_better_place(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked, allocation_rule="price_time")
    pledge = await a_pledge(checked, buying_round, "hanbit", 2, limit=5_000_000)
    assert pledge.lines[0].limit_unit_price_krw is None
