"""bank-import."""

import argparse
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from catalog.core.import_rows import FILE_BYTES_MAX
from catalog.events import Actor
from catalog.vendors import get_organization_id
from marketplace.bank_files import take_statement
from marketplace.cli.market import Refused, open_market, print_json, say, settings_of


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    bring = verbs.add_parser(
        "bank-import",
        parents=[common],
        help="match a bank's statement (CSV in UTF-8 or CP949) to invoices and deposits",
    )
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument(
        "--account", default="", metavar="NUMBER", help="needed where the file does not name its account"
    )
    bring.add_argument("--dry-run", action="store_true", help="only say what would be booked")
    bring.add_argument(
        "--take-good-rows", action="store_true", help="book the good rows although others have errors"
    )
    bring.add_argument("--vendor", metavar="CODE", help="act for this vendor (default: for the coordinator)")
    bring.add_argument("--json", action="store_true", help="print JSON")
    bring.set_defaults(run=run_bank_import)


async def run_bank_import(options: argparse.Namespace) -> int:
    """Book a statement, or say what booking it would do; exit 1 where rows have errors and nothing was booked."""
    path: Path = options.file
    try:
        if path.stat().st_size > FILE_BYTES_MAX:  # noqa: ASYNC240 - one file before any other work
            raise Refused(f"{path} is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB: split it.")
        content = path.read_bytes()  # noqa: ASYNC240
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    async with (
        open_market(settings_of(options), seed=True) as market,
        market.connection() as conn,
        conn.transaction(),
    ):
        report = await take_statement(
            conn,
            import_id=uuid4(),
            content=content,
            file_name=path.name,
            account=options.account,
            is_dry_run=options.dry_run,
            take_good_rows=options.take_good_rows,
            actor=Actor(None, await _organization_id(conn, options.vendor)),
        )
    if options.json:
        print_json(msgspec.to_builtins(report) | {"is_dry_run": options.dry_run})
    else:
        say(
            f"new {report.new}, known {report.known}, booked {len(report.booked)}, unmatched {len(report.unmatched)}"
        )
        for line in report.unmatched:
            say(f"line {line.line}: {line.remitter} {line.received_krw:,} won: {line.reason}")
        for row in report.errors:
            say(f"line {row.line}, {row.column}: found {row.found!r}, expected {row.expected}")
    return 0 if report.is_applied else 1


async def _organization_id(conn: Any, vendor: str | None) -> int:
    if vendor is not None:
        return await get_organization_id(conn, code=vendor, kind="vendor")
    coordinator_id = await conn.fetchval(
        "SELECT id FROM organizations WHERE kind = 'coordinator' ORDER BY id LIMIT 1"
    )
    if coordinator_id is None:
        raise Refused("There is no coordinator yet: name a vendor with --vendor.")
    return int(coordinator_id)
