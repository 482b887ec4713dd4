"""Edits of listings that buyers rely on: what is not exempt waits for the coordinator, field by field.

A request keeps what changed, before and after, as text by field name. It is approved onto the listing as it
is then: where one of its fields was changed meanwhile, it is stale, and nothing is written.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from catalog.core.import_rows import RowError
from catalog.core.listing_diff import changed_fields
from catalog.core.listing_rows import ImportKind
from catalog.errors import ChangeRequestNotFound, ChangeRequestStale, ListingRefused, ReasonMissing
from catalog.events import Actor, record_event
from catalog.listing.fields import check_listing, normalized, read_listing, write_listing
from catalog.notices import notify
from catalog.review import NEVER_BY_FORM, Wanted, list_exempt_fields, request_changes

RequestState = Literal["pending", "approved", "declined", "withdrawn"]


class ChangeRequest(Struct, frozen=True, kw_only=True):
    """One request. `before` and `after` have the same keys, the fields that differ."""

    id: UUID
    vendor_id: int
    vendor_ko: str
    vendor_en: str
    kind: ImportKind
    code: str
    before: dict[str, str]
    after: dict[str, str]
    state: RequestState
    reason: str | None
    created_at: datetime
    decided_at: datetime | None


class Edited(Struct, frozen=True, kw_only=True):
    """What became of an edit: nothing changed, all written, some or all waiting, or what is wrong."""

    outcome: Literal["unchanged", "written", "requested", "refused"]
    errors: tuple[RowError, ...] = ()


async def edit_listing(
    conn: asyncpg.Connection,
    *,
    request_id: UUID,
    kind: ImportKind,
    code: str,
    fields: Mapping[str, str],
    actor: Actor,
) -> Edited:
    """Edit an own listing: drafts and exempt fields at once, the rest by request. The same id twice is one request.

    `fields` are those that the form showed; others stay. An older request on the listing that waits is
    withdrawn for this one. Raises NotFound (of its kind), also for another vendor's listing.
    """
    vendor_id = actor.organization_id
    assert vendor_id is not None, "vendors edit"
    listing = await read_listing(conn, kind=kind, code=code, vendor_id=vendor_id)
    given = {n: value for n, value in normalized(kind, fields).items() if n not in NEVER_BY_FORM}
    if given.get("audience", "invited") != "invited":
        given["invited"] = ""  # an offer that is open to more needs no list of guests
    changes = changed_fields(listing.fields, given)
    if not changes:
        return Edited(outcome="unchanged")
    after = {name: new for name, (_, new) in changes.items()}
    errors = await check_listing(conn, kind=kind, fields=listing.fields | after, vendor_id=vendor_id)
    if errors:
        return Edited(outcome="refused", errors=errors)
    exempt = frozenset(after) if listing.state == "draft" else await list_exempt_fields(conn, kind=kind)
    at_once = {name: value for name, value in after.items() if name in exempt}
    waiting = {name: value for name, value in after.items() if name not in exempt}
    if at_once:
        errors = await write_listing(conn, kind=kind, fields=listing.fields | at_once, vendor_id=vendor_id)
        if errors:
            return Edited(outcome="refused", errors=errors)
        await record_event(
            conn,
            kind="listing.edited",
            subject=kind,
            subject_id=code,
            actor=actor,
            before={name: changes[name][0] for name in at_once},
            after=at_once,
        )
    if waiting:
        before = {name: changes[name][0] for name in waiting}
        await request_changes(
            conn, kind=kind, wanted=[Wanted(request_id, code, before, waiting)], actor=actor
        )
    return Edited(outcome="requested" if waiting else "written")


async def approve_change(conn: asyncpg.Connection, *, request_id: UUID, actor: Actor) -> None:
    """Write a request onto its listing; the vendor is told.

    Raises ChangeRequestNotFound (also for one that is decided), ChangeRequestStale; ListingRefused `invalid`
    where the catalog changed so that it cannot be written any more. Then nothing is decided.
    """
    request = await _take_pending(conn, request_id)
    listing = await read_listing(conn, kind=request.kind, code=request.code, vendor_id=request.vendor_id)
    stale = tuple(
        name for name, value in request.before.items() if listing.fields.get(name, "").strip() != value
    )
    if stale:
        raise ChangeRequestStale(request.code, fields=stale)
    errors = await write_listing(
        conn, kind=request.kind, fields=listing.fields | request.after, vendor_id=request.vendor_id
    )
    if errors:
        raise ListingRefused(reason="invalid", detail="; ".join(f"{e.column}: {e.expected}" for e in errors))
    await _decide(conn, request, state="approved", reason="", actor=actor)


async def decline_change(conn: asyncpg.Connection, *, request_id: UUID, reason: str, actor: Actor) -> None:
    """Say no, with the reason that the vendor reads. Raises ChangeRequestNotFound, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing
    request = await _take_pending(conn, request_id)
    await _decide(conn, request, state="declined", reason=reason.strip(), actor=actor)


