"""demo, serve, worker, migrate: what runs the market."""

import argparse
import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from group_buy.gateway import PaymentGateway
from marketplace.access_log import set_up_logging
from marketplace.app import create_app
from marketplace.cli.market import (
    Market,
    Refused,
    catch_up,
    open_market,
    rebuild_outdated,
    say,
    settings_of,
    stop_event,
)
from marketplace.db import connect, create_pool
from marketplace.demo.seed import top_up_rounds
from marketplace.settings import Settings, require_production_ready
from marketplace.worker import loops, running

LOOPBACK = "127.0.0.1"
STOP_SECONDS_MAX = 10
CONNECTIONS_MAX = 1_000
"""Requests under way at a time. Each page that watches a round keeps one; with the server's own 128, as many viewers
would keep everybody else waiting."""


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Declare this module's verbs."""
    demo = verbs.add_parser("demo", parents=[common], help="run the market with demo data on this machine")
    demo.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1 (default 8000)")
    demo.set_defaults(run=run_demo)
    serve = verbs.add_parser(
        "serve", parents=[common], help="serve the market; settings come from the environment"
    )
    serve.set_defaults(run=run_serve)
    worker = verbs.add_parser("worker", parents=[common], help="run the worker loops apart from the server")
    worker.set_defaults(run=run_worker)
    migrate = verbs.add_parser("migrate", parents=[common], help="bring the database's schema up to date")
    migrate.set_defaults(run=run_migrate)


def make_gateway(settings: Settings) -> PaymentGateway | None:
    """The card gateway of these settings; None where cards are not set up.

    Raises:
        Refused: keys of different modes, or an address that may not get them.
    """
    if not settings.takes_cards:
        return None
    from marketplace.payments.stripe_gateway import StripeGateway  # noqa: PLC0415 - only where cards are taken

    try:
        return StripeGateway(
            settings.stripe_secret_key,
            settings.stripe_publishable_key,
            settings.stripe_webhook_secret,
            settings.stripe_api_base or None,
        )
    except ValueError as error:
        raise Refused(str(error)) from error


def require_free_port(host: str, port: int) -> None:
    """Raise Refused when the port cannot be listened on."""
    if not 1 <= port <= 65_535:
        raise Refused(f"{port} is not a port: choose one from 1 to 65535.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"Port {port} is taken or not allowed ({error.strerror}): choose another."
            ) from error


async def run_demo(options: argparse.Namespace) -> int:
    """Run the market on an embedded default with demo data, until it is interrupted."""
    port = options.port
    require_free_port(LOOPBACK, port)
    url = f"http://{LOOPBACK}:{port}"
    stop = stop_event()
    from marketplace.payments.local_stripe import (  # noqa: PLC0415 - the extra [demo] is optional
        LocalStripe,
        LocalStripeUnavailable,
    )

    settings = settings_of(
        options, public_url=url, port=port, is_demo=True, database_url="", funding_window_hours=0
    )
    async with open_market(settings, seed=True) as market:
        async with market.connection() as conn, conn.transaction():
            await top_up_rounds(conn)
        peer = LocalStripe(
            webhook_url=f"{url}/webhooks/stripe", state=settings.data_dir / "local_stripe.state"
        )
        try:
            await asyncio.to_thread(peer.start)
        except LocalStripeUnavailable as error:
            raise Refused(str(error)) from error
        try:
            settings = settings_of(
                options,
                public_url=url,
                port=port,
                is_demo=True,
                database_url="",
                funding_window_hours=0,
                stripe_secret_key=peer.secret_key,
                stripe_publishable_key=peer.publishable_key,
                stripe_webhook_secret=peer.webhook_secret,
                stripe_api_base=peer.url,
            )
            async with serving(settings, market, host=LOOPBACK, port=port):
                print(f"The market is open: {url}", flush=True)
                await stop.wait()
                say("closing …")
        finally:
            await asyncio.to_thread(peer.stop)
    return 0


async def run_serve(options: argparse.Namespace) -> int:
    """Serve people; refuses to start with secrets that everybody knows."""
    settings = settings_of(options)
    require_production_ready(settings)
    require_free_port(settings.host, settings.port)
    set_up_logging(settings.log_level, to_people=False)
    stop = stop_event()
    async with (
        open_market(settings) as market,
        serving(settings, market, host=settings.host, port=settings.port),
    ):
        say(f"serving on {settings.host}:{settings.port}")
        await stop.wait()
    return 0


@asynccontextmanager
async def serving(settings: Settings, market: Market, *, host: str, port: int) -> AsyncIterator[None]:
    """Serve the application for as long as the block runs.

    Raises:
        Refused: it did not answer.
    """
    engine = market.open_engine()
    await rebuild_outdated(market, engine)
    if settings.is_demo:
        await catch_up(market, engine)  # the first page a newcomer opens already finds everything
    app = create_app(settings, dsn=market.dsn, engine=engine, gateway=make_gateway(settings))
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
        backlog=CONNECTIONS_MAX,
        backpressure=CONNECTIONS_MAX,
    )
    task = asyncio.create_task(server.serve())
    try:
        await _wait_until_answering(host, port, task)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call] # granian leaves it without types
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(task, STOP_SECONDS_MAX)


async def _wait_until_answering(host: str, port: int, task: asyncio.Task[None]) -> None:
    for _ in range(600):
        if task.done():
            raise Refused(f"The server did not start: {task.exception() or 'it stopped'}.")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise Refused("The server did not answer within 30 seconds.")


async def run_worker(options: argparse.Namespace) -> int:
    """Run the loops without a server; as many of these as one likes may run at once."""
    settings = settings_of(options)
    set_up_logging(settings.log_level, to_people=False)
    stop = stop_event()
    async with open_market(settings) as market:
        engine = market.open_engine()
        await rebuild_outdated(market, engine)
        async with await create_pool(market.dsn, size_max=settings.pool_size) as pool:
            tasks = loops(pool, engine, make_gateway(settings), lambda: connect(market.dsn))
            async with running(tasks):
                say("working")
                await stop.wait()
    return 0


async def run_migrate(options: argparse.Namespace) -> int:
    """Bring the schema up to date and say what was applied."""
    async with open_market(settings_of(options)):
        say("the schema is up to date")
    return 0
