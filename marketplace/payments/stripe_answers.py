"""What Stripe's answers and failures mean to us. Nothing here calls Stripe, or imports it."""

from typing import TYPE_CHECKING, Final

from group_buy.gateway import GatewayRefused, GatewayUnavailable, HoldResult, SavedMethod

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
            return HoldResult(provider_ref=intent.id, state="authorized")
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
            return declined_hold(intent.id, (error.code if error else None) or "no_payment_method")
        case _:
            return HoldResult(provider_ref=intent.id, state="processing")


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
