"""Orders in the database: they arise with what they are of, walk their steps, and refusals change nothing."""

import asyncio
from datetime import date, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from builders import a_buyer, a_coordinator, a_person, a_pledge, a_round, fund

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.core.order import Close, Confirm, Deliver, Inspect, Install, OrderStep
from group_buy.core.pledge import LineInput
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.errors import (
    IdReused,
    InvalidOrderStep,
    InvalidRound,
    OrderNotFound,
    OrderStepRefused,
    SinglePurchaseConflict,
)
from group_buy.lapsing import lapse_pledges
from group_buy.ordering import take_order_step
from group_buy.orders import Order, get_order, list_due_orders, list_order_steps, list_orders, penalty_of
from group_buy.pledging import place_pledge
from group_buy.single_purchasing import buy_single, cancel_single


class Sold:
    """A cleared round of pledges by f0, f1, …, with everybody who acts on its orders."""

    def __init__(
        self, conn: asyncpg.Connection, coordinator: Actor, vendor: Actor, buyers: list[Actor]
    ) -> None:
        self.conn, self.coordinator, self.vendor, self.buyers = conn, coordinator, vendor, buyers

    async def numbers(self) -> list[str]:
        rows = await self.conn.fetch("SELECT number FROM orders ORDER BY buyer_id")
        return [row["number"] for row in rows]

    async def order(self) -> None:
        assert self.coordinator.organization_id is not None
        await order_round(
            self.conn, code="round", coordinator_id=self.coordinator.organization_id, actor=self.coordinator
        )

    async def take(
        self, number: str, step: OrderStep, *, actor: Actor | None = None, step_id: UUID | None = None
    ) -> None:
        async with self.conn.transaction():
            await take_order_step(
                self.conn, number=number, step_id=step_id or uuid4(), step=step, actor=actor or self.vendor
            )

    async def read(self, number: str) -> Order:
        assert self.vendor.organization_id is not None
        return await get_order(self.conn, number, organization_id=self.vendor.organization_id)

    async def round_state(self) -> str:
        return str(await self.conn.fetchval("SELECT state FROM rounds"))


async def sold(conn: asyncpg.Connection, *quantities: int) -> Sold:
    coordinator = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=coordinator, allocation_rule="time")
    vendor = Actor(await a_person(conn, "vendor", roles=("lister",)), buying_round.vendor_id)
    buyers = []
    for n, quantity in enumerate(quantities):
        pledge = await a_pledge(conn, buying_round, f"f{n}", quantity)
        await fund(conn, pledge)
        person_id = await conn.fetchval("SELECT person_id FROM pledges WHERE id = $1", pledge.id)
        buyers.append(Actor(person_id, pledge.buyer_id))
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    return Sold(conn, coordinator, vendor, buyers)


async def today(conn: asyncpg.Connection) -> date:
    found: date = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    return found


async def everything(conn: asyncpg.Connection) -> list[object]:
    """All that a refusal must leave as it was."""
    rows = await conn.fetch(
        """
        SELECT to_jsonb(o)::text AS row FROM orders o UNION ALL SELECT to_jsonb(s)::text FROM order_steps s
        UNION ALL SELECT to_jsonb(r)::text FROM rounds r UNION ALL SELECT count(*)::text FROM events
        UNION ALL SELECT count(*)::text FROM notifications UNION ALL SELECT count(*)::text FROM ledger_entries
        UNION ALL SELECT to_jsonb(p)::text FROM single_purchases p ORDER BY 1
        """
    )
    return [row["row"] for row in rows]


