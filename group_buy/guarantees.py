"""Guarantees: what an issuer answers for bounds what a buyer may commit without a deposit."""

from datetime import date
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.errors import GuaranteeExceeded, GuaranteeNotFound, InvalidRound, OrganizationUnknown

LIMIT_KRW_MAX = 10**15


class Guarantee(msgspec.Struct, frozen=True):
    """One guarantee with its buyer's figures: `capacity_krw` over all live ones, `committed_krw` of it in use. Won."""

    id: UUID
    buyer_code: str
    buyer_ko: str
    buyer_en: str
    issuer: str
    number: str
    limit_krw: int
    expires_on: date
    is_live: bool
    end_reason: str | None
    capacity_krw: int
    committed_krw: int


LIVE = """
    g.expires_on >= (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date
    AND NOT EXISTS (SELECT FROM guarantee_ends e WHERE e.guarantee_id = g.id)
"""
"""A guarantee that still answers: the day of its expiry (in Korea) included, and not ended."""


async def record_guarantee(
    conn: asyncpg.Connection,
    *,
    guarantee_id: UUID,
    buyer_code: str,
    issuer: str,
    number: str,
    limit_krw: int,
    expires_on: date,
    file_id: UUID,
    actor: Actor,
) -> None:
    """Record a guarantee with its document; the same id again changes nothing.

    Raises:
        OrganizationUnknown: no factory has this code.
        InvalidRound: a limit outside 1..LIMIT_KRW_MAX, an expiry that is past, no issuer or number, a number known already.
    """
    today = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    if not 1 <= limit_krw <= LIMIT_KRW_MAX:
        raise InvalidRound("/limit_krw", f"won from 1 to {LIMIT_KRW_MAX}")
    if expires_on < today:
        raise InvalidRound("/expires_on", "today or later")
    for name, text in (("issuer", issuer), ("number", number)):
        if not 1 <= len(text.strip()) <= 100:
            raise InvalidRound(f"/{name}", "1 to 100 letters")
    buyer_id = await conn.fetchval(
        "SELECT id FROM organizations WHERE code = $1 AND kind = 'factory'", buyer_code
    )
    if buyer_id is None:
        raise OrganizationUnknown(buyer_code)
    inserted = await conn.fetchval(
        """
        INSERT INTO guarantees (id, coordinator_id, buyer_id, issuer, number, limit_krw, expires_on, file_id, recorded_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id
        """,
        guarantee_id,
        actor.organization_id,
        buyer_id,
        issuer.strip(),
        number.strip(),
        limit_krw,
        expires_on,
        file_id,
        actor.person_id,
    )
    if inserted is None:
        if not await conn.fetchval("SELECT EXISTS (SELECT FROM guarantees WHERE id = $1)", guarantee_id):
            raise InvalidRound("/number", "this issuer's number is recorded already")
        return
    await record_event(
        conn,
        kind="guarantee.recorded",
        subject="guarantee",
        subject_id=str(guarantee_id),
        actor=actor,
        buyer=buyer_code,
        limit_krw=limit_krw,
        expires_on=expires_on.isoformat(),
    )


async def end_guarantee(conn: asyncpg.Connection, *, guarantee_id: UUID, reason: str, actor: Actor) -> None:
    """Let a guarantee answer no more, with a reason. What it bore already stays verified. Raises GuaranteeNotFound."""
    ended = await conn.fetchval(
        """
        INSERT INTO guarantee_ends (guarantee_id, reason, person_id)
        SELECT id, $3, $4 FROM guarantees WHERE id = $1 AND coordinator_id = $2
        ON CONFLICT DO NOTHING RETURNING guarantee_id
        """,
        guarantee_id,
        actor.organization_id,
        reason[:500] or "–",
        actor.person_id,
    )
    if ended is None:
        raise GuaranteeNotFound(guarantee_id)
    await record_event(
        conn,
        kind="guarantee.ended",
        subject="guarantee",
        subject_id=str(guarantee_id),
        actor=actor,
        reason=reason,
    )


async def list_guarantees(
    conn: asyncpg.Connection, *, coordinator_id: int, limit: int = 500
) -> list[Guarantee]:
    """A coordinator's guarantees, those that answer first, by buyer."""
    rows = await conn.fetch(
        f"""
        SELECT g.id, o.code, o.name_ko, o.name_en, g.issuer, g.number, g.limit_krw, g.expires_on, ({LIVE}) AS is_live,
               (SELECT reason FROM guarantee_ends e WHERE e.guarantee_id = g.id),
               coalesce(sum(g.limit_krw) FILTER (WHERE {LIVE}) OVER (PARTITION BY g.buyer_id), 0)::bigint,
               coalesce((SELECT sum(committed_krw) FROM guaranteed_pledges p
                         WHERE p.buyer_id = g.buyer_id AND p.coordinator_id = $1), 0)::bigint
        FROM guarantees g JOIN organizations o ON o.id = g.buyer_id
        WHERE g.coordinator_id = $1 ORDER BY is_live DESC, o.name_ko, g.expires_on LIMIT $2
        """,
        coordinator_id,
        limit,
    )
    return [Guarantee(*row) for row in rows]


async def require_guarantee_capacity(
    conn: asyncpg.Connection, *, buyer_id: int, coordinator_id: int, wanted_krw: int
) -> None:
    """Refuse to take a pledge of up to `wanted_krw` won (with VAT) on guarantees that do not reach so far.

    The buyer is locked until the end of the transaction, so that two pledges cannot use the same room.
    Raises GuaranteeExceeded, with the figures.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(7309, $1::integer)", buyer_id)
    row = await conn.fetchrow(
        f"""
        SELECT (SELECT coalesce(sum(g.limit_krw), 0)::bigint FROM guarantees g
                WHERE g.buyer_id = $1 AND g.coordinator_id = $2 AND {LIVE}) AS capacity_krw,
               (SELECT coalesce(sum(committed_krw), 0)::bigint FROM guaranteed_pledges
                WHERE buyer_id = $1 AND coordinator_id = $2) AS committed_krw
        """,
        buyer_id,
        coordinator_id,
    )
    assert row is not None, "it selects two values"
    if row["committed_krw"] + wanted_krw > row["capacity_krw"]:
        raise GuaranteeExceeded(
            wanted_krw=wanted_krw, capacity_krw=row["capacity_krw"], committed_krw=row["committed_krw"]
        )
