"""What settling bears: `python tests/benchmarks/bench_money.py [--charges 800] [--runs 3]`.

Goals: one worker settles at least 400 charges a second with all commits when the provider answers at once, and at
least 0.85 x concurrency / latency calls a second when it takes 100 ms. PostgreSQL is durable; the provider is in this
process, so that only our own work is measured. Printed: the median of the runs and all of them; the CPU of this
process for a charge says what a busy machine hides.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from builders import a_coordinator, a_pledge, a_round  # noqa: E402 - found by the path above
from card_crowd import PRICE, add_crowd  # noqa: E402
from card_desk import close, open_books  # noqa: E402

from group_buy.checks import check_invariants  # noqa: E402
from group_buy.deciding import clear_if_decided  # noqa: E402
from group_buy.gateway import HoldRequest, HoldResult  # noqa: E402
from group_buy.settling import settle_batch  # noqa: E402
from marketplace.db import connect, create_pool, migrate  # noqa: E402
from marketplace.embedded_postgres import EmbeddedPostgres  # noqa: E402
from marketplace.worker import CHARGES_AT_ONCE, SETTLERS  # noqa: E402


class Provider:
    """Answers every call after `seconds`; the parts of PaymentGateway that settling a deposit asks for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls = 0

    async def _answer(self, result: HoldResult) -> HoldResult:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        return result

    async def create_hold(self, request: HoldRequest) -> str:
        return (await self._answer(HoldResult(f"pi_{request.create_key.hex}", "processing"))).provider_ref

    async def confirm_hold(self, request: HoldRequest, *, provider_ref: str) -> HoldResult:
        return await self._answer(HoldResult(provider_ref, "authorized"))

    async def capture(self, *, provider_ref: str, amount_krw: int, finish_key: object) -> HoldResult:
        return await self._answer(HoldResult(provider_ref, "captured", captured_krw=amount_krw))


async def prepare(conn: asyncpg.Connection, size: int) -> None:
    """A closed round whose `size` card pledges wait for their holds."""
    actor = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=actor, tiers=((1, PRICE),), capacity=1_000_000)
    first = await a_pledge(conn, buying_round, "first", 1, funding="card")
    await conn.execute(
        """
        INSERT INTO payment_methods (id, pledge_id, organization_id, state, idempotency_key, customer_ref, method_ref,
                                     consent_text, consent_ceiling_krw, ready_at)
        VALUES ($1, $2, $3, 'ready', $1, 'cus_1', 'pm_1', 'agreed', 1000000, clock_timestamp())
        """,
        uuid4(),
        first.id,
        first.buyer_id,
    )
    await add_crowd(conn, actor, buying_round, size)
    await close(conn)
    await open_books(conn)


async def settle_all(pool: asyncpg.Pool, provider: Provider, workers: int) -> tuple[float, float]:
    """Seconds of the clock, and of this process's CPU, until nothing is due."""

    async def work() -> None:
        while await settle_batch(pool, provider, limit=CHARGES_AT_ONCE):  # type: ignore[arg-type] # only these parts
            pass

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(workers)))
    return time.perf_counter() - began, time.process_time() - used


async def commits_a_second(pool: asyncpg.Pool, workers: int, *, seconds: float = 2) -> float:
    """How many one-row transactions the same server commits durably at the same concurrency: the denominator."""
    done = 0
    ends = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await pool.execute(
                "INSERT INTO notifications (organization_id, kind) SELECT min(id), 'x' FROM organizations"
            )
            done += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return done / seconds


async def measure(server: EmbeddedPostgres, size: int, seconds: float, workers: int) -> dict[str, float]:
    """One run on a database of its own: holds, then captures."""
    name = f"bench_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {name}")
    dsn = urlsplit(server.dsn())._replace(path=f"/{name}").geturl()
    try:
        await migrate(dsn)
        conn, pool = await connect(dsn), await create_pool(dsn, size_max=10)
        provider = Provider(seconds)
        await prepare(conn, size)
        raw = await commits_a_second(pool, workers)
        hold_seconds, hold_cpu = await settle_all(pool, provider, workers)
        assert await clear_if_decided(conn, code="round")
        capture_seconds, capture_cpu = await settle_all(pool, provider, workers)
        settled = await conn.fetchval(
            "SELECT count(*) FROM charges WHERE purpose = 'deposit' AND state = 'captured'"
        )
        assert (settled, provider.calls) == (size, 3 * size)
        assert not any(result.violations for result in await check_invariants(conn))
        await pool.close()
        await conn.close()
        both = hold_seconds + capture_seconds
        ideal = 3 * size * seconds / (workers * CHARGES_AT_ONCE)
        return {
            "charges": size / both,
            "holds": size / hold_seconds,
            "captures": size / capture_seconds,
            "raw commits": raw,
            "cpu_ms": 1_000 * (hold_cpu + capture_cpu) / size,
            "efficiency": ideal / both,
        }
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


def show(what: str, runs: list[dict[str, float]], names: tuple[str, ...]) -> None:
    for name in names:
        values = [run[name] for run in runs]
        print(
            f"  {what:<34} {name:<11} {statistics.median(values):8.2f}   of {[round(v, 2) for v in values]}"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=800)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=SETTLERS)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-money-"))
    try:
        with EmbeddedPostgres(home / "data") as server:
            print(f"settling {chosen.charges} charges: hold, then capture; one process; a second:")
            runs = [await measure(server, chosen.charges, 0, chosen.at_once) for _ in range(chosen.runs)]
            show("provider at 0 ms", runs, ("charges", "holds", "captures", "raw commits", "cpu_ms"))
            for workers in (1, SETTLERS):
                size = 10 * workers * CHARGES_AT_ONCE
                runs = [await measure(server, size, 0.1, workers) for _ in range(chosen.runs)]
                show(
                    f"provider at 100 ms, {workers} x {CHARGES_AT_ONCE} at once",
                    runs,
                    ("charges", "efficiency"),
                )
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
