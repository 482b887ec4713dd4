"""The promises of the contract proxy itself, and of the child process it runs in, called without any library."""

import asyncio
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from aiohttp import web

from group_buy.gateway import WebhookHint
from marketplace.payments import local_stripe as local_stripe_module
from marketplace.payments.contract_calls import Fault
from marketplace.payments.contract_proxy import ContractProxy
from marketplace.payments.contract_rules import Memory
from marketplace.payments.local_stripe import LocalStripe, LocalStripeUnavailable
from marketplace.payments.stripe_gateway import StripeGateway

GOOD = "4242424242424242"
WANTS_BUYER = "4000002760003184"


class Caller:
    """Calls the proxy with the secret key, as a plain HTTP client."""

    def __init__(self, running: LocalStripe, confirm_setup_with_card):
        self.running = running
        self._confirm = confirm_setup_with_card
        self._client = httpx.Client(
            base_url=running.url, headers={"Authorization": f"Bearer {running.secret_key}"}, trust_env=False
        )

    def post(self, path: str, params: dict | None = None, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self._client.post(path, data=params or {}, headers=headers)

    def get(self, path: str, **params) -> dict:
        return self._client.get(path, params=params).json()

    def request_setup(self) -> dict:
        customer = self.post("/v1/customers", {"metadata[organization_code]": "F-1"}).json()
        return self.post("/v1/setup_intents", {"customer": customer["id"]}).json()

    def confirm_setup(self, setup: dict, number: str = GOOD) -> tuple[int, dict]:
        return self._confirm(
            self.running.url, setup["client_secret"], number, key=self.running.publishable_key
        )

    def new_hold(self, number: str = GOOD, **more) -> dict:
        setup = self.request_setup()
        _, done = self.confirm_setup(setup, number)
        params = {
            "amount": "5000",
            "currency": "krw",
            "customer": setup["customer"],
            "payment_method": done["payment_method"],
            "capture_method": "manual",
        }
        return params | more

    def hold(self) -> dict:
        created = self.post("/v1/payment_intents", self.new_hold()).json()
        return self.post(f"/v1/payment_intents/{created['id']}/confirm", {"off_session": "true"}).json()

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def caller(local_stripe: LocalStripe, confirm_setup_with_card):
    opened = Caller(local_stripe, confirm_setup_with_card)
    yield opened
    opened.close()


# -- where it listens, and whom it answers -----------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="listening sockets are read from /proc")
def test_the_child_listens_on_loopback_only(local_stripe: LocalStripe):
    inodes = set()
    for link in Path(f"/proc/{local_stripe.process_id}/fd").iterdir():
        if (target := str(link.readlink())).startswith("socket:"):
            inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{local_stripe.process_id}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].partition(":")[0])
    assert listening == ["0100007F", "0100007F"]  # localstripe and the proxy, both on 127.0.0.1
    assert local_stripe.url.startswith("http://127.0.0.1:")


def test_nothing_is_written_to_the_shared_temporary_folder(caller: Caller):
    pickled = Path("/tmp/localstripe.pickle")  # where localstripe itself would keep its objects
    before = pickled.stat().st_mtime_ns if pickled.exists() else None
    caller.hold()
    assert (pickled.stat().st_mtime_ns if pickled.exists() else None) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/customers", 401),
        ("POST", "/v1/customers", 401),
        ("POST", "/v1/payment_intents/pi_1/capture", 401),
        ("POST", "/_contract/faults", 401),
        ("DELETE", "/_config/data", 404),
        ("POST", "/_config/webhooks/x", 404),
    ],
)
def test_without_the_secret_key_little_is_allowed(local_stripe: LocalStripe, method, path, status):
    content = msgspec.json.encode({"key": local_stripe.publishable_key, "client_secret": "x"})
    with httpx.Client(base_url=local_stripe.url, trust_env=False) as anyone:
        answer = anyone.request(method, path, content=content if method == "POST" else None)
    assert answer.status_code == status


