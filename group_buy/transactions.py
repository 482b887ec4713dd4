"""One short transaction on a connection of its own: for steps around a call to a payment provider, and for loops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Borrow a connection and run the block in a transaction on it."""
    async with pool.acquire() as conn, conn.transaction():
        # The pool's proxy has every method of a connection; only the type stubs tell them apart.
        yield cast("asyncpg.Connection", conn)


@asynccontextmanager
async def borrowed(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Borrow a connection for one statement, which is a transaction by itself."""
    async with pool.acquire() as conn:
        yield cast("asyncpg.Connection", conn)
