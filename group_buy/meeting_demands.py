"""Demands meet rounds: what factories need of an offer's kind, and word to them when a round opens."""

import asyncpg

from catalog.demands import Demand, list_open_demands
from group_buy.core.round import Round


async def list_demands_for_offer(conn: asyncpg.Connection, *, offer_code: str) -> list[Demand]:
    """List the open demands that an offer could meet: of its product's category, or of a component's of its package."""
    row = await conn.fetchrow(
        """
        SELECT coalesce(array_agg(DISTINCT p.category), '{}'), coalesce(array_agg(DISTINCT p.subcategory), '{}')
        FROM offers o
        LEFT JOIN bom_lines b ON b.package_version_id = o.package_version_id
        JOIN products p ON p.id = coalesce(o.product_id, b.product_id)
        WHERE o.code = $1
        """,
        offer_code,
    )
    assert row is not None, "an aggregate always answers"
    return await list_open_demands(conn, categories=row[0], subcategories=row[1])


async def tell_demanding(conn: asyncpg.Connection, buying_round: Round) -> int:
    """Tell the factories whose demands a new round could meet, each once; return how many.

    A round for invited factories alone tells nobody: existence is private.
    """
    if buying_round.audience == "invited":
        return 0
    code = await conn.fetchval("SELECT code FROM offers WHERE id = $1", buying_round.offer_id)
    demands = await list_demands_for_offer(conn, offer_code=code)
    factories = sorted({demand.factory_id for demand in demands})
    await conn.execute(
        """
        INSERT INTO notifications (organization_id, kind, data)
        SELECT factory_id, 'round.for_demand',
               jsonb_build_object('round', $2::text, 'name_ko', $3::text, 'name_en', $4::text)
        FROM unnest($1::bigint[]) factory_id
        """,
        factories,
        buying_round.code,
        buying_round.title_ko,
        buying_round.title_en,
    )
    return len(factories)
