"""Open a round on an offer, and read rounds with their live progress."""

from datetime import datetime, timedelta, timezone

import asyncpg
import msgspec

from catalog.core.money import ROUND_KRW_MAX
from catalog.core.offer import OfferError, PriceTier, require_valid_offer
from catalog.core.offer_terms import Offer
from catalog.core.viewer import Viewer
from catalog.errors import OfferNotFound
from catalog.events import Actor, record_event
from catalog.offers import get_offer
from group_buy.core.clearing import AllocationRule, Clearing, LineId, PledgeLine, RoundTerms, clear_round
from group_buy.core.round import (
    ROUND_TRANSITIONS,
    Round,
    RoundPolicies,
    RoundState,
    SettlementTerms,
    require_valid_policies,
)
from group_buy.errors import InvalidRound, RoundNotFound, RoundStateConflict

ROUND_COLUMNS = """
    r.id, r.code, r.state, r.offer_id, r.vendor_id, r.coordinator_id, r.title_ko, r.title_en, r.audience,
    r.opens_at, r.closes_at, r.tiers, r.capacity, r.pack_size, r.list_unit_price_krw, r.allocation_rule,
    r.deposit_bp, r.lead_time_days, r.terms_ko, r.terms_en, r.is_illustrative, r.may_close_early,
    r.funding_window, r.closed_at, r.funding_due_at, r.decided_at, r.unit_price_krw, r.quantity,
    r.shortfall_policy, r.extension_days, r.fallback_quantity_min, r.fills_up_at, r.withdrawal_lock,
    r.delivery_tolerance, r.family, r.family_position, r.survey_cap_krw, r.extended_at, r.single_price_until,
    r.custody, r.commission_bp
"""

KOREA = timezone(timedelta(hours=9))
"""Days are Korean days; there is no summer time."""
DEFAULT_POLICIES = RoundPolicies()
DIRECT = SettlementTerms()

SAFE_BP = 1_000
"""So much above a tier's minimum its price counts as safe: 1 to 5 % of payments fail, sometimes more."""

ROUND_LOCK = 7304
"""Class of the per-round advisory lock: pledging holds it shared, closing exclusively."""

ROUND_COLUMN_COUNT = len(Round.__struct_fields__)

VISIBLE = """
    (r.audience = 'public'
     OR (r.audience = 'members' AND $2::bigint IS NOT NULL)
     OR (r.audience = 'invited' AND (r.vendor_id = $2 OR r.coordinator_id = $2 OR EXISTS (
             SELECT FROM offer_invitations i WHERE i.offer_id = r.offer_id AND i.organization_id = $2)
         OR EXISTS (SELECT FROM round_guests g WHERE g.round_id = r.id AND g.organization_id = $2))))
    AND (r.state <> 'draft' OR r.vendor_id = $2 OR r.coordinator_id = $2)
"""
"""Whether organization $2 (null = a visitor) may know of round r."""

LIVE_LINES = """
    SELECT p.id AS pledge_id, p.buyer_id, p.funding, v.version, l.line_no, l.quantity_min, l.quantity_max,
           l.limit_unit_price_krw, l.priority_class, l.sequence
    FROM pledges p
    JOIN LATERAL (SELECT version, state FROM pledge_versions
                  WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON v.state = 'placed'
    JOIN pledge_lines l ON l.pledge_id = p.id AND l.version = v.version
    WHERE p.round_id = $1
"""
"""The lines that count of round $1: those of each pledge's newest version, unless it was withdrawn."""


class Progress(msgspec.Struct, frozen=True):
    """Where a round stands if it closed now on all that was pledged. Units; won for a unit.

    `unit_price_krw` is None while the first tier is out of reach; `next_tier` None at the cheapest one.
    `units_to_next` counts the units missing to `next_tier` among lines that would accept its price.
    `is_safe`: the price would stand if a tenth of its minimum did not pay (SAFE_BP above it is wanted).
    """

    buyers: int
    units_wanted: int
    unit_price_krw: int | None
    units_served: int
    next_tier: PriceTier | None
    units_to_next: int
    is_safe: bool = False


def read_round(row: asyncpg.Record) -> Round:
    """Build a Round from a row of ROUND_COLUMNS; the tiers are JSON in the database."""
    values = list(row)[:ROUND_COLUMN_COUNT]
    values[11] = msgspec.convert(values[11], tuple[PriceTier, ...])
    return Round(*values)


