"""A vendor's way through the market: registered, approved, suspended, back again, gone. Each step with its reason.

What is not `active` never appears: every read of listings asks for an active vendor, and the triggers of the
search index mark a vendor's listings when its state changes.
"""

from datetime import datetime

import asyncpg
from msgspec import Struct

from catalog.core.onboarding import VENDOR_TRANSITIONS, Standing, VendorState, unmet
from catalog.core.slug import make_free_code
from catalog.errors import (
    OrganizationNotFound,
    ReasonMissing,
    RegistrationRefused,
    VendorStateConflict,
)
from catalog.events import Actor, record_event
from catalog.notices import notify, notify_coordinators
from catalog.onboarding import read_checklist, read_today, refresh_vendor


class VendorEntry(Struct, frozen=True, kw_only=True):
    """A vendor as the coordinator's list shows it; `waiting_count` = answers and changes to look at."""

    id: int
    code: str
    name_ko: str
    name_en: str
    business_number: str | None
    state: VendorState
    state_reason: str | None
    action_needed_at: datetime | None
    created_at: datetime
    listing_count: int
    waiting_count: int

    @property
    def standing(self) -> Standing:
        return "action_needed" if self.state == "active" and self.action_needed_at is not None else self.state


async def register_vendor(
    conn: asyncpg.Connection,
    *,
    name_ko: str,
    name_en: str,
    business_number: str,
    contact_email: str,
    contact_phone: str | None,
    region: str | None = None,
    homepage: str | None = None,
    introduction_ko: str | None = None,
) -> int:
    """Enter a vendor that nobody has approved yet; return its id.

    `business_number` is as `read_business_number` writes it. Raises RegistrationRefused
    `business_number_taken`.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('vendor registration'))")
    taken = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM organizations WHERE business_number = $1 AND kind = 'vendor' AND state <> 'terminated')
        """,
        business_number,
    )
    if taken:
        raise RegistrationRefused(reason="business_number_taken")
    codes = await conn.fetch("SELECT code FROM organizations")
    code = make_free_code(name_en or name_ko, taken={row["code"] for row in codes})
    vendor_id: int = await conn.fetchval(
        """
        INSERT INTO organizations
            (code, kind, name_ko, name_en, business_number, region, homepage, introduction_ko, contact_email,
             contact_phone, state, state_changed_at)
        VALUES ($1, 'vendor', $2, $3, $4, $5, $6, $7, $8, $9, 'pending', clock_timestamp())
        RETURNING id
        """,
        code,
        name_ko,
        name_en or name_ko,
        business_number,
        region,
        homepage,
        introduction_ko,
        contact_email,
        contact_phone,
    )
    await record_event(
        conn, kind="vendor.registered", subject="vendor", subject_id=code, actor=Actor(None, vendor_id)
    )
    await notify_coordinators(
        conn,
        kind="vendor.registered",
        path=f"/coordinator/vendors/{code}",
        name_ko=name_ko,
        name_en=name_en or name_ko,
    )
    return vendor_id


async def update_profile(
    conn: asyncpg.Connection,
    *,
    contact_email: str | None,
    contact_phone: str | None,
    homepage: str | None,
    introduction_ko: str | None,
    introduction_en: str | None,
    actor: Actor,
) -> None:
    """A vendor writes about itself. Names and the business number are the coordinator's to change."""
    vendor_id = actor.organization_id
    row = await conn.fetchrow(
        """
        UPDATE organizations SET contact_email = $2, contact_phone = $3, homepage = $4, introduction_ko = $5,
               introduction_en = $6
        WHERE id = $1 AND kind = 'vendor' RETURNING code
        """,
        vendor_id,
        contact_email,
        contact_phone,
        homepage,
        introduction_ko,
        introduction_en,
    )
    if row is None or vendor_id is None:
        raise OrganizationNotFound(str(vendor_id))
    await record_event(conn, kind="vendor.profile", subject="vendor", subject_id=row["code"], actor=actor)
    await refresh_vendor(conn, vendor_id=vendor_id, today=await read_today(conn))


