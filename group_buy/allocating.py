"""Write down what cleared pledges got and owe: allocation, deposit, invoice, balance, refund.

One statement a table for all pledges of a round: a round of tens of thousands is written in a second or two.
"""

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pgproto import pgproto

from catalog.core.money import vat_krw
from group_buy.core.charge import CARD_HOLD_KRW_MIN, deposit_krw
from group_buy.core.round import Round
from group_buy.order_shares import freeze_shares
from group_buy.sponsor_parts import OpenBill, split_bills

INVOICE_DUE_TIME: Final = timedelta(days=14)
"""A balance is due this long after clearing, when the terms say nothing else."""

RECEIVED: Final = """
    SELECT b.pledge_id, sum(b.received_krw)::bigint AS krw FROM pledges p JOIN pledge_fundings b ON b.pledge_id = p.id
    WHERE p.round_id = $1 AND b.received_krw > 0 GROUP BY b.pledge_id
"""
"""What came for each pledge of round $1 before it was decided."""


class AllocatedPledge(msgspec.Struct, frozen=True):
    """What one pledge got: units by line number, and where its deposit comes from.

    captured_krw: won that were taken of the hold already, by a decision that a restore has lost; None = none.
    """

    pledge_id: UUID
    buyer_id: int
    lines: dict[int, int]
    hold_charge_id: UUID | None
    received_krw: int
    captured_krw: int | None = None

    @property
    def quantity(self) -> int:
        """Units over all lines."""
        return sum(self.lines.values())


class Bill(msgspec.Struct, frozen=True):
    """One allocation to the won: deposit + sponsored + balance = total = supply + VAT."""

    allocation_id: UUID
    pledge: AllocatedPledge
    quantity: int
    supply_krw: int
    total_krw: int
    deposit_krw: int
    sponsored_krw: int = 0

    @property
    def balance_krw(self) -> int:
        """What the buyer still pays."""
        return self.total_krw - self.deposit_krw - self.sponsored_krw


def rising_ids(count: int) -> list[UUID]:
    """Make UUIDs of version 7 (RFC 9562) that rise: rows of one round lie together in their indexes.

    With random ids every row of a large round would dirty a page of its own, and be written twice to the log.
    Sixty-two bits of each are random.
    """
    first, chance = time.time_ns() // 1_000_000 << 12, bytearray(os.urandom(8 * count))
    chance[::8] = bytes(byte & 0x3F | 0x80 for byte in chance[::8])
    heads = ((n >> 12 << 16 | 0x7000 | n & 0xFFF).to_bytes(8) for n in range(first, first + count))
    # the driver's own kind of UUID is made, and written, at a fraction of the cost of the library's
    return [pgproto.UUID(head + chance[8 * n : 8 * n + 8]) for n, head in enumerate(heads)]


def bill_pledge(
    buying_round: Round, pledge: AllocatedPledge, unit_price_krw: int, allocation_id: UUID
) -> Bill:
    supply_krw = pledge.quantity * unit_price_krw
    total_krw = supply_krw + vat_krw(supply_krw)
    if pledge.captured_krw is not None:
        paid_krw = min(pledge.captured_krw, total_krw)
    elif pledge.hold_charge_id is not None:
        # The rest of the hold goes back with the capture; below a card's minimum the hold is released instead.
        owed_krw = deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=supply_krw)
        paid_krw = owed_krw if owed_krw >= CARD_HOLD_KRW_MIN else 0
    else:
        paid_krw = min(pledge.received_krw, total_krw)
    return Bill(allocation_id, pledge, pledge.quantity, supply_krw, total_krw, paid_krw)


async def write_allocations(
    conn: asyncpg.Connection, buying_round: Round, pledges: Sequence[AllocatedPledge], *, unit_price_krw: int
) -> None:
    """Write what each pledge (of at least one unit) got and how it is paid."""
    bills = [
        bill_pledge(buying_round, pledge, unit_price_krw, allocation_id)
        for pledge, allocation_id in zip(pledges, rising_ids(len(pledges)), strict=True)
    ]
    await _insert_allocations(conn, buying_round, bills, unit_price_krw=unit_price_krw)
    await _finish_holds(conn, [bill for bill in bills if bill.pledge.hold_charge_id is not None])
    received = [bill for bill in bills if bill.pledge.hold_charge_id is None and bill.deposit_krw]
    await _book_received_deposits(conn, buying_round, received)
    sponsored = await split_bills(
        conn,
        buying_round,
        [
            OpenBill(
                bill.allocation_id,
                bill.pledge.pledge_id,
                bill.pledge.buyer_id,
                bill.total_krw,
                bill.total_krw - bill.deposit_krw,
            )
            for bill in bills
        ],
    )
    if sponsored:
        bills = [
            msgspec.structs.replace(bill, sponsored_krw=sponsored.get(bill.allocation_id, 0))
            for bill in bills
        ]
    await _issue_invoices(conn, buying_round, bills)


