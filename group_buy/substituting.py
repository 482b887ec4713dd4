"""Rank other rounds for a pledge that wins nothing: it is live in one round, and falls through only to later ones."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.viewer import Viewer
from catalog.events import Actor, record_event
from group_buy.core.pledge import LineInput, require_valid_lines
from group_buy.core.round import Round, RoundState
from group_buy.errors import InvalidPledge, RoundNotOpen
from group_buy.pledging import get_pledge
from group_buy.rounds import ROUND_LOCK, get_round, list_rounds

SUBSTITUTES_MAX = 5


class RankedRound(msgspec.Struct, frozen=True):
    """A ranked round as its buyer sees it, with the lines the pledge would have there."""

    rank: int
    round_code: str
    title_ko: str
    title_en: str
    state: RoundState
    closes_at: datetime
    lines: tuple[LineInput, ...]


class Substitute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another round, with the lines that the pledge would have there."""

    round_code: str
    lines: tuple[LineInput, ...]


async def rank_substitutes(
    conn: asyncpg.Connection,
    *,
    pledge_id: UUID,
    buyer: Viewer,
    person_id: int,
    substitutes: tuple[Substitute, ...],
) -> None:
    """Say where a placed pledge goes when it wins nothing, best first; none = nowhere. Replaces what was said.

    Raises:
        PledgeNotFound, RoundNotFound, InvalidPledge (also for a round that clears before this one, or twice)
        RoundNotOpen: the pledge's round, or a substitute, takes no pledges any more.
    """
    pledge = await get_pledge(conn, pledge_id, buyer_id=buyer.organization_id)
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, pledge.round_id)
    code = await conn.fetchval("SELECT code FROM rounds WHERE id = $1", pledge.round_id)
    first = await get_round(conn, code, viewer=buyer)
    if first.state not in {"open", "fill_up"} or pledge.state != "placed":
        raise RoundNotOpen(code, first.state)
    if len(substitutes) > SUBSTITUTES_MAX:
        raise InvalidPledge("/substitutes", f"at most {SUBSTITUTES_MAX}")
    rounds = [await get_round(conn, each.round_code, viewer=buyer) for each in substitutes]
    for position, (each, target) in enumerate(zip(substitutes, rounds, strict=True)):
        _require_later(first, target, position)
        if target.id in {other.id for other in rounds[:position]}:
            raise InvalidPledge(f"/substitutes/{position}", "a round is named once")
        require_valid_lines(target, each.lines)
    await conn.execute("DELETE FROM pledge_substitutes WHERE pledge_id = $1", pledge_id)
    await conn.executemany(
        "INSERT INTO pledge_substitutes (pledge_id, rank, round_id, lines) VALUES ($1, $2, $3, $4)",
        [
            (pledge_id, rank, target.id, msgspec.to_builtins(each.lines))
            for rank, (each, target) in enumerate(zip(substitutes, rounds, strict=True), start=1)
        ],
    )
    await record_event(
        conn,
        kind="pledge.substitutes_ranked",
        subject="pledge",
        subject_id=str(pledge_id),
        actor=Actor(person_id, buyer.organization_id),
        rounds=[each.round_code for each in substitutes],
    )


async def list_substitutes(conn: asyncpg.Connection, *, pledge_id: UUID, buyer_id: int) -> list[RankedRound]:
    """List where a buyer's pledge goes when it wins nothing, best first. Raises PledgeNotFound."""
    await get_pledge(conn, pledge_id, buyer_id=buyer_id)
    rows = await conn.fetch(
        """
        SELECT s.rank, r.code, r.title_ko, r.title_en, r.state, r.closes_at, s.lines
        FROM pledge_substitutes s JOIN rounds r ON r.id = s.round_id WHERE s.pledge_id = $1 ORDER BY s.rank
        """,
        pledge_id,
    )
    return [
        RankedRound(*[*list(row)[:6], msgspec.convert(row["lines"], tuple[LineInput, ...])]) for row in rows
    ]


async def list_candidates(conn: asyncpg.Connection, first: Round, *, buyer: Viewer) -> list[Round]:
    """List the rounds that a pledge in `first` may fall through to, the soonest deadline first."""
    found = await list_rounds(conn, viewer=buyer, states=("announced", "open", "fill_up"))
    return [target for target in found if target.id != first.id and _is_later(first, target)]


def _is_later(first: Round, target: Round) -> bool:
    try:
        _require_later(first, target, 0)
    except (InvalidPledge, RoundNotOpen):
        return False
    return True