async def change_vendor_state(
    conn: asyncpg.Connection,
    *,
    code: str,
    state: VendorState,
    reason: str = "",
    is_override: bool = False,
    actor: Actor,
) -> None:
    """Approve (`active`), suspend, take back or end a vendor.

    Approval needs every required item met, or an override with its reason, which is recorded with what was
    missing. All other steps need a reason. Raises OrganizationNotFound, ReasonMissing, VendorStateConflict.
    """
    row = await conn.fetchrow(
        "SELECT id, state FROM organizations WHERE code = $1 AND kind = 'vendor' FOR UPDATE", code
    )
    if row is None:
        raise OrganizationNotFound(code)
    before: VendorState = row["state"]
    if state not in VENDOR_TRANSITIONS[before]:
        raise VendorStateConflict(code, state=before, wanted=state)
    today = await read_today(conn)
    missing = unmet(await read_checklist(conn, vendor_id=row["id"], today=today))
    keys = tuple(item.requirement.key for item in missing)
    is_plain_approval = before == "pending" and state == "active" and not is_override
    if not is_plain_approval and not reason.strip():
        raise ReasonMissing
    if state == "active" and missing and not is_override:
        raise VendorStateConflict(code, state=before, wanted=state, unmet=keys)
    await conn.execute(
        """
        UPDATE organizations SET state = $2, state_reason = $3, state_changed_at = clock_timestamp(),
               action_needed_at = NULL
        WHERE id = $1
        """,
        row["id"],
        state,
        reason.strip() or None,
    )
    word = "approved" if before == "pending" and state == "active" else state
    await record_event(
        conn,
        kind=f"vendor.{word}",
        subject="vendor",
        subject_id=code,
        actor=actor,
        before=before,
        after=state,
        reason=reason.strip(),
        overridden=list(keys) if is_override else [],
    )
    await notify(
        conn,
        organization_id=row["id"],
        kind=f"vendor.{word}",
        path="/vendor/onboarding",
        reason=reason.strip(),
    )
    await refresh_vendor(conn, vendor_id=row["id"], today=today)


async def list_vendor_entries(conn: asyncpg.Connection, *, limit: int = 500) -> list[VendorEntry]:
    """All vendors for the coordinator: those that wait first, then by name."""
    rows = await conn.fetch(
        """
        SELECT o.id, o.code, o.name_ko, o.name_en, o.business_number, o.state, o.state_reason, o.action_needed_at,
               o.created_at,
               (SELECT count(*) FROM products p WHERE p.vendor_id = o.id AND p.state = 'published')
               + (SELECT count(*) FROM package_models m WHERE m.vendor_id = o.id AND m.state = 'published')
               AS listing_count,
               (SELECT count(*) FROM requirement_answers a WHERE a.vendor_id = o.id AND a.state = 'submitted'
                                                             AND a.superseded_at IS NULL) AS waiting_count
        FROM organizations o WHERE o.kind = 'vendor'
        ORDER BY array_position(ARRAY['pending', 'active', 'suspended', 'terminated'], o.state),
                 waiting_count DESC, o.action_needed_at IS NULL, o.name_ko, o.id
        LIMIT $1
        """,
        limit,
    )
    return [VendorEntry(**dict(row)) for row in rows]


class Profile(Struct, frozen=True, kw_only=True):
    """What a vendor and the coordinator see of a vendor beside its listings."""

    id: int
    code: str
    name_ko: str
    name_en: str
    business_number: str | None
    region: str | None
    homepage: str | None
    introduction_ko: str | None
    introduction_en: str | None
    contact_email: str | None
    contact_phone: str | None
    state: VendorState
    state_reason: str | None
    action_needed_at: datetime | None
    is_fictional: bool

    @property
    def standing(self) -> Standing:
        return "action_needed" if self.state == "active" and self.action_needed_at is not None else self.state


async def get_profile(
    conn: asyncpg.Connection, *, vendor_id: int | None = None, code: str | None = None
) -> Profile:
    """A vendor by id or code, whatever its state. Raises OrganizationNotFound."""
    row = await conn.fetchrow(
        """
        SELECT id, code, name_ko, name_en, business_number, region, homepage, introduction_ko, introduction_en,
               contact_email, contact_phone, state, state_reason, action_needed_at, is_fictional
        FROM organizations WHERE kind = 'vendor' AND (id = $1 OR code = $2)
        """,
        vendor_id,
        code,
    )
    if row is None:
        raise OrganizationNotFound(code or str(vendor_id))
    return Profile(**dict(row))
