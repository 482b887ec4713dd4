"""Read orders as their buyer, their vendor or the coordinator: one, a page of many, and what is due from whom."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal, get_args
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.money import vat_krw
from group_buy.core.order import (
    DueStep,
    Inspection,
    LatePenalty,
    OrderProgress,
    OrderState,
    RejectReason,
    StepKind,
    due_steps,
    late_penalty,
)
from group_buy.errors import OrderNotFound

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 20
"""A list goes so far; what lies behind is found by its state or round."""

DUE_ORDERS_MAX: Final = 200
"""So many orders under way, the longest promised first, are looked through for what is due."""

COLUMNS: Final = """
    o.id, o.number, o.source, r.code AS round_code, r.title_ko, r.title_en,
    o.buyer_id, b.name_ko AS buyer_ko, b.name_en AS buyer_en, o.vendor_id, v.name_ko AS vendor_ko, v.name_en AS vendor_en,
    o.coordinator_id, o.state, o.quantity, o.unit_price_krw, o.quantity_delivered, o.quantity_accepted,
    o.placed_at, o.ordered_on, o.due_on, o.promised_on,
    coalesce(o.last_on, o.ordered_on, (o.placed_at AT TIME ZONE 'Asia/Seoul')::date) AS last_on,
    o.inspection, o.warranty_months, o.warranty_until, o.late_day_ppm, o.late_cap_bp, r.is_illustrative
"""
PARTS: Final = """
    JOIN rounds r ON r.id = o.round_id JOIN organizations b ON b.id = o.buyer_id
    JOIN organizations v ON v.id = o.vendor_id
"""


def _of_one_side(source: str, condition: str, key: str) -> str:
    """Ids and sort keys of an organization's orders, up to $2 of each part of `source`, by the index of its one side.

    An organization is of one kind, so two of the three sides are empty.
    """
    sides = (
        f"SELECT x.id, x.key FROM {source} CROSS JOIN LATERAL ("
        f"SELECT o.id, {key} AS key FROM orders o WHERE o.{side} = $1 AND o.quantity > 0 AND {condition} LIMIT $2) x"
        for side in ("buyer_id", "vendor_id", "coordinator_id")
    )
    return " UNION ALL ".join(sides)


def _page_of(found: str) -> str:
    """The orders of one page ($3 of them after $4) among those found, the newest first."""
    return f"""
        WITH page AS MATERIALIZED (SELECT id, key FROM ({found}) f ORDER BY key DESC, id LIMIT $3 OFFSET $4)
        SELECT {COLUMNS} FROM page JOIN orders o USING (id) {PARTS} ORDER BY page.key DESC, o.id
    """


ORDERS_OF_STATES: Final = _page_of(
    _of_one_side(
        "unnest($5::text[]) AS s (state)", "o.state = s.state ORDER BY o.placed_at DESC, o.id", "o.placed_at"
    )
)
ORDERS_OF_ROUND: Final = _page_of("""
    SELECT o.id, o.placed_at AS key FROM orders o
    WHERE o.round_id = (SELECT id FROM rounds WHERE code = $5) AND ($6::text IS NULL OR o.state = $6)
      AND $1 IN (o.buyer_id, o.vendor_id, o.coordinator_id) AND o.quantity > 0 AND $2 > 0 -- $2 is the others' limit
""")
UNDER_WAY: Final = _of_one_side(
    "(SELECT 1) s",
    "o.state NOT IN ('in_warranty', 'closed') AND o.ordered_on IS NOT NULL "
    "ORDER BY coalesce(o.promised_on, o.ordered_on)",
    "coalesce(o.promised_on, o.ordered_on)",
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its three parties see it. Units; won of a unit without VAT; days are Korean, instants UTC.

    `ordered_on` None: the round is not ordered yet. `due_on`: the contract's day, `promised_on`: the vendor's word.
    """

    id: UUID
    number: str
    source: Literal["allocation", "single_purchase"]
    round_code: str
    title_ko: str
    title_en: str
    buyer_id: int
    buyer_ko: str
    buyer_en: str
    vendor_id: int
    vendor_ko: str
    vendor_en: str
    coordinator_id: int
    state: OrderState
    quantity: int
    unit_price_krw: int
    quantity_delivered: int
    quantity_accepted: int
    placed_at: datetime
    ordered_on: date | None
    due_on: date | None
    promised_on: date | None
    last_on: date
    inspection: Inspection | None
    warranty_months: int | None
    warranty_until: date | None
    late_day_ppm: int
    late_cap_bp: int
    is_illustrative: bool

    @property
    def supply_krw(self) -> int:
        """Won without VAT."""
        return self.quantity * self.unit_price_krw

    @property
    def total_krw(self) -> int:
        """Won with VAT."""
        return self.supply_krw + vat_krw(self.supply_krw)

    @property
    def progress(self) -> OrderProgress:
        """What the rules of steps look at."""
        return OrderProgress(**{name: getattr(self, name) for name in OrderProgress.__struct_fields__})

    @property
    def open(self) -> int:
        """Units that are still to come."""
        return self.progress.open

    @property
    def waiting(self) -> int:
        """Units that are at the buyer's site and not yet accepted."""
        return self.progress.waiting


