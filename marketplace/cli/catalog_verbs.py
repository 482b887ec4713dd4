"""import and export."""

import argparse
from pathlib import Path
from typing import Any

from catalog.core.import_rows import FILE_BYTES_MAX, read_batches
from catalog.core.listing_rows import IMPORT_KINDS
from catalog.core.viewer import Viewer
from catalog.exporting import EXPORT_SUFFIXES, export_rows, write_export
from catalog.importing import apply_import, check_import, report_document
from catalog.vendors import get_organization_id
from marketplace.cli.market import Refused, open_market, print_json, say, settings_of


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    bring = verbs.add_parser(
        "import",
        parents=[common],
        help="list things from a file; the format is told by its suffix: .csv .xlsx .jsonl .aasx",
    )
    bring.add_argument("kind", choices=IMPORT_KINDS, metavar="KIND", help=", ".join(IMPORT_KINDS))
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument("--dry-run", action="store_true", help="only say what would happen")
    bring.add_argument(
        "--take-good-rows", action="store_true", help="write the good rows although others have errors"
    )
    bring.add_argument("--vendor", metavar="CODE", help="act for this vendor (default: for the coordinator)")
    bring.add_argument("--json", action="store_true", help="print JSON")
    bring.set_defaults(run=run_import)
    export = verbs.add_parser(
        "export", parents=[common], help="write everything of a kind to a file: .csv .xlsx .jsonl"
    )
    export.add_argument("kind", choices=IMPORT_KINDS, metavar="KIND", help=", ".join(IMPORT_KINDS))
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--vendor", metavar="CODE", help="only what this vendor lists")
    export.set_defaults(run=run_export)


async def run_import(options: argparse.Namespace) -> int:
    """Import a file: all of it, nothing, or the good rows."""
    path: Path = options.file
    try:
        if path.stat().st_size > FILE_BYTES_MAX:  # noqa: ASYNC240 - one file before any other work
            raise Refused(f"{path} is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB: split it.")
        content = path.read_bytes()  # noqa: ASYNC240
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    table = read_batches(content, suffix=path.suffix)
    async with (
        open_market(settings_of(options), seed=True) as market,
        market.connection() as conn,
        conn.transaction(),
    ):
        viewer = await _viewer(conn, options.vendor)
        if options.dry_run:
            report = await check_import(conn, kind=options.kind, table=table, viewer=viewer)
        else:
            report = await apply_import(
                conn, kind=options.kind, table=table, viewer=viewer, take_good_rows=options.take_good_rows
            )
    if options.json:
        print_json(report_document(report))
    else:
        say(
            f"new {report.new}, changed {report.changed}, unchanged {report.unchanged}, missing {report.missing}"
        )
        for row in report.errors:
            say(f"line {row.line}, {row.column}: found {row.found!r}, expected {row.expected}")
    return 0 if not report.errors or (report.is_applied and options.take_good_rows) else 1


async def _viewer(conn: Any, vendor: str | None) -> Viewer:
    if vendor is not None:
        return Viewer(await get_organization_id(conn, code=vendor, kind="vendor"), "vendor")
    coordinator_id = await conn.fetchval(
        "SELECT id FROM organizations WHERE kind = 'coordinator' ORDER BY id LIMIT 1"
    )
    if coordinator_id is None:
        raise Refused("There is no coordinator yet: name a vendor with --vendor.")
    return Viewer(coordinator_id, "coordinator")


async def run_export(options: argparse.Namespace) -> int:
    """Export in the shape that imports as all unchanged."""
    path: Path = options.file
    if path.suffix.lower() not in EXPORT_SUFFIXES:
        raise Refused(f"{path} should end in one of {', '.join(EXPORT_SUFFIXES)}.")
    async with open_market(settings_of(options), seed=True) as market, market.connection() as conn:
        owner_id = None
        if options.vendor is not None:
            owner_id = await get_organization_id(conn, code=options.vendor, kind="vendor")
        rows = await export_rows(conn, kind=options.kind, owner_id=owner_id)
        content = write_export(options.kind, rows, suffix=path.suffix.lower())
    try:
        path.write_bytes(content)  # noqa: ASYNC240 - the last thing this command does
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    return 0
