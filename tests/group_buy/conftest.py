"""Every test of this folder that touches the database also proves that the invariants still hold."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from card_desk import CardDesk, gateway_to, open_books

from group_buy.checks import check_invariants
from marketplace.payments.local_stripe import LocalStripe


@pytest.fixture
async def checked(conn: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection after whose test every invariant is checked."""
    yield conn
    broken = [result for result in await check_invariants(conn) if result.violations]
    assert broken == []


@pytest.fixture(scope="module")
def shared_stripe() -> Iterator[LocalStripe]:
    """One card provider in a process of its own."""
    with LocalStripe() as running:
        yield running


@pytest.fixture
async def desk(
    shared_stripe: LocalStripe, pool: asyncpg.Pool, conn: asyncpg.Connection
) -> AsyncIterator[CardDesk]:
    """Cards at a provider without faults, with books that were compared."""
    shared_stripe.inject()
    await open_books(conn)
    async with gateway_to(shared_stripe) as gateway:
        yield CardDesk(pool, gateway, shared_stripe)


@pytest.fixture
def own_stripe() -> Iterator[LocalStripe]:
    """Books that hold nothing else."""
    with LocalStripe() as running:
        yield running


@pytest.fixture
async def own_desk(
    own_stripe: LocalStripe, pool: asyncpg.Pool, conn: asyncpg.Connection
) -> AsyncIterator[CardDesk]:
    await open_books(conn)
    async with gateway_to(own_stripe, seconds=0.5) as gateway:
        yield CardDesk(pool, gateway, own_stripe)


@pytest.fixture
async def patient_desk(
    own_stripe: LocalStripe, pool: asyncpg.Pool, conn: asyncpg.Connection
) -> AsyncIterator[CardDesk]:
    """As own_desk, for tests in which the workers are in a hurry and not the desk: a busy machine is no fault."""
    await open_books(conn)
    async with gateway_to(own_stripe, seconds=10) as gateway:
        yield CardDesk(pool, gateway, own_stripe)
