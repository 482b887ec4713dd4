"""Compare our books with the provider's: match every object by its metadata, resolve what is open, list the rest.

Until that was done once in the present incarnation of the database, no card is asked (`settling.claim_charges`). After
a restore the database is older than the provider's books: an attempt that it has forgotten must be found there
before the same money is asked for again. `database_incarnation()` says what makes another incarnation.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

import asyncpg
import msgspec

from group_buy.gateway import (
    GatewayRefused,
    HoldResult,
    PaymentGateway,
    ProviderRecord,
)
from group_buy.recording import record_result, record_state
from group_buy.transactions import transaction

FINDINGS_MAX: Final = 1000
"""So many findings of one run are kept; there is something wrong with the keys long before."""

FindingKind = Literal[
    "unmatched_object",
    "unknown_charge",
    "second_object",
    "older_attempt_has_money",
    "amount_differs",
    "state_differs",
    "missing_at_provider",
]


class Finding(msgspec.Struct, frozen=True):
    """One difference that a person must look at; `provider_ref` is the provider's id, `krw` what it is about."""

    kind: FindingKind
    provider_ref: str | None
    charge_id: UUID | None
    krw: int
    detail: str


class Reconciliation(msgspec.Struct, frozen=True):
    """How one comparison ended. objects: looked at; resolved: charges that moved or got their object by it."""

    objects: int
    resolved: int
    findings: list[Finding]


class _Match(msgspec.Struct, frozen=True):
    is_resolved: bool = False
    finding: Finding | None = None


async def is_reconciled(conn: asyncpg.Connection) -> bool:
    """Whether the books were compared in this incarnation of the database."""
    answer: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM reconciliations WHERE incarnation = database_incarnation())"
    )
    return answer


async def reconcile_if_due(pool: asyncpg.Pool, gateway: PaymentGateway) -> Reconciliation | None:
    """Compare what may have changed, at once in a new incarnation of the database and every hour else; None = not due.

    Where nobody has begun to save a card, or to pay a balance by card, there is nothing to charge: it waits, and
    charging stays blocked, until then.
    """
    async with transaction(pool) as conn:
        is_due = await conn.fetchval(
            """
            SELECT (EXISTS (SELECT FROM payment_methods) OR EXISTS (
                SELECT FROM charges
                WHERE method = 'card' AND state IN ('due', 'processing', 'action_required', 'authorized')
            )) AND NOT EXISTS (
                SELECT FROM reconciliations
                WHERE incarnation = database_incarnation() AND at > clock_timestamp() - interval '1 hour')
            """
        )
        since = await _oldest_open(conn) if is_due else None
    return await reconcile(pool, gateway, since=since) if is_due else None


async def _oldest_open(conn: asyncpg.Connection) -> datetime | None:
    """From when on the provider's objects may say something new: the oldest open attempt, the newest of all."""
    since: datetime | None = await conn.fetchval(
        """
        SELECT least(max(a.created_at), min(a.created_at) FILTER (
                   WHERE c.state IN ('processing', 'action_required', 'authorized', 'failed'))) - interval '1 day'
        FROM charge_attempts a JOIN charges c ON c.id = a.charge_id AND c.attempt = a.attempt
        """
    )
    return since


async def reconcile(
    pool: asyncpg.Pool, gateway: PaymentGateway, *, since: datetime | None = None
) -> Reconciliation:
    """Compare the provider's objects made from `since` on (None = all) with our charges, both ways.

    Raises:
        GatewayUnavailable: the provider does not answer; charging stays blocked where it was.
    """
    async with transaction(pool) as conn:
        incarnation = await conn.fetchval("SELECT database_incarnation()")
    objects, resolved = 0, 0
    findings: list[Finding] = []
    seen: set[str] = set()
    async for record in gateway.list_records(since=since):
        objects += 1
        seen.add(record.result.provider_ref)
        async with transaction(pool) as conn:
            match = await _match_record(conn, record)
        resolved += match.is_resolved
        if match.finding is not None:
            findings.append(match.finding)
    async with transaction(pool) as conn:
        unseen = await _list_unseen(conn, since, seen)
    for row in unseen:
        match = await _ask_about(pool, gateway, row)
        resolved += match.is_resolved
        if match.finding is not None:
            findings.append(match.finding)
    async with transaction(pool) as conn:
        await conn.execute(
            "INSERT INTO reconciliations (incarnation, since, objects, resolved, findings) VALUES ($1, $2, $3, $4, $5)",
            incarnation,
            since,
            objects,
            resolved,
            msgspec.to_builtins(findings[:FINDINGS_MAX]),
        )
    return Reconciliation(objects, resolved, findings)


def _has_money(result: HoldResult) -> bool:
    return result.state in {"authorized", "captured"}


def _finding(kind: FindingKind, record: ProviderRecord, detail: str) -> _Match:
    return _Match(finding=Finding(kind, record.result.provider_ref, record.charge_id, record.krw, detail))


