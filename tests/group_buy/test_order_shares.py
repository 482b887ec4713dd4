"""The domestic share of an order is that of the day its round cleared."""

from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from catalog.core.viewer import Viewer
from catalog.origin_claims import claim_origin, verify_origin_claim
from group_buy.closing import begin_closing
from group_buy.deciding import clear_if_decided


async def shares(conn: asyncpg.Connection) -> list[tuple[int | None, int | None]]:
    rows = await conn.fetch("SELECT verified_bp, claimed_bp FROM allocation_shares ORDER BY allocation_id")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("has_claim", [True, False])
async def test_a_share_is_frozen_when_the_round_clears(conn: asyncpg.Connection, has_claim: bool) -> None:
    coordinator = await a_coordinator(conn)
    buying_round = await a_round(conn, coordinator=coordinator)
    assert coordinator.organization_id is not None
    claim_id = uuid4()
    if has_claim:
        await claim_origin(
            conn, claim_id=claim_id, product_code="product-of-offer-of-round",
            viewer=Viewer(coordinator.organization_id, "coordinator"), basis="self_declared", country="KR",
            domestic_content_bp=7_000, is_fictional=True,
        )  # fmt: skip
    for factory in ("one", "two"):
        await fund(conn, await a_pledge(conn, buying_round, factory, 3))
    await begin_closing(conn, code="round", actor=coordinator, early=True)
    assert await clear_if_decided(conn, code="round")
    frozen = [(0, 7_000 if has_claim else 0)] * 2
    assert await shares(conn) == frozen
    if has_claim:
        now = await conn.fetchval("SELECT clock_timestamp()")
        await verify_origin_claim(conn, claim_id=claim_id, verifier_id=coordinator.organization_id, now=now)
        assert await shares(conn) == frozen, "what was verified later changes no order"


async def test_the_application_cannot_rewrite_a_frozen_share(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.execute("UPDATE allocation_shares SET verified_bp = 10000")
