"""Money and promises that a coordinator confirms by hand: deposits, guarantees, orders, balances, refunds."""

from typing import Literal
from uuid import UUID

import asyncpg

from catalog.core.money import vat_krw
from catalog.events import Actor, record_event
from group_buy.core.charge import ChargePurpose
from group_buy.errors import (
    ChargeNotFound,
    ChargeStateConflict,
    InvalidPledge,
    PledgeNotFound,
    RoundStateConflict,
)
from group_buy.guarantees import require_guarantee_capacity
from group_buy.rounds import ROUND_LOCK

FundingKind = Literal["deposit", "guarantee", "order"]


async def verify_funding(
    conn: asyncpg.Connection,
    *,
    pledge_id: UUID,
    coordinator_id: int,
    kind: FundingKind,
    received_krw: int,
    actor: Actor,
) -> None:
    """Confirm that a transfer pledge is backed: from now on it counts, at its newest version.

    `received_krw` is the won that arrived, for a deposit; 0 for a guarantee or an order. Repeating it changes nothing.

    Raises:
        PledgeNotFound: no such transfer pledge in a round of this coordinator, or it was withdrawn.
        RoundStateConflict: the round is decided already.
        InvalidPledge: a deposit without money, or money without a deposit.
        GuaranteeExceeded: the buyer's guarantees do not reach so far.
    """
    if (kind == "deposit") != (received_krw > 0):
        raise InvalidPledge(
            "/received_krw", "the won that arrived for a deposit; 0 for a guarantee or an order"
        )
    round_id = await conn.fetchval("SELECT round_id FROM pledges WHERE id = $1", pledge_id)
    if round_id is None:
        raise PledgeNotFound(pledge_id)
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, round_id)
    row = await conn.fetchrow(
        """
        SELECT r.code, r.state, v.version, v.state AS pledge_state, p.buyer_id,
               EXISTS (SELECT FROM pledge_fundings f WHERE f.pledge_id = p.id AND f.version = v.version) AS is_funded,
               (SELECT sum(least(coalesce(l.limit_unit_price_krw, (r.tiers->0->>'unit_price_krw')::bigint),
                                 (r.tiers->0->>'unit_price_krw')::bigint) * l.quantity_max)::bigint
                FROM pledge_lines l WHERE l.pledge_id = p.id AND l.version = v.version) AS value_krw
        FROM pledges p
        JOIN rounds r ON r.id = p.round_id
        JOIN LATERAL (SELECT version, state FROM pledge_versions
                      WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON true
        WHERE p.id = $1 AND p.funding = 'transfer' AND r.coordinator_id = $2
        FOR SHARE OF r
        """,
        pledge_id,
        coordinator_id,
    )
    if row is None or row["pledge_state"] == "withdrawn":
        raise PledgeNotFound(pledge_id)
    if row["state"] not in {"open", "fill_up", "closing"}:
        raise RoundStateConflict(row["code"], row["state"], "funded")
    if kind == "guarantee" and not row["is_funded"]:
        await require_guarantee_capacity(
            conn,
            buyer_id=row["buyer_id"],
            coordinator_id=coordinator_id,
            wanted_krw=row["value_krw"] + vat_krw(row["value_krw"]),
        )
    inserted = await conn.fetchval(
        """
        INSERT INTO pledge_fundings (pledge_id, version, kind, received_krw, verified_by)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING version
        """,
        pledge_id,
        row["version"],
        kind,
        received_krw,
        actor.person_id,
    )
    if inserted is not None:
        await record_event(
            conn,
            kind="pledge.funded",
            subject="pledge",
            subject_id=str(pledge_id),
            actor=actor,
            round=row["code"],
            funding=kind,
            received_krw=received_krw,
        )


async def mark_transferred(
    conn: asyncpg.Connection, *, charge_id: UUID, coordinator_id: int, actor: Actor
) -> ChargePurpose:
    """Record that a balance arrived, or that a refund was paid out, in full by transfer; return which it was.

    Raises:
        ChargeNotFound: no transfer charge of this id in a round of this coordinator.
        ChargeStateConflict: it is not due (recorded twice, or released).
    """
    row = await conn.fetchrow(
        """
        SELECT c.state, c.purpose FROM charges c JOIN rounds r ON r.id = c.round_id
        WHERE c.id = $1 AND c.method = 'transfer' AND r.coordinator_id = $2
        FOR UPDATE OF c
        """,
        charge_id,
        coordinator_id,
    )
    if row is None:
        raise ChargeNotFound(charge_id)
    if row["state"] != "due":
        raise ChargeStateConflict(charge_id, row["state"])
    await capture_transfer(conn, charge_id=charge_id, actor=actor)
    purpose: ChargePurpose = row["purpose"]
    return purpose


async def capture_transfer(
    conn: asyncpg.Connection, *, charge_id: UUID, actor: Actor, capture_krw: int | None = None
) -> None:
    """Write that a due transfer was made: in full, or only `capture_krw` of it when the rest is not owed any more."""
    row = await conn.fetchrow(
        """
        WITH captured AS (
            UPDATE charges SET state = 'captured', capture_krw = coalesce($2, amount_krw)
            WHERE id = $1 AND method = 'transfer' AND state = 'due'
            RETURNING id, attempt, purpose, capture_krw, round_id
        ), event AS (
            INSERT INTO charge_events (charge_id, attempt, state)
            SELECT id, attempt, state FROM captured, unnest(ARRAY['processing', 'authorized', 'captured']) state
        )
        SELECT c.purpose, c.capture_krw, r.code FROM captured c JOIN rounds r ON r.id = c.round_id
        """,
        charge_id,
        capture_krw,
    )
    assert row is not None, "the caller holds a due transfer"
    await record_event(
        conn,
        kind="charge.captured",
        subject="charge",
        subject_id=str(charge_id),
        actor=actor,
        round=row["code"],
        purpose=row["purpose"],
        amount_krw=row["capture_krw"],
    )
