"""Remind buyers of balances, and sponsors of their parts: around the day they are due, each step once. And who is late."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg
import msgspec

DAYS_MAX = 365


def read_reminder_days(text: str) -> tuple[int, ...]:
    """`-3,0,7` → days after an invoice is due (before: negative), ascending. Raises ValueError."""
    days = sorted({int(part) for part in text.split(",") if part.strip()})
    if any(abs(day) > DAYS_MAX for day in days):
        raise ValueError(f"days from -{DAYS_MAX} to {DAYS_MAX}")
    return tuple(days)


async def send_reminders(conn: asyncpg.Connection, *, days: Sequence[int], limit: int = 500) -> int:
    """Tell every buyer whose balance has reached a step of `days`, by the date in Korea; return how many were told.

    Each step once. Where several were missed only the latest is told, and the others are noted as overtaken.
    """
    told: int = await conn.fetchval(
        """
        WITH reached AS (
            SELECT c.id AS charge_id, c.buyer_id, i.number, i.due_on, r.code, d AS days_after, v.open_krw,
                   d = max(d) OVER (PARTITION BY c.id) AS is_latest
            FROM charges c
            JOIN invoices i ON i.allocation_id = c.allocation_id
            JOIN rounds r ON r.id = c.round_id
            JOIN receivables v ON v.reference = i.reference AND v.open_krw > 0
            CROSS JOIN unnest($1::int[]) d
            WHERE c.purpose = 'balance' AND c.method = 'transfer' AND c.state = 'due'
              AND (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date >= i.due_on + d
              AND NOT EXISTS (SELECT FROM reminders m WHERE m.charge_id = c.id AND m.days_after >= d)
            ORDER BY c.due_at, c.id, d LIMIT $2
        ), noted AS (
            INSERT INTO reminders (charge_id, days_after, is_told)
            SELECT charge_id, days_after, is_latest FROM reached ON CONFLICT DO NOTHING
            RETURNING charge_id, days_after, is_told
        ), told AS (
            INSERT INTO notifications (organization_id, kind, data)
            SELECT buyer_id, CASE WHEN days_after < 0 THEN 'invoice.due_soon' WHEN days_after = 0 THEN 'invoice.due_today'
                                  ELSE 'invoice.overdue' END,
                   jsonb_build_object('number', number, 'round', code, 'due_on', due_on::text,
                                      'open_krw', to_char(open_krw, 'FM999,999,999,999,999'))
            FROM noted JOIN reached USING (charge_id, days_after) WHERE is_told RETURNING 1
        )
        SELECT count(*) FROM told
        """,
        list(days),
        limit,
    )
    return told


async def send_sponsor_reminders(conn: asyncpg.Connection, *, days: Sequence[int], limit: int = 100) -> int:
    """Tell every sponsor whose parts have reached a step of `days`; return how many were told.

    One message for all parts of a sponsorship, at its latest step; each part is noted like a balance.
    """
    told: int = await conn.fetchval(
        """
        WITH reached AS (
            SELECT c.id AS charge_id, c.sponsorship_id, i.due_on, d AS days_after,
                   d = max(d) OVER (PARTITION BY c.id) AS is_latest
            FROM charges c
            JOIN invoices i ON i.allocation_id = c.allocation_id
            CROSS JOIN unnest($1::int[]) d
            WHERE c.purpose = 'sponsored' AND c.sponsorship_id IS NOT NULL AND c.state = 'due'
              AND (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date >= i.due_on + d
              AND NOT EXISTS (SELECT FROM reminders m WHERE m.charge_id = c.id AND m.days_after >= d)
        ), chosen AS (
            SELECT DISTINCT sponsorship_id FROM reached ORDER BY sponsorship_id LIMIT $2
        ), noted AS (
            INSERT INTO reminders (charge_id, days_after, is_told)
            SELECT charge_id, days_after, is_latest FROM reached JOIN chosen USING (sponsorship_id)
            ON CONFLICT DO NOTHING RETURNING charge_id, days_after, is_told
        ), latest AS (
            SELECT DISTINCT ON (sponsorship_id) sponsorship_id, days_after, due_on
            FROM noted JOIN reached USING (charge_id, days_after) WHERE is_told
            ORDER BY sponsorship_id, days_after DESC, due_on
        ), told AS (
            INSERT INTO notifications (organization_id, kind, data)
            SELECT v.buyer_id, CASE WHEN l.days_after < 0 THEN 'sponsorship.due_soon' WHEN l.days_after = 0
                                    THEN 'sponsorship.due_today' ELSE 'sponsorship.overdue' END,
                   jsonb_build_object('round', v.round_code, 'path', '/my/sponsorships', 'due_on', l.due_on::text,
                                      'reference', v.reference, 'open_krw', to_char(v.open_krw, 'FM999,999,999,999,999'))
            FROM latest l JOIN sponsorships s ON s.id = l.sponsorship_id
            JOIN receivables v ON v.kind = 'sponsored' AND v.reference = reference_of('SFS', s.reference_no)
            RETURNING 1
        )
        SELECT count(*) FROM told
        """,
        list(days),
        limit,
    )
    return told


class OverdueInvoice(msgspec.Struct, frozen=True):
    """A balance, or a sponsor's part of an invoice, that is late; won, days in Korea. The buyer is who pays.

    `reminded_at_days` is the last step that was told.
    """

    charge_id: UUID
    number: str
    reference: str
    round_code: str
    buyer_ko: str
    buyer_en: str
    due_on: date
    days_late: int
    balance_krw: int
    open_krw: int
    reminded_at_days: int | None


async def list_overdue(
    conn: asyncpg.Connection, *, coordinator_id: int, limit: int = 500
) -> list[OverdueInvoice]:
    """A coordinator's late balances, the latest first."""
    rows = await conn.fetch(
        """
        SELECT c.id, i.number, coalesce(reference_of('SFS', s.reference_no), i.reference), r.code,
               o.name_ko, o.name_en, i.due_on,
               (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date - i.due_on,
               c.amount_krw, c.amount_krw - coalesce((SELECT sum(amount_krw) FROM receipts e
                                                      WHERE e.charge_id = c.id
                                                        AND e.kind IN ('balance', 'sponsored')), 0)::bigint,
               (SELECT max(days_after) FROM reminders m WHERE m.charge_id = c.id AND m.is_told)
        FROM charges c
        JOIN invoices i ON i.allocation_id = c.allocation_id
        JOIN rounds r ON r.id = c.round_id
        LEFT JOIN sponsorships s ON s.id = c.sponsorship_id
        JOIN organizations o ON o.id = coalesce(s.sponsor_id, c.buyer_id)
        WHERE r.coordinator_id = $1 AND c.purpose IN ('balance', 'sponsored') AND c.method = 'transfer' AND c.state = 'due'
          AND i.due_on < (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date
        ORDER BY i.due_on, i.number LIMIT $2
        """,
        coordinator_id,
        limit,
    )
    return [OverdueInvoice(*row) for row in rows]
