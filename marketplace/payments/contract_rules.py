"""What Stripe promises and localstripe does not: rules over requests and answers, without any I/O.

Found by reading localstripe 1.15 against Stripe's API reference and error codes.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

Json = dict[str, Any]

AMOUNT_KRW_MIN: Final = 100
AMOUNT_KRW_MAX: Final = 99_999_999

# Parameters that localstripe answers with 400 and that change nothing it could tell.
_IGNORED_PARAMETERS: Final = re.compile(
    r"(allowed_payment_method_types|automatic_payment_methods|cancellation_reason|description|"
    r"error_on_requires_action|expand|excluded_payment_method_types|off_session|return_url|"
    r"statement_descriptor_suffix|reason|mandate_data)(\[.*)?"
)

_STATES_BEFORE: Final[dict[str, frozenset[str]]] = {
    "confirm": frozenset({"requires_confirmation"}),
    "capture": frozenset({"requires_capture"}),
    "cancel": frozenset(
        {"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"}
    ),
    "_authenticate": frozenset({"requires_action"}),
}

STATES_WITHOUT_MONEY: Final = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action"}
)
"""A payment in one of these may be confirmed with another card."""

HOLD_SECONDS: Final = 7 * 86_400
"""How long a hold lasts (Stripe, "Place a hold on a payment method")."""

_EVENT_OF_STATUS: Final[dict[str, str]] = {
    "requires_capture": "payment_intent.amount_capturable_updated",
    "succeeded": "payment_intent.succeeded",
    "canceled": "payment_intent.canceled",
    "requires_payment_method": "payment_intent.payment_failed",
    "requires_action": "payment_intent.requires_action",
}


class Refusal(Exception):
    """An answer with an error. is_stored: whether the idempotency layer keeps it, as it keeps what was begun."""

    def __init__(self, status: int, error: Json, *, is_stored: bool = False) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.body: Json = {"error": error}
        self.is_stored = is_stored


class StoredAnswer(msgspec.Struct):
    """What an idempotency key stands for from its first use on."""

    fingerprint: str
    status: int
    body: Json


class Memory(msgspec.Struct):
    """What the proxy knows beyond localstripe, by id of the payment or setup intent; kept with its state."""

    answers: dict[str, StoredAnswer] = {}
    captured_krw: dict[str, int] = {}
    payment_errors: dict[str, Json] = {}
    setup_errors: dict[str, Json] = {}
    payments: list[str] = []
    refunds: list[str] = []


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> Refusal:
    """A 400 for parameters that fail validation; such answers are never stored."""
    return Refusal(400, {"type": "invalid_request_error", "message": message, "code": code, "param": param})


def unexpected_state(kind: str, found: Json, step: str) -> Refusal:
    """A 400 for a step that the object's state does not allow; `kind` is payment_intent or setup_intent."""
    error = {
        "type": "invalid_request_error",
        "code": f"{kind}_unexpected_state",
        "message": f"You cannot {step} this {kind} because it has a status of {found['status']}.",
        kind: found,
    }
    return Refusal(400, error, is_stored=True)


def card_error(code: str, message: str, **more: Any) -> Json:
    """A card error in Stripe's shape."""
    decline_code = {"card_declined": "generic_decline"}.get(code, code)
    return {"type": "card_error", "code": code, "decline_code": decline_code, "message": message, **more}


# -- requests ------------------------------------------------------------------------------------------------


