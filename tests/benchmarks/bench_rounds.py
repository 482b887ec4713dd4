"""What rounds bear, as ratios of one run: `python tests/benchmarks/bench_rounds.py`.

Goals: joining one hot round at least 0.85 x an insert-only transaction of the same four rows without lock, at 64
connections, and no slower there than at 8; closing 30,000 pledges in 2 s apart from payments, while joins on other
rounds keep 0.7 x. Joins are driven by pgbench, from the embedded PostgreSQL or the path.
"""

import argparse
import asyncio
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import asyncpg

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from builders import a_round  # noqa: E402 - found by the path above

from group_buy.checks import check_invariants  # noqa: E402
from group_buy.closing import begin_closing  # noqa: E402
from group_buy.deciding import clear_if_decided  # noqa: E402
from marketplace.db import connect, migrate  # noqa: E402
from marketplace.embedded_place import find_install  # noqa: E402
from marketplace.embedded_postgres import EmbeddedPostgres  # noqa: E402

CLIENTS = "\\set buyer random(1, 1000000000000000)\n"
ROWS = """
WITH pledge AS (
    INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
    VALUES (gen_random_uuid(), 999999, :buyer, 1, 'transfer') RETURNING id, placed_at
), version AS (
    INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
    SELECT id, 1, 'placed', 1, '\\x00' FROM pledge
), line AS (
    INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw)
    SELECT id, 1, 1, 1, 3, NULL FROM pledge
), event AS (
    INSERT INTO events (kind, subject, subject_id, person_id, organization_id, data)
    SELECT 'pledge.placed', 'pledge', id::text, 1, :buyer,
           '{"round": "hot", "funding": "transfer", "lines": [{"quantity_min": 1, "quantity_max": 3}]}' FROM pledge
)
SELECT placed_at FROM pledge;
"""
JOIN = """
SELECT * FROM place_pledge('%s', gen_random_uuid(), :buyer, 1, 'transfer', '\\x00', '{1}', '{3}', '{NULL}',
    '{"round": "hot", "funding": "transfer", "lines": [{"quantity_min": 1, "quantity_max": 3}]}');
"""
ONE_ROW = "INSERT INTO notifications (organization_id, kind) VALUES (1, 'x');\n"
TIERS = ((100, 1_000_000), (10_000, 950_000), (50_000, 900_000), (90_000, 850_000))


