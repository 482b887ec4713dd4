"""Orders as JSON: a page of them, one with its steps and talk, and the steps of its parties."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from group_buy.core.order import DueStep, LatePenalty, OrderState, OrderStep, due_steps
from group_buy.order_talk import OrderMessage, list_order_messages, say
from group_buy.ordering import take_order_step
from group_buy.orders import (
    PAGES_MAX,
    Order,
    OrderPage,
    OrderStepView,
    get_order,
    list_order_steps,
    list_orders,
    penalty_of,
)
from marketplace.accounts.access import CurrentUser, belongs_to
from marketplace.deps import Conn, User, signed_in
from marketplace.web.catalog_views import read_today

PageNumber = Annotated[int, QueryParameter(ge=1, le=PAGES_MAX)]
StateName = Annotated[OrderState | None, QueryParameter(name="state")]
RoundCode = Annotated[str | None, QueryParameter(name="round", max_length=100)]


class OrderAnswer(msgspec.Struct, frozen=True):
    """An order with its steps, who owes the next ones, and what lateness would cost so far (nobody has agreed to it)."""

    order: Order
    steps: list[OrderStepView]
    due: list[DueStep]
    late: LatePenalty


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said about an order."""

    text: str


def require_party(user: CurrentUser | None) -> CurrentUser:
    """The person, if they act for a buyer, a vendor or a coordinator; whose order it is, the statement decides.

    Raises:
        PermissionDeniedException: of another kind, or without the role.
    """
    if not (belongs_to(user, "buyer") or belongs_to(user, "lister") or belongs_to(user, "operator")):
        raise PermissionDeniedException("this is for: buyer, lister, operator")
    return signed_in(user)


@get("/api/orders", opt={"audience": "member"}, tags=["orders"])
async def read_orders(
    conn: Conn,
    user: User,
    order_state: FromQuery[StateName] = None,
    round_code: FromQuery[RoundCode] = None,
    page: FromQuery[PageNumber] = 1,
) -> OrderPage:
    """List the orders that one's organization buys, sells or coordinates, the newest first, 50 a page."""
    return await list_orders(
        conn,
        organization_id=signed_in(user).organization_id,
        state=order_state,
        round_code=round_code,
        page=page,
    )


@get("/api/orders/{number:str}", opt={"audience": "member"}, tags=["orders"])
async def read_order(number: FromPath[str], conn: Conn, user: User) -> OrderAnswer:
    """Read an order of one's organization with its steps."""
    order = await get_order(conn, number, organization_id=signed_in(user).organization_id)
    steps = await list_order_steps(conn, order_id=order.id)
    late = penalty_of(order, steps, today=await read_today(conn))
    return OrderAnswer(order, steps, due_steps(order.progress), late)


@put("/api/orders/{number:str}/steps/{step_id:uuid}", opt={"audience": "member"}, tags=["orders"])
async def put_order_step(
    number: FromPath[str], step_id: FromPath[UUID], data: JSONBody[OrderStep], conn: Conn, user: User
) -> Order:
    """Take a step under an id made by the client: the vendor confirms, delivers, installs; the buyer inspects."""
    me = require_party(user)
    await take_order_step(conn, number=number, step_id=step_id, step=data, actor=me.actor)
    return await get_order(conn, number, organization_id=me.organization_id)


@get("/api/orders/{number:str}/messages", opt={"audience": "member"}, tags=["orders"])
async def read_order_messages(number: FromPath[str], conn: Conn, user: User) -> list[OrderMessage]:
    """List what was said about an order, the oldest first."""
    order = await get_order(conn, number, organization_id=signed_in(user).organization_id)
    return await list_order_messages(conn, order_id=order.id)


@put(
    "/api/orders/{number:str}/messages/{message_id:uuid}",
    opt={"audience": "member"},
    status_code=204,
    tags=["orders"],
)
async def put_order_message(
    number: FromPath[str], message_id: FromPath[UUID], data: JSONBody[Said], conn: Conn, user: User
) -> None:
    """Say something about an order, under an id made by the client."""
    me = require_party(user)
    await say(conn, number=number, message_id=message_id, text=data.text.strip(), actor=me.actor)


ORDERS_API = [read_orders, read_order, put_order_step, read_order_messages, put_order_message]
