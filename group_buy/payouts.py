"""Pay vendors what the coordinator holds for them, after delivery. Connect (Stripe's way to do it) is left out."""

from datetime import datetime
from itertools import groupby
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.errors import PayoutBatchNotFound

BATCH_ROUNDS_MAX = 500

HELD_AND_FEE = """
    rounds r
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN c.purpose IN ('refund', 'sponsor_refund') THEN -c.amount_krw
                                 ELSE c.capture_krw END), 0)::bigint AS krw
        FROM charges c
        WHERE c.round_id = r.id AND c.allocation_id IS NOT NULL AND (c.method = 'card' OR r.custody = 'operator')
          AND CASE WHEN c.purpose IN ('refund', 'sponsor_refund') THEN c.state <> 'released'
                   ELSE c.state IN ('captured', 'refunded') END) held
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(a.supply_krw), 0)::bigint * r.commission_bp / 10000 AS krw
        FROM current_allocations a WHERE a.round_id = r.id) fee
"""
PAYABLE = f"""
    SELECT r.id AS round_id, r.code, r.vendor_id, held.krw AS held_krw, fee.krw AS fee_krw, fee.krw / 10 AS fee_vat_krw,
           coalesce((SELECT sum(amount_krw) FROM payouts p WHERE p.round_id = r.id), 0)::bigint AS earlier_krw
    FROM {HELD_AND_FEE}
    WHERE r.state IN ('delivered', 'settled') AND r.coordinator_id = $1
"""
"""What coordinator $1 holds of each delivered round: captured, less refunds owed or made, less the commission.

A payment of which everything went back counts with its refund: `refunded` is a state of what was captured.
Money that buyers paid the vendor directly is not here, and is never paid twice: the ledger's vendor payable says what
a vendor is owed in all, and this what of it is the coordinator's to pay now. A payout settles that account
(`post_payout` in 0018_bank_ledger.sql).
`marketplace check` compares it with the ledger.
"""


class Payable(msgspec.Struct, frozen=True):
    """One round's money for its vendor; won. amount = held - fee - VAT on the fee - earlier payouts."""

    round_code: str
    vendor_code: str
    vendor_ko: str
    vendor_en: str
    held_krw: int
    fee_krw: int
    fee_vat_krw: int
    earlier_krw: int
    amount_krw: int
    has_account: bool


async def list_payables(conn: asyncpg.Connection, *, coordinator_id: int) -> list[Payable]:
    """What a coordinator owes vendors now, by round."""
    rows = await conn.fetch(
        f"""
        SELECT p.code, o.code, o.name_ko, o.name_en, held_krw, fee_krw, fee_vat_krw, earlier_krw,
               held_krw - fee_krw - fee_vat_krw - earlier_krw,
               coalesce(b.bank <> '' AND b.account <> '' AND b.account_holder <> '', false)
        FROM ({PAYABLE}) p JOIN organizations o ON o.id = p.vendor_id
        LEFT JOIN billing_profiles b ON b.organization_id = p.vendor_id
        WHERE held_krw - fee_krw - fee_vat_krw - earlier_krw > 0
        ORDER BY p.code LIMIT {BATCH_ROUNDS_MAX}
        """,
        coordinator_id,
    )
    return [Payable(*row) for row in rows]


class Payout(msgspec.Struct, frozen=True):
    """One line of a batch, with the fee and the account as they were then; won."""

    round_code: str
    vendor_ko: str
    vendor_en: str
    held_krw: int
    fee_krw: int
    fee_vat_krw: int
    earlier_krw: int
    amount_krw: int
    bank: str
    account: str
    account_holder: str


class PayoutBatch(msgspec.Struct, frozen=True):
    """Payouts that were made at once, and go to the bank in one file."""

    id: UUID
    at: datetime
    payouts: list[Payout]

    @property
    def total_krw(self) -> int:
        """What the bank should take for the file; won."""
        return sum(payout.amount_krw for payout in self.payouts)


READY = f"""
    SELECT p.*, held_krw - fee_krw - fee_vat_krw - earlier_krw AS amount_krw, b.bank, b.account, b.account_holder
    FROM ({PAYABLE}) p JOIN billing_profiles b ON b.organization_id = p.vendor_id
    WHERE held_krw - fee_krw - fee_vat_krw - earlier_krw > 0 AND b.bank <> '' AND b.account <> '' AND b.account_holder <> ''
    ORDER BY p.code LIMIT {BATCH_ROUNDS_MAX}
"""
"""What coordinator $1 can pay out now: vendors who have said where to."""


