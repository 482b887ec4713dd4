"""Sign in and out, with one-click demo accounts in demo mode only."""

from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from group_buy.transactions import transaction
from marketplace.accounts.sessions import (
    SIGN_IN_ATTEMPTS_FROM_HOST_MAX,
    SIGN_IN_ATTEMPTS_MAX,
    SignInRefused,
    TooManyAttempts,
    cookie_name,
    count_attempt,
    open_session,
    require_few_attempts,
    sign_in,
    sign_out,
)
from marketplace.deps import AnyRequest, Config, Conn, Pool
from marketplace.settings import Settings
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, safe_next, see_other

DEMO_EMAIL_DOMAIN = "demo.example"


class DemoAccount(msgspec.Struct, frozen=True):
    """One row of the table of demo accounts."""

    email: str
    name: str
    organization_ko: str
    organization_en: str
    role: str


async def list_demo_accounts(conn: asyncpg.Connection) -> list[DemoAccount]:
    """List the people of the demo, one row each, with the kind of their organization."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (array_position(ARRAY['coordinator', 'factory', 'vendor', 'partner'], o.kind), p.id)
               p.email, p.name, o.name_ko, o.name_en, o.kind
        FROM people p
        JOIN memberships m ON m.person_id = p.id
        JOIN organizations o ON o.id = m.organization_id
        WHERE p.email LIKE '%@' || $1 AND p.disabled_at IS NULL
        ORDER BY array_position(ARRAY['coordinator', 'factory', 'vendor', 'partner'], o.kind), p.id
        """,
        DEMO_EMAIL_DOMAIN,
    )
    return [DemoAccount(*row) for row in rows]


async def _form(
    request: AnyRequest, conn: asyncpg.Connection, config: Settings, *, status_code: int = 200, **context: Any
) -> Response[str]:
    accounts = await list_demo_accounts(conn) if config.is_demo else []
    shown = {"next_path": "/", "errors": {}, "values": {"email": ""}, "demo_accounts": accounts} | context
    return page_response(request, "sign_in.html", status_code=status_code, **shown)


@get("/sign-in", opt={"audience": "anyone"}, include_in_schema=False)
async def sign_in_page(request: AnyRequest, conn: Conn, config: Config) -> Response[str]:
    """Show the form."""
    wanted = safe_next(request.query_params.get("next", "/"))
    return await _form(request, conn, config, next_path=wanted)


@post("/sign-in", opt={"audience": "anyone"}, include_in_schema=False)
async def sign_in_submit(request: AnyRequest, config: Config, pool: Pool) -> Response[Any]:
    """Check the password and open a session.

    Never on two connections at once: as many sign-ins as the pool has would wait for each other for ever.
    """
    form = await request.form()
    email, password = str(form.get("email", ""))[:200], str(form.get("password", ""))[:1000]
    wanted = safe_next(str(form.get("next", "/")))
    lasts = timedelta(days=config.session_days)
    try:
        # Counted in a transaction of its own: a refused try must stay counted.
        async with transaction(pool) as counting:
            host = request.client.host if request.client else "?"
            attempts = [
                await count_attempt(
                    counting, key=f"sign-in:{email.strip().lower()}", count_max=SIGN_IN_ATTEMPTS_MAX
                ),
                await count_attempt(
                    counting, key=f"sign-in-from:{host}", count_max=SIGN_IN_ATTEMPTS_FROM_HOST_MAX
                ),
            ]
        require_few_attempts(attempts)
        async with transaction(pool) as conn:
            token = await sign_in(conn, email=email, password=password, lasts=lasts)
    except (SignInRefused, TooManyAttempts) as error:
        return await _show_refusal(request, pool, config, error, next_path=wanted, email=email)
    return _with_session(see_other(wanted), token, config)


async def _show_refusal(
    request: AnyRequest,
    pool: asyncpg.Pool,
    config: Settings,
    error: SignInRefused | TooManyAttempts,
    *,
    next_path: str,
    email: str,
) -> Response[str]:
    """The form again, with what went wrong."""
    is_blocked = isinstance(error, TooManyAttempts)
    text = (
        gettext("로그인 시도가 너무 많습니다. 몇 분 뒤에 다시 시도하세요.")
        if is_blocked
        else gettext("이메일이나 비밀번호가 맞지 않습니다.")
    )
    shown = {"next_path": next_path, "errors": {"form": text}, "values": {"email": email}}
    async with transaction(pool) as conn:
        answer = await _form(request, conn, config, status_code=429 if is_blocked else 401, **shown)
    if isinstance(error, TooManyAttempts):
        answer.headers["retry-after"] = str(error.retry_after_seconds)
    return answer


@post("/sign-in/demo", opt={"audience": "anyone"}, include_in_schema=False)
async def sign_in_demo(request: AnyRequest, conn: Conn, config: Config) -> Response[Any]:
    """Sign a demo person in without a password; outside the demo this does not exist."""
    form = await request.form()
    email = str(form.get("email", ""))
    row = await conn.fetchrow(
        """
        SELECT p.id, m.organization_id FROM people p JOIN memberships m ON m.person_id = p.id
        WHERE p.email = $1 AND p.email LIKE '%@' || $2 AND p.disabled_at IS NULL
        ORDER BY m.organization_id LIMIT 1
        """,
        email,
        DEMO_EMAIL_DOMAIN,
    )
    if not config.is_demo or row is None:
        raise SignInRefused
    token = await open_session(
        conn, person_id=row[0], organization_id=row[1], lasts=timedelta(days=config.session_days)
    )
    return _with_session(see_other(safe_next(str(form.get("next", "/")))), token, config)


@post("/sign-out", opt={"audience": "anyone"}, include_in_schema=False)
async def sign_out_submit(request: AnyRequest, conn: Conn, config: Config) -> Response[Any]:
    """End the session on both sides."""
    token = request.cookies.get(cookie_name(config))
    if token:
        await sign_out(conn, token=token)
    answer = see_other("/", notice="signed-out")
    answer.delete_cookie(cookie_name(config), path="/")
    return answer


def _with_session(answer: Redirect, token: str, config: Settings) -> Redirect:
    answer.set_cookie(
        Cookie(
            key=cookie_name(config),
            value=token,
            path="/",
            httponly=True,
            secure=config.is_secure,
            samesite="lax",
            max_age=config.session_days * 86_400,
        )
    )
    return answer