async def open_round(
    conn: asyncpg.Connection,
    *,
    code: str,
    offer_code: str,
    coordinator_id: int,
    opens_at: datetime,
    closes_at: datetime,
    allocation_rule: AllocationRule,
    deposit_bp: int,
    may_close_early: bool,
    funding_window: timedelta,
    actor: Actor,
    policies: RoundPolicies = DEFAULT_POLICIES,
    settlement: SettlementTerms = DIRECT,
) -> Round:
    """Make a round on an offer and freeze the offer's terms into it; it opens at `opens_at` (UTC).

    Raises:
        InvalidRound: the deadline is past or before the opening, the code is taken, the offer has ended, its
            terms can sell no whole pack or are worth more than ROUND_KRW_MAX, or a policy breaks a rule.
        OfferNotFound: no published offer has this code.
    """
    coordinator = Viewer(organization_id=coordinator_id, kind="coordinator")
    offer = await get_offer(conn, code=offer_code, viewer=coordinator)
    now = await conn.fetchval("SELECT clock_timestamp()")
    _require_live_offer(offer, now=now)
    terms = _valid_terms(offer, allocation_rule)
    if closes_at <= max(now, opens_at):
        raise InvalidRound("/closes_at", "after the opening and in the future")
    if not 0 <= deposit_bp <= 10_000:
        raise InvalidRound("/deposit_bp", "between 0 and 10000 basis points")
    require_valid_policies(policies, terms=terms, opens_at=opens_at, closes_at=closes_at)
    round_id = await conn.fetchval(
        """
        INSERT INTO rounds AS r (
            code, offer_id, vendor_id, coordinator_id, state, opens_at, closes_at, title_ko, title_en, audience,
            tiers, capacity, pack_size, list_unit_price_krw, allocation_rule, deposit_bp, lead_time_days,
            terms_ko, terms_en, is_illustrative, may_close_early, funding_window, custody, commission_bp)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24)
        ON CONFLICT (code) DO NOTHING
        RETURNING id
        """,
        code,
        offer.id,
        offer.vendor.id,
        coordinator_id,
        "open" if opens_at <= now else "announced",
        opens_at,
        closes_at,
        offer.subject.name_ko,
        offer.subject.name_en,
        offer.audience,
        offer.tiers,
        offer.capacity,
        offer.pack_size,
        offer.list_unit_price_krw,
        allocation_rule,
        deposit_bp,
        offer.lead_time_days,
        offer.terms_ko,
        offer.terms_en,
        offer.is_illustrative,
        may_close_early,
        funding_window,
        settlement.custody,
        settlement.commission_bp,
    )
    if round_id is None:
        raise InvalidRound("/code", f"another round has the code {code}")
    buying_round = await _fix_policies(conn, round_id, policies)
    await record_event(
        conn,
        kind=f"round.{buying_round.state}",
        subject="round",
        subject_id=code,
        actor=actor,
        offer=offer_code,
        closes_at=closes_at.isoformat(),
    )
    return buying_round


def _require_live_offer(offer: Offer, *, now: datetime) -> None:
    if offer.state != "published":  # a coordinator sees drafts, but does not publish them for their vendor
        raise OfferNotFound(offer.code)
    if offer.valid_until is not None and offer.valid_until < now.astimezone(KOREA).date():
        raise InvalidRound("/offer_code", f"an offer that is still valid; it ended on {offer.valid_until}")


async def _fix_policies(conn: asyncpg.Connection, round_id: int, policies: RoundPolicies) -> Round:
    row = await conn.fetchrow(
        f"""
        UPDATE rounds AS r
        SET shortfall_policy = $2, extension_days = $3, fallback_quantity_min = $4, fills_up_at = $5,
            withdrawal_lock = $6, delivery_tolerance = $7, family = $8, family_position = $9, survey_cap_krw = $10,
            installation_includes = o.installation_includes, installation_excludes = o.installation_excludes
        FROM offers o
        WHERE r.id = $1 AND o.id = r.offer_id AND NOT EXISTS (
            SELECT FROM rounds other WHERE other.family = $8 AND other.id <> r.id AND (
                other.family_position = $9 OR other.coordinator_id <> r.coordinator_id
                OR other.family_position > $9 AND other.closed_at IS NOT NULL))
        RETURNING {ROUND_COLUMNS}
        """,
        round_id,
        policies.shortfall_policy,
        policies.extension_days,
        policies.fallback_quantity_min,
        policies.fills_up_at,
        timedelta(hours=policies.withdrawal_lock_hours),
        policies.delivery_tolerance,
        policies.family,
        policies.family_position,
        policies.survey_cap_krw,
    )
    if row is None:
        raise InvalidRound(
            "/policies/family_position", "a free place in a family of your own, behind its rounds that closed"
        )
    return read_round(row)


def _valid_terms(offer: Offer, allocation_rule: AllocationRule) -> RoundTerms:
    try:
        require_valid_offer(capacity=offer.capacity, pack_size=offer.pack_size, tiers=offer.tiers)
    except OfferError as error:
        raise InvalidRound("/offer_code", str(error)) from error
    if offer.capacity * offer.tiers[0].unit_price_krw > ROUND_KRW_MAX:
        raise InvalidRound("/offer_code", f"worth at most {ROUND_KRW_MAX} won in all")
    return RoundTerms(offer.capacity, offer.pack_size, offer.tiers, allocation_rule)


async def get_round(conn: asyncpg.Connection, code: str, *, viewer: Viewer) -> Round:
    """Read one round. Raises RoundNotFound also where the viewer may not know of it."""
    row = await conn.fetchrow(
        f"SELECT {ROUND_COLUMNS} FROM rounds r WHERE r.code = $1 AND {VISIBLE}", code, viewer.organization_id
    )
    if row is None:
        raise RoundNotFound(code)
    return read_round(row)


