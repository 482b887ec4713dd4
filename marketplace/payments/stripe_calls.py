"""Making one call to Stripe: the client loaded late, a limit in time, keys, and what a failure means.

The stripe library costs 40 MB and up to a second to import, so it is loaded at the first call.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from group_buy.gateway import GatewayUnavailable
from marketplace.payments.stripe_answers import FailureReplayed, translated_failure

if TYPE_CHECKING:
    import stripe
    from stripe import StripeClient
    from stripe._request_options import RequestOptions

Answer = TypeVar("Answer")


class StripeCalls:
    """The connection to Stripe, or to a stand-in, with which a gateway asks. Close it inside the loop that used it."""

    def __init__(self, secret_key: str, api_base: str | None, timeout_seconds: float) -> None:
        self._secret_key = secret_key
        self._api_base = api_base
        self._timeout_seconds = timeout_seconds
        self._http: stripe.HTTPXClient | None = None
        self._loaded: StripeClient | None = None

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        http, self._http, self._loaded = self._http, None, None
        if http is not None:
            await http.close_async()  # type: ignore[no-untyped-call]  # stripe has not typed it

    async def _post(
        self, key: str, call: "Callable[[StripeClient, RequestOptions], Awaitable[Answer]]"
    ) -> Answer:
        """Make a changing call under an idempotency key.

        A stored failure would be repeated for as long as the key lives. What it hid is guarded by the object's
        state (a hold is confirmed, captured or canceled once) or moves no money, so a fresh key is safe then.
        """
        try:
            return await self._ask(lambda client: call(client, {"idempotency_key": key}))
        except FailureReplayed:
            fresh = f"{key}:{uuid4()}"
            return await self._ask(lambda client: call(client, {"idempotency_key": fresh}))

    async def _ask(self, call: "Callable[[StripeClient], Awaitable[Answer]]") -> Answer:
        """Make one call and translate how it failed. Raises GatewayRefused (CardDeclined), GatewayUnavailable."""
        client = await self._client()
        import stripe  # noqa: PLC0415 - loaded by now, see above

        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await call(client)
        except TimeoutError:
            raise GatewayUnavailable("timeout") from None
        except stripe.StripeError as error:
            raise translated_failure(error) from error

    async def _client(self) -> "StripeClient":
        if self._loaded is None:
            # In a thread, because the import holds its thread for up to a second.
            http, client = await asyncio.to_thread(
                _load_client, self._secret_key, self._api_base, self._timeout_seconds
            )
            if self._loaded is None:
                self._http, self._loaded = http, client
        return self._loaded


def _load_client(
    secret_key: str, api_base: str | None, timeout_seconds: float
) -> "tuple[stripe.HTTPXClient, StripeClient]":
    import httpx  # noqa: PLC0415 - as expensive as stripe, and only needed with it
    import stripe  # noqa: PLC0415 - 40 MB, see above

    http = stripe.HTTPXClient(timeout=timeout_seconds)
    if api_base is not None:
        # A stand-in on this machine is not reached through the proxy that the environment may name.
        http._client_async = httpx.AsyncClient(trust_env=False)
    client = stripe.StripeClient(
        secret_key,
        http_client=http,
        max_network_retries=0,
        base_addresses={"api": api_base} if api_base else {},
    )
    return http, client
