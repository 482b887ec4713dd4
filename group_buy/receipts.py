"""What a bank's line pays: balances and deposits, also in parts, a surplus that is owed back, and taking it back.

Nothing is rewritten. A receipt that was wrong is taken back by a negative one; where it had paid a balance in full,
the money leaves the balance as a refund that is made at once, and the balance is owed anew.
"""

from typing import Final, Literal
from uuid import UUID

import asyncpg

from catalog.events import Actor, record_event
from group_buy.allocating import insert_transfers
from group_buy.errors import BankLineRefused
from group_buy.receiving import capture_transfer, verify_funding
from group_buy.rounds import ROUND_COLUMNS, ROUND_LOCK, read_round
from group_buy.sponsor_receipts import book_sponsor_receipt, take_back_sponsored

RECEIPTS_LOCK: Final = 7308
"""Transaction lock: receipts are booked one file at a time, so that no line is used twice."""

ReceiptKind = Literal["balance", "deposit", "surplus", "sponsored"]


async def book_receipt(
    conn: asyncpg.Connection, *, bank_line_id: int, reference: str, amount_krw: int, note: str, actor: Actor
) -> None:
    """Let `amount_krw` won (>= 1) of a line pay what a reference stands for; what is not owed is owed back.

    The caller holds RECEIPTS_LOCK, and knows that the actor may and that the line has as much left.
    """
    target = await conn.fetchrow("SELECT * FROM receivables WHERE reference = $1", reference)
    assert target is not None, "the caller found it"
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, target["round_id"])
    state = await conn.fetchval("SELECT state FROM rounds WHERE id = $1 FOR SHARE", target["round_id"])
    target = await conn.fetchrow("SELECT * FROM receivables WHERE reference = $1", reference)
    assert target is not None, "references are never taken away"
    if target["kind"] == "sponsored":
        await book_sponsor_receipt(
            conn,
            bank_line_id=bank_line_id,
            reference=reference,
            amount_krw=amount_krw,
            note=note,
            actor=actor,
        )
        return
    entries: list[tuple[ReceiptKind, UUID | None, int]] = []
    left_krw = amount_krw
    if target["kind"] == "deposit" and state in {"open", "fill_up", "closing", "announced"}:
        await _fund(conn, target, amount_krw, actor)
        entries, left_krw = [("deposit", None, amount_krw)], 0
    elif target["kind"] == "balance":
        paid = await _due_balances(conn, target["pledge_id"], amount_krw)
        entries = [("balance", charge_id, krw) for charge_id, krw, _ in paid]
        left_krw -= sum(krw for _, krw, _ in paid)
        for charge_id, _, is_full in paid:
            if is_full:
                await capture_transfer(conn, charge_id=charge_id, actor=actor)
    if left_krw:
        entries.append(("surplus", await _owe_back(conn, target, left_krw, actor), left_krw))
    await conn.executemany(
        """
        INSERT INTO receipts (bank_line_id, kind, pledge_id, charge_id, amount_krw, person_id, note)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [
            (bank_line_id, kind, target["pledge_id"], charge_id, krw, actor.person_id, note)
            for kind, charge_id, krw in entries
        ],
    )
    await record_event(
        conn,
        kind="pledge.received",
        subject="pledge",
        subject_id=str(target["pledge_id"]),
        actor=actor,
        round=target["round_code"],
        reference=reference,
        amount_krw=amount_krw,
        bank_line=bank_line_id,
    )


async def _due_balances(
    conn: asyncpg.Connection, pledge_id: UUID, amount_krw: int
) -> list[tuple[UUID, int, bool]]:
    """Spread won over a pledge's due balances, the oldest first: charge, won, whether it is paid in full then."""
    rows = await conn.fetch(
        """
        SELECT c.id, c.amount_krw - (SELECT coalesce(sum(amount_krw), 0)::bigint FROM receipts e
                                     WHERE e.charge_id = c.id AND e.kind = 'balance') AS open_krw
        FROM charges c
        WHERE c.pledge_id = $1 AND c.purpose = 'balance' AND c.method = 'transfer' AND c.state = 'due'
        ORDER BY c.entry_no FOR UPDATE OF c
        """,
        pledge_id,
    )
    paid = []
    for row in rows:
        krw = min(amount_krw, row["open_krw"])
        if krw:
            paid.append((row["id"], krw, krw == row["open_krw"]))
            amount_krw -= krw
    return paid


async def _fund(conn: asyncpg.Connection, target: asyncpg.Record, amount_krw: int, actor: Actor) -> None:
    """Book won for a pledge before its round is decided; they confirm it once the deposit is complete."""
    if 0 < target["open_krw"] <= amount_krw:
        await verify_funding(
            conn,
            pledge_id=target["pledge_id"],
            coordinator_id=target["coordinator_id"],
            kind="deposit",
            received_krw=amount_krw,
            actor=actor,
        )
    else:
        await _add_unconfirming(conn, target["pledge_id"], amount_krw, actor)


async def _add_unconfirming(conn: asyncpg.Connection, pledge_id: UUID, amount_krw: int, actor: Actor) -> None:
    await conn.execute(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, received_krw, verified_by)
        SELECT $1, least(0, coalesce(min(version), 0)) - 1, 'deposit', $2, $3 FROM pledge_fundings WHERE pledge_id = $1
        """,
        pledge_id,
        amount_krw,
        actor.person_id,
    )


async def _owe_back(conn: asyncpg.Connection, target: asyncpg.Record, krw: int, actor: Actor) -> UUID:
    """Money that nobody owed: received for the pledge, and owed back at once. Returns the refund."""
    await _add_unconfirming(conn, target["pledge_id"], krw, actor)
    return await _refund(conn, target["pledge_id"], None, krw)


async def _refund(conn: asyncpg.Connection, pledge_id: UUID, allocation_id: UUID | None, krw: int) -> UUID:
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS}, p.buyer_id FROM pledges p JOIN rounds r ON r.id = p.round_id WHERE p.id = $1",
        pledge_id,
    )
    assert row is not None, "the caller found the pledge"
    owed = [(pledge_id, allocation_id, row["buyer_id"], krw)]
    await insert_transfers(conn, read_round(row), purpose="refund", owed=owed)
    charge_id: UUID = await conn.fetchval(
        "SELECT id FROM charges WHERE pledge_id = $1 AND purpose = 'refund' ORDER BY entry_no DESC LIMIT 1",
        pledge_id,
    )
    return charge_id


async def undo_receipts(conn: asyncpg.Connection, *, bank_line_id: int, note: str, actor: Actor) -> int:
    """Take back all that a line has paid, so that it can be assigned anew; returns how many receipts that were.

    The caller holds RECEIPTS_LOCK and knows that the actor may.

    Raises:
        BankLineRefused: `refund_paid` - the surplus was paid back to the buyer already.
    """
    rows = await conn.fetch(
        """
        SELECT e.id, e.kind, e.pledge_id, e.charge_id, e.amount_krw, c.allocation_id,
               p.round_id, r.code AS round_code
        FROM receipts e
        JOIN pledges p ON p.id = e.pledge_id
        JOIN rounds r ON r.id = p.round_id
        LEFT JOIN charges c ON c.id = e.charge_id
        WHERE e.bank_line_id = $1 AND e.amount_krw > 0 AND NOT EXISTS (SELECT FROM receipts u WHERE u.undoes_id = e.id)
        ORDER BY e.id
        """,
        bank_line_id,
    )
    for row in rows:
        await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, row["round_id"])
        await conn.execute("SELECT FROM rounds WHERE id = $1 FOR SHARE", row["round_id"])
        # read anew under its lock: a coordinator may be recording the same charge by hand
        charge_state = await conn.fetchval(
            "SELECT state FROM charges WHERE id = $1 FOR UPDATE", row["charge_id"]
        )
        await _take_back(conn, row, charge_state, bank_line_id=bank_line_id, actor=actor)
        await conn.execute(
            """
            INSERT INTO receipts (bank_line_id, kind, pledge_id, charge_id, amount_krw, undoes_id, person_id, note)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            bank_line_id,
            row["kind"],
            row["pledge_id"],
            row["charge_id"],
            -row["amount_krw"],
            row["id"],
            actor.person_id,
            note,
        )
        await record_event(
            conn,
            kind="pledge.receipt_undone",
            subject="pledge",
            subject_id=str(row["pledge_id"]),
            actor=actor,
            round=row["round_code"],
            amount_krw=row["amount_krw"],
            bank_line=bank_line_id,
            reason=note,
        )
    return len(rows)


