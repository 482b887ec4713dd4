"""Place, change and withdraw pledges. Joining only inserts, so thousands may join a round at once."""

from operator import itemgetter
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.viewer import Viewer
from catalog.events import Actor, record_event
from group_buy.core.pledge import (
    Funding,
    Line,
    LineInput,
    Pledge,
    QueuedLine,
    cap_limits,
    is_well_formed,
    only_helps,
    queue_lines,
    request_sha256,
    require_card_possible,
    require_valid_lines,
)
from group_buy.core.round import PLEDGING_STATES, Round
from group_buy.errors import (
    AlreadyPledged,
    IdReused,
    PledgeMayOnlyHelp,
    PledgeNotFound,
    RoundNotOpen,
    VersionConflict,
)
from group_buy.rounds import ROUND_LOCK, get_round

JOIN = """
    WITH target AS MATERIALIZED (
        SELECT r.id, (r.tiers->0->>'unit_price_krw')::bigint AS dearest_krw FROM rounds r
        WHERE r.code = $1 AND $10::bigint <= r.capacity
          AND ($11::bigint IS NULL OR $11 >= (r.tiers->-1->>'unit_price_krw')::bigint) AND takes_pledge(r.id, $3)
    ), pledge AS (
        INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
        SELECT $2, id, $3, $4, $5 FROM target
        ON CONFLICT DO NOTHING RETURNING id, round_id, placed_at
    ), version AS (
        INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
        SELECT id, 1, 'placed', $4, $6 FROM pledge
    ), line AS (
        -- A limit at or above the first tier's price promises the same as none: see cap_limits.
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw)
        SELECT id, 1, generate_subscripts($7::int[], 1), unnest($7::int[]), unnest($8::int[]),
               nullif(least(unnest($9::bigint[]), (SELECT dearest_krw FROM target)), (SELECT dearest_krw FROM target))
        FROM pledge
        RETURNING line_no, limit_unit_price_krw, sequence
    ), event AS (
        INSERT INTO events (kind, subject, subject_id, person_id, organization_id, data)
        SELECT 'pledge.placed', 'pledge', id::text, $4, $3, $12 FROM pledge
    )
    SELECT pledge.round_id, pledge.placed_at, line.* FROM pledge, line
"""
"""Joining in one statement that only inserts: a row a line, or none where nothing was written.

`takes_pledge` takes the lock and reads what may change in a round; terms are frozen and may be read before it.
$10 and $11 are the units of all lines and the lowest limit.
"""
TAKES_PLEDGES = "state = ANY ($2) AND clock_timestamp() < closes_at"
MUST_HELP = "(state = 'fill_up' OR clock_timestamp() >= closes_at - withdrawal_lock)"


async def place_pledge(
    conn: asyncpg.Connection,
    *,
    round_code: str,
    pledge_id: UUID,
    buyer: Viewer,
    person_id: int,
    funding: Funding,
    lines: tuple[LineInput, ...],
) -> Pledge:
    """Place a pledge under an id that the client made: the same request twice is one pledge.

    One round trip: the statement takes the shared lock, then reads the state and the database's clock, then only
    inserts. Once `begin_closing` holds the exclusive lock, no pledge is still on its way in. Where the statement
    wrote nothing, the reason is found here, by the rules of the core.

    Raises:
        RoundNotFound, InvalidPledge, CardNotPossible
        RoundNotOpen: too early, too late, or decided.
        IdReused: the id exists with other content, or is somebody else's.
        AlreadyPledged: this buyer has another pledge in the round.
    """
    if buyer.organization_id is None:
        raise RoundNotOpen(round_code, "signed out")
    if funding == "card":
        require_card_possible(await get_round(conn, round_code, viewer=buyer), lines)
    digest = request_sha256(funding=funding, lines=lines)
    placed = []
    if is_well_formed(lines):
        limits = [line.limit_unit_price_krw for line in lines]
        placed = await conn.fetch(
            JOIN,
            round_code,
            pledge_id,
            buyer.organization_id,
            person_id,
            funding,
            digest,
            [line.quantity_min for line in lines],
            [line.quantity_max for line in lines],
            limits,
            sum(line.quantity_max for line in lines),
            min((limit for limit in limits if limit is not None), default=None),
            {"round": round_code, "funding": funding, "lines": msgspec.to_builtins(lines)},
        )
    if not placed:
        return await _repetition_or_refusal(
            conn, round_code, pledge_id, buyer=buyer, digest=digest, lines=lines
        )
    return Pledge(
        id=pledge_id,
        round_id=placed[0]["round_id"],
        buyer_id=buyer.organization_id,
        funding=funding,
        placed_at=placed[0]["placed_at"],
        outcome=None,
        version=1,
        state="placed",
        lines=tuple(
            Line(
                row["line_no"],
                line.quantity_min,
                line.quantity_max,
                row["limit_unit_price_krw"],
                0,
                row["sequence"],
            )
            for row, line in zip(sorted(placed, key=itemgetter("line_no")), lines, strict=True)
        ),
    )