async def withdraw_change(conn: asyncpg.Connection, *, request_id: UUID, actor: Actor) -> None:
    """A vendor takes its own request back. Raises ChangeRequestNotFound."""
    code = await conn.fetchrow(
        """
        UPDATE change_requests SET state = 'withdrawn'
        WHERE id = $1 AND vendor_id = $2 AND state = 'pending' RETURNING kind, code
        """,
        request_id,
        actor.organization_id,
    )
    if code is None:
        raise ChangeRequestNotFound(str(request_id))
    await record_event(
        conn, kind="change.withdrawn", subject=code["kind"], subject_id=code["code"], actor=actor
    )


async def _take_pending(conn: asyncpg.Connection, request_id: UUID) -> ChangeRequest:
    """The request, locked against a second decision."""
    locked = await conn.fetchval(
        "SELECT id FROM change_requests WHERE id = $1 AND state = 'pending' FOR UPDATE", request_id
    )
    if locked is None:
        raise ChangeRequestNotFound(str(request_id))
    return await get_change(conn, request_id=request_id)


async def _decide(
    conn: asyncpg.Connection, request: ChangeRequest, *, state: RequestState, reason: str, actor: Actor
) -> None:
    await conn.execute(
        """
        UPDATE change_requests SET state = $2, reason = $3, decided_by = $4, decided_at = clock_timestamp()
        WHERE id = $1
        """,
        request.id,
        state,
        reason or None,
        actor.organization_id,
    )
    await record_event(
        conn,
        kind=f"change.{state}",
        subject=request.kind,
        subject_id=request.code,
        actor=actor,
        before=request.before,
        after=request.after,
        reason=reason,
    )
    await notify(
        conn,
        organization_id=request.vendor_id,
        kind=f"change.{state}",
        path="/vendor/changes",
        code=request.code,
        reason=reason,
    )


async def get_change(
    conn: asyncpg.Connection, *, request_id: UUID, vendor_id: int | None = None
) -> ChangeRequest:
    """One request; with `vendor_id`, only that vendor's. Raises ChangeRequestNotFound."""
    found = await _list(conn, request_id=request_id, vendor_id=vendor_id, states=None, limit=1)
    if not found:
        raise ChangeRequestNotFound(str(request_id))
    return found[0]


async def list_changes(
    conn: asyncpg.Connection,
    *,
    vendor_id: int | None = None,
    is_pending: bool | None = None,
    limit: int = 100,
) -> list[ChangeRequest]:
    """Requests, the oldest pending one first, then the newest decided."""
    states = (
        None if is_pending is None else ["pending"] if is_pending else ["approved", "declined", "withdrawn"]
    )
    return await _list(conn, request_id=None, vendor_id=vendor_id, states=states, limit=limit)


async def count_pending_changes(conn: asyncpg.Connection) -> int:
    """How many requests wait: the number on the coordinator's inbox."""
    count: int = await conn.fetchval("SELECT count(*) FROM change_requests WHERE state = 'pending'")
    return count


async def _list(
    conn: asyncpg.Connection,
    *,
    request_id: UUID | None,
    vendor_id: int | None,
    states: list[str] | None,
    limit: int,
) -> list[ChangeRequest]:
    rows = await conn.fetch(
        """
        SELECT c.id, c.vendor_id, o.name_ko AS vendor_ko, o.name_en AS vendor_en, c.kind, c.code, c.before, c.after,
               c.state, c.reason, c.created_at, c.decided_at
        FROM change_requests c JOIN organizations o ON o.id = c.vendor_id
        WHERE ($1::uuid IS NULL OR c.id = $1) AND ($2::bigint IS NULL OR c.vendor_id = $2)
          AND ($3::text[] IS NULL OR c.state = ANY ($3))
        ORDER BY c.state <> 'pending', CASE WHEN c.state = 'pending' THEN c.created_at END, c.created_at DESC, c.id
        LIMIT $4
        """,
        request_id,
        vendor_id,
        states,
        limit,
    )
    return [ChangeRequest(**dict(row)) for row in rows]


async def set_exempt_fields(
    conn: asyncpg.Connection, *, kind: ImportKind, fields: frozenset[str], actor: Actor
) -> None:
    """Say which fields of a kind vendors change without asking; identity and state never are."""
    before = await list_exempt_fields(conn, kind=kind)
    wanted = fields - NEVER_BY_FORM
    await conn.execute(
        "DELETE FROM exempt_fields WHERE kind = $1 AND field <> ALL ($2::text[])", kind, sorted(wanted)
    )
    await conn.execute(
        "INSERT INTO exempt_fields (kind, field) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
        kind,
        sorted(wanted),
    )
    await record_event(
        conn,
        kind="exempt_fields.set",
        subject="exempt_fields",
        subject_id=kind,
        actor=actor,
        before=sorted(before),
        after=sorted(wanted),
    )
