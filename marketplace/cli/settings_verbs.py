"""search-settings: the settings of the search indexes on a Meilisearch server, compared and applied."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from catalog.shadowing import prepare_shadow
from marketplace.cli.market import Refused, open_market, print_json, say, settings_of
from marketplace.settings import Settings
from marketplace.worker import SEARCH_TARGET
from search_config.documents import IndexName
from search_config.lifecycle import apply_settings, drop_old, read_state
from search_config.meilisearch_engine import MeilisearchEngine
from search_config.settings import INDEX_NAMES


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    verb = verbs.add_parser(
        "search-settings",
        parents=[common],
        help="compare a Meilisearch server's settings with ours, or apply them",
    )
    verb.add_argument(
        "action", choices=("diff", "apply"), help="diff changes nothing; apply twice is apply once"
    )
    verb.add_argument(
        "index", nargs="?", choices=INDEX_NAMES, metavar="INDEX", help="one index (default: all)"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_search_settings)


async def run_search_settings(options: argparse.Namespace) -> int:
    """`diff` leaves with 1 when something differs; `apply` brings the server to our settings."""
    settings = settings_of(options)
    if not settings.meili_url:
        raise Refused("MEILI_URL is not set; the embedded engine needs no settings applied, only `reindex`")
    indexes: tuple[IndexName, ...] = (options.index,) if options.index else INDEX_NAMES
    engine = _open(settings, {})
    try:
        if options.action == "diff":
            return await _diff(engine, indexes, as_json=options.json)
        return await _apply(engine, settings, indexes, as_json=options.json)
    finally:
        await engine.close()


def _open(settings: Settings, uids: Mapping[IndexName, str]) -> MeilisearchEngine:
    return MeilisearchEngine(settings.meili_url, key=settings.meili_master_key, uids=uids)


async def _diff(engine: MeilisearchEngine, indexes: tuple[IndexName, ...], *, as_json: bool) -> int:
    states = [await read_state(engine, index) for index in indexes]
    if as_json:
        print_json(msgspec.to_builtins(states))
    else:
        for state in states:
            for change in state.changes if state.exists else ():
                print(f"{state.uid}: {change.key} ({change.kind})")
            if not state.exists:
                print(f"{state.uid}: does not exist")
    return 0 if all(state.exists and not state.changes for state in states) else 1


async def _apply(
    engine: MeilisearchEngine, settings: Settings, indexes: tuple[IndexName, ...], *, as_json: bool
) -> int:
    applied = []
    async with open_market(settings) as market, market.connection() as conn:
        for index in indexes:
            dropped = await drop_old(engine, index, now=datetime.now(UTC))
            done = await apply_settings(
                engine,
                index,
                open_shadow=lambda uids: _open(settings, uids),
                preparation=prepare_shadow(conn, index=index, target=SEARCH_TARGET),
            )
            applied.append(done)
            say(f"{index}: {done.outcome}{_what(done.keys)}")
            for uid in dropped:
                say(f"{index}: dropped the old {uid}")
    if as_json:
        print_json(msgspec.to_builtins(applied))
    return 0


def _what(keys: tuple[str, ...]) -> str:
    return f" ({', '.join(keys)})" if keys else ""
