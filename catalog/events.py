"""The append-only record of what happened: written in the transaction of the change itself."""

from typing import Any

import asyncpg
import msgspec


class Actor(msgspec.Struct, frozen=True):
    """Who did it: a person acting for an organization. The market's own workers are `SYSTEM`."""

    person_id: int | None
    organization_id: int | None


SYSTEM = Actor(person_id=None, organization_id=None)


class Event(msgspec.Struct, frozen=True):
    """One line of an audit trail. `at` is UTC; `data` holds what the kind needs to be understood."""

    id: int
    at: str
    kind: str
    person_name: str | None
    organization_ko: str | None
    organization_en: str | None
    data: dict[str, Any]


async def record_event(
    conn: asyncpg.Connection, *, kind: str, subject: str, subject_id: str, actor: Actor, **data: Any
) -> None:
    """Append one event, e.g. kind "round.closed" on subject "round" with its code as id."""
    await conn.execute(
        """
        INSERT INTO events (kind, subject, subject_id, person_id, organization_id, data)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        kind,
        subject,
        subject_id,
        actor.person_id,
        actor.organization_id,
        data,
    )


async def list_events(
    conn: asyncpg.Connection, *, subject: str, subject_id: str, limit: int = 200
) -> list[Event]:
    """Read the trail of one subject, oldest first."""
    rows = await conn.fetch(
        """
        SELECT e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), e.kind,
               p.name, o.name_ko, o.name_en, e.data
        FROM events e
        LEFT JOIN people p ON p.id = e.person_id
        LEFT JOIN organizations o ON o.id = e.organization_id
        WHERE e.subject = $1 AND e.subject_id = $2
        ORDER BY e.id
        LIMIT $3
        """,
        subject,
        subject_id,
        limit,
    )
    return [Event(*row) for row in rows]


async def seal_events(conn: asyncpg.Connection, *, batch_size: int = 1000) -> int:
    """Seal the oldest unsealed events into the hash chain; return how many.

    Each seal is SHA-256 over the previous seal and its events in order of id, so that a changed, removed or
    inserted row breaks the chain. Only one transaction seals at a time.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(7303, 1)")
    row = await conn.fetchrow(
        """
        WITH batch AS (
            SELECT id, event_digest(e) AS digest FROM events e WHERE seal_id IS NULL ORDER BY id LIMIT $1
        ), previous AS (
            SELECT sha256 FROM event_seals ORDER BY id DESC LIMIT 1
        ), seal AS (
            INSERT INTO event_seals (event_count, previous_sha256, sha256)
            SELECT count(*), (SELECT sha256 FROM previous),
                   sha256(coalesce((SELECT sha256 FROM previous), ''::bytea) || string_agg(digest, ''::bytea ORDER BY id))
            FROM batch HAVING count(*) > 0
            RETURNING id, event_count
        )
        SELECT seal.id, seal.event_count, (SELECT array_agg(id) FROM batch) FROM seal
        """,
        batch_size,
    )
    if row is None:
        return 0
    seal_id, count, event_ids = row
    await conn.execute("UPDATE events SET seal_id = $1 WHERE id = ANY ($2)", seal_id, event_ids)
    return int(count)