class Bench:
    """One fresh, durable database and a folder of pgbench scripts."""

    def __init__(self, folder: Path, dsn: str, seconds: int) -> None:
        self.folder, self.dsn, self.seconds = folder, dsn, seconds
        install = find_install()
        own = None if install is None else Path(install) / "bin" / "pgbench"
        found = str(own) if own and own.exists() else shutil.which("pgbench")
        assert found is not None, "pgbench is neither in the embedded PostgreSQL nor on the path"
        self.pgbench = found

    def start(self, script: str, *, clients: int, seconds: int | None = None) -> subprocess.Popen[str]:
        file = self.folder / f"{abs(hash(script))}.sql"
        file.write_text(CLIENTS + script)
        parts = urllib.parse.urlsplit(self.dsn)
        query = urllib.parse.parse_qs(parts.query)
        command = [
            self.pgbench, "-n", "-M", "prepared", "-f", str(file), "-c", str(clients), "-j", "2",
            "-T", str(seconds or self.seconds), "-h", query["host"][0], "-p", query["port"][0],
            "-U", parts.username or "", parts.path.removeprefix("/"),
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def finish(process: subprocess.Popen[str]) -> float:
        out, errors = process.communicate()
        found = re.search(r"tps = ([\d.]+)", out)
        assert process.returncode == 0, errors[-2000:]
        assert found is not None, out
        return float(found[1])

    def per_second(self, script: str, *, clients: int, seconds: int | None = None) -> float:
        return self.finish(self.start(script, clients=clients, seconds=seconds))


def bench_joins(bench: Bench, repeats: int) -> None:
    """Alternate baseline and joins, so that a slow minute of the machine hits both."""
    scripts = {"one row": ONE_ROW, "four rows, no lock": ROWS, "place_pledge": JOIN % "hot"}
    for clients in (8, 64):
        rates: dict[str, list[float]] = {name: [] for name in scripts}
        for _ in range(repeats):
            for name, script in scripts.items():
                rates[name].append(bench.per_second(script, clients=clients))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        joins = medians["place_pledge"]
        print(
            f"{clients:3} connections: {joins:9,.0f} joins/s = {joins / medians['four rows, no lock']:.2f} x the same "
            f"rows without lock ({medians['four rows, no lock']:,.0f}/s), "
            f"{joins / medians['one row']:.2f} x one row ({medians['one row']:,.0f}/s)",
            flush=True,
        )


async def fill_round(conn: asyncpg.Connection, code: str, count: int) -> None:
    """A round with `count` pledges, each verified by an order, as if they had come one by one."""
    await a_round(conn, code, tiers=TIERS, capacity=max(200_000, count * 4))
    await conn.execute(
        """
        INSERT INTO organizations (code, kind, name_ko, name_en)
        SELECT $1 || '-' || n, 'factory', 'bench', 'bench' FROM generate_series(1, $2::int) n
        """,
        code,
        count,
    )
    await conn.execute(
        """
        WITH pledge AS (
            INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
            SELECT gen_random_uuid(), r.id, o.id, (SELECT min(id) FROM people), 'transfer'
            FROM organizations o, rounds r WHERE o.code LIKE $1 || '-%' AND o.kind = 'factory' AND r.code = $1
            RETURNING id, person_id
        ), version AS (
            INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
            SELECT id, 1, 'placed', person_id, '\\x00' FROM pledge
        ), funding AS (
            INSERT INTO pledge_fundings (pledge_id, version, kind, verified_by) SELECT id, 1, 'order', person_id FROM pledge
        )
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw)
        SELECT id, 1, 1, 1 + (random() * 2)::int, 3 + (random() * 3)::int,
               CASE WHEN random() < 0.3 THEN 900000 END FROM pledge
        """,
        code,
    )
    await conn.execute("ANALYZE")


async def close_round(conn: asyncpg.Connection, code: str) -> tuple[float, float]:
    """Close and clear as the worker does, two transactions; return the seconds of each."""
    began = time.perf_counter()
    async with conn.transaction():
        assert await begin_closing(conn, code=code, early=True)
    stopped = time.perf_counter()
    async with conn.transaction():
        assert await clear_if_decided(conn, code=code)
    return stopped - began, time.perf_counter() - stopped


async def bench_closing(bench: Bench, conn: asyncpg.Connection, count: int) -> None:
    await fill_round(conn, "close-alone", count)
    lock, decide = await close_round(conn, "close-alone")
    print(
        f"closing {count:,} pledges alone: {lock + decide:.2f} s (stop pledges {lock:.2f}, decide {decide:.2f})"
    )
    await fill_round(conn, "close-beside", count)
    seconds = max(3, int(lock + decide) + 2)
    alone = await asyncio.to_thread(bench.per_second, JOIN % "hot", clients=8, seconds=seconds)
    joiners = bench.start(JOIN % "hot", clients=8, seconds=seconds)
    await asyncio.sleep(0.3)
    lock, decide = await close_round(conn, "close-beside")
    beside = await asyncio.to_thread(bench.finish, joiners)
    print(
        f"joins on another round: {alone:,.0f}/s alone, {beside / alone:.2f} x over {seconds} s that hold a closing "
        f"of {lock + decide:.2f} s"
    )
    broken = [
        result.name
        for result in await check_invariants(conn)
        if result.violations and result.name != "every pledge belongs to a round and a buyer"
    ]
    assert broken == [], broken  # pgbench invents its buyers


async def run(bench: Bench, *, repeats: int, count: int) -> None:
    conn = await connect(bench.dsn, role=None)
    try:
        await a_round(conn, "hot", tiers=TIERS, capacity=1_000_000)
        await asyncio.to_thread(bench_joins, bench, repeats)
        await bench_closing(bench, conn, count)
    finally:
        await conn.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=5, help="of each pgbench run")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--pledges", type=int, default=30_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # as root, the account that the server runs as must reach it
        with EmbeddedPostgres(Path(folder) / "data") as server:
            asyncio.run(migrate(server.dsn()))
            bench = Bench(Path(folder), server.dsn(), chosen.seconds)
            asyncio.run(run(bench, repeats=chosen.repeats, count=chosen.pledges))


if __name__ == "__main__":
    main()
