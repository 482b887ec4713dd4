"""compare: two to eight package models or products side by side."""

import argparse
from typing import Any

from catalog.core.comparison import ITEMS_MAX, ITEMS_MIN
from catalog.core.viewer import ANONYMOUS
from marketplace.cli.market import open_market, print_json, say, settings_of
from marketplace.web.comparison_file import cell_text, comparison_document
from marketplace.web.comparison_reading import Comparison, read_comparison
from marketplace.web.labels import label


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verb."""
    compare = verbs.add_parser(
        "compare", parents=[common], help="put two to eight package models or products side by side"
    )
    compare.add_argument("codes", nargs="+", metavar="CODE")
    compare.add_argument(
        "--with",
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a figure of your factory, as in the page's address: years=3, energy_price=150, training.CODE=2000000",
    )
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(run=run_compare, parser=compare)


async def run_compare(options: argparse.Namespace) -> int:
    """Compare as a visitor who is not signed in. Exit 1 when something named is not there."""
    if not ITEMS_MIN <= len(set(options.codes)) <= ITEMS_MAX:
        options.parser.error(f"name {ITEMS_MIN} to {ITEMS_MAX} different codes")
    query = dict(text.partition("=")[::2] for text in options.inputs)
    async with open_market(settings_of(options), seed=True) as market, market.connection() as conn:
        comparison = await read_comparison(conn, ids=options.codes, query=query, viewer=ANONYMOUS)
    if options.json:
        print_json(comparison_document(comparison))
    else:
        _say_table(comparison)
    if comparison.missing:
        say(f"nothing is listed under {', '.join(comparison.missing)}")
    return 1 if comparison.missing else 0


def _say_table(comparison: Comparison) -> None:
    say(" | ".join(["", *(column.listing.name_ko for column in comparison.columns)]))
    for group in comparison.groups:
        say(f"[{label('compare_group', group.code)}]")
        for row in group.rows:
            name = label("compare_row", row.code) if row.code else row.name_ko
            cells = [cell_text(row, cell, "ko") + (" *" if cell.best else "") for cell in row.cells]
            say(" | ".join([name, *cells]))
