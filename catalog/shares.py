"""The domestic share of what an offer sells, as of now: what an order freezes when its round clears."""

from datetime import date

import asyncpg
import msgspec

from catalog.core.origin import OriginClaim, ShareInterval, ShareLine, domestic_share


class _Line(msgspec.Struct, frozen=True):
    slot: str
    quantity: int
    unit_price_krw: int | None
    origin: OriginClaim | None


class _Sold(msgspec.Struct, frozen=True):
    today: date
    is_product: bool
    lines: tuple[_Line, ...]


async def read_share(conn: asyncpg.Connection, *, offer_id: int) -> ShareInterval | None:
    """The interval of one unit of the offer: its product, or the very package version it was made for.

    Unlike a page, this sees every component, also those that their listers hide: it is a figure for the
    order's own parties. A product alone weighs only against itself. None where a part's value is unknown.
    """
    row = await conn.fetchval(
        """
        SELECT json_build_object(
            'today', day.today, 'is_product', o.product_id IS NOT NULL,
            'lines', coalesce((
                SELECT json_agg(json_build_object(
                    'slot', sold.slot, 'quantity', sold.quantity,
                    'unit_price_krw', coalesce((
                        SELECT min(x.list_unit_price_krw) FROM offers x
                        JOIN organizations s ON s.id = x.vendor_id AND s.state = 'active'
                        WHERE x.product_id = p.id AND x.state = 'published' AND x.audience = 'public'
                          AND (x.valid_until IS NULL OR x.valid_until >= day.today)), f.unit_price_krw),
                    'origin', (SELECT c.origin FROM live_origin_claims c WHERE c.product_id = p.id)))
                FROM (SELECT b.slot, b.product_id, b.quantity FROM bom_lines b
                      WHERE b.package_version_id = o.package_version_id
                      UNION ALL
                      SELECT q.category, q.id, 1 FROM products q WHERE q.id = o.product_id) sold
                JOIN products p ON p.id = sold.product_id
                LEFT JOIN reference_prices f ON f.product_id = p.id), '[]'::json))::text
        FROM offers o
        CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date AS today) day
        WHERE o.id = $1
        """,
        offer_id,
    )
    sold = msgspec.json.decode(row, type=_Sold)
    return domestic_share(
        [
            ShareLine(
                line.slot == "service",
                line.quantity,
                1 if sold.is_product else line.unit_price_krw,
                line.origin,
            )
            for line in sold.lines
        ],
        today=sold.today,
    )