def test_a_browser_needs_the_client_secret(caller: Caller):
    setup = caller.request_setup()
    assert caller.confirm_setup({"client_secret": f"{setup['id']}_secret_wrong"})[0] == 401
    url = f"{caller.running.url}/v1/setup_intents/{setup['id']}/confirm"
    content = msgspec.json.encode({"key": caller.running.publishable_key, "payment_method": "pm_card_visa"})
    assert httpx.post(url, content=content, trust_env=False).status_code == 400
    assert caller.get(f"/v1/setup_intents/{setup['id']}")["status"] == "requires_payment_method"


def test_the_script_comes_from_the_installed_package_and_may_be_used_from_another_origin(caller: Caller):
    script = httpx.get(f"{caller.running.url}/js/v3/", trust_env=False)
    assert script.headers["content-type"].startswith("text/javascript")
    assert "confirmCardSetup" in script.text
    setup = caller.request_setup()
    url = f"{caller.running.url}/v1/setup_intents/{setup['id']}/confirm"
    asked = httpx.options(url, headers={"Origin": "http://127.0.0.1:8000"}, trust_env=False)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
    answered = httpx.post(url, content=b"{}", headers={"Origin": "http://127.0.0.1:8000"}, trust_env=False)
    assert answered.headers["access-control-allow-origin"] == "*"


# -- idempotency -------------------------------------------------------------------------------------------------


def test_a_key_repeats_its_first_answer_and_says_so(caller: Caller):
    params = caller.new_hold()
    first = caller.post("/v1/payment_intents", params, key="k-repeat")
    again = caller.post("/v1/payment_intents", params, key="k-repeat")
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


def test_a_key_repeats_a_decline(caller: Caller):
    created = caller.post("/v1/payment_intents", caller.new_hold("4000000000000341")).json()
    path = f"/v1/payment_intents/{created['id']}/confirm"
    answers = [caller.post(path, {"off_session": "true"}, key="k-decline") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    assert answers[0].json() == answers[1].json()
    error = answers[0].json()["error"]
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "generic_decline",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"


def test_a_key_with_other_parameters_or_another_path_is_an_error(caller: Caller):
    params = caller.new_hold()
    caller.post("/v1/payment_intents", params, key="k-other")
    for path, other in (("/v1/payment_intents", params | {"amount": "5001"}), ("/v1/customers", params)):
        refused = caller.post(path, other, key="k-other")
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")


def test_a_failed_validation_is_not_stored(caller: Caller):
    params = caller.new_hold()
    assert caller.post("/v1/payment_intents", params | {"amount": "99"}, key="k-invalid").status_code == 400
    assert caller.post("/v1/payment_intents", params, key="k-invalid").status_code == 200


async def test_a_key_in_use_is_a_conflict(caller: Caller, local_stripe: LocalStripe):
    local_stripe.inject(Fault("slow", path="/v1/customers", seconds=0.3))
    first = asyncio.create_task(asyncio.to_thread(caller.post, "/v1/customers", key="k-busy"))
    await asyncio.sleep(0.1)
    second = await asyncio.to_thread(caller.post, "/v1/customers", key="k-busy")
    assert second.status_code == 409
    assert (await first).status_code == 200


def test_a_failure_is_stored_but_a_rate_limit_is_not(caller: Caller, local_stripe: LocalStripe):
    local_stripe.inject(Fault("status_500"), Fault("status_429"))
    assert [
        caller.post("/v1/customers", key="k-500").status_code,
        caller.post("/v1/customers", key="k-429").status_code,
    ] == [500, 429]
    again = caller.post("/v1/customers", key="k-500")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (500, "true")
    assert caller.post("/v1/customers", key="k-429").status_code == 200


def test_faults_are_taken_in_order_and_only_by_their_path(caller: Caller, local_stripe: LocalStripe):
    local_stripe.inject(Fault("status_409", path="/v1/refunds"), Fault("status_500"), Fault("status_429"))
    statuses = [caller.post(path).status_code for path in ("/v1/customers", "/v1/customers", "/v1/refunds")]
    assert statuses == [500, 429, 409]
    assert caller.post("/v1/customers").status_code == 200


# -- amounts, states, cards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "99"}, "amount_too_small"),
        ({"amount": "100000000"}, "amount_too_large"),
        ({"amount": "50.5"}, "parameter_invalid_integer"),
        ({"amount": "٥٠٠٠"}, "parameter_invalid_integer"),
        ({"currency": "usd"}, None),
        ({"customer": "cus_other"}, None),
        ({"payment_method_types[0]": "card"}, "payment_method_types_no_longer_supported"),
    ],
)
def test_a_hold_that_stripe_would_refuse_is_refused(caller: Caller, change: dict, code: str | None):
    before = caller.get("/v1/payment_intents", limit=100)["data"]
    refused = caller.post("/v1/payment_intents", caller.new_hold(**change))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    assert caller.get("/v1/payment_intents", limit=100)["data"] == before


