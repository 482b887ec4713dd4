"""reconcile."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from group_buy.gateway import GatewayUnavailable, PaymentGateway
from group_buy.reconciling import Reconciliation, reconcile
from marketplace.cli.market import Refused, open_market, print_json, say, settings_of
from marketplace.cli.serve_verbs import PEER_FILE, PEER_STATE, make_gateway
from marketplace.db import create_pool
from marketplace.settings import Settings


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    verb = verbs.add_parser(
        "reconcile", parents=[common], help="compare the card charges with the payment provider's books"
    )
    verb.add_argument("--days", type=int, help="only objects of the last N days (default: all)")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_reconcile)


async def run_reconcile(options: argparse.Namespace) -> int:
    """Match every object of the provider, resolve what is open, list what differs; exit 1 when something does."""
    if options.days is not None and not 1 <= options.days <= 36_500:
        raise Refused("--days takes a number from 1 to 36500.")
    settings = settings_of(options)
    since = None if options.days is None else datetime.now(UTC) - timedelta(days=options.days)
    async with (
        open_market(settings, seed=True) as market,
        await create_pool(market.dsn, size_max=2) as pool,
        reachable_gateway(settings) as gateway,
    ):
        if gateway is None:
            found = Reconciliation(0, 0, [])
            if await pool.fetchval("SELECT EXISTS (SELECT FROM charge_attempts)"):
                raise Refused(
                    "Cards are not set up here, but there are charges by card: set STRIPE_SECRET_KEY."
                )
        else:
            try:
                found = await reconcile(pool, gateway, since=since)
            except GatewayUnavailable as error:
                raise Refused(f"The payment provider does not answer ({error.reason}): try again.") from error
    if options.json:
        print_json({"ok": not found.findings, **msgspec.structs.asdict(found)})
    else:
        say(f"{found.objects} objects compared, {found.resolved} charges resolved")
        for each in found.findings:
            say(
                f"FOUND {each.kind} {each.provider_ref} {each.krw:,} won, charge {each.charge_id}: {each.detail}"
            )
    return 1 if found.findings else 0


@asynccontextmanager
async def reachable_gateway(settings: Settings) -> AsyncIterator[PaymentGateway | None]:
    """The provider of the settings; else the demo's own, running or started for the moment; else None."""
    peer = None
    if not settings.takes_cards and not settings.database_url:
        settings, peer = await asyncio.to_thread(_demo_provider, settings)
    gateway = make_gateway(settings)
    try:
        yield gateway
    finally:
        if gateway is not None:
            await gateway.close()
        if peer is not None:
            await asyncio.to_thread(peer.stop)


def _demo_provider(settings: Settings) -> tuple[Settings, Any]:
    """Settings that reach the demo's provider, and its process if it was started here."""
    from marketplace.payments.local_stripe import (  # noqa: PLC0415 - the extra [demo] is optional
        LocalStripe,
        LocalStripeUnavailable,
    )

    state = settings.data_dir / PEER_STATE
    if not state.exists():
        return settings, None
    peer = LocalStripe(state=state)
    try:
        peer.start()
    except LocalStripeUnavailable as error:
        # The running demo has it: it left the way there in a private file.
        running = settings.data_dir / PEER_FILE
        try:
            fields = msgspec.json.decode(running.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            raise Refused(str(error)) from error
        return msgspec.structs.replace(settings, **fields), None
    started = msgspec.structs.replace(
        settings,
        stripe_secret_key=peer.secret_key,
        stripe_publishable_key=peer.publishable_key,
        stripe_webhook_secret=peer.webhook_secret,
        stripe_api_base=peer.url,
    )
    return started, peer
