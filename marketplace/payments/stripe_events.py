"""Reading Stripe's webhooks: signature, age, mode, and the two ids in them. Needs no Stripe library."""

import hashlib
import hmac
from typing import Final

import msgspec

from group_buy.gateway import WebhookHint, WebhookRefused

WEBHOOK_BYTES_MAX: Final = 1_000_000
WEBHOOK_AGE_SECONDS_MAX: Final = 300

WEBHOOK_KINDS: Final[dict[str, str]] = {
    "setup_intent.succeeded": "seti_",
    "setup_intent.setup_failed": "seti_",
    "setup_intent.canceled": "seti_",
    "payment_intent.amount_capturable_updated": "pi_",
    "payment_intent.requires_action": "pi_",
    "payment_intent.succeeded": "pi_",
    "payment_intent.payment_failed": "pi_",
    "payment_intent.canceled": "pi_",
    "refund.updated": "re_",
    "refund.failed": "re_",
}
"""The kinds worth a look, with the prefix of the id that each must carry."""


def read_event(
    body: bytes, signature: str, *, secret: str, livemode: bool, now_seconds: float
) -> WebhookHint | None:
    """Verify a raw body against its `Stripe-Signature` header; None for a kind that says nothing about cards.

    now_seconds: since 1970. Raises WebhookRefused: too large, forged, more than 300 seconds old, malformed, of
    another account or mode.
    """
    if len(body) > WEBHOOK_BYTES_MAX:
        raise WebhookRefused("too_large")
    _check_signature(body, signature, secret, now_seconds=now_seconds)
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WebhookRefused("malformed") from None
    if event.livemode != livemode:
        raise WebhookRefused("other_mode")
    if event.account is not None:
        raise WebhookRefused("other_account")
    prefix = WEBHOOK_KINDS.get(event.type)
    if prefix is None:
        return None
    if not event.id.startswith("evt_") or not event.data.object.id.startswith(prefix):
        raise WebhookRefused("malformed")
    return WebhookHint(event_id=event.id, kind=event.type, object_ref=event.data.object.id, payload=body)


class _EventObject(msgspec.Struct, frozen=True):
    id: str


class _EventData(msgspec.Struct, frozen=True):
    object: _EventObject


class _Event(msgspec.Struct, frozen=True):
    """The few fields of an event that are looked at. account: set for events of connected accounts."""

    id: str
    type: str
    livemode: bool
    data: _EventData
    account: str | None = None


def _check_signature(body: bytes, header: str, secret: str, *, now_seconds: float) -> None:
    """Check `t=…,v1=…[,v1=…]`: several v1 while a secret is being rolled. Raises WebhookRefused."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    sent_at = next((value for name, _, value in pairs if name == "t"), "")
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= 12):
        raise WebhookRefused("malformed_signature")
    expected = hmac.new(secret.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    given = [value.encode() for name, _, value in pairs if name == "v1"]
    # No break at the first match: how long it takes must not tell which one it was.
    matches = [hmac.compare_digest(expected, value) for value in given]
    if not any(matches):
        raise WebhookRefused("forged")
    if abs(now_seconds - int(sent_at)) > WEBHOOK_AGE_SECONDS_MAX:
        raise WebhookRefused("stale")
