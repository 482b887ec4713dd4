"""Random sponsorships through clearing, lapses, short deliveries, payments and letting off: always exact to the won."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import asyncpg
from builders import a_coordinator, a_person, a_pledge, a_round, an_organization, fund
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.events import Actor
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.errors import RoundStateConflict, SponsorshipRefused
from group_buy.lapsing import lapse_pledges
from group_buy.receiving import mark_transferred
from group_buy.sponsoring import confirm_sponsorship, make_sponsorship, release_sponsorship
from marketplace.db import connect

MEMBERS = ("m0", "m1", "m2", "m3")

sponsorships = st.lists(
    st.fixed_dictionaries({
        "members": st.sets(st.sampled_from(MEMBERS), min_size=1),
        "share_bp": st.none() | st.integers(1, 10_000),
        "krw_max": st.integers(1, 12_000_000),
        "is_bounded": st.booleans(),
    }),
    min_size=1,
    max_size=3,
)  # fmt: skip
histories = st.fixed_dictionaries({
    "units": st.lists(st.integers(1, 4), min_size=4, max_size=4),
    "deposits": st.lists(st.sampled_from((0, 1, 333_333, 1_000_000, 9_000_000)), min_size=4, max_size=4),
    "price": st.sampled_from((999_999, 1_000_003)),
    "sponsorships": sponsorships,
    "paid": st.lists(st.booleans(), min_size=16, max_size=16),
    "steps": st.lists(st.sampled_from(("lapse", "pay", "release", "deliver")), max_size=5),
    "short": st.integers(0, 6),
})  # fmt: skip


async def parts_and_rest(conn: asyncpg.Connection) -> None:
    """What sponsors and members pay, from the charges alone, is each allocation's total; and every invariant holds."""
    rows = await conn.fetch(
        """
        SELECT a.total_krw + a.forfeited_krw AS total_krw, coalesce(sum(
            CASE WHEN c.purpose IN ('refund', 'sponsor_refund') THEN -c.amount_krw
                 ELSE coalesce(c.capture_krw, c.amount_krw) END)
            FILTER (WHERE c.state <> 'released'), 0)::bigint AS charged_krw
        FROM current_allocations a LEFT JOIN charges c ON c.allocation_id = a.id GROUP BY a.id, a.total_krw, a.forfeited_krw
        """
    )
    assert [row["charged_krw"] for row in rows] == [row["total_krw"] for row in rows]
    assert [result for result in await check_invariants(conn) if result.violations] == []


async def live(conn: asyncpg.Connection, history: dict[str, Any]) -> None:
    coordinator = await a_coordinator(conn)
    mine = coordinator.organization_id or 0
    tiers = ((1, history["price"]), (8, history["price"] - 100_001))
    buying_round = await a_round(
        conn, coordinator=coordinator, allocation_rule="time", tiers=tiers
    )  # fmt: skip
    pledges = []
    for code, units, deposit in zip(MEMBERS, history["units"], history["deposits"], strict=True):
        pledges.append(await a_pledge(conn, buying_round, code, units))
        await fund(conn, pledges[-1], received_krw=deposit)
    made = []
    for n, asked in enumerate(history["sponsorships"]):
        sponsor_id = await an_organization(conn, f"s{n}", kind="partner")
        sponsor = Actor(await a_person(conn, f"s{n}", roles=("admin",)), sponsor_id)
        made.append(uuid4())
        is_share = asked["share_bp"] is not None
        await make_sponsorship(
            conn, sponsorship_id=made[-1], round_code="round", sponsor_code=f"s{n}",
            kind="share" if is_share else "top_up", share_bp=asked["share_bp"],
            krw_max=asked["krw_max"] if asked["is_bounded"] or not is_share else None,
            member_codes=sorted(asked["members"]), note="", actor=coordinator,
        )  # fmt: skip
        await confirm_sponsorship(conn, sponsorship_id=made[-1], actor=sponsor)
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    await parts_and_rest(conn)
    paid = iter(history["paid"])
    for step in history["steps"]:
        state = await conn.fetchval("SELECT state FROM rounds")
        if step == "lapse" and state == "cleared":
            served = await conn.fetch(
                "SELECT pledge_id FROM current_allocations WHERE quantity > 0 ORDER BY id"
            )
            if len(served) > 1:
                lapsed = frozenset({served[0]["pledge_id"]})
                await lapse_pledges(
                    conn, code="round", pledge_ids=lapsed, actor=coordinator, coordinator_id=mine
                )
        elif step == "pay":
            due = await conn.fetch(
                "SELECT id FROM charges WHERE state = 'due' AND method = 'transfer' ORDER BY purpose, id"
            )
            for row in due:
                if next(paid, True):
                    await mark_transferred(conn, charge_id=row["id"], coordinator_id=mine, actor=coordinator)
        elif step == "release":
            with suppress(SponsorshipRefused):  # nothing is unpaid
                await release_sponsorship(conn, sponsorship_id=made[0], actor=coordinator)
        elif step == "deliver" and state == "cleared":
            with suppress(RoundStateConflict):  # a question about a dearer price is open
                await order_round(conn, code="round", coordinator_id=mine, actor=coordinator)
                sold = await conn.fetchval("SELECT quantity FROM rounds")
                await record_delivery(
                    conn, code="round", quantity=max(0, sold - history["short"]), actor=coordinator
                )
        await parts_and_rest(conn)


async def once(database: str, history: dict[str, Any]) -> None:
    """A history in a transaction that is rolled back, so that the next one finds an empty market."""
    conn = await connect(database)
    try:
        turn = conn.transaction()
        await turn.start()
        try:
            await live(conn, history)
        finally:
            await turn.rollback()
    finally:
        conn.terminate()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
@given(history=histories)
def test_sponsors_and_members_together_always_pay_the_total(database: str, history: dict[str, Any]) -> None:
    asyncio.run(once(database, history))
