"""Bring people to a round and tell them about it: invitation links, announcements, auditors, who takes part."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.core.privacy import without_small_groups
from group_buy.core.round import Round
from group_buy.errors import InvalidRound, InvitationNotFound, RoundNotFound
from group_buy.rounds import ROUND_COLUMNS, notify_buyers, read_round

INVITATION_TIME: Final = timedelta(days=30)
ANNOUNCEMENT_LETTERS_MAX: Final = 2000


class Announcement(msgspec.Struct, frozen=True):
    """What the coordinator told everybody in a round; `at` UTC."""

    id: UUID
    text_ko: str
    text_en: str
    at: datetime


class Participants(msgspec.Struct, frozen=True):
    """Factories with a placed pledge by region and by industry; small groups are only counted together."""

    regions: list[tuple[str, int]]
    regions_hidden: int
    industries: list[tuple[str, int]]
    industries_hidden: int


async def create_invitation(conn: asyncpg.Connection, *, buying_round: Round, actor: Actor) -> str:
    """Make a link's secret for a round; only its digest is kept. It works for INVITATION_TIME or until the deadline."""
    token = secrets.token_urlsafe(24)
    await conn.execute(
        """
        INSERT INTO round_invitations (token_sha256, round_id, invited_by, expires_at)
        SELECT $1, id, $3, least(closes_at, clock_timestamp() + $4) FROM rounds WHERE id = $2
        """,
        hashlib.sha256(token.encode()).digest(),
        buying_round.id,
        actor.person_id,
        INVITATION_TIME,
    )
    await record_event(conn, kind="round.invited", subject="round", subject_id=buying_round.code, actor=actor)
    return token


async def find_invitation(conn: asyncpg.Connection, *, token: str) -> Round:
    """Read the round that a live invitation link is for, and change nothing.

    Raises:
        InvitationNotFound: unknown, revoked, or over.
    """
    row = await conn.fetchrow(
        f"""
        SELECT {ROUND_COLUMNS} FROM round_invitations i JOIN rounds r ON r.id = i.round_id
        WHERE i.token_sha256 = $1 AND i.revoked_at IS NULL AND clock_timestamp() < i.expires_at
        """,
        hashlib.sha256(token.encode()).digest(),
    )
    if row is None:
        raise InvitationNotFound
    return read_round(row)


async def accept_invitation(conn: asyncpg.Connection, *, token: str, actor: Actor) -> str:
    """Let the actor's organization know of the link's round from now on; return the round's code.

    Raises:
        InvitationNotFound: unknown, revoked, or over.
    """
    code = await conn.fetchval(
        """
        WITH invitation AS (
            SELECT r.id, r.code FROM round_invitations i JOIN rounds r ON r.id = i.round_id
            WHERE i.token_sha256 = $1 AND i.revoked_at IS NULL AND clock_timestamp() < i.expires_at
        ), guest AS (
            INSERT INTO round_guests (round_id, organization_id) SELECT id, $2 FROM invitation ON CONFLICT DO NOTHING
        )
        SELECT code FROM invitation
        """,
        hashlib.sha256(token.encode()).digest(),
        actor.organization_id,
    )
    if code is None:
        raise InvitationNotFound
    return str(code)


async def announce(
    conn: asyncpg.Connection,
    *,
    announcement_id: UUID,
    buying_round: Round,
    text_ko: str,
    text_en: str,
    actor: Actor,
) -> None:
    """Tell everybody in a round something; the same id twice is one announcement.

    Raises:
        InvalidRound: no text, or more than ANNOUNCEMENT_LETTERS_MAX letters.
    """
    for name, text in (("text_ko", text_ko), ("text_en", text_en)):
        if len(text) > ANNOUNCEMENT_LETTERS_MAX:
            raise InvalidRound(f"/{name}", f"at most {ANNOUNCEMENT_LETTERS_MAX} letters")
    if not text_ko.strip():
        raise InvalidRound("/text_ko", "say something")
    inserted = await conn.fetchval(
        """
        INSERT INTO round_announcements (id, round_id, text_ko, text_en, person_id)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id
        """,
        announcement_id,
        buying_round.id,
        text_ko.strip(),
        text_en.strip(),
        actor.person_id,
    )
    if inserted is not None:
        await record_event(
            conn, kind="round.announcement", subject="round", subject_id=buying_round.code, actor=actor
        )
        await notify_buyers(conn, buying_round, kind="round.announcement")


