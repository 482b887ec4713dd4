"""Write down what a cleared pledge got and owes: allocation, deposit, invoice, balance, refund."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from catalog.core.money import vat_krw
from group_buy.core.charge import CARD_HOLD_KRW_MIN, deposit_krw
from group_buy.core.round import Round

INVOICE_DUE_TIME: Final = timedelta(days=14)
"""A balance is due this long after clearing, when the terms say nothing else."""


class AllocatedPledge(msgspec.Struct, frozen=True):
    """What one pledge got: units by line number, and where its deposit comes from."""

    pledge_id: UUID
    buyer_id: int
    lines: dict[int, int]
    hold_charge_id: UUID | None
    received_krw: int

    @property
    def quantity(self) -> int:
        """Units over all lines."""
        return sum(self.lines.values())


async def write_allocation(
    conn: asyncpg.Connection, buying_round: Round, pledge: AllocatedPledge, *, unit_price_krw: int
) -> None:
    """Write what a pledge got and how it is paid: deposit + balance = total, to the won."""
    supply_krw = pledge.quantity * unit_price_krw
    total_krw = supply_krw + vat_krw(supply_krw)
    allocation_id = uuid4()
    await conn.execute(
        """
        INSERT INTO allocations (id, round_id, pledge_id, buyer_id, quantity, unit_price_krw,
                                 supply_krw, vat_krw, total_krw)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        allocation_id,
        buying_round.id,
        pledge.pledge_id,
        pledge.buyer_id,
        pledge.quantity,
        unit_price_krw,
        supply_krw,
        total_krw - supply_krw,
        total_krw,
    )
    await conn.executemany(
        "INSERT INTO allocation_lines (allocation_id, line_no, quantity) VALUES ($1, $2, $3)",
        [(allocation_id, line_no, quantity) for line_no, quantity in sorted(pledge.lines.items())],
    )
    owed_krw = deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=supply_krw)
    if pledge.hold_charge_id is not None:
        # The rest of the hold goes back with the capture; below a card's minimum the hold is released instead.
        taken_krw = owed_krw if owed_krw >= CARD_HOLD_KRW_MIN else 0
        await conn.execute(
            "UPDATE charges SET allocation_id = $2, capture_krw = $3, next_attempt_at = clock_timestamp() WHERE id = $1",
            pledge.hold_charge_id,
            allocation_id if taken_krw else None,
            taken_krw,
        )
        deposit_paid_krw = taken_krw
    elif pledge.received_krw:
        deposit_paid_krw = min(pledge.received_krw, total_krw)
        await _book_received_deposit(conn, buying_round, pledge, allocation_id, amount_krw=deposit_paid_krw)
    else:
        deposit_paid_krw = 0
    await _issue_invoice(conn, buying_round, pledge, allocation_id, deposit_paid_krw=deposit_paid_krw)


async def _book_received_deposit(
    conn: asyncpg.Connection,
    buying_round: Round,
    pledge: AllocatedPledge,
    allocation_id: UUID,
    *,
    amount_krw: int,
) -> None:
    charge_id = uuid4()
    await conn.execute(
        """
        INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method,
                             amount_krw, capture_krw, state)
        VALUES ($1, $2, $3, $4, $5, 'deposit', 'transfer', $6, $6, 'captured')
        """,
        charge_id,
        buying_round.id,
        pledge.pledge_id,
        allocation_id,
        pledge.buyer_id,
        amount_krw,
    )
    await conn.executemany(
        "INSERT INTO charge_events (charge_id, attempt, state) VALUES ($1, 1, $2)",
        [(charge_id, state) for state in ("due", "processing", "authorized", "captured")],
    )


async def _issue_invoice(
    conn: asyncpg.Connection,
    buying_round: Round,
    pledge: AllocatedPledge,
    allocation_id: UUID,
    *,
    deposit_paid_krw: int,
) -> None:
    row = await conn.fetchrow(
        """
        INSERT INTO invoices (id, number, allocation_id, buyer_id, vendor_id, supply_krw, vat_krw, total_krw,
                              deposit_krw, balance_krw, due_on, reference)
        SELECT $1, 'SFA-' || to_char(clock_timestamp() AT TIME ZONE 'Asia/Seoul', 'YYYYMM') || '-' || n,
               a.id, a.buyer_id, $3, a.supply_krw, a.vat_krw, a.total_krw, $4, a.total_krw - $4,
               ((clock_timestamp() + $5) AT TIME ZONE 'Asia/Seoul')::date, 'SFA' || n
        FROM allocations a, to_char(nextval('invoice_numbers'), 'FM000000') n
        WHERE a.id = $2
        RETURNING number, balance_krw
        """,
        uuid4(),
        allocation_id,
        buying_round.vendor_id,
        deposit_paid_krw,
        INVOICE_DUE_TIME,
    )
    assert row is not None, "an allocation was just written for it"
    if row["balance_krw"]:
        charge_id = uuid4()
        await conn.execute(
            """
            INSERT INTO charges (id, round_id, pledge_id, allocation_id, buyer_id, purpose, method, amount_krw)
            VALUES ($1, $2, $3, $4, $5, 'balance', 'transfer', $6)
            """,
            charge_id,
            buying_round.id,
            pledge.pledge_id,
            allocation_id,
            pledge.buyer_id,
            row["balance_krw"],
        )
        await conn.execute(
            "INSERT INTO charge_events (charge_id, attempt, state) VALUES ($1, 1, 'due')", charge_id
        )
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, 'invoice.issued', $2)",
        pledge.buyer_id,
        {"number": row["number"], "round": buying_round.code},
    )


async def settle_outcomes(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Give back what wins nothing: release unused holds, owe received deposits back, tell each pledge's outcome."""
    await conn.execute(
        """
        UPDATE pledges p SET outcome = CASE WHEN EXISTS (SELECT FROM allocations a WHERE a.pledge_id = p.id)
                                            THEN 'allocated' ELSE 'released' END
        WHERE p.round_id = $1
        """,
        buying_round.id,
    )
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
        UPDATE charges SET capture_krw = 0, next_attempt_at = clock_timestamp()
        WHERE round_id = $1 AND method = 'card' AND purpose = 'deposit' AND capture_krw IS NULL
        """,
        buying_round.id,
    )
    refunds = await conn.fetch(
        """
        INSERT INTO charges (id, round_id, pledge_id, buyer_id, purpose, method, amount_krw)
        SELECT gen_random_uuid(), p.round_id, p.id, p.buyer_id, 'refund', 'transfer',
               received.krw - coalesce(c.capture_krw, 0)
        FROM pledges p
        JOIN LATERAL (SELECT sum(received_krw) AS krw FROM pledge_fundings WHERE pledge_id = p.id) received ON true
        LEFT JOIN charges c ON c.pledge_id = p.id AND c.purpose = 'deposit' AND c.method = 'transfer'
        WHERE p.round_id = $1 AND received.krw > coalesce(c.capture_krw, 0)
        RETURNING id
        """,
        buying_round.id,
    )
    await conn.executemany(
        "INSERT INTO charge_events (charge_id, attempt, state) VALUES ($1, 1, 'due')",
        [(row["id"],) for row in refunds],
    )