async def _match_record(conn: asyncpg.Connection, record: ProviderRecord) -> _Match:
    """Find the charge of one provider's object, tell it what became of it, and compare."""
    result = record.result
    if record.charge_id is None or record.attempt is None:
        detail = f"{record.kind} {result.state} without our metadata"
        return _finding("unmatched_object", record, detail) if _has_money(result) else _Match()
    row = await conn.fetchrow(
        """
        SELECT c.state, c.attempt, c.leased_until > clock_timestamp() AS is_leased, a.attempt IS NOT NULL AS is_known,
               a.provider_ref
        FROM charges c LEFT JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = $2
        WHERE c.id = $1
        """,
        record.charge_id,
        record.attempt,
    )
    if row is None:
        detail = f"{record.kind} {result.state} of a charge that this database does not know"
        return _finding("unknown_charge", record, detail) if _has_money(result) else _Match()
    if row["is_leased"]:
        return _Match()  # somebody works on it this minute
    if not row["is_known"] and record.attempt >= row["attempt"]:
        await _adopt(conn, record)
    elif row["provider_ref"] is None:
        await _remember_ref(conn, record)
    elif row["provider_ref"] != result.provider_ref:
        detail = f"attempt {record.attempt} has {row['provider_ref']}, too"
        # Without money it is what a creation left whose answer was an error that the provider repeats for its key.
        return _finding("second_object", record, detail) if _has_money(result) else _Match()
    moved = await record_result(conn, charge_id=record.charge_id, attempt=record.attempt, result=result)
    is_resolved = moved or row["provider_ref"] is None
    compared = await _compare(conn, record)
    return _Match(is_resolved, compared.finding)


async def _compare(conn: asyncpg.Connection, record: ProviderRecord) -> _Match:
    """Whether a charge stands as its object does, after it was told."""
    result = record.result
    row = await conn.fetchrow(
        "SELECT state, attempt, capture_krw FROM charges WHERE id = $1", record.charge_id
    )
    assert row is not None, "charges are never deleted"
    if row["attempt"] != record.attempt:
        detail = f"attempt {record.attempt} is {result.state}, the newest is {row['attempt']}"
        return _finding("older_attempt_has_money", record, detail) if _has_money(result) else _Match()
    ours = "captured" if row["state"] == "refunded" else row["state"]
    has_money = ours in {"authorized", "captured"}
    if (has_money or _has_money(result)) and ours != result.state:
        return _finding("state_differs", record, f"{result.state} there, {row['state']} here")
    if ours == "captured" and row["capture_krw"] != result.captured_krw:
        detail = f"{result.captured_krw} won there, {row['capture_krw']} won here"
        return _finding("amount_differs", record, detail)
    return _Match()


async def _adopt(conn: asyncpg.Connection, record: ProviderRecord) -> None:
    """Take up an attempt that was made after the backup this database was restored from."""
    assert record.charge_id is not None
    assert record.attempt is not None
    await conn.execute(
        """
        WITH adopted AS (
            INSERT INTO charge_attempts (charge_id, attempt, create_key, confirm_key, finish_key, provider_ref, amount_krw)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
        )
        UPDATE charges SET state = 'processing', attempt = $2, tries = 0, leased_until = NULL, retry_at = NULL
        WHERE id = $1 AND state NOT IN ('captured', 'refunded', 'released')
        """,
        record.charge_id,
        record.attempt,
        uuid4(),
        uuid4(),
        uuid4(),
        record.result.provider_ref,
        record.krw,
    )
    await record_state(conn, record.charge_id, record.attempt, "processing", reason="found_at_provider")


async def _remember_ref(conn: asyncpg.Connection, record: ProviderRecord) -> None:
    await conn.execute(
        "UPDATE charge_attempts SET provider_ref = $3 WHERE charge_id = $1 AND attempt = $2",
        record.charge_id,
        record.attempt,
        record.result.provider_ref,
    )


async def _list_unseen(
    conn: asyncpg.Connection, since: datetime | None, seen: set[str]
) -> list[asyncpg.Record]:
    """Our open attempts, and those that took money since then, whose objects the list did not have."""
    rows = await conn.fetch(
        """
        SELECT c.id, c.attempt, c.purpose, c.state, c.capture_krw, a.amount_krw, a.provider_ref FROM charges c
        JOIN charge_attempts a ON a.charge_id = c.id AND a.attempt = c.attempt
        WHERE c.method = 'card' AND (c.leased_until IS NULL OR c.leased_until < clock_timestamp())
          AND (c.state IN ('processing', 'action_required', 'authorized')
               OR (c.state IN ('captured', 'refunded') AND ($1::timestamptz IS NULL OR a.created_at >= $1)))
        """,
        since,
    )
    return [row for row in rows if row["provider_ref"] not in seen]


async def _ask_about(pool: asyncpg.Pool, gateway: PaymentGateway, row: asyncpg.Record) -> _Match:
    """Ask for one object by its id; one that was never made is left to the worker, which has its key."""
    if row["provider_ref"] is None:
        return _Match()
    try:
        if row["purpose"] == "refund":
            result = await gateway.read_refund(provider_ref=row["provider_ref"])
        else:
            result = await gateway.read_hold(provider_ref=row["provider_ref"])
    except GatewayRefused as error:
        detail = f"{row['state']} here, there: {error.reason}"
        return _Match(
            finding=Finding("missing_at_provider", row["provider_ref"], row["id"], row["amount_krw"], detail)
        )
    async with transaction(pool) as conn:
        moved = await record_result(conn, charge_id=row["id"], attempt=row["attempt"], result=result)
    return _Match(is_resolved=moved)
