"""The onboarding checklist: what is asked of vendors, their answers, and the coordinator's decisions on them.

An answer is one row, never rewritten into another: a renewal waits beside the one that still counts, and
takes its place when it is verified.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID, uuid4

import asyncpg

from catalog.core.onboarding import (
    REQUIREMENT_KINDS,
    RULES,
    Answer,
    ChecklistItem,
    Requirement,
    RequirementKind,
    VendorFacts,
    VendorState,
    judge,
    lowering,
    months_later,
)
from catalog.errors import AnswerRefused, OrganizationNotFound, ReasonMissing, RequirementNotFound
from catalog.events import SYSTEM, Actor, record_event
from catalog.notices import notify, notify_coordinators, organization_names


async def read_today(conn: asyncpg.Connection) -> date:
    """The day in Korea by the database's clock."""
    today: date = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    return today


async def list_requirements(conn: asyncpg.Connection) -> list[Requirement]:
    """The checklist in use, in its order."""
    rows = await conn.fetch(
        """
        SELECT key, kind, rule, name_ko, name_en, help_ko, help_en, is_required, needs_file, valid_months,
               required_from, position
        FROM requirements WHERE retired_at IS NULL ORDER BY position, key
        """
    )
    return [Requirement(**dict(row)) for row in rows]


async def read_checklist(
    conn: asyncpg.Connection, *, vendor_id: int, today: date
) -> tuple[ChecklistItem, ...]:
    """How far each requirement is met by this vendor today."""
    facts = await _read_facts(conn, vendor_id=vendor_id)
    answers = await _list_answers(conn, vendor_id=vendor_id)
    return tuple(
        judge(requirement, answers.get(requirement.key, ()), facts, today=today)
        for requirement in await list_requirements(conn)
    )


async def _read_facts(conn: asyncpg.Connection, *, vendor_id: int) -> VendorFacts:
    row = await conn.fetchrow(
        """
        SELECT business_number IS NOT NULL AS has_business_number,
               contact_email IS NOT NULL AND contact_phone IS NOT NULL AS has_contact,
               length(coalesce(introduction_ko, '')) > 0 AS has_introduction, homepage IS NOT NULL AS has_homepage,
               (SELECT count(*) FROM products WHERE vendor_id = o.id AND state <> 'retired')
               + (SELECT count(*) FROM package_models WHERE vendor_id = o.id AND state <> 'retired')
               + (SELECT count(*) FROM listing_drafts WHERE vendor_id = o.id) AS listing_count
        FROM organizations o WHERE id = $1 AND kind = 'vendor'
        """,
        vendor_id,
    )
    if row is None:
        raise OrganizationNotFound(str(vendor_id))
    return VendorFacts(**dict(row))


async def _list_answers(conn: asyncpg.Connection, *, vendor_id: int) -> dict[str, list[Answer]]:
    rows = await conn.fetch(
        """
        SELECT a.requirement_key, a.state, a.valid_until, a.note, a.reason, a.file_id::text AS file_id, f.name AS file_name
        FROM requirement_answers a LEFT JOIN files f ON f.id = a.file_id
        WHERE a.vendor_id = $1 AND a.superseded_at IS NULL ORDER BY a.created_at, a.id
        """,
        vendor_id,
    )
    found: dict[str, list[Answer]] = {}
    for row in rows:
        key, *values = row
        found.setdefault(key, []).append(Answer(**dict(zip(Answer.__struct_fields__, values, strict=True))))
    return found


async def _get_requirement(conn: asyncpg.Connection, key: str) -> Requirement:
    for requirement in await list_requirements(conn):
        if requirement.key == key:
            return requirement
    raise RequirementNotFound(key)


