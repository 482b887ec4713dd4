"""Products as pages and the comparison read them: one query, built as JSON by PostgreSQL.

Here and in other statements of pages, a list is written `(SELECT $1::text[])`, and the viewer is a row behind OFFSET 0.
PostgreSQL looks at the values of bare parameters and, finding a plan for those very values a little cheaper, plans a
statement of many joins anew each time, which costs more than running it. Behind a sub-select all values look alike, so
that a connection plans the statement once.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.product import Product
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import ProductNotFound, TooManyCodes

CODES_MAX = 50
"""Most products that one answer holds; a comparison asks for eight at most."""


async def get_product(conn: asyncpg.Connection, *, code: str, viewer: Viewer = ANONYMOUS) -> Product:
    """The product of this code with its specs and live origin claim.

    Raises ProductNotFound where there is none, or none that the viewer may see.
    """
    found = await list_products_by_codes(conn, codes=[code], viewer=viewer)
    if not found:
        raise ProductNotFound(code)
    return found[0]


async def list_products_by_codes(
    conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer = ANONYMOUS
) -> tuple[Product, ...]:
    """The visible products among `codes`, in the order asked for; unknown ones are left out.

    Specs come in the order of their definitions. Raises TooManyCodes above CODES_MAX.
    """
    if len(codes) > CODES_MAX:
        raise TooManyCodes(found=len(codes), limit=CODES_MAX)
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', p.id, 'code', p.code, 'model', p.model, 'series', p.series,
            'vendor', json_build_object('id', v.id, 'code', v.code, 'name_ko', v.name_ko,
                                        'name_en', v.name_en, 'is_fictional', v.is_fictional),
            'maker', json_build_object('name', m.name, 'name_ko', m.name_ko, 'country', m.country),
            'category', p.category, 'subcategory', p.subcategory,
            'name_ko', p.name_ko, 'name_en', p.name_en,
            'summary_ko', p.summary_ko, 'summary_en', p.summary_en, 'verification', p.verification,
            'source_title', p.source_title, 'source_url', p.source_url, 'source_kind', p.source_kind,
            'note', p.note, 'state', p.state, 'visibility', p.visibility,
            'specs', coalesce(spec.list, '[]'::json), 'origin', claim.origin)::text
        FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS asked (code, position)
        CROSS JOIN (SELECT $2::bigint AS organization_id, $3::boolean AS is_coordinator OFFSET 0) viewer
        JOIN products p ON p.code = asked.code
        JOIN organizations v ON v.id = p.vendor_id
        JOIN makers m ON m.id = p.maker_id
        LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object(
                'code', s.code, 'name_ko', d.name_ko, 'name_en', d.name_en, 'kind', d.kind,
                'shown', s.shown, 'number', s.number, 'number_max', s.number_max, 'text', s.text,
                'boolean', s.boolean, 'unit', s.unit, 'base_unit', d.unit, 'better', d.better,
                'is_comparable', d.comparable, 'position', d.position) ORDER BY d.position, s.code) AS list
            FROM product_specs s JOIN spec_definitions d ON d.code = s.code
            WHERE s.product_id = p.id) spec ON true
        LEFT JOIN live_origin_claims claim ON claim.product_id = p.id
        WHERE (p.state = 'published' AND v.state = 'active'
               AND (p.visibility = 'public' OR p.visibility = 'members' AND viewer.organization_id IS NOT NULL))
           OR p.vendor_id = viewer.organization_id OR viewer.is_coordinator
        ORDER BY asked.position
        """,
        list(dict.fromkeys(codes)),
        viewer.organization_id,
        viewer.is_coordinator,
    )
    return tuple(msgspec.json.decode(row[0], type=Product) for row in rows)