async def _repetition_or_refusal(
    conn: asyncpg.Connection,
    round_code: str,
    pledge_id: UUID,
    *,
    buyer: Viewer,
    digest: bytes,
    lines: tuple[LineInput, ...],
) -> Pledge:
    buying_round = await get_round(conn, round_code, viewer=buyer)
    assert buyer.organization_id is not None
    if await _is_repetition(
        conn, pledge_id, buyer_id=buyer.organization_id, round_id=buying_round.id, digest=digest
    ):
        return await get_pledge(conn, pledge_id, buyer_id=buyer.organization_id)
    require_valid_lines(buying_round, lines)
    raise await _refusal(conn, buying_round, buyer_id=buyer.organization_id)


async def change_pledge(
    conn: asyncpg.Connection,
    *,
    pledge_id: UUID,
    buyer: Viewer,
    person_id: int,
    version: int,
    lines: tuple[LineInput, ...],
) -> Pledge:
    """Write version `version` of a pledge, which must follow the newest; no lines = withdraw.

    A line that only raises its quantity_max keeps its place for the units it had: the increase becomes a line of
    its own at the end of the queue. Any other change of a line re-sequences it.

    Raises:
        PledgeNotFound, RoundNotOpen, InvalidPledge, CardNotPossible
        PledgeMayOnlyHelp: in the fill-up phase, or in the locked time before the deadline, it would narrow.
        VersionConflict: another version was written meanwhile (the same content again is no conflict).
    """
    pledge = await get_pledge(conn, pledge_id, buyer_id=buyer.organization_id)
    await _lock_shared(conn, pledge.round_id)
    pledge = await get_pledge(conn, pledge_id, buyer_id=buyer.organization_id)
    digest = request_sha256(funding=pledge.funding, lines=lines)
    if version != pledge.version + 1:
        if version == pledge.version and await _has_digest(conn, pledge_id, version=version, digest=digest):
            return pledge
        raise VersionConflict(pledge_id, pledge.version)
    row = await conn.fetchrow(
        f"SELECT code, {TAKES_PLEDGES}, {MUST_HELP} FROM rounds WHERE id = $1",
        pledge.round_id,
        list(PLEDGING_STATES),
    )
    assert row is not None, "a pledge is only ever inserted for a round"
    code, takes_pledges, must_help = row
    buying_round = await get_round(conn, code, viewer=buyer)
    if not takes_pledges:
        raise RoundNotOpen(code, buying_round.state)
    if must_help and not only_helps(pledge.lines, cap_limits(buying_round, lines)):
        raise PledgeMayOnlyHelp(pledge_id, code)
    if lines:
        require_valid_lines(buying_round, lines)
        if pledge.funding == "card":
            require_card_possible(buying_round, lines)
    await _insert_version(
        conn,
        pledge_id,
        version=version,
        state="placed" if lines else "withdrawn",
        person_id=person_id,
        digest=digest,
        lines=queue_lines(cap_limits(buying_round, lines), before=pledge.lines),
    )
    await record_event(
        conn,
        kind="pledge.changed" if lines else "pledge.withdrawn",
        subject="pledge",
        subject_id=str(pledge_id),
        actor=Actor(person_id, buyer.organization_id),
        round=code,
        version=version,
        lines=msgspec.to_builtins(lines),
    )
    return await get_pledge(conn, pledge_id, buyer_id=buyer.organization_id)


