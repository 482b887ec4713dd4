"""What goes through the contract proxy: calls, replies, and the faults that tests put in between."""

import hashlib
import json
from typing import Literal

import msgspec

from marketplace.payments.contract_rules import Json

FaultKind = Literal[
    "reset",
    "reset_after",
    "timeout_after",
    "slow",
    "status_409",
    "status_429",
    "status_500",
    "status_500_after",
]


class Fault(msgspec.Struct, frozen=True):
    """One thing to go wrong with the next call whose path matches.

    "…_after": the call was carried out all the same. A status_500 is stored under the idempotency key, as Stripe
    stores it; status_409 and status_429 are not. seconds: how long "slow" waits before the call is begun and
    "timeout_after" before it is answered.
    """

    kind: FaultKind
    path: str = ".*"
    seconds: float = 30


class Reply(msgspec.Struct, frozen=True):
    """A status with its JSON. is_replayed: it is the stored answer to an earlier call with the same key."""

    status: int
    body: Json
    is_replayed: bool = False


class Call(msgspec.Struct, frozen=True):
    """One request, its parameters read. is_json: the browser's script sends JSON, Stripe's library forms."""

    method: str
    path: str
    params: Json
    is_json: bool
    is_browser: bool
    idempotency_key: str | None

    @property
    def is_off_session(self) -> bool:
        """Whether the buyer is away, so that nobody can answer the bank's questions."""
        return str(self.params.get("off_session", "")).lower() == "true"

    @property
    def fingerprint(self) -> str:
        """What must be the same when a key comes again."""
        text = json.dumps([self.path, self.params], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def failure(status: int) -> Reply:
    """An error that has nothing to do with the call."""
    kinds = {409: "lock_timeout", 429: "rate_limit"}
    error = {"type": "api_error", "code": kinds.get(status), "message": "Injected by a test."}
    return Reply(status, {"error": error})
