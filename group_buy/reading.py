"""What people see of rounds: a buyer's pledges, a coordinator's view of a round, an invoice. Reads only."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from group_buy.core.charge import CARD_HOLD_KRW_MIN
from group_buy.core.round import RoundState
from group_buy.errors import InvoiceNotFound

FUNDING_STATE = """
    CASE WHEN pledge.funding = 'transfer' THEN
             CASE WHEN f.pledge_id IS NOT NULL THEN 'confirmed'
                  WHEN r.decided_at IS NOT NULL THEN 'expired' ELSE 'pending' END
         WHEN d.state IN ('authorized', 'captured', 'refunded') THEN 'confirmed'
         WHEN d.state IN ('failed', 'action_required') THEN 'failed'
         WHEN m.state = 'ready' AND r.decided_at IS NULL THEN 'pending'
         WHEN r.decided_at IS NOT NULL THEN 'expired'
         ELSE 'none' END
"""
"""How far a pledge's money is: none, pending, confirmed, failed or expired."""

PLEDGE_VIEW = f"""
    SELECT pledge.id, pledge.buyer_id, pledge.funding, pledge.placed_at, pledge.outcome, pledge.state,
           r.id AS round_id, r.code AS round_code, r.title_ko, r.title_en, r.state AS round_state, r.closes_at,
           r.decided_at, {FUNDING_STATE} AS funding_state, coalesce(m.state, 'none') AS card_state,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'line_no', l.line_no, 'quantity_min', l.quantity_min, 'quantity_max', l.quantity_max,
                'limit_unit_price_krw', l.limit_unit_price_krw, 'priority_class', l.priority_class,
                'sequence', l.sequence) ORDER BY l.line_no), '[]')
            FROM pledge_lines l WHERE l.pledge_id = pledge.id AND l.version = (
                SELECT max(version) FROM pledge_versions
                WHERE pledge_id = pledge.id AND state = 'placed')) AS lines,
           (SELECT jsonb_build_object('quantity', a.quantity, 'unit_price_krw', a.unit_price_krw,
                'supply_krw', a.supply_krw, 'vat_krw', a.vat_krw, 'total_krw', a.total_krw,
                'deposit_krw', i.deposit_krw, 'sponsored_krw', i.sponsored_krw,
                'balance_krw', i.balance_krw, 'invoice_number', i.number)
            FROM current_allocations a JOIN invoices i ON i.allocation_id = a.id
            WHERE a.pledge_id = pledge.id) AS allocation, pledge.version,
           owed.reference, coalesce(owed.open_krw, 0) AS deposit_open_krw
    FROM (SELECT p.*, v.version, v.state FROM pledges p
          JOIN LATERAL (SELECT version, state FROM pledge_versions
                        WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON true) pledge
    JOIN rounds r ON r.id = pledge.round_id
    LEFT JOIN pledge_fundings f ON f.pledge_id = pledge.id AND f.version = pledge.version
    LEFT JOIN receivables owed ON owed.pledge_id = pledge.id AND owed.kind = 'deposit'
    LEFT JOIN LATERAL (SELECT state FROM charges WHERE pledge_id = pledge.id AND purpose = 'deposit' AND method = 'card'
                       ORDER BY entry_no DESC LIMIT 1) d ON true
    LEFT JOIN LATERAL (SELECT state FROM payment_methods WHERE pledge_id = pledge.id
                       ORDER BY state = 'ready' DESC, created_at DESC LIMIT 1) m ON true
"""


class PledgeAllocation(msgspec.Struct, frozen=True):
    """What a pledge got; won. deposit + sponsored + balance = total when the round cleared; total = supply + VAT."""

    quantity: int
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    total_krw: int
    deposit_krw: int
    sponsored_krw: int
    balance_krw: int
    invoice_number: str


class PledgeView(msgspec.Struct, frozen=True):
    """One pledge with its round, its money and what it got; `lines` are those of the last placed version.

    By transfer, `reference` is what to write on a deposit, and `deposit_open_krw` what of it may be paid now (won).
    """

    id: UUID
    buyer_id: int
    funding: str
    placed_at: datetime
    outcome: str | None
    state: str
    round_id: int
    round_code: str
    title_ko: str
    title_en: str
    round_state: RoundState
    closes_at: datetime
    decided_at: datetime | None
    funding_state: str
    card_state: str
    lines: list[dict[str, Any]]
    allocation: PledgeAllocation | None
    version: int
    reference: str | None
    deposit_open_krw: int

    @property
    def quantity_min(self) -> int:
        """The smallest line minimum: the least this buyer takes at all."""
        return min((line["quantity_min"] for line in self.lines), default=0)

    @property
    def quantity_max(self) -> int:
        """Units over all lines."""
        return sum(line["quantity_max"] for line in self.lines)

    @property
    def limit_unit_price_krw(self) -> int | None:
        """The most this buyer pays for a unit; None = any tier."""
        limits = [line["limit_unit_price_krw"] for line in self.lines]
        return None if not limits or None in limits else max(limits)