PLEDGE_ROW = """
    SELECT p.id, p.round_id, p.buyer_id, p.funding, p.placed_at, p.outcome, v.version, v.state,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'line_no', l.line_no, 'quantity_min', l.quantity_min, 'quantity_max', l.quantity_max,
                'limit_unit_price_krw', l.limit_unit_price_krw, 'priority_class', l.priority_class,
                'sequence', l.sequence) ORDER BY l.line_no), '[]')
            FROM pledge_lines l WHERE l.pledge_id = p.id AND l.version = v.version) AS lines
    FROM pledges p
    JOIN LATERAL (SELECT version, state FROM pledge_versions
                  WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON true
"""


def read_pledge(row: asyncpg.Record) -> Pledge:
    """Build a Pledge from a row of PLEDGE_ROW."""
    *values, lines = list(row)[:9]
    return Pledge(*[*values, msgspec.convert(lines, tuple[Line, ...])])


async def get_pledge(conn: asyncpg.Connection, pledge_id: UUID, *, buyer_id: int | None) -> Pledge:
    """Read a buyer's pledge. Raises PledgeNotFound also for somebody else's."""
    row = await conn.fetchrow(f"{PLEDGE_ROW} WHERE p.id = $1 AND p.buyer_id = $2", pledge_id, buyer_id)
    if row is None:
        raise PledgeNotFound(pledge_id)
    return read_pledge(row)


async def find_pledge_in_round(conn: asyncpg.Connection, *, round_id: int, buyer_id: int) -> Pledge | None:
    """Read a buyer's pledge in a round, if there is one."""
    row = await conn.fetchrow(f"{PLEDGE_ROW} WHERE p.round_id = $1 AND p.buyer_id = $2", round_id, buyer_id)
    return None if row is None else read_pledge(row)


async def _lock_shared(conn: asyncpg.Connection, round_id: int) -> None:
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, round_id)


async def _has_digest(conn: asyncpg.Connection, pledge_id: UUID, *, version: int, digest: bytes) -> bool:
    stored = await conn.fetchval(
        "SELECT request_sha256 FROM pledge_versions WHERE pledge_id = $1 AND version = $2", pledge_id, version
    )
    return bool(stored == digest)


async def _is_repetition(
    conn: asyncpg.Connection, pledge_id: UUID, *, buyer_id: int, round_id: int, digest: bytes
) -> bool:
    owner = await conn.fetchrow("SELECT buyer_id, round_id FROM pledges WHERE id = $1", pledge_id)
    if owner is None:
        return False
    if tuple(owner) != (buyer_id, round_id) or not await _has_digest(
        conn, pledge_id, version=1, digest=digest
    ):
        raise IdReused(pledge_id)
    return True


async def _refusal(
    conn: asyncpg.Connection, buying_round: Round, *, buyer_id: int
) -> AlreadyPledged | RoundNotOpen:
    existing = await find_pledge_in_round(conn, round_id=buying_round.id, buyer_id=buyer_id)
    if existing is not None:
        return AlreadyPledged(buying_round.code, existing.id)
    is_late = await conn.fetchval(
        "SELECT clock_timestamp() >= closes_at FROM rounds WHERE id = $1", buying_round.id
    )
    return RoundNotOpen(buying_round.code, "closed" if is_late else buying_round.state)


async def _insert_version(
    conn: asyncpg.Connection,
    pledge_id: UUID,
    *,
    version: int,
    state: Literal["placed", "withdrawn"],
    person_id: int,
    digest: bytes,
    lines: tuple[QueuedLine, ...],
) -> None:
    inserted = await conn.fetchval(
        """
        INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING RETURNING version
        """,
        pledge_id,
        version,
        state,
        person_id,
        digest,
    )
    if inserted is None:
        raise VersionConflict(pledge_id, version)
    await conn.executemany(
        """
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max,
                                  limit_unit_price_krw, sequence)
        VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, nextval('pledge_line_sequence')))
        """,
        [
            (
                pledge_id,
                version,
                line_no,
                line.quantity_min,
                line.quantity_max,
                line.limit_unit_price_krw,
                line.sequence,
            )
            for line_no, line in enumerate(lines, start=1)
        ],
    )
