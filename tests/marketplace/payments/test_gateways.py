"""What every PaymentGateway must keep, run over each provider that is at hand."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import msgspec
import pytest

from group_buy.gateway import (
    GatewayRefused,
    GatewayUnavailable,
    HoldRequest,
    HoldResult,
    PaymentGateway,
    RefundRequest,
    SavedMethod,
    SetupRequest,
    WebhookRefused,
)
from marketplace.payments.contract_calls import Fault
from marketplace.payments.local_stripe import LocalStripe
from marketplace.payments.stripe_gateway import StripeGateway

# stripe 16.1 hands its form to httpx as `data=`, which httpx would rather be given as `content=`.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

GOOD = "4242424242424242"
CHARGE_DECLINED = "4000000000000341"
SETUP_DECLINED = "4000000000000002"
WANTS_BUYER = "4000002760003184"

TEST_METHODS = {GOOD: "pm_card_visa", CHARGE_DECLINED: "pm_card_chargeCustomerFail"}
"""Stripe's names for its test cards; with them a setup is confirmed from here, without a browser."""


class Provider:
    """A gateway with the way to save a card at its provider."""

    def __init__(
        self,
        gateway: StripeGateway,
        save: Callable[[SetupRequest, str], Awaitable[None]],
        local: LocalStripe | None,
    ):
        self.gateway = gateway
        self.save = save
        self.local = local

    async def save_card(self, number: str = GOOD) -> tuple[SetupRequest, SavedMethod]:
        setup = await self.gateway.request_setup(idempotency_key=uuid4(), organization_code="F-TEST")
        await self.save(setup, number)
        return setup, await self.gateway.read_setup(setup_ref=setup.setup_ref)

    async def request_hold(self, amount_krw: int = 1_234_567, number: str = GOOD) -> HoldRequest:
        setup, method = await self.save_card(number)
        assert method.method_ref is not None, method
        return HoldRequest(
            charge_id=uuid4(),
            attempt=1,
            amount_krw=amount_krw,
            customer_ref=setup.customer_ref,
            method_ref=method.method_ref,
            create_key=uuid4(),
            confirm_key=uuid4(),
        )

    async def hold(self, amount_krw: int = 1_234_567) -> str:
        request = await self.request_hold(amount_krw)
        provider_ref = await self.gateway.create_hold(request)
        held = await self.gateway.confirm_hold(request, provider_ref=provider_ref)
        assert is_held(held, provider_ref)
        return provider_ref


def is_held(result: HoldResult, provider_ref: str) -> bool:
    """Authorized, and it is known until when the hold must be captured: between 4 and 31 days (Stripe)."""
    assert result.expires_at is not None
    days = (result.expires_at - datetime.now(UTC)) / timedelta(days=1)
    assert 4 < days < 31
    return msgspec.structs.replace(result, expires_at=None) == HoldResult(provider_ref, "authorized")


@pytest.fixture(params=["local", "stripe"])
async def provider(request, local_stripe: LocalStripe, confirm_setup_with_card) -> AsyncIterator[Provider]:
    if request.param == "local":
        gateway = StripeGateway(
            local_stripe.secret_key,
            local_stripe.publishable_key,
            local_stripe.webhook_secret,
            local_stripe.url,
            timeout_seconds=2,
        )

        async def save(setup: SetupRequest, number: str) -> None:
            confirm_setup_with_card(
                local_stripe.url, setup.client_secret, number, key=local_stripe.publishable_key
            )

        yield Provider(gateway, save, local_stripe)
    else:
        if not (secret_key := os.environ.get("STRIPE_TEST_KEY", "")):
            pytest.skip("STRIPE_TEST_KEY is not set: Stripe's own test mode is not asked")
        assert "_test_" in secret_key
        gateway = StripeGateway(secret_key, "pk_test_unused", "whsec_test")

        async def save(setup: SetupRequest, number: str) -> None:
            if number not in TEST_METHODS:
                pytest.skip("this card is only ever typed into a browser")
            client = await gateway._client()
            await client.v1.setup_intents.confirm_async(
                setup.setup_ref, {"payment_method": TEST_METHODS[number], "return_url": "https://example.com"}
            )

        yield Provider(gateway, save, None)
    await gateway.close()


