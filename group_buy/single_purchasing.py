"""After a shortfall the price for one alone stays on offer for some days: a purchase by itself, at a frozen price."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.money import vat_krw
from catalog.core.viewer import Viewer
from catalog.events import Actor, record_event
from group_buy.errors import (
    IdReused,
    InvalidPledge,
    SinglePriceOver,
    SinglePurchaseConflict,
    SinglePurchaseNotFound,
)
from group_buy.rounds import get_round

SinglePurchaseState = Literal["placed", "confirmed", "canceled"]

PURCHASE = """
    SELECT s.id, r.code, r.title_ko, r.title_en, s.buyer_id, b.name_ko, b.name_en, s.quantity, s.unit_price_krw,
           s.state, s.at, s.decided_at
    FROM single_purchases s JOIN rounds r ON r.id = s.round_id JOIN organizations b ON b.id = s.buyer_id
"""


class SinglePurchase(msgspec.Struct, frozen=True):
    """One purchase alone; won for a unit without VAT, frozen when it was placed. Instants in UTC."""

    id: UUID
    round_code: str
    title_ko: str
    title_en: str
    buyer_id: int
    buyer_ko: str
    buyer_en: str
    quantity: int
    unit_price_krw: int
    state: SinglePurchaseState
    at: datetime
    decided_at: datetime | None

    @property
    def supply_krw(self) -> int:
        """Won without VAT."""
        return self.quantity * self.unit_price_krw

    @property
    def total_krw(self) -> int:
        """Won with VAT."""
        return self.supply_krw + vat_krw(self.supply_krw)


async def buy_single(
    conn: asyncpg.Connection,
    *,
    purchase_id: UUID,
    round_code: str,
    quantity: int,
    buyer: Viewer,
    person_id: int,
) -> SinglePurchase:
    """Buy alone at the round's single price, under an id that the client made: the same twice is one purchase.

    The database's clock decides whether the offer still stands. For buyers with a pledge in the round.

    Raises:
        RoundNotFound
        InvalidPledge: a quantity outside 1..capacity.
        SinglePriceOver: no shortfall, no pledge of this buyer, or the days are over.
        IdReused: the id exists with other content, or is somebody else's.
        SinglePurchaseConflict: this buyer bought alone in the round before.
    """
    buying_round = await get_round(conn, round_code, viewer=buyer)
    assert buyer.organization_id is not None, "only an organization buys"
    before = await conn.fetchrow(
        "SELECT round_id, buyer_id, quantity FROM single_purchases WHERE id = $1", purchase_id
    )
    if before is not None:
        if tuple(before) != (buying_round.id, buyer.organization_id, quantity):
            raise IdReused(purchase_id)
        return await get_single_purchase(conn, purchase_id, organization_id=buyer.organization_id)
    if not 1 <= quantity <= buying_round.capacity:
        raise InvalidPledge("/quantity", f"between 1 and the round's capacity of {buying_round.capacity}")
    inserted = await conn.fetchval(
        """
        INSERT INTO single_purchases (id, round_id, buyer_id, person_id, quantity, unit_price_krw)
        SELECT $1, r.id, $3, $4, $5, r.list_unit_price_krw FROM rounds r
        WHERE r.id = $2 AND clock_timestamp() < r.single_price_until AND EXISTS (
            SELECT FROM pledges p WHERE p.round_id = r.id AND p.buyer_id = $3 AND 'placed' = (
                SELECT state FROM pledge_versions WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1))
        ON CONFLICT DO NOTHING RETURNING id
        """,
        purchase_id,
        buying_round.id,
        buyer.organization_id,
        person_id,
        quantity,
    )
    if inserted is None:
        raise await _refusal(conn, buying_round.id, round_code, buyer.organization_id)
    actor = Actor(person_id, buyer.organization_id)
    await _record(conn, purchase_id, "placed", round_code, actor, quantity=quantity)
    await _tell(conn, purchase_id, "single.placed", to_seller=True)
    return await get_single_purchase(conn, purchase_id, organization_id=buyer.organization_id)


async def _refusal(
    conn: asyncpg.Connection, round_id: int, code: str, buyer_id: int
) -> SinglePriceOver | SinglePurchaseConflict:
    live = await conn.fetchrow(
        "SELECT id, state FROM single_purchases WHERE round_id = $1 AND buyer_id = $2 AND state <> 'canceled'",
        round_id,
        buyer_id,
    )
    return SinglePriceOver(code) if live is None else SinglePurchaseConflict(live["id"], live["state"])


async def cancel_single(conn: asyncpg.Connection, *, purchase_id: UUID, actor: Actor) -> None:
    """Take back one's own purchase while the vendor has not confirmed it. Repeating it changes nothing.

    Raises:
        SinglePurchaseNotFound, SinglePurchaseConflict
    """
    await _decide(conn, purchase_id, "canceled", actor)


async def confirm_single(conn: asyncpg.Connection, *, purchase_id: UUID, actor: Actor) -> None:
    """Confirm, as the round's vendor, that the purchase will be delivered. Repeating it changes nothing.

    Raises:
        SinglePurchaseNotFound, SinglePurchaseConflict
    """
    await _decide(conn, purchase_id, "confirmed", actor)


async def _decide(
    conn: asyncpg.Connection, purchase_id: UUID, state: SinglePurchaseState, actor: Actor
) -> None:
    row = await conn.fetchrow(
        """
        SELECT s.state, r.code FROM single_purchases s JOIN rounds r ON r.id = s.round_id
        WHERE s.id = $1 AND $2 = CASE WHEN $3 = 'canceled' THEN s.buyer_id ELSE r.vendor_id END FOR UPDATE OF s
        """,
        purchase_id,
        actor.organization_id,
        state,
    )
    if row is None:
        raise SinglePurchaseNotFound(purchase_id)
    if row["state"] == state:
        return
    if row["state"] != "placed":
        raise SinglePurchaseConflict(purchase_id, row["state"])
    await conn.execute(
        """
        UPDATE single_purchases SET state = $2, decided_by = $3, decided_at = clock_timestamp()
        WHERE id = $1 AND state = 'placed'
        """,
        purchase_id,
        state,
        actor.person_id,
    )
    await _record(conn, purchase_id, state, row["code"], actor)
    await _tell(conn, purchase_id, f"single.{state}", to_seller=state == "canceled")


async def _record(
    conn: asyncpg.Connection,
    purchase_id: UUID,
    state: SinglePurchaseState,
    code: str,
    actor: Actor,
    **data: int,
) -> None:
    await record_event(
        conn,
        kind=f"single.{state}",
        subject="single_purchase",
        subject_id=str(purchase_id),
        actor=actor,
        round=code,
        **data,
    )


async def _tell(conn: asyncpg.Connection, purchase_id: UUID, kind: str, *, to_seller: bool) -> None:
    """Tell the vendor and the coordinator, or the buyer."""
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT told, $2, jsonb_build_object('round', r.code, 'path', CASE
            WHEN told = r.vendor_id THEN '/vendor/rounds/' WHEN told = r.coordinator_id THEN '/coordinator/rounds/'
            ELSE '/rounds/' END || r.code)
        FROM single_purchases s JOIN rounds r ON r.id = s.round_id,
             unnest(CASE WHEN $3 THEN ARRAY[r.vendor_id, r.coordinator_id] ELSE ARRAY[s.buyer_id] END) AS told
        WHERE s.id = $1
        """,
        purchase_id,
        kind,
        to_seller,
    )


async def get_single_purchase(
    conn: asyncpg.Connection, purchase_id: UUID, *, organization_id: int
) -> SinglePurchase:
    """Read a purchase as its buyer, the vendor or the coordinator. Raises SinglePurchaseNotFound for others."""
    row = await conn.fetchrow(
        f"{PURCHASE} WHERE s.id = $1 AND $2 IN (s.buyer_id, r.vendor_id, r.coordinator_id)",
        purchase_id,
        organization_id,
    )
    if row is None:
        raise SinglePurchaseNotFound(purchase_id)
    return SinglePurchase(*row)


async def list_single_purchases(
    conn: asyncpg.Connection, *, organization_id: int, round_id: int | None = None, limit: int = 200
) -> list[SinglePurchase]:
    """List the purchases that this organization buys, sells or coordinates, the newest first."""
    rows = await conn.fetch(
        f"{PURCHASE} WHERE $1 IN (s.buyer_id, r.vendor_id, r.coordinator_id) "
        "AND ($2::bigint IS NULL OR r.id = $2) ORDER BY s.at DESC, s.id LIMIT $3",
        organization_id,
        round_id,
        limit,
    )
    return [SinglePurchase(*row) for row in rows]
