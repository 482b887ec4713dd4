"""The provider's books against ours: what is open is resolved, what differs is listed, nothing is asked for twice."""

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund
from card_desk import (
    CAPTURE,
    CONFIRM,
    CREATE,
    CardDesk,
    Held,
    charge_of,
    close,
    make_due,
)

from group_buy.changing import balance_out
from group_buy.core.pledge import Pledge
from group_buy.deciding import clear_if_decided
from group_buy.gateway import GatewayUnavailable
from group_buy.reconciling import Reconciliation, is_reconciled, reconcile, reconcile_if_due
from group_buy.settling import settle_one
from marketplace.payments.contract_calls import Fault
from marketplace.payments.stripe_gateway import StripeGateway

MONEY = ("charges", "charge_attempts", "charge_events")


@pytest.fixture
async def books(desk: CardDesk, conn: asyncpg.Connection) -> CardDesk:
    """A provider of one's own would be slow to start: what other tests left there is remembered and overlooked."""
    left = await reconcile(desk.pool, desk.gateway)
    OLD.update(finding.provider_ref for finding in left.findings)
    return desk


OLD: set[str | None] = set()


def new_findings(found: Reconciliation) -> list[tuple[str, int]]:
    return [(f.kind, f.krw) for f in found.findings if f.provider_ref not in OLD]


async def a_closing_round(desk: CardDesk, conn: asyncpg.Connection) -> Pledge:
    buying_round = await a_round(conn, coordinator=await a_coordinator(conn))
    pledge = await desk.pledge(conn, buying_round, "hanbit", 2)
    await fund(conn, await a_pledge(conn, buying_round, "other", 2))
    await close(conn)
    return pledge


class Backup:
    """The rows of money as they were, put back without what came after: a database restored from a backup."""

    def __init__(self, owner_conn: asyncpg.Connection) -> None:
        self.owner_conn = owner_conn

    async def take(self) -> None:
        for table in MONEY:
            await self.owner_conn.execute(f"CREATE TABLE backup_{table} AS TABLE {table}")

    async def restore(self) -> None:
        await self.owner_conn.execute("SET session_replication_role = replica")
        await self.owner_conn.execute(f"TRUNCATE {', '.join(MONEY)} CASCADE")
        for table in MONEY:
            await self.owner_conn.execute(f"INSERT INTO {table} TABLE backup_{table}")
        await self.owner_conn.execute("SET session_replication_role = origin")


async def test_books_that_agree_have_no_findings(books: CardDesk, checked: asyncpg.Connection) -> None:
    await a_closing_round(books, checked)
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    await books.settle()
    found = await reconcile(books.pool, books.gateway)
    assert (new_findings(found), found.resolved) == ([], 0)
    assert found.objects >= 1


@pytest.mark.parametrize(("path", "state"), [(CREATE, "processing"), (CONFIRM, "authorized")])
async def test_what_was_left_open_is_resolved(
    books: CardDesk, checked: asyncpg.Connection, path: str, state: str
) -> None:
    pledge = await a_closing_round(books, checked)
    books.local.inject(Fault("reset_after", path=path))
    assert await settle_one(books.pool, books.gateway)
    before = await charge_of(checked, pledge)
    assert (before["state"], before["provider_ref"] is None) == ("processing", path == CREATE)
    found = await reconcile(books.pool, books.gateway)
    assert (new_findings(found), found.resolved) == ([], 1)
    after = await charge_of(checked, pledge)
    assert after["state"] == state
    assert after["provider_ref"] is not None
    await make_due(checked)
    await books.settle()
    assert await books.holds(after["id"]) == [Held(200_000, 0, "requires_capture")]


async def test_money_that_nobody_here_knows_is_listed(books: CardDesk, checked: asyncpg.Connection) -> None:
    pledge = await a_closing_round(books, checked)
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    await books.settle()
    charge = await charge_of(checked, pledge)
    client = await books.gateway._client()
    await client.v1.refunds.create_async({"payment_intent": charge["provider_ref"], "amount": 50_000})
    method = await checked.fetchrow("SELECT customer_ref, method_ref FROM payment_methods")
    assert method is not None
    for metadata in ({}, {"charge_id": "5f0d4f0e-6a6b-4b3c-9c39-1b8a7b3c5d11", "attempt": "1"}):
        made = await client.v1.payment_intents.create_async(
            {
                "amount": 1_000,
                "currency": "krw",
                "customer": method["customer_ref"],
                "payment_method": method["method_ref"],
                "metadata": metadata,
                "confirm": True,
                "off_session": True,
            }
        )
        assert made.status == "succeeded"
    found = await reconcile(books.pool, books.gateway)
    assert sorted(new_findings(found)) == [
        ("unknown_charge", 1_000),
        ("unmatched_object", 1_000),
        ("unmatched_object", 50_000),
    ]
    OLD.update(finding.provider_ref for finding in found.findings)


