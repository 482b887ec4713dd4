"""What Stripe's answers and failures mean to us. Nothing here calls Stripe, or imports it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from group_buy.gateway import GatewayRefused, GatewayUnavailable, HoldResult, ProviderRecord, SavedMethod

if TYPE_CHECKING:
    import stripe


class CardDeclined(GatewayRefused):
    """The card's bank said no; `reason` is Stripe's error code, e.g. "card_declined"."""


class FailureReplayed(GatewayUnavailable):
    """Stripe repeats a stored 5xx for this key, and will for as long as it keeps the key (a day or more)."""


def translated_failure(error: "stripe.StripeError") -> Exception:
    """Sort a failure by what it leaves known: declined, refused for good, or unknown (ask again)."""
    status = error.http_status
    body = error.json_body if isinstance(error.json_body, dict) else {}
    described = body.get("error")
    fields = described if isinstance(described, dict) else {}
    reason = str(fields.get("code") or fields.get("type") or type(error).__name__)
    message = str(fields.get("message") or "")
    if status == 402:
        return CardDeclined(reason, message)
    if status in {400, 404} and reason != "rate_limit":
        return GatewayRefused(reason, message)
    if status is not None and status >= 500 and (error.headers or {}).get("idempotent-replayed") == "true":
        return FailureReplayed(f"status_{status}")
    # Among these are 401 and 403, the operator's to mend: until then no charge may be taken for failed.
    return GatewayUnavailable("connection" if status is None else f"status_{status}")


def hold_result(intent: "stripe.PaymentIntent") -> HoldResult:
    """Translate a PaymentIntent (Stripe, "PaymentIntent lifecycle")."""
    match intent.status:
        case "requires_capture":
            return HoldResult(provider_ref=intent.id, state="authorized", expires_at=_capture_before(intent))
        case "succeeded":
            return HoldResult(provider_ref=intent.id, state="captured", captured_krw=intent.amount_received)
        case "canceled":
            return HoldResult(provider_ref=intent.id, state="released", reason=intent.cancellation_reason)
        case "requires_action":
            return HoldResult(
                provider_ref=intent.id, state="action_required", reason="authentication_required"
            )
        case "requires_payment_method":
            error = intent.last_payment_error
            if error is None:  # the buyer's browser has not brought a card yet
                return HoldResult(provider_ref=intent.id, state="processing")
            return declined_hold(intent.id, error.code or "card_declined")
        case _:
            return HoldResult(provider_ref=intent.id, state="processing")


def _capture_before(intent: "stripe.PaymentIntent") -> datetime | None:
    """Until when a hold must be captured, if the whole charge came along (Stripe, "Place a hold")."""
    charge = intent.latest_charge
    if charge is None or isinstance(charge, str) or charge.payment_method_details is None:
        return None
    card = charge.payment_method_details.card
    seconds = getattr(card, "capture_before", None)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def refund_result(refund: "stripe.Refund") -> HoldResult:
    """Translate a refund (Stripe, "Refund and cancel payments"); "captured" = the money goes back."""
    match refund.status:
        case "succeeded":
            return HoldResult(provider_ref=refund.id, state="captured", captured_krw=refund.amount)
        case "failed" | "canceled":
            reason = refund.failure_reason or refund.status
            return HoldResult(provider_ref=refund.id, state="failed", reason=reason)
        case _:
            return HoldResult(provider_ref=refund.id, state="processing")


def metadata_of(thing: "stripe.PaymentIntent | stripe.Refund") -> dict[str, str]:
    """The metadata of an object; none is none."""
    return thing.metadata.to_dict() if thing.metadata else {}


def payment_record(intent: "stripe.PaymentIntent") -> ProviderRecord:
    """One payment of the books."""
    charge_id, attempt = _our_ids(metadata_of(intent))
    return ProviderRecord(
        kind="payment",
        result=hold_result(intent),
        krw=intent.amount,
        charge_id=charge_id,
        attempt=attempt,
        created_at=datetime.fromtimestamp(intent.created, UTC),
        payment_ref=intent.id,
    )


def refund_record(refund: "stripe.Refund") -> ProviderRecord:
    """One refund of the books."""
    charge_id, attempt = _our_ids(metadata_of(refund))
    payment = refund.payment_intent
    return ProviderRecord(
        kind="refund",
        result=refund_result(refund),
        krw=refund.amount,
        charge_id=charge_id,
        attempt=attempt,
        created_at=datetime.fromtimestamp(refund.created, UTC),
        payment_ref=payment if isinstance(payment, str) else payment.id if payment else "",
    )


def _our_ids(metadata: dict[str, str]) -> tuple[UUID | None, int | None]:
    """The charge and the attempt that an object's metadata name, if they do."""
    try:
        return UUID(metadata.get("charge_id", "")), int(metadata.get("attempt", ""))
    except ValueError:
        return None, None


def declined_hold(provider_ref: str, reason: str) -> HoldResult:
    """A bank that wants the buyer to be present has not said no yet."""
    state: Final = "action_required" if reason == "authentication_required" else "failed"
    return HoldResult(provider_ref=provider_ref, state=state, reason=reason)


def unready_method(setup: "stripe.SetupIntent") -> SavedMethod:
    if setup.status == "canceled":
        return SavedMethod(state="failed", reason=setup.cancellation_reason or "canceled")
    error = setup.last_setup_error
    if setup.status == "requires_payment_method" and error is not None:
        return SavedMethod(state="failed", reason=error.code or "card_declined")
    return SavedMethod(state="requested")
