"""What pages show of rounds: one card a round, read with one query for all cards of a page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from catalog.core.offer import PriceTier
from catalog.core.viewer import Viewer
from group_buy.core.clearing import Clearing, PledgeLine, clear_round
from group_buy.core.round import PLEDGING_STATES, Round, RoundState
from group_buy.rounds import ROUND_COLUMNS, VISIBLE, read_round

CARDS_MAX: Final = 100

ItemKind = Literal["package_model", "product"]


class RoundSubject(msgspec.Struct, frozen=True):
    """What a round sells and who sells it; `category` is None for a package."""

    kind: ItemKind
    item_code: str
    category: str | None
    vendor_code: str
    vendor_ko: str
    vendor_en: str


class RoundCard(msgspec.Struct, frozen=True, kw_only=True):
    """One round in a list, as `_round_card.html` takes it; see `shown_quantity` for its `quantity`."""

    code: str
    state: RoundState
    name_ko: str
    name_en: str
    vendor_ko: str
    vendor_en: str
    kind: ItemKind
    category: str | None
    item_code: str
    tiers: tuple[PriceTier, ...]
    list_unit_price_krw: int
    is_illustrative_price: bool
    quantity: int
    member_count: int
    capacity: int
    opens_at: datetime
    closes_at: datetime
    region_text: str | None = None


SUBJECT_COLUMNS: Final = """
    CASE WHEN o.product_id IS NULL THEN 'package_model' ELSE 'product' END, coalesce(p.code, m.code),
    p.category, v.code, v.name_ko, v.name_en
"""
SUBJECT_JOINS: Final = """
    JOIN organizations v ON v.id = r.vendor_id
    JOIN offers o ON o.id = r.offer_id
    LEFT JOIN products p ON p.id = o.product_id
    LEFT JOIN package_versions n ON n.id = o.package_version_id
    LEFT JOIN package_models m ON m.id = n.package_model_id
"""


async def list_round_cards(conn: asyncpg.Connection, rounds: Sequence[Round]) -> list[RoundCard]:
    """Cards of these rounds, in their order: one query for what all of them sell and have gathered."""
    if not rounds:
        return []
    rows = await conn.fetch(
        f"""
        SELECT r.id, {SUBJECT_COLUMNS}, gathered.buyers, gathered.lines
        FROM rounds r
        {SUBJECT_JOINS}
        LEFT JOIN LATERAL (
            SELECT count(DISTINCT pledge.buyer_id) AS buyers,
                   jsonb_agg(jsonb_build_array(
                       pledge.id::text || ':' || l.line_no, l.quantity_min, l.quantity_max,
                       l.limit_unit_price_krw, l.priority_class, l.sequence)) AS lines
            FROM pledges pledge
            JOIN LATERAL (SELECT version, state FROM pledge_versions WHERE pledge_id = pledge.id
                          ORDER BY version DESC LIMIT 1) w ON w.state = 'placed'
            JOIN pledge_lines l ON l.pledge_id = pledge.id AND l.version = w.version
            WHERE pledge.round_id = r.id) gathered ON true
        WHERE r.id = ANY ((SELECT $1::bigint[])::bigint[])
        """,
        [buying_round.id for buying_round in rounds],
    )
    found = {row[0]: list(row)[1:] for row in rows}
    return [_read_card(buying_round, found[buying_round.id]) for buying_round in rounds]


def _read_card(buying_round: Round, values: Sequence[Any]) -> RoundCard:
    subject, buyers, lines = RoundSubject(*values[:6]), values[6], values[7] or []
    return RoundCard(
        code=buying_round.code,
        state=buying_round.state,
        name_ko=buying_round.title_ko,
        name_en=buying_round.title_en,
        vendor_ko=subject.vendor_ko,
        vendor_en=subject.vendor_en,
        kind=subject.kind,
        category=subject.category,
        item_code=subject.item_code,
        tiers=buying_round.tiers,
        list_unit_price_krw=buying_round.list_unit_price_krw,
        is_illustrative_price=buying_round.is_illustrative,
        quantity=shown_quantity(buying_round, [PledgeLine(*line) for line in lines]),
        member_count=buyers,
        capacity=buying_round.capacity,
        opens_at=buying_round.opens_at,
        closes_at=buying_round.closes_at,
    )


def shown_quantity(buying_round: Round, lines: Sequence[PledgeLine]) -> int:
    """The units that a meter shows: sold, or to be sold if the round closed now on these lines.

    While no price is reached they are those wanted, but never so many that the meter would show one as reached.
    """
    if buying_round.quantity is not None:
        return buying_round.quantity
    outcome = clear_round(buying_round.clearing_terms, lines)
    if isinstance(outcome, Clearing):
        return outcome.quantity
    return min(sum(line.quantity_max for line in lines), buying_round.tiers[0].quantity_min - 1)


async def list_open_rounds_on(
    conn: asyncpg.Connection, *, item_codes: Sequence[str], viewer: Viewer, limit: int = CARDS_MAX
) -> list[Round]:
    """The visible rounds that take pledges for any of these products or package models, soonest deadline first."""
    if not item_codes:
        return []
    rows = await conn.fetch(
        f"""
        SELECT {ROUND_COLUMNS} FROM rounds r
        {SUBJECT_JOINS}
        WHERE r.state = ANY ((SELECT $1::text[])::text[]) AND {VISIBLE}
          AND coalesce(p.code, m.code) = ANY ((SELECT $3::text[])::text[])
        ORDER BY r.closes_at, r.id
        LIMIT $4
        """,
        list(PLEDGING_STATES),
        viewer.organization_id,
        list(item_codes),
        limit,
    )
    return [read_round(row) for row in rows]
