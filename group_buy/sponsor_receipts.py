"""What a sponsor's transfer pays: all parts of its sponsorship under one reference, and taking it back."""

from uuid import UUID

import asyncpg

from catalog.events import Actor, record_event
from group_buy.errors import BankLineRefused
from group_buy.receiving import capture_transfer
from group_buy.sponsor_parts import balance_part, insert_sponsor_charges


async def book_sponsor_receipt(
    conn: asyncpg.Connection, *, bank_line_id: int, reference: str, amount_krw: int, note: str, actor: Actor
) -> None:
    """Let `amount_krw` won (>= 1) pay a sponsorship's due charges, in the order in which they came about.

    One charge may be paid in part. What is above all of them was paid for the last bill and is owed back at once.

    Raises:
        BankLineRefused: `not_cleared` - there is no bill yet that it could be for.
    """
    bills = await conn.fetch(
        """
        SELECT c.id, c.amount_krw - (SELECT coalesce(sum(amount_krw), 0)::bigint FROM receipts e
                                     WHERE e.charge_id = c.id) AS open_krw,
               c.sponsorship_id, c.round_id, r.code, c.pledge_id, c.allocation_id, c.buyer_id
        FROM charges c JOIN sponsorships s ON s.id = c.sponsorship_id JOIN rounds r ON r.id = c.round_id
        WHERE reference_of('SFS', s.reference_no) = $1 AND c.purpose = 'sponsored' AND c.state = 'due'
        ORDER BY c.created_at, c.pledge_id, c.entry_no FOR UPDATE OF c
        """,
        reference,
    )
    left_krw = amount_krw
    entries: list[tuple[UUID, UUID, int]] = []
    for bill in bills:
        krw = min(left_krw, bill["open_krw"])
        if krw:
            entries.append((bill["pledge_id"], bill["id"], krw))
            left_krw -= krw
        if krw == bill["open_krw"]:
            await capture_transfer(conn, charge_id=bill["id"], actor=actor)
    if left_krw:
        entries.append(await _owe_surplus(conn, reference, left_krw, bank_line_id=bank_line_id, actor=actor))
    await conn.executemany(
        """
        INSERT INTO receipts (bank_line_id, kind, pledge_id, charge_id, amount_krw, person_id, note)
        VALUES ($1, 'sponsored', $2, $3, $4, $5, $6)
        """,
        [
            (bank_line_id, pledge_id, charge_id, krw, actor.person_id, note)
            for pledge_id, charge_id, krw in entries
        ],
    )
    row = await conn.fetchrow(
        """
        SELECT s.id, r.code FROM sponsorships s JOIN rounds r ON r.id = s.round_id
        WHERE reference_of('SFS', s.reference_no) = $1
        """,
        reference,
    )
    assert row is not None, "the caller found it"
    await record_event(
        conn,
        kind="sponsorship.paid",
        subject="round",
        subject_id=row["code"],
        actor=actor,
        sponsorship=str(row["id"]),
        reference=reference,
        amount_krw=amount_krw,
        bank_line=bank_line_id,
    )


async def _owe_surplus(
    conn: asyncpg.Connection, reference: str, krw: int, *, bank_line_id: int, actor: Actor
) -> tuple[UUID, UUID, int]:
    """Take money that no part asks for, and owe it back: the sponsor's account ends where it was."""
    bill = await conn.fetchrow(
        """
        SELECT s.id AS sponsorship_id, p.round_id, p.pledge_id, p.allocation_id, p.buyer_id
        FROM sponsorships s JOIN current_sponsored_parts p ON p.sponsorship_id = s.id
        WHERE reference_of('SFS', s.reference_no) = $1 ORDER BY p.krw DESC, p.pledge_id LIMIT 1
        """,
        reference,
    )
    if bill is None:
        raise BankLineRefused(bank_line_id, reason="not_cleared", open_krw=krw)
    owed = [(bill["pledge_id"], bill["allocation_id"], bill["buyer_id"], krw)]
    for purpose in ("sponsored", "sponsor_refund"):
        await insert_sponsor_charges(
            conn, bill["round_id"], purpose=purpose, sponsorship_id=bill["sponsorship_id"], owed=owed
        )
    charge_id = await _newest_due(conn, bill["pledge_id"], "sponsored", krw)
    await capture_transfer(conn, charge_id=charge_id, actor=actor)
    return bill["pledge_id"], charge_id, krw


async def _newest_due(conn: asyncpg.Connection, pledge_id: UUID, purpose: str, krw: int) -> UUID:
    charge_id: UUID = await conn.fetchval(
        """
        SELECT id FROM charges WHERE pledge_id = $1 AND purpose = $2 AND state = 'due' AND amount_krw = $3
        ORDER BY entry_no DESC LIMIT 1
        """,
        pledge_id,
        purpose,
        krw,
    )
    return charge_id


async def take_back_sponsored(conn: asyncpg.Connection, charge_id: UUID, krw: int, *, actor: Actor) -> None:
    """Take a receipt of a sponsor back: the won leave at once, and what its part still asks for is owed anew.

    A refund that is due is set off first, for it would give back money that never came.
    """
    charge = await conn.fetchrow("SELECT * FROM charges WHERE id = $1", charge_id)
    assert charge is not None, "charges are never deleted"
    if charge["state"] == "due":
        return  # a part of it came in, and nothing was captured
    await conn.execute(
        """
        WITH dropped AS (
            UPDATE charges SET state = 'released', capture_krw = 0
            WHERE sponsorship_id = $1 AND allocation_id = $2 AND purpose = 'sponsor_refund' AND state = 'due'
            RETURNING id, attempt
        )
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, attempt, 'released' FROM dropped
        """,
        charge["sponsorship_id"],
        charge["allocation_id"],
    )
    await insert_sponsor_charges(
        conn,
        charge["round_id"],
        purpose="sponsor_refund",
        sponsorship_id=charge["sponsorship_id"],
        owed=[(charge["pledge_id"], charge["allocation_id"], charge["buyer_id"], krw)],
    )
    refund_id = await _newest_due(conn, charge["pledge_id"], "sponsor_refund", krw)
    await capture_transfer(conn, charge_id=refund_id, actor=actor)
    part = await conn.fetchrow(
        "SELECT * FROM current_sponsored_parts WHERE sponsorship_id = $1 AND allocation_id = $2",
        charge["sponsorship_id"],
        charge["allocation_id"],
    )
    assert part is not None, "the schema asks for it"
    await balance_part(conn, charge["round_id"], part=part, owed_krw=part["krw"])
