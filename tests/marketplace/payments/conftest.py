"""One local card provider for the tests of this folder, and a card's way through it without a browser."""

import json
from collections.abc import Iterator

import httpx
import pytest

from marketplace.payments.local_stripe import LocalStripe


@pytest.fixture(scope="module")
def shared_stripe() -> Iterator[LocalStripe]:
    with LocalStripe() as running:
        yield running


@pytest.fixture
def local_stripe(shared_stripe: LocalStripe) -> LocalStripe:
    """The shared one, without the faults that an earlier test may have left."""
    shared_stripe.inject()
    return shared_stripe


def post_as_browser(url: str, content: dict) -> tuple[int, dict]:
    """Post JSON the way localstripe's script does: as text, without the secret key."""
    headers = {"Content-Type": "text/plain"}
    answer = httpx.post(url, content=json.dumps(content), headers=headers, timeout=5, trust_env=False)
    return answer.status_code, answer.json()


@pytest.fixture
def confirm_setup_with_card():
    """What the pledge page does: `confirm_setup_with_card(proxy_url, client_secret, number)`."""

    def confirm(proxy_url: str, client_secret: str, number: str, *, key: str = "") -> tuple[int, dict]:
        setup_ref = client_secret.partition("_secret_")[0]
        url = f"{proxy_url}/v1/setup_intents/{setup_ref}/confirm"
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        common = {"key": key, "use_stripe_sdk": True, "client_secret": client_secret}
        status, answer = post_as_browser(
            url, {**common, "payment_method_data": {"type": "card", "card": card, "billing_details": {}}}
        )
        if answer.get("status") == "requires_action":  # the buyer passes 3-D Secure
            status, answer = post_as_browser(url, common)
        return status, answer

    return confirm
