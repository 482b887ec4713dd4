"""What people see of sponsorships: the sponsor its own, a coordinator those of a round, a member what it is promised."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from group_buy.core.round import RoundState
from group_buy.core.sponsorship import SponsorshipKind
from group_buy.sponsor_parts import MEMBERS_MAX

SponsorshipState = Literal["offered", "confirmed", "revoked", "lapsed"]
"""lapsed: the round closed and the sponsor had not confirmed."""


class SponsoredMember(msgspec.Struct, frozen=True):
    """One named member; won with VAT. None = it has no allocation (yet). `open_krw` of the part is not paid."""

    code: str
    name_ko: str
    name_en: str
    total_krw: int | None
    part_krw: int | None
    open_krw: int
    is_released: bool


class SponsorshipView(msgspec.Struct, frozen=True):
    """One sponsorship with its members and money; won. part = paid - back + open; `reference` is for the transfer.

    `paid_krw` came in, `back_krw` went back to the sponsor or is owed back (`back_due_krw`).
    """

    id: UUID
    round_code: str
    title_ko: str
    title_en: str
    round_state: RoundState
    closes_at: datetime
    sponsor_code: str
    sponsor_ko: str
    sponsor_en: str
    kind: SponsorshipKind
    share_bp: int | None
    krw_max: int | None
    note: str
    state: SponsorshipState
    made_at: datetime
    confirmed_at: datetime | None
    reference: str
    due_on: date | None
    part_krw: int
    open_krw: int
    paid_krw: int
    back_krw: int
    back_due_krw: int
    is_before_close: bool
    may_release: bool
    members: tuple[SponsoredMember, ...]


SPONSORSHIP: str = f"""
    SELECT s.id, r.code AS round_code, r.title_ko, r.title_en, r.state AS round_state, r.closes_at, o.code AS sponsor_code,
           o.name_ko AS sponsor_ko, o.name_en AS sponsor_en, s.kind, s.share_bp, s.krw_max, s.note,
           CASE WHEN s.revoked_at IS NOT NULL THEN 'revoked' WHEN s.confirmed_at IS NOT NULL THEN 'confirmed'
                WHEN NOT gate.is_open THEN 'lapsed' ELSE 'offered' END AS state,
           s.made_at, s.confirmed_at, reference_of('SFS', s.reference_no) AS reference, v.due_on,
           coalesce((SELECT sum(krw) FROM current_sponsored_parts p WHERE p.sponsorship_id = s.id), 0)::bigint AS part_krw,
           coalesce(v.open_krw, 0) AS open_krw, coalesce(money.paid_krw, 0) + coalesce((
               SELECT sum(e.amount_krw) FROM receipts e JOIN charges c ON c.id = e.charge_id
               WHERE c.sponsorship_id = s.id AND c.state = 'due'), 0)::bigint AS paid_krw,
           coalesce(money.back_krw, 0) AS back_krw, coalesce(money.back_due_krw, 0) AS back_due_krw,
           gate.is_open AS is_before_close,
           r.state IN ('cleared', 'ordered', 'delivered') AND coalesce(v.open_krw, 0) > 0 AS may_release,
           (SELECT coalesce(jsonb_agg(m ORDER BY m.code), '[]') FROM (
                SELECT b.code, b.name_ko, b.name_en, a.total_krw, p.krw AS part_krw, coalesce((
                           SELECT sum(c.amount_krw - (SELECT coalesce(sum(amount_krw), 0) FROM receipts e
                                                      WHERE e.charge_id = c.id))
                           FROM charges c WHERE c.sponsorship_id = s.id AND c.allocation_id = a.id
                             AND c.purpose = 'sponsored' AND c.state = 'due'), 0)::bigint AS open_krw,
                       coalesce(p.is_released, false) AS is_released
                FROM sponsored_members sm JOIN organizations b ON b.id = sm.buyer_id
                LEFT JOIN current_sponsored_parts p ON p.sponsorship_id = s.id AND p.buyer_id = sm.buyer_id
                LEFT JOIN current_allocations a ON a.id = p.allocation_id
                WHERE sm.sponsorship_id = s.id AND ($4::bigint IS NULL OR sm.buyer_id = $4)
                ORDER BY b.code LIMIT {MEMBERS_MAX}) m) AS members
    FROM sponsorships s
    JOIN rounds r ON r.id = s.round_id
    JOIN organizations o ON o.id = s.sponsor_id
    CROSS JOIN LATERAL (SELECT r.state IN ('draft', 'announced', 'open', 'fill_up') AND clock_timestamp() < r.closes_at
                        AS is_open) gate
    LEFT JOIN receivables v ON v.kind = 'sponsored' AND v.reference = reference_of('SFS', s.reference_no)
    LEFT JOIN LATERAL (
        SELECT sum(c.capture_krw) FILTER (WHERE c.purpose = 'sponsored' AND c.state = 'captured')::bigint AS paid_krw,
               sum(c.amount_krw) FILTER (WHERE c.purpose = 'sponsor_refund')::bigint AS back_krw,
               sum(c.amount_krw) FILTER (WHERE c.purpose = 'sponsor_refund' AND c.state = 'due')::bigint AS back_due_krw
        FROM charges c WHERE c.sponsorship_id = s.id AND c.state <> 'released') money ON true
    WHERE ($1::bigint IS NULL OR s.sponsor_id = $1)
      AND ($2::text IS NULL OR r.code = $2) AND ($3::bigint IS NULL OR r.coordinator_id = $3)
      AND ($4::bigint IS NULL OR (s.confirmed_at IS NOT NULL AND s.revoked_at IS NULL AND EXISTS (
          SELECT FROM sponsored_members sm WHERE sm.sponsorship_id = s.id AND sm.buyer_id = $4)))
    ORDER BY s.made_at DESC, s.id LIMIT $5
"""


async def _list(
    conn: asyncpg.Connection,
    *,
    sponsor_id: int | None = None,
    round_code: str | None = None,
    coordinator_id: int | None = None,
    buyer_id: int | None = None,
    limit: int = 200,
) -> list[SponsorshipView]:
    rows = await conn.fetch(SPONSORSHIP, sponsor_id, round_code, coordinator_id, buyer_id, limit)
    return [msgspec.convert(dict(row), SponsorshipView) for row in rows]


async def list_sponsorships(
    conn: asyncpg.Connection, *, sponsor_id: int, limit: int = 200
) -> list[SponsorshipView]:
    """List a sponsor's own sponsorships, the newest first."""
    return await _list(conn, sponsor_id=sponsor_id, limit=limit)


async def list_round_sponsorships(
    conn: asyncpg.Connection, *, code: str, coordinator_id: int
) -> list[SponsorshipView]:
    """List the sponsorships of a coordinator's own round, the newest first, at most 200."""
    return await _list(conn, round_code=code, coordinator_id=coordinator_id)


async def find_promises(
    conn: asyncpg.Connection, *, buyer_id: int, round_code: str | None = None
) -> list[SponsorshipView]:
    """List what sponsors have confirmed for a member; `members` holds only the member itself."""
    # Nearly nobody is sponsored, and pages ask on every view: a look at one index spares the whole question.
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM sponsored_members WHERE buyer_id = $1)", buyer_id):
        return []
    return await _list(conn, buyer_id=buyer_id, round_code=round_code)
