"""A sponsor's promise for a round: made by the coordinator, confirmed by the sponsor, frozen when the round closes.

A sponsor that does not pay stays the debtor: its members have paid their own part and owe nothing more. Only the
coordinator may let it off what is unpaid (`release_sponsorship`); each member is told and owes that itself from then on.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from catalog.core.money import ROUND_KRW_MAX
from catalog.events import Actor, record_event
from group_buy.changing import balance_out
from group_buy.core.sponsorship import SponsorshipKind
from group_buy.errors import InvalidSponsorship, RoundNotFound, SponsorshipNotFound, SponsorshipRefused
from group_buy.rounds import ROUND_LOCK
from group_buy.sponsor_parts import MEMBERS_MAX, write_part

SPONSORSHIPS_MAX: Final = 20
"""Sponsorships of one round that are not revoked."""

NOTE_LENGTH_MAX: Final = 500
BEFORE_THE_CLOSE: Final = ("draft", "announced", "open", "fill_up")


async def make_sponsorship(
    conn: asyncpg.Connection,
    *,
    sponsorship_id: UUID,
    round_code: str,
    sponsor_code: str,
    kind: SponsorshipKind,
    share_bp: int | None,
    krw_max: int | None,
    member_codes: Sequence[str],
    note: str,
    actor: Actor,
) -> None:
    """Offer a sponsor its sponsorship of a round: it counts once the sponsor has confirmed it.

    The same id again changes nothing.

    "share": `share_bp` (1-10,000) of each member's total with VAT, at most `krw_max` won a member (None = no limit).
    "top_up": `krw_max` won for all members together. Members and sponsor are named by their organizations' codes.

    Raises:
        RoundNotFound: no such round of this coordinator.
        InvalidSponsorship: figures, sponsor or members that break a rule.
        SponsorshipRefused: `round_closed`, `too_many`, `sponsors_already`, `id_taken`.
    """
    round_id, vendor_id = await _lock_open_round(conn, round_code, sponsorship_id, actor)
    _require_figures(kind, share_bp, krw_max, note)
    sponsor_id = await _find_sponsor(conn, sponsor_code, vendor_id)
    members = await _find_members(conn, member_codes, sponsor_id)
    known = await conn.fetchval("SELECT round_id FROM sponsorships WHERE id = $1", sponsorship_id)
    if known is not None:
        if known != round_id:
            raise SponsorshipRefused(sponsorship_id, reason="id_taken")
        return
    live = await conn.fetch(
        "SELECT sponsor_id FROM sponsorships WHERE round_id = $1 AND revoked_at IS NULL", round_id
    )
    if len(live) >= SPONSORSHIPS_MAX:
        raise SponsorshipRefused(sponsorship_id, reason="too_many")
    if sponsor_id in {row["sponsor_id"] for row in live}:
        raise SponsorshipRefused(sponsorship_id, reason="sponsors_already")
    await conn.execute(
        """
        WITH made AS (
            INSERT INTO sponsorships (id, round_id, sponsor_id, kind, share_bp, krw_max, note, made_by)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        )
        INSERT INTO notifications (organization_id, kind, data)
        VALUES ($3, 'sponsorship.offered', jsonb_build_object('round', $9::text, 'path', '/my/sponsorships'))
        """,
        sponsorship_id,
        round_id,
        sponsor_id,
        kind,
        share_bp if kind == "share" else None,
        krw_max,
        note.strip(),
        actor.person_id,
        round_code,
    )
    await conn.execute(
        "INSERT INTO sponsored_members (sponsorship_id, buyer_id) SELECT $1, unnest($2::bigint[])",
        sponsorship_id,
        members,
    )
    await record_event(
        conn,
        kind="sponsorship.made",
        subject="round",
        subject_id=round_code,
        actor=actor,
        sponsorship=str(sponsorship_id),
        sponsor=sponsor_code,
        members=len(members),
    )


async def _lock_open_round(
    conn: asyncpg.Connection, code: str, sponsorship_id: UUID, actor: Actor
) -> tuple[int, int]:
    """Keep a coordinator's round from closing for this transaction; return its id and its vendor's.

    Exclusive, as for closing: two sponsorships at once must not pass the limit together, nor a confirmation a revocation.
    """
    row = await conn.fetchrow(
        "SELECT id, vendor_id FROM rounds WHERE code = $1 AND coordinator_id = $2",
        code,
        actor.organization_id,
    )
    if row is None:
        raise RoundNotFound(code)
    await _require_before_close(conn, row["id"], sponsorship_id)
    return row["id"], row["vendor_id"]


async def _require_before_close(conn: asyncpg.Connection, round_id: int, sponsorship_id: UUID) -> None:
    await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", ROUND_LOCK, round_id)
    is_open = await conn.fetchval(
        "SELECT state = ANY ($2) AND clock_timestamp() < closes_at FROM rounds WHERE id = $1",
        round_id,
        list(BEFORE_THE_CLOSE),
    )
    if not is_open:
        raise SponsorshipRefused(sponsorship_id, reason="round_closed")


def _require_figures(kind: SponsorshipKind, share_bp: int | None, krw_max: int | None, note: str) -> None:
    if kind == "share" and not (share_bp is not None and 1 <= share_bp <= 10_000):
        raise InvalidSponsorship("/share_bp", "share", "basis points from 1 to 10000")
    if kind == "top_up" and krw_max is None:
        raise InvalidSponsorship("/krw_max", "sum_missing", "the won for all members together")
    if krw_max is not None and not 1 <= krw_max <= ROUND_KRW_MAX:
        raise InvalidSponsorship("/krw_max", "sum", f"won from 1 to {ROUND_KRW_MAX}")
    if len(note.strip()) > NOTE_LENGTH_MAX:
        raise InvalidSponsorship("/note", "note", f"at most {NOTE_LENGTH_MAX} letters")


async def _find_sponsor(conn: asyncpg.Connection, code: str, vendor_id: int) -> int:
    sponsor_id: int | None = await conn.fetchval(
        "SELECT id FROM organizations WHERE code = $1 AND state = 'active'", code.strip()
    )
    if sponsor_id is None:
        raise InvalidSponsorship(
            "/sponsor", "sponsor_unknown", "an active organization's code", found=code[:80]
        )
    if sponsor_id == vendor_id:
        # A seller that pays a part of some buyers' bills sells to them at another price: everybody pays the same.
        raise InvalidSponsorship("/sponsor", "sponsor_sells", "not the round's own vendor", found=code[:80])
    return sponsor_id


async def _find_members(conn: asyncpg.Connection, codes: Sequence[str], sponsor_id: int) -> list[int]:
    wanted = list(dict.fromkeys(code.strip() for code in codes if code.strip()))
    if not 1 <= len(wanted) <= MEMBERS_MAX:
        raise InvalidSponsorship("/members", "member_count", f"1 to {MEMBERS_MAX} factories' codes")
    rows = await conn.fetch(
        "SELECT id, code FROM organizations WHERE code = ANY ($1) AND kind = 'factory' AND state = 'active'",
        wanted,
    )
    unknown = [code for code in wanted if code not in {row["code"] for row in rows}]
    if unknown:
        raise InvalidSponsorship(
            "/members", "member_unknown", "active factories' codes", found=", ".join(unknown[:5])[:200]
        )
    if sponsor_id in {row["id"] for row in rows}:
        raise InvalidSponsorship("/members", "member_is_sponsor", "not the sponsor itself")
    return sorted(row["id"] for row in rows)


async def confirm_sponsorship(conn: asyncpg.Connection, *, sponsorship_id: UUID, actor: Actor) -> None:
    """Record the sponsor's own consent: from now on the sponsorship counts. Once more changes nothing.

    Raises:
        SponsorshipNotFound: not one of the actor's organization.
        SponsorshipRefused: `round_closed`, `revoked`.
    """
    row = await _lock_sponsorship(conn, sponsorship_id, sponsor_id=actor.organization_id)
    if row["revoked_at"] is not None:
        raise SponsorshipRefused(sponsorship_id, reason="revoked")
    if row["confirmed_at"] is not None:
        return
    await conn.execute(
        """
        WITH confirmed AS (
            UPDATE sponsorships SET confirmed_at = clock_timestamp(), confirmed_by = $2 WHERE id = $1
        ), told AS (
            INSERT INTO notifications (organization_id, kind, data)
            SELECT m.buyer_id, 'sponsorship.promised', jsonb_build_object('round', $4::text)
            FROM sponsored_members m WHERE m.sponsorship_id = $1
        )
        INSERT INTO notifications (organization_id, kind, data)
        VALUES ($3, 'sponsorship.confirmed',
                jsonb_build_object('round', $4::text, 'path', '/coordinator/rounds/' || $4::text || '/sponsorships'))
        """,
        sponsorship_id,
        actor.person_id,
        row["coordinator_id"],
        row["code"],
    )
    await _record(conn, row, "sponsorship.confirmed", actor)


async def revoke_sponsorship(conn: asyncpg.Connection, *, sponsorship_id: UUID, actor: Actor) -> None:
    """Take a sponsorship back before its round closes, as its coordinator or its sponsor. Once more changes nothing.

    Raises:
        SponsorshipNotFound: not one of the actor's organization or rounds.
        SponsorshipRefused: `round_closed`.
    """
    row = await _lock_sponsorship(
        conn, sponsorship_id, sponsor_id=actor.organization_id, coordinator_id=actor.organization_id
    )
    if row["revoked_at"] is not None:
        return
    await conn.execute(
        """
        WITH revoked AS (
            UPDATE sponsorships SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE id = $1
        )
        INSERT INTO notifications (organization_id, kind, data)
        SELECT id, 'sponsorship.revoked', jsonb_build_object('round', $3::text) FROM (
            SELECT m.buyer_id AS id FROM sponsored_members m WHERE m.sponsorship_id = $1 AND $4
            UNION SELECT unnest($5::bigint[])) told
        """,
        sponsorship_id,
        actor.person_id,
        row["code"],
        row["confirmed_at"] is not None,
        [each for each in (row["sponsor_id"], row["coordinator_id"]) if each != actor.organization_id],
    )
    await _record(conn, row, "sponsorship.revoked", actor)


async def _lock_sponsorship(
    conn: asyncpg.Connection,
    sponsorship_id: UUID,
    *,
    sponsor_id: int | None = None,
    coordinator_id: int | None = None,
) -> asyncpg.Record:
    """Read a sponsorship of this sponsor or coordinator, with its round kept from closing."""
    round_id = await conn.fetchval(
        """
        SELECT r.id FROM sponsorships s JOIN rounds r ON r.id = s.round_id
        WHERE s.id = $1 AND (s.sponsor_id = $2 OR r.coordinator_id = $3)
        """,
        sponsorship_id,
        sponsor_id,
        coordinator_id,
    )
    if round_id is None:
        raise SponsorshipNotFound(sponsorship_id)
    await _require_before_close(conn, round_id, sponsorship_id)
    row = await conn.fetchrow(
        """
        SELECT s.id, s.sponsor_id, s.confirmed_at, s.revoked_at, r.code, r.coordinator_id
        FROM sponsorships s JOIN rounds r ON r.id = s.round_id WHERE s.id = $1
        """,
        sponsorship_id,
    )
    assert row is not None, "sponsorships are never deleted"
    return row


async def _record(conn: asyncpg.Connection, row: asyncpg.Record, kind: str, actor: Actor) -> None:
    await record_event(
        conn, kind=kind, subject="round", subject_id=row["code"], actor=actor, sponsorship=str(row["id"])
    )


async def release_sponsorship(conn: asyncpg.Connection, *, sponsorship_id: UUID, actor: Actor) -> int:
    """Let a sponsor off what it has not paid: its members owe that themselves, and are told. Return the won.

    What it paid stays, and is refunded to it like before when a bill shrinks.

    Raises:
        SponsorshipNotFound: not of a round of this coordinator.
        SponsorshipRefused: `not_cleared`, `nothing_unpaid`.
    """
    row = await conn.fetchrow(
        """
        SELECT s.id, r.id AS round_id, r.code, r.state FROM sponsorships s JOIN rounds r ON r.id = s.round_id
        WHERE s.id = $1 AND r.coordinator_id = $2 FOR UPDATE OF r
        """,
        sponsorship_id,
        actor.organization_id,
    )
    if row is None:
        raise SponsorshipNotFound(sponsorship_id)
    if row["state"] not in {"cleared", "ordered", "delivered"}:
        raise SponsorshipRefused(sponsorship_id, reason="not_cleared")
    parts = await conn.fetch(
        """
        SELECT p.*, p.krw - due.krw AS paid_krw FROM current_sponsored_parts p
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(c.amount_krw - (SELECT coalesce(sum(amount_krw), 0) FROM receipts e
                                                WHERE e.charge_id = c.id)), 0)::bigint AS krw
            FROM charges c WHERE c.sponsorship_id = p.sponsorship_id AND c.allocation_id = p.allocation_id
              AND c.purpose = 'sponsored' AND c.state = 'due') due
        WHERE p.sponsorship_id = $1 AND due.krw > 0 ORDER BY p.allocation_id
        """,
        sponsorship_id,
    )
    if not parts:
        raise SponsorshipRefused(sponsorship_id, reason="nothing_unpaid")
    for part in parts:
        await write_part(
            conn,
            row["round_id"],
            part=part,
            krw=part["paid_krw"],
            total_krw=part["total_krw"],
            reason="released",
            person_id=actor.person_id,
        )
        await balance_out(conn, part["allocation_id"])
    await _tell_released(conn, parts, row["code"])
    released_krw: int = sum(part["krw"] - part["paid_krw"] for part in parts)
    await record_event(
        conn,
        kind="sponsorship.released",
        subject="round",
        subject_id=row["code"],
        actor=actor,
        sponsorship=str(sponsorship_id),
        amount_krw=released_krw,
    )
    return released_krw


async def _tell_released(conn: asyncpg.Connection, parts: Sequence[asyncpg.Record], code: str) -> None:
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT buyer_id, 'sponsorship.released', jsonb_build_object('round', $3::text, 'path', '/my/pledges',
               'krw', to_char(krw, 'FM999,999,999,999,999'))
        FROM unnest($1::bigint[], $2::bigint[]) AS told (buyer_id, krw)
        """,
        [part["buyer_id"] for part in parts],
        [part["krw"] - part["paid_krw"] for part in parts],
        code,
    )