class ChargeView(msgspec.Struct, frozen=True):
    """One charge as its buyer or coordinator sees it; `received_krw` of a balance came by bank already.

    `sponsor_id`: the organization that pays it, or is paid back, when that is not the buyer.
    """

    id: UUID
    pledge_id: UUID
    buyer_id: int
    purpose: str
    method: str
    amount_krw: int
    capture_krw: int | None
    state: str
    attempt: int
    due_at: datetime
    last_error: str | None
    invoice_number: str | None
    grace_until: datetime | None
    is_on_session: bool
    received_krw: int
    sponsor_id: int | None

    @property
    def may_pay(self) -> bool:
        """Whether it waits for its buyer on the pay page; a deposit that nobody needs any more has capture_krw 0."""
        if self.method != "card" or self.purpose == "refund" or self.capture_krw == 0:
            return False
        waits = {"due", "processing"} if self.purpose == "balance" else set()
        return self.state in waits | {"failed", "action_required"}

    @property
    def may_retry(self) -> bool:
        """Whether a coordinator may try it again by itself: not what its buyer pays, or nobody needs."""
        return (
            self.method == "card"
            and self.state == "failed"
            and self.purpose != "balance"
            and self.capture_krw != 0
            and not self.is_on_session
        )

    @property
    def may_use_card(self) -> bool:
        """Whether its buyer may pay it by card instead of by transfer."""
        is_due = self.purpose == "balance" and self.method == "transfer" and self.state == "due"
        return is_due and self.amount_krw >= CARD_HOLD_KRW_MIN


class Party(msgspec.Struct, frozen=True):
    """Seller or buyer on a paper."""

    name_ko: str
    name_en: str
    business_number: str | None
    region: str | None


class InvoiceView(msgspec.Struct, frozen=True):
    """One invoice with its parties; amounts in won, `due_on` a day in Korea."""

    number: str
    reference: str
    round_code: str
    item_ko: str
    item_en: str
    quantity: int
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    total_krw: int
    deposit_krw: int
    sponsored_krw: int
    balance_krw: int
    issued_at: datetime
    due_on: date
    is_illustrative: bool
    balance_state: str
    seller: Party
    buyer: Party
    balance_open_krw: int


def _read_pledge_view(row: asyncpg.Record) -> PledgeView:
    values = list(row)
    values[16] = None if values[16] is None else msgspec.convert(values[16], PledgeAllocation)
    return PledgeView(*values)


async def list_buyer_pledges(
    conn: asyncpg.Connection, *, buyer_id: int, round_id: int | None = None, limit: int = 200
) -> list[PledgeView]:
    """List a buyer's pledges, the newest first; only of one round if given."""
    rows = await conn.fetch(
        f"{PLEDGE_VIEW} WHERE pledge.buyer_id = $1 AND ($2::bigint IS NULL OR r.id = $2) "
        "ORDER BY pledge.placed_at DESC LIMIT $3",
        buyer_id,
        round_id,
        limit,
    )
    return [_read_pledge_view(row) for row in rows]


async def list_round_pledges(
    conn: asyncpg.Connection, *, round_id: int, coordinator_id: int, limit: int = 1000
) -> list[PledgeView]:
    """List the pledges of a coordinator's own round, in order of arrival."""
    rows = await conn.fetch(
        f"{PLEDGE_VIEW} WHERE r.id = $1 AND r.coordinator_id = $2 ORDER BY pledge.placed_at LIMIT $3",
        round_id,
        coordinator_id,
        limit,
    )
    return [_read_pledge_view(row) for row in rows]


async def list_charges(
    conn: asyncpg.Connection,
    *,
    buyer_id: int | None = None,
    round_id: int | None = None,
    limit: int = 1000,
) -> list[ChargeView]:
    """List charges of a buyer (without its sponsors'), or of a round, or of both, in order of being due."""
    rows = await conn.fetch(
        """
        SELECT c.id, c.pledge_id, c.buyer_id, c.purpose, c.method, c.amount_krw, c.capture_krw, c.state, c.attempt,
               CASE WHEN i.due_on IS NULL THEN c.due_at
                    ELSE (i.due_on + 1)::timestamp AT TIME ZONE 'Asia/Seoul' - interval '1 minute' END,
               c.last_error, i.number, c.grace_until,
               coalesce((SELECT is_on_session FROM charge_attempts a
                         WHERE a.charge_id = c.id AND a.attempt = c.attempt), false),
               coalesce((SELECT sum(amount_krw) FROM receipts e
                         WHERE e.charge_id = c.id AND e.kind IN ('balance', 'sponsored')), 0)::bigint,
               s.sponsor_id
        FROM charges c
        LEFT JOIN invoices i ON i.allocation_id = c.allocation_id AND c.purpose IN ('balance', 'sponsored')
        LEFT JOIN sponsorships s ON s.id = c.sponsorship_id
        WHERE ($1::bigint IS NULL OR (c.buyer_id = $1 AND c.sponsorship_id IS NULL))
          AND ($2::bigint IS NULL OR c.round_id = $2)
        ORDER BY c.due_at, c.purpose DESC, c.id
        LIMIT $3
        """,
        buyer_id,
        round_id,
        limit,
    )
    return [ChargeView(*row) for row in rows]