@pytest.fixture
def local(provider: Provider) -> LocalStripe:
    """For what can only be provoked at a provider of one's own."""
    if provider.local is None:
        pytest.skip("faults cannot be injected at Stripe")
    return provider.local


async def list_holds(gateway: StripeGateway, request: HoldRequest) -> list[tuple[str, int]]:
    """All of the provider's records of one attempt, with their amounts."""
    client = await gateway._client()
    page = await client.v1.payment_intents.list_async({"limit": 100})
    wanted = str(request.charge_id)
    return [
        (found.id, found.amount) for found in page.data if found.metadata.to_dict().get("charge_id") == wanted
    ]


def test_the_gateway_fits_the_protocol():
    gateway: PaymentGateway = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    assert gateway is not None


# -- saving ----------------------------------------------------------------------------------------------------


async def test_a_saved_card_is_ready_and_named(provider: Provider):
    setup, method = await provider.save_card()
    assert method.state == "ready"
    assert method.method_ref is not None
    assert (method.card_brand, method.card_last4) == ("visa", "4242")
    assert setup.client_secret.startswith(setup.setup_ref)


async def test_a_setup_nobody_finished_is_still_requested(provider: Provider):
    setup = await provider.gateway.request_setup(idempotency_key=uuid4(), organization_code="F-TEST")
    assert await provider.gateway.read_setup(setup_ref=setup.setup_ref) == SavedMethod(state="requested")


async def test_the_same_key_begins_one_setup(provider: Provider):
    key = uuid4()
    first = await provider.gateway.request_setup(idempotency_key=key, organization_code="F-TEST")
    again = await provider.gateway.request_setup(idempotency_key=key, organization_code="F-TEST")
    assert first == again


async def test_an_organization_is_one_customer(local: LocalStripe, provider: Provider):
    codes = ["F-1", "F-1", "F-2", "F-'odd\\"]
    setups = [
        await provider.gateway.request_setup(idempotency_key=uuid4(), organization_code=code)
        for code in codes
    ]
    odd = await provider.gateway.request_setup(idempotency_key=uuid4(), organization_code=codes[3])
    refs = [setup.customer_ref for setup in setups]
    assert refs[0] == refs[1]
    assert len(set(refs)) == 3
    assert odd.customer_ref == refs[3]
    assert len({setup.setup_ref for setup in setups}) == 4


async def test_a_card_declined_while_saved_is_failed_and_another_card_may_follow(
    local: LocalStripe, provider: Provider
):
    setup, method = await provider.save_card(SETUP_DECLINED)
    assert method == SavedMethod(state="failed", reason="card_declined")
    await provider.save(setup, GOOD)
    assert (await provider.gateway.read_setup(setup_ref=setup.setup_ref)).card_last4 == "4242"


async def test_a_card_can_be_saved_through_3d_secure(local: LocalStripe, provider: Provider):
    _, method = await provider.save_card(WANTS_BUYER)
    assert (method.state, method.card_last4) == ("ready", "3184")


# -- holding, capturing, releasing -------------------------------------------------------------------------------


async def test_a_part_is_captured_and_the_amount_is_never_multiplied(provider: Provider):
    request = await provider.request_hold(1_234_567)
    provider_ref = await provider.gateway.create_hold(request)
    assert await provider.gateway.read_hold(provider_ref=provider_ref) == HoldResult(
        provider_ref, "processing"
    )
    held = await provider.gateway.confirm_hold(request, provider_ref=provider_ref)
    assert is_held(held, provider_ref)
    assert await list_holds(provider.gateway, request) == [(provider_ref, 1_234_567)]
    taken = await provider.gateway.capture(
        provider_ref=provider_ref, amount_krw=1_000_001, finish_key=uuid4()
    )
    assert taken == HoldResult(provider_ref, "captured", captured_krw=1_000_001)
    assert await provider.gateway.read_hold(provider_ref=provider_ref) == taken