async def _take_back(
    conn: asyncpg.Connection,
    row: asyncpg.Record,
    charge_state: str | None,
    *,
    bank_line_id: int,
    actor: Actor,
) -> None:
    krw, pledge_id = row["amount_krw"], row["pledge_id"]
    if row["kind"] == "surplus":
        if charge_state != "due":
            raise BankLineRefused(bank_line_id, reason="refund_paid", open_krw=0)
        await capture_transfer(conn, charge_id=row["charge_id"], actor=actor)
    elif row["kind"] == "sponsored":
        await take_back_sponsored(conn, row["charge_id"], krw, actor=actor)
    elif row["kind"] == "balance":
        if charge_state == "captured":
            await _owe_anew(conn, pledge_id, row["allocation_id"], krw, actor)
    else:
        await _take_back_deposit(conn, pledge_id, krw, bank_line_id=bank_line_id, actor=actor)


async def _owe_anew(
    conn: asyncpg.Connection, pledge_id: UUID, allocation_id: UUID, krw: int, actor: Actor
) -> None:
    """The money leaves the allocation, as a refund that is made at once, and is owed again as a balance."""
    refund_id = await _refund(conn, pledge_id, allocation_id, krw)
    await capture_transfer(conn, charge_id=refund_id, actor=actor)
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS}, p.buyer_id FROM pledges p JOIN rounds r ON r.id = p.round_id WHERE p.id = $1",
        pledge_id,
    )
    assert row is not None, "the caller found the pledge"
    owed = [(pledge_id, allocation_id, row["buyer_id"], krw)]
    await insert_transfers(conn, read_round(row), purpose="balance", owed=owed)


