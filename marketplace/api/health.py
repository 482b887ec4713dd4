"""Health: alive without I/O; ready when the database answers and its schema is current."""

import asyncio
from typing import Any

from litestar import Response, get

from group_buy.transactions import transaction
from marketplace.db import pending_migrations
from marketplace.deps import Engine, Pool

ANSWER_SECONDS_MAX = 2.0


@get("/health/live", opt={"audience": "anyone"}, tags=["health"])
async def live() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "alive"}


@get("/health/ready", opt={"audience": "anyone"}, tags=["health"])
async def ready(pool: Pool, engine: Engine) -> Response[dict[str, Any]]:
    """Say whether requests can be served; a search engine that is down degrades, it does not unready."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX), transaction(pool) as conn:
            missing = await pending_migrations(conn)
    except Exception as error:  # noqa: BLE001 - whatever it was, the answer is "not ready" with the reason
        return Response({"status": "unready", "reason": f"database: {type(error).__name__}"}, status_code=503)
    if missing:
        return Response(
            {"status": "unready", "reason": f"migrations missing: {', '.join(missing)}"}, status_code=503
        )
    search = await engine.health()
    return Response({"status": "ready", "search": "ready" if search.is_ready else "degraded"})
