"""Which changes of published listings wait for the coordinator, and asking for them: one rule for forms and files."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from catalog.core.listing_rows import ImportKind
from catalog.events import Actor
from catalog.notices import notify_coordinators

NEVER_BY_FORM: Final = frozenset({"code", "vendor", "state"})
"""Fields that no edit changes: identity stays, and the state has buttons of its own."""

NAMED_MAX: Final = 3


class Wanted(Struct, frozen=True):
    """A change that waits: the fields of a listing that differ, as a file would hold them, before and after."""

    id: UUID
    code: str
    before: dict[str, str]
    after: dict[str, str]


async def list_exempt_fields(conn: asyncpg.Connection, *, kind: ImportKind) -> frozenset[str]:
    """The fields of a kind that vendors change without asking."""
    rows = await conn.fetch("SELECT field FROM exempt_fields WHERE kind = $1", kind)
    return frozenset(row["field"] for row in rows)


async def read_pending(
    conn: asyncpg.Connection, *, kind: ImportKind, codes: Sequence[str]
) -> Mapping[str, dict[str, str]]:
    """What is already asked for and not decided, by code: the fields as they would become."""
    rows = await conn.fetch(
        "SELECT code, after FROM change_requests WHERE kind = $1 AND code = ANY ($2::text[]) AND state = 'pending'",
        kind,
        codes,
    )
    return {row["code"]: row["after"] for row in rows}


async def request_changes(
    conn: asyncpg.Connection, *, kind: ImportKind, wanted: Sequence[Wanted], actor: Actor
) -> None:
    """Ask for changes of the actor's own listings; an older request on one of them is withdrawn for this one.

    A request whose id is known changes nothing. Coordinators get one message for all of them.
    """
    codes = [each.code for each in wanted]
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock(hashtext('change request'), hashtext($1 || ':' || code))
        FROM unnest($2::text[]) AS code ORDER BY code
        """,
        kind,
        sorted(codes),
    )
    known = await conn.fetch(
        "SELECT id FROM change_requests WHERE id = ANY ($1::uuid[])", [each.id for each in wanted]
    )
    fresh = [each for each in wanted if each.id not in {row["id"] for row in known}]
    if not fresh:
        return
    await conn.execute(
        """
        UPDATE change_requests SET state = 'withdrawn'
        WHERE kind = $1 AND code = ANY ($2::text[]) AND vendor_id = $3 AND state = 'pending'
        """,
        kind,
        [each.code for each in fresh],
        actor.organization_id,
    )
    await conn.execute(
        """
        WITH asked AS (
            INSERT INTO change_requests (id, vendor_id, person_id, kind, code, before, after)
            SELECT f.id, $2, $3, $4, f.code, f.before, f.after
            FROM jsonb_to_recordset($1::text::jsonb) AS f (id uuid, code text, before jsonb, after jsonb)
            RETURNING kind, code, before, after
        )
        INSERT INTO events (kind, subject, subject_id, person_id, organization_id, data)
        SELECT 'change.requested', kind, code, $3, $2, jsonb_build_object('before', before, 'after', after) FROM asked
        """,
        msgspec.json.encode(fresh).decode(),
        actor.organization_id,
        actor.person_id,
        kind,
    )
    named = ", ".join(each.code for each in fresh[:NAMED_MAX])
    is_one = len(fresh) == 1
    await notify_coordinators(
        conn,
        kind="change.requested",
        path=f"/coordinator/changes/{fresh[0].id}" if is_one else "/coordinator/changes",
        code=named if len(fresh) <= NAMED_MAX else f"{named}, … ({len(fresh)})",
    )
