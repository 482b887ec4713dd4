"""Demands as JSON: a factory's own by PUT, and what all factories need for a coordinator."""

from uuid import UUID

from litestar import delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody

from catalog.demands import (
    Demand,
    DemandInput,
    list_demands,
    list_open_demands,
    place_demand,
    withdraw_demand,
)
from marketplace.deps import Conn, User, signed_in


@get("/api/demands", opt={"audience": "buyer"}, tags=["demands"])
async def read_demands(conn: Conn, user: User) -> list[Demand]:
    """List one's own demands, the open ones first."""
    return await list_demands(conn, factory_id=signed_in(user).organization_id)


@get("/api/open-demands", opt={"audience": "operator"}, tags=["demands"])
async def read_open_demands(
    conn: Conn, category: FromQuery[str | None] = None, subcategory: FromQuery[str | None] = None
) -> list[Demand]:
    """List what factories need now, the soonest needed first; of a category and subcategory if given."""
    return await list_open_demands(
        conn,
        categories=None if category is None else [category],
        subcategories=None if subcategory is None else [subcategory],
    )


@put("/api/demands/{demand_id:uuid}", opt={"audience": "buyer"}, tags=["demands"])
async def put_demand(
    demand_id: FromPath[UUID], data: JSONBody[DemandInput], conn: Conn, user: User
) -> Demand:
    """Say what the factory needs, under an id made by the client; the same request twice is one demand."""
    return await place_demand(conn, demand_id=demand_id, wanted=data, actor=signed_in(user).actor)


@delete("/api/demands/{demand_id:uuid}", opt={"audience": "buyer"}, tags=["demands"])
async def delete_demand(demand_id: FromPath[UUID], conn: Conn, user: User) -> None:
    """Take a demand back; repeating it changes nothing."""
    await withdraw_demand(conn, demand_id=demand_id, actor=signed_in(user).actor)


DEMANDS_API = [read_demands, read_open_demands, put_demand, delete_demand]
