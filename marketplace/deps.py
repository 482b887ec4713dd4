"""What a handler may ask for: a connection inside the request's transaction, the engine, the person."""

from collections.abc import AsyncGenerator
from typing import Any, TypeAlias, cast

import asyncpg
from litestar import Request
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.params import SkipValidation

from group_buy.gateway import PaymentGateway
from group_buy.transactions import transaction
from marketplace.accounts.access import SIGNING_ROLES, CurrentUser
from marketplace.live import LiveRounds
from marketplace.settings import Settings
from search_config.engine import SearchEngine

Conn: TypeAlias = NamedDependency[SkipValidation[asyncpg.Connection]]
Pool: TypeAlias = NamedDependency[SkipValidation[asyncpg.Pool]]
Engine: TypeAlias = NamedDependency[SkipValidation[SearchEngine]]
Gateway: TypeAlias = NamedDependency[SkipValidation[PaymentGateway | None]]
Live: TypeAlias = NamedDependency[SkipValidation[LiveRounds]]
User: TypeAlias = NamedDependency[SkipValidation[CurrentUser | None]]
Config: TypeAlias = NamedDependency[SkipValidation[Settings]]
AnyRequest: TypeAlias = Request[Any, Any, Any]


async def provide_conn(request: AnyRequest) -> AsyncGenerator[asyncpg.Connection, None]:
    """One request = one transaction: committed before the reply, rolled back when the handler raises.

    A GET only reads (`tests/marketplace/test_access.py` walks all of them where nothing can be written), and at
    READ COMMITTED a transaction around reads promises nothing more: it is spared the two round trips.
    """
    pool: asyncpg.Pool = request.app.state.pool
    if request.method == "GET":
        async with pool.acquire() as conn:
            yield cast("asyncpg.Connection", conn)
    else:
        async with transaction(pool) as conn:
            yield conn


def provide_pool(request: AnyRequest) -> asyncpg.Pool:
    """The pool itself, for the few handlers that call a payment provider between two transactions."""
    pool: asyncpg.Pool = request.app.state.pool
    return pool


def provide_engine(request: AnyRequest) -> SearchEngine:
    """The search engine of this process."""
    engine: SearchEngine = request.app.state.engine
    return engine


def provide_gateway(request: AnyRequest) -> PaymentGateway | None:
    """The card gateway, or None where cards are not set up."""
    gateway: PaymentGateway | None = request.app.state.gateway
    return gateway


def provide_live(request: AnyRequest) -> LiveRounds:
    """The hints about rounds, heard and sent."""
    live: LiveRounds = request.app.state.live
    return live


def provide_user(request: AnyRequest) -> CurrentUser | None:
    """The signed-in person, or None."""
    user: CurrentUser | None = request.scope.get("user")
    return user


def provide_config(request: AnyRequest) -> Settings:
    """The settings this process was started with."""
    settings: Settings = request.app.state.settings
    return settings


def signing(user: CurrentUser | None) -> CurrentUser:
    """The person, if they may promise their organization's money.

    Raises:
        PermissionDeniedException: without such a role.
    """
    me = signed_in(user)
    if not me.held_roles & SIGNING_ROLES:
        raise PermissionDeniedException(f"this is for: {', '.join(sorted(SIGNING_ROLES))}")
    return me


def signed_in(user: CurrentUser | None) -> CurrentUser:
    """The person, where the route's audience guarantees one."""
    assert user is not None, "the route's audience lets nobody in who is not signed in"
    return user