async def test_a_cleared_round_has_an_order_for_each_allocation(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    orders = [await market.read(number) for number in await market.numbers()]
    assert [(o.quantity, o.state, o.ordered_on, o.due_on) for o in orders] == [
        (2, "placed", None, None),
        (3, "placed", None, None),
    ]
    await market.order()
    day = await today(checked)
    for number in await market.numbers():
        order = await market.read(number)
        assert (order.ordered_on, order.due_on) == (day, day + timedelta(30))
        assert order.number.startswith("ORD-")


async def test_the_last_delivery_of_its_orders_delivers_the_round(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    day = await today(checked)
    first, second = await market.numbers()
    for number in (first, second):
        await market.take(number, Confirm(day + timedelta(20)))
    await market.take(first, Deliver(day, 2))
    await market.take(second, Deliver(day, 1))
    assert await market.round_state() == "ordered"
    payable = "SELECT count(*) FROM ledger_entries WHERE reason = 'delivered'"
    assert await checked.fetchval(payable) == 0
    await market.take(second, Deliver(day, 2))
    assert await market.round_state() == "delivered"
    assert await checked.fetchval(payable) == 2
    assert tuple(await checked.fetchrow("SELECT quantity, returned FROM deliveries")) == (5, 0)
    assert await checked.fetchval("SELECT count(*) FROM allocation_changes") == 0


async def test_an_order_is_accepted_in_part_replaced_and_then_in_warranty(
    checked: asyncpg.Connection,
) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    day = await today(checked)
    _, number = await market.numbers()
    buyer = market.buyers[1]
    await market.take(number, Confirm(day))
    await market.take(number, Deliver(day, 3))
    await market.take(number, Install(day))
    await market.take(number, Inspect(day, 2, 1, "damaged", "포장이 찢어졌습니다"), actor=buyer)
    order = await market.read(number)
    assert (order.state, order.inspection, order.open, order.quantity_accepted) == (
        "inspected",
        "partly",
        1,
        2,
    )
    assert buyer.organization_id is not None
    assert await list_due_orders(checked, organization_id=buyer.organization_id, today=day) == []
    [due] = [
        each.due
        for each in await list_due_orders(checked, organization_id=order.vendor_id, today=day)
        if each.order.number == number
    ]
    assert due.kind == "deliver"
    await market.take(number, Deliver(day, 1))
    await market.take(number, Install(day))
    await market.take(number, Inspect(day, 1), actor=buyer)
    order = await market.read(number)
    assert (order.state, order.inspection, order.quantity_accepted) == ("in_warranty", "accepted", 3)
    steps = await list_order_steps(checked, order_id=order.id)
    assert [step.kind for step in steps] == [
        "confirm", "deliver", "install", "inspect", "deliver", "install", "inspect", "warranty",
    ]  # fmt: skip
    # No warranty is stated by the offer of the tests: nothing is left to wait for.
    await market.take(number, Close(), actor=buyer)
    assert (await market.read(number)).state == "closed"


async def test_a_step_repeated_is_one_and_its_id_is_not_taken_for_another(
    checked: asyncpg.Connection,
) -> None:
    market = await sold(checked, 3)
    await market.order()
    day = await today(checked)
    [number] = await market.numbers()
    await market.take(number, Confirm(day))
    step_id = uuid4()
    await market.take(number, Deliver(day, 1), step_id=step_id)
    before = await everything(checked)
    await market.take(number, Deliver(day, 1), step_id=step_id)
    with pytest.raises(IdReused):
        await market.take(number, Deliver(day, 2), step_id=step_id)
    assert await everything(checked) == before
    assert (await market.read(number)).quantity_delivered == 1


async def test_what_an_order_does_not_take_changes_nothing(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    day = await today(checked)
    first, second = await market.numbers()
    with pytest.raises(OrderStepRefused, match="not_ordered"):
        await market.take(first, Confirm(day))
    await market.order()
    await market.take(first, Confirm(day))
    await market.take(first, Deliver(day, 1))
    await market.take(first, Install(day))
    buyer, other = market.buyers
    before = await everything(checked)
    refused: list[tuple[str, OrderStep, Actor, type[Exception]]] = [
        (first, Deliver(day, 2), market.vendor, InvalidOrderStep),
        (first, Deliver(day - timedelta(1), 1), market.vendor, InvalidOrderStep),
        (first, Inspect(day, 2), buyer, InvalidOrderStep),
        (first, Inspect(day, 1), other, OrderNotFound),
        (first, Inspect(day, 1), market.vendor, OrderNotFound),
        (first, Inspect(day, 1), market.coordinator, OrderNotFound),
        (first, Deliver(day, 1), buyer, OrderNotFound),
        (first, Deliver(day, 1), market.coordinator, OrderNotFound),
        (first, Close(), buyer, OrderStepRefused),
        (second, Install(day), market.vendor, OrderStepRefused),
        (second, Deliver(day, 1), market.vendor, OrderStepRefused),
        ("ORD-000000-000000", Close(), buyer, OrderNotFound),
    ]
    for number, step, actor, error in refused:
        with pytest.raises(error):
            await market.take(number, step, actor=actor)
    assert await everything(checked) == before
    await market.take(first, Inspect(day, 1), actor=buyer)
    before = await everything(checked)
    with pytest.raises(OrderStepRefused, match="is_inspected"):
        await market.take(first, Inspect(day, 1), actor=buyer)
    assert await everything(checked) == before
    assert other.organization_id is not None
    with pytest.raises(OrderNotFound):
        await get_order(checked, first, organization_id=other.organization_id)


async def test_a_round_delivered_as_a_whole_delivers_its_orders(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    day = await today(checked)
    first, second = await market.numbers()
    await market.take(first, Confirm(day))
    await market.take(first, Deliver(day, 1))
    await record_delivery(checked, code="round", quantity=5, actor=market.coordinator)
    for number, quantity in ((first, 2), (second, 3)):
        order = await market.read(number)
        assert (order.state, order.quantity_delivered, order.promised_on) == ("shipped", quantity, day)
    steps = await list_order_steps(checked, order_id=(await market.read(second)).id)
    assert [(step.kind, step.organization_en) for step in steps] == [
        ("confirm", "alliance company"),
        ("deliver", "alliance company"),
    ]


async def test_a_short_delivery_makes_orders_smaller_but_never_below_what_came(
    checked: asyncpg.Connection,
) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    day = await today(checked)
    _, second = await market.numbers()
    await market.take(second, Confirm(day))
    await market.take(second, Deliver(day, 3))
    before = await everything(checked)
    with pytest.raises(InvalidRound) as refused:
        async with checked.transaction():
            await record_delivery(checked, code="round", quantity=4, actor=market.vendor)
    assert (refused.value.pointer, await everything(checked)) == ("/quantity", before)


async def test_a_short_delivery_is_what_the_orders_hold_then(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    await record_delivery(checked, code="round", quantity=4, actor=market.vendor)
    orders = [await market.read(number) for number in await market.numbers()]
    assert [(o.quantity, o.quantity_delivered) for o in orders] == [(2, 2), (2, 2)]


async def test_an_order_of_a_lapsed_pledge_falls_away(checked: asyncpg.Connection) -> None:
    market = await sold(checked, 2, 3)
    pledge_id = await checked.fetchval("SELECT pledge_id FROM allocations WHERE quantity = 3")
    assert market.coordinator.organization_id is not None
    await lapse_pledges(
        checked, code="round", pledge_ids=frozenset({pledge_id}), actor=market.coordinator,
        coordinator_id=market.coordinator.organization_id,
    )  # fmt: skip
    _, second = await market.numbers()
    assert (await market.read(second)).quantity == 0
    page = await list_orders(checked, organization_id=market.coordinator.organization_id)
    assert second not in [order.number for order in page.orders]
    day = await today(checked)
    with pytest.raises(OrderStepRefused, match="fell_away"):
        await market.take(second, Confirm(day))


async def test_two_last_deliveries_at_once_deliver_the_round_once(
    checked: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    market = await sold(checked, 2, 3)
    await market.order()
    day = await today(checked)
    numbers = await market.numbers()
    for number in numbers:
        await market.take(number, Confirm(day))

    async def deliver(number: str, quantity: int) -> None:
        async with pool.acquire() as own, own.transaction():
            step = Deliver(day, quantity)
            await take_order_step(own, number=number, step_id=uuid4(), step=step, actor=market.vendor)

    await asyncio.gather(deliver(numbers[0], 2), deliver(numbers[1], 3))
    assert await market.round_state() == "delivered"
    assert await checked.fetchval("SELECT count(*) FROM deliveries") == 1


async def test_the_penalty_of_a_late_order_is_shown_at_its_frozen_terms(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    market = await sold(checked, 2)
    await market.order()
    [number] = await market.numbers()
    await owner_conn.execute("UPDATE orders SET ordered_on = ordered_on - 40")
    order = await market.read(number)
    late = penalty_of(order, [], today=await today(checked))
    assert (late.days, late.unit_days) == (10, 20)
    assert late.penalty_krw == 20 * order.unit_price_krw * 750 // 1_000_000


async def single(conn: asyncpg.Connection) -> tuple[Sold, UUID]:
    """A purchase alone of two units, after a round of one pledge fell short."""
    coordinator = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=coordinator)
    vendor = Actor(await a_person(conn, "vendor", roles=("lister",)), buying_round.vendor_id)
    buyer, person_id = await a_buyer(conn, "f0")
    await place_pledge(
        conn, round_code="round", pledge_id=uuid4(), buyer=buyer, person_id=person_id, funding="transfer",
        lines=(LineInput(1),),
    )  # fmt: skip
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    purchase_id = uuid4()
    await buy_single(
        conn, purchase_id=purchase_id, round_code="round", quantity=2, buyer=Viewer(buyer.organization_id, "factory"),
        person_id=person_id,
    )  # fmt: skip
    return Sold(conn, coordinator, vendor, [Actor(person_id, buyer.organization_id)]), purchase_id


async def test_a_purchase_alone_is_an_order_and_its_confirmation_confirms_both(
    checked: asyncpg.Connection,
) -> None:
    market, purchase_id = await single(checked)
    day = await today(checked)
    [number] = await market.numbers()
    order = await market.read(number)
    assert (order.id, order.source, order.quantity, order.ordered_on) == (
        purchase_id,
        "single_purchase",
        2,
        day,
    )
    await market.take(number, Confirm(day))
    assert await checked.fetchval("SELECT state FROM single_purchases") == "confirmed"
    await market.take(number, Deliver(day, 2))
    assert await market.round_state() == "released"


async def test_a_canceled_purchase_leaves_no_order_to_confirm(checked: asyncpg.Connection) -> None:
    market, purchase_id = await single(checked)
    [number] = await market.numbers()
    await cancel_single(checked, purchase_id=purchase_id, actor=market.buyers[0])
    assert (await market.read(number)).quantity == 0
    before = await everything(checked)
    with pytest.raises(SinglePurchaseConflict):
        await market.take(number, Confirm(await today(checked)))
    assert await everything(checked) == before


async def test_the_application_cannot_make_or_rewrite_orders_and_steps(checked: asyncpg.Connection) -> None:
    for statement in (
        "UPDATE orders SET quantity = 1",
        "UPDATE orders SET late_day_ppm = 0",
        "INSERT INTO orders (id) VALUES (gen_random_uuid())",
        "UPDATE order_steps SET done_on = done_on",
        "DELETE FROM order_steps",
        "SELECT place_orders(NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await checked.execute(statement)
