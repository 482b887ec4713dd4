"""Sign in and out: opaque tokens in a cookie, their SHA-256 in the database, a new one at every sign-in."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final

import asyncpg
import msgspec
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from catalog.events import Actor, record_event
from marketplace.accounts.access import CurrentUser
from marketplace.accounts.passwords import is_password
from marketplace.settings import Settings

SIGN_IN_WINDOW: Final = timedelta(minutes=5)
SIGN_IN_ATTEMPTS_MAX: Final = 10
"""Tries in a window for one person; as PyPI's warehouse sets it."""

SIGN_IN_ATTEMPTS_FROM_HOST_MAX: Final = 50
"""Tries in a window from one address of the network, where a whole factory may sit behind one."""


class TooManyAttempts(Exception):
    """Signing in is blocked for a while; `retry_after_seconds` says how long."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("too many attempts to sign in")
        self.retry_after_seconds = retry_after_seconds


class SignInRefused(Exception):
    """The address or the password is wrong; which of them is not said."""


def cookie_name(settings: Settings) -> str:
    """The session cookie's name; over https the browser itself guards it by its prefix."""
    return "__Host-session" if settings.is_secure else "session"


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Attempts(msgspec.Struct, frozen=True):
    """Tries under one key in the current window, how many are allowed, and when it ends."""

    count: int
    count_max: int
    seconds_left: int


async def count_attempt(conn: asyncpg.Connection, *, key: str, count_max: int) -> Attempts:
    """Count one try, in a window that all processes share."""
    row = await conn.fetchrow(
        """
        INSERT INTO rate_limits (key, window_starts, attempts)
        VALUES ($1, date_bin($2, clock_timestamp(), 'epoch'), 1)
        ON CONFLICT (key, window_starts) DO UPDATE SET attempts = rate_limits.attempts + 1
        RETURNING attempts, extract(epoch FROM window_starts + $2 - clock_timestamp())::int
        """,
        key,
        SIGN_IN_WINDOW,
    )
    assert row is not None, "an upsert answers with its row"
    return Attempts(row[0], count_max, row[1])


def require_few_attempts(attempts: list[Attempts]) -> None:
    """Raise TooManyAttempts if any key was tried too often; call it after the counting is committed."""
    for tried in attempts:
        if tried.count > tried.count_max:
            raise TooManyAttempts(max(1, tried.seconds_left))


async def sign_in(conn: asyncpg.Connection, *, email: str, password: str, lasts: timedelta) -> str:
    """Check the password and open a session for the person's first organization; return the cookie's token.

    Raises:
        SignInRefused: also for a person whose organizations are all gone; a vendor that waits or is suspended
            may come in, to see what is asked of it.
    """
    row = await conn.fetchrow(
        """
        SELECT p.id, p.password_hash,
               (SELECT m.organization_id FROM memberships m JOIN organizations o ON o.id = m.organization_id
                WHERE m.person_id = p.id AND (o.state = 'active' OR o.kind = 'vendor' AND o.state <> 'terminated')
                ORDER BY o.state <> 'active', m.created_at, m.organization_id LIMIT 1)
               AS organization_id
        FROM people p WHERE p.email = lower($1) AND p.disabled_at IS NULL
        """,
        email.strip(),
    )
    is_right = await is_password(password, None if row is None else row["password_hash"])
    if row is None or not is_right or row["organization_id"] is None:
        raise SignInRefused
    return await open_session(conn, person_id=row["id"], organization_id=row["organization_id"], lasts=lasts)


async def open_session(
    conn: asyncpg.Connection, *, person_id: int, organization_id: int, lasts: timedelta
) -> str:
    """Open a fresh session; nothing of an earlier one lives on (no session fixation)."""
    token = secrets.token_urlsafe(32)
    await conn.execute(
        """
        INSERT INTO sessions (token_sha256, person_id, organization_id, expires_at)
        VALUES ($1, $2, $3, clock_timestamp() + $4)
        """,
        _sha256(token),
        person_id,
        organization_id,
        lasts,
    )
    await record_event(
        conn,
        kind="person.signed_in",
        subject="person",
        subject_id=str(person_id),
        actor=Actor(person_id, organization_id),
    )
    return token


async def sign_out(conn: asyncpg.Connection, *, token: str) -> None:
    """End the session of this token, if there is one."""
    await conn.execute("DELETE FROM sessions WHERE token_sha256 = $1", _sha256(token))


async def remove_expired(conn: asyncpg.Connection) -> int:
    """Forget sessions and counters whose time is over; return how many sessions."""
    await conn.execute("DELETE FROM rate_limits WHERE window_starts < clock_timestamp() - interval '1 day'")
    rows = await conn.fetch("DELETE FROM sessions WHERE expires_at < clock_timestamp() RETURNING 1")
    return len(rows)


async def find_user(conn: asyncpg.Connection, *, token: str) -> CurrentUser | None:
    """Read who a token stands for; None when it is unknown, expired, or its person or organization is gone."""
    row = await conn.fetchrow(
        """
        SELECT p.id, p.email, p.name, o.id, o.code, o.kind, o.name_ko, o.name_en,
               o.state, (SELECT count(*) FROM notifications n WHERE n.organization_id = o.id AND n.read_at IS NULL)
                        AS unread_count,
               EXISTS (SELECT FROM sponsorships y WHERE y.sponsor_id = o.id) AS is_sponsor,
               (SELECT array_agg(m.role) FROM memberships m
                WHERE m.person_id = p.id AND m.organization_id = o.id) AS roles
        FROM sessions s
        JOIN people p ON p.id = s.person_id AND p.disabled_at IS NULL
        JOIN organizations o ON o.id = s.organization_id
            AND (o.state = 'active' OR o.kind = 'vendor' AND o.state <> 'terminated')
        WHERE s.token_sha256 = $1 AND s.expires_at > clock_timestamp()
        """,
        _sha256(token),
    )
    if row is None or not row["roles"]:
        return None
    *values, state, unread_count, is_sponsor, roles = row
    return CurrentUser(*[*values, frozenset(roles), state, unread_count, is_sponsor])


class SessionMiddleware(AbstractAuthenticationMiddleware):
    """Puts the signed-in person, or None, into each request's scope as `user`."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Look the cookie's token up; requests without one cost nothing."""
        token = connection.cookies.get(cookie_name(connection.app.state.settings))
        if not token:
            return AuthenticationResult(user=None, auth=None)
        async with connection.app.state.pool.acquire() as conn:
            return AuthenticationResult(user=await find_user(conn, token=token), auth=token)
