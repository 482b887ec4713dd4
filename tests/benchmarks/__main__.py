"""`make bench`: medians and ratios of one run, against the raw parts of the same run. No thresholds here."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
from demo_process import DemoProcess  # noqa: E402

from catalog.core.viewer import Viewer  # noqa: E402
from catalog.products import get_product  # noqa: E402
from group_buy.core.pledge import LineInput  # noqa: E402
from group_buy.pledging import place_pledge  # noqa: E402
from group_buy.transactions import transaction  # noqa: E402
from marketplace.cli.market import Market, open_market, read_settings  # noqa: E402
from marketplace.db import create_pool  # noqa: E402
from search_config.query import Principal, SearchQuery  # noqa: E402

PAGES = {
    "home": "/",
    "search": "/search?q=협동로봇",
    "package": "/packages/lathe-tending-cobot",
    "product": "/products/doosan-robotics-m1013",
    "comparison of 3": "/compare?id=lathe-tending-cobot&id=carton-palletizing&id=cobot-arc-welding",
    "rounds": "/rounds",
    "round": "/rounds/lathe-tending-cobot",
    "A/S centers": "/service-centers",
    "JSON detail": "/api/products/doosan-robotics-m1013",
    "JSON search": "/api/search?q=PLC",
}
ROUNDS_OF_REQUESTS = 25


async def median_ms(call: Callable[[], Awaitable[object]], *, times: int = 200) -> float:
    """The median of single calls, in milliseconds."""
    for _ in range(5):
        await call()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def say(name: str, ms: float, base: str, base_ms: float) -> None:
    print(f"{name:24} {ms:9.3f} ms   {ms / base_ms:8.2f} × {base} ({base_ms:.3f} ms)", flush=True)


async def bench_pages(demo: DemoProcess) -> None:
    async with httpx.AsyncClient(base_url=demo.url, headers={"accept": "text/html"}) as client:

        async def get(path: str) -> None:
            (await client.get(path)).raise_for_status()

        hello = await median_ms(lambda: get("/health/live"), times=ROUNDS_OF_REQUESTS)
        for name, path in PAGES.items():
            say(name, await median_ms(lambda path=path: get(path), times=ROUNDS_OF_REQUESTS), "hello", hello)  # type: ignore[misc]


async def bench_database(market: Market) -> None:
    async with await create_pool(market.dsn) as pool:
        async with pool.acquire() as conn:

            async def select() -> None:
                await conn.fetchrow("SELECT id, code FROM products WHERE code = $1", "doosan-robotics-m1013")

            async def product() -> None:
                await get_product(conn, code="doosan-robotics-m1013")  # type: ignore[arg-type] # the pool's proxy

            say("get_product", await median_ms(product), "a raw select", await median_ms(select))
        await bench_pledges(pool)


async def bench_pledges(pool: asyncpg.Pool) -> None:
    """One pledge a transaction, as a request makes it, beside a plain insert a transaction."""
    async with pool.acquire() as conn:
        buyers = await conn.fetch(
            """
            INSERT INTO organizations (code, kind, name_ko, name_en)
            SELECT 'bench-' || n, 'factory', 'bench', 'bench' FROM generate_series(1, 400) n RETURNING id
            """
        )
        person_id = await conn.fetchval("SELECT min(id) FROM people")
    ids = iter([row["id"] for row in buyers])

    async def insert() -> None:
        async with transaction(pool) as conn:
            await conn.execute(
                "INSERT INTO notifications (organization_id, kind) VALUES ($1, 'x')", buyers[0]["id"]
            )

    async def pledge() -> None:
        async with transaction(pool) as conn:
            await place_pledge(
                conn,
                round_code="lathe-tending-cobot",
                pledge_id=uuid4(),
                buyer=Viewer(next(ids), "factory"),
                person_id=person_id,
                funding="transfer",
                lines=(LineInput(1),),
            )

    say("place_pledge", await median_ms(pledge), "a plain insert", await median_ms(insert))


async def bench_search(market: Market) -> None:
    engine = market.open_engine()

    async def search(text: str) -> None:
        await engine.search(SearchQuery(text=text, facets=("category", "maker_country")), Principal())

    empty = await median_ms(lambda: search(""))
    for text in ("협동로봇", "PLC", "온도 센서", "tpstj"):
        say(f"search {text}", await median_ms(lambda text=text: search(text)), "an empty query", empty)  # type: ignore[misc]
    await engine.close()


async def bench_parts(data_dir: Path) -> None:
    async with open_market(read_settings(data_dir=data_dir)) as market:
        await bench_search(market)
        await bench_database(market)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DemoProcess(Path(folder) / "data") as demo:
        print(f"the demo answered after {demo.started_in_seconds:.1f} s from an empty folder")
        demo.stop()
        demo.start()
        print(f"and after {demo.started_in_seconds:.1f} s the second time")
        status = Path(f"/proc/{demo.pid}/status")
        if status.exists():
            memory = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
            print(f"idle memory of the app: {int(memory.split()[1]) / 1024:.0f} MiB")
        asyncio.run(bench_pages(demo))
        asyncio.run(bench_parts(demo.data_dir))
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n{script.name}", flush=True)
        subprocess.run([sys.executable, str(script)], check=True)


if __name__ == "__main__":
    main()
