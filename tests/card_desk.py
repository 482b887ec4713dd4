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
from group_buy.core.pledge import Pledge
from group_buy.core.round import Round
from group_buy.settling import settle_one
from marketplace.payments.local_stripe import LocalStripe
from marketplace.payments.stripe_gateway import StripeGateway

GOOD = "4242424242424242"
DECLINED_LATER = "4000000000000341"
DECLINED_AT_ONCE = "4000000000000002"

CREATE = "/v1/payment_intents"
CONFIRM = "/v1/payment_intents/.*/confirm"
CAPTURE = "/v1/payment_intents/.*/capture"


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
    """Let the time pass after which a charge is worked on again."""
    await conn.execute("UPDATE charges SET next_attempt_at = clock_timestamp(), leased_until = NULL")
