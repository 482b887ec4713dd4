"""Stands in front of localstripe and keeps the promises of Stripe's API that localstripe does not.

Idempotency keys, states, amounts, 3-D Secure while the buyer is away, refund ceilings, attached cards, newest-first
lists, search by metadata, signed webhooks; and, for tests, faults on demand. Listens on loopback only.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from marketplace.payments import contract_rules as rules
from marketplace.payments.contract_calls import Call, Chaos, Fault, FaultPlan, Reply, failure
from marketplace.payments.contract_rules import Json, Memory, Refusal, StoredAnswer
from marketplace.payments.contract_upstream import Upstream
from marketplace.payments.contract_webhooks import WebhookSender

LOOPBACK: Final = "127.0.0.1"

# What a browser may call with the publishable key and the object's client secret.
_BROWSER_PATH = re.compile(
    r"/v1/(setup_intents/\w+/(confirm|cancel)|payment_intents/\w+/(confirm|_authenticate))"
)
_PAYMENT_STEP = re.compile(r"/v1/payment_intents/(\w+)/(confirm|capture|cancel|_authenticate)")
_SETUP_STEP = re.compile(r"/v1/setup_intents/(\w+)/(confirm|cancel)")
_LIST_OR_SEARCH = re.compile(r"(/v1/(?:payment_intents|customers|refunds))(/search)?")


class ContractProxy:
    """The proxy. faults: to come, consumed in order, the first that matches. save: called before answers to POSTs.

    upstream_url: localstripe's. webhook_url: where events go, None = nowhere.
    """

    def __init__(
        self,
        upstream_url: str,
        *,
        secret_key: str,
        publishable_key: str,
        webhook_secret: str,
        webhook_url: str | None = None,
        memory: Memory | None = None,
        save: Callable[[Memory], None] | None = None,
    ) -> None:
        self.faults = FaultPlan()
        self.memory = memory or Memory()
        self.url = ""
        self._upstream_url = upstream_url
        self._secret_key = secret_key
        self._publishable_key = publishable_key
        self._webhooks = WebhookSender(webhook_url, webhook_secret)
        self._save = save
        self._keys_in_use: set[str] = set()
        self._changing = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; afterwards `url` says where. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=1_000_000)
        app.router.add_route("GET", "/js/v3/", self._send_script)
        app.router.add_route("POST", "/_contract/{order:faults|chaos|expire}", self._take_order)
        app.router.add_route("OPTIONS", "/v1/{rest:.*}", _allow_browser)
        app.router.add_route("*", "/v1/{rest:.*}", self._handle)
        self._upstream = Upstream(self._upstream_url, self._secret_key, self.memory)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, port)
        await site.start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening; undelivered webhooks are dropped."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._webhooks.close()
        await self._upstream.close()

    # -- from the wire to a reply --------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.next(request.path)
        if fault is not None and fault.kind == "reset":
            return _reset(request)
        try:
            call = await self._read(request)
            reply = await self._answer(call, fault)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.body)
        if fault is not None and fault.kind == "timeout_after":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset_after":
            return _reset(request)
        headers = {"Access-Control-Allow-Origin": "*"}
        if reply.is_replayed:
            headers["Idempotent-Replayed"] = "true"
        return web.json_response(reply.body, status=reply.status, headers=headers)

    async def _read(self, request: web.Request) -> Call:
        body = await request.read()
        try:
            params = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
        except ValueError:
            raise rules.invalid("The body can be read neither as JSON nor as a form.") from None
        params.update(request.query)
        is_browser = self._check_key(request, params)
        return Call(
            method=request.method,
            path=request.path,
            params=params,
            is_json=body.startswith(b"{"),
            is_browser=is_browser,
            idempotency_key=request.headers.get("Idempotency-Key") if request.method == "POST" else None,
        )

    def _check_key(self, request: web.Request, params: Json) -> bool:
        """Return whether the caller is a browser, which has the publishable key only. Raises Refusal."""
        if request.headers.get("Authorization") == f"Bearer {self._secret_key}":
            return False
        key = params.pop("key", None)
        if key == self._publishable_key and _BROWSER_PATH.fullmatch(request.path):
            if not params.get("client_secret"):
                raise rules.invalid("The client secret is missing.", param="client_secret")
            return True
        raise Refusal(401, {"type": "invalid_request_error", "message": "Invalid API Key provided."})

    async def _answer(self, call: Call, fault: Fault | None) -> Reply:
        """Answer once per idempotency key (Stripe API reference, "Idempotent requests")."""
        if fault is not None and fault.kind in {"status_409", "status_429"}:
            return failure(int(fault.kind[-3:]))
        key = call.idempotency_key
        if key is None:
            return await self._carry_out(call, fault)
        if key in self._keys_in_use:
            raise Refusal(409, {"type": "idempotency_error", "code": "idempotency_key_in_use"})
        known = self.memory.answers.get(key)
        if known is not None:
            if known.fingerprint != call.fingerprint:
                message = "Keys for idempotent requests can only be used with the same parameters."
                raise Refusal(400, {"type": "idempotency_error", "message": message})
            return Reply(known.status, known.body, is_replayed=True)
        self._keys_in_use.add(key)
        try:
            return await self._carry_out(call, fault)
        finally:
            self._keys_in_use.discard(key)

    async def _carry_out(self, call: Call, fault: Fault | None) -> Reply:
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if call.method == "GET":
            return await self._read_objects(call)
        is_stored = True
        # One change at a time, so that no other comes between looking at a state and changing it.
        async with self._changing:
            try:
                if fault is not None and fault.kind == "status_500":
                    reply = failure(500)
                else:
                    reply = await self._change(call)
            except Refusal as refusal:
                reply, is_stored = Reply(refusal.status, refusal.body), refusal.is_stored
            if fault is not None and fault.kind == "status_500_after":
                reply = failure(500)
            if call.idempotency_key is not None and is_stored:
                self.memory.answers[call.idempotency_key] = StoredAnswer(
                    call.fingerprint, reply.status, reply.body
                )
            if self._save is not None:
                self._save(self.memory)
        return reply

    # -- reading -------------------------------------------------------------------------------------------

    async def _read_objects(self, call: Call) -> Reply:
        listing = _LIST_OR_SEARCH.fullmatch(call.path)
        if listing is None:
            params = {name: value for name, value in call.params.items() if value != "latest_charge"}
            found = await self._upstream.ask("GET", call.path, params)
            return Reply(200, rules.expanded(found, call.params))
        if self.memory.payments and listing[0] == "/v1/payment_intents" and "customer" not in call.params:
            page = rules.page_of(({"id": each} for each in self.memory.payments), call.params, call.path)
            paths = [f"{listing[0]}/{item['id']}" for item in page["data"]]
            return Reply(200, page | {"data": [await self._upstream.ask("GET", path) for path in paths]})
        everything = await self._upstream.ask("GET", listing[1], {"limit": "1000000000"})
        items = everything["data"]
        if listing[1].endswith(
            "/refunds"
        ):  # newest first already; without those that only stand for a partial capture
            items = [item for item in items[::-1] if item["id"] in self.memory.refunds]
        make_page = rules.search_result if listing[2] else rules.page_of
        return Reply(200, make_page(items, call.params, call.path))

    # -- changing ------------------------------------------------------------------------------------------

    async def _change(self, call: Call) -> Reply:
        handlers: list[tuple[re.Pattern[str], Callable[..., Awaitable[Json]]]] = [
            (re.compile(r"/v1/payment_intents"), self._create_payment),
            (_PAYMENT_STEP, self._step_payment),
            (_SETUP_STEP, self._step_setup),
            (re.compile(r"/v1/refunds"), self._refund),
        ]
        for pattern, handler in handlers:
            if match := pattern.fullmatch(call.path):
                return Reply(200, await handler(call, *match.groups()))
        params = rules.strip_parameters(call.params)
        return Reply(200, await self._upstream.ask(call.method, call.path, params, is_json=call.is_json))

    async def _create_payment(self, call: Call) -> Json:
        rules.check_new_amount(call.params)
        params = rules.strip_parameters(call.params)
        if method_ref := params.get("payment_method"):
            method = await self._upstream.ask("GET", f"/v1/payment_methods/{method_ref}")
            rules.check_method_of_customer(method, params.get("customer"))
        is_confirmed = str(params.pop("confirm", "false")).lower() == "true"
        created = await self._upstream.ask("POST", call.path, params)
        self.memory.payments.append(created["id"])
        if not is_confirmed:
            return created
        step = msgspec.structs.replace(call, path=f"{call.path}/{created['id']}/confirm")
        return await self._step_payment(step, created["id"], "confirm")

    async def _step_payment(self, call: Call, intent_ref: str, step: str) -> Json:
        path = f"/v1/payment_intents/{intent_ref}"
        # What localstripe holds, without this proxy's view of it: a buyer who is back may authenticate.
        found = await self._upstream.ask("GET", path, is_raw=True)
        before = rules.presented(found, self.memory)
        if step == "confirm" and (method_ref := await self._bring_method(call, found)):
            found = await self._upstream.ask("GET", path, is_raw=True)
            before = before | {"payment_method": method_ref}
        else:
            rules.check_step(found if step in {"_authenticate", "cancel"} else before, step, call.params)
        allowed = {"capture": {"amount_to_capture"}, "_authenticate": {"client_secret", "success"}}
        params = {name: value for name, value in call.params.items() if name in allowed.get(step, set())}
        declined: Refusal | None = None
        try:
            await self._upstream.ask("POST", f"{path}/{step}", params, is_json=step == "_authenticate")
        except Refusal as refusal:
            if refusal.status != 402:
                raise
            declined = refusal
        self._remember_step(call, found, step)
        after = await self._upstream.ask("GET", path)
        if after["status"] == "requires_action" and step == "confirm" and call.is_off_session:
            declined = self._want_buyer(after)
            after = await self._upstream.ask("GET", path)
        if kind := rules.event_kind(before, after):
            self._webhooks.send(kind, after)
        if declined is not None:
            declined.body["error"]["payment_intent"] = after
            raise declined
        return rules.expanded(after, call.params)

    async def _bring_method(self, call: Call, found: Json) -> str | None:
        """The card that came with a confirmation, put on the payment instead of the one before; None = none came."""
        method_ref = call.params.get("payment_method")
        if method_ref is None and "payment_method_data" not in call.params:
            return None
        if call.is_browser and call.params.get("client_secret") != found["client_secret"]:
            raise Refusal(401, {"type": "invalid_request_error", "message": "Wrong client secret."})
        if rules.presented(found, self.memory)["status"] not in rules.STATES_WITHOUT_MONEY:
            raise rules.unexpected_state("payment_intent", found, "confirm")
        if method_ref is None:
            data = call.params["payment_method_data"]
            method_ref = (await self._upstream.ask("POST", "/v1/payment_methods", data, is_json=True))["id"]
        else:
            method = await self._upstream.ask("GET", f"/v1/payment_methods/{method_ref}")
            rules.check_method_of_customer(method, found["customer"])
        # localstripe lets any field be set; without the failed charge the payment can be confirmed again.
        fresh = {"payment_method": method_ref, "latest_charge": None, "next_action": None}
        await self._upstream.ask("POST", f"/v1/payment_intents/{found['id']}", fresh, is_json=True)
        return str(method_ref)

    def _remember_step(self, call: Call, found: Json, step: str) -> None:
        if step == "capture":
            self.memory.captured_krw[found["id"]] = int(
                call.params.get("amount_to_capture") or found["amount"]
            )
        else:
            self.memory.payment_errors.pop(found["id"], None)

    def _want_buyer(self, intent: Json) -> Refusal:
        """Without the buyer, Stripe declines a card that wants 3-D Secure; localstripe waits for the buyer."""
        message = "This transaction requires authentication."
        error = rules.card_error("authentication_required", message, payment_method=intent["payment_method"])
        self.memory.payment_errors[intent["id"]] = error
        return Refusal(402, dict(error), is_stored=True)

    async def _step_setup(self, call: Call, setup_ref: str, step: str) -> Json:
        path = f"/v1/setup_intents/{setup_ref}"
        before = await self._upstream.ask("GET", path)
        has_method = "payment_method" in call.params or "payment_method_data" in call.params
        is_repeated = before["last_setup_error"] is not None and not has_method
        if before["status"] in {"succeeded", "canceled"} or (step == "confirm" and is_repeated):
            raise rules.unexpected_state("setup_intent", before, step)
        if call.is_browser and step == "cancel":
            return await self._fail_authentication(call, path, setup_ref)
        try:
            await self._upstream.ask(
                "POST", call.path, rules.strip_parameters(call.params), is_json=call.is_json
            )
        except Refusal as refusal:
            if refusal.status == 402:
                self.memory.setup_errors[setup_ref] = dict(refusal.body["error"])
                failed = await self._upstream.ask("GET", path)
                self._webhooks.send("setup_intent.setup_failed", failed)
                refusal.body["error"]["setup_intent"] = failed
            raise
        self.memory.setup_errors.pop(setup_ref, None)
        after = await self._upstream.ask("GET", path)
        if after["status"] == "succeeded" and after["customer"]:
            attach = f"/v1/payment_methods/{after['payment_method']}/attach"
            await self._upstream.ask("POST", attach, {"customer": after["customer"]})
        if after["status"] in {"succeeded", "canceled"}:
            self._webhooks.send(f"setup_intent.{after['status']}", after)
        return after

    async def _fail_authentication(self, call: Call, path: str, setup_ref: str) -> Json:
        """The buyer failed 3-D Secure. localstripe's script cancels the setup; Stripe lets another card be tried."""
        found = await self._upstream.ask("GET", path)
        if call.params["client_secret"] != found["client_secret"]:
            raise Refusal(401, {"type": "invalid_request_error", "message": "Wrong client secret."})
        self.memory.setup_errors[setup_ref] = rules.card_error(
            "setup_intent_authentication_failure", "The provided payment method has failed authentication."
        )
        failed = await self._upstream.ask("GET", path)
        self._webhooks.send("setup_intent.setup_failed", failed)
        return failed

    async def _refund(self, call: Call) -> Json:
        params = rules.strip_parameters(call.params)
        charge_ref = params.get("charge")
        if intent_ref := params.get("payment_intent"):
            charge_ref = (await self._upstream.ask("GET", f"/v1/payment_intents/{intent_ref}"))[
                "latest_charge"
            ]
        if not charge_ref:
            raise rules.invalid("There is no charge to refund.")
        charge = await self._upstream.ask("GET", f"/v1/charges/{charge_ref}")
        params["amount"] = str(rules.refundable_amount(charge, params))
        refund = await self._upstream.ask("POST", call.path, params)
        self.memory.refunds.append(refund["id"])
        return refund

    # -- faults --------------------------------------------------------------------------------------------

    async def _take_order(self, request: web.Request) -> web.Response:
        """What a test wants to happen: single faults, chaos, or the end of a hold's life."""
        if request.headers.get("Authorization") != f"Bearer {self._secret_key}":
            return web.Response(status=401)
        body = await request.read()
        try:
            match request.match_info["order"]:
                case "faults":
                    self.faults.listed = msgspec.json.decode(body, type=list[Fault])
                    self.faults.begin(None)
                case "chaos":
                    self.faults.begin(msgspec.json.decode(body, type=Chaos))
                case _:
                    await self._expire(msgspec.json.decode(body, type=str))
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=str(error))
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return web.Response(text=str(self.faults.injected))

    async def _expire(self, intent_ref: str) -> None:
        """The time to capture a hold is over: Stripe cancels it by itself and says so."""
        path = f"/v1/payment_intents/{intent_ref}"
        rules.check_step(await self._upstream.ask("GET", path), "cancel", {})
        await self._upstream.ask("POST", f"{path}/cancel")
        self._webhooks.send("payment_intent.canceled", await self._upstream.ask("GET", path))

    async def _send_script(self, _: web.Request) -> web.Response:
        return web.Response(text=await self._upstream.script(), content_type="text/javascript")


async def _allow_browser(_: web.Request) -> web.Response:
    """Answer a browser's question before it posts from another origin."""
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type, Accept",
    }
    return web.Response(status=204, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """Cut the connection without an answer."""
    with suppress(AttributeError):
        request.transport.abort()  # type: ignore[union-attr]  # gone already: nothing left to cut
    return web.Response()
