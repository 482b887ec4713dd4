"""Sends the proxy's webhooks, signed as Stripe signs them and tried again as Stripe does, only sooner."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from typing import Any, Final

import aiohttp

_WAITS_SECONDS: Final = (0.0, 0.5, 2.0, 10.0, 60.0)


def sign_webhook(body: bytes, secret: str, *, sent_at_seconds: int) -> str:
    """Make a `Stripe-Signature` header: HMAC-SHA256 over `seconds.body`, keyed with the endpoint's secret."""
    signed = hmac.new(secret.encode(), b"%d.%s" % (sent_at_seconds, body), hashlib.sha256)
    return f"t={sent_at_seconds},v1={signed.hexdigest()}"


def make_event(kind: str, subject: dict[str, Any]) -> bytes:
    """Make the body of a webhook of test mode about `subject`, an object in Stripe's shape."""
    event = {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": subject},
    }
    return json.dumps(event, ensure_ascii=False).encode()


class WebhookSender:
    """Delivers events to one address in the background, at least once and in no promised order."""

    def __init__(self, url: str | None, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._deliveries: set[asyncio.Task[None]] = set()

    def send(self, kind: str, subject: dict[str, Any]) -> None:
        """Begin to deliver an event; a market that is down gets it when it is back, within a minute or so."""
        if self._url is None:
            return
        delivery = asyncio.create_task(self._deliver(self._url, make_event(kind, subject)))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def close(self) -> None:
        """Drop what was not delivered."""
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    async def _deliver(self, url: str, body: bytes) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            for wait_seconds in _WAITS_SECONDS:
                await asyncio.sleep(wait_seconds)
                signature = sign_webhook(body, self._secret, sent_at_seconds=int(time.time()))
                headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
                try:
                    async with session.post(url, data=body, headers=headers) as answer:
                        if 200 <= answer.status < 300:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    continue
