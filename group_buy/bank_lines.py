"""The lines of banks that only a person can tell: a queue, assigning, setting aside, and taking either back."""

from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.banking import MAY_RECEIVE, match_line
from group_buy.core.matching import UnmatchedReason, find_references
from group_buy.errors import BankLineNotFound, BankLineRefused, ReferenceNotFound
from group_buy.receipts import RECEIPTS_LOCK, book_receipt, undo_receipts

LineMark = Literal["not_ours", "recorded_by_hand", "reopened"]
NOTE_LENGTH_MAX: Final = 500

BARE_NAME: Final = r"regexp_replace(o.name_ko, '\s|\(.*?\)|주식회사|㈜', '', 'g')"
"""A buyer's name as people write it on a transfer: without spaces, what is in brackets, or the form of the company."""


class WaitingLine(msgspec.Struct, frozen=True):
    """A line in the queue: `open_krw` of it pays nothing yet.

    Hints are what is open to the won, or of a buyer whose name the remitter wrote.
    """

    id: int
    account: str
    booked_at: datetime
    remitter: str
    received_krw: int
    open_krw: int
    mark: LineMark
    reason: UnmatchedReason | None
    hints: list[dict[str, Any]]


OWN_LINES: Final = """EXISTS (SELECT FROM bank_import_lines il JOIN bank_imports i ON i.id = il.import_id
                              WHERE il.bank_line_id = s.bank_line_id AND i.organization_id = $1)"""


async def list_waiting_lines(
    conn: asyncpg.Connection, *, organization_id: int, limit: int = 200
) -> list[WaitingLine]:
    """The queue of an organization: lines that came in and are not wholly used or set aside, the oldest first."""
    rows = await conn.fetch(
        f"""
        WITH owed AS MATERIALIZED (
            SELECT v.reference, v.invoice_number, v.round_code, v.open_krw, v.due_on, o.name_ko, o.name_en,
                   {BARE_NAME} AS bare_name
            FROM receivables v JOIN organizations o ON o.id = v.buyer_id
            WHERE {MAY_RECEIVE} AND v.open_krw > 0
              AND (v.kind <> 'deposit' OR v.round_state IN ('open', 'fill_up', 'closing'))
        )
        SELECT s.*, hints.found FROM (
            SELECT s.*, replace(s.searched, ' ', '') AS squeezed FROM bank_line_standings s
            WHERE open_krw > 0 AND mark = 'reopened' AND {OWN_LINES} ORDER BY booked_at, bank_line_id LIMIT $2) s
        LEFT JOIN LATERAL (
            SELECT jsonb_agg(h) AS found FROM (
                SELECT reference, invoice_number, round_code, open_krw, name_ko, name_en FROM owed v
                WHERE v.open_krw = s.open_krw OR strpos(s.squeezed, v.bare_name) > 0
                ORDER BY v.open_krw = s.open_krw DESC, v.due_on, v.reference LIMIT 5) h) hints ON true
        ORDER BY s.booked_at, s.bank_line_id
        """,
        organization_id,
        limit,
    )
    actor = Actor(None, organization_id)
    found = []
    for row in rows:
        match = await match_line(conn, find_references(row["searched"]), row["open_krw"], actor)
        found.append(
            WaitingLine(
                row["bank_line_id"], row["account"], row["booked_at"], row["remitter"], row["received_krw"],
                row["open_krw"], row["mark"], match.reason, row["found"] or [],
            )
        )  # fmt: skip
    return found


class UsedLine(msgspec.Struct, frozen=True):
    """A line that pays something, or was set aside: `uses` are reference, kind and won."""

    id: int
    booked_at: datetime
    remitter: str
    received_krw: int
    open_krw: int
    mark: LineMark
    note: str
    uses: list[dict[str, Any]]


async def list_used_lines(
    conn: asyncpg.Connection, *, organization_id: int, limit: int = 200
) -> list[UsedLine]:
    """An organization's lines that are used or set aside, the newest first, with what they pay."""
    rows = await conn.fetch(
        f"""
        SELECT s.bank_line_id, s.booked_at, s.remitter, s.received_krw, s.open_krw, s.mark,
               coalesce((SELECT note FROM bank_line_marks m WHERE m.bank_line_id = s.bank_line_id
                         ORDER BY mark_no DESC LIMIT 1), ''),
               coalesce((SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'amount_krw', e.amount_krw,
                        'round_code', r.code, 'invoice_number', i.number, 'name_ko', o.name_ko, 'name_en', o.name_en)
                        ORDER BY e.id)
                FROM receipts e JOIN pledges p ON p.id = e.pledge_id JOIN rounds r ON r.id = p.round_id
                JOIN organizations o ON o.id = p.buyer_id
                LEFT JOIN allocations a ON a.pledge_id = p.id LEFT JOIN invoices i ON i.allocation_id = a.id
                WHERE e.bank_line_id = s.bank_line_id AND e.amount_krw > 0
                  AND NOT EXISTS (SELECT FROM receipts u WHERE u.undoes_id = e.id)), '[]')
        FROM bank_line_standings s
        WHERE (open_krw < received_krw OR mark <> 'reopened') AND {OWN_LINES}
        ORDER BY s.booked_at DESC, s.bank_line_id DESC LIMIT $2
        """,
        organization_id,
        limit,
    )
    return [UsedLine(*row) for row in rows]


