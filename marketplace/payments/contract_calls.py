"""What goes through the contract proxy: calls, replies, and the faults that tests put in between."""

import hashlib
import json
import random
import re
from typing import Final, Literal, get_args

import msgspec

from marketplace.payments.contract_rules import Json

ALL_BP: Final = 10_000

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


class Chaos(msgspec.Struct, frozen=True):
    """Let a share of all calls fail in some way, by a seed, so that a run can be repeated. seconds: as in Fault."""

    seed: int
    share_bp: int
    kinds: tuple[FaultKind, ...] = get_args(FaultKind)
    path: str = ".*"
    seconds: float = 1


class FaultPlan:
    """What goes wrong next: the faults in `listed`, each consumed by the first call that matches; then chaos."""

    def __init__(self) -> None:
        self.listed: list[Fault] = []
        self.injected: int = 0
        self._chaos: Chaos | None = None
        self._random = random.Random()  # noqa: S311 - which calls fail is no secret

    def begin(self, chaos: Chaos | None) -> None:
        """Begin, or with None end, chaos."""
        self._chaos = chaos
        self._random = random.Random(chaos.seed if chaos else 0)  # noqa: S311 - as above

    def next(self, path: str) -> Fault | None:
        """The fault of the next call to this path."""
        for index, fault in enumerate(self.listed):
            if re.fullmatch(fault.path, path):
                self.injected += 1
                return self.listed.pop(index)
        chaos = self._chaos
        if (
            chaos is None
            or not re.fullmatch(chaos.path, path)
            or self._random.random() * ALL_BP >= chaos.share_bp
        ):
            return None
        self.injected += 1
        return Fault(self._random.choice(chaos.kinds), seconds=chaos.seconds)


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
