"""What pages and JSON answers cost: `python tests/benchmarks/bench_catalog.py` (`make bench-catalog`).

Serves the demo's data by `marketplace serve` (granian, a session's cookie on each request, the worker's loops apart) and
prints CPU milliseconds a request: of the application's process, and of its connections' processes in PostgreSQL, from
Linux's /proc, the median of batches. CPU time, because the wall clock of a shared machine says little. Beside each stands
how many times a page of one word costs, of the same framework and server in the same run.
"""

import asyncio
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import asyncpg  # noqa: E402 - the project is found by the path above
from demo_process import free_port  # noqa: E402

from marketplace.accounts.sessions import open_session  # noqa: E402
from marketplace.cli.market import open_market, read_settings  # noqa: E402
from marketplace.db import connect  # noqa: E402

BATCHES: Final = 7
BATCH_SIZE: Final = 30
WARM_UP: Final = 40
"""Requests before the first batch: templates are compiled, and each of the pool's connections knows its statements."""
START_SECONDS_MAX: Final = 60
COMPARED: Final = 8


class Case(NamedTuple):
    """One address and what it may cost: CPU milliseconds of application and PostgreSQL (0 = no goal)."""

    name: str
    path: str
    goal_ms: float = 0
    email: str = "hanbit@demo.example"


class Cost(NamedTuple):
    """Medians a request, in milliseconds."""

    app_ms: float
    postgres_ms: float
    wall_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.app_ms + self.postgres_ms


def list_cases(packages: Sequence[str]) -> list[Case]:
    """The pages and answers that are measured; `packages` are those to compare."""
    compared = "&".join(f"id={code}" for code in packages)
    product, word = "doosan-robotics-m1013", quote("협동로봇")
    return [
        Case("JSON product", f"/api/products/{product}", 1.0),
        Case("JSON list of 20", "/api/search?kind=product&page_size=20", 1.2),
        Case(f"JSON comparison of {len(packages)}", f"/api/compare?{compared}"),
        Case("front page", "/", 6),
        Case("search", f"/search?q={word}", 6),
        Case("product", f"/products/{product}", 6),
        Case("package", "/packages/lathe-tending-cobot", 6),
        Case(f"comparison of {len(packages)}", f"/compare?{compared}", 6),
        Case("rounds", "/rounds", 6),
        Case("round", "/rounds/lathe-tending-cobot", 6),
        Case("A/S centers", "/service-centers", 6),
        Case("vendor's desk", "/vendor", 6, "narae@demo.example"),
        Case("coordinator's desk", "/coordinator/rounds", 6, "operator@demo.example"),
    ]


def cpu_ms(process_ids: Sequence[int]) -> float:
    """CPU milliseconds that these processes have used in all their threads; one that is gone counts nothing."""
    used_ns = 0
    for process_id in process_ids:
        for thread in Path(f"/proc/{process_id}/task").glob("*/schedstat"):
            try:
                used_ns += int(thread.read_text().split()[0])
            except OSError:
                continue
    return used_ns / 1_000_000


class Requests:
    """One connection that is kept open, in this process, which is not the one that is measured."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"accept": "text/html", "accept-encoding": "gzip"} | (
            {"cookie": cookie} if cookie else {}
        )

    def get(self, path: str) -> None:
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        answer.read()
        token = answer.getheader("set-cookie")  # of the forms: a browser sends it back from then on
        if token is not None:
            self.headers["cookie"] = "; ".join((self.headers.get("cookie", ""), token.partition(";")[0]))
        if answer.status != http.HTTPStatus.OK:
            raise AssertionError(f"{path} answered {answer.status}")


async def measure(requests: Requests, path: str, *, app_id: int, conn: asyncpg.Connection | None) -> Cost:
    """Ask in batches; what the application and its connections to PostgreSQL used meanwhile."""

    async def backends() -> list[int]:
        if conn is None:
            return []
        found = [row[0] for row in await conn.fetch(_BACKENDS)]
        assert found, "the application holds no connection that can be seen: its cost would read as nothing"
        return found

    for _ in range(WARM_UP):
        requests.get(path)
    costs = []
    for _ in range(BATCHES):
        process_ids = await backends()
        app, postgres, began = cpu_ms([app_id]), cpu_ms(process_ids), time.perf_counter()
        for _ in range(BATCH_SIZE):
            requests.get(path)
        wall_ms = (time.perf_counter() - began) * 1000
        costs.append((cpu_ms([app_id]) - app, cpu_ms(process_ids) - postgres, wall_ms))
    return Cost(*(statistics.median(column) / BATCH_SIZE for column in zip(*costs, strict=True)))


_BACKENDS: Final = """
    SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


