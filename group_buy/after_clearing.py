"""What became of a round after it cleared: later decisions with their steps, questions, changes, deliveries, surveys."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.money import vat_krw


class DecisionView(msgspec.Struct, frozen=True):
    """A decision about a round's units, or a question asked on the way to one, with every step that was tried.

    `kind` is clearing, reclearing or delivery, or consent for a question. Units; won, of a unit and of the pool.
    """

    at: datetime
    kind: str
    outcome: str
    unit_price_krw: int | None
    quantity: int
    pool_krw: int
    steps: list[dict[str, Any]]


class ConsentLine(msgspec.Struct, frozen=True):
    """A line of a pledge that is asked: units, won for a unit (None = any tier); `quantity_held` = units it won."""

    quantity_min: int
    quantity_max: int
    limit_unit_price_krw: int | None
    quantity_held: int


class ConsentView(msgspec.Struct, frozen=True):
    """A question about a dearer price, as its buyer and the coordinator see it; won without VAT, instants in UTC.

    `quantity_now` = units held at the announced price.
    """

    pledge_id: UUID
    buyer_id: int
    buyer_ko: str
    buyer_en: str
    round_code: str
    title_ko: str
    title_en: str
    unit_price_krw: int
    announced_unit_price_krw: int | None
    quantity_now: int
    asked_at: datetime
    due_at: datetime
    answer: str | None
    answered_at: datetime | None
    is_open: bool
    lines: tuple[ConsentLine, ...]

    @property
    def quantity_kept(self) -> int:
        """Units held by lines whose limit allows the new price: what a yes keeps at least."""
        return sum(line.quantity_held for line in self.lines if self.accepts(line))

    @property
    def quantity_wanted(self) -> int:
        """Units that the lines whose limit allows the new price would take at most."""
        return sum(line.quantity_max for line in self.lines if self.accepts(line))

    def accepts(self, line: ConsentLine) -> bool:
        """Whether a line's limit allows the new price."""
        return line.limit_unit_price_krw is None or line.limit_unit_price_krw >= self.unit_price_krw

    def total_krw(self, quantity: int, unit_price_krw: int) -> int:
        """Won with VAT for so many units."""
        return quantity * unit_price_krw + vat_krw(quantity * unit_price_krw)


class ChangeView(msgspec.Struct, frozen=True):
    """One change of an allocation: units and won with VAT before and after; `forfeited_krw` of the deposit."""

    pledge_id: UUID
    buyer_id: int
    buyer_ko: str
    buyer_en: str
    reason: str
    quantity_before: int
    quantity: int
    unit_price_before_krw: int
    unit_price_krw: int
    total_before_krw: int
    total_krw: int
    forfeited_krw: int
    at: datetime


class ShareView(msgspec.Struct, frozen=True):
    """One buyer's units of a decided round with what is unpaid; `is_overdue` = its invoice's day has passed."""

    pledge_id: UUID
    buyer_id: int
    buyer_ko: str
    buyer_en: str
    quantity: int
    unit_price_krw: int
    total_krw: int
    reason: str | None
    unpaid_krw: int
    due_on: date | None
    is_overdue: bool
    quote_krw: int | None
    quote_note: str | None
    quote_answer: str | None


class DeliveryView(msgspec.Struct, frozen=True):
    """What came: units, those that went back to the vendor, who recorded it."""

    quantity: int
    returned: int
    at: datetime
    recorded_ko: str
    recorded_en: str


class SurveyView(msgspec.Struct, frozen=True):
    """A quote of site work for one pledge; won without VAT. `may_leave` = above the cap and nothing ordered yet."""

    pledge_id: UUID
    round_code: str
    title_ko: str
    title_en: str
    survey_cap_krw: int
    quote_krw: int
    note: str
    at: datetime
    due_at: datetime
    answer: str | None
    answered_at: datetime | None
    may_leave: bool


async def list_decisions(conn: asyncpg.Connection, *, round_id: int, code: str) -> list[DecisionView]:
    """List a round's decisions and the questions between them, oldest first."""
    rows = await conn.fetch(
        """
        SELECT at, kind, outcome->>'outcome' AS outcome, (outcome->>'unit_price_krw')::bigint AS unit_price_krw,
               (outcome->>'quantity')::int AS quantity, pool_krw, steps
        FROM clearings WHERE round_id = $1
        UNION ALL
        SELECT at, 'consent', 'asked', (data->>'unit_price_krw')::bigint, 0, 0, data->'steps'
        FROM events WHERE subject = 'round' AND subject_id = $2 AND kind = 'round.consent_wanted'
        ORDER BY at LIMIT 200
        """,
        round_id,
        code,
    )
    return [DecisionView(*row) for row in rows]