async def test_a_hold_is_released_and_released_again(provider: Provider):
    provider_ref = await provider.hold()
    first = await provider.gateway.release(provider_ref=provider_ref, finish_key=uuid4())
    again = await provider.gateway.release(provider_ref=provider_ref, finish_key=uuid4())
    assert first == again == HoldResult(provider_ref, "released")


async def test_an_unconfirmed_hold_can_be_released(provider: Provider):
    provider_ref = await provider.gateway.create_hold(await provider.request_hold())
    result = await provider.gateway.release(provider_ref=provider_ref, finish_key=uuid4())
    assert result.state == "released"


async def test_a_hold_is_captured_twice_with_one_answer(provider: Provider):
    provider_ref = await provider.hold()
    key = uuid4()
    answers = [
        await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=each)
        for each in (key, key, uuid4())
    ]
    assert answers == [HoldResult(provider_ref, "captured", captured_krw=700)] * 3


@pytest.mark.parametrize("is_same_key", [True, False])
async def test_another_amount_cannot_be_captured_later(provider: Provider, is_same_key: bool):
    provider_ref = await provider.hold()
    key = uuid4()
    await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=key)
    with pytest.raises(GatewayRefused):
        await provider.gateway.capture(
            provider_ref=provider_ref, amount_krw=800, finish_key=key if is_same_key else uuid4()
        )
    assert (await provider.gateway.read_hold(provider_ref=provider_ref)).captured_krw == 700


async def test_more_than_the_hold_cannot_be_captured(provider: Provider):
    provider_ref = await provider.hold(1_000)
    with pytest.raises(GatewayRefused) as refused:
        await provider.gateway.capture(provider_ref=provider_ref, amount_krw=1_001, finish_key=uuid4())
    assert refused.value.reason == "amount_too_large"
    assert (await provider.gateway.read_hold(provider_ref=provider_ref)).state == "authorized"


async def test_a_released_hold_takes_nothing(provider: Provider):
    provider_ref = await provider.hold()
    key = uuid4()
    await provider.gateway.release(provider_ref=provider_ref, finish_key=key)
    late = await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=key)
    assert late == HoldResult(provider_ref, "released")


async def test_a_captured_hold_is_not_released(provider: Provider):
    provider_ref = await provider.hold()
    await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=uuid4())
    late = await provider.gateway.release(provider_ref=provider_ref, finish_key=uuid4())
    assert late == HoldResult(provider_ref, "captured", captured_krw=700)


async def test_a_decline_is_a_result_and_stays_one(provider: Provider):
    request = await provider.request_hold(number=CHARGE_DECLINED)
    provider_ref = await provider.gateway.create_hold(request)
    declined = HoldResult(provider_ref, "failed", reason="card_declined")
    assert await provider.gateway.confirm_hold(request, provider_ref=provider_ref) == declined
    assert await provider.gateway.confirm_hold(request, provider_ref=provider_ref) == declined
    assert await provider.gateway.read_hold(provider_ref=provider_ref) == declined


async def test_a_card_that_wants_its_owner_is_action_required_until_the_owner_acts(
    local: LocalStripe, provider: Provider
):
    request = await provider.request_hold(number=WANTS_BUYER)
    provider_ref = await provider.gateway.create_hold(request)
    wanted = HoldResult(provider_ref, "action_required", reason="authentication_required")
    assert await provider.gateway.confirm_hold(request, provider_ref=provider_ref) == wanted
    assert await provider.gateway.read_hold(provider_ref=provider_ref) == wanted
    # Declined, not left waiting: the bank was told that the owner is away.
    client = await provider.gateway._client()
    kept = await client.v1.payment_intents.retrieve_async(provider_ref)
    assert (kept.status, kept.next_action) == ("requires_payment_method", None)
    secret = await provider.gateway.read_hold_secret(provider_ref=provider_ref)
    assert authenticate(local, provider_ref, secret, success=True) == 200
    assert is_held(await provider.gateway.read_hold(provider_ref=provider_ref), provider_ref)