async def measure_statement(conn: asyncpg.Connection, *, times: int = 1_000) -> Cost:
    """One row by its key on a connection that is held: what this process and PostgreSQL use for it."""
    backend = [conn.get_server_pid()]
    sql, code = "SELECT id, code FROM products WHERE code = $1", "doosan-robotics-m1013"
    for _ in range(50):
        await conn.fetchrow(sql, code)
    app, postgres, began = cpu_ms([os.getpid()]), cpu_ms(backend), time.perf_counter()
    for _ in range(times):
        await conn.fetchrow(sql, code)
    wall_ms = (time.perf_counter() - began) * 1000
    return Cost(*(ms / times for ms in (cpu_ms([os.getpid()]) - app, cpu_ms(backend) - postgres, wall_ms)))


@contextmanager
def child(arguments: Sequence[str], *, port: int, errors: Path, **environment: str) -> Iterator[int]:
    """A Python process that serves on `port` for as long as the block runs; its id."""
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, *arguments], stderr=stderr, cwd=ROOT, env=os.environ | environment
        )
    try:
        end = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                Requests(port).get("/health/live")
                break
            except (OSError, http.client.HTTPException) as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"it did not start: {errors.read_text()[-2000:]}") from error
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def serve_hello(port: int) -> None:
    """The least that Litestar and granian can answer: the floor of the comparison."""
    from granian.constants import Interfaces
    from granian.server.embed import Server
    from litestar import Litestar, get

    @get("/health/live", media_type="text/plain")
    async def hello() -> str:
        return "hello"

    app = Litestar([hello], openapi_config=None)
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    asyncio.run(server.serve())


def say(name: str, cost: Cost, hello: Cost, goal_ms: float = 0) -> None:
    goal = f"≤ {goal_ms:g}  {'ok' if cost.cpu_ms <= goal_ms else 'MISSED'}" if goal_ms else ""
    print(
        f"{name:24} {cost.cpu_ms:8.3f} {cost.app_ms:8.3f} {cost.postgres_ms:9.3f} {cost.wall_ms:9.2f}"
        f" {cost.cpu_ms / hello.cpu_ms:8.1f} ×  {goal}",
        flush=True,
    )


async def sign_in(conn: asyncpg.Connection, email: str) -> str:
    """Open a session as signing in does; the cookie to send."""
    person_id, organization_id = await conn.fetchrow(
        "SELECT p.id, m.organization_id FROM people p JOIN memberships m ON m.person_id = p.id WHERE p.email = $1",
        email,
    )
    token = await open_session(
        conn, person_id=person_id, organization_id=organization_id, lasts=timedelta(days=1)
    )
    return f"session={token}"


async def bench(folder: Path) -> None:
    print(f"{'':24} {'CPU ms':>8} {'app':>8} {'PostgreSQL':>9} {'wall ms':>8} {'of hello':>9}")
    port = free_port()
    with child([__file__, "--hello", str(port)], port=port, errors=folder / "hello") as app_id:
        hello = await measure(Requests(port), "/health/live", app_id=app_id, conn=None)
    say("hello of the framework", hello, hello)
    async with open_market(read_settings(data_dir=folder / "data", is_demo=True), seed=True) as market:
        conn = await connect(market.dsn, role=None)  # only the owner sees which processes are connections
        try:
            say("one row, raw asyncpg", await measure_statement(conn), hello)
            rows = await conn.fetch("SELECT code FROM package_models ORDER BY code LIMIT $1", COMPARED)
            cases = list_cases([row[0] for row in rows])
            cookies = {email: await sign_in(conn, email) for email in {case.email for case in cases}}
            port = free_port()
            with child(
                ["-m", "marketplace", "serve"],
                port=port,
                errors=folder / "serve",
                DATABASE_URL=market.dsn,
                MARKETPLACE_DATA_DIR=str(folder / "served"),
                MARKETPLACE_PORT=str(port),
                MARKETPLACE_SECRET_KEY="benchmark" * 4,
                MARKETPLACE_WORKER_IN_PROCESS="false",
            ) as app_id:
                floor = Requests(port, cookies[cases[0].email])
                say(
                    "one word, with a session",
                    await measure(floor, "/health/live", app_id=app_id, conn=conn),
                    hello,
                )
                for case in cases:
                    requests = Requests(port, cookies[case.email])
                    say(
                        case.name,
                        await measure(requests, case.path, app_id=app_id, conn=conn),
                        hello,
                        case.goal_ms,
                    )
        finally:
            await conn.close()


def main() -> None:
    if sys.argv[1:2] == ["--hello"]:
        serve_hello(int(sys.argv[2]))
    elif not Path("/proc/self/schedstat").exists():
        print(
            "CPU time of other processes is read from Linux's /proc, which is not here: nothing was measured"
        )
    else:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(bench(Path(folder)))


if __name__ == "__main__":
    main()
