"""The process dies at each named place between two things that a crash could tear apart: nothing doubled, nothing lost."""

import json
import time

import asyncpg
import pytest
from card_crowd import a_crowd, books_of_the_provider, deliver_some, our_books
from card_desk import CardDesk, close, make_due
from mortal_worker import MortalWorker, Order

from group_buy.checks import check_invariants
from group_buy.deciding import clear_if_decided
from group_buy.failpoints import FAILPOINTS, arm
from group_buy.reconciling import reconcile
from marketplace.payments.contract_webhooks import make_event, sign_webhook

HOLD_POINTS = (
    "charge.claimed",
    "charge.created",
    "charge.saved",
    "charge.confirmed",
    "charge.recorded",
    "charge.committed",
)
CAPTURE_POINTS = ("charge.claimed", "charge.confirmed", "charge.recorded", "charge.committed")
REFUND_POINTS = ("refund.claimed", "refund.created", "refund.saved", "refund.recorded", "refund.committed")
WEBHOOK_POINTS = (
    "webhook.verified",
    "webhook.deduped",
    "webhook.asked",
    "webhook.applied",
    "webhook.committed",
)


def test_every_failpoint_is_died_at() -> None:
    assert {*HOLD_POINTS, *CAPTURE_POINTS, *REFUND_POINTS, *WEBHOOK_POINTS} == set(FAILPOINTS)


def test_only_registered_places_can_be_named() -> None:
    with pytest.raises(KeyError):
        arm("charge.imagined")


async def kill_at(
    worker: MortalWorker, conn: asyncpg.Connection, points: tuple[str, ...], times: int
) -> None:
    """Let a worker die `times` times at each point, and find every invariant kept after each death."""
    for _ in range(times):
        for point in points:
            assert worker.run(Order(failpoint=point)) == "killed", point
            broken = [result for result in await check_invariants(conn) if result.violations]
            assert broken == [], point
            await make_due(conn)


async def finish(worker: MortalWorker, conn: asyncpg.Connection) -> None:
    """A worker that lives takes up what the dead left."""
    for _ in range(3):
        await make_due(conn)
        assert worker.run(Order()) == "done"


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(1, id="1"),
        pytest.param(10, marks=pytest.mark.ci, id="10"),
        # A hundred in ten markets: the invariants are checked after each death, and cost what the market holds.
        *(pytest.param(10, marks=pytest.mark.long, id=f"{n}0 of 100") for n in range(1, 11)),
    ],
)
async def test_a_kill_anywhere_in_a_charge_or_a_refund_charges_and_refunds_once(
    patient_desk: CardDesk,
    conn: asyncpg.Connection,
    database: str,
    times: int,
) -> None:
    size = 10 * times + 10
    actor, _ = await a_crowd(patient_desk, conn, size)
    await close(conn)
    with MortalWorker(database, patient_desk.local) as worker:
        await kill_at(worker, conn, HOLD_POINTS, times)
        await finish(worker, conn)
        async with conn.transaction():
            assert await clear_if_decided(conn, code="round")
        await kill_at(worker, conn, CAPTURE_POINTS, times)
        await finish(worker, conn)
        async with conn.transaction():
            await deliver_some(conn, actor, size // 2)
        await kill_at(worker, conn, REFUND_POINTS, times)
        await finish(worker, conn)
    taken, returned = await books_of_the_provider(patient_desk)
    assert (taken, returned) == await our_books(conn)
    assert (len(taken), set(taken.values())) == (size, {100_000})
    assert (len(returned), set(returned.values())) == (size // 2, {100_000})
    payments = [r async for r in patient_desk.gateway.list_records(since=None) if r.kind == "payment"]
    assert len(payments) == size  # no second object was ever made, not even one without money
    assert (await reconcile(patient_desk.pool, patient_desk.gateway)).findings == []


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(1, id="1"),
        pytest.param(10, marks=pytest.mark.ci, id="10"),
        # A hundred in ten markets: the invariants are checked after each death, and cost what the market holds.
        *(pytest.param(10, marks=pytest.mark.long, id=f"{n}0 of 100") for n in range(1, 11)),
    ],
)
async def test_a_kill_anywhere_in_a_webhook_leaves_it_as_if_it_came_once(
    patient_desk: CardDesk,
    conn: asyncpg.Connection,
    database: str,
    times: int,
) -> None:
    await a_crowd(patient_desk, conn, len(WEBHOOK_POINTS) * times)
    await close(conn)
    with MortalWorker(database, patient_desk.local) as worker:
        for _ in range(times):
            for point in WEBHOOK_POINTS:
                # A hold that the provider has, and whose answer nobody wrote down.
                assert worker.run(Order(failpoint="charge.confirmed")) == "killed"
                charge = await conn.fetchrow(
                    """
                    SELECT c.id, a.provider_ref FROM charges c JOIN charge_attempts a ON a.charge_id = c.id
                    WHERE c.state = 'processing' AND a.provider_ref IS NOT NULL
                    """
                )
                assert charge is not None
                body = make_event("payment_intent.amount_capturable_updated", {"id": charge["provider_ref"]})
                signature = sign_webhook(
                    body, patient_desk.local.webhook_secret, sent_at_seconds=int(time.time())
                )
                order = Order(failpoint=point, body=body.decode(), signature=signature)
                assert worker.run(order) == "killed", point
                await conn.execute("UPDATE webhook_events SET next_attempt_at = clock_timestamp()")
                order.failpoint = None  # the provider has no 2xx, so it sends it again
                assert worker.run(order) == "done"
                assert (
                    await conn.fetchval("SELECT state FROM charges WHERE id = $1", charge["id"])
                    == "authorized"
                )
                rows = await conn.fetch(
                    "SELECT processed_at IS NOT NULL FROM webhook_events WHERE id = $1",
                    json.loads(body)["id"],
                )
                assert [row[0] for row in rows] == [True]
                kinds = await conn.fetch(
                    "SELECT count(*) FROM events WHERE subject_id = $1 GROUP BY kind", str(charge["id"])
                )
                assert {row[0] for row in kinds} == {1}
                broken = [result for result in await check_invariants(conn) if result.violations]
                assert broken == [], point