def strip_parameters(params: Json) -> Json:
    """Drop what localstripe does not know. Raises Refusal for what Stripe itself took away."""
    if any(name.startswith("payment_method_types") for name in params):
        raise invalid(
            "payment_method_types can no longer be set: use allowed_payment_method_types.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )
    return {name: value for name, value in params.items() if not _IGNORED_PARAMETERS.fullmatch(name)}


def check_new_amount(params: Json) -> None:
    """Won only, between the minimum and eight digits. Raises Refusal."""
    amount = read_amount(params, "amount")
    if str(params.get("currency", "")).lower() != "krw":
        raise invalid("Only won are taken here.", param="currency")
    if amount < AMOUNT_KRW_MIN:
        raise invalid(f"Amount must be at least ₩{AMOUNT_KRW_MIN}.", code="amount_too_small", param="amount")
    if amount > AMOUNT_KRW_MAX:
        raise invalid(
            f"Amount must be no more than ₩{AMOUNT_KRW_MAX:,}.", code="amount_too_large", param="amount"
        )


def check_method_of_customer(method: Json, customer_ref: object) -> None:
    """A saved card pays for its own customer only. Raises Refusal."""
    if method.get("customer") is None or method["customer"] != customer_ref:
        raise invalid("The payment method does not belong to this customer.", param="payment_method")


def check_step(found: Json, step: str, params: Json) -> None:
    """Whether a payment intent may be confirmed, captured or canceled now. Raises Refusal."""
    if found["status"] not in _STATES_BEFORE[step]:
        raise unexpected_state("payment_intent", found, step)
    if step == "capture" and "amount_to_capture" in params:
        amount = read_amount(params, "amount_to_capture")
        if not 1 <= amount <= found["amount"]:
            raise invalid("More than what is held.", code="amount_too_large", param="amount_to_capture")


def refundable_amount(charge: Json, params: Json) -> int:
    """What a refund may give back, all that is left by default. Raises Refusal."""
    if not charge["captured"]:
        raise invalid("This charge was not captured: cancel its payment intent instead.")
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid("Everything was refunded already.", code="charge_already_refunded")
    amount = read_amount(params, "amount") if "amount" in params else left
    if not 1 <= amount <= left:
        raise invalid(
            f"Refund amount (₩{amount:,}) is greater than what is left (₩{left:,}).", param="amount"
        )
    return amount


def read_amount(params: Json, name: str) -> int:
    """Read a whole number of won. Raises Refusal."""
    text = str(params.get(name, ""))
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise invalid(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    return int(text)


# -- answers -------------------------------------------------------------------------------------------------


def presented(answer: Any, memory: Memory) -> Any:
    """Show an answer as Stripe would have given it, with what the proxy knows."""
    if not isinstance(answer, dict):
        return answer
    match answer.get("object"):
        case "payment_intent":
            return _presented_payment(answer, memory)
        case "setup_intent":
            return _presented_setup(answer, memory)
        case "list":
            return answer | {"data": [presented(item, memory) for item in answer["data"]]}
        case _:
            return answer


def _presented_payment(found: Json, memory: Memory) -> Json:
    shown = {name: value for name, value in found.items() if name != "charges"}
    charge = found.get("latest_charge")
    shown["latest_charge"] = charge["id"] if isinstance(charge, dict) else charge
    shown["cancellation_reason"] = None
    if isinstance(found.get("last_payment_error"), dict):
        error = found["last_payment_error"]
        shown["last_payment_error"] = card_error(error["code"], error["message"])
    wants_buyer = memory.payment_errors.get(found["id"])
    if wants_buyer is not None and found["status"] == "requires_action":
        shown |= {"status": "requires_payment_method", "next_action": None, "last_payment_error": wants_buyer}
    taken = memory.captured_krw.get(found["id"], found["amount"])
    shown["amount_received"] = taken if shown["status"] == "succeeded" else 0
    shown["amount_capturable"] = found["amount"] if shown["status"] == "requires_capture" else 0
    return shown


def expanded(found: Json, params: Json) -> Json:
    """The answer with its whole charge, where `expand` asked for it: it says until when a hold must be captured."""
    charge_ref = found.get("latest_charge")
    is_wanted = any(name.startswith("expand") and value == "latest_charge" for name, value in params.items())
    if not is_wanted or not isinstance(charge_ref, str):
        return found
    before = found["created"] + HOLD_SECONDS if found["status"] == "requires_capture" else None
    details = {"type": "card", "card": {"capture_before": before}}
    return found | {
        "latest_charge": {"id": charge_ref, "object": "charge", "payment_method_details": details}
    }


def _presented_setup(found: Json, memory: Memory) -> Json:
    error = memory.setup_errors.get(found["id"])
    shown = {**found, "last_setup_error": error, "cancellation_reason": None}
    if error is not None:
        shown |= {"status": "requires_payment_method", "payment_method": None, "next_action": None}
    return shown


def event_kind(before: Json, after: Json) -> str | None:
    """The event that a step of a payment intent causes; a failed one is told each time, even with no change."""
    if before["status"] == after["status"] != "requires_payment_method":
        return None
    return _EVENT_OF_STATUS.get(after["status"])


def page_of(items: Iterable[Json], params: Json, url: str) -> Json:
    """A page of objects, newest first as Stripe lists them; localstripe lists the oldest first."""
    newest_first = list(items)[::-1]
    filters = {name: params[name] for name in ("customer", "payment_intent") if name in params}
    wanted = [
        item for item in newest_first if all(item.get(name) == value for name, value in filters.items())
    ]
    after = params.get("starting_after")
    start = next((index + 1 for index, item in enumerate(wanted) if item["id"] == after), 0)
    return _page(wanted[start:], params, url, "list")


def search_result(items: Iterable[Json], params: Json, url: str) -> Json:
    """Those whose metadata match a query like `metadata['a']:'b' AND metadata['c']:'d'`. Raises Refusal."""
    clauses = [
        re.fullmatch(r"metadata\['([^']+)'\]:'((?:[^'\\]|\\.)*)'", clause.strip())
        for clause in str(params.get("query", "")).split(" AND ")
    ]
    wanted = {clause[1]: re.sub(r"\\(.)", r"\1", clause[2]) for clause in clauses if clause is not None}
    if None in clauses:
        raise invalid("Only metadata can be searched here.", param="query")
    matching = [item for item in list(items)[::-1] if wanted.items() <= (item.get("metadata") or {}).items()]
    return _page(matching, params, url, "search_result")


def _page(items: list[Json], params: Json, url: str, kind: str) -> Json:
    limit = int(params.get("limit", 10))
    if not 1 <= limit <= 100:
        raise invalid("A page has 1 to 100 objects.", param="limit")
    return {"object": kind, "url": url, "data": items[:limit], "has_more": len(items) > limit}
