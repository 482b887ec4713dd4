"""statement."""

import argparse
from datetime import date
from typing import Any

from group_buy.ledger import read_statement
from marketplace.cli.market import open_market, print_json, say, settings_of


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    statement = verbs.add_parser(
        "statement", parents=[common], help="what a buyer or sponsor owes or a vendor is owed, entry by entry"
    )
    statement.add_argument("side", choices=("buyer", "vendor", "sponsor"))
    statement.add_argument("code", metavar="CODE", help="the organization's code")
    statement.add_argument("--since", type=date.fromisoformat, help="first Korean day, YYYY-MM-DD")
    statement.add_argument("--until", type=date.fromisoformat, help="last Korean day, YYYY-MM-DD")
    statement.add_argument("--json", action="store_true", help="print JSON")
    statement.set_defaults(run=run_statement)


async def run_statement(options: argparse.Namespace) -> int:
    """Print the statement of one organization. Won, debits and credits from the ledger."""
    async with open_market(settings_of(options), seed=True) as market, market.connection() as conn:
        statement = await read_statement(
            conn, side=options.side, code=options.code, since=options.since, until=options.until
        )
    if options.json:
        print_json(statement)
        return 0
    for line in statement.lines:
        say(
            f"{line.at:%Y-%m-%d %H:%M} {line.round_code} {line.reason:<18} {line.account:<20} "
            f"{line.debit_krw:>15,} {line.credit_krw:>15,} {line.balance_krw:>15,}"
        )
    for balance in statement.balances:
        say(f"{balance.account:<20} {balance.balance_krw:>15,}")
    if statement.side == "vendor":
        say(f"{'outstanding':<20} {statement.outstanding_krw:>15,}")
    if statement.is_cut:
        say("There are more entries: ask for a shorter period with --since and --until.")
    return 0