async def test_an_owner_who_fails_3d_secure_fails_the_hold(local: LocalStripe, provider: Provider):
    request = await provider.request_hold(number=WANTS_BUYER)
    provider_ref = await provider.gateway.create_hold(request)
    await provider.gateway.confirm_hold(request, provider_ref=provider_ref)
    secret = await provider.gateway.read_hold_secret(provider_ref=provider_ref)
    assert authenticate(local, provider_ref, secret, success=False) == 200
    assert await provider.gateway.read_hold(provider_ref=provider_ref) == HoldResult(
        provider_ref, "failed", reason="payment_intent_authentication_failure"
    )


def authenticate(local: LocalStripe, provider_ref: str, secret: str, *, success: bool) -> int:
    """What `confirmCardPayment` of localstripe's script does."""

    url = f"{local.url}/v1/payment_intents/{provider_ref}/_authenticate?success={str(success).lower()}"
    content = json.dumps({"key": local.publishable_key, "client_secret": secret})
    return httpx.post(url, content=content, trust_env=False).status_code


# -- giving back, and the books -------------------------------------------------------------------------------------


async def a_payment(provider: Provider, amount_krw: int = 10_000) -> str:
    provider_ref = await provider.hold(amount_krw)
    await provider.gateway.capture(provider_ref=provider_ref, amount_krw=amount_krw, finish_key=uuid4())
    return provider_ref


async def test_a_refund_is_made_once_a_key_and_found_again(provider: Provider):
    paid = await a_payment(provider)
    request = RefundRequest(uuid4(), 1, paid, 4_000, uuid4())
    first = await provider.gateway.refund(request)
    assert (first.state, first.captured_krw) == ("captured", 4_000)
    assert await provider.gateway.refund(request) == first
    assert await provider.gateway.read_refund(provider_ref=first.provider_ref) == first
    found = await provider.gateway.find_refund(payment_ref=paid, charge_id=request.charge_id, attempt=1)
    assert found == first
    assert await provider.gateway.find_refund(payment_ref=paid, charge_id=uuid4(), attempt=1) is None


async def test_refunds_never_exceed_what_was_captured(provider: Provider):
    paid = await a_payment(provider)
    await provider.gateway.refund(RefundRequest(uuid4(), 1, paid, 9_999, uuid4()))
    with pytest.raises(GatewayRefused):
        await provider.gateway.refund(RefundRequest(uuid4(), 1, paid, 2, uuid4()))
    await provider.gateway.refund(RefundRequest(uuid4(), 1, paid, 1, uuid4()))
    with pytest.raises(GatewayRefused):
        await provider.gateway.refund(RefundRequest(uuid4(), 1, paid, 1, uuid4()))


async def test_a_hold_is_not_refunded(provider: Provider):
    held = await provider.hold(10_000)
    with pytest.raises(GatewayRefused):
        await provider.gateway.refund(RefundRequest(uuid4(), 1, held, 1, uuid4()))
    assert (await provider.gateway.read_hold(provider_ref=held)).state == "authorized"


async def test_the_books_list_payments_and_refunds_with_our_ids_newest_first(provider: Provider):
    request = await provider.request_hold(10_000)
    paid = await provider.gateway.create_hold(request)
    await provider.gateway.confirm_hold(request, provider_ref=paid)
    await provider.gateway.capture(provider_ref=paid, amount_krw=9_000, finish_key=uuid4())
    back = RefundRequest(uuid4(), 1, paid, 500, uuid4())
    refund = await provider.gateway.refund(back)
    since = datetime.now(UTC) - timedelta(minutes=5)
    records = [record async for record in provider.gateway.list_records(since=since)]
    ours = {r.result.provider_ref: r for r in records if r.payment_ref == paid}
    assert (ours[paid].kind, ours[paid].charge_id, ours[paid].attempt) == ("payment", request.charge_id, 1)
    assert (ours[paid].krw, ours[paid].result.captured_krw) == (10_000, 9_000)
    assert (ours[refund.provider_ref].kind, ours[refund.provider_ref].charge_id) == ("refund", back.charge_id)
    assert len(ours) == 2  # the part that was not captured is no refund
    times = [r.created_at for r in records if r.kind == "payment"]
    assert times == sorted(times, reverse=True)
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert [record async for record in provider.gateway.list_records(since=later)] == []