CONSENT = """
    SELECT c.pledge_id, p.buyer_id, b.name_ko, b.name_en, r.code, r.title_ko, r.title_en, c.unit_price_krw,
           coalesce((d.outcome->>'unit_price_krw')::bigint, a.unit_price_krw, r.unit_price_krw),
           coalesce(a.quantity, 0), c.asked_at, c.due_at, c.answer,
           c.answered_at, c.answer IS NULL AND clock_timestamp() < c.due_at AND r.state = 'cleared' AS is_open,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'quantity_min', l.quantity_min, 'quantity_max', l.quantity_max,
                'limit_unit_price_krw', l.limit_unit_price_krw, 'quantity_held',
                coalesce((d.outcome->'allocations'->>(p.id || ':' || l.line_no))::int, 0)) ORDER BY l.line_no), '[]')
            FROM pledge_lines l WHERE l.pledge_id = p.id AND l.version = (
                SELECT max(version) FROM pledge_versions WHERE pledge_id = p.id)) AS lines
    FROM price_consents c JOIN pledges p ON p.id = c.pledge_id JOIN rounds r ON r.id = c.round_id
    JOIN organizations b ON b.id = p.buyer_id LEFT JOIN current_allocations a ON a.pledge_id = p.id
    LEFT JOIN LATERAL (SELECT outcome FROM clearings WHERE round_id = r.id AND kind <> 'delivery' AND at <= c.asked_at
                       ORDER BY clearing_no DESC LIMIT 1) d ON true
"""
"""Beside a question stands the decision that stood when it was asked, also after a later one."""


def _read_consent(row: asyncpg.Record) -> ConsentView:
    *values, lines = list(row)
    return ConsentView(*[*values, msgspec.convert(lines, tuple[ConsentLine, ...])])


async def list_consents(
    conn: asyncpg.Connection, *, buyer_id: int | None = None, round_id: int | None = None, limit: int = 500
) -> list[ConsentView]:
    """List the questions to a buyer, or of a round, the open ones first."""
    rows = await conn.fetch(
        f"{CONSENT} WHERE ($1::bigint IS NULL OR p.buyer_id = $1) AND ($2::bigint IS NULL OR r.id = $2) "
        "ORDER BY is_open DESC, c.due_at, c.pledge_id LIMIT $3",
        buyer_id,
        round_id,
        limit,
    )
    return [_read_consent(row) for row in rows]


async def find_consent(
    conn: asyncpg.Connection, *, pledge_id: UUID, unit_price_krw: int, buyer_id: int
) -> ConsentView | None:
    """Read one question to a buyer, if it was asked."""
    row = await conn.fetchrow(
        f"{CONSENT} WHERE c.pledge_id = $1 AND c.unit_price_krw = $2 AND p.buyer_id = $3",
        pledge_id,
        unit_price_krw,
        buyer_id,
    )
    return None if row is None else _read_consent(row)


async def list_changes(
    conn: asyncpg.Connection, *, round_id: int | None = None, buyer_id: int | None = None, limit: int = 1000
) -> list[ChangeView]:
    """List what changed of the allocations of a round or of a buyer after they were announced, oldest first."""
    rows = await conn.fetch(
        """
        SELECT a.pledge_id, a.buyer_id, b.name_ko, b.name_en, c.reason,
               coalesce(o.quantity, a.quantity), c.quantity, coalesce(o.unit_price_krw, a.unit_price_krw),
               c.unit_price_krw, coalesce(o.total_krw, a.total_krw), c.total_krw, c.forfeited_krw, c.at
        FROM allocation_changes c JOIN allocations a ON a.id = c.allocation_id
        JOIN organizations b ON b.id = a.buyer_id
        LEFT JOIN allocation_changes o ON o.allocation_id = c.allocation_id AND o.change_no = c.change_no - 1
        WHERE ($1::bigint IS NULL OR a.round_id = $1) AND ($2::bigint IS NULL OR a.buyer_id = $2)
        ORDER BY c.at, a.id LIMIT $3
        """,
        round_id,
        buyer_id,
        limit,
    )
    return [ChangeView(*row) for row in rows]


