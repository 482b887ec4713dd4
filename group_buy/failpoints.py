"""Named places where a test may let the process die; nothing happens unless FAILPOINT names one.

`FAILPOINT=charge.claimed` kills this process (SIGKILL) the first time it comes there, `FAILPOINT=charge.claimed:3`
the third time. Every name in FAILPOINTS stands between two things that a crash could tear apart; a test of the
registry proves that each is called somewhere and died at.
"""

import os
import signal
from typing import Final

FAILPOINTS: Final = (
    "charge.claimed",
    "charge.created",
    "charge.saved",
    "charge.confirmed",
    "charge.recorded",
    "charge.committed",
    "refund.claimed",
    "refund.created",
    "refund.saved",
    "refund.recorded",
    "refund.committed",
    "webhook.verified",
    "webhook.deduped",
    "webhook.asked",
    "webhook.applied",
    "webhook.committed",
)
"""created = the provider has it, its id is not saved; recorded = written in a transaction that is still open."""

_armed, _, _countdown = os.environ.get("FAILPOINT", "").partition(":")
_left = int(_countdown or 1)


def arm(name: str, *, passes: int = 1) -> None:
    """Let this process die at the `passes`-th time it comes to `name`, as FAILPOINT would. Raises KeyError."""
    global _armed, _left
    if name not in FAILPOINTS:
        raise KeyError(name)
    _armed, _left = name, passes


def failpoint(name: str) -> None:
    """Die here if this is the place that was named."""
    global _left  # noqa: PLW0603 - see arm
    if name != _armed:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