async def answer_requirement(
    conn: asyncpg.Connection,
    *,
    key: str,
    actor: Actor,
    is_attested: bool = False,
    file_id: UUID | None = None,
    note: str = "",
) -> None:
    """A vendor answers one requirement: attested ones stand at once, verified ones wait for the coordinator.

    Raises RequirementNotFound; AnswerRefused `computed`, `not_attested`, `file_missing`.
    """
    vendor_id = actor.organization_id
    assert vendor_id is not None, "a vendor answers"
    requirement = await _get_requirement(conn, key)
    if requirement.kind not in {"attested", "verified"}:
        raise AnswerRefused(key, reason="computed")
    if requirement.kind == "attested" and not is_attested:
        raise AnswerRefused(key, reason="not_attested")
    if requirement.needs_file:
        owns = await conn.fetchval(
            "SELECT EXISTS (SELECT FROM files WHERE id = $1 AND organization_id = $2)", file_id, vendor_id
        )
        if not owns:
            raise AnswerRefused(key, reason="file_missing")
    await _lock(conn, vendor_id)
    today = await read_today(conn)
    state = "attested" if requirement.kind == "attested" else "submitted"
    # Only what it replaces goes: an older verified answer counts on while the new one waits.
    await _supersede(
        conn,
        vendor_id=vendor_id,
        key=key,
        states=("attested", "rejected") if state == "attested" else ("submitted", "rejected"),
    )
    months = requirement.valid_months
    await conn.execute(
        """
        INSERT INTO requirement_answers (id, vendor_id, requirement_key, state, file_id, note, valid_until, person_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        uuid4(),
        vendor_id,
        key,
        state,
        file_id,
        note,
        months_later(today, months) if state == "attested" and months else None,
        actor.person_id,
    )
    await _record(conn, f"requirement.{state}", vendor_id, actor, key=key)
    if state == "submitted":
        names = await organization_names(conn, organization_id=vendor_id)
        await notify_coordinators(
            conn,
            kind="requirement.submitted",
            path=f"/coordinator/vendors/{await _code(conn, vendor_id)}",
            **names,
        )
    await refresh_vendor(conn, vendor_id=vendor_id, today=today)


async def decide_answer(
    conn: asyncpg.Connection,
    *,
    vendor_id: int,
    key: str,
    is_accepted: bool,
    reason: str = "",
    valid_until: date | None = None,
    actor: Actor,
) -> None:
    """The coordinator looked at what waits under a requirement: verified (until a day), or rejected with a reason.

    Without a day, the requirement's own term counts from today. Raises RequirementNotFound, ReasonMissing.
    """
    if not is_accepted and not reason.strip():
        raise ReasonMissing
    requirement = await _get_requirement(conn, key)
    await _lock(conn, vendor_id)
    today = await read_today(conn)
    if is_accepted:
        months = requirement.valid_months
        valid_until = valid_until or (months_later(today, months) if months else None)
        await _supersede(conn, vendor_id=vendor_id, key=key, states=("verified", "waived", "rejected"))
    decided = await conn.fetchval(
        """
        UPDATE requirement_answers SET state = $3, reason = $4, valid_until = $5, decided_by = $6,
               decided_at = clock_timestamp()
        WHERE vendor_id = $1 AND requirement_key = $2 AND state = 'submitted' AND superseded_at IS NULL
        RETURNING id
        """,
        vendor_id,
        key,
        "verified" if is_accepted else "rejected",
        reason.strip() or None,
        valid_until if is_accepted else None,
        actor.organization_id,
    )
    if decided is None:
        raise RequirementNotFound(key)
    state = "verified" if is_accepted else "rejected"
    await _record(conn, f"requirement.{state}", vendor_id, actor, key=key, reason=reason.strip())
    await _tell_vendor(conn, vendor_id, f"requirement.{state}", requirement, reason)
    await refresh_vendor(conn, vendor_id=vendor_id, today=today)


async def waive_requirement(
    conn: asyncpg.Connection,
    *,
    vendor_id: int,
    key: str,
    reason: str,
    valid_until: date | None = None,
    actor: Actor,
) -> None:
    """The coordinator lets a vendor off one requirement, with a reason that is kept; until a day, or for good.

    Raises RequirementNotFound, ReasonMissing; AnswerRefused `own_requirement`.
    """
    if not reason.strip():
        raise ReasonMissing
    if actor.organization_id == vendor_id:
        raise AnswerRefused(key, reason="own_requirement")
    requirement = await _get_requirement(conn, key)
    await _lock(conn, vendor_id)
    await _read_facts(conn, vendor_id=vendor_id)
    await _supersede(
        conn, vendor_id=vendor_id, key=key, states=("attested", "verified", "waived", "rejected")
    )
    await conn.execute(
        """
        INSERT INTO requirement_answers
            (id, vendor_id, requirement_key, state, reason, valid_until, person_id, decided_by, decided_at)
        VALUES ($1, $2, $3, 'waived', $4, $5, $6, $7, clock_timestamp())
        """,
        uuid4(),
        vendor_id,
        key,
        reason.strip(),
        valid_until,
        actor.person_id,
        actor.organization_id,
    )
    await _record(conn, "requirement.waived", vendor_id, actor, key=key, reason=reason.strip())
    await _tell_vendor(conn, vendor_id, "requirement.waived", requirement, reason)
    await refresh_vendor(conn, vendor_id=vendor_id, today=await read_today(conn))


async def refresh_vendor(conn: asyncpg.Connection, *, vendor_id: int, today: date) -> bool:
    """Bring "action needed" up to date; return whether it changed. The vendor is told when it is lowered."""
    row = await conn.fetchrow(
        "SELECT state, action_needed_at IS NOT NULL FROM organizations WHERE id = $1 AND kind = 'vendor'",
        vendor_id,
    )
    if row is None:
        raise OrganizationNotFound(str(vendor_id))
    state: VendorState
    state, was_lowered = row
    items = lowering(await read_checklist(conn, vendor_id=vendor_id, today=today), today=today)
    is_lowered = state == "active" and bool(items)
    if is_lowered == was_lowered:
        return False
    await conn.execute(
        "UPDATE organizations SET action_needed_at = CASE WHEN $2 THEN clock_timestamp() END WHERE id = $1",
        vendor_id,
        is_lowered,
    )
    keys = ", ".join(item.requirement.key for item in items)
    kind = "vendor.action_needed" if is_lowered else "vendor.in_order"
    await _record(conn, kind, vendor_id, SYSTEM, keys=keys)
    names = {"name_ko": "", "name_en": ""}
    if is_lowered:
        names = {"name_ko": items[0].requirement.name_ko, "name_en": items[0].requirement.name_en}
    await notify(conn, organization_id=vendor_id, kind=kind, path="/vendor/onboarding", **names)
    return True


async def refresh_vendors(conn: asyncpg.Connection, *, today: date) -> int:
    """Lower the active vendors whose papers have run out since, and lift those in order; return how many changed."""
    rows = await conn.fetch(
        "SELECT id FROM organizations WHERE kind = 'vendor' AND state = 'active' ORDER BY id"
    )
    changed = 0
    for row in rows:
        changed += await refresh_vendor(conn, vendor_id=row["id"], today=today)
    return changed


async def set_requirement(
    conn: asyncpg.Connection,
    *,
    key: str,
    kind: RequirementKind,
    rule: str | None,
    name_ko: str,
    name_en: str,
    help_ko: str = "",
    help_en: str = "",
    is_required: bool = True,
    needs_file: bool = False,
    valid_months: int | None = None,
    required_from: date,
    position: int = 100,
    actor: Actor,
) -> None:
    """Add a requirement to the checklist, or change the one of this key.

    Raises AnswerRefused `computed` for a rule that the market does not know: it would never be met.
    """
    if kind not in REQUIREMENT_KINDS or (kind == "computed" and rule not in RULES):
        raise AnswerRefused(key, reason="computed")
    await conn.execute(
        """
        INSERT INTO requirements AS r
            (key, kind, rule, name_ko, name_en, help_ko, help_en, is_required, needs_file, valid_months, required_from,
             position)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (key) DO UPDATE SET
            kind = excluded.kind, rule = excluded.rule, name_ko = excluded.name_ko, name_en = excluded.name_en,
            help_ko = excluded.help_ko, help_en = excluded.help_en, is_required = excluded.is_required,
            needs_file = excluded.needs_file, valid_months = excluded.valid_months,
            required_from = excluded.required_from, position = excluded.position, retired_at = NULL
        """,
        key,
        kind,
        rule if kind == "computed" else None,
        name_ko,
        name_en,
        help_ko,
        help_en,
        is_required,
        needs_file,
        valid_months,
        required_from,
        position,
    )
    await record_event(
        conn, kind="requirement.set", subject="requirement", subject_id=key, actor=actor, rule=rule or kind
    )


async def retire_requirement(conn: asyncpg.Connection, *, key: str, actor: Actor) -> None:
    """Ask for this no longer; answers stay on record. Raises RequirementNotFound."""
    retired = await conn.fetchval(
        "UPDATE requirements SET retired_at = clock_timestamp() WHERE key = $1 AND retired_at IS NULL RETURNING key",
        key,
    )
    if retired is None:
        raise RequirementNotFound(key)
    await record_event(conn, kind="requirement.retired", subject="requirement", subject_id=key, actor=actor)


async def _lock(conn: asyncpg.Connection, vendor_id: int) -> None:
    """Answers and decisions on one vendor wait for each other."""
    await conn.execute("SELECT id FROM organizations WHERE id = $1 FOR UPDATE", vendor_id)


async def _supersede(conn: asyncpg.Connection, *, vendor_id: int, key: str, states: Sequence[str]) -> None:
    await conn.execute(
        """
        UPDATE requirement_answers SET superseded_at = clock_timestamp()
        WHERE vendor_id = $1 AND requirement_key = $2 AND state = ANY ($3::text[]) AND superseded_at IS NULL
        """,
        vendor_id,
        key,
        list(states),
    )


async def _record(conn: asyncpg.Connection, kind: str, vendor_id: int, actor: Actor, **data: str) -> None:
    code = await _code(conn, vendor_id)
    await record_event(conn, kind=kind, subject="vendor", subject_id=code, actor=actor, **data)


async def _code(conn: asyncpg.Connection, vendor_id: int) -> str:
    return str(await conn.fetchval("SELECT code FROM organizations WHERE id = $1", vendor_id))


async def _tell_vendor(
    conn: asyncpg.Connection, vendor_id: int, kind: str, requirement: Requirement, reason: str
) -> None:
    await notify(
        conn,
        organization_id=vendor_id,
        kind=kind,
        path="/vendor/onboarding",
        name_ko=requirement.name_ko,
        name_en=requirement.name_en,
        reason=reason.strip(),
    )
