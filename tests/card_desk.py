"""Cards for tests of money: a provider in a process of its own, a buyer who types a card, and what the provider holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

import asyncpg
import httpx
from builders import a_pledge

from catalog.events import SYSTEM
from group_buy.cards import CardRequest, finish_card, request_card
from group_buy.closing import begin_closing
from group_buy.core.pledge import Pledge
from group_buy.core.round import Round
from group_buy.settling import settle_one
from marketplace.payments.local_stripe import LocalStripe
from marketplace.payments.stripe_gateway import StripeGateway

GOOD = "4242424242424242"
DECLINED_LATER = "4000000000000341"
DECLINED_AT_ONCE = "4000000000000002"
WANTS_OWNER = "4000002760003184"

CREATE = "/v1/payment_intents"
CONFIRM = "/v1/payment_intents/.*/confirm"
CAPTURE = "/v1/payment_intents/.*/capture"
REFUND = "/v1/refunds"


class Held(NamedTuple):
    """One payment as the provider keeps it; won."""

    amount_krw: int
    received_krw: int
    status: str


class CardDesk(NamedTuple):
    """The pool, the gateway to the provider, and the provider itself."""

    pool: asyncpg.Pool
    gateway: StripeGateway
    local: LocalStripe

    async def request(self, buying_round: Round, pledge: Pledge) -> CardRequest:
        return await request_card(
            self.pool,
            self.gateway,
            buying_round=buying_round,
            pledge=pledge,
            organization_code=f"buyer-{pledge.buyer_id}",
            consent_text="보증금 승인에 동의합니다.",
        )

    def type_card(self, request: CardRequest, number: str = GOOD) -> int:
        """What the script of the card page does; returns the provider's status."""
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        content = {
            "key": self.local.publishable_key,
            "use_stripe_sdk": True,
            "client_secret": request.client_secret,
            "payment_method_data": {"type": "card", "card": card, "billing_details": {}},
        }
        url = f"{self.local.url}/v1/setup_intents/{request.setup_ref}/confirm"
        return httpx.post(url, json=content, timeout=5, trust_env=False).status_code

    def pass_3d_secure(self, request: CardRequest) -> None:
        """What the script of the card page does when the bank wants its owner."""
        url = f"{self.local.url}/v1/setup_intents/{request.setup_ref}/confirm"
        content = {"key": self.local.publishable_key, "client_secret": request.client_secret}
        assert httpx.post(url, json=content, timeout=5, trust_env=False).json()["status"] == "succeeded"

    def pay_in_browser(self, secret: str, **method: object) -> tuple[int, str]:
        """What the script of the pay page does; returns the provider's status and the payment's, or the error's code.

        `number=`: a card that is typed; `payment_method=`: a saved one. 3-D Secure, where it is wanted, is passed.
        """
        if number := method.pop("number", None):
            card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
            method["payment_method_data"] = {"type": "card", "card": card}
        path = f"{self.local.url}/v1/payment_intents/{secret.partition('_secret_')[0]}"
        common = {"key": self.local.publishable_key, "client_secret": secret}
        answer = httpx.post(f"{path}/confirm", json=common | method, timeout=5, trust_env=False)
        if answer.json().get("status") == "requires_action":
            answer = httpx.post(f"{path}/_authenticate?success=true", json=common, timeout=5, trust_env=False)
        body = answer.json()
        return answer.status_code, body["error"].get("code", "") if "error" in body else body["status"]

    async def refunds(self, provider_ref: str) -> list[int]:
        """Won of each refund of a payment in the provider's books."""
        client = await self.gateway._client()
        page = await client.v1.refunds.list_async({"payment_intent": provider_ref, "limit": 100})
        return [found.amount for found in page.data]

    async def pledge(
        self,
        conn: asyncpg.Connection,
        buying_round: Round,
        factory: str,
        quantity_max: int,
        *,
        number: str = GOOD,
        limit: int | None = None,
    ) -> Pledge:
        """A pledge whose card is saved and ready."""
        pledge = await a_pledge(conn, buying_round, factory, quantity_max, limit=limit, funding="card")
        request = await self.request(buying_round, pledge)
        assert self.type_card(request, number) == 200
        if number == WANTS_OWNER:  # the owner passes 3-D Secure
            self.pass_3d_secure(request)
        saved = await finish_card(self.pool, self.gateway, pledge_id=pledge.id, actor=SYSTEM)
        assert saved.state == "ready"
        return pledge

    async def settle(self) -> int:
        """Take every step that is due, and return how many there were."""
        steps = 0
        while await settle_one(self.pool, self.gateway):
            steps += 1
        return steps

    async def holds(self, charge_id: UUID) -> list[Held]:
        """All that the provider keeps for a charge, the newest first."""
        client = await self.gateway._client()
        page = await client.v1.payment_intents.list_async({"limit": 100})
        return [
            Held(found.amount, found.amount_received, found.status)
            for found in page.data
            if found.metadata.to_dict().get("charge_id") == str(charge_id)
        ]


@asynccontextmanager
async def gateway_to(local: LocalStripe, *, seconds: float = 5) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(
        local.secret_key, local.publishable_key, local.webhook_secret, local.url, timeout_seconds=seconds
    )
    try:
        yield gateway
    finally:
        await gateway.close()


async def make_due(conn: asyncpg.Connection) -> None:
    """Let the time pass after which a charge is worked on again; a hold nobody decided about is not near its end."""
    await conn.execute(
        """
        UPDATE charges SET next_attempt_at = clock_timestamp(), leased_until = NULL
        WHERE state <> 'authorized' OR capture_krw IS NOT NULL
        """
    )


async def open_books(conn: asyncpg.Connection) -> None:
    """As after a reconciliation: charging is not blocked any more."""
    await conn.execute(
        "INSERT INTO reconciliations (incarnation, objects, resolved) VALUES (database_incarnation(), 0, 0)"
    )


async def close(conn: asyncpg.Connection) -> None:
    assert await begin_closing(conn, code="round", early=True)


async def charge_of(conn: asyncpg.Connection, pledge: Pledge) -> asyncpg.Record:
    """The card charge of a pledge, with its newest attempt and the seconds until its next step."""
    row = await conn.fetchrow(
        """
        SELECT c.*, a.create_key, a.confirm_key, a.finish_key, a.provider_ref,
               extract(epoch FROM c.next_attempt_at - clock_timestamp())::float AS waits_seconds,
               (SELECT count(*) FROM charge_attempts x WHERE x.charge_id = c.id) AS attempts
        FROM charges c LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
        WHERE c.pledge_id = $1 AND c.method = 'card'
        """,
        pledge.id,
    )
    assert row is not None
    return row


async def trail(conn: asyncpg.Connection, charge_id: UUID) -> list[tuple[int, str]]:
    rows = await conn.fetch(
        "SELECT attempt, state FROM charge_events WHERE charge_id = $1 ORDER BY at, state = 'processing'",
        charge_id,
    )
    return [tuple(row) for row in rows]
