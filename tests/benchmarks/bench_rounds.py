"""What rounds bear at the database, as ratios of one run: `python tests/benchmarks/bench_rounds.py`.

A join is `group_buy.pledging.JOIN`, as a request runs it. "Insert-only" is the same statement with its rows given
instead of a round locked and read: the same four rows, checks and indexes. Beside it stand plain inserts of the four
rows, which neither expect a repetition nor take several lines, and a transaction of one row. All are driven by
pgbench, from the embedded PostgreSQL or the path, in turns, and each figure is a median.
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
import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from builders import a_round  # noqa: E402 - found by the path above
from limits import say_limit  # noqa: E402

from group_buy.checks import check_invariants  # noqa: E402
from group_buy.closing import begin_closing  # noqa: E402
from group_buy.deciding import clear_if_decided  # noqa: E402
from group_buy.pledging import JOIN as JOIN_STATEMENT  # noqa: E402
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
VALUES = {
    "$12": """'{"round": "hot", "funding": "transfer", "lines": [{"quantity_min": 1, "quantity_max": 3}]}'::jsonb""",
    "$11": "NULL",
    "$10": "3",
    "$9": "'{NULL}'",
    "$8": "'{3}'",
    "$7": "'{1}'",
    "$6": "'\\x00'::bytea",
    "$5": "'transfer'",
    "$4": "1::bigint",
    "$3": ":buyer::bigint",
    "$2": "gen_random_uuid()",
    "$1": "'hot'",
}


def _filled(statement: str) -> str:
    for mark, value in VALUES.items():
        statement = statement.replace(mark, value)
    return statement.strip() + ";\n"


JOIN = _filled(JOIN_STATEMENT)
_TARGET = re.compile(r"SELECT r\.id, .*?takes_pledge\(r\.id, \$3\)", re.DOTALL)
INSERT_ONLY = _filled(
    _TARGET.sub("SELECT 999999::bigint AS id, 1000000::bigint AS dearest_krw", JOIN_STATEMENT)
)
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
    """Take turns with baselines and counts of connections, so that a slow minute of the machine hits all."""
    scripts = {"one row": ONE_ROW, "plain rows": ROWS, "insert-only": INSERT_ONLY, "join": JOIN}
    rates: dict[tuple[int, str], list[float]] = {
        (clients, name): [] for clients in (8, 64) for name in scripts
    }
    for _ in range(repeats):
        for (clients, name), taken in rates.items():
            taken.append(bench.per_second(scripts[name], clients=clients))
    joins, inserts = {}, {}
    for clients in (8, 64):
        medians = {name: statistics.median(rates[clients, name]) for name in scripts}
        joins[clients], inserts[clients] = medians["join"], medians["insert-only"]
        ratio = medians["join"] / medians["insert-only"]
        say_limit(
            f"joins at {clients} connections ÷ insert-only",
            f"{ratio:.2f} x",
            "≥ 0.85 x" if clients == 64 else "-",
            is_met=ratio >= 0.85 or clients == 8,
            beside=f"{medians['join']:,.0f}/s of {medians['insert-only']:,.0f}/s; "
            f"{medians['join'] / medians['plain rows']:.2f} x plain rows ({medians['plain rows']:,.0f}/s), "
            f"{medians['join'] / medians['one row']:.2f} x one row ({medians['one row']:,.0f}/s)",
        )
    growth = joins[64] / joins[8]
    say_limit(
        "joins at 64 connections ÷ at 8",
        f"{growth:.2f} x",
        "≥ 1 x",
        is_met=growth >= 1,
        beside=f"insert-only itself {inserts[64] / inserts[8]:.2f} x",
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


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, from Linux; 0 elsewhere."""
    path = Path(f"/proc/{pid}/schedstat")
    return int(path.read_text().split()[0]) / 1e9 if path.exists() else 0.0


class Closing(msgspec.Struct, frozen=True):
    """Seconds of a closing: until pledges stopped, until decided; and CPU seconds of the server and of this process."""

    stop: float
    decide: float
    server_cpu: float
    own_cpu: float

    @property
    def all(self) -> float:
        return self.stop + self.decide


async def close_round(conn: asyncpg.Connection, code: str) -> Closing:
    """Close and clear as the worker does, in two transactions."""
    pid = conn.get_server_pid()
    began, server, own = time.perf_counter(), cpu_seconds(pid), time.process_time()
    async with conn.transaction():
        assert await begin_closing(conn, code=code, early=True)
    stopped = time.perf_counter()
    async with conn.transaction():
        assert await clear_if_decided(conn, code=code)
    return Closing(
        stopped - began,
        time.perf_counter() - stopped,
        cpu_seconds(pid) - server,
        time.process_time() - own,
    )


async def bench_closing(bench: Bench, conn: asyncpg.Connection, count: int, repeats: int) -> None:
    closings = []
    for number in range(repeats):
        await fill_round(conn, f"close-alone-{number}", count)
        closings.append(await close_round(conn, f"close-alone-{number}"))
    closing = sorted(closings, key=lambda each: each.all)[repeats // 2]
    say_limit(
        f"closing {count:,} pledges apart from payments",
        f"{closing.all:.2f} s",
        "≤ 2 s",
        is_met=closing.all <= 2,
        beside=f"pledges stopped {closing.stop:.2f} s, decided {closing.decide:.2f} s; "
        f"CPU: server {closing.server_cpu:.2f} s, own {closing.own_cpu:.2f} s",
    )
    ratios = []
    for number in range(repeats):
        code = f"close-beside-{number}"
        await fill_round(conn, code, count)
        alone = await asyncio.to_thread(bench.per_second, JOIN, clients=8)
        ratios.append(await joins_while_closing(bench, conn, code) / alone)
    ratio = statistics.median(ratios)
    say_limit(
        "joins on another round while one closes ÷ alone",
        f"{ratio:.2f} x",
        "≥ 0.7 x",
        is_met=ratio >= 0.7,
        beside="at 8 connections, counted from the first moment of the closing to its last",
    )
    broken = [
        result.name
        for result in await check_invariants(conn)
        if result.violations and result.name != "every pledge belongs to a round and a buyer"
    ]
    assert broken == [], broken  # pgbench invents its buyers


async def joins_while_closing(bench: Bench, conn: asyncpg.Connection, code: str) -> float:
    """Close a round while another is joined; return the joins a second in just that time."""
    joiners = bench.start(JOIN, clients=8, seconds=600)
    try:
        await asyncio.sleep(1)
        began = await conn.fetchval("SELECT clock_timestamp()")
        await close_round(conn, code)
        ended = await conn.fetchval("SELECT clock_timestamp()")
        assert joiners.poll() is None, joiners.communicate()
    finally:
        joiners.kill()
        joiners.communicate()
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM pledges p JOIN rounds r ON r.id = p.round_id
        WHERE r.code = 'hot' AND p.placed_at BETWEEN $1 AND $2
        """,
        began,
        ended,
    )
    return count / (ended - began).total_seconds()


async def run(bench: Bench, *, repeats: int, count: int) -> None:
    conn = await connect(bench.dsn, role=None)
    try:
        await a_round(conn, "hot", tiers=TIERS, capacity=1_000_000)
        await asyncio.to_thread(bench_joins, bench, repeats)
        await bench_closing(bench, conn, count, repeats)
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