async def test_a_payment_on_session_waits_for_the_buyers_browser(provider: Provider):
    request = HoldRequest(uuid4(), 1, 5_000, None, None, uuid4(), uuid4(), is_hold=False)
    provider_ref = await provider.gateway.create_hold(request)
    assert (await provider.gateway.read_hold(provider_ref=provider_ref)).state == "processing"
    secret = await provider.gateway.read_hold_secret(provider_ref=provider_ref)
    assert secret.startswith(f"{provider_ref}_secret_")
    canceled = await provider.gateway.release(provider_ref=provider_ref, finish_key=uuid4())
    assert canceled.state == "released"


# -- keys and limits ---------------------------------------------------------------------------------------------


async def test_the_same_key_creates_one_hold(provider: Provider):
    request = await provider.request_hold()
    first = await provider.gateway.create_hold(request)
    assert await provider.gateway.create_hold(request) == first
    assert await list_holds(provider.gateway, request) == [(first, request.amount_krw)]


async def test_a_key_with_other_parameters_is_refused(provider: Provider):
    request = await provider.request_hold()
    first = await provider.gateway.create_hold(request)
    other = HoldRequest(
        request.charge_id, 1, 5_000, request.customer_ref, request.method_ref, request.create_key, uuid4()
    )
    with pytest.raises(GatewayRefused) as refused:
        await provider.gateway.create_hold(other)
    assert refused.value.reason == "idempotency_error"
    assert await list_holds(provider.gateway, request) == [(first, request.amount_krw)]


@pytest.mark.parametrize("amount_krw", [0, -1, 100_000_000])
async def test_an_amount_beyond_one_charge_is_never_sent(provider: Provider, amount_krw: int):
    request = await provider.request_hold(amount_krw)
    with pytest.raises(ValueError, match="do not fit one charge"):
        await provider.gateway.create_hold(request)
    assert await list_holds(provider.gateway, request) == []


async def test_the_largest_amount_passes_and_99_won_do_not(provider: Provider):
    assert await provider.hold(99_999_999)
    request = await provider.request_hold(99)
    with pytest.raises(GatewayRefused) as refused:
        await provider.gateway.create_hold(request)
    assert refused.value.reason == "amount_too_small"


async def test_a_hold_is_found_by_our_ids(provider: Provider):
    request = await provider.request_hold()
    assert await provider.gateway.find_hold(charge_id=request.charge_id, attempt=1) is None
    provider_ref = await provider.gateway.create_hold(request)
    found = await provider.gateway.find_hold(charge_id=request.charge_id, attempt=1)
    assert found == HoldResult(provider_ref, "processing")
    assert await provider.gateway.find_hold(charge_id=request.charge_id, attempt=2) is None


