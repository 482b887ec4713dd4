"""The address where the provider reports: what is not right leaves no row in any table, what comes again changes nothing."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from marketplace.app import create_app
from marketplace.payments.stripe_gateway import StripeGateway
from marketplace.payments.webhooks import process_one_webhook
from marketplace.settings import Settings
from search_config.embedded_engine import EmbeddedEngine

SECRET = "whsec_of_this_market"


def an_event(**changes: Any) -> bytes:
    content = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {"id": "pi_1", "amount": 1, "status": "succeeded"}},
    }
    return json.dumps(content | changes).encode()


def signed(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> str:
    sent_at = int(time.time()) - age_seconds
    digest = hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={sent_at},v1={digest}"


async def rows_of_all_tables(conn: asyncpg.Connection) -> dict[str, int]:
    tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0]: await conn.fetchval(f'SELECT count(*) FROM "{row[0]}"') for row in tables}


@pytest.fixture
async def endpoint(database: str, tmp_path: Path) -> AsyncIterator[Callable[[bytes, str], Any]]:
    """Posts a body with a signature to the running application, in test mode."""
    engine = EmbeddedEngine(tmp_path / "search")
    gateway = StripeGateway("sk_test_a", "pk_test_a", SECRET)
    app = create_app(Settings(worker_in_process=False), dsn=database, engine=engine, gateway=gateway)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
    ):

        async def post(body: bytes, signature: str) -> int:
            headers = {"stripe-signature": signature} if signature else {}
            return (await client.post("/webhooks/stripe", content=body, headers=headers)).status_code

        yield post


@pytest.mark.parametrize(
    ("what", "body", "signature"),
    [
        ("forged: no signature", an_event(), lambda b: ""),
        ("forged: another body", an_event(), lambda b: signed(an_event(id="evt_2"))),
        ("forged: another endpoint's secret", an_event(), lambda b: signed(b, secret="whsec_other")),
        ("stale: six minutes old", an_event(), lambda b: signed(b, age_seconds=360)),
        ("stale: from the future", an_event(), lambda b: signed(b, age_seconds=-360)),
        ("of another account", an_event(account="acct_1"), signed),
        ("of live mode in test mode", an_event(livemode=True), signed),
        ("without a mode", json.dumps({"id": "evt_1", "type": "payment_intent.succeeded"}).encode(), signed),
        ("about something else", an_event(data={"object": {"id": "cus_1"}}), signed),
        ("no JSON", b"<xml/>", signed),
        ("too large", b" " * 1_000_001, signed),
        ("empty", b"", signed),
    ],
)
async def test_a_webhook_that_is_not_right_is_refused_and_writes_nothing(
    endpoint: Callable[[bytes, str], Any],
    owner_conn: asyncpg.Connection,
    what: str,
    body: bytes,
    signature: Callable[[bytes], str],
) -> None:
    before = await rows_of_all_tables(owner_conn)
    status = await endpoint(body, signature(body))
    assert status in {400, 413}, what
    assert await rows_of_all_tables(owner_conn) == before, what


async def test_a_replayed_webhook_is_kept_once_and_worked_on_once(
    endpoint: Callable[[bytes, str], Any], owner_conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    body = an_event(type="refund.updated", data={"object": {"id": "re_1"}})
    assert [await endpoint(body, signed(body)) for _ in range(3)] == [204, 204, 204]
    once = await rows_of_all_tables(owner_conn)
    assert once["webhook_events"] == 1
    gateway = StripeGateway(
        "sk_test_a", "pk_test_a", SECRET
    )  # a refund that nobody here knows is not asked about
    assert await process_one_webhook(pool, gateway)
    assert await endpoint(body, signed(body)) == 204
    assert not await process_one_webhook(pool, gateway)
    assert await rows_of_all_tables(owner_conn) == once


async def test_a_kind_that_says_nothing_about_cards_is_thanked_for_and_forgotten(
    endpoint: Callable[[bytes, str], Any], owner_conn: asyncpg.Connection
) -> None:
    before = await rows_of_all_tables(owner_conn)
    body = an_event(type="customer.created", data={"object": {"id": "cus_1"}})
    assert await endpoint(body, signed(body)) == 204
    assert await rows_of_all_tables(owner_conn) == before


async def test_what_a_webhook_claims_is_not_believed(
    endpoint: Callable[[bytes, str], Any], owner_conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    """A signed event that says "paid" moves nothing as long as the provider itself does not say so."""
    body = an_event(data={"object": {"id": "pi_of_nobody", "amount": 99_999_999, "status": "succeeded"}})
    assert await endpoint(body, signed(body)) == 204
    gateway = StripeGateway("sk_test_a", "pk_test_a", SECRET, "http://127.0.0.1:1")
    assert await process_one_webhook(pool, gateway)
    await gateway.close()
    counted = await rows_of_all_tables(owner_conn)
    assert (counted["charges"], counted["charge_events"], counted["events"]) == (0, 0, 0)