async def _insert_allocations(
    conn: asyncpg.Connection, buying_round: Round, bills: Sequence[Bill], *, unit_price_krw: int
) -> None:
    await conn.execute(
        """
        INSERT INTO allocations (id, round_id, pledge_id, buyer_id, quantity, unit_price_krw,
                                 supply_krw, vat_krw, total_krw)
        SELECT id, $1, pledge_id, buyer_id, quantity, $2, supply_krw, total_krw - supply_krw, total_krw
        FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::int[], $7::bigint[], $8::bigint[])
             AS bill (id, pledge_id, buyer_id, quantity, supply_krw, total_krw)
        """,
        buying_round.id,
        unit_price_krw,
        [bill.allocation_id for bill in bills],
        [bill.pledge.pledge_id for bill in bills],
        [bill.pledge.buyer_id for bill in bills],
        [bill.quantity for bill in bills],
        [bill.supply_krw for bill in bills],
        [bill.total_krw for bill in bills],
    )
    lines = [
        (bill.allocation_id, line_no, quantity)
        for bill in bills
        for line_no, quantity in sorted(bill.pledge.lines.items())
    ]
    await conn.execute(
        """
        INSERT INTO allocation_lines (allocation_id, line_no, quantity)
        SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::int[])
        """,
        [line[0] for line in lines],
        [line[1] for line in lines],
        [line[2] for line in lines],
    )


async def _finish_holds(conn: asyncpg.Connection, bills: Sequence[Bill]) -> None:
    await conn.execute(
        """
        UPDATE charges c
        SET allocation_id = CASE WHEN taken_krw > 0 THEN bill.allocation_id END, next_attempt_at = clock_timestamp(),
            capture_krw = CASE WHEN c.state = 'captured' THEN c.capture_krw ELSE taken_krw END
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS bill (charge_id, allocation_id, taken_krw)
        WHERE c.id = bill.charge_id
        """,
        [bill.pledge.hold_charge_id for bill in bills],
        [bill.allocation_id for bill in bills],
        [bill.deposit_krw for bill in bills],
    )


async def _book_received_deposits(
    conn: asyncpg.Connection, buying_round: Round, bills: Sequence[Bill]
) -> None:
    await conn.execute(
        """
        WITH booked AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method,
                                 amount_krw, capture_krw, state)
            SELECT id, $1, pledge_id, allocation_id, buyer_id, 'deposit', 'transfer', krw, krw, 'captured'
            FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::uuid[])
                 AS bill (pledge_id, allocation_id, buyer_id, krw, id)
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state)
        SELECT id, 1, state FROM booked, unnest(ARRAY['due', 'processing', 'authorized', 'captured']) state
        """,
        buying_round.id,
        [bill.pledge.pledge_id for bill in bills],
        [bill.allocation_id for bill in bills],
        [bill.pledge.buyer_id for bill in bills],
        [bill.deposit_krw for bill in bills],
        rising_ids(len(bills)),
    )


async def _issue_invoices(conn: asyncpg.Connection, buying_round: Round, bills: Sequence[Bill]) -> None:
    await conn.execute(
        """
        WITH today AS MATERIALIZED (
            SELECT 'SFA-' || to_char(clock_timestamp() AT TIME ZONE 'Asia/Seoul', 'YYYYMM') || '-' AS month,
                   ((clock_timestamp() + $2) AT TIME ZONE 'Asia/Seoul')::date AS due_on
        ), issued AS (
            INSERT INTO invoices (id, number, allocation_id, buyer_id, vendor_id, supply_krw, vat_krw, total_krw,
                                  deposit_krw, sponsored_krw, balance_krw, due_on, reference)
            SELECT bill.id, today.month || reference_of('', bill.no), bill.allocation_id, bill.buyer_id, $1, bill.supply_krw,
                   bill.total_krw - bill.supply_krw, bill.total_krw, bill.deposit_krw, bill.sponsored_krw,
                   bill.total_krw - bill.deposit_krw - bill.sponsored_krw, today.due_on, reference_of('SFA', bill.no)
            FROM today, (SELECT *, nextval('invoice_numbers') AS no
                         FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $9::uuid[],
                                     $10::bigint[])
                              AS bill (allocation_id, buyer_id, supply_krw, total_krw, deposit_krw, id, sponsored_krw)) bill
            RETURNING number, buyer_id
        )
        INSERT INTO notifications (organization_id, kind, data)
        SELECT buyer_id, 'invoice.issued', jsonb_build_object('number', number, 'round', $8::text) FROM issued
        """,
        buying_round.vendor_id,
        INVOICE_DUE_TIME,
        [bill.allocation_id for bill in bills],
        [bill.pledge.buyer_id for bill in bills],
        [bill.supply_krw for bill in bills],
        [bill.total_krw for bill in bills],
        [bill.deposit_krw for bill in bills],
        buying_round.code,
        rising_ids(len(bills)),
        [bill.sponsored_krw for bill in bills],
    )
    owing = [bill for bill in bills if bill.balance_krw]
    await insert_transfers(
        conn,
        buying_round,
        purpose="balance",
        owed=[
            (
                bill.pledge.pledge_id,
                bill.allocation_id,
                bill.pledge.buyer_id,
                bill.balance_krw,
            )
            for bill in owing
        ],
    )


