"""Rounds: what opens one, who sees it, how it moves, and the honest numbers while it runs."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from builders import a_buyer, a_coordinator, a_pledge, a_round, an_offer, an_organization

from catalog.core.offer import PriceTier
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import OfferNotFound
from catalog.events import SYSTEM, Actor
from group_buy.core.pledge import LineInput
from group_buy.core.round import ROUND_TRANSITIONS, Round
from group_buy.errors import InvalidRound, RoundNotFound, RoundStateConflict
from group_buy.opening import open_due_rounds
from group_buy.pledging import change_pledge
from group_buy.rounds import (
    Progress,
    get_round,
    list_rounds,
    move_round,
    open_round,
    read_progress,
)
from group_buy.transactions import transaction

STATES = tuple(ROUND_TRANSITIONS)


async def unsafely(reading: Awaitable[Progress]) -> Progress:
    """Where a round stands, without how safe that is: `test_round_pages.py` looks at that."""
    return msgspec.structs.replace(await reading, is_safe=False)


async def written(conn: asyncpg.Connection) -> tuple[Any, ...]:
    """What a refused round could have left behind."""
    return tuple(
        await conn.fetchrow(
            "SELECT (SELECT count(*) FROM rounds), (SELECT count(*) FROM events), (SELECT count(*) FROM search_dirty)"
        )
    )


async def open_it(conn: asyncpg.Connection, actor: Actor, **changes: Any) -> Round:
    """Open a round that is right but for what a test changes; times are hours from now."""
    now = await conn.fetchval("SELECT clock_timestamp()")
    hours = {"opens": 0.0, "closes": 24.0} | {k: changes.pop(k) for k in ("opens", "closes") if k in changes}
    assert actor.organization_id is not None
    wanted: dict[str, Any] = {
        "code": "round",
        "offer_code": "offer",
        "coordinator_id": actor.organization_id,
        "opens_at": now + timedelta(hours=hours["opens"]),
        "closes_at": now + timedelta(hours=hours["closes"]),
        "allocation_rule": "pro_rata",
        "deposit_bp": 1000,
        "may_close_early": False,
        "funding_window": timedelta(hours=72),
        "actor": actor,
    }
    return await open_round(conn, **wanted | changes)


# -- opening -----------------------------------------------------------------------------------------------------


async def test_a_round_freezes_the_terms_of_its_offer(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await an_offer(checked, capacity=12, pack_size=2)
    opened = await open_it(checked, actor)
    assert (opened.state, opened.capacity, opened.pack_size, opened.deposit_bp) == ("open", 12, 2, 1000)
    assert opened.tiers == (PriceTier(2, 1_000_000), PriceTier(5, 900_000), PriceTier(10, 800_000))
    await checked.execute("UPDATE offers SET capacity = 99")
    await checked.execute("UPDATE price_tiers SET unit_price_krw = unit_price_krw - 1")
    assert await get_round(checked, "round", viewer=ANONYMOUS) == opened


async def test_a_wrong_round_is_refused_by_field_and_writes_nothing(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await an_offer(checked)
    await an_offer(checked, "no-pack", capacity=3, pack_size=5, tiers=((1, 1_000),))
    await open_it(checked, actor, code="taken")
    before = await written(checked)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("/closes_at", {"opens": -2, "closes": -1}),
        ("/closes_at", {"closes": 0}),
        ("/closes_at", {"opens": 2, "closes": 2}),
        ("/closes_at", {"opens": 2, "closes": 1}),
        ("/offer_code", {"offer_code": "no-pack"}),
        ("/deposit_bp", {"deposit_bp": -1}),
        ("/deposit_bp", {"deposit_bp": 10_001}),
        ("/code", {"code": "taken"}),
    ]
    for pointer, changes in refused:
        with pytest.raises(InvalidRound) as refusal:
            await open_it(checked, actor, **changes)
        assert refusal.value.pointer == pointer, changes
        assert await written(checked) == before, changes


async def test_only_a_published_offer_opens_a_round(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await an_offer(checked)
    before = await written(checked)
    with pytest.raises(OfferNotFound):
        await open_it(checked, actor, offer_code="no-such-offer")
    for state in ("draft", "retired"):
        await checked.execute("UPDATE offers SET state = $1", state)
        with pytest.raises(OfferNotFound):
            await open_it(checked, actor)
    await checked.execute("UPDATE offers SET state = 'published', valid_until = '2020-01-01'")
    with pytest.raises(InvalidRound) as refusal:
        await open_it(checked, actor)
    assert refusal.value.pointer == "/offer_code"
    assert (await written(checked))[:2] == before[:2]


async def test_of_many_rounds_with_one_code_one_is_opened(
    pool: asyncpg.Pool, checked: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    await an_offer(checked)

    async def attempt() -> bool:
        try:
            async with transaction(pool) as conn:
                await open_it(conn, actor)
        except InvalidRound:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(6)))) == 1
    assert await checked.fetchval("SELECT count(*) FROM events WHERE subject = 'round'") == 1


# -- moving ------------------------------------------------------------------------------------------------------


async def test_a_round_moves_only_along_the_table(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    before = await written(checked)
    for state in STATES:
        for wanted in set(STATES) - ROUND_TRANSITIONS[state]:
            standing = msgspec.structs.replace(buying_round, state=state)
            with pytest.raises(RoundStateConflict):
                await move_round(checked, standing, to=wanted, actor=SYSTEM)
    assert await written(checked) == before
    assert await checked.fetchval("SELECT state FROM rounds") == "open"


async def test_a_round_that_somebody_moved_meanwhile_is_not_moved(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)
    await move_round(checked, buying_round, to="fill_up", actor=SYSTEM)
    before = await written(checked)
    with pytest.raises(RoundStateConflict):
        await move_round(checked, buying_round, to="canceled", actor=SYSTEM)
    assert await written(checked) == before
    kinds = await checked.fetch("SELECT kind FROM events WHERE subject = 'round' ORDER BY id")
    assert [row[0] for row in kinds] == ["round.open", "round.fill_up"]


async def test_an_announced_round_opens_once_when_its_time_has_come(
    pool: asyncpg.Pool, checked: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    await an_offer(checked)
    announced = await open_it(checked, actor, opens=1)
    later = await open_it(checked, actor, code="later", opens=2)
    assert (announced.state, later.state) == ("announced", "announced")
    assert await open_due_rounds(checked) == 0
    await checked.execute("UPDATE rounds SET opens_at = clock_timestamp() WHERE code = 'round'")

    async def work() -> int:
        async with transaction(pool) as conn:
            return await open_due_rounds(conn)

    assert sum(await asyncio.gather(*(work() for _ in range(4)))) == 1
    states = await checked.fetch("SELECT code, state FROM rounds ORDER BY id")
    assert [tuple(row) for row in states] == [("round", "open"), ("later", "announced")]
    assert await checked.fetchval("SELECT count(*) FROM events WHERE kind = 'round.open'") == 1


# -- seeing ------------------------------------------------------------------------------------------------------


async def test_members_and_invited_rounds_are_seen_by_whom_they_are_for(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    for audience in ("public", "members", "invited"):
        await a_round(checked, audience, coordinator=actor, audience=audience)
    guest, _ = await a_buyer(checked, "guest")
    stranger, _ = await a_buyer(checked, "stranger")
    rival = Viewer(await an_organization(checked, "rival", kind="coordinator"), "coordinator")
    seller = Viewer(await an_organization(checked, "vendor", kind="vendor"), "vendor")
    await checked.execute(
        "INSERT INTO offer_invitations (offer_id, organization_id) SELECT offer_id, $1 FROM rounds WHERE code = 'invited'",
        guest.organization_id,
    )
    everything = {"public", "members", "invited"}
    seen = {
        ANONYMOUS: {"public"},
        stranger: {"public", "members"},
        rival: {"public", "members"},
        guest: everything,
        seller: everything,
        Viewer(actor.organization_id, "coordinator"): everything,
    }
    for viewer, codes in seen.items():
        listed = {found.code for found in await list_rounds(checked, viewer=viewer, states=("open",))}
        assert listed == codes, viewer
        for code in everything - codes:
            with pytest.raises(RoundNotFound):
                await get_round(checked, code, viewer=viewer)


async def test_a_draft_is_seen_by_its_coordinator_and_its_vendor_alone(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await a_round(checked, coordinator=actor)
    await checked.execute("UPDATE rounds SET state = 'draft'")
    buyer, _ = await a_buyer(checked, "hanbit")
    for viewer in (ANONYMOUS, buyer):
        with pytest.raises(RoundNotFound):
            await get_round(checked, "round", viewer=viewer)
        assert await list_rounds(checked, viewer=viewer, states=STATES) == []
    assert (
        len(await list_rounds(checked, viewer=Viewer(actor.organization_id, "coordinator"), states=STATES))
        == 1
    )
    await checked.execute("UPDATE rounds SET state = 'open'")  # a draft leaves no event of its own


async def test_rounds_are_listed_by_deadline_state_and_offer(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    late = await a_round(checked, "late", coordinator=actor, lasts=timedelta(days=3))
    await a_round(checked, "soon", coordinator=actor)

    async def codes(**conditions: Any) -> list[str]:
        found = await list_rounds(checked, viewer=ANONYMOUS, **{"states": ("open",)} | conditions)
        return [buying_round.code for buying_round in found]

    assert await codes() == ["soon", "late"]
    assert await codes(limit=1) == ["soon"]
    assert await codes(offer_ids=(late.offer_id,)) == ["late"]
    assert await codes(offer_ids=()) == []
    assert await codes(states=("closing",)) == []


# -- numbers -----------------------------------------------------------------------------------------------------

FIRST, SECOND, THIRD = PriceTier(2, 1_000_000), PriceTier(5, 900_000), PriceTier(10, 800_000)


async def test_progress_is_the_price_if_the_round_closed_now(checked: asyncpg.Connection) -> None:
    buying_round = await a_round(checked)

    async def progress() -> Progress:
        return await read_progress(checked, buying_round)

    assert await unsafely(progress()) == Progress(0, 0, None, 0, FIRST, 2)
    await a_pledge(checked, buying_round, "one", 1)
    assert await unsafely(progress()) == Progress(1, 1, None, 0, FIRST, 1)
    second = await a_pledge(checked, buying_round, "two", 2)
    assert await unsafely(progress()) == Progress(2, 3, 1_000_000, 3, SECOND, 2)
    # 3 more units, which only take the third tier's price: they count for the third tier, not for the second.
    await a_pledge(checked, buying_round, "thrifty", 3, limit=800_000)
    assert await unsafely(progress()) == Progress(3, 6, 1_000_000, 3, SECOND, 2)
    await a_pledge(checked, buying_round, "four", 2)
    assert await unsafely(progress()) == Progress(4, 8, 900_000, 5, THIRD, 2)
    await a_pledge(checked, buying_round, "five", 2)
    assert await unsafely(progress()) == Progress(5, 10, 800_000, 10, None, 0)
    await change_pledge(
        checked,
        pledge_id=second.id,
        buyer=Viewer(second.buyer_id, "factory"),
        person_id=await checked.fetchval("SELECT person_id FROM pledges WHERE id = $1", second.id),
        version=2,
        lines=(),
    )
    assert await unsafely(progress()) == Progress(4, 8, 900_000, 5, THIRD, 2)


async def test_progress_counts_lines_and_never_promises_what_the_capacity_cannot_hold(
    checked: asyncpg.Connection,
) -> None:
    buying_round = await a_round(checked, capacity=8, tiers=((2, 1_000_000), (5, 900_000)))
    pledge = await a_pledge(checked, buying_round, "hanbit", 3)
    await change_pledge(
        checked,
        pledge_id=pledge.id,
        buyer=Viewer(pledge.buyer_id, "factory"),
        person_id=await checked.fetchval("SELECT person_id FROM pledges"),
        version=2,
        lines=(LineInput(4), LineInput(2, 1, 900_000)),
    )
    assert await unsafely(read_progress(checked, buying_round)) == Progress(1, 6, 900_000, 6, None, 0)
    await a_pledge(checked, buying_round, "daeseong", 8)
    assert await unsafely(read_progress(checked, buying_round)) == Progress(2, 14, 900_000, 8, None, 0)