def _require_later(first: Round, target: Round, position: int) -> None:
    pointer = f"/substitutes/{position}/round_code"
    if target.state not in {"announced", "open", "fill_up"}:
        raise RoundNotOpen(target.code, target.state)
    if target.opens_at >= first.closes_at:
        raise InvalidPledge(pointer, "a round that is open when this one closes")
    if first.family is not None and first.family == target.family:
        assert first.family_position is not None
        assert target.family_position is not None
        if target.family_position <= first.family_position:
            raise InvalidPledge(pointer, "later in the family's order")
    elif target.closes_at <= first.closes_at:
        raise InvalidPledge(pointer, "a round that closes later")


async def fall_through(conn: asyncpg.Connection, buying_round: Round) -> int:
    """Move pledges that won nothing to their best round that still takes them; return how many moved.

    Called in the transaction that decided `buying_round`, or decided it again: who lost its units there without
    breaking its word (it said no to a dearer price, or the round failed) moves too. A round takes them while it is
    open, or while it waits for its turn in the same family. The newcomer stands at the end of that round's queue, and
    what was verified for it by a guarantee or an order is verified there; money goes back first.
    """
    rows = await conn.fetch(
        """
        SELECT p.id, p.buyer_id, p.person_id, p.funding, p.placed_at,
               (SELECT array_agg(s.round_id ORDER BY s.rank) FROM pledge_substitutes s WHERE s.pledge_id = p.id) AS round_ids
        FROM pledges p
        WHERE p.round_id = $1 AND (p.outcome = 'released' OR EXISTS (
                SELECT FROM current_allocations a
                WHERE a.pledge_id = p.id AND a.quantity = 0 AND a.reason = 'reclearing'))
          AND NOT EXISTS (SELECT FROM pledges n WHERE n.fell_from_id = p.id)
          AND EXISTS (SELECT FROM pledge_substitutes s WHERE s.pledge_id = p.id)
          AND 'placed' = (SELECT state FROM pledge_versions WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1)
        ORDER BY p.placed_at, p.id
        """,
        buying_round.id,
    )
    for round_id in sorted({round_id for row in rows for round_id in row["round_ids"]}):
        await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, round_id)
    moved = 0
    for row in rows:
        for round_id in row["round_ids"]:
            if await _move(conn, row, round_id, family=buying_round.family):
                moved += 1
                break
    return moved


async def _move(conn: asyncpg.Connection, row: asyncpg.Record, round_id: int, *, family: str | None) -> bool:
    new_id = await conn.fetchval(
        """
        WITH moved AS (
            INSERT INTO pledges (id, round_id, buyer_id, person_id, funding, placed_at, fell_from_id)
            SELECT gen_random_uuid(), r.id, $2, $3, $4,
                   least(clock_timestamp(), coalesce(r.closed_at, clock_timestamp())), $5
            FROM rounds r WHERE r.id = $1 AND (
                r.state IN ('open', 'fill_up') AND clock_timestamp() < r.closes_at
                OR r.state IN ('open', 'fill_up', 'closing') AND r.family = $6)
            ON CONFLICT DO NOTHING RETURNING id, round_id
        ), version AS (
            INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
            SELECT moved.id, 1, 'placed', $3, v.request_sha256 FROM moved, pledge_versions v
            WHERE v.pledge_id = $5 AND v.version = 1
        ), line AS (
            INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw)
            SELECT moved.id, 1, n, (l->>'quantity_min')::int, (l->>'quantity_max')::int,
                   (l->>'limit_unit_price_krw')::bigint
            FROM moved JOIN pledge_substitutes s ON s.pledge_id = $5 AND s.round_id = moved.round_id,
                 jsonb_array_elements(s.lines) WITH ORDINALITY AS e (l, n)
        ), later AS (
            INSERT INTO pledge_substitutes (pledge_id, rank, round_id, lines)
            SELECT moved.id, row_number() OVER (ORDER BY s.rank), s.round_id, s.lines
            FROM moved, pledge_substitutes s
            WHERE s.pledge_id = $5 AND s.rank > (SELECT rank FROM pledge_substitutes
                                                 WHERE pledge_id = $5 AND round_id = moved.round_id)
        ), funding AS (
            INSERT INTO pledge_fundings (pledge_id, version, kind, received_krw, verified_by)
            SELECT moved.id, 1, f.kind, 0, f.verified_by FROM moved, pledge_fundings f
            WHERE f.pledge_id = $5 AND f.kind <> 'deposit' ORDER BY f.version DESC LIMIT 1
        )
        SELECT id FROM moved
        """,
        round_id,
        row["buyer_id"],
        row["person_id"],
        row["funding"],
        row["id"],
        family,
    )
    if new_id is None:
        return False
    await record_event(
        conn,
        kind="pledge.fell_through",
        subject="pledge",
        subject_id=str(new_id),
        actor=Actor(None, row["buyer_id"]),
        pledge=str(row["id"]),
    )
    return True
