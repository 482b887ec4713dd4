"""Cards through Stripe: a card is saved when a pledge is made, held at the close, captured at clearing.

Amounts go out as they are: won has no smaller unit, 1 = ₩1 (Stripe, "Zero-decimal currencies").
The stripe library is loaded at the first call (`stripe_calls.py`); webhooks are verified without it. Nothing
here retries on its own: the worker asks again with the keys it has stored.
"""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import UUID

from catalog.core.money import CHARGE_KRW_MAX
from group_buy.gateway import (
    GatewayRefused,
    GatewayUnavailable,
    HoldRequest,
    HoldResult,
    ProviderRecord,
    RefundRequest,
    SavedMethod,
    SetupRequest,
    WebhookHint,
)
from marketplace.payments.stripe_answers import (
    CardDeclined,
    declined_hold,
    hold_result,
    metadata_of,
    payment_record,
    refund_record,
    refund_result,
    unready_method,
)
from marketplace.payments.stripe_calls import StripeCalls
from marketplace.payments.stripe_events import read_event

if TYPE_CHECKING:
    import stripe
    from stripe.params import PaymentIntentCreateParams

_LISTED_PAGES_MAX = 10
_PAGE_SIZE = 100


class StripeGateway(StripeCalls):
    """Implements group_buy.gateway.PaymentGateway.

    secret_key, publishable_key: both of test mode or both live. api_base: None = Stripe itself; else a stand-in
    such as LocalStripe.url, which never gets to see a live key. timeout_seconds: for one whole call, at most 10.
    Beside what the Protocol names, calls raise GatewayRefused. Close it inside the loop that used it.

    Raises:
        ValueError: keys of different modes, a live key with an api_base, an unencrypted api_base elsewhere.
    """

    def __init__(
        self,
        secret_key: str,
        publishable_key: str,
        webhook_secret: str,
        api_base: str | None = None,
        *,
        timeout_seconds: float = 10,
    ) -> None:
        self.livemode: Final = "_live_" in secret_key
        self.publishable_key: Final = publishable_key
        if self.livemode != ("_live_" in publishable_key):
            raise ValueError("The secret and the publishable key of Stripe are of different modes.")
        if api_base is not None:
            if self.livemode:
                raise ValueError("A live key of Stripe is only ever sent to Stripe.")
            if not _is_private(api_base):
                raise ValueError(f"{api_base} would get the secret key unencrypted.")
        if not 0 < timeout_seconds <= 10:
            raise ValueError("A call may take at most 10 seconds.")
        self.script_url: Final = f"{api_base}/js/v3/" if api_base else "https://js.stripe.com/v3/"
        self._webhook_secret = webhook_secret
        super().__init__(secret_key, api_base, timeout_seconds)

    # -- saving a card -------------------------------------------------------------------------------------

    async def request_setup(self, *, idempotency_key: UUID, organization_code: str) -> SetupRequest:
        """Begin to save a card for off-session use, under the organization's customer (made if absent)."""
        customer_ref = await self._find_customer(organization_code)
        if customer_ref is None:
            customer = await self._post(
                f"{idempotency_key}:customer",
                lambda client, options: client.v1.customers.create_async(
                    {"metadata": {"organization_code": organization_code}}, options
                ),
            )
            customer_ref = customer.id
        # The search may lag and find another customer next time: the key then has to be another, too.
        setup = await self._post(
            f"{idempotency_key}:{customer_ref}",
            lambda client, options: client.v1.setup_intents.create_async(
                {
                    "customer": customer_ref,
                    "usage": "off_session",
                    "allowed_payment_method_types": ["card"],
                    "metadata": {"organization_code": organization_code},
                },
                options,
            ),
        )
        if setup.client_secret is None:
            raise GatewayUnavailable("no_client_secret")
        return SetupRequest(customer_ref=customer_ref, setup_ref=setup.id, client_secret=setup.client_secret)

    async def read_setup(self, *, setup_ref: str) -> SavedMethod:
        """Ask how a setup ended and attach its card to its customer if Stripe has not.

        "failed" tells of the last card that was tried; with another card the same setup may still become ready.
        """
        setup = await self._ask(
            lambda client: client.v1.setup_intents.retrieve_async(setup_ref, {"expand": ["payment_method"]})
        )
        method = setup.payment_method
        if setup.status != "succeeded" or method is None or isinstance(method, str):
            return unready_method(setup)
        customer_ref = _id_of(setup.customer)
        if customer_ref is not None and method.customer is None:
            try:
                await self._ask(
                    lambda client: client.v1.payment_methods.attach_async(
                        method.id, {"customer": customer_ref}
                    )
                )
            except GatewayRefused as refusal:
                return SavedMethod(state="failed", reason=refusal.reason)
        card = method.card
        return SavedMethod(
            state="ready",
            method_ref=method.id,
            card_brand=card.brand if card else None,
            card_last4=card.last4 if card else None,
        )

    async def _find_customer(self, organization_code: str) -> str | None:
        query = f"metadata['organization_code']:{_quoted(organization_code)}"
        found = await self._ask(lambda client: client.v1.customers.search_async({"query": query, "limit": 1}))
        return found.data[0].id if found.data else None

    # -- holding -------------------------------------------------------------------------------------------

    async def create_hold(self, request: HoldRequest) -> str:
        """Create a PaymentIntent without confirming it, so that no money moves yet; return its id.

        Raises:
            ValueError: an amount that no single charge can carry.
            GatewayRefused: e.g. "idempotency_error", the key was used with other parameters.
        """
        if not 1 <= request.amount_krw <= CHARGE_KRW_MAX:
            raise ValueError(f"{request.amount_krw} won do not fit one charge by card.")
        parameters: PaymentIntentCreateParams = {
            "amount": request.amount_krw,
            "currency": "krw",
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual" if request.is_hold else "automatic",
            "metadata": {"charge_id": str(request.charge_id), "attempt": str(request.attempt)},
        }
        if request.method_ref is not None and request.customer_ref is not None:
            parameters["customer"] = request.customer_ref
            parameters["payment_method"] = request.method_ref
        intent = await self._post(
            str(request.create_key),
            lambda client, options: client.v1.payment_intents.create_async(parameters, options),
        )
        return intent.id

    async def confirm_hold(self, request: HoldRequest, *, provider_ref: str) -> HoldResult:
        """Ask the card's bank, the buyer being away. A hold decided before is answered with what it became."""
        try:
            intent = await self._post(
                str(request.confirm_key),
                lambda client, options: client.v1.payment_intents.confirm_async(
                    provider_ref, {"off_session": True, "expand": ["latest_charge"]}, options
                ),
            )
        except CardDeclined as declined:
            return declined_hold(provider_ref, declined.reason)
        except GatewayRefused as refusal:
            return await self._read_instead(provider_ref, refusal)
        return hold_result(intent)

    async def read_hold(self, *, provider_ref: str) -> HoldResult:
        """Ask what became of a hold. "processing" also stands for one that was never confirmed."""
        return hold_result(await self._retrieve(provider_ref))

    async def read_hold_secret(self, *, provider_ref: str) -> str:
        """Return the client secret with which the buyer's browser can authenticate an `action_required` hold."""
        intent = await self._retrieve(provider_ref)
        if intent.client_secret is None:
            raise GatewayUnavailable("no_client_secret")
        return intent.client_secret

    async def find_hold(self, *, charge_id: UUID, attempt: int) -> HoldResult | None:
        """Look for a hold by our ids: in the newest 1,000 records, then, if there are more, by search.

        Lists are up to date at once; the search index lags by minutes, but only has to know the older ones.
        """
        wanted = {"charge_id": str(charge_id), "attempt": str(attempt)}
        last: str | None = None
        for _ in range(_LISTED_PAGES_MAX):
            page = await self._list_intents(after=last)
            for intent in page.data:
                if wanted.items() <= metadata_of(intent).items():
                    return hold_result(intent)
            if not page.has_more:
                return None
            last = page.data[-1].id
        query = " AND ".join(f"metadata['{name}']:{_quoted(value)}" for name, value in wanted.items())
        found = await self._ask(
            lambda client: client.v1.payment_intents.search_async({"query": query, "limit": 1})
        )
        return hold_result(found.data[0]) if found.data else None

    # -- finishing -----------------------------------------------------------------------------------------

    async def capture(self, *, provider_ref: str, amount_krw: int, finish_key: UUID) -> HoldResult:
        """Take `amount_krw` of the hold; Stripe gives the rest back by itself.

        A hold that is finished already is answered with what it became: look at `state`, a hold that expired
        is "released".

        Raises:
            GatewayRefused: "captured_otherwise" when another amount was taken; or more than is held.
        """
        try:
            intent = await self._post(
                f"{finish_key}:capture",
                lambda client, options: client.v1.payment_intents.capture_async(
                    provider_ref, {"amount_to_capture": amount_krw}, options
                ),
            )
            result = hold_result(intent)
        except GatewayRefused as refusal:
            result = await self._read_finished(provider_ref, refusal)
        if result.state == "captured" and result.captured_krw != amount_krw:
            raise GatewayRefused("captured_otherwise", f"{result.captured_krw} won, not {amount_krw}")
        return result

    async def release(self, *, provider_ref: str, finish_key: UUID) -> HoldResult:
        """Give the whole hold back. A hold that was captured is answered as "captured"."""
        try:
            intent = await self._post(
                f"{finish_key}:release",
                lambda client, options: client.v1.payment_intents.cancel_async(provider_ref, {}, options),
            )
        except GatewayRefused as refusal:
            return await self._read_finished(provider_ref, refusal)
        return hold_result(intent)

    # -- giving back, and the books ----------------------------------------------------------------------

    async def refund(self, request: RefundRequest) -> HoldResult:
        """Give won back to the card. Stripe refuses more than what is left of the payment."""
        refund = await self._post(
            str(request.key),
            lambda client, options: client.v1.refunds.create_async(
                {
                    "payment_intent": request.payment_ref,
                    "amount": request.amount_krw,
                    "metadata": {"charge_id": str(request.charge_id), "attempt": str(request.attempt)},
                },
                options,
            ),
        )
        return refund_result(refund)

    async def read_refund(self, *, provider_ref: str) -> HoldResult:
        """Ask what became of a refund; banks may turn one down days later."""
        return refund_result(await self._ask(lambda client: client.v1.refunds.retrieve_async(provider_ref)))

    async def find_refund(self, *, payment_ref: str, charge_id: UUID, attempt: int) -> HoldResult | None:
        """Look among the newest 100 refunds of a payment; lists are up to date at once."""
        page = await self._ask(
            lambda client: client.v1.refunds.list_async({"payment_intent": payment_ref, "limit": _PAGE_SIZE})
        )
        wanted = {"charge_id": str(charge_id), "attempt": str(attempt)}
        for refund in page.data:
            if wanted.items() <= metadata_of(refund).items():
                return refund_result(refund)
        return None

    async def list_records(self, *, since: datetime | None) -> AsyncIterator[ProviderRecord]:
        """Walk through all payments, then all refunds, the newest first, back to `since`."""
        last: str | None = None
        while True:
            page = await self._list_intents(after=last)
            for intent in page.data:
                record = payment_record(intent)
                if since is not None and record.created_at < since:
                    break
                yield record
            else:
                if page.has_more:
                    last = page.data[-1].id
                    continue
            break
        last = None
        while True:
            refunds = await self._list_refunds(after=last)
            for refund in refunds.data:
                record = refund_record(refund)
                if since is not None and record.created_at < since:
                    return
                yield record
            if not refunds.has_more:
                return
            last = refunds.data[-1].id

    # -- webhooks ------------------------------------------------------------------------------------------

    def read_webhook(self, *, body: bytes, signature: str) -> WebhookHint | None:
        """Verify the raw body against its `Stripe-Signature` (Stripe, "Verify webhook signatures manually").

        Raises:
            WebhookRefused: too large, forged, older than 300 seconds, malformed, of another account or mode.
        """
        return read_event(
            body, signature, secret=self._webhook_secret, livemode=self.livemode, now_seconds=time.time()
        )

    # -- asking --------------------------------------------------------------------------------------------

    async def _retrieve(self, provider_ref: str) -> "stripe.PaymentIntent":
        return await self._ask(
            lambda client: client.v1.payment_intents.retrieve_async(
                provider_ref, {"expand": ["latest_charge"]}
            )
        )

    async def _list_refunds(self, *, after: str | None) -> "stripe.ListObject[stripe.Refund]":
        return await self._ask(
            lambda client: client.v1.refunds.list_async(
                {"limit": _PAGE_SIZE, "starting_after": after} if after else {"limit": _PAGE_SIZE}
            )
        )

    async def _list_intents(self, *, after: str | None) -> "stripe.ListObject[stripe.PaymentIntent]":
        return await self._ask(
            lambda client: client.v1.payment_intents.list_async(
                {"limit": _PAGE_SIZE, "starting_after": after} if after else {"limit": _PAGE_SIZE}
            )
        )

    async def _read_instead(self, provider_ref: str, refusal: GatewayRefused) -> HoldResult:
        """Answer a step that came too late with what the hold became; any other refusal stays one."""
        if refusal.reason != "payment_intent_unexpected_state":
            raise refusal
        return await self.read_hold(provider_ref=provider_ref)

    async def _read_finished(self, provider_ref: str, refusal: GatewayRefused) -> HoldResult:
        result = await self._read_instead(provider_ref, refusal)
        if result.state in {"processing", "authorized"}:
            raise GatewayUnavailable("not_finished")
        return result


def _id_of(reference: "str | stripe.StripeObject | None") -> str | None:
    """Stripe gives an id, or the whole object where it was expanded."""
    return reference if reference is None or isinstance(reference, str) else str(reference["id"])


def _quoted(value: str) -> str:
    """Quote a value for Stripe's search language."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost", "::1"}
