"""Short ways to make valid things in a test; each argument that matters to the test is given, the rest has a default."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg

from catalog.core.viewer import Viewer
from catalog.events import Actor
from group_buy.core.pledge import LineInput, Pledge
from group_buy.core.round import Round, RoundPolicies, SettlementTerms
from group_buy.pledging import place_pledge
from group_buy.receiving import verify_funding
from group_buy.rounds import open_round
from marketplace.accounts.people import add_organization, add_person

TIERS = ((2, 1_000_000), (5, 900_000), (10, 800_000))
PASSWORD = "a password of a test"


async def an_organization(
    conn: asyncpg.Connection,
    code: str,
    *,
    kind: Literal["factory", "vendor", "coordinator", "partner"] = "factory",
) -> int:
    return await add_organization(
        conn, code=code, kind=kind, name_ko=f"{code} 회사", name_en=f"{code} company"
    )


async def a_person(conn: asyncpg.Connection, organization: str, *, roles: tuple[str, ...]) -> int:
    organization_id = await conn.fetchval("SELECT id FROM organizations WHERE code = $1", organization)
    return await add_person(
        conn,
        email=f"{organization}@test.example",
        name=f"person of {organization}",
        password=PASSWORD,
        organization_id=organization_id,
        roles=frozenset(roles),  # type: ignore[arg-type]
    )


async def a_buyer(conn: asyncpg.Connection, code: str) -> tuple[Viewer, int]:
    """A factory with one buyer: how it looks at the market, and the person's id."""
    factory_id = await an_organization(conn, code)
    return Viewer(factory_id, "factory"), await a_person(conn, code, roles=("buyer",))


async def a_coordinator(conn: asyncpg.Connection, code: str = "alliance") -> Actor:
    coordinator_id = await an_organization(conn, code, kind="coordinator")
    return Actor(await a_person(conn, code, roles=("operator",)), coordinator_id)


async def a_product(
    conn: asyncpg.Connection, code: str = "product", *, vendor: str = "vendor", **columns: Any
) -> int:
    vendor_id = await an_organization(conn, vendor, kind="vendor")
    maker_id = await conn.fetchval(
        """
        INSERT INTO makers (name, name_ko, country) VALUES ('Maker', '메이커', 'KR')
        ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
        """
    )
    values = {
        "code": code,
        "vendor_id": vendor_id,
        "maker_id": maker_id,
        "model": code,
        "category": "robot",
        "subcategory": "collaborative robot",
        "name_ko": f"{code} 협동로봇",
        "name_en": f"{code} cobot",
        "verification": "fictional",
    } | columns
    names, marks = ", ".join(values), ", ".join(f"${n}" for n in range(1, len(values) + 1))
    return int(
        await conn.fetchval(f"INSERT INTO products ({names}) VALUES ({marks}) RETURNING id", *values.values())
    )


async def an_offer(
    conn: asyncpg.Connection,
    code: str = "offer",
    *,
    tiers: tuple[tuple[int, int], ...] = TIERS,
    capacity: int = 20,
    pack_size: int = 1,
    audience: str = "public",
    vendor: str = "vendor",
) -> str:
    """A published offer on a product of its own."""
    product_id = await a_product(conn, f"product-of-{code}", vendor=vendor)
    offer_id = await conn.fetchval(
        """
        INSERT INTO offers (code, vendor_id, product_id, audience, list_unit_price_krw, capacity, pack_size, lead_time_days)
        SELECT $1, vendor_id, id, $3, $4, $5, $6, 30 FROM products WHERE id = $2 RETURNING id
        """,
        code,
        product_id,
        audience,
        tiers[0][1] + 100_000,
        capacity,
        pack_size,
    )
    await conn.executemany(
        "INSERT INTO price_tiers (offer_id, quantity_min, unit_price_krw) VALUES ($1, $2, $3)",
        [(offer_id, quantity, price) for quantity, price in tiers],
    )
    return code


async def a_round(
    conn: asyncpg.Connection,
    code: str = "round",
    *,
    coordinator: Actor | None = None,
    tiers: tuple[tuple[int, int], ...] = TIERS,
    capacity: int = 20,
    pack_size: int = 1,
    audience: str = "public",
    allocation_rule: Literal["pro_rata", "time", "price_time"] = "pro_rata",
    deposit_bp: int = 1000,
    lasts: timedelta = timedelta(days=1),
    may_close_early: bool = True,
    funding_window: timedelta = timedelta(0),
    policies: RoundPolicies = RoundPolicies(),  # noqa: B008 - frozen
    settlement: SettlementTerms = SettlementTerms(),  # noqa: B008 - frozen
) -> Round:
    """An open round on an offer of its own."""
    actor = coordinator or await a_coordinator(conn)
    offer = await an_offer(
        conn, f"offer-of-{code}", tiers=tiers, capacity=capacity, pack_size=pack_size, audience=audience
    )
    now = await conn.fetchval("SELECT clock_timestamp()")
    assert actor.organization_id is not None
    return await open_round(
        conn,
        code=code,
        offer_code=offer,
        coordinator_id=actor.organization_id,
        opens_at=now,
        closes_at=now + lasts,
        allocation_rule=allocation_rule,
        deposit_bp=deposit_bp,
        may_close_early=may_close_early,
        funding_window=funding_window,
        policies=policies,
        settlement=settlement,
        actor=actor,
    )


async def a_pledge(
    conn: asyncpg.Connection,
    buying_round: Round,
    factory: str,
    quantity_max: int,
    *,
    quantity_min: int = 1,
    limit: int | None = None,
    funding: Literal["transfer", "card"] = "transfer",
    pledge_id: UUID | None = None,
) -> Pledge:
    buyer, person_id = await a_buyer(conn, factory)
    return await place_pledge(
        conn,
        round_code=buying_round.code,
        pledge_id=pledge_id or uuid4(),
        buyer=buyer,
        person_id=person_id,
        funding=funding,
        lines=(LineInput(quantity_max, quantity_min, limit),),
    )


async def fund(conn: asyncpg.Connection, pledge: Pledge, *, received_krw: int = 0) -> None:
    """The coordinator verified the pledge: by a deposit if won came in, else by an order."""
    row = await conn.fetchrow(
        """
        SELECT r.coordinator_id, m.person_id FROM rounds r JOIN memberships m ON m.organization_id = r.coordinator_id
        WHERE r.id = $1
        """,
        pledge.round_id,
    )
    assert row is not None
    await verify_funding(
        conn,
        pledge_id=pledge.id,
        coordinator_id=row["coordinator_id"],
        kind="deposit" if received_krw else "order",
        received_krw=received_krw,
        actor=Actor(row["person_id"], row["coordinator_id"]),
    )
