"""The contract proxy's way to localstripe, and the part of its browser script that localstripe lacks."""

import json
from typing import Any, Final

import aiohttp

from marketplace.payments import contract_rules as rules
from marketplace.payments.contract_rules import Json, Memory, Refusal

BROWSER_SCRIPT: Final = """
// Stripe.js confirms a payment with a card, or with a saved one, and asks for 3-D Secure only where the bank wants it.
(() => {
  const make = window.Stripe;
  const origin = new URL(document.currentScript.src).origin;
  window.Stripe = (key, options) => {
    const stripe = make(key, options);
    const authenticate = stripe.confirmCardPayment;
    stripe.confirmCardPayment = async (secret, data) => {
      const method = data && data.payment_method;
      const typed = method && method.card && method.card.value;
      const chosen = typeof method === "string" ? { payment_method: method }
        : { payment_method_data: { type: "card", card: typed ? typed.card : method.card } };
      const id = secret.match(/^(pi_\\w+)_secret_/)[1];
      const answer = await fetch(`${origin}/v1/payment_intents/${id}/confirm`, {
        method: "POST", body: JSON.stringify({ key, client_secret: secret, ...chosen }),
      });
      const body = await answer.json();
      if (body.error) return { error: body.error };
      return body.status === "requires_action" ? authenticate(secret, data) : { paymentIntent: body };
    };
    return stripe;
  };
})();
"""


class Upstream:
    """localstripe at `url`. Answers are shown as Stripe would give them, with what the proxy remembers."""

    def __init__(self, url: str, secret_key: str, memory: Memory) -> None:
        self._url = url
        self._memory = memory
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret_key}"})

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        params: Json | None = None,
        *,
        is_json: bool = False,
        is_raw: bool = False,
    ) -> Json:
        """Call localstripe; errors become a Refusal in Stripe's shape."""
        sent: dict[str, Any] = {("json" if is_json else "data"): params or {}}
        if method == "GET":
            sent = {"params": params or {}}
        async with self._session.request(method, self._url + path, **sent) as answer:
            text = await answer.text()
        try:
            body = json.loads(text)
        except ValueError:
            body = {"error": {"type": "api_error", "message": text[:200]}}
        if answer.status < 400:
            return body if is_raw else rules.presented(body, self._memory)  # type: ignore[no-any-return]  # JSON
        error = body["error"]
        if answer.status == 402:
            error = rules.card_error(error.get("code", "card_declined"), error.get("message", ""))
        raise Refusal(answer.status, error, is_stored=answer.status == 402 or answer.status >= 500)

    async def script(self) -> str:
        """localstripe's stand-in for Stripe.js, which calls the origin that it came from, and our part."""
        async with self._session.get(f"{self._url}/js.stripe.com/v3/") as answer:
            return await answer.text() + BROWSER_SCRIPT
