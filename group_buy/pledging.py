"""Place, change and withdraw pledges. Joining only inserts, so thousands may join a round at once."""

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

    One round trip: the database function takes the shared lock, then reads the state and its own clock, then only
    inserts. Once `begin_closing` holds the exclusive lock, no pledge is still on its way in. Where the function
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
    if not all(_fits_the_database(line) for line in lines):
        return await _repetition_or_refusal(
            conn, round_code, pledge_id, buyer=buyer, digest=digest, lines=lines
        )
    placed = await conn.fetchrow(
        "SELECT * FROM place_pledge($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        round_code,
        pledge_id,
        buyer.organization_id,
        person_id,
        funding,
        digest,
        [line.quantity_min for line in lines],
        [line.quantity_max for line in lines],
        [line.limit_unit_price_krw for line in lines],
        {"round": round_code, "funding": funding, "lines": msgspec.to_builtins(lines)},
    )
    if placed is None:
        return await _repetition_or_refusal(
            conn, round_code, pledge_id, buyer=buyer, digest=digest, lines=lines
        )
    return Pledge(
        id=pledge_id,
        round_id=placed["round_id"],
        buyer_id=buyer.organization_id,
        funding=funding,
        placed_at=placed["placed_at"],
        outcome=None,
        version=1,
        state="placed",
        lines=tuple(
            Line(line_no, line.quantity_min, line.quantity_max, limit, 0, sequence)
            for line_no, (line, limit, sequence) in enumerate(
                zip(lines, placed["limits_kept"], placed["sequences"], strict=True), start=1
            )
        ),
    )


def _fits_the_database(line: LineInput) -> bool:
    """Whether the database function can be asked at all; what does not fit is refused by the core's rules."""
    return max(abs(line.quantity_min), abs(line.quantity_max), abs(line.limit_unit_price_krw or 0)) < 2**63


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
