"""The command `marketplace`: one verb a line, JSON on standard output where a program reads it.

Exit 0 = done, 1 = refused or findings, 2 = usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from catalog.errors import CatalogError
from group_buy.errors import GroupBuyError
from marketplace.access_log import set_up_logging
from marketplace.cli import (
    bank_verbs,
    catalog_verbs,
    compare_verbs,
    group_buy_verbs,
    money_verbs,
    origin_verbs,
    payment_verbs,
    search_verbs,
    serve_verbs,
    settings_verbs,
)
from marketplace.cli.market import Refused
from marketplace.db import DatabaseUnavailable, MigrationError
from marketplace.settings import SettingsError
from search_config.errors import SearchError

PYTHON_MIN = (3, 11)
REFUSALS = (
    Refused,
    SettingsError,
    DatabaseUnavailable,
    MigrationError,
    CatalogError,
    GroupBuyError,
    SearchError,
)


def build_parser() -> argparse.ArgumentParser:
    """All verbs with their options."""
    parser = argparse.ArgumentParser(prog="marketplace", description="The Smart Factory Alliance marketplace")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data-dir",
        type=Path,
        default=None,
        help="folder of the embedded database and search index (default: ./.marketplace or MARKETPLACE_DATA_DIR)",
    )
    for module in (
        serve_verbs,
        catalog_verbs,
        compare_verbs,
        origin_verbs,
        search_verbs,
        settings_verbs,
        group_buy_verbs,
        money_verbs,
        bank_verbs,
        payment_verbs,
    ):
        module.add_verbs(verbs, common)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and leave with its exit code."""
    if sys.version_info < PYTHON_MIN:
        sys.exit(
            f"Python {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer is needed; this is {sys.version.split()[0]}."
        )
    options = build_parser().parse_args(arguments)
    set_up_logging("warning", to_people=True)
    try:
        code = asyncio.run(options.run(options))
    except REFUSALS as error:
        print(f"marketplace {options.verb}: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
