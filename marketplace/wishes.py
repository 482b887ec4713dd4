"""Wishes for a round on an offer, by its vendor or by a factory: noted as events, which coordinators read."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from catalog.events import Actor, record_event

ROUND_REQUESTED: Final = "offer.round_requested"


async def request_round(conn: asyncpg.Connection, *, offer_code: str, actor: Actor) -> bool:
    """Note that this organization wants a round on an offer; False where it is noted already.

    A wish stands until a round is made on the offer: two presses of the button are one wish.
    """
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))",
        ROUND_REQUESTED,
        f"{actor.organization_id}:{offer_code}",
    )
    wanted = await list_requested(conn, offer_codes=[offer_code], organization_id=actor.organization_id)
    if wanted:
        return False
    await record_event(conn, kind=ROUND_REQUESTED, subject="offer", subject_id=offer_code, actor=actor)
    return True


async def list_requested(
    conn: asyncpg.Connection, *, offer_codes: Sequence[str], organization_id: int | None
) -> frozenset[str]:
    """The offers among these that this organization wants a round on, unanswered by a round made since."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT e.subject_id FROM events e
        WHERE e.subject = 'offer' AND e.subject_id = ANY ($2::text[]) AND e.kind = $1 AND e.organization_id = $3
          AND NOT EXISTS (SELECT FROM rounds r JOIN offers o ON o.id = r.offer_id
                          WHERE o.code = e.subject_id AND r.created_at > e.at)
        """,
        ROUND_REQUESTED,
        list(offer_codes),
        organization_id,
    )
    return frozenset(row[0] for row in rows)
