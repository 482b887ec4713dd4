"""The whole database is put back from a copy of its folder, while the provider goes on: nothing is charged twice."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from card_crowd import a_crowd, books_of_the_provider, our_books
from card_desk import CardDesk, close, gateway_to, make_due, open_books

from group_buy.checks import check_invariants
from group_buy.deciding import clear_if_decided
from group_buy.reconciling import is_reconciled, reconcile, reconcile_if_due
from group_buy.settling import settle_one
from marketplace.db import connect, create_pool, migrate
from marketplace.embedded_postgres import EmbeddedPostgres
from marketplace.payments.local_stripe import LocalStripe

SIZE = 8


@asynccontextmanager
async def a_desk(home: Path, local: LocalStripe) -> AsyncIterator[tuple[CardDesk, asyncpg.Connection]]:
    """The market on this folder for as long as the block runs."""
    server = EmbeddedPostgres(home, durable=False)
    await asyncio.to_thread(server.start)
    try:
        await migrate(server.dsn())
        conn = await connect(server.dsn())
        async with await create_pool(server.dsn()) as pool, gateway_to(local) as gateway:
            yield CardDesk(pool, gateway, local), conn
        await conn.close()
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.ci
@pytest.mark.parametrize("settled_before", [0, 3, 5])
async def test_a_folder_put_back_from_a_copy_charges_nobody_twice(settled_before: int) -> None:
    """The copy is as old as the close, or as some holds or captures; all that came later is only at the provider."""
    home = Path(tempfile.gettempdir()) / f"marketplace-restore-{uuid4().hex[:12]}"
    data, copy = home / "data", home / "copy"
    with LocalStripe() as local:
        try:
            async with a_desk(data, local) as (desk, conn):
                await open_books(conn)
                await a_crowd(desk, conn, SIZE)
                await close(conn)
                if settled_before == 5:  # in the middle of the captures
                    await desk.settle()
                    assert await clear_if_decided(conn, code="round")
                for _ in range(settled_before):
                    assert await settle_one(desk.pool, desk.gateway)
            # With its owners: as root the server runs under an account of its own.
            await asyncio.to_thread(subprocess.run, ["cp", "-a", str(data), str(copy)], check=True)
            async with a_desk(data, local) as (desk, conn):
                assert await reconcile_if_due(desk.pool, desk.gateway)
                await desk.settle()
                async with conn.transaction():
                    await clear_if_decided(conn, code="round")
                await desk.settle()
            await asyncio.to_thread(shutil.rmtree, data)
            await asyncio.to_thread(shutil.move, copy, data)
            async with a_desk(data, local) as (desk, conn):
                assert not await is_reconciled(conn)
                assert await desk.settle() == 0
                found = await reconcile_if_due(desk.pool, desk.gateway)
                assert found is not None
                assert found.findings == []
                await make_due(conn)
                await desk.settle()
                async with conn.transaction():
                    await clear_if_decided(conn, code="round")
                await desk.settle()
                taken, returned = await books_of_the_provider(desk)
                assert (taken, returned) == await our_books(conn)
                assert (len(taken), set(taken.values())) == (SIZE, {100_000})
                assert (await reconcile(desk.pool, desk.gateway)).findings == []
                broken = [result for result in await check_invariants(conn) if result.violations]
                assert broken == []
        finally:
            shutil.rmtree(home, ignore_errors=True)
