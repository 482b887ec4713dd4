"""How soon a change in PostgreSQL is found: `python tests/benchmarks/bench_freshness.py`.

Writes to random products of the demo at a steady rate, in a transaction each, while the worker's own loop keeps the
embedded index fresh, and measures from each commit until the engine has confirmed a version at least as new.
Goal S4 of the design's search chapter: p99 at most 500 ms at 150 writes a second.
"""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import asyncpg  # noqa: E402 - the project is found by the path above

from marketplace.cli.market import catch_up, open_market, read_settings, rebuild_outdated  # noqa: E402
from marketplace.db import connect, create_pool  # noqa: E402
from marketplace.worker import index_forever, running  # noqa: E402

WRITES_PER_SECOND = 150
SECONDS = 20
GOAL_MS = 500


async def write_steadily(pool: asyncpg.Pool, ids: list[int], began: dict[int, float]) -> int:
    """Touch one product at a time at the given rate; note when each became dirty."""
    chance = random.Random(7)
    start = time.perf_counter()
    written = 0
    while (elapsed := time.perf_counter() - start) < SECONDS:
        if written >= elapsed * WRITES_PER_SECOND:
            await asyncio.sleep(0.001)
            continue
        chosen = chance.choice(ids)
        await pool.execute("UPDATE products SET note = $2 WHERE id = $1", chosen, str(written))
        began.setdefault(chosen, time.perf_counter())
        written += 1
    return written


async def watch(pool: asyncpg.Pool, began: dict[int, float], lags_ms: list[float]) -> None:
    """See which of the noted products wait no more; the oldest unconfirmed change of each counts."""
    while True:
        noted = dict(began)
        dirty = {
            row["doc_id"]
            for row in await pool.fetch("SELECT doc_id FROM search_dirty WHERE kind = 'product'")
        }
        now = time.perf_counter()
        for product_id, at in noted.items():
            if product_id not in dirty and began.get(product_id) == at:
                lags_ms.append((now - at) * 1000)
                del began[product_id]
        await asyncio.sleep(0.005)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_market(read_settings(data_dir=Path(folder) / "data"), seed=True) as market:
            engine = market.open_engine()
            await rebuild_outdated(market, engine)
            await catch_up(market, engine)
            async with await create_pool(market.dsn) as pool:
                ids = [row["id"] for row in await pool.fetch("SELECT id FROM products")]
                began: dict[int, float] = {}
                lags_ms: list[float] = []
                loops = [index_forever(lambda: connect(market.dsn), engine), watch(pool, began, lags_ms)]
                async with running(list(loops)):
                    written = await write_steadily(pool, ids, began)
                    await asyncio.sleep(2)
            await engine.close()
    lags_ms.sort()
    p50, p99 = lags_ms[len(lags_ms) // 2], lags_ms[int(len(lags_ms) * 0.99)]
    print(
        f"{written / SECONDS:.0f} writes/s for {SECONDS} s: p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
        f"max {lags_ms[-1]:.0f} ms over {len(lags_ms)} confirmed changes (goal p99 {GOAL_MS} ms)"
    )


if __name__ == "__main__":
    asyncio.run(main())
