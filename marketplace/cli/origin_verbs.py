"""origin: is a thing Korean by the rule of the law, on paper; needs no database."""

import argparse
from typing import Any

from catalog.core.origin_rule import OriginInputError, OriginJudgment, judge_goods, judge_software
from marketplace.cli.market import print_json, say


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verb."""
    origin = verbs.add_parser(
        "origin",
        parents=[common],
        help="judge Korean origin by 대외무역관리규정 article 86, or software by the declared rule",
    )
    origin.add_argument(
        "--hs-in",
        nargs="+",
        default=[],
        metavar="HS",
        help="HS codes of the imported materials, 6 to 10 digits",
    )
    origin.add_argument("--hs-out", metavar="HS", help="HS code of the goods")
    origin.add_argument("--cost", type=int, required=True, metavar="WON", help="whole manufacturing cost")
    origin.add_argument(
        "--cif", type=int, required=True, metavar="WON", help="CIF value of the imported materials in it"
    )
    origin.add_argument(
        "--simple-processing", action="store_true", help="only simple processing was done here"
    )
    origin.add_argument(
        "--software", action="store_true", help="judge software: --cif is then what was bought abroad"
    )
    origin.add_argument(
        "--source-held", action="store_true", help="with --software: a Korean organization holds the source"
    )
    origin.add_argument("--json", action="store_true", help="print JSON")
    origin.set_defaults(run=run_origin, parser=origin)


async def run_origin(options: argparse.Namespace) -> int:
    """Print the judgment. Exit 0 whatever it is; what cannot be judged is a usage error."""
    if not options.software and options.hs_out is None:
        options.parser.error("--hs-out is needed, but for software")
    try:
        found = _judge(options)
    except OriginInputError as error:
        options.parser.error(f"{error.field}: {error}")
    if options.json:
        print_json(found)
    else:
        for step in found.steps:
            say(f"{ {True: '+', False: '-', None: ' '}[step.is_met] } {step.ko} [{step.law}]")
        say(f"{'국산' if found.domestic else '국산 아님'}: {found.rule}, {found.ratio_bp} bp")
    return 0


def _judge(options: argparse.Namespace) -> OriginJudgment:
    if options.software:
        return judge_software(
            cost_krw=options.cost, foreign_cost_krw=options.cif, holds_source=options.source_held
        )
    codes = [code for text in options.hs_in for code in text.split(",") if code.strip()]
    return judge_goods(
        hs_in=codes,
        hs_out=options.hs_out,
        cost_krw=options.cost,
        cif_krw=options.cif,
        is_simple_processing=options.simple_processing,
    )