async def get_round_code(conn: asyncpg.Connection, round_id: int) -> str:
    """Read the code of a round that exists."""
    code: str = await conn.fetchval("SELECT code FROM rounds WHERE id = $1", round_id)
    return code


async def list_rounds(
    conn: asyncpg.Connection,
    *,
    viewer: Viewer,
    states: tuple[RoundState, ...],
    offer_ids: tuple[int, ...] | None = None,
    vendor_id: int | None = None,
    limit: int = 100,
) -> list[Round]:
    """List visible rounds in these states, the soonest deadline first; only of some offers or a vendor if given."""
    rows = await conn.fetch(
        f"""
        SELECT {ROUND_COLUMNS} FROM rounds r
        WHERE r.state = ANY ((SELECT $1::text[])::text[]) AND {VISIBLE} AND ($3::bigint[] IS NULL OR r.offer_id = ANY ($3))
          AND ($5::bigint IS NULL OR r.vendor_id = $5)
        ORDER BY r.closes_at, r.id
        LIMIT $4
        """,
        list(states),
        viewer.organization_id,
        None if offer_ids is None else list(offer_ids),
        limit,
        vendor_id,
    )
    return [read_round(row) for row in rows]


def pledge_of(line_id: LineId) -> str:
    """The pledge of a line that `load_lines` read."""
    return str(line_id).partition(":")[0]


async def load_lines(conn: asyncpg.Connection, *, round_id: int) -> list[PledgeLine]:
    """Load every line that counts, with ids "<pledge id>:<line number>"."""
    rows = await conn.fetch(LIVE_LINES, round_id)
    return [
        PledgeLine(
            id=f"{row['pledge_id']}:{row['line_no']}",
            quantity_min=row["quantity_min"],
            quantity_max=row["quantity_max"],
            limit_unit_price_krw=row["limit_unit_price_krw"],
            priority_class=row["priority_class"],
            sequence=row["sequence"],
        )
        for row in rows
    ]


async def read_progress(conn: asyncpg.Connection, buying_round: Round) -> Progress:
    """Clear the round in thought on all that is pledged now: the honest price, not a counter."""
    lines = await load_lines(conn, round_id=buying_round.id)
    buyers = len({str(line.id).partition(":")[0] for line in lines})
    outcome = clear_round(buying_round.clearing_terms, lines)
    tier_index = outcome.tier_index if isinstance(outcome, Clearing) else -1
    next_tier = buying_round.tiers[tier_index + 1] if tier_index + 1 < len(buying_round.tiers) else None
    if next_tier is not None and next_tier.quantity_min > buying_round.capacity:
        next_tier = None
    missing = 0
    if next_tier is not None:
        accepting = sum(
            line.quantity_max
            for line in lines
            if line.limit_unit_price_krw is None or line.limit_unit_price_krw >= next_tier.unit_price_krw
        )
        missing = max(1, next_tier.quantity_min - accepting)
    return Progress(
        buyers=buyers,
        units_wanted=sum(line.quantity_max for line in lines),
        unit_price_krw=outcome.unit_price_krw if isinstance(outcome, Clearing) else None,
        units_served=outcome.quantity if isinstance(outcome, Clearing) else 0,
        next_tier=next_tier,
        units_to_next=missing,
        is_safe=isinstance(outcome, Clearing) and _is_safe(buying_round.tiers[tier_index], lines),
    )


def _is_safe(tier: PriceTier, lines: list[PledgeLine]) -> bool:
    accepting = sum(
        line.quantity_max
        for line in lines
        if line.limit_unit_price_krw is None or line.limit_unit_price_krw >= tier.unit_price_krw
    )
    return accepting * 10_000 >= tier.quantity_min * (10_000 + SAFE_BP)


async def move_round(
    conn: asyncpg.Connection, buying_round: Round, *, to: RoundState, actor: Actor, **data: str
) -> None:
    """Move a round along ROUND_TRANSITIONS by compare-and-set, with its event.

    For steps that set nothing else; closing and clearing write their own columns.

    Raises:
        RoundStateConflict: the transition is not allowed, or somebody moved the round meanwhile.
    """
    is_allowed = to in ROUND_TRANSITIONS[buying_round.state]
    moved = is_allowed and await conn.fetchval(
        "UPDATE rounds SET state = $3 WHERE id = $1 AND state = $2 RETURNING id",
        buying_round.id,
        buying_round.state,
        to,
    )
    if not moved:
        raise RoundStateConflict(buying_round.code, buying_round.state, to)
    await record_event(
        conn, kind=f"round.{to}", subject="round", subject_id=buying_round.code, actor=actor, **data
    )


async def notify_buyers(conn: asyncpg.Connection, buying_round: Round, *, kind: str) -> None:
    """Put a message to every buyer with a pledge into the outbox.

    Who was allocated something is told so with its invoice, by `invoice.issued`, and not by `round.decided` too.
    """
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT buyer_id, $2, $3 FROM pledges
        WHERE round_id = $1 AND NOT ($2 = 'round.decided' AND outcome IS NOT DISTINCT FROM 'allocated')
        """,
        buying_round.id,
        kind,
        {"round": buying_round.code},
    )
