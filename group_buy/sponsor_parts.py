"""What sponsors pay of each bill: split when a round clears, followed when a bill changes, exact to the won.

Of every allocation, what its sponsors pay and what its buyer pays add up to its total (and what was forfeited). A sponsor
pays of what is open after the deposit. When a bill shrinks, its parts are computed anew, and money that is too much goes
back to whoever paid it: the sponsor's to the sponsor, the member's to the member.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import SYSTEM
from group_buy.core.round import Round
from group_buy.core.sponsorship import (
    MemberBill,
    PledgedPart,
    Sponsorship,
    SponsorshipKind,
    changed_part_krw,
    sponsored_krw,
)
from group_buy.receiving import capture_transfer

MEMBERS_MAX = 1000
"""Members that one sponsorship may name."""


class OpenBill(msgspec.Struct, frozen=True):
    """One allocation of a round that is being cleared; won. `open_krw` is its total less its deposit."""

    allocation_id: UUID
    pledge_id: UUID
    buyer_id: int
    total_krw: int
    open_krw: int


def rule_of(kind: SponsorshipKind, share_bp: int | None, krw_max: int | None) -> Sponsorship:
    return Sponsorship(kind, share_bp or 0, krw_max)


async def split_bills(
    conn: asyncpg.Connection, buying_round: Round, bills: Sequence[OpenBill]
) -> dict[UUID, int]:
    """Write what each confirmed sponsorship of the round pays of these new bills; return won by allocation.

    Sponsorships are served in the order in which they were made, each of what the earlier ones left open. What a top-up
    has promised to bills of this round before (pledges that came in from the waiting list later) is used up.
    """
    rows = await conn.fetch(
        """
        SELECT s.id, s.sponsor_id, s.kind, s.share_bp,
               CASE WHEN s.kind = 'top_up' THEN s.krw_max - coalesce((
                        SELECT sum(p.krw) FROM current_sponsored_parts p WHERE p.sponsorship_id = s.id), 0)::bigint
                    ELSE s.krw_max END AS krw_max,
               ARRAY(SELECT buyer_id FROM sponsored_members m WHERE m.sponsorship_id = s.id) AS members
        FROM sponsorships s
        WHERE s.round_id = $1 AND s.confirmed_at IS NOT NULL AND s.revoked_at IS NULL
        ORDER BY s.made_at, s.id
        """,
        buying_round.id,
    )
    sponsored: dict[UUID, int] = {}
    for row in rows:
        members = set(row["members"])
        own = [bill for bill in bills if bill.buyer_id in members]
        parts = sponsored_krw(
            rule_of(row["kind"], row["share_bp"], row["krw_max"]),
            [
                MemberBill(bill.total_krw, bill.open_krw - sponsored.get(bill.allocation_id, 0))
                for bill in own
            ],
        )
        if own:
            await _write_first_parts(conn, buying_round, row["id"], own, parts)
        for bill, krw in zip(own, parts, strict=True):
            sponsored[bill.allocation_id] = sponsored.get(bill.allocation_id, 0) + krw
    return sponsored


async def _write_first_parts(
    conn: asyncpg.Connection,
    buying_round: Round,
    sponsorship_id: UUID,
    bills: Sequence[OpenBill],
    parts: Sequence[int],
) -> None:
    await conn.execute(
        """
        INSERT INTO sponsored_parts (sponsorship_id, allocation_id, part_no, reason, krw, total_krw)
        SELECT $1, allocation_id, 1, 'cleared', krw, total_krw
        FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS part (allocation_id, krw, total_krw)
        """,
        sponsorship_id,
        [bill.allocation_id for bill in bills],
        list(parts),
        [bill.total_krw for bill in bills],
    )
    owed = [
        (bill.pledge_id, bill.allocation_id, bill.buyer_id, krw)
        for bill, krw in zip(bills, parts, strict=True)
        if krw
    ]
    if not owed:
        return
    await insert_sponsor_charges(
        conn, buying_round.id, purpose="sponsored", sponsorship_id=sponsorship_id, owed=owed
    )
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT s.sponsor_id, 'sponsorship.due', jsonb_build_object('round', $2::text, 'path', '/my/sponsorships',
               'krw', to_char($3::bigint, 'FM999,999,999,999,999'),
               'reference', reference_of('SFS', s.reference_no))
        FROM sponsorships s WHERE s.id = $1
        """,
        sponsorship_id,
        buying_round.code,
        sum(krw for *_, krw in owed),
    )


async def insert_sponsor_charges(
    conn: asyncpg.Connection,
    round_id: int,
    *,
    purpose: str,
    sponsorship_id: UUID,
    owed: Sequence[tuple[UUID, UUID, int, int]],
) -> None:
    """Write what a sponsor owes (`sponsored`) or is owed back (`sponsor_refund`): due, by transfer.

    `owed` holds pledge, allocation, member and won (>= 1), each pledge once.
    """
    await conn.execute(
        """
        WITH due AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method, amount_krw, entry_no,
                                 sponsorship_id)
            SELECT gen_random_uuid(), $1, pledge_id, allocation_id, buyer_id, $2, 'transfer', krw,
                   1 + coalesce((SELECT max(entry_no) FROM charges c
                                 WHERE c.pledge_id = owed.pledge_id AND c.purpose = $2), 0), $3
            FROM unnest($4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[])
                 AS owed (pledge_id, allocation_id, buyer_id, krw)
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM due
        """,
        round_id,
        purpose,
        sponsorship_id,
        [each[0] for each in owed],
        [each[1] for each in owed],
        [each[2] for each in owed],
        [each[3] for each in owed],
    )


