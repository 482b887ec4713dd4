"""Builds the Litestar application: the only place where the parts are wired together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin

from catalog.search_fallback import FallbackEngine
from group_buy.dunning import read_reminder_days
from group_buy.gateway import PaymentGateway
from marketplace import deps
from marketplace.access_log import AccessLog
from marketplace.accounts.access import AUDIENCES, guard_audience
from marketplace.accounts.sessions import SessionMiddleware
from marketplace.api import API_HANDLERS
from marketplace.db import connect, create_pool
from marketplace.live import LiveRounds, SharedReadings
from marketplace.problems import handle_error
from marketplace.settings import Settings
from marketplace.web.headers import SecurityHeaders
from marketplace.web.i18n import LanguagePrefix
from marketplace.web.pages import PAGE_HANDLERS
from marketplace.worker import loops, running
from search_config.engine import SearchEngine

REQUEST_BYTES_MAX: Final = 1_000_000
"""Bodies above this are refused; the import routes set their own limit."""

GZIP_LEVEL: Final = 3
"""Half the CPU time of level 5 for 4 to 9 per cent more bytes (the pages of the demo)."""

ANYONE: Final[dict[str, Any]] = {"audience": "anyone"}


class MissingAudience(Exception):
    """A route does not declare who may call it: the application refuses to start."""


def create_app(
    settings: Settings, *, dsn: str, engine: SearchEngine, gateway: PaymentGateway | None
) -> Litestar:
    """Build the application. The pool opens, and the worker loops run, for as long as it serves.

    Raises:
        MissingAudience: a route without a declared, known audience.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with await create_pool(dsn, size_max=settings.pool_size) as pool:
            app.state.pool = pool
            app.state.engine = FallbackEngine(engine, pool)
            days = read_reminder_days(settings.reminder_days)
            tasks = (
                loops(pool, engine, gateway, lambda: connect(dsn), reminder_days=days)
                if settings.worker_in_process
                else []
            )
            async with running([*tasks, app.state.live.run()]):
                yield
            if gateway is not None:
                await gateway.close()
            await engine.close()

    app = Litestar(
        route_handlers=[*API_HANDLERS, *PAGE_HANDLERS],
        dependencies={
            "conn": Provide(deps.provide_conn),
            "pool": Provide(deps.provide_pool, sync_to_thread=False),
            "engine": Provide(deps.provide_engine, sync_to_thread=False),
            "gateway": Provide(deps.provide_gateway, sync_to_thread=False),
            "user": Provide(deps.provide_user, sync_to_thread=False),
            "live": Provide(deps.provide_live, sync_to_thread=False),
            "config": Provide(deps.provide_config, sync_to_thread=False),
        },
        lifespan=[lifespan],
        guards=[guard_audience],
        middleware=[SessionMiddleware],
        exception_handlers={Exception: handle_error, HTTPException: handle_error},
        csrf_config=CSRFConfig(
            secret=settings.secret_key,
            cookie_secure=settings.is_secure,
            exclude=["^/webhooks/"],
        ),
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=GZIP_LEVEL, exclude=["/events$"]
        ),
        request_max_body_size=REQUEST_BYTES_MAX,
        openapi_config=OpenAPIConfig(
            title="Smart Factory Alliance marketplace",
            version="1",
            path="/schema",
            openapi_router=Router(path="/schema", route_handlers=[], opt=ANYONE),
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"]), YamlRenderPlugin()],
        ),
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.live = LiveRounds(lambda: connect(dsn))
    app.state.live_progress = SharedReadings()
    app.state.gateway = gateway
    require_audiences(app)
    app.asgi_handler = LanguagePrefix(AccessLog(SecurityHeaders(app.asgi_handler, settings)))
    return app


def require_audiences(app: Litestar) -> None:
    """Refuse an application with a route that does not say who may call it.

    Raises:
        MissingAudience
    """
    for path, handler in list_routes(app):
        if handler.opt.get("audience") not in AUDIENCES:
            raise MissingAudience(f"{path} ({handler}) declares no audience of {', '.join(AUDIENCES)}")


def list_routes(app: Litestar) -> list[tuple[str, HTTPRouteHandler]]:
    """Every route with its handler, in order of path."""
    found = [
        (route.path, handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        # Litestar answers OPTIONS by itself, with nothing but the methods of a path.
        if isinstance(handler, HTTPRouteHandler) and handler.http_methods != {"OPTIONS"}
    ]
    return sorted(found, key=lambda item: (item[0], item[1].name or ""))