async def make_payout_batch(conn: asyncpg.Connection, *, batch_id: UUID, actor: Actor) -> int:
    """Freeze what is owed to every vendor with an account as lines of one batch; return how many.

    The same id again adds nothing, and two at once pay nothing twice. The ledger posts the lines in this transaction.
    """
    assert actor.organization_id is not None
    await conn.execute("SELECT pg_advisory_xact_lock(7310, $1::integer)", actor.organization_id)
    if await conn.fetchval("SELECT EXISTS (SELECT FROM payout_batches WHERE id = $1)", batch_id):
        return 0
    if not await conn.fetchval(f"SELECT EXISTS ({READY})", actor.organization_id):
        return 0
    await conn.execute(
        "INSERT INTO payout_batches (id, coordinator_id, person_id) VALUES ($1, $2, $3)",
        batch_id,
        actor.organization_id,
        actor.person_id,
    )
    rows = await conn.fetch(
        f"""
        INSERT INTO payouts (batch_id, round_id, vendor_id, held_krw, fee_krw, fee_vat_krw, earlier_krw, amount_krw,
                             bank, account, account_holder)
        SELECT $2, round_id, vendor_id, held_krw, fee_krw, fee_vat_krw, earlier_krw, amount_krw,
               bank, account, account_holder
        FROM ({READY}) ready
        RETURNING amount_krw
        """,
        actor.organization_id,
        batch_id,
    )
    await record_event(
        conn,
        kind="payout.made",
        subject="payout_batch",
        subject_id=str(batch_id),
        actor=actor,
        rounds=len(rows),
        amount_krw=sum(row["amount_krw"] for row in rows),
    )
    return len(rows)


async def list_payout_batches(
    conn: asyncpg.Connection, *, coordinator_id: int, batch_id: UUID | None = None, limit: int = 50
) -> list[PayoutBatch]:
    """A coordinator's batches, the newest first; or only the one."""
    rows = await conn.fetch(
        """
        SELECT b.id, b.at, r.code, o.name_ko, o.name_en, p.held_krw, p.fee_krw, p.fee_vat_krw, p.earlier_krw, p.amount_krw,
               p.bank, p.account, p.account_holder
        FROM (SELECT * FROM payout_batches WHERE coordinator_id = $1 AND ($2::uuid IS NULL OR id = $2)
              ORDER BY at DESC LIMIT $3) b
        JOIN payouts p ON p.batch_id = b.id
        JOIN rounds r ON r.id = p.round_id JOIN organizations o ON o.id = p.vendor_id
        ORDER BY b.at DESC, b.id, r.code
        """,
        coordinator_id,
        batch_id,
        limit,
    )
    return [
        PayoutBatch(found_id, at, [Payout(*list(row)[2:]) for row in group])
        for (found_id, at), group in groupby(rows, key=lambda row: (row["id"], row["at"]))
    ]


async def get_payout_batch(conn: asyncpg.Connection, *, batch_id: UUID, coordinator_id: int) -> PayoutBatch:
    """One batch of this coordinator. Raises PayoutBatchNotFound."""
    for batch in await list_payout_batches(conn, coordinator_id=coordinator_id, batch_id=batch_id):
        return batch
    raise PayoutBatchNotFound(batch_id)


class PayoutReceived(msgspec.Struct, frozen=True):
    """One payout as its vendor sees it; won. amount = held - fee - VAT on the fee - earlier payouts."""

    at: datetime
    round_code: str
    held_krw: int
    fee_krw: int
    fee_vat_krw: int
    earlier_krw: int
    amount_krw: int
    bank: str
    account: str


async def list_payouts_of(
    conn: asyncpg.Connection, *, vendor_id: int, limit: int = 200
) -> list[PayoutReceived]:
    """What was paid out to a vendor, the newest first."""
    rows = await conn.fetch(
        """
        SELECT b.at, r.code, p.held_krw, p.fee_krw, p.fee_vat_krw, p.earlier_krw, p.amount_krw, p.bank, p.account
        FROM payouts p JOIN payout_batches b ON b.id = p.batch_id JOIN rounds r ON r.id = p.round_id
        WHERE p.vendor_id = $1 ORDER BY b.at DESC, r.code LIMIT $2
        """,
        vendor_id,
        limit,
    )
    return [PayoutReceived(*row) for row in rows]


PAYOUT_COLUMNS = ("입금은행", "입금계좌번호", "이체금액", "예금주", "받는분 통장표시", "내 통장표시")
"""The columns that Korean banks' bulk transfer forms share."""


def payout_rows(payouts: list[Payout]) -> list[dict[str, str]]:
    """The lines of a bank's bulk transfer file."""
    return [
        {
            "입금은행": payout.bank,
            "입금계좌번호": payout.account,
            "이체금액": str(payout.amount_krw),
            "예금주": payout.account_holder,
            "받는분 통장표시": payout.round_code[:14],
            "내 통장표시": payout.round_code[:14],
        }
        for payout in payouts
    ]
