"""What a buyer sees of its money beside the amounts: whom to pay, and what each payment went through."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec


class Receiver(msgspec.Struct, frozen=True):
    """Who receives the transfers of a round, and the account that it has told; empty where it has told none."""

    custody: str
    name_ko: str
    name_en: str
    bank: str
    account: str
    account_holder: str


async def list_receivers(conn: asyncpg.Connection, *, codes: Collection[str]) -> dict[str, Receiver]:
    """Who receives the transfers of each of these rounds: the coordinator where it holds them, else the vendor."""
    rows = await conn.fetch(
        """
        SELECT r.code, r.custody, o.name_ko, o.name_en, coalesce(b.bank, ''), coalesce(b.account, ''),
               coalesce(b.account_holder, '')
        FROM rounds r
        JOIN organizations o ON o.id = CASE r.custody WHEN 'operator' THEN r.coordinator_id ELSE r.vendor_id END
        LEFT JOIN billing_profiles b ON b.organization_id = o.id AND b.bank <> '' AND b.account <> ''
        WHERE r.code = ANY ($1)
        """,
        list(codes),
    )
    return {row[0]: Receiver(*list(row)[1:]) for row in rows}


class ChargeStep(msgspec.Struct, frozen=True):
    """One state that a payment of a buyer came to; `attempt` counts from 1."""

    pledge_id: UUID
    purpose: str
    method: str
    attempt: int
    state: str
    reason: str | None
    amount_krw: int
    at: datetime


async def list_charge_steps(
    conn: asyncpg.Connection, *, buyer_id: int, limit: int = 1000
) -> list[ChargeStep]:
    """What the payments of a buyer went through, oldest first; the machine's own steps are left out.

    `amount_krw` is what was asked for in that attempt; of a captured one what was taken.
    """
    rows = await conn.fetch(
        """
        SELECT c.pledge_id, c.purpose, c.method, e.attempt, e.state, e.data ->> 'reason',
               CASE WHEN e.state = 'captured' THEN coalesce(c.capture_krw, c.amount_krw)
                    ELSE coalesce(a.amount_krw, c.amount_krw) END, e.at
        FROM charges c JOIN charge_events e ON e.charge_id = c.id
        LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = e.attempt
        WHERE c.buyer_id = $1 AND c.sponsorship_id IS NULL
          AND e.state IN ('authorized', 'captured', 'failed', 'action_required', 'released')
          AND NOT (c.method = 'transfer' AND e.state IN ('authorized', 'released'))
          AND NOT (e.state = 'action_required' AND e.data ->> 'reason' IS NULL) -- the pay page was opened
        ORDER BY e.at, e.charge_id, e.attempt, e.state LIMIT $2
        """,
        buyer_id,
        limit,
    )
    return [ChargeStep(*row) for row in rows]


class InvoiceChange(msgspec.Struct, frozen=True):
    """What an invoice's goods became later; won. supply + VAT = total."""

    at: datetime
    reason: str
    quantity: int
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    total_krw: int


async def list_invoice_changes(conn: asyncpg.Connection, *, number: str) -> list[InvoiceChange]:
    """What changed of an invoice's goods after it was written, oldest first. Whoever calls has read the invoice."""
    rows = await conn.fetch(
        """
        SELECT c.at, c.reason, c.quantity, c.unit_price_krw, c.supply_krw, c.vat_krw, c.total_krw
        FROM invoices i JOIN allocation_changes c ON c.allocation_id = i.allocation_id
        WHERE i.number = $1 ORDER BY c.change_no
        """,
        number,
    )
    return [InvoiceChange(*row) for row in rows]
