"""Pledges over HTTP, and who watches them: `python tests/benchmarks/bench_pledge_http.py`.

One process of the demo, with its workers and the embedded PostgreSQL, is asked over kept-alive connections: each
request carries a session's cookie and the token against forgery, and writes a pledge and its event. The baseline of
the same run is pgbench at 8 connections on the same server, with the insert-only statement of bench_rounds.py. CPU is
read from Linux's /proc: of the process that answers, and of all its database's backends.
"""

import argparse
import asyncio
import hashlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from bench_rounds import INSERT_ONLY, ONE_ROW, Bench, cpu_seconds  # noqa: E402 - found by the path above
from builders import a_round  # noqa: E402
from demo_process import DemoProcess  # noqa: E402
from limits import say_limit  # noqa: E402

from marketplace.cli.market import open_market, read_settings  # noqa: E402

TIERS = ((100, 1_000_000), (10_000, 950_000))
BODY = json.dumps({"funding": "transfer", "lines": [{"quantity_min": 1, "quantity_max": 3}]})


async def add_buyers(conn: asyncpg.Connection, count: int) -> list[str]:
    """Factories with one signed-in buyer each; return the cookies' tokens."""
    tokens = [f"bench-{n}" for n in range(count)]
    await conn.execute(
        """
        WITH factory AS (
            INSERT INTO organizations (code, kind, name_ko, name_en)
            SELECT 'http-' || n, 'factory', 'bench', 'bench' FROM generate_series(0, $1::int - 1) n RETURNING id, code
        ), person AS (
            INSERT INTO people (email, name, password_hash)
            SELECT 'http-' || n || '@bench.example', 'bench', '' FROM generate_series(0, $1::int - 1) n
            RETURNING id, split_part(email, '@', 1) AS code
        ), member AS (
            INSERT INTO memberships (person_id, organization_id, role)
            SELECT person.id, factory.id, 'buyer' FROM person JOIN factory USING (code)
        )
        INSERT INTO sessions (token_sha256, person_id, organization_id, expires_at)
        SELECT digest, person.id, factory.id, clock_timestamp() + interval '1 hour'
        FROM person JOIN factory USING (code)
        JOIN unnest($2::bytea[]) WITH ORDINALITY AS token (digest, n) ON 'http-' || n - 1 = code
        """,
        count,
        [hashlib.sha256(token.encode()).digest() for token in tokens],
    )
    return tokens


