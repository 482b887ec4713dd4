"""The command: exit codes, JSON alone on standard output, and one sentence instead of a traceback."""

import asyncio
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
import structlog

from catalog.core.listing_rows import IMPORT_KINDS
from marketplace.cli import main


class Ran(NamedTuple):
    """How a verb ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which is one line of JSON and nothing else."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    def refused(self, verb: str) -> str:
        """The one sentence of a refusal."""
        assert (self.code, self.out) == (1, ""), self
        (line,) = self.err.splitlines()
        assert line.startswith(f"marketplace {verb}: ")
        assert line.endswith(".") or len(line) > 30
        return line


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run a verb in this process; its folder, where it needs one, is an empty one."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MARKETPLACE_DATA_DIR", str(tmp_path / "home"))

    def run_verb(*arguments: object) -> Ran:
        capfd.readouterr()
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        written = capfd.readouterr()
        assert "Traceback" not in written.err
        assert isinstance(code, int), code
        return Ran(code, written.out, written.err)

    yield run_verb
    structlog.reset_defaults()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not pytest's tmp_path: as root, the account that PostgreSQL runs as could not reach it."""
    folder = Path(tempfile.mkdtemp(prefix="marketplace-cli-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# -- usage and ports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [(), ("sell",), ("demo", "--port", "http"), ("import", "cars", "x.csv"), ("search",), ("demo", "--nope")],
)
def test_wrong_usage_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "usage: marketplace" in ran.err


@pytest.mark.parametrize("port", [0, -1, 65_536, 99_999])
def test_a_number_that_is_no_port_is_refused(run: Run, port: int, tmp_path: Path) -> None:
    assert run("demo", "--port", port).refused("demo") == (
        f"marketplace demo: {port} is not a port: choose one from 1 to 65535."
    )
    assert not (tmp_path / "home").exists()


def test_a_taken_port_is_refused_before_anything_is_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Port {port} is taken" in run("demo", "--port", port).refused("demo")
        monkeypatch.setenv("MARKETPLACE_SECRET_KEY", "s" * 32)
        monkeypatch.setenv("MARKETPLACE_PORT", str(port))
        assert f"Port {port} is taken" in run("serve").refused("serve")
    assert not (tmp_path / "home").exists()


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_POOL_SIZE", "many")
    for verb in (("check",), ("worker",), ("search", "PLC")):
        assert "MARKETPLACE_POOL_SIZE='many'" in run(*verb).refused(verb[0])


def test_cards_with_mixed_keys_are_refused_in_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    for name, text in {
        "DATABASE_URL": database,
        "STRIPE_SECRET_KEY": "sk_live_a",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_a",
        "STRIPE_WEBHOOK_SECRET": "whsec_a",
    }.items():
        monkeypatch.setenv(name, text)
    assert "different modes" in run("worker").refused("worker")


def test_a_database_or_a_folder_that_cannot_be_used_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    (open_folder / "file").write_text("not a folder")
    assert "file" in run("check", "--data-dir", open_folder / "file").refused("check")
    for url in ("postgresql://127.0.0.1:1/market", "mysql://127.0.0.1/market", "nonsense"):
        monkeypatch.setenv("DATABASE_URL", url)
        assert "PostgreSQL cannot be reached" in run("check", "--json").refused("check")


# -- simulate ----------------------------------------------------------------------------------------------------


def a_document(**changes: Any) -> bytes:
    lines = [
        {"id": name, "quantity_min": 1, "quantity_max": most, "limit_unit_price_krw": None}
        for name, most in (("a", 3), ("b", 2))
    ]
    document = {
        "offer": {
            "capacity": 20,
            "pack_size": 1,
            "tiers": [
                {"quantity_min": 2, "unit_price_krw": 1_000_000},
                {"quantity_min": 5, "unit_price_krw": 900_000},
            ],
        },
        "allocation_rule": "pro_rata",
        "pledges": [line | {"priority_class": 0, "sequence": n} for n, line in enumerate(lines)],
    }
    return json.dumps(document | changes).encode()


CLEARED = {
    "outcome": "cleared",
    "unit_price_krw": 900_000,
    "quantity": 5,
    "allocations": [{"pledge_id": "a", "quantity": 3}, {"pledge_id": "b", "quantity": 2}],
}


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_simulate_reads_a_file_or_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "round.json"
    file.write_bytes(a_document())
    ran = run("simulate", file)
    assert (ran.code, ran.document, ran.err) == (0, CLEARED, "")
    stdin(monkeypatch, a_document())
    assert run("simulate", "-") == ran
    assert not (tmp_path / "home").exists()  # it needs no database


def test_simulate_explains_on_demand(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, a_document())
    explained = run("simulate", "-", "--explain").document
    assert {name: explained[name] for name in CLEARED} == CLEARED
    assert (len(explained["tiers"]), len(explained["lines"])) == (2, 2)


def test_simulate_answers_line_by_line_and_tells_bad_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, a_document() + b"\n\n{\n" + a_document(pledges=[]) + b"\r\n\xff\n" + a_document())
    ran = run("simulate", "-", "--lines")
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert [answer.get("outcome") or answer["error"]["type"] for answer in answers] == [
        "cleared",
        "malformed_json",
        "shortfall",
        "malformed_json",
        "cleared",
    ]
    assert (ran.code, ran.err) == (1, "")
    stdin(monkeypatch, a_document() + b"\n" + a_document())
    assert run("simulate", "-", "--lines").code == 0
    stdin(monkeypatch, b"")
    assert run("simulate", "-", "--lines") == Ran(0, "", "")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "malformed_json"),
        (b"[]", "wrong_type"),
        (a_document(colour="red"), "unknown_field"),
        (a_document(allocation_rule="lottery"), "unknown_rule"),
    ],
)
def test_a_document_that_cannot_be_simulated_is_exit_1_with_its_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str
) -> None:
    stdin(monkeypatch, content)
    ran = run("simulate", "-")
    assert (ran.code, ran.err) == (1, "")
    assert ran.document["error"]["type"] == kind
    assert ran.document["error"]["detail"]


