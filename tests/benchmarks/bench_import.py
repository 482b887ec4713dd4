"""How fast 50,000 products with three specs each are listed: `make bench-import`.

Goals: new rows ≥ 8,000 a second and ≥ 0.05 × COPY; unchanged rows ≥ 0.15 × COPY; the importing process grows by at
most 60 MiB over what it is before it has read the file; a bad file costs at most 0.2 CPU-s. COPY is raw: the same
rows as text into a table without index, trigger or check, in the same run. The server is durable, as in production.
Each figure is the median of three. CPU is this process and its PostgreSQL backend together: on a loaded machine
rows per CPU-second say what rows per second cannot.
"""

import asyncio
import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archives import a_zip

from catalog.core.import_rows import read_batches, read_table, write_csv
from catalog.core.listing_parse import parse_table
from catalog.core.viewer import Viewer
from catalog.importing import ImportReport, apply_import
from catalog.reference_data import load_spec_definitions
from marketplace.db import connect, migrate
from marketplace.embedded_postgres import EmbeddedPostgres

TIMES = 3


def rows(count: int) -> Iterator[dict[str, str]]:
    for n in range(count):
        yield {
            "code": f"bench-{n:06}",
            "maker": f"Maker {n % 200}",
            "maker_ko": f"제조사 {n % 200}",
            "maker_country": "KR",
            "model": f"M{n}",
            "category": "robot",
            "subcategory": "collaborative robot",
            "name_ko": f"협동로봇 {n}",
            "name_en": f"Cobot {n}",
            "summary_ko": "용접과 이송에 쓰는 협동로봇",
            "summary_en": "A cobot for welding and handling",
            "verification": "fictional",
            "spec.payload": f"{n % 500 + 1} kg",
            "spec.reach": f"{900 + n % 700} mm",
            "spec.ip_rating": "IP67",
        }


def reset_peak() -> None:
    """Let the peak begin again from what is in memory now, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak_mebibytes() -> float:
    """The most memory since the start or the last reset (Linux)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def backend_seconds(pid: int) -> float:
    """CPU seconds of a process, where /proc tells them."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    ticks = stat.read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / 100


async def timed(conn: asyncpg.Connection, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Wall and CPU seconds of one piece of work."""
    pid = conn.get_server_pid()
    cpu = time.process_time() + backend_seconds(pid)
    began = time.perf_counter()
    await work()
    took = time.perf_counter() - began
    return took, time.process_time() + backend_seconds(pid) - cpu


async def bring(conn: asyncpg.Connection, content: bytes, viewer: Viewer) -> ImportReport:
    async with conn.transaction():
        table = read_batches(content, suffix=".csv")
        return await apply_import(conn, kind="products", table=table, viewer=viewer)


async def copy_raw(conn: asyncpg.Connection, content: bytes, columns: int) -> None:
    names = ", ".join(f"c{n} text" for n in range(columns))
    await conn.execute(f"DROP TABLE IF EXISTS raw; CREATE TABLE raw ({names})")
    await conn.copy_to_table("raw", source=io.BytesIO(content), format="csv", header=True)


def say(name: str, count: int, took: list[tuple[float, float]], copy_rate: float) -> None:
    seconds, cpu = (statistics.median(column) for column in zip(*took, strict=True))
    rate = count / seconds
    print(
        f"{name:10} {rate:9,.0f} rows/s  {rate / copy_rate:5.2f} × COPY  {count / cpu:9,.0f} rows a CPU-second",
        flush=True,
    )


def write_rows(path: Path, count: int) -> None:
    path.write_bytes(write_csv(next(rows(1)), rows(count)))


def read_rows(path: Path) -> bytes:
    return path.read_bytes()


async def bench(home: Path, path: Path, count: int) -> None:
    with EmbeddedPostgres(home / "postgres") as server:
        await migrate(server.dsn())
        conn = await connect(server.dsn())
        owner = await connect(server.dsn(), role=None)
        viewer = Viewer(
            await conn.fetchval(
                """
                INSERT INTO organizations (code, kind, name_ko, name_en)
                VALUES ('bench', 'coordinator', 'bench', 'bench') RETURNING id
                """
            ),
            "coordinator",
        )
        await load_spec_definitions(conn)
        reset_peak()
        base = peak_mebibytes()
        content = read_rows(path)
        copied = [await timed(owner, lambda: copy_raw(owner, content, 15)) for _ in range(TIMES)]
        new, unchanged = [], []
        for turn in range(TIMES):
            if turn:
                await owner.execute("TRUNCATE products, product_specs, product_digests, search_dirty CASCADE")
            new.append(await timed(conn, lambda: bring(conn, content, viewer)))
            unchanged.append(await timed(conn, lambda: bring(conn, content, viewer)))
        assert (await bring(conn, content, viewer)).unchanged == count
        copy_rate = count / statistics.median(took for took, _ in copied)
        print(
            f"{count:,} products of 12 columns and 3 specs, 200 makers, {len(content) / 2**20:.1f} MiB of CSV"
        )
        say("COPY", count, copied, copy_rate)
        say("new", count, new, copy_rate)
        say("unchanged", count, unchanged, copy_rate)
        print(
            f"memory     +{peak_mebibytes() - base:.0f} MiB over {base:.0f} MiB before the file was read",
            flush=True,
        )
        await conn.close()
        await owner.close()


def bad_files() -> Iterator[tuple[str, str, bytes]]:
    """What people and attackers bring: name, suffix, content."""
    header = "code,vendor,product,list_unit_price_krw,capacity,lead_time_days\n"
    yield "zip bomb", ".xlsx", a_zip({"xl/workbook.xml": b" " * 30_000_000})
    lol = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
    yield "XML entities", ".aasx", a_zip({"aasx/data.xml": lol})
    yield "1 MB cell", ".csv", f"{header}{'x' * 10**6},v,p,1,1,1\n".encode()
    yield "ragged rows", ".csv", (header + "a,b\na,b,c,d,e,f,g\n" * 500).encode()
    mixed = header.encode() + "o-1,회사,p,1,1,1\n".encode() + "o-2,회사,p,1,1,1\n".encode("cp949")
    yield "mixed encodings", ".csv", mixed * 500
    for n, price in enumerate(("₩1,000,000", "€ 50,00", "1.000.000")):
        yield f"price {price}", ".csv", f'{header}o-{n},v,p,"{price}",1,1\n'.encode()


def bench_bad_files() -> None:
    for name, suffix, content in bad_files():
        took = []
        for _ in range(TIMES):
            began = time.process_time()
            parsed = parse_table("offers", read_table(content, suffix=suffix), definitions={})
            took.append(time.process_time() - began)
        prices = ", ".join(f"{row.values['list_unit_price_krw']:,} won" for row in parsed.rows)
        answer = f"{len(parsed.errors)} errors" if parsed.errors else prices
        print(
            f"{name:16} {statistics.median(took):6.3f} CPU-s of 0.2, worst {max(took):.3f}  {answer}",
            flush=True,
        )


def main() -> None:
    bench_bad_files()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    home = Path(tempfile.mkdtemp(prefix="bench-import-"))
    path = home / "rows.csv"
    # Another process writes the file, so that what it takes is not part of what was there before.
    writer = multiprocessing.get_context("spawn").Process(target=write_rows, args=(path, count))
    writer.start()
    writer.join()
    asyncio.run(bench(home, path, count))


if __name__ == "__main__":
    main()