def request(code: str, token: str, csrf: str) -> bytes:
    return (
        f"PUT /api/rounds/{code}/pledges/{uuid4()} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"cookie: session={token}; csrftoken={csrf}\r\nx-csrftoken: {csrf}\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer with a content-length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    return int(head.split()[1]), await reader.readexactly(int(fields["content-length"]))


def backends(data_dir: Path) -> list[int]:
    """Process ids of the embedded server and its children, from Linux; none elsewhere."""
    files = list(data_dir.rglob("postmaster.pid"))
    if not files or not Path("/proc/self/task").exists():
        return []
    server = int(files[0].read_text().split()[0])
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [server, *map(int, children)]


async def bench_pledges(demo: DemoProcess, tokens: list[str], csrf: str) -> tuple[float, float, float]:
    """Place one pledge a token from 16 connections; return pledges a second and CPU-ms of the app and the database."""
    waiting = iter(tokens)

    async def place() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
        for token in waiting:
            writer.write(request("hot", token, csrf))
            status, body = await answer(reader)
            assert status in {200, 201}, (status, body[:300])
        writer.close()

    before = {pid: cpu_seconds(pid) for pid in backends(demo.data_dir)}
    own, began = cpu_seconds(demo.pid), time.perf_counter()
    await asyncio.gather(*(place() for _ in range(16)))
    seconds = time.perf_counter() - began
    own = cpu_seconds(demo.pid) - own
    database = sum(max(0.0, cpu_seconds(pid) - since) for pid, since in before.items())  # 0 = it has ended
    return len(tokens) / seconds, own * 1000 / len(tokens), database * 1000 / len(tokens)


async def bench_viewers(demo: DemoProcess, token: str, csrf: str, count: int) -> list[float]:
    """Seconds from sending a pledge until each viewer's stream has told the new state."""
    streams = [await asyncio.open_connection("127.0.0.1", demo.port, limit=2**20) for _ in range(count)]
    for _, writer in streams:
        writer.write(
            b"GET /rounds/watched/events HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n"
        )
    for reader, _ in streams:
        await reader.readuntil(b"event: progress")
    await asyncio.sleep(2)  # hints of the same moment are one

    async def seen(reader: asyncio.StreamReader) -> float:
        await reader.readuntil(b"event: progress")
        return time.perf_counter()

    watching = [asyncio.ensure_future(seen(reader)) for reader, _ in streams]
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    writer.write(request("watched", token, csrf))
    status, body = await answer(reader)
    assert status in {200, 201}, (status, body[:300])
    ended = await asyncio.wait_for(asyncio.gather(*watching), 30)
    for _, each in streams:
        each.close()
    return [at - began for at in ended]


async def run(demo: DemoProcess, folder: Path, *, count: int, repeats: int, seconds: int) -> None:
    async with open_market(read_settings(data_dir=demo.data_dir)) as market:
        async with market.connection() as conn:
            await a_round(conn, "hot", tiers=TIERS, capacity=1_000_000)
            await a_round(conn, "watched", tiers=((2, 1_000_000), (5, 900_000)), capacity=1_000)
            tokens = await add_buyers(conn, count * repeats + repeats)
        async with httpx.AsyncClient(base_url=demo.url) as client:
            csrf = (await client.get("/", headers={"accept": "text/html"})).cookies["csrftoken"]
        bench = Bench(folder, market.dsn, seconds)
        measured, inserts, one_row, viewed = [], [], [], []
        for number in range(repeats):
            own = tokens[number * (count + 1) : (number + 1) * (count + 1)]
            inserts.append(await asyncio.to_thread(bench.per_second, INSERT_ONLY, clients=8))
            one_row.append(await asyncio.to_thread(bench.per_second, ONE_ROW, clients=8))
            measured.append(await bench_pledges(demo, own[:-1], csrf))
            viewed.append(max(await bench_viewers(demo, own[-1], csrf, 200)))
    rate, app_ms, database_ms = (statistics.median(each[n] for each in measured) for n in range(3))
    base = statistics.median(inserts)
    say_limit(
        "pledges over HTTP ÷ pgbench insert-only, one worker",
        f"{rate / base:.3f} x",
        "≥ 0.12 x",
        is_met=rate / base >= 0.12,
        beside=f"{rate:,.0f}/s of {base:,.0f}/s that only insert the same rows; stretch 0.35 x; "
        f"{rate / statistics.median(one_row):.3f} x one row ({statistics.median(one_row):,.0f}/s)",
    )
    say_limit(
        "CPU of a pledge over HTTP, with auth and event",
        f"{app_ms:.2f} ms",
        "≤ 0.9 ms",
        is_met=app_ms <= 0.9,
        beside=f"of the process that answers; its database {database_ms:.2f} ms beside; stretch 0.35 ms",
    )
    slowest = statistics.median(viewed)
    say_limit("200 live viewers see a pledge, the slowest", f"{slowest:.2f} s", "≤ 1 s", is_met=slowest <= 1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pledges", type=int, default=2_000, help="of each repetition")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--seconds", type=int, default=3, help="of each pgbench run")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the account that the server runs as must reach it
        with DemoProcess(folder / "data") as demo:
            asyncio.run(
                run(demo, folder, count=chosen.pledges, repeats=chosen.repeats, seconds=chosen.seconds)
            )


if __name__ == "__main__":
    main()
