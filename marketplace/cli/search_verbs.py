"""search, search-eval and reindex."""

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from marketplace.cli.market import (
    Refused,
    catch_up,
    open_market,
    print_json,
    rebuild_index,
    rebuild_outdated,
    say,
    settings_of,
)
from marketplace.settings import read_settings
from search_config.embedded_engine import EmbeddedEngine
from search_config.engine import SearchEngine, SearchPage
from search_config.evaluation import Judgment, judge, read_corpus, read_queries
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
    evaluate = verbs.add_parser(
        "search-eval", parents=[common], help="judge search on any corpus and graded queries (JSON Lines)"
    )
    evaluate.add_argument("corpus", type=Path, metavar="CORPUS.jsonl")
    evaluate.add_argument("queries", type=Path, metavar="QUERIES.jsonl")
    evaluate.add_argument("--engine", choices=("embedded", "meilisearch"), default="embedded")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=run_search_eval)
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


async def run_search_eval(options: argparse.Namespace) -> int:
    """Fill a throw-away index with the corpus, ask every query and print nDCG@10; needs no database."""
    for path in (options.corpus, options.queries):
        if not path.is_file():
            raise Refused(f"{path} is not a file")
    queries = read_queries(options.queries)
    with tempfile.TemporaryDirectory(prefix="search-eval-") as home:
        async with throw_away_engine(options.engine, Path(home)) as engine:
            judgment = await judge(engine, read_corpus(options.corpus), queries)
    if options.json:
        print_json(msgspec.to_builtins(judgment))
    else:
        print_judgment(judgment)
    return 0


@asynccontextmanager
async def throw_away_engine(name: str, home: Path) -> AsyncIterator[SearchEngine]:
    """An engine whose indexes are nobody else's and go when the block ends.

    Raises:
        Refused: that engine is not at hand.
    """
    if name == "embedded":
        embedded = EmbeddedEngine(home)
        yield embedded
        await embedded.close()
        return
    settings = read_settings()
    if not settings.meili_url:
        raise Refused("MEILI_URL is not set: there is no Meilisearch server to judge.")
    from search_config.meilisearch_engine import MeilisearchEngine  # noqa: PLC0415 - loads its client

    server = MeilisearchEngine(
        settings.meili_url, key=settings.meili_master_key, prefix=f"search-eval-{uuid4().hex[:12]}-"
    )
    try:
        yield server
    finally:
        await server.drop_indexes()
        await server.close()


def print_judgment(judgment: Judgment) -> None:
    """The verdict as a table for people."""
    for name, ndcg in judgment.types.items():
        print(f"{name:24} {ndcg:.3f}")
    print(f"{'all':24} {judgment.ndcg_at_10:.3f}")
    say(
        f"{judgment.queries} queries, {judgment.zero_results} without a result, "
        f"p50 {judgment.p50_ms} ms, p99 {judgment.p99_ms} ms"
    )


async def run_reindex(options: argparse.Namespace) -> int:
    """Build one index, or all, aside and swap; searches go on meanwhile."""
    async with open_market(settings_of(options), seed=True) as market:
        engine = market.open_engine()
        for index in (options.index,) if options.index else INDEX_NAMES:
            count = await rebuild_index(market, engine, index)
            say(f"{index}: {count} documents")
        await engine.close()
    return 0
