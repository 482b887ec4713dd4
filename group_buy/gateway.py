"""The seam to whoever moves money: what settling asks of a payment provider, and what it may answer."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec


class GatewayUnavailable(Exception):
    """The provider did not answer, or not clearly: the outcome is unknown, ask again later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GatewayRefused(Exception):
    """The provider understood and refused: asking again changes nothing. `reason` is a stable code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class WebhookRefused(Exception):
    """A webhook whose signature, age or shape is not right; nothing of it may be stored."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SetupRequest(msgspec.Struct, frozen=True):
    """What the browser needs to save a card for later: the provider's ids and the one-time secret."""

    customer_ref: str
    setup_ref: str
    client_secret: str


class SavedMethod(msgspec.Struct, frozen=True):
    """How the saving of a card ended; `method_ref` only when `state` is "ready"."""

    state: Literal["requested", "ready", "failed"]
    method_ref: str | None = None
    card_brand: str | None = None
    card_last4: str | None = None
    reason: str | None = None


class HoldRequest(msgspec.Struct, frozen=True):
    """One attempt at won by card. Keys are random and stored before the call.

    Without `method_ref` the buyer's browser brings the card. is_hold: held for a later capture; else taken at once.
    """

    charge_id: UUID
    attempt: int
    amount_krw: int
    customer_ref: str | None
    method_ref: str | None
    create_key: UUID
    confirm_key: UUID
    is_hold: bool = True


class HoldResult(msgspec.Struct, frozen=True):
    """What the provider says of a hold, a payment or a refund; `reason` is a stable code like "card_declined".

    "processing" = not decided yet. expires_at: until when an authorized hold must be captured, if it says so.
    """

    provider_ref: str
    state: Literal["processing", "action_required", "authorized", "captured", "released", "failed"]
    captured_krw: int = 0
    reason: str | None = None
    expires_at: datetime | None = None


class RefundRequest(msgspec.Struct, frozen=True):
    """One attempt to give won of a captured payment back to its card. The key is random and stored before."""

    charge_id: UUID
    attempt: int
    payment_ref: str
    amount_krw: int
    key: UUID


class ProviderRecord(msgspec.Struct, frozen=True):
    """One object in the provider's books. charge_id, attempt: None where its metadata do not name ours.

    `krw`: won that were asked for; `result.captured_krw`: won that moved.
    """

    kind: Literal["payment", "refund"]
    result: HoldResult
    krw: int
    charge_id: UUID | None
    attempt: int | None
    created_at: datetime
    payment_ref: str


class WebhookHint(msgspec.Struct, frozen=True):
    """A verified webhook: "look at this object again". Only ids are trusted, never its amounts or states."""

    event_id: str
    kind: str
    object_ref: str
    payload: bytes


class PaymentGateway(Protocol):
    """Moves won by card. Every method may raise GatewayUnavailable: the outcome is then unknown.

    Creating and confirming are two calls, so that the provider's id is committed in between: a retry of
    the second is safe by the object's state, however old the key is.
    """

    async def request_setup(self, *, idempotency_key: UUID, organization_code: str) -> SetupRequest:
        """Begin to save a card for off-session use."""
        ...

    async def read_setup(self, *, setup_ref: str) -> SavedMethod:
        """Ask how a setup ended and make the card usable for its customer."""
        ...

    async def create_hold(self, request: HoldRequest) -> str:
        """Create, without confirming, a hold of `amount_krw`; return the provider's id. Same key, same id."""
        ...

    async def confirm_hold(self, request: HoldRequest, *, provider_ref: str) -> HoldResult:
        """Ask the card's bank for the hold. A decline is a result, not an error."""
        ...

    async def read_hold(self, *, provider_ref: str) -> HoldResult:
        """Ask what became of a hold."""
        ...

    async def read_hold_secret(self, *, provider_ref: str) -> str:
        """Return the one-time secret with which the buyer's browser may confirm a hold or payment."""
        ...

    async def find_hold(self, *, charge_id: UUID, attempt: int) -> HoldResult | None:
        """Look for a hold by our ids in the provider's records, for reconciling."""
        ...

    async def capture(self, *, provider_ref: str, amount_krw: int, finish_key: UUID) -> HoldResult:
        """Take `amount_krw` of the hold and give the rest back. Already captured = the same answer."""
        ...

    async def release(self, *, provider_ref: str, finish_key: UUID) -> HoldResult:
        """Give the whole hold back. Already released = the same answer."""
        ...

    async def refund(self, request: RefundRequest) -> HoldResult:
        """Give won back to the card that paid. Same key, same refund; never above what was captured."""
        ...

    async def read_refund(self, *, provider_ref: str) -> HoldResult:
        """Ask what became of a refund: "captured" = the money is on its way back."""
        ...

    async def find_refund(self, *, payment_ref: str, charge_id: UUID, attempt: int) -> HoldResult | None:
        """Look among a payment's refunds for ours, before it is asked for again."""
        ...

    def list_records(self, *, since: datetime | None) -> AsyncIterator[ProviderRecord]:
        """Walk through the provider's books, payments then refunds, the newest first, back to `since`."""
        ...

    async def close(self) -> None:
        """Close connections, in the loop that used them."""
        ...

    def read_webhook(self, *, body: bytes, signature: str) -> WebhookHint | None:
        """Verify a webhook's signature and age; None for a kind that says nothing about charges.

        Raises:
            WebhookRefused: forged, stale, malformed, or of another account or mode.
        """
        ...
