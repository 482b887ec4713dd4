"""A provider that fails three times in ten: no charge is doubled, none is lost, counted in the provider's own books."""

import asyncio

import asyncpg
import pytest
from card_crowd import a_crowd, books_of_the_provider, deliver_some, our_books
from card_desk import CardDesk, close, gateway_to, make_due

from group_buy.checks import check_invariants
from group_buy.deciding import clear_if_decided
from group_buy.reconciling import reconcile
from group_buy.settling import settle_one
from marketplace.payments.contract_calls import Chaos

WORKERS = 12


async def settle_all(desk: CardDesk, conn: asyncpg.Connection, *, rounds: int = 60) -> None:
    """Let workers try again and again, without their waits, until nothing is due."""

    async def work() -> None:
        while await settle_one(desk.pool, desk.gateway):
            pass

    for _ in range(rounds):
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        if not await conn.fetchval(
            """
            SELECT EXISTS (SELECT FROM charges WHERE method = 'card' AND (
                state IN ('due', 'processing') OR (state = 'authorized' AND capture_krw IS NOT NULL)))
            """
        ):
            return
        await make_due(conn)
    raise AssertionError("it did not come to an end")


@pytest.mark.parametrize(
    ("size", "seed"), [(40, 1), pytest.param(1_000, 2, marks=pytest.mark.ci, id="1000-2")]
)
async def test_three_faults_in_ten_calls_double_and_lose_nothing(
    own_desk: CardDesk, conn: asyncpg.Connection, size: int, seed: int
) -> None:
    actor, _ = await a_crowd(own_desk, conn, size)
    await close(conn)
    own_desk.local.begin_chaos(Chaos(seed=seed, share_bp=3_000, seconds=0.7))
    await settle_all(own_desk, conn)
    async with conn.transaction():
        assert await clear_if_decided(conn, code="round")
    await settle_all(own_desk, conn)
    async with conn.transaction():
        await deliver_some(conn, actor, size // 2)
    await settle_all(own_desk, conn)
    faults = own_desk.local.count_faults()
    assert faults > size  # of about eight calls a charge
    states = dict(
        await conn.fetch(
            "SELECT purpose || ' ' || state, count(*)::int FROM charges WHERE method = 'card' GROUP BY 1"
        )
    )
    assert states == {
        "deposit captured": size - size // 2,
        "deposit refunded": size // 2,
        "refund captured": size // 2,
    }
    async with gateway_to(own_desk.local, seconds=10) as patient:
        counting = own_desk._replace(gateway=patient)
        taken, returned = await books_of_the_provider(counting)
        assert (taken, returned) == await our_books(conn)
        assert (len(taken), set(taken.values())) == (size, {100_000})
        assert (len(returned), set(returned.values())) == (size // 2, {100_000})
        found = await reconcile(counting.pool, patient)
        assert (found.findings, found.resolved) == ([], 0)
    broken = [result for result in await check_invariants(conn) if result.violations]
    assert broken == []