async def get_invoice(conn: asyncpg.Connection, *, number: str, organization_id: int) -> InvoiceView:
    """Read an invoice as its buyer, its seller or the round's coordinator.

    Raises:
        InvoiceNotFound: also for anybody else.
    """
    row = await conn.fetchrow(
        """
        SELECT i.number, i.reference, r.code, r.title_ko, r.title_en, a.quantity, a.unit_price_krw,
               i.supply_krw, i.vat_krw, i.total_krw, i.deposit_krw, i.sponsored_krw, i.balance_krw,
               i.issued_at, i.due_on,
               r.is_illustrative,
               coalesce((SELECT state FROM charges c
                         WHERE c.allocation_id = a.id AND c.purpose = 'balance' AND c.state <> 'released'
                         ORDER BY c.state = 'captured', c.entry_no LIMIT 1), 'captured'),
               (SELECT jsonb_build_object('name_ko', o.name_ko, 'name_en', o.name_en,
                    'business_number', o.business_number, 'region', o.region)
                FROM organizations o WHERE o.id = i.vendor_id),
               (SELECT jsonb_build_object('name_ko', o.name_ko, 'name_en', o.name_en,
                    'business_number', o.business_number, 'region', o.region)
                FROM organizations o WHERE o.id = i.buyer_id),
               (SELECT open_krw FROM receivables v WHERE v.reference = i.reference)
        FROM invoices i
        JOIN allocations a ON a.id = i.allocation_id
        JOIN rounds r ON r.id = a.round_id
        WHERE i.number = $1 AND $2 IN (i.buyer_id, i.vendor_id, r.coordinator_id)
        """,
        number,
        organization_id,
    )
    if row is None:
        raise InvoiceNotFound(number)
    *values, seller, buyer, open_krw = row
    values += [msgspec.convert(seller, Party), msgspec.convert(buyer, Party), open_krw]
    return InvoiceView(*values)


class AuditLine(msgspec.Struct, frozen=True):
    """One line of a round's whole trail: the round's own events, its pledges' and its charges'.

    Whose pledge or charge it is (`buyer_*`) and what is paid how (`purpose`, `method`) is for the coordinator alone.
    """

    at: datetime
    kind: str
    organization_ko: str | None
    organization_en: str | None
    data: dict[str, Any]
    buyer_ko: str | None
    buyer_en: str | None
    purpose: str | None
    method: str | None


async def list_round_audit(
    conn: asyncpg.Connection, *, round_id: int, code: str, limit: int = 500
) -> list[AuditLine]:
    """Read what happened to a round, its pledges and its charges, oldest first."""
    rows = await conn.fetch(
        """
        SELECT e.at, e.kind, o.name_ko, o.name_en, e.data, b.name_ko, b.name_en, s.purpose, s.method
        FROM (SELECT 'round' AS subject, $2::text AS subject_id, NULL::bigint AS buyer_id, NULL::text AS purpose,
                     NULL::text AS method
              UNION ALL SELECT 'pledge', id::text, buyer_id, NULL, NULL FROM pledges WHERE round_id = $1
              UNION ALL SELECT 'charge', id::text, buyer_id, purpose, method FROM charges WHERE round_id = $1) s
        JOIN events e USING (subject, subject_id)
        LEFT JOIN organizations o ON o.id = e.organization_id
        LEFT JOIN organizations b ON b.id = s.buyer_id
        ORDER BY e.id LIMIT $3
        """,
        round_id,
        code,
        limit,
    )
    return [AuditLine(*row) for row in rows]


async def read_funded_units(conn: asyncpg.Connection, *, round_id: int) -> int:
    """Units of a round's pledges whose money is confirmed: by deposit, guarantee or order, or by a card's hold."""
    units: int = await conn.fetchval(
        """
        SELECT coalesce(sum(l.quantity_max), 0)::bigint
        FROM pledges p
        JOIN LATERAL (SELECT version, state FROM pledge_versions
                      WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON v.state = 'placed'
        JOIN pledge_lines l ON l.pledge_id = p.id AND l.version = v.version
        WHERE p.round_id = $1 AND (
            EXISTS (SELECT FROM pledge_fundings f WHERE f.pledge_id = p.id AND f.version = v.version)
            OR EXISTS (SELECT FROM charges c WHERE c.pledge_id = p.id AND c.method = 'card'
                       AND c.state IN ('authorized', 'captured')))
        """,
        round_id,
    )
    return units


async def list_titles(conn: asyncpg.Connection, *, codes: Collection[str]) -> dict[str, dict[str, str]]:
    """Titles of rounds by code as pages take them: `name_ko`, `name_en`; unknown codes are left out."""
    rows = await conn.fetch(
        "SELECT code, title_ko, title_en FROM rounds WHERE code = ANY ($1)", sorted(codes)
    )
    return {row["code"]: {"name_ko": row["title_ko"], "name_en": row["title_en"]} for row in rows}