async def test_a_hold_older_than_the_list_is_found_by_search(
    local: LocalStripe, provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    old, middle, new = [await provider.request_hold() for _ in range(3)]
    refs = [await provider.gateway.create_hold(request) for request in (old, middle, new)]
    monkeypatch.setattr("marketplace.payments.stripe_gateway._PAGE_SIZE", 1)
    paged = await provider.gateway.find_hold(charge_id=old.charge_id, attempt=1)
    monkeypatch.setattr("marketplace.payments.stripe_gateway._LISTED_PAGES_MAX", 1)
    searched = await provider.gateway.find_hold(charge_id=old.charge_id, attempt=1)
    assert paged == searched == HoldResult(refs[0], "processing")


# -- faults ------------------------------------------------------------------------------------------------------

ANY_CREATE = "/v1/payment_intents"
ANY_CONFIRM = "/v1/payment_intents/.*/confirm"
ANY_CAPTURE = "/v1/payment_intents/.*/capture"


@pytest.mark.parametrize(
    "kind", ["timeout_after", "reset", "reset_after", "status_409", "status_429", "status_500"]
)
async def test_after_any_fault_the_same_key_makes_one_hold(local: LocalStripe, provider: Provider, kind):
    impatient = StripeGateway(
        local.secret_key, local.publishable_key, local.webhook_secret, local.url, timeout_seconds=0.3
    )
    request = await provider.request_hold()
    local.inject(Fault(kind, path=ANY_CREATE))
    with pytest.raises(GatewayUnavailable):
        await impatient.create_hold(request)
    await impatient.close()
    provider_ref = await provider.gateway.create_hold(request)
    assert await list_holds(provider.gateway, request) == [(provider_ref, request.amount_krw)]


@pytest.mark.parametrize(
    "kind", ["reset", "reset_after", "status_409", "status_429", "status_500", "status_500_after"]
)
async def test_a_confirm_and_a_capture_survive_any_fault(local: LocalStripe, provider: Provider, kind):
    request = await provider.request_hold()
    provider_ref = await provider.gateway.create_hold(request)
    local.inject(Fault(kind, path=ANY_CONFIRM), Fault(kind, path=ANY_CAPTURE))
    with pytest.raises(GatewayUnavailable):
        await provider.gateway.confirm_hold(request, provider_ref=provider_ref)
    held = await provider.gateway.confirm_hold(request, provider_ref=provider_ref)
    assert is_held(held, provider_ref)
    finish_key = uuid4()
    with pytest.raises(GatewayUnavailable):
        await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=finish_key)
    taken = await provider.gateway.capture(provider_ref=provider_ref, amount_krw=700, finish_key=finish_key)
    assert taken == HoldResult(provider_ref, "captured", captured_krw=700)
    assert await list_holds(provider.gateway, request) == [(provider_ref, request.amount_krw)]


async def test_a_key_still_in_use_means_ask_again(local: LocalStripe, provider: Provider):
    impatient = StripeGateway(
        local.secret_key, local.publishable_key, local.webhook_secret, local.url, timeout_seconds=0.2
    )
    request = await provider.request_hold()
    local.inject(Fault("slow", path=ANY_CREATE, seconds=0.6))
    with pytest.raises(GatewayUnavailable, match=r"timeout|connection"):
        await impatient.create_hold(request)
    await impatient.close()
    with pytest.raises(GatewayUnavailable, match="status_409"):
        await provider.gateway.create_hold(request)


async def test_nobody_there_and_a_wrong_key_are_unavailable(local: LocalStripe):
    nobody = StripeGateway("sk_test_a", "pk_test_a", "whsec_a", "http://127.0.0.1:1")
    with pytest.raises(GatewayUnavailable, match="connection"):
        await nobody.read_hold(provider_ref="pi_none")
    await nobody.close()
    wrong = StripeGateway("sk_test_wrong", "pk_test_a", "whsec_a", local.url)
    with pytest.raises(GatewayUnavailable, match="status_401"):
        await wrong.read_hold(provider_ref="pi_none")
    await wrong.close()


async def test_an_unknown_hold_is_refused(provider: Provider):
    with pytest.raises(GatewayRefused):
        await provider.gateway.read_hold(provider_ref="pi_unknown")


# -- keys of the gateway, and its cost ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret_key", "publishable_key", "api_base"),
    [
        ("sk_live_a", "pk_test_a", None),
        ("sk_test_a", "pk_live_a", None),
        ("sk_live_a", "pk_live_a", "http://127.0.0.1:1"),
        ("sk_test_a", "pk_test_a", "http://example.com"),
    ],
)
def test_keys_are_never_mixed_or_sent_in_the_clear(secret_key, publishable_key, api_base):
    with pytest.raises(ValueError, match=r"Stripe|unencrypted"):
        StripeGateway(secret_key, publishable_key, "whsec_a", api_base)


