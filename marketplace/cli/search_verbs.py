"""search and reindex."""

import argparse
from typing import Any

from marketplace.cli.market import (
    catch_up,
    open_market,
    print_json,
    rebuild_index,
    rebuild_outdated,
    say,
    settings_of,
)
from search_config.engine import SearchPage
from search_config.query import Principal, SearchQuery
from search_config.settings import INDEX_NAMES

KINDS = ("package_model", "product")


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    search = verbs.add_parser("search", parents=[common], help="search products and package models")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("--limit", type=int, default=10, help="most hits (default 10)")
    search.add_argument("--kind", choices=KINDS, help="only package models or only products")
    search.add_argument("--lang", choices=("ko", "en"), default="ko", help="language of the printed names")
    search.add_argument("--json", action="store_true", help="print JSON")
    search.set_defaults(run=run_search)
    reindex = verbs.add_parser("reindex", parents=[common], help="build a fresh search index and swap it in")
    reindex.add_argument(
        "index", nargs="?", choices=INDEX_NAMES, metavar="INDEX", help="one index (default: all)"
    )
    reindex.set_defaults(run=run_reindex)


async def run_search(options: argparse.Namespace) -> int:
    """Search the demo or the market of the environment, as a visitor who is not signed in."""
    async with open_market(settings_of(options), seed=True) as market:
        engine = market.open_engine()
        await rebuild_outdated(market, engine)
        await catch_up(market, engine)
        query = SearchQuery(
            text=options.query, kinds=(options.kind,) if options.kind else (), page_size=max(1, options.limit)
        )
        page = await engine.search(query, Principal())
        await engine.close()
    if options.json:
        print_json(search_document(options.query, page))
        return 0
    for hit in page.hits:
        document: Any = hit.document
        name = document.name_en if options.lang == "en" else document.name_ko
        print(f"{document.code:48}  {name}")
    say(f"{page.total} found")
    return 0


def search_document(query: str, page: SearchPage) -> dict[str, Any]:
    """The JSON of contracts.md for one page of hits."""
    hits = []
    for hit in page.hits:
        document: Any = hit.document
        hits.append(
            {
                "kind": document.kind,
                "code": document.code,
                "name_ko": document.name_ko,
                "name_en": document.name_en,
                "vendor": document.vendor_code,
                "score": hit.score,
            }
        )
    return {"query": query, "rewritten": page.rewritten, "total": page.total, "hits": hits}


async def run_reindex(options: argparse.Namespace) -> int:
    """Build one index, or all, aside and swap; searches go on meanwhile."""
    async with open_market(settings_of(options), seed=True) as market:
        engine = market.open_engine()
        for index in (options.index,) if options.index else INDEX_NAMES:
            count = await rebuild_index(market, engine, index)
            say(f"{index}: {count} documents")
        await engine.close()
    return 0
