"""Hash and check passwords with argon2id, few at a time so that sign-ins cannot eat the machine."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's minimum for argon2id (19 MiB, t=2, p=1)."""

_AT_ONCE = asyncio.Semaphore(2)
_NOBODY: Final = _HASHER.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_HASHER.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Check a password; without a hash it takes the same time and says no, so that addresses stay private."""
    async with _AT_ONCE:
        return (
            await asyncio.to_thread(_verify, password, password_hash or _NOBODY) and password_hash is not None
        )


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