async def _take_back_deposit(
    conn: asyncpg.Connection, pledge_id: UUID, krw: int, *, bank_line_id: int, actor: Actor
) -> None:
    row = await conn.fetchrow(
        """
        SELECT r.decided_at IS NOT NULL OR r.state = 'canceled' AS is_decided, a.id AS allocation_id,
               (SELECT id FROM charges c WHERE c.pledge_id = p.id AND c.purpose = 'refund' AND c.state = 'due'
                AND c.allocation_id IS NULL AND c.amount_krw = $2 ORDER BY entry_no LIMIT 1) AS refund_id
        FROM pledges p JOIN rounds r ON r.id = p.round_id LEFT JOIN allocations a ON a.pledge_id = p.id
        WHERE p.id = $1
        """,
        pledge_id,
        krw,
    )
    assert row is not None, "receipts are of pledges"
    if not row["is_decided"]:
        refund_id = await _refund(conn, pledge_id, None, krw)
        await capture_transfer(conn, charge_id=refund_id, actor=actor)
        await _unconfirm(conn, pledge_id)
    elif row["allocation_id"] is not None:
        await _owe_anew(conn, pledge_id, row["allocation_id"], krw, actor)
    elif row["refund_id"] is not None:
        await capture_transfer(conn, charge_id=row["refund_id"], actor=actor)
    else:
        raise BankLineRefused(bank_line_id, reason="refund_paid", open_krw=0)


async def _unconfirm(conn: asyncpg.Connection, pledge_id: UUID) -> None:
    """The same lines as a new version, which nothing confirms yet; they keep their place in the queue."""
    await conn.execute(
        """
        WITH newest AS (
            SELECT v.* FROM pledge_versions v
            WHERE v.pledge_id = $1 AND v.version = (SELECT max(version) FROM pledge_versions WHERE pledge_id = $1)
              AND EXISTS (SELECT FROM pledge_fundings f WHERE f.pledge_id = $1 AND f.version = v.version)
        ), version AS (
            INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
            SELECT pledge_id, version + 1, state, person_id, request_sha256 FROM newest
        )
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw,
                                  priority_class, sequence)
        SELECT l.pledge_id, l.version + 1, l.line_no, l.quantity_min, l.quantity_max, l.limit_unit_price_krw,
               l.priority_class, l.sequence
        FROM newest JOIN pledge_lines l USING (pledge_id, version)
        """,
        pledge_id,
    )