def test_a_file_that_cannot_be_read_is_one_sentence(run: Run, tmp_path: Path) -> None:
    for verb in (("simulate",), ("import", "offers")):
        for file in (tmp_path / "nowhere.csv", tmp_path):
            assert "cannot be read" in run(*verb, file).refused(verb[0])
    assert not (tmp_path / "home").exists()


# -- import and export -------------------------------------------------------------------------------------------

GOOD = "good-offer,alpha,weld-cell,50000000,2:48000000,20,60,yes"
BAD = "bad-offer,alpha,weld-cell,50000000,2:48000000,-1,60,yes"
COLUMNS = "code,vendor,package_model,list_unit_price_krw,tiers,capacity,lead_time_days,is_illustrative"


async def in_thread(run: Run, *arguments: object) -> Ran:
    """The verb has an event loop of its own."""
    return await asyncio.to_thread(run, *arguments)


async def listed(conn: asyncpg.Connection) -> tuple[int, ...]:
    return tuple(
        await conn.fetchrow(
            """
            SELECT (SELECT count(*) FROM offers), (SELECT count(*) FROM products), (SELECT count(*) FROM package_versions),
                   (SELECT count(*) FROM service_centers), (SELECT count(*) FROM events), (SELECT count(*) FROM search_dirty)
            """
        )
    )


