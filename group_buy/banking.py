"""Bring a bank's statement: keep its lines once, and book what their references say."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.import_rows import RowError
from catalog.events import Actor, record_event
from group_buy.core.bank_statement import BankLine, Statement, clean_account, read_statement
from group_buy.core.matching import (
    Match,
    Receivable,
    UnmatchedReason,
    find_references,
    match_transfer,
)
from group_buy.errors import BankFileRefused
from group_buy.receipts import RECEIPTS_LOCK, book_receipt

MAY_RECEIVE: Final = (
    "(v.coordinator_id = $1 OR v.vendor_id = $1 AND v.custody = 'direct' AND v.kind <> 'deposit')"
)
"""Whose money it is: a coordinator matches everything of its rounds, a vendor the balances that come to it directly.

A condition on `receivables v` for the organization $1.
"""


class BookedPart(msgspec.Struct, frozen=True):
    """Won of line `line` that paid a reference; `surplus_krw` of them are owed back."""

    line: int
    reference: str
    amount_krw: int
    surplus_krw: int


class UnmatchedLine(msgspec.Struct, frozen=True):
    """A line that a person must look at, and why."""

    line: int
    remitter: str
    received_krw: int
    reason: UnmatchedReason


class BankReport(msgspec.Struct, frozen=True):
    """What became of a file; counts of lines. `known` came with an earlier file, `outgoing` pays nothing here.

    `is_applied` is false where errors stopped it.
    """

    account: str
    lines: int
    new: int
    known: int
    outgoing: int
    booked: tuple[BookedPart, ...]
    unmatched: tuple[UnmatchedLine, ...]
    errors: tuple[RowError, ...]
    is_applied: bool

    @property
    def booked_krw(self) -> int:
        """Won that paid something, surplus included."""
        return sum(part.amount_krw + part.surplus_krw for part in self.booked)


async def import_statement(
    conn: asyncpg.Connection,
    *,
    import_id: UUID,
    content: bytes,
    file_name: str,
    account: str,
    take_good_rows: bool,
    actor: Actor,
) -> BankReport:
    """Keep a statement's lines and book what their references say. The same line again is never booked again.

    `account` comes before the number in the file's title. With errors nothing is kept, unless `take_good_rows`.
    The same id again answers what became of it. A dry run is the same in a transaction that is rolled back.

    Raises:
        BankFileRefused: no account is named, or earlier files of the account had another shape.
    """
    assert actor.organization_id is not None
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", RECEIPTS_LOCK)
    kept = await conn.fetchval(
        "SELECT report FROM bank_imports WHERE id = $1 AND organization_id = $2",
        import_id,
        actor.organization_id,
    )
    if kept is not None:
        return msgspec.convert(kept, BankReport)
    statement = read_statement(content, now=await conn.fetchval("SELECT clock_timestamp()"))
    account = clean_account(account) or statement.account
    if statement.is_broken or (statement.errors and not take_good_rows):
        return BankReport(account, len(statement.lines), 0, 0, 0, (), (), statement.errors, False)
    if not (account.isascii() and account.isdigit() and 6 <= len(account) <= 24):
        raise BankFileRefused(
            "account_missing", "name the account: its number of 6 to 24 digits is not in the file's title"
        )
    await _require_same_shape(conn, account, statement)
    ids = await _keep_lines(conn, account, statement.lines)
    booked, unmatched = await _match_lines(conn, ids, statement.lines, actor)
    new = sum(is_new for _, is_new in ids)
    outgoing = sum(1 for line in statement.lines if not line.received_krw)
    report = BankReport(
        account,
        len(ids),
        new,
        len(ids) - new,
        outgoing,
        tuple(booked),
        tuple(unmatched),
        statement.errors,
        True,
    )
    await _keep_import(conn, import_id, file_name, content, statement, report, ids, actor)
    return report


async def _require_same_shape(conn: asyncpg.Connection, account: str, statement: Statement) -> None:
    earlier = await conn.fetchrow(
        "SELECT has_balance, precision FROM bank_imports WHERE account = $1 ORDER BY at DESC LIMIT 1", account
    )
    if (
        statement.lines
        and earlier is not None
        and tuple(earlier) != (statement.has_balance, statement.precision)
    ):
        wanted = (
            f"{'with' if earlier['has_balance'] else 'without'} 잔액, dates to the {earlier['precision']}"
        )
        raise BankFileRefused(
            "shape_changed",
            f"earlier files of account {account} came {wanted}: export this one the same way, "
            "or lines that came before could be taken for new ones",
        )


async def _keep_lines(
    conn: asyncpg.Connection, account: str, lines: Sequence[BankLine]
) -> list[tuple[int, bool]]:
    """Insert the lines that were never seen; return for each its id and whether it is new."""
    columns: list[list[Any]] = [
        [getattr(line, name) for line in lines]
        for name in (
            "digest",
            "copy_no",
            "booked_at",
            "remitter",
            "received_krw",
            "paid_krw",
            "balance_krw",
            "branch",
            "searched",
        )
    ]
    inserted = await conn.fetch(
        """
        INSERT INTO bank_lines (account, digest, copy_no, booked_at, remitter, received_krw, paid_krw, balance_krw,
                                branch, searched)
        SELECT $1, * FROM unnest($2::bytea[], $3::int[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[],
                                 $8::bigint[], $9::text[], $10::text[])
        ON CONFLICT DO NOTHING RETURNING id
        """,
        account,
        *columns,
    )
    new = {row["id"] for row in inserted}
    rows = await conn.fetch(
        """
        SELECT l.id FROM unnest($2::bytea[], $3::int[]) WITH ORDINALITY AS given (digest, copy_no, n)
        JOIN bank_lines l ON l.account = $1 AND l.digest = given.digest AND l.copy_no = given.copy_no ORDER BY n
        """,
        account,
        *columns[:2],
    )
    return [(row["id"], row["id"] in new) for row in rows]


async def _match_lines(
    conn: asyncpg.Connection, ids: Sequence[tuple[int, bool]], lines: Sequence[BankLine], actor: Actor
) -> tuple[list[BookedPart], list[UnmatchedLine]]:
    """Book what is certain of the lines that pay nothing yet, in the order of time."""
    waiting = {
        row["bank_line_id"]
        for row in await conn.fetch(
            """
            SELECT bank_line_id FROM bank_line_standings
            WHERE bank_line_id = ANY ($1) AND open_krw = received_krw AND mark = 'reopened'
              AND NOT EXISTS (SELECT FROM receipts r WHERE r.bank_line_id = bank_line_standings.bank_line_id)
            """,
            [bank_line_id for bank_line_id, _ in ids],
        )
    }
    booked, unmatched = [], []
    pairs = sorted(zip(ids, lines, strict=True), key=lambda pair: (pair[1].booked_at, pair[1].line))
    for (bank_line_id, _), line in pairs:
        if bank_line_id not in waiting:
            continue
        match = await match_line(conn, find_references(line.searched), line.received_krw, actor)
        if match.reason is not None:
            unmatched.append(UnmatchedLine(line.line, line.remitter, line.received_krw, match.reason))
        for part in match.parts:
            await book_receipt(
                conn,
                bank_line_id=bank_line_id,
                reference=part.reference,
                amount_krw=part.amount_krw + part.surplus_krw,
                note="",
                actor=actor,
            )
            booked.append(BookedPart(line.line, part.reference, part.amount_krw, part.surplus_krw))
    return booked, unmatched


async def match_line(
    conn: asyncpg.Connection, references: tuple[str, ...], amount_krw: int, actor: Actor
) -> Match:
    """Decide what a transfer pays among what the actor may be paid for."""
    if not references:
        return match_transfer(references, amount_krw, {})
    rows = await conn.fetch(
        f"SELECT reference, kind, buyer_id, open_krw FROM receivables v WHERE reference = ANY ($2) AND {MAY_RECEIVE}",
        actor.organization_id,
        list(references),
    )
    return match_transfer(references, amount_krw, {row["reference"]: Receivable(*row) for row in rows})


async def _keep_import(
    conn: asyncpg.Connection,
    import_id: UUID,
    file_name: str,
    content: bytes,
    statement: Statement,
    report: BankReport,
    ids: Sequence[tuple[int, bool]],
    actor: Actor,
) -> None:
    await conn.execute(
        """
        INSERT INTO bank_imports (id, organization_id, account, sha256, file_name, has_balance, precision, report, person_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        import_id,
        actor.organization_id,
        report.account,
        hashlib.sha256(content).digest(),
        file_name[:255],
        statement.has_balance,
        statement.precision,
        msgspec.to_builtins(report),
        actor.person_id,
    )
    await conn.execute(
        """
        INSERT INTO bank_import_lines (import_id, bank_line_id, line, is_new)
        SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::bool[])
        """,
        import_id,
        [bank_line_id for bank_line_id, _ in ids],
        [line.line for line in statement.lines],
        [is_new for _, is_new in ids],
    )
    await record_event(
        conn,
        kind="bank.imported",
        subject="bank_import",
        subject_id=str(import_id),
        actor=actor,
        lines=report.lines,
        new=report.new,
        booked_krw=report.booked_krw,
        unmatched=len(report.unmatched),
    )
