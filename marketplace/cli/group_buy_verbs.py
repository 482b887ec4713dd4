"""simulate and check."""

import argparse
import sys
from pathlib import Path
from typing import Any

from group_buy.checks import check_invariants
from group_buy.core.simulation import simulate_json
from marketplace.cli.market import Refused, open_market, print_json, say, settings_of


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    simulate = verbs.add_parser("simulate", help="clear a round on paper: who would get what at which price")
    simulate.add_argument("file", metavar="FILE", help="one JSON object; - reads standard input")
    simulate.add_argument("--lines", action="store_true", help="JSON Lines: one answer a line, in order")
    simulate.add_argument(
        "--explain", action="store_true", help="add the tier table and a reason for each line"
    )
    simulate.set_defaults(run=run_simulate)
    check = verbs.add_parser(
        "check", parents=[common], help="prove that sums, states and the event chain hold"
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run_check)


async def run_simulate(options: argparse.Namespace) -> int:
    """Answer from the same pure function that closes real rounds; needs no database."""
    try:
        text = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()  # noqa: ASYNC240
    except OSError as error:
        raise Refused(f"{options.file} cannot be read: {error.strerror}.") from error
    documents = [line for line in text.splitlines() if line.strip()] if options.lines else [text]
    all_ok = True
    for document in documents:
        answer, ok = simulate_json(document, explain=options.explain)
        sys.stdout.buffer.write(answer + b"\n")
        all_ok = all_ok and ok
    sys.stdout.flush()
    return 0 if all_ok else 1


async def run_check(options: argparse.Namespace) -> int:
    """Run every invariant; exit 1 when one is violated."""
    async with open_market(settings_of(options), seed=True) as market, market.connection() as conn:
        results = await check_invariants(conn)
    ok = not any(result.violations for result in results)
    if options.json:
        print_json({"ok": ok, "invariants": results})
    else:
        for result in results:
            say(f"{'ok  ' if not result.violations else 'FAIL'} {result.name} {result.violations or ''}")
    return 0 if ok else 1