async def follow_bill(
    conn: asyncpg.Connection, buying_round: Round, *, allocation: asyncpg.Record, total_krw: int
) -> int:
    """Let the parts of an allocation follow its new total, with the sponsors' money; return their sum in won.

    `allocation` is a row of current_allocations. A part that was released does not grow again. What a top-up has left
    bounds a part that grows back.
    """
    rows = await conn.fetch(
        """
        SELECT p.*, s.kind, s.share_bp, s.krw_max,
               CASE WHEN s.kind = 'top_up' THEN s.krw_max - (
                   SELECT sum(o.krw) FROM current_sponsored_parts o
                   WHERE o.sponsorship_id = p.sponsorship_id AND o.allocation_id <> p.allocation_id) END::bigint AS left_krw,
               (SELECT coalesce(sum(coalesce(c.capture_krw, c.amount_krw)), 0) FROM charges c
                WHERE c.allocation_id = p.allocation_id AND c.purpose = 'deposit'
                  AND c.state <> 'released')::bigint AS deposit_krw
        FROM current_sponsored_parts p JOIN sponsorships s ON s.id = p.sponsorship_id
        WHERE p.allocation_id = $1 ORDER BY s.made_at, s.id
        """,
        allocation["id"],
    )
    sponsored = 0
    for row in rows:
        open_krw = max(0, total_krw - row["deposit_krw"] - sponsored)
        krw = changed_part_krw(
            rule_of(row["kind"], row["share_bp"], row["krw_max"]),
            PledgedPart(row["first_krw"], row["first_total_krw"]),
            MemberBill(total_krw, open_krw),
        )
        if row["left_krw"] is not None:
            krw = min(krw, row["left_krw"])
        if row["is_released"]:
            krw = min(krw, row["krw"])
        await write_part(conn, buying_round.id, part=row, krw=krw, total_krw=total_krw, reason="changed")
        sponsored += krw
    return sponsored


async def write_part(
    conn: asyncpg.Connection,
    round_id: int,
    *,
    part: asyncpg.Record,
    krw: int,
    total_krw: int,
    reason: str,
    person_id: int | None = None,
) -> None:
    """Make a part `krw` won from now on, and its sponsor's charges less refunds the same.

    `part` is a row of current_sponsored_parts. The caller makes the buyer owe the rest.
    """
    await conn.execute(
        """
        INSERT INTO sponsored_parts (sponsorship_id, allocation_id, part_no, reason, krw, total_krw, person_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        part["sponsorship_id"],
        part["allocation_id"],
        part["part_no"] + 1,
        reason,
        krw,
        total_krw,
        person_id,
    )
    await balance_part(conn, round_id, part=part, owed_krw=krw)


async def balance_part(
    conn: asyncpg.Connection, round_id: int, *, part: asyncpg.Record, owed_krw: int
) -> None:
    """Make a sponsor's charges less refunds for one allocation what its part is: first off what is due, then back."""
    sums = await conn.fetchrow(
        """
        SELECT coalesce(sum(CASE WHEN purpose = 'sponsor_refund' THEN -amount_krw
                                 WHEN state = 'captured' THEN capture_krw ELSE amount_krw END), 0)::bigint AS entered_krw,
               coalesce(sum(amount_krw) FILTER (WHERE purpose = 'sponsored' AND state = 'due'), 0)::bigint AS due_krw
        FROM charges WHERE sponsorship_id = $1 AND allocation_id = $2 AND state <> 'released'
        """,
        part["sponsorship_id"],
        part["allocation_id"],
    )
    assert sums is not None, "an aggregate always answers"
    missing_krw = owed_krw - sums["entered_krw"]
    if missing_krw < 0 and sums["due_krw"]:
        missing_krw += sums["due_krw"] - await _keep_received(conn, part)
    if missing_krw:
        await insert_sponsor_charges(
            conn,
            round_id,
            purpose="sponsored" if missing_krw > 0 else "sponsor_refund",
            sponsorship_id=part["sponsorship_id"],
            owed=[(part["pledge_id"], part["allocation_id"], part["buyer_id"], abs(missing_krw))],
        )


async def _keep_received(conn: asyncpg.Connection, part: asyncpg.Record) -> int:
    """Capture what came in for due charges that are partly paid, release the rest; return the won that came in."""
    rows = await conn.fetch(
        """
        SELECT c.id, (SELECT coalesce(sum(amount_krw), 0)::bigint FROM receipts e WHERE e.charge_id = c.id) AS krw
        FROM charges c
        WHERE c.sponsorship_id = $1 AND c.allocation_id = $2 AND c.purpose = 'sponsored' AND c.state = 'due'
        ORDER BY c.entry_no
        """,
        part["sponsorship_id"],
        part["allocation_id"],
    )
    for row in rows:
        if row["krw"]:
            await capture_transfer(conn, charge_id=row["id"], actor=SYSTEM, capture_krw=row["krw"])
    await conn.execute(
        """
        WITH dropped AS (
            UPDATE charges SET state = 'released' WHERE id = ANY ($1) AND state = 'due' RETURNING id, attempt
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, attempt, 'released' FROM dropped
        """,
        [row["id"] for row in rows],
    )
    return sum(row["krw"] for row in rows)


async def read_sponsored_krw(conn: asyncpg.Connection, allocation_id: UUID) -> int:
    """What sponsors pay of an allocation now, in won."""
    krw: int = await conn.fetchval(
        "SELECT coalesce(sum(krw), 0)::bigint FROM current_sponsored_parts WHERE allocation_id = $1",
        allocation_id,
    )
    return krw