def test_what_localstripe_does_not_know_is_left_out(caller: Caller):
    more = {"description": "보증금", "allowed_payment_method_types[0]": "card", "metadata[charge_id]": "c-1"}
    created = caller.post("/v1/payment_intents", caller.new_hold(**more)).json()
    assert (created["status"], created["metadata"]) == ("requires_confirmation", {"charge_id": "c-1"})


def test_a_hold_is_confirmed_captured_and_canceled_once(caller: Caller):
    held = caller.hold()
    path = f"/v1/payment_intents/{held['id']}"
    assert (held["status"], held["amount_capturable"]) == ("requires_capture", 5000)
    assert caller.post(f"{path}/confirm").json()["error"]["code"] == "payment_intent_unexpected_state"
    assert caller.post(f"{path}/cancel").json()["status"] == "canceled"
    for step in ("confirm", "capture", "cancel"):
        refused = caller.post(f"{path}/{step}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            400,
            "payment_intent_unexpected_state",
        )
    after = caller.get(path)
    assert (after["status"], after["amount_received"]) == ("canceled", 0)


def test_a_3d_secure_card_is_declined_while_its_owner_is_away(caller: Caller):
    created = caller.post("/v1/payment_intents", caller.new_hold(WANTS_BUYER)).json()
    refused = caller.post(f"/v1/payment_intents/{created['id']}/confirm", {"off_session": "true"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "authentication_required")
    shown = caller.get(f"/v1/payment_intents/{created['id']}")
    assert (shown["status"], shown["next_action"]) == ("requires_payment_method", None)
    assert shown["last_payment_error"]["code"] == "authentication_required"


def test_a_saved_card_belongs_to_its_customer(caller: Caller):
    setup = caller.request_setup()
    status, done = caller.confirm_setup(setup)
    assert (status, done["status"]) == (200, "succeeded")
    assert caller.get(f"/v1/payment_methods/{done['payment_method']}")["customer"] == setup["customer"]
    status, again = caller.confirm_setup(setup, "5555555555554444")
    assert (status, again["error"]["code"]) == (400, "setup_intent_unexpected_state")


def test_a_declined_setup_cannot_be_confirmed_without_another_card(caller: Caller):
    setup = caller.request_setup()
    assert caller.confirm_setup(setup, "4000000000000002")[0] == 402
    shown = caller.get(f"/v1/setup_intents/{setup['id']}")
    assert (shown["status"], shown["last_setup_error"]["code"]) == (
        "requires_payment_method",
        "card_declined",
    )
    assert caller.post(f"/v1/setup_intents/{setup['id']}/confirm").status_code == 400


def test_a_buyer_who_fails_3d_secure_may_try_again(caller: Caller):
    setup = caller.request_setup()
    url = f"{caller.running.url}/v1/setup_intents/{setup['id']}/cancel"
    common = {"key": caller.running.publishable_key, "client_secret": setup["client_secret"]}
    canceled = httpx.post(url, content=msgspec.json.encode(common), trust_env=False).json()
    assert canceled["last_setup_error"]["code"] == "setup_intent_authentication_failure"
    assert caller.confirm_setup(setup)[1]["status"] == "succeeded"


def test_no_more_is_refunded_than_was_captured(caller: Caller):
    held = caller.hold()
    assert caller.post("/v1/refunds", {"payment_intent": held["id"]}).status_code == 400
    caller.post(f"/v1/payment_intents/{held['id']}/capture", {"amount_to_capture": "3000"})
    assert caller.post("/v1/refunds", {"payment_intent": held["id"], "amount": "3001"}).status_code == 400
    assert (
        caller.post("/v1/refunds", {"payment_intent": held["id"], "amount": "1000"}).json()["amount"] == 1000
    )
    assert caller.post("/v1/refunds", {"payment_intent": held["id"]}).json()["amount"] == 2000
    spent = caller.post("/v1/refunds", {"payment_intent": held["id"], "amount": "1"})
    assert spent.json()["error"]["code"] == "charge_already_refunded"
    assert caller.get(f"/v1/payment_intents/{held['id']}")["amount_received"] == 3000


def test_lists_are_newest_first_and_paged(caller: Caller):
    customer = caller.post("/v1/customers").json()["id"]
    common = {"amount": "500", "currency": "krw", "customer": customer}
    refs = [caller.post("/v1/payment_intents", common).json()["id"] for _ in range(3)]
    first = caller.get("/v1/payment_intents", customer=customer, limit=2)
    assert ([item["id"] for item in first["data"]], first["has_more"]) == ([refs[2], refs[1]], True)
    rest = caller.get("/v1/payment_intents", customer=customer, limit=2, starting_after=refs[1])
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([refs[0]], False)


# -- webhooks ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def receiver(answers: list[int]) -> AsyncIterator[tuple[str, list[tuple[bytes, str]]]]:
    """A market that takes webhooks: its address, and what came. It gives `answers` first, then 200."""
    came: list[tuple[bytes, str]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((await request.read(), request.headers["Stripe-Signature"]))
        return web.Response(status=answers.pop(0) if answers else 200)

    app = web.Application()
    app.router.add_post("/hooks", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks", came
    finally:
        await runner.cleanup()


async def until(count: int, came: list) -> None:
    async with asyncio.timeout(5):
        while len(came) < count:  # noqa: ASYNC110 - the receiver need not know how many are awaited
            await asyncio.sleep(0.01)


async def test_every_step_sends_a_signed_webhook_that_the_gateway_accepts(confirm_setup_with_card):
    async with receiver([]) as (url, came), LocalStripe(webhook_url=url) as running:
        caller = Caller(running, confirm_setup_with_card)
        held = await asyncio.to_thread(caller.hold)
        await asyncio.to_thread(caller.post, f"/v1/payment_intents/{held['id']}/capture")
        lost = await asyncio.to_thread(caller.hold)
        await asyncio.to_thread(caller.post, f"/v1/payment_intents/{lost['id']}/cancel")
        setup = await asyncio.to_thread(caller.request_setup)
        await asyncio.to_thread(caller.confirm_setup, setup, "4000000000000002")
        bad = (
            await asyncio.to_thread(
                lambda: caller.post("/v1/payment_intents", caller.new_hold("4000000000000341"))
            )
        ).json()
        await asyncio.to_thread(
            caller.post, f"/v1/payment_intents/{bad['id']}/confirm", {"off_session": "true"}
        )
        await until(9, came)
        caller.close()
        gateway = StripeGateway(
            running.secret_key, running.publishable_key, running.webhook_secret, running.url
        )
        hints = [gateway.read_webhook(body=body, signature=signature) for body, signature in came]
    assert all(isinstance(hint, WebhookHint) for hint in hints)
    kinds = [(hint.kind, hint.object_ref) for hint in hints if hint is not None]
    assert sorted(kind for kind, _ in kinds) == [
        "payment_intent.amount_capturable_updated",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
        "setup_intent.succeeded",
        "setup_intent.succeeded",
    ]
    assert ("payment_intent.succeeded", held["id"]) in kinds
    assert ("payment_intent.canceled", lost["id"]) in kinds
    assert len({hint.event_id for hint in hints if hint is not None}) == 9


async def test_a_webhook_is_sent_again_until_it_is_taken(confirm_setup_with_card):
    async with receiver([500]) as (url, came), LocalStripe(webhook_url=url) as running:
        caller = Caller(running, confirm_setup_with_card)
        setup = await asyncio.to_thread(caller.request_setup)
        await asyncio.to_thread(caller.confirm_setup, setup)
        await until(2, came)
        caller.close()
    assert came[0][0] == came[1][0]


# -- the proxy as an object --------------------------------------------------------------------------------------


async def test_faults_can_be_set_from_the_same_process_and_every_change_is_saved(local_stripe: LocalStripe):
    saved: list[Memory] = []
    # In front of another proxy instead of localstripe: it only has to pass calls on.
    keys = {
        "secret_key": local_stripe.secret_key,
        "publishable_key": local_stripe.publishable_key,
        "webhook_secret": local_stripe.webhook_secret,
    }
    proxy = ContractProxy(local_stripe.url, **keys, save=saved.append)
    await proxy.start()
    try:
        proxy.faults.listed.append(Fault("reset"))
        headers = {"Authorization": f"Bearer {local_stripe.secret_key}", "Idempotency-Key": "k-object"}
        async with httpx.AsyncClient(base_url=proxy.url, headers=headers, trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post("/v1/customers")
            assert saved == []
            assert (await client.post("/v1/customers")).status_code == 200
        assert proxy.faults.listed == []
        assert list(saved[0].answers) == ["k-object"]
    finally:
        await proxy.stop()


# -- the child process -------------------------------------------------------------------------------------------


def is_running(process_id: int) -> bool:
    """Whether a process is there and not merely waiting to be buried."""
    stat_file = Path(f"/proc/{process_id}/stat")
    if not Path("/proc/self/stat").exists():
        return subprocess.run(["ps", "-p", str(process_id)], capture_output=True, check=False).returncode == 0
    return stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(process_id: int) -> bool:
    deadline = time.monotonic() + 5
    while is_running(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(process_id)


def test_leaving_ends_the_child():
    with LocalStripe() as running:
        process_id = running.process_id
        assert process_id is not None
        assert is_running(process_id)
    assert wait_until_gone(process_id)


def test_the_child_ends_when_its_parent_is_killed():
    program = (
        "import time\nfrom marketplace.payments.local_stripe import LocalStripe\n"
        "running = LocalStripe()\nrunning.start()\nprint(running.process_id, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child_id = int(parent.stdout.readline())
        assert is_running(child_id)
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(child_id)


def test_a_taken_port_is_one_sentence(local_stripe: LocalStripe):
    port = int(local_stripe.url.rpartition(":")[2])
    with pytest.raises(LocalStripeUnavailable, match=f"Port {port} is taken"):
        LocalStripe(port=port).start()


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_stripe_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LocalStripeUnavailable, match="pip install"):
        LocalStripe().start()


def test_everything_is_kept_in_one_private_file(tmp_path: Path, confirm_setup_with_card):
    state = tmp_path / "cards" / "stripe.state"
    with LocalStripe(state=state) as running:
        caller = Caller(running, confirm_setup_with_card)
        params = caller.new_hold()
        created = caller.post("/v1/payment_intents", params, key="k-kept").json()
        caller.post(f"/v1/payment_intents/{created['id']}/confirm", {"off_session": "true"})
        caller.post(f"/v1/payment_intents/{created['id']}/capture", {"amount_to_capture": "3000"})
        before = caller.get(f"/v1/payment_intents/{created['id']}")
        caller.close()
        with pytest.raises(LocalStripeUnavailable, match="Another local card provider"):
            LocalStripe(state=state).start()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700
    with LocalStripe(state=state) as running:
        caller = Caller(running, confirm_setup_with_card)
        assert caller.get(f"/v1/payment_intents/{created['id']}") == before
        assert before["amount_received"] == 3000
        assert caller.post("/v1/payment_intents", params, key="k-kept").json() == created
        caller.close()


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", pickle.dumps((print, b"{}")), pickle.dumps(({}, b"[]")), pickle.dumps(1)]
)
def test_a_state_that_is_no_state_is_neither_run_nor_overwritten(tmp_path: Path, content: bytes):
    state = tmp_path / "stripe.state"
    state.touch(mode=0o600)
    state.write_bytes(content)
    with pytest.raises(LocalStripeUnavailable, match="cannot be read"):
        LocalStripe(state=state).start()
    assert state.read_bytes() == content


def test_a_state_that_others_may_write_is_not_trusted(tmp_path: Path):
    state = tmp_path / "stripe.state"
    state.write_bytes(pickle.dumps(({}, b"{}")))
    state.chmod(0o666)
    with pytest.raises(LocalStripeUnavailable, match="not private"):
        LocalStripe(state=state).start()