async def test_an_amount_or_a_state_that_differs_is_listed(
    books: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge = await a_closing_round(books, checked)
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    await books.settle()
    charge = await charge_of(checked, pledge)
    await checked.execute("UPDATE charges SET capture_krw = 1000 WHERE id = $1", charge["id"])
    assert new_findings(await reconcile(books.pool, books.gateway)) == [("amount_differs", 200_000)]
    await checked.execute(
        "UPDATE charges SET capture_krw = $2, state = 'released' WHERE id = $1",
        charge["id"],
        charge["capture_krw"],
    )
    assert new_findings(await reconcile(books.pool, books.gateway)) == [("state_differs", 200_000)]
    await checked.execute("UPDATE charges SET state = 'captured' WHERE id = $1", charge["id"])
    await checked.execute("UPDATE charge_attempts SET provider_ref = 'pi_never_made'")
    found = await reconcile(books.pool, books.gateway)
    assert [kind for kind, _ in new_findings(found)] == ["second_object", "missing_at_provider"]
    await checked.execute("UPDATE charge_attempts SET provider_ref = $1", charge["provider_ref"])
    assert new_findings(await reconcile(books.pool, books.gateway)) == []


async def test_no_card_is_asked_before_the_books_were_compared(
    books: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge = await a_closing_round(books, checked)
    await owner_conn.execute("TRUNCATE reconciliations")
    assert not await is_reconciled(checked)
    assert await books.settle() == 0
    nobody = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    with pytest.raises(GatewayUnavailable):
        await reconcile_if_due(books.pool, nobody)
    await nobody.close()
    assert await books.settle() == 0
    assert (await charge_of(checked, pledge))["attempts"] == 0
    assert await reconcile_if_due(books.pool, books.gateway)
    assert not await reconcile_if_due(books.pool, books.gateway)
    assert await books.settle() == 1


async def test_where_no_card_was_saved_nobody_is_asked_and_charging_stays_blocked(
    books: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await owner_conn.execute("TRUNCATE reconciliations")
    nobody = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    assert await reconcile_if_due(books.pool, nobody) is None
    await nobody.close()
    assert not await is_reconciled(checked)
    await a_closing_round(books, checked)
    assert await books.settle() == 0
    assert await reconcile_if_due(books.pool, books.gateway)
    assert await books.settle() == 1


async def test_after_a_restore_a_forgotten_hold_is_found_and_not_asked_for_again(
    books: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge = await a_closing_round(books, checked)
    backup = Backup(owner_conn)
    await backup.take()
    await books.settle()
    held = await charge_of(checked, pledge)
    assert held["state"] == "authorized"
    await backup.restore()
    restored = await charge_of(checked, pledge)
    assert (restored["state"], restored["attempts"]) == ("due", 0)
    assert not await is_reconciled(checked)  # the table is another copy: charging is blocked
    assert await books.settle() == 0
    assert await reconcile_if_due(books.pool, books.gateway)
    found = await charge_of(checked, pledge)
    assert (found["state"], found["provider_ref"]) == ("authorized", held["provider_ref"])
    assert found["create_key"] != held["create_key"]  # keys are never derived, so never made again
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    await books.settle()
    assert await books.holds(found["id"]) == [Held(200_000, 200_000, "succeeded")]
    await drop_backups(owner_conn)


async def test_after_a_restore_a_capture_and_a_refund_are_not_repeated(
    books: CardDesk, checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    pledge = await a_closing_round(books, checked)
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    await books.settle()
    paid = await charge_of(checked, pledge)

    await checked.execute(
        "UPDATE charges SET state = 'released' WHERE purpose = 'balance' AND pledge_id = $1", pledge.id
    )
    await checked.execute(
        """
        INSERT INTO charge_events (charge_id, attempt, state)
        SELECT id, 1, 'released' FROM charges WHERE purpose = 'balance' AND pledge_id = $1
        """,
        pledge.id,
    )
    await checked.execute(
        """
        INSERT INTO allocation_changes (allocation_id, change_no, reason, quantity, unit_price_krw, supply_krw,
                                        vat_krw, total_krw)
        SELECT id, 1, 'delivery', 0, unit_price_krw, 0, 0, 0 FROM allocations WHERE pledge_id = $1
        """,
        pledge.id,
    )
    await checked.execute("UPDATE rounds SET quantity = 2")
    await balance_out(checked, paid["allocation_id"])
    backup = Backup(owner_conn)
    await backup.take()
    assert await books.settle() == 1
    assert await books.refunds(paid["provider_ref"]) == [200_000]
    await backup.restore()
    assert await books.settle() == 0
    assert await reconcile_if_due(books.pool, books.gateway)
    await books.settle()
    assert await books.refunds(paid["provider_ref"]) == [200_000]
    assert (await charge_of(checked, pledge))["state"] == "refunded"
    await drop_backups(owner_conn)


async def drop_backups(conn: asyncpg.Connection) -> None:
    for table in MONEY:
        await conn.execute(f"DROP TABLE backup_{table}")


async def test_a_capture_whose_answer_was_lost_is_learnt_of(
    books: CardDesk, checked: asyncpg.Connection
) -> None:
    pledge = await a_closing_round(books, checked)
    await books.settle()
    assert await clear_if_decided(checked, code="round")
    books.local.inject(Fault("reset_after", path=CAPTURE))
    await settle_one(books.pool, books.gateway)
    assert (await charge_of(checked, pledge))["state"] == "authorized"
    found = await reconcile(books.pool, books.gateway)
    assert (new_findings(found), found.resolved) == ([], 1)
    assert (await charge_of(checked, pledge))["state"] == "captured"
