"""Every test of this folder that touches the database also proves that the invariants still hold."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from group_buy.checks import check_invariants


@pytest.fixture
async def checked(conn: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection after whose test every invariant is checked."""
    yield conn
    broken = [result for result in await check_invariants(conn) if result.violations]
    assert broken == []