async def list_shares(conn: asyncpg.Connection, *, round_id: int, limit: int = 1000) -> list[ShareView]:
    """List the units of a decided round by buyer, with what each still owes and what its site survey found."""
    rows = await conn.fetch(
        """
        SELECT a.pledge_id, a.buyer_id, b.name_ko, b.name_en, a.quantity, a.unit_price_krw, a.total_krw, a.reason,
               coalesce(d.krw, 0)::bigint, i.due_on,
               coalesce(d.krw, 0) > 0 AND i.due_on < (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date,
               q.quote_krw, q.note, q.answer
        FROM current_allocations a JOIN organizations b ON b.id = a.buyer_id
        JOIN pledges p ON p.id = a.pledge_id
        LEFT JOIN invoices i ON i.allocation_id = a.id
        LEFT JOIN survey_quotes q ON q.pledge_id = a.pledge_id
        LEFT JOIN LATERAL (
            SELECT sum(CASE WHEN c.purpose = 'deposit' THEN coalesce(c.capture_krw, c.amount_krw)
                            ELSE c.amount_krw - coalesce((SELECT sum(e.amount_krw) FROM receipts e
                                                          WHERE e.charge_id = c.id AND e.kind = 'balance'), 0)
                            END)::bigint AS krw
            FROM charges c WHERE c.allocation_id = a.id AND c.purpose IN ('deposit', 'balance')
              AND c.state NOT IN ('captured', 'released', 'refunded')) d ON true
        WHERE a.round_id = $1 ORDER BY p.placed_at, a.id LIMIT $2
        """,
        round_id,
        limit,
    )
    return [ShareView(*row) for row in rows]


async def find_delivery(conn: asyncpg.Connection, *, round_id: int) -> DeliveryView | None:
    """Read what came, if it was recorded."""
    row = await conn.fetchrow(
        """
        SELECT d.quantity, d.returned, d.at, o.name_ko, o.name_en
        FROM deliveries d JOIN rounds r ON r.id = d.round_id
        JOIN LATERAL (SELECT organization_id FROM events e
                      WHERE e.subject = 'round' AND e.subject_id = r.code AND e.kind = 'round.delivered'
                      ORDER BY e.id DESC LIMIT 1) e ON true
        JOIN organizations o ON o.id = e.organization_id
        WHERE d.round_id = $1
        """,
        round_id,
    )
    return None if row is None else DeliveryView(*row)


SURVEY = """
    SELECT q.pledge_id, r.code, r.title_ko, r.title_en, r.survey_cap_krw, q.quote_krw, q.note, q.at, q.due_at,
           q.answer, q.answered_at,
           q.quote_krw > r.survey_cap_krw AND r.state = 'cleared' AND q.answer IS NULL
    FROM survey_quotes q JOIN pledges p ON p.id = q.pledge_id JOIN rounds r ON r.id = p.round_id
"""


async def list_surveys(
    conn: asyncpg.Connection, *, buyer_id: int, pledge_id: UUID | None = None, limit: int = 200
) -> list[SurveyView]:
    """List the quotes of site work for a buyer, the newest first; only of one pledge if given."""
    rows = await conn.fetch(
        f"{SURVEY} WHERE p.buyer_id = $1 AND ($2::uuid IS NULL OR p.id = $2) ORDER BY q.at DESC LIMIT $3",
        buyer_id,
        pledge_id,
        limit,
    )
    return [SurveyView(*row) for row in rows]


async def read_site_work(conn: asyncpg.Connection, *, round_id: int) -> tuple[list[str], list[str]]:
    """Read what the round's installation includes and what it excludes, frozen when it was made."""
    row = await conn.fetchrow(
        "SELECT installation_includes, installation_excludes FROM rounds WHERE id = $1", round_id
    )
    assert row is not None, "the caller has read the round"
    return row[0], row[1]


class FamilyMember(msgspec.Struct, frozen=True):
    """A round of a family in its order, which was fixed before it opened."""

    family_position: int
    code: str
    title_ko: str
    title_en: str
    state: str
    closes_at: datetime


async def list_family(conn: asyncpg.Connection, *, round_id: int) -> list[FamilyMember]:
    """List the rounds of a round's family, first to clear first; none where it belongs to none."""
    rows = await conn.fetch(
        """
        SELECT f.family_position, f.code, f.title_ko, f.title_en, f.state, f.closes_at
        FROM rounds r JOIN rounds f ON f.family = r.family
        WHERE r.id = $1 ORDER BY f.family_position LIMIT 1000
        """,
        round_id,
    )
    return [FamilyMember(*row) for row in rows]
