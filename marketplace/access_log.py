"""Structured logs: one line a request, without bodies, cookies or query texts."""

import logging
import sys
import time
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("marketplace.access")

CHATTY = ("stripe", "httpx")
"""Libraries that tell each call; what went wrong in one is told by who made it."""


def set_up_logging(level: str, *, to_people: bool) -> None:
    """Log to standard error: readable lines for a person at a terminal, JSON lines otherwise."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False)
        if to_people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.WriteLogger(
            sys.stderr
        ),  # whatever standard error is at that moment
    )


class AccessLog:
    """ASGI wrapper: writes method, route template, status and milliseconds of each request.

    Outermost but for the language, so that requests without a route are logged too. The request's id is sent back
    as `x-request-id`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time one request."""
        if scope["type"] is ScopeType.WEBSOCKET or "method" not in scope:
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex[:16]
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                user = scope.get("user")
                log.info(
                    "request",
                    method=scope["method"],
                    route=scope.get("path_template") or "no route",
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    organization=user.organization_code if user is not None else None,
                )