async def list_announcements(
    conn: asyncpg.Connection, *, round_id: int, limit: int = 50
) -> list[Announcement]:
    """List a round's announcements, the newest first."""
    rows = await conn.fetch(
        """
        SELECT id, text_ko, text_en, at FROM round_announcements WHERE round_id = $1 ORDER BY at DESC, id LIMIT $2
        """,
        round_id,
        limit,
    )
    return [Announcement(*row) for row in rows]


async def name_auditor(
    conn: asyncpg.Connection, *, buying_round: Round, organization_code: str, actor: Actor
) -> None:
    """Let an organization read the whole input of a round's decisions.

    Raises:
        InvalidRound: no such organization, or one that takes part in the round itself.
    """
    named = await conn.fetchval(
        """
        INSERT INTO round_auditors (round_id, organization_id, named_by)
        SELECT $1, o.id, $3 FROM organizations o
        WHERE o.code = $2 AND o.state = 'active' AND o.id <> $4
          AND NOT EXISTS (SELECT FROM pledges p WHERE p.round_id = $1 AND p.buyer_id = o.id)
        ON CONFLICT (round_id, organization_id) DO UPDATE SET named_by = round_auditors.named_by
        RETURNING organization_id
        """,
        buying_round.id,
        organization_code,
        actor.person_id,
        buying_round.vendor_id,
    )
    if named is None:
        raise InvalidRound("/organization_code", "an organization that neither sells nor buys in the round")
    await record_event(
        conn,
        kind="round.auditor_named",
        subject="round",
        subject_id=buying_round.code,
        actor=actor,
        organization=organization_code,
    )


async def get_audit_input(
    conn: asyncpg.Connection, *, code: str, clearing_no: int, organization_id: int
) -> str:
    """Read the canonical input of a decision, as `simulate` reads it, for the coordinator and named auditors.

    Raises:
        RoundNotFound: also for anybody else.
    """
    text = await conn.fetchval(
        """
        SELECT c.input FROM clearings c JOIN rounds r ON r.id = c.round_id
        WHERE r.code = $1 AND c.clearing_no = $2 AND (r.coordinator_id = $3 OR EXISTS (
            SELECT FROM round_auditors a WHERE a.round_id = r.id AND a.organization_id = $3))
        """,
        code,
        clearing_no,
        organization_id,
    )
    if text is None:
        raise RoundNotFound(code)
    return str(text)


async def read_participants(conn: asyncpg.Connection, *, round_id: int) -> Participants:
    """Count the factories of a round by region and industry, without telling on small groups."""
    row = await conn.fetchrow(
        """
        WITH member AS (
            SELECT coalesce(o.region, '') AS region, coalesce(o.industry, '') AS industry
            FROM pledges p JOIN organizations o ON o.id = p.buyer_id
            WHERE p.round_id = $1 AND 'placed' = (
                SELECT state FROM pledge_versions WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1)
        )
        SELECT (SELECT coalesce(jsonb_object_agg(region, n), '{}')
                FROM (SELECT region, count(*) n FROM member GROUP BY 1) g),
               (SELECT coalesce(jsonb_object_agg(industry, n), '{}')
                FROM (SELECT industry, count(*) n FROM member GROUP BY 1) g)
        """,
        round_id,
    )
    assert row is not None, "it selects two values"
    by_region: dict[str, Any] = row[0]
    by_industry: dict[str, Any] = row[1]
    return Participants(*without_small_groups(by_region), *without_small_groups(by_industry))
