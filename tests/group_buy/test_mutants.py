"""The proofs have teeth: take one safeguard away, and each of them complains."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from card_crowd import a_crowd, books_of_the_provider, our_books
from card_desk import CREATE, CardDesk, close, make_due

from group_buy.deciding import clear_if_decided
from group_buy.gateway import WebhookHint
from group_buy.reconciling import reconcile
from group_buy.settling import settle_one
from marketplace.payments import webhooks
from marketplace.payments.contract_calls import Fault
from marketplace.payments.stripe_calls import StripeCalls
from marketplace.payments.webhooks import process_one_webhook, store_webhook

# -- proofs: each returns what it complains about -------------------------------------------------------------------


async def prove_one_object_a_charge(desk: CardDesk, conn: asyncpg.Connection) -> list[str]:
    """An answer was lost after the provider had made the payment: asking again must not make another."""
    await a_crowd(desk, conn, 2)
    await close(conn)
    desk.local.inject(Fault("reset_after", path=CREATE))
    await settle_one(desk.pool, desk.gateway)
    await make_due(conn)
    await desk.settle()
    assert await clear_if_decided(conn, code="round")
    await desk.settle()
    complaints = [f.kind for f in (await reconcile(desk.pool, desk.gateway)).findings]
    payments = [r async for r in desk.gateway.list_records(since=None) if r.kind == "payment"]
    if len(payments) != 2:
        complaints.append(f"{len(payments)} payments of 2 charges")
    return complaints


async def prove_that_a_restored_market_charges_on(
    desk: CardDesk, conn: asyncpg.Connection, owner_conn: asyncpg.Connection, restored: Callable[[], None]
) -> list[str]:
    """The backup is older than the round's close: other charges take the place of those that the provider knows."""
    await a_crowd(desk, conn, 2)
    await close(conn)
    await desk.settle()
    await owner_conn.execute("TRUNCATE charges, charge_attempts, charge_events CASCADE")
    await owner_conn.execute("UPDATE rounds SET state = 'open', closed_at = NULL, funding_due_at = NULL")
    restored()
    lost = await reconcile(desk.pool, desk.gateway)
    assert [f.kind for f in lost.findings] == ["unknown_charge"] * 2
    await close(conn)
    await desk.settle()
    assert await clear_if_decided(conn, code="round")
    await desk.settle()
    rows = await conn.fetch(
        "SELECT state, last_error FROM charges WHERE purpose = 'deposit' AND state <> 'captured'"
    )
    return [f"{row['state']}: {row['last_error']}" for row in rows]


async def prove_that_a_webhook_counts_once(desk: CardDesk, conn: asyncpg.Connection) -> list[str]:
    """The provider sends the same event three times."""
    await a_crowd(desk, conn, 1)
    await close(conn)
    await desk.settle()
    ref = await conn.fetchval("SELECT provider_ref FROM charge_attempts")
    hint = WebhookHint("evt_1", "payment_intent.amount_capturable_updated", ref, b"{}")
    kept = [await webhooks.store_webhook(conn, hint) for _ in range(3)]
    worked = 0
    while await process_one_webhook(desk.pool, desk.gateway):
        worked += 1
    complaints = [] if kept == [True, False, False] else [f"kept {kept.count(True)} times"]
    return complaints + ([] if worked == 1 else [f"worked on {worked} times"])


# -- mutants ---------------------------------------------------------------------------------------------------------


async def test_the_proofs_are_content_with_the_program(own_desk: CardDesk, conn: asyncpg.Connection) -> None:
    assert await prove_one_object_a_charge(own_desk, conn) == []
    taken, returned = await books_of_the_provider(own_desk)
    assert (taken, returned) == await our_books(conn)


async def test_a_mutant_without_the_providers_key_is_caught(
    own_desk: CardDesk, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post_without_key(
        self: StripeCalls, key: str, call: Callable[[Any, Any], Awaitable[Any]]
    ) -> Any:
        return await self._ask(lambda client: call(client, {}))

    monkeypatch.setattr(StripeCalls, "_post", post_without_key)
    assert await prove_one_object_a_charge(own_desk, conn) == ["3 payments of 2 charges"]


async def test_random_keys_survive_a_restore(
    own_desk: CardDesk, conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    assert await prove_that_a_restored_market_charges_on(own_desk, conn, owner_conn, lambda: None) == []


async def test_a_mutant_with_serial_keys_is_caught_after_a_restore(
    own_desk: CardDesk,
    conn: asyncpg.Connection,
    owner_conn: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serial = iter(count(1))

    def restored() -> None:
        nonlocal serial
        serial = iter(count(1))  # the sequence is as old as the backup

    monkeypatch.setattr("group_buy.settling.uuid4", lambda: UUID(int=next(serial)))
    complaints = await prove_that_a_restored_market_charges_on(own_desk, conn, owner_conn, restored)
    assert complaints == ["failed: idempotency_error"] * 2


async def test_a_webhook_counts_once(own_desk: CardDesk, conn: asyncpg.Connection) -> None:
    assert await prove_that_a_webhook_counts_once(own_desk, conn) == []


async def test_a_mutant_without_the_webhooks_dedupe_is_caught(
    own_desk: CardDesk, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def store_always(conn: asyncpg.Connection, hint: WebhookHint) -> bool:
        return await store_webhook(conn, msgspec.structs.replace(hint, event_id=f"evt_{uuid4()}"))

    monkeypatch.setattr(webhooks, "store_webhook", store_always)
    assert await prove_that_a_webhook_counts_once(own_desk, conn) == ["kept 3 times", "worked on 3 times"]
