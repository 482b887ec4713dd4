"""Demands by hand: "I need 12 of these by March, at most x". Rounds and pooling pick them up; files bring them in bulk."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.money import CAPACITY_MAX, ROUND_KRW_MAX
from catalog.errors import DemandNotFound, DemandStateConflict, InvalidDemand
from catalog.events import Actor, record_event

NOTE_LETTERS_MAX: Final = 1000
DEMANDS_MAX: Final = 200
"""Open demands of one factory."""
CATEGORIES: Final = ("software", "controller", "sensor", "robot", "service")


class DemandInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a factory needs: units, won for a unit without VAT (None = no ceiling), a day in Korea."""

    category: str
    quantity_max: int
    quantity_min: int = 1
    subcategory: str | None = None
    ceiling_unit_price_krw: int | None = None
    needed_by: date | None = None
    note: str = ""


class Demand(msgspec.Struct, frozen=True):
    """One demand as it is kept."""

    id: UUID
    factory_id: int
    factory_ko: str
    factory_en: str
    category: str
    subcategory: str | None
    quantity_min: int
    quantity_max: int
    ceiling_unit_price_krw: int | None
    needed_by: date | None
    region: str | None
    note: str
    state: Literal["open", "placed", "withdrawn"]
    created_at: datetime


DEMAND = """
    SELECT d.id, d.factory_id, o.name_ko, o.name_en, d.category, d.subcategory, d.quantity_min, d.quantity_max,
           d.ceiling_unit_price_krw, d.needed_by, d.region, d.note, d.state, d.created_at
    FROM demands d JOIN organizations o ON o.id = d.factory_id
"""


def require_valid_demand(wanted: DemandInput, *, today: date) -> None:
    """Raise InvalidDemand, with the field and the rule it breaks; `today` is a day in Korea."""
    if wanted.category not in CATEGORIES:
        raise InvalidDemand("/category", f"one of {', '.join(CATEGORIES)}")
    if wanted.subcategory is not None and not 1 <= len(wanted.subcategory) <= 100:
        raise InvalidDemand("/subcategory", "1 to 100 letters")
    if not 1 <= wanted.quantity_max <= CAPACITY_MAX:
        raise InvalidDemand("/quantity_max", f"from 1 to {CAPACITY_MAX}")
    if not 1 <= wanted.quantity_min <= wanted.quantity_max:
        raise InvalidDemand("/quantity_min", f"from 1 to quantity_max ({wanted.quantity_max})")
    if wanted.ceiling_unit_price_krw is not None and not 1 <= wanted.ceiling_unit_price_krw <= ROUND_KRW_MAX:
        raise InvalidDemand("/ceiling_unit_price_krw", f"won, from 1 to {ROUND_KRW_MAX}")
    if wanted.needed_by is not None and not today <= wanted.needed_by <= today.replace(
        year=today.year + 10, day=1
    ):
        raise InvalidDemand("/needed_by", "from today to ten years on")
    if len(wanted.note) > NOTE_LETTERS_MAX:
        raise InvalidDemand("/note", f"at most {NOTE_LETTERS_MAX} letters")


async def place_demand(
    conn: asyncpg.Connection, *, demand_id: UUID, wanted: DemandInput, actor: Actor
) -> Demand:
    """Say what a factory needs, under an id that the client made: the same request twice is one demand.

    Raises:
        InvalidDemand: a field is outside its limits, or the factory has DEMANDS_MAX open ones.
        DemandStateConflict: the id exists with other content.
        DemandNotFound: the id is another factory's.
    """
    today = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    before = await conn.fetchrow(f"{DEMAND} WHERE d.id = $1", demand_id)
    if before is not None:
        return _repetition(Demand(*before), wanted, actor)
    require_valid_demand(wanted, today=today)
    inserted = await conn.fetchval(
        """
        INSERT INTO demands (id, factory_id, category, subcategory, quantity_min, quantity_max,
                             ceiling_unit_price_krw, needed_by, region, note)
        SELECT $1, o.id, $3, $4, $5, $6, $7, $8, o.region, $9 FROM organizations o
        WHERE o.id = $2 AND (SELECT count(*) FROM demands WHERE factory_id = $2 AND state = 'open') < $10
        ON CONFLICT DO NOTHING RETURNING id
        """,
        demand_id,
        actor.organization_id,
        wanted.category,
        wanted.subcategory,
        wanted.quantity_min,
        wanted.quantity_max,
        wanted.ceiling_unit_price_krw,
        wanted.needed_by,
        wanted.note,
        DEMANDS_MAX,
    )
    if inserted is None:
        raise InvalidDemand("", f"at most {DEMANDS_MAX} open demands: withdraw one first")
    await record_event(conn, kind="demand.placed", subject="demand", subject_id=str(demand_id), actor=actor)
    return await get_demand(conn, demand_id, factory_id=actor.organization_id)


def _repetition(before: Demand, wanted: DemandInput, actor: Actor) -> Demand:
    if before.factory_id != actor.organization_id:
        raise DemandNotFound(str(before.id))
    if any(getattr(before, name) != getattr(wanted, name) for name in DemandInput.__struct_fields__):
        raise DemandStateConflict(str(before.id), "kept with other content")
    return before


async def get_demand(conn: asyncpg.Connection, demand_id: UUID, *, factory_id: int | None) -> Demand:
    """Read a factory's own demand. Raises DemandNotFound also for another's."""
    row = await conn.fetchrow(f"{DEMAND} WHERE d.id = $1 AND d.factory_id = $2", demand_id, factory_id)
    if row is None:
        raise DemandNotFound(str(demand_id))
    return Demand(*row)


async def withdraw_demand(conn: asyncpg.Connection, *, demand_id: UUID, actor: Actor) -> None:
    """Take a demand back; repeating it changes nothing. Raises DemandNotFound, DemandStateConflict (it is placed)."""
    demand = await get_demand(conn, demand_id, factory_id=actor.organization_id)
    if demand.state == "placed":
        raise DemandStateConflict(str(demand_id), demand.state)
    if await conn.fetchval(
        "UPDATE demands SET state = 'withdrawn' WHERE id = $1 AND factory_id = $2 AND state = 'open' RETURNING id",
        demand_id,
        actor.organization_id,
    ):
        await record_event(
            conn, kind="demand.withdrawn", subject="demand", subject_id=str(demand_id), actor=actor
        )


async def list_demands(conn: asyncpg.Connection, *, factory_id: int, limit: int = 400) -> list[Demand]:
    """List a factory's demands, the open ones first."""
    rows = await conn.fetch(
        f"{DEMAND} WHERE d.factory_id = $1 ORDER BY d.state = 'open' DESC, d.created_at DESC, d.id LIMIT $2",
        factory_id,
        limit,
    )
    return [Demand(*row) for row in rows]


async def list_open_demands(
    conn: asyncpg.Connection,
    *,
    categories: Sequence[str] | None = None,
    subcategories: Sequence[str] | None = None,
    limit: int = 200,
) -> list[Demand]:
    """List what factories need now, the soonest needed first; of these categories, and subcategories where named."""
    rows = await conn.fetch(
        f"{DEMAND} WHERE d.state = 'open' AND ($1::text[] IS NULL OR d.category = ANY ($1)) "
        "AND ($2::text[] IS NULL OR d.subcategory IS NULL OR d.subcategory = ANY ($2)) "
        "AND coalesce(d.needed_by, 'infinity') >= (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date "
        "ORDER BY d.needed_by NULLS LAST, d.created_at, d.id LIMIT $3",
        categories,
        subcategories,
        limit,
    )
    return [Demand(*row) for row in rows]