async def _lock_line(conn: asyncpg.Connection, bank_line_id: int, actor: Actor) -> asyncpg.Record:
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", RECEIPTS_LOCK)
    row = await conn.fetchrow(
        f"SELECT s.open_krw, s.mark FROM bank_line_standings s WHERE s.bank_line_id = $2 AND {OWN_LINES}",
        actor.organization_id,
        bank_line_id,
    )
    if row is None:
        raise BankLineNotFound(bank_line_id)
    return row


async def assign_line(
    conn: asyncpg.Connection,
    *,
    bank_line_id: int,
    reference: str,
    amount_krw: int | None,
    note: str,
    actor: Actor,
) -> None:
    """Let a person say what a line pays: `amount_krw` of what is left of it (None = all); not owed = owed back.

    Raises:
        BankLineNotFound: not in a file of this organization.
        BankLineRefused: `set_aside`, or `amount_too_high` - the line has less left.
        ReferenceNotFound: no invoice or pledge that this organization may be paid for has the reference.
    """
    row = await _lock_line(conn, bank_line_id, actor)
    wanted = (find_references(reference) or (reference.strip(),))[0]
    known = await conn.fetchval(
        f"SELECT reference FROM receivables v WHERE reference = $2 AND {MAY_RECEIVE}",
        actor.organization_id,
        wanted,
    )
    if known is None:
        raise ReferenceNotFound(reference.strip()[:80])
    if row["mark"] != "reopened":
        raise BankLineRefused(bank_line_id, reason="set_aside", open_krw=row["open_krw"])
    if not 1 <= (row["open_krw"] if amount_krw is None else amount_krw) <= row["open_krw"]:
        raise BankLineRefused(bank_line_id, reason="amount_too_high", open_krw=row["open_krw"])
    await book_receipt(
        conn,
        bank_line_id=bank_line_id,
        reference=known,
        amount_krw=row["open_krw"] if amount_krw is None else amount_krw,
        note=note[:NOTE_LENGTH_MAX],
        actor=actor,
    )


async def mark_line(
    conn: asyncpg.Connection, *, bank_line_id: int, mark: LineMark, note: str, actor: Actor
) -> None:
    """Set a line aside (`not_ours`, `recorded_by_hand`), or take back what was said or booked (`reopened`).

    Raises:
        BankLineNotFound: not in a file of this organization.
        BankLineRefused: `in_use` - it pays something: reopen it first; `refund_paid` - its surplus went back already.
    """
    row = await _lock_line(conn, bank_line_id, actor)
    used = await conn.fetchval(
        "SELECT coalesce(sum(amount_krw), 0)::bigint FROM receipts WHERE bank_line_id = $1", bank_line_id
    )
    if mark != "reopened" and used:
        raise BankLineRefused(bank_line_id, reason="in_use", open_krw=row["open_krw"])
    if mark == "reopened":
        await _require_own_uses(conn, bank_line_id, row["open_krw"], actor)
        await undo_receipts(conn, bank_line_id=bank_line_id, note=note[:NOTE_LENGTH_MAX], actor=actor)
    if mark == row["mark"]:
        return
    await conn.execute(
        """
        INSERT INTO bank_line_marks (bank_line_id, mark_no, mark, note, person_id)
        SELECT $1, 1 + coalesce(max(mark_no), 0), $2, $3, $4 FROM bank_line_marks WHERE bank_line_id = $1
        """,
        bank_line_id,
        mark,
        note[:NOTE_LENGTH_MAX],
        actor.person_id,
    )
    await record_event(
        conn,
        kind="bank.marked",
        subject="bank_line",
        subject_id=str(bank_line_id),
        actor=actor,
        mark=mark,
        reason=note,
    )


async def _require_own_uses(conn: asyncpg.Connection, bank_line_id: int, open_krw: int, actor: Actor) -> None:
    """A vendor takes back balances that came to it, never a deposit that the coordinator booked."""
    is_others = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM receipts e JOIN pledges p ON p.id = e.pledge_id JOIN rounds r ON r.id = p.round_id
            WHERE e.bank_line_id = $2 AND r.coordinator_id <> $1
              AND (r.vendor_id <> $1 OR r.custody <> 'direct' OR e.kind = 'deposit'))
        """,
        actor.organization_id,
        bank_line_id,
    )
    if is_others:
        raise BankLineRefused(bank_line_id, reason="not_yours", open_krw=open_krw)