class OrderStepView(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was taken, with who took it."""

    id: UUID
    kind: StepKind
    done_on: date
    promised_on: date | None
    quantity: int | None
    quantity_accepted: int | None
    quantity_rejected: int | None
    reason: RejectReason | None
    note: str
    person: str | None
    organization_ko: str | None
    organization_en: str | None
    at: datetime


class OrderPage(msgspec.Struct, frozen=True):
    """A page of orders, the newest first. `has_more`: there is another one."""

    orders: list[Order]
    page: int
    has_more: bool


class DueOrder(msgspec.Struct, frozen=True):
    """An order with a step that it waits for."""

    order: Order
    due: DueStep


async def get_order(conn: asyncpg.Connection, number: str, *, organization_id: int) -> Order:
    """Read an order as its buyer, its vendor or the coordinator. Raises OrderNotFound for others."""
    row = await conn.fetchrow(
        f"SELECT {COLUMNS} FROM orders o {PARTS} "
        "WHERE o.number = $1 AND $2 IN (o.buyer_id, o.vendor_id, o.coordinator_id)",
        number,
        organization_id,
    )
    if row is None:
        raise OrderNotFound(number)
    return Order(**dict(row))


async def list_orders(
    conn: asyncpg.Connection,
    *,
    organization_id: int,
    state: OrderState | None = None,
    round_code: str | None = None,
    page: int = 1,
) -> OrderPage:
    """List what this organization buys, sells or coordinates, the newest first; only of a state or a round if given.

    Orders that fell away are left out. `page` counts from 1 to PAGES_MAX.
    """
    page = min(max(page, 1), PAGES_MAX)
    window = (organization_id, page * PAGE_SIZE + 1, PAGE_SIZE + 1, (page - 1) * PAGE_SIZE)
    if round_code is not None:
        rows = await conn.fetch(ORDERS_OF_ROUND, *window, round_code, state)
    else:
        states = get_args(OrderState) if state is None else (state,)
        rows = await conn.fetch(ORDERS_OF_STATES, *window, states)
    orders = [Order(**dict(row)) for row in rows[:PAGE_SIZE]]
    return OrderPage(orders, page, has_more=len(rows) > PAGE_SIZE and page < PAGES_MAX)


async def list_due_orders(
    conn: asyncpg.Connection, *, organization_id: int, today: date, ahead_days: int = 7
) -> list[DueOrder]:
    """List the steps that this organization owes by `today` + `ahead_days`, the longest due first.

    The coordinator owes none; it is shown what is overdue at the others.
    """
    rows = await conn.fetch(
        f"""
        WITH live AS MATERIALIZED (SELECT id FROM ({UNDER_WAY}) f ORDER BY key LIMIT $2)
        SELECT {COLUMNS} FROM live JOIN orders o USING (id) {PARTS}
        """,
        organization_id,
        DUE_ORDERS_MAX,
    )
    found = []
    for row in rows:
        order = Order(**dict(row))
        side = {order.buyer_id: "buyer", order.vendor_id: "vendor"}.get(organization_id)
        for due in due_steps(order.progress):
            days = (due.on - today).days
            if days < 0 if side is None else due.side == side and days <= ahead_days:
                found.append(DueOrder(order, due))
    return sorted(found, key=lambda each: (each.due.on, each.order.number))


async def list_order_steps(conn: asyncpg.Connection, *, order_id: UUID) -> list[OrderStepView]:
    """List the steps of an order in the order in which they were taken."""
    rows = await conn.fetch(
        """
        SELECT s.id, s.kind, s.done_on, s.promised_on, s.quantity, s.quantity_accepted, s.quantity_rejected, s.reason,
               s.note, p.name AS person, g.name_ko AS organization_ko, g.name_en AS organization_en, s.at
        FROM order_steps s LEFT JOIN people p ON p.id = s.person_id LEFT JOIN organizations g ON g.id = s.organization_id
        WHERE s.order_id = $1 ORDER BY s.step_no
        """,
        order_id,
    )
    return [OrderStepView(**dict(row)) for row in rows]


def penalty_of(order: Order, steps: list[OrderStepView], *, today: date) -> LatePenalty:
    """What an order's lateness would cost up to today, at the terms frozen in it."""
    changes = [(step.done_on, step.quantity or -(step.quantity_rejected or 0)) for step in steps]
    return late_penalty(
        quantity=order.quantity,
        unit_price_krw=order.unit_price_krw,
        due_on=order.due_on,
        changes=changes,
        late_day_ppm=order.late_day_ppm,
        late_cap_bp=order.late_cap_bp,
        as_of=today,
    )


async def find_order_numbers(
    conn: asyncpg.Connection, *, buyer_id: int, limit: int = 1000
) -> Mapping[UUID, tuple[str, OrderState]]:
    """Number and state of a buyer's newest orders by the id of their pledge or single purchase."""
    rows = await conn.fetch(
        """
        SELECT coalesce(a.pledge_id, o.id) AS id, o.number, o.state FROM orders o LEFT JOIN allocations a ON a.id = o.id
        WHERE o.buyer_id = $1 ORDER BY o.placed_at DESC LIMIT $2
        """,
        buyer_id,
        limit,
    )
    return {row["id"]: (row["number"], row["state"]) for row in rows}
