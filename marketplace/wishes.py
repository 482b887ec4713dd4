"""Wishes for a round, by a factory on a package or by a vendor on its offer: noted, and told to coordinators."""

from typing import Final, Literal

import asyncpg

from catalog.events import Actor, record_event

WISH: Final = "round.wished"

WishSubject = Literal["package_model", "offer"]


async def wish_for_round(conn: asyncpg.Connection, *, subject: WishSubject, code: str, actor: Actor) -> bool:
    """Note the wish of one organization and notify every coordinator; return False if it is noted already.

    A wish is open until a round opens on its subject; two presses of the button are one wish.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))", f"{WISH}:{subject}", code)
    wished = await list_wished(conn, subject=subject, organization_id=actor.organization_id)
    if code in wished:
        return False
    await record_event(conn, kind=WISH, subject=subject, subject_id=code, actor=actor)
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT id, $1, $2 FROM organizations WHERE kind = 'coordinator' AND state = 'active'
        """,
        WISH,
        {"subject": subject, "code": code, "organization_id": actor.organization_id},
    )
    return True


async def list_wished(
    conn: asyncpg.Connection, *, subject: WishSubject, organization_id: int | None
) -> frozenset[str]:
    """The codes on which this organization has a wish that no round has answered since."""
    rows = await conn.fetch(
        """
        SELECT e.subject_id FROM events e
        WHERE e.kind = $1 AND e.subject = $2 AND e.organization_id = $3
          AND NOT EXISTS (
            SELECT FROM rounds r
            JOIN offers o ON o.id = r.offer_id
            LEFT JOIN package_versions n ON n.id = o.package_version_id
            LEFT JOIN package_models m ON m.id = n.package_model_id
            WHERE r.created_at > e.at AND e.subject_id = CASE $2 WHEN 'offer' THEN o.code ELSE m.code END)
        """,
        WISH,
        subject,
        organization_id,
    )
    return frozenset(row[0] for row in rows)