async def test_a_file_with_a_bad_row_is_refused_whole_or_taken_in_part(
    run: Run, market: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    file = tmp_path / "offers.csv"
    file.write_text("\n".join([COLUMNS, GOOD, BAD]), encoding="utf-8")
    before = await listed(market.conn)
    for options in ((), ("--dry-run",), ("--dry-run", "--take-good-rows"), ("--vendor", "alpha")):
        ran = await in_thread(run, "import", "offers", file, "--json", *options)
        assert (ran.code, ran.err) == (1, ""), options
        assert set(ran.document) == {"new", "changed", "unchanged", "missing", "errors"}
        (error,) = ran.document["errors"]
        assert (ran.document["new"], error["line"], error["column"], error["found"]) == (
            1,
            3,
            "capacity",
            "-1",
        )
        assert error["expected"]
        assert await listed(market.conn) == before, options
    spoken = await in_thread(run, "import", "offers", file)
    assert (spoken.code, spoken.out) == (1, "")
    assert "line 3, capacity: found '-1', expected" in spoken.err
    taken = await in_thread(run, "import", "offers", file, "--json", "--take-good-rows")
    assert (taken.code, taken.document["new"], len(taken.document["errors"])) == (0, 1, 1)
    codes = await market.conn.fetch("SELECT code FROM offers ORDER BY code")
    assert [row[0] for row in codes] == ["good-offer", "weld-offer"]


async def test_what_cannot_be_imported_or_exported_is_refused(
    run: Run, market: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    before = await listed(market.conn)
    for name, content in (("a.csv", b"\xff\xfe\x00\x81"), ("a.xls", b"x"), ("b.csv", b"")):
        (tmp_path / name).write_bytes(content)
        ran = await in_thread(run, "import", "offers", tmp_path / name, "--json", "--take-good-rows")
        assert ran.code == 1, name
        assert ran.document["errors"], name
    good = tmp_path / "offers.csv"
    good.write_text("\n".join([COLUMNS, GOOD]), encoding="utf-8")
    unknown = await in_thread(run, "import", "offers", good, "--vendor", "nobody")
    assert "nobody" in unknown.refused("import")
    assert "mill" in (await in_thread(run, "import", "offers", good, "--vendor", "mill")).refused("import")
    with (tmp_path / "large.csv").open("wb") as large:
        large.truncate(20 * 1024 * 1024 + 1)
    assert "MiB" in (await in_thread(run, "import", "offers", tmp_path / "large.csv")).refused("import")
    assert await listed(market.conn) == before
    assert ".txt" in (await in_thread(run, "export", "offers", tmp_path / "x.txt")).refused("export")
    nowhere = tmp_path / "nowhere" / "x.csv"
    assert "cannot be written" in (await in_thread(run, "export", "offers", nowhere)).refused("export")


async def test_an_export_imports_as_unchanged(
    run: Run, market: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    before = await listed(market.conn)
    for kind in IMPORT_KINDS:
        for suffix in ("csv", "jsonl"):
            file = tmp_path / f"{kind}.{suffix}"
            assert await in_thread(run, "export", kind, file) == Ran(0, "", "")
            ran = await in_thread(run, "import", kind, file, "--json")
            assert (ran.code, ran.document["errors"]) == (0, []), (kind, suffix)
            assert {ran.document[name] for name in ("new", "changed", "missing")} == {0}, (kind, suffix)
    assert await listed(market.conn) == before


async def test_check_finds_what_does_not_hold(
    run: Run, market: Any, database: str, owner_conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    await market.open_round("weld-1", "weld-offer")
    ran = await in_thread(run, "check", "--json")
    assert (ran.code, ran.document["ok"], ran.err) == (0, True, "")
    assert all(result["violations"] == [] for result in ran.document["invariants"])
    await owner_conn.execute("UPDATE events SET kind = 'round.lost' WHERE subject = 'round'")
    ran = await in_thread(run, "check", "--json")
    assert (ran.code, ran.document["ok"]) == (1, False)
    assert [r["violations"] for r in ran.document["invariants"] if r["violations"]] == [["weld-1"]]
    spoken = await in_thread(run, "check")
    assert (spoken.code, spoken.out) == (1, "")
    assert spoken.err.count("FAIL") == 1


async def test_search_prints_json_alone_whatever_the_limit(
    run: Run, market: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    for limit, count in ((1, 1), (0, 1), (-5, 1), (1_000_000_000, 2)):
        ran = await in_thread(run, "search", "협동로봇", "--kind", "product", "--limit", limit, "--json")
        assert (ran.code, ran.document["total"], len(ran.document["hits"])) == (0, 2, count), ran
    named = await in_thread(run, "search", "cobot", "--kind", "product", "--lang", "en")
    assert sorted(line.split()[0] for line in named.out.splitlines()) == ["cobot-10", "cobot-5"]


def test_the_schema_is_brought_up_in_an_empty_database_once(
    run: Run, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    for _ in range(2):
        assert run("migrate") == Ran(0, "", "the schema is up to date\n")


def test_a_verb_on_an_empty_folder_makes_the_demo_and_prints_json_alone(open_folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "MEILI_URL"}}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "marketplace",
            "search",
            "PLC",
            "--json",
            "--data-dir",
            str(open_folder / "home"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["total"] > 0
