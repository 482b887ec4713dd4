"""What a domestic swap is decided from: foreign components and the products that could stand in, in one query."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import asyncpg
import msgspec

from catalog.core.domestic_swap import Described, SwapLine, domestic_swaps, is_foreign
from catalog.core.package_model import BomLine
from catalog.core.viewer import ANONYMOUS, Viewer

CANDIDATES_MAX: Final = 60
"""Most products that are weighed for each kind of component."""


async def read_swaps(
    conn: asyncpg.Connection,
    *,
    packages: Sequence[Sequence[BomLine]],
    today: date,
    viewer: Viewer = ANONYMOUS,
) -> list[tuple[SwapLine, ...]]:
    """For each bill of materials, its foreign lines with their nearest domestic products.

    Only published products that this viewer may see are proposed.
    """
    foreign = {
        line.product.code
        for lines in packages
        for line in lines
        if line.product is not None and line.slot != "service" and is_foreign(line.product, today=today)
    }
    if not foreign:
        return [() for _ in packages]
    described = await _describe(conn, codes=sorted(foreign), today=today, viewer=viewer)
    return [domestic_swaps(lines, described, today=today) for lines in packages]


async def _describe(
    conn: asyncpg.Connection, *, codes: Sequence[str], today: date, viewer: Viewer
) -> dict[str, Described]:
    rows = await conn.fetch(
        """
        WITH wanted AS (
            SELECT id, category, subcategory FROM products WHERE code = ANY ($1::text[])
        ), candidates AS (
            SELECT p.id, row_number() OVER (PARTITION BY p.category, p.subcategory ORDER BY p.id) AS place
            FROM products p
            JOIN organizations v ON v.id = p.vendor_id AND v.state = 'active'
            JOIN makers m ON m.id = p.maker_id AND m.country = 'KR'
            WHERE (p.category, p.subcategory) IN (SELECT category, subcategory FROM wanted)
              AND p.state = 'published' AND p.verification <> 'name_only'
              AND (p.visibility = 'public' OR p.visibility = 'members' AND $2::bigint IS NOT NULL
                   OR p.vendor_id = $2 OR $3)
        ), wanted_codes AS (
            SELECT DISTINCT s.code FROM product_specs s JOIN wanted w ON w.id = s.product_id
        ), chosen AS (
            SELECT id FROM wanted UNION SELECT id FROM candidates WHERE place <= $5
        )
        SELECT json_build_object(
            'product', json_build_object(
                'code', p.code, 'name_ko', p.name_ko, 'name_en', p.name_en, 'model', p.model,
                'category', p.category, 'subcategory', p.subcategory, 'verification', p.verification,
                'maker', json_build_object('name', k.name, 'name_ko', k.name_ko, 'country', k.country),
                'reference_price_krw', coalesce((
                    SELECT min(o.list_unit_price_krw) FROM offers o
                    JOIN organizations s ON s.id = o.vendor_id AND s.state = 'active'
                    WHERE o.product_id = p.id AND o.state = 'published' AND o.audience = 'public'
                      AND (o.valid_until IS NULL OR o.valid_until >= $4)), f.unit_price_krw),
                'origin', (SELECT c.origin FROM live_origin_claims c WHERE c.product_id = p.id)),
            'specs', coalesce((
                SELECT json_agg(json_build_object(
                    'code', s.code, 'name_ko', d.name_ko, 'name_en', d.name_en, 'kind', d.kind,
                    'shown', s.shown, 'number', s.number, 'number_max', s.number_max, 'text', s.text,
                    'boolean', s.boolean, 'unit', s.unit, 'base_unit', d.unit, 'better', d.better,
                    'is_comparable', d.comparable, 'position', d.position) ORDER BY d.position, s.code)
                FROM product_specs s JOIN spec_definitions d ON d.code = s.code
                -- of a candidate only what some wanted component states is ever looked at
                WHERE s.product_id = p.id AND s.code IN (SELECT code FROM wanted_codes)), '[]'::json),
            'service_center_count', (
                SELECT count(*) FROM service_centers x
                JOIN organizations w ON w.id = x.vendor_id AND w.state = 'active'
                WHERE x.maker_id = p.maker_id AND x.status = 'operating'
                  AND x.roles && ARRAY['service', 'repair']
                  AND (x.source_title IS NOT NULL OR x.confirmed_at IS NOT NULL)))::text
        FROM chosen
        JOIN products p ON p.id = chosen.id
        JOIN makers k ON k.id = p.maker_id
        LEFT JOIN reference_prices f ON f.product_id = p.id
        ORDER BY p.code
        """,
        codes,
        viewer.organization_id,
        viewer.is_coordinator,
        today,
        CANDIDATES_MAX,
    )
    found = [msgspec.json.decode(row[0], type=Described) for row in rows]
    return {entry.product.code: entry for entry in found}
