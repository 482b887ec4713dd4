"""Offers as buyers and their vendor read them. What is expired is left to its vendor and the coordinator."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.offer_terms import Offer
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import OfferNotFound

OFFERS_MAX = 1_000
"""Most offers that one list holds."""


async def get_offer(conn: asyncpg.Connection, *, code: str, viewer: Viewer = ANONYMOUS) -> Offer:
    """The offer of this code. Raises OfferNotFound where the viewer may not see one."""
    found = await _list_offers(conn, viewer=viewer, codes=[code])
    if not found:
        raise OfferNotFound(code)
    return found[0]


async def list_offers_of_product(
    conn: asyncpg.Connection, *, code: str, viewer: Viewer = ANONYMOUS
) -> tuple[Offer, ...]:
    """The offers on one product that this viewer may see, cheapest first."""
    return await _list_offers(conn, viewer=viewer, product_codes=[code])


async def list_offers_of_products(
    conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer = ANONYMOUS
) -> tuple[Offer, ...]:
    """The offers on any of these products that this viewer may see, cheapest first."""
    return await _list_offers(conn, viewer=viewer, product_codes=codes)


async def list_offers_of_package_models(
    conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer = ANONYMOUS
) -> tuple[Offer, ...]:
    """The offers on any version of these package models; those on current versions first, cheapest first."""
    return await _list_offers(conn, viewer=viewer, package_model_codes=codes)


async def list_offers_of_vendor(
    conn: asyncpg.Connection, *, vendor_code: str, viewer: Viewer = ANONYMOUS
) -> tuple[Offer, ...]:
    """A vendor's offers that this viewer may see; the vendor itself sees drafts and expired ones too."""
    return await _list_offers(conn, viewer=viewer, vendor_code=vendor_code)


async def _list_offers(
    conn: asyncpg.Connection,
    *,
    viewer: Viewer,
    codes: Sequence[str] | None = None,
    product_codes: Sequence[str] | None = None,
    package_model_codes: Sequence[str] | None = None,
    vendor_code: str | None = None,
) -> tuple[Offer, ...]:
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', o.id, 'code', o.code, 'audience', o.audience, 'state', o.state,
            'vendor', json_build_object('id', v.id, 'code', v.code, 'name_ko', v.name_ko,
                                        'name_en', v.name_en, 'is_fictional', v.is_fictional),
            'subject', CASE WHEN p.id IS NOT NULL THEN json_build_object(
                'kind', 'product', 'code', p.code, 'name_ko', p.name_ko, 'name_en', p.name_en)
            ELSE json_build_object(
                'kind', 'package_model', 'code', m.code, 'name_ko', m.name_ko, 'name_en', m.name_en,
                'version', n.version, 'is_current_version', n.is_current) END,
            'list_unit_price_krw', o.list_unit_price_krw, 'capacity', o.capacity,
            'pack_size', o.pack_size, 'lead_time_days', o.lead_time_days, 'valid_until', o.valid_until,
            'is_illustrative', o.is_illustrative, 'terms_ko', o.terms_ko, 'terms_en', o.terms_en,
            'tiers', coalesce((
                SELECT json_agg(json_build_object('quantity_min', t.quantity_min,
                                                  'unit_price_krw', t.unit_price_krw)
                                ORDER BY t.quantity_min)
                FROM price_tiers t WHERE t.offer_id = o.id), '[]'::json))::text
        FROM offers o
        JOIN organizations v ON v.id = o.vendor_id
        LEFT JOIN products p ON p.id = o.product_id
        LEFT JOIN package_versions n ON n.id = o.package_version_id
        LEFT JOIN package_models m ON m.id = n.package_model_id
        LEFT JOIN organizations lister ON lister.id = coalesce(p.vendor_id, m.vendor_id)
        WHERE ($3::text[] IS NULL OR o.code = ANY ($3))
          AND ($4::text[] IS NULL OR p.code = ANY ($4))
          AND ($5::text[] IS NULL OR m.code = ANY ($5))
          AND ($6::text IS NULL OR v.code = $6)
          AND (o.vendor_id = $1 OR $2 OR (
            o.state = 'published' AND v.state = 'active'
            AND (o.valid_until IS NULL
                 OR o.valid_until >= (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date)
            AND (o.audience = 'public'
                 OR o.audience = 'members' AND $1::bigint IS NOT NULL
                 OR o.audience = 'invited' AND EXISTS (
                    SELECT FROM offer_invitations i WHERE i.offer_id = o.id AND i.organization_id = $1))
            -- an offer never shows more of a listing than the listing itself does
            AND coalesce(p.state, m.state) = 'published' AND lister.state = 'active'
            AND (coalesce(p.visibility, m.visibility) = 'public'
                 OR coalesce(p.visibility, m.visibility) = 'members' AND $1 IS NOT NULL
                 OR lister.id = $1)))
        ORDER BY coalesce(n.is_current, true) DESC, o.list_unit_price_krw, o.code
        LIMIT $7
        """,
        viewer.organization_id,
        viewer.is_coordinator,
        codes,
        product_codes,
        package_model_codes,
        vendor_code,
        OFFERS_MAX,
    )
    return tuple(msgspec.json.decode(row[0], type=Offer) for row in rows)
