"""`bank-import` as nightly jobs call it: JSON alone, exit codes, and no line booked twice."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided
from marketplace.bank_files import keep_checked_file, read_checked_file, remove_checked_files
from marketplace.cli import build_parser
from marketplace.cli.market import Refused

HEADER = "계좌번호: 110-123-456789\n\n거래일시,적요,입금액,출금액,잔액\n"


async def run(monkeypatch: Any, database: str, capsys: Any, *arguments: str) -> tuple[int, Any]:
    monkeypatch.setenv("DATABASE_URL", database)
    options = build_parser().parse_args(["bank-import", *arguments, "--json"])
    code = await options.run(options)
    return code, json.loads(capsys.readouterr().out)


async def reference(conn: asyncpg.Connection) -> str:
    actor = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=actor)
    await fund(conn, await a_pledge(conn, buying_round, "hanbit", 2))
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    return str(await conn.fetchval("SELECT reference FROM invoices"))


async def test_a_dry_run_says_what_a_run_does_and_a_second_run_does_nothing(
    conn: asyncpg.Connection, monkeypatch: Any, database: str, capsys: Any, tmp_path: Path
) -> None:
    file = tmp_path / "statement.csv"
    text = HEADER + f'2026-11-02 10:00:00,{await reference(conn)},"2,200,000",0,"2,200,000"\n'
    file.write_bytes(text.encode("cp949"))
    code, dry = await run(monkeypatch, database, capsys, str(file), "--dry-run")
    assert (code, dry["is_dry_run"], dry["new"], dry["account"]) == (0, True, 1, "110123456789")
    assert await conn.fetchval("SELECT count(*) FROM bank_lines") == 0
    code, booked = await run(monkeypatch, database, capsys, str(file))
    assert (code, booked | {"is_dry_run": True}) == (0, dry)
    assert await conn.fetchval("SELECT state FROM charges") == "captured"
    code, again = await run(monkeypatch, database, capsys, str(file))
    assert (code, again["new"], again["known"], again["booked"]) == (0, 0, 1, [])


async def test_errors_are_exit_1_and_name_line_and_column(
    conn: asyncpg.Connection, monkeypatch: Any, database: str, capsys: Any, tmp_path: Path
) -> None:
    await a_coordinator(conn)
    file = tmp_path / "statement.csv"
    file.write_text(HEADER + "2026-11-02,가,-5,0,5\n2026-11-02,나,5,0,10\n", encoding="utf-8")
    code, report = await run(monkeypatch, database, capsys, str(file))
    assert (code, report["is_applied"]) == (1, False)
    assert [(error["line"], error["column"], error["found"]) for error in report["errors"]] == [
        (4, "입금액", "-5")
    ]
    assert await conn.fetchval("SELECT count(*) FROM bank_lines") == 0
    code, report = await run(monkeypatch, database, capsys, str(file), "--take-good-rows")
    assert (code, report["new"]) == (0, 1)


async def test_a_file_that_is_not_there_is_refused(
    conn: asyncpg.Connection, monkeypatch: Any, database: str, capsys: Any, tmp_path: Path
) -> None:
    with pytest.raises(Refused):
        await run(monkeypatch, database, capsys, str(tmp_path / "no.csv"))
    assert await conn.fetchval("SELECT count(*) FROM bank_imports") == 0


async def test_a_checked_file_is_its_organizations_and_forgotten_after_a_day(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(conn)
    import_id = uuid4()
    await keep_checked_file(conn, import_id=import_id, content=b"x", file_name="a.csv", actor=actor)
    assert actor.organization_id is not None
    mine = await read_checked_file(conn, import_id=import_id, organization_id=actor.organization_id)
    assert mine == ("a.csv", b"x")
    assert await read_checked_file(conn, import_id=import_id, organization_id=0) is None
    assert await remove_checked_files(conn) == 0
    await owner_conn.execute("UPDATE files SET expires_at = clock_timestamp() - interval '1 second'")
    assert await remove_checked_files(conn) == 1
    assert await conn.fetchval("SELECT count(*) FROM file_contents") == 0