def test_stripe_is_not_loaded_before_it_is_needed():
    program = (
        "import sys, marketplace.payments.stripe_gateway as g\n"
        "gateway = g.StripeGateway('sk_test_a', 'pk_test_a', 'whsec_a')\n"
        "try: gateway.read_webhook(body=b'', signature='')\n"
        "except Exception: pass\n"
        "print([name for name in ('stripe', 'httpx') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# -- webhooks ----------------------------------------------------------------------------------------------------

SECRET = "whsec_of_this_test"


def gateway_for_webhooks(mode: str = "test") -> StripeGateway:
    return StripeGateway(f"sk_{mode}_a", f"pk_{mode}_a", SECRET)


def event(**changes) -> bytes:
    content = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {"id": "pi_1", "amount": 1, "status": "succeeded"}},
    }
    return json.dumps(content | changes).encode()


def sign(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> str:
    sent_at = int(time.time()) - age_seconds
    signature = hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={sent_at},v1={signature}"


def test_a_good_webhook_gives_ids_only():
    body = event()
    hint = gateway_for_webhooks().read_webhook(body=body, signature=sign(body))
    assert hint is not None
    assert (hint.event_id, hint.kind, hint.object_ref, hint.payload) == (
        "evt_1",
        "payment_intent.succeeded",
        "pi_1",
        body,
    )


def test_stripes_own_signature_is_accepted():
    import stripe

    body = event()
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET)
    assert gateway_for_webhooks().read_webhook(body=body, signature=signature) is not None
    assert stripe.Webhook.construct_event(body, sign(body), SECRET).id == "evt_1"


def test_a_kind_without_cards_says_nothing():
    body = event(type="customer.created", data={"object": {"id": "cus_1"}})
    assert gateway_for_webhooks().read_webhook(body=body, signature=sign(body)) is None


def test_one_good_signature_among_several_is_enough_while_a_secret_is_rolled():
    body = event()
    good = sign(body)
    sent_at, _, signature = good.partition(",")
    rolled = f"{sent_at},v1={'0' * 64},{signature},v0=old"
    assert gateway_for_webhooks().read_webhook(body=body, signature=rolled) is not None


@pytest.mark.parametrize(
    ("reason", "body", "signature"),
    [
        ("forged", event(), lambda: sign(event(id="evt_2"))),
        ("forged", event(), lambda: sign(event(), secret="whsec_other")),
        ("forged", event(), lambda: sign(event()).replace("v1=", "v0=")),
        ("forged", event(), lambda: "t=1,v1=ü"),
        ("stale", event(), lambda: sign(event(), age_seconds=301)),
        ("stale", event(), lambda: sign(event(), age_seconds=-400)),
        ("malformed_signature", event(), lambda: ""),
        ("malformed_signature", event(), lambda: "t=x,v1=y"),
        ("malformed_signature", event(), lambda: "t=" + "9" * 5000 + ",v1=y"),
        ("other_mode", event(livemode=True), lambda: sign(event(livemode=True))),
        ("other_account", event(account="acct_1"), lambda: sign(event(account="acct_1"))),
        ("malformed", b"{", lambda: sign(b"{")),
        ("malformed", b"\xff", lambda: sign(b"\xff")),
        ("malformed", event(data={}), lambda: sign(event(data={}))),
        (
            "malformed",
            event(data={"object": {"id": "ch_1"}}),
            lambda: sign(event(data={"object": {"id": "ch_1"}})),
        ),
        ("too_large", b" " * 1_000_001, lambda: sign(b" " * 1_000_001)),
    ],
)
def test_a_webhook_that_is_not_right_is_refused(reason: str, body: bytes, signature: Callable[[], str]):
    with pytest.raises(WebhookRefused) as refused:
        gateway_for_webhooks().read_webhook(body=body, signature=signature())
    assert refused.value.reason == reason


def test_a_webhook_of_test_mode_is_refused_in_live_mode():
    with pytest.raises(WebhookRefused, match="other_mode"):
        gateway_for_webhooks("live").read_webhook(body=event(), signature=sign(event()))
