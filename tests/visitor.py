"""A person's browser without JavaScript, for tests that walk through the running demo over HTTP."""

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import httpx
from demo_process import DemoProcess

CARD_OK = "4242424242424242"
CARD_DECLINED_LATER = "4000000000000341"
HIDDEN_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class Visitor:
    """One browser without JavaScript: follows links, submits forms with their hidden fields."""

    def __init__(self, demo: DemoProcess, email: str | None = None) -> None:
        self.demo = demo
        self.client = httpx.Client(
            base_url=demo.url, headers={"accept": "text/html"}, follow_redirects=True, timeout=20
        )
        if email is not None:
            self.submit("/sign-in", "/sign-in/demo", email=email)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, *, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.text

    def submit(self, page: str, action: str, *, status: int = 200, **fields: str) -> str:
        """Send the form of `page` that posts to `action`, with its hidden fields and these ones."""
        answer = self.send(page, action, **fields)
        assert answer.status_code == status, (action, answer.status_code, answer.text[:800])
        return answer.text

    def send(self, page: str, action: str, **fields: str) -> httpx.Response:
        text = self.get(page)
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', text, re.DOTALL)
        assert form is not None, f"{page} has no form to {action}"
        hidden = {name: html.unescape(value) for name, value in HIDDEN_FIELD.findall(form.group())}
        return self.client.post(action, data=hidden | fields)

    def data_attributes(self, text: str, form_id: str) -> dict[str, str]:
        form = re.search(rf'<form[^>]*id="{form_id}"[^>]*>', text)
        assert form is not None, f"no form {form_id}"
        return {k: html.unescape(v) for k, v in re.findall(r'data-([a-z-]+)="([^"]*)"', form.group())}

    def save_card(self, round_code: str, pledge_id: str, number: str) -> None:
        """What the card page's script does: confirm the setup at the provider, then post the form."""
        page = f"/rounds/{round_code}/pledges/{pledge_id}/card"
        data = self.data_attributes(self.get(page), "card-form")
        setup_ref = data["secret"].partition("_secret_")[0]
        confirmed = httpx.post(
            f"{data['api-base']}/v1/setup_intents/{setup_ref}/confirm",
            json={
                "key": data["key"],
                "use_stripe_sdk": True,
                "client_secret": data["secret"],
                "payment_method_data": {
                    "type": "card",
                    "card": {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"},
                    "billing_details": {},
                },
            },
        )
        assert confirmed.status_code == 200, confirmed.text
        self.submit(page, page, setup_intent=setup_ref)


def wait_for(read: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Ask again until there is an answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = read()
        if answer is not None:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"nothing after {seconds} seconds")


def round_state(demo: DemoProcess, code: str) -> dict[str, Any]:
    answer = httpx.get(f"{demo.url}/api/rounds/{code}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["buying_round"]
    return found


def run_marketplace(demo: DemoProcess, *arguments: str) -> tuple[int, Any]:
    """Run a verb of the command beside the running demo, on the same folder."""
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", *arguments, "--data-dir", str(demo.data_dir), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def pledge_by_form(visitor: Visitor, code: str, *, quantity: int, payment_method: str) -> str:
    """Place a pledge by the form and return its id."""
    page = f"/rounds/{code}"
    text = visitor.get(page)
    found = re.search(r'name="pledge_id" value="([0-9a-f-]{36})"', text)
    assert found is not None
    visitor.submit(
        page,
        f"{page}/pledges",
        pledge_id=found.group(1),
        quantity_min="1",
        quantity_max=str(quantity),
        limit_unit_price_krw="",
        payment_method=payment_method,
    )
    return found.group(1)