async def insert_transfers(
    conn: asyncpg.Connection,
    buying_round: Round,
    *,
    purpose: str,
    owed: Sequence[tuple[UUID, UUID | None, int, int]],
) -> None:
    """Write balances that are owed to the vendor, or refunds that are owed to buyers: due, by transfer.

    `owed` holds pledge, allocation, buyer and won (>= 1). Each is an entry beside earlier ones of its purpose.
    """
    await conn.execute(
        """
        WITH due AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method,
                                 amount_krw, entry_no)
            SELECT owed.id, $1, pledge_id, allocation_id, buyer_id, $2, 'transfer', krw,
                   1 + coalesce(earlier.entry_no, 0)
            FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::uuid[])
                 AS owed (pledge_id, allocation_id, buyer_id, krw, id)
            LEFT JOIN (SELECT pledge_id, max(entry_no) AS entry_no FROM charges
                       WHERE round_id = $1 AND purpose = $2 GROUP BY pledge_id) earlier USING (pledge_id)
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM due
        """,
        buying_round.id,
        purpose,
        [each[0] for each in owed],
        [each[1] for each in owed],
        [each[2] for each in owed],
        [each[3] for each in owed],
        rising_ids(len(owed)),
    )


async def settle_outcomes(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Give back what wins nothing: release unused holds, owe received deposits back, tell each pledge's outcome.

    A pledge that was carried into a later round took its money along.
    """
    await freeze_shares(conn, buying_round)
    await conn.execute(
        """
        UPDATE pledges p
        SET outcome = CASE WHEN p.carried_to_id IS NOT NULL THEN 'carried'
                           WHEN a.id IS NULL THEN 'released' ELSE 'allocated' END
        FROM pledges same LEFT JOIN allocations a ON a.pledge_id = same.id
        WHERE p.round_id = $1 AND same.id = p.id AND same.round_id = $1
        """,
        buying_round.id,
    )
    await release_holds(conn, buying_round)
    rows = await conn.fetch(
        f"""
        SELECT p.id, p.buyer_id, received.krw - coalesce(used.krw, 0) AS krw
        FROM pledges p
        JOIN ({RECEIVED}) received ON received.pledge_id = p.id
        LEFT JOIN (SELECT pledge_id, sum(coalesce(capture_krw, amount_krw))::bigint AS krw FROM charges
                   WHERE round_id = $1 AND method = 'transfer'
                     AND (purpose = 'deposit' OR purpose = 'refund' AND allocation_id IS NULL)
                   GROUP BY pledge_id) used ON used.pledge_id = p.id
        WHERE p.round_id = $1 AND p.outcome <> 'carried' AND received.krw > coalesce(used.krw, 0)
        """,
        buying_round.id,
    )
    refunds = [(row["id"], None, row["buyer_id"], row["krw"]) for row in rows]
    await insert_transfers(conn, buying_round, purpose="refund", owed=refunds)


async def release_holds(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Let every hold go that no allocation uses; one whose outcome is unknown yet goes when it is known.

    One that was captured already, by a decision that a restore has lost, goes back as far as nobody owes it.
    """
    unasked = await conn.fetch(
        """
        UPDATE charges SET state = 'released', capture_krw = 0
        WHERE round_id = $1 AND method = 'card' AND purpose = 'deposit' AND state = 'due' RETURNING id, attempt
        """,
        buying_round.id,
    )
    await conn.executemany(
        "INSERT INTO charge_events (charge_id, attempt, state) VALUES ($1, $2, 'released')",
        [(row["id"], row["attempt"]) for row in unasked],
    )
    await conn.execute(
        """
        WITH due AS (
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method, amount_krw, entry_no,
                                 refunded_charge_id)
            SELECT gen_random_uuid(), c.round_id, c.pledge_id, c.allocation_id, c.buyer_id, 'refund', 'card',
                   c.capture_krw - coalesce(a.total_krw, 0),
                   1 + coalesce((SELECT max(entry_no) FROM charges r
                                 WHERE r.pledge_id = c.pledge_id AND r.purpose = 'refund'), 0), c.id
            FROM charges c LEFT JOIN allocations a ON a.id = c.allocation_id
            WHERE c.round_id = $1 AND c.method = 'card' AND c.purpose = 'deposit' AND c.state = 'captured'
              AND c.capture_krw > coalesce(a.total_krw, 0)
              AND NOT EXISTS (SELECT FROM charges r WHERE r.refunded_charge_id = c.id AND r.state <> 'released')
            RETURNING id
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'due' FROM due
        """,
        buying_round.id,
    )
    await conn.execute(
        """
        UPDATE charges SET capture_krw = 0, next_attempt_at = clock_timestamp()
        WHERE round_id = $1 AND method = 'card' AND purpose = 'deposit' AND capture_krw IS NULL
        """,
        buying_round.id,
    )
