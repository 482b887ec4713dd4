"""Package models as pages and the comparison read them: one query, built as JSON by PostgreSQL."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.package_model import PackageModel, PackageType
from catalog.core.product import Party
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import PackageModelNotFound, TooManyCodes
from catalog.offers import list_offers_of_package_models

CODES_MAX = 50
"""Most package models that one answer holds; a comparison asks for eight at most."""


class PackageModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A package model as a row of a list: what a product page names as "part of"."""

    code: str
    name_ko: str
    name_en: str
    package_type: PackageType
    level_from: int
    level_to: int
    industries: tuple[str, ...]
    vendor: Party


async def get_package_model(
    conn: asyncpg.Connection, *, code: str, viewer: Viewer = ANONYMOUS
) -> PackageModel:
    """The package model of this code: current version, bill of materials, offers with tiers.

    Raises PackageModelNotFound where there is none, or none that the viewer may see.
    """
    found = await list_package_models_by_codes(conn, codes=[code], viewer=viewer)
    if not found:
        raise PackageModelNotFound(code)
    return found[0]


async def list_package_models_by_codes(
    conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer = ANONYMOUS
) -> tuple[PackageModel, ...]:
    """The visible package models among `codes`, in the order asked for; unknown ones are left out.

    A component that its lister does not show to this viewer keeps its line but not its name. One that is
    retired is still shown: the package contains it. Raises TooManyCodes above CODES_MAX.
    """
    if len(codes) > CODES_MAX:
        raise TooManyCodes(found=len(codes), limit=CODES_MAX)
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', m.id, 'code', m.code, 'package_type', m.package_type,
            'name_ko', m.name_ko, 'name_en', m.name_en, 'state', m.state, 'visibility', m.visibility,
            'vendor', json_build_object('id', v.id, 'code', v.code, 'name_ko', v.name_ko,
                                        'name_en', v.name_en, 'is_fictional', v.is_fictional),
            'version', json_build_object(
                'id', n.id, 'version', n.version, 'is_current', n.is_current,
                'level_from', n.level_from, 'level_to', n.level_to, 'industries', n.industries,
                'summary_ko', n.summary_ko, 'summary_en', n.summary_en,
                'included_ko', n.included_ko, 'included_en', n.included_en,
                'excluded_ko', n.excluded_ko, 'excluded_en', n.excluded_en,
                'lead_time_days', n.lead_time_days, 'warranty_months', n.warranty_months,
                'spare_parts_years', n.spare_parts_years, 'created_at', n.created_at,
                'lines', coalesce(bom.lines, '[]'::json)))::text
        FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS asked (code, position)
        CROSS JOIN (SELECT $2::bigint AS organization_id, $3::boolean AS is_coordinator OFFSET 0) viewer
        JOIN package_models m ON m.code = asked.code
        JOIN organizations v ON v.id = m.vendor_id
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object(
                'line_no', b.line_no, 'slot', b.slot, 'quantity', b.quantity, 'product',
                CASE WHEN (p.state <> 'draft' AND (p.visibility = 'public'
                           OR p.visibility = 'members' AND viewer.organization_id IS NOT NULL))
                       OR p.vendor_id = viewer.organization_id OR viewer.is_coordinator
                THEN json_build_object(
                    'code', p.code, 'name_ko', p.name_ko, 'name_en', p.name_en, 'model', p.model,
                    'category', p.category, 'subcategory', p.subcategory, 'verification', p.verification,
                    'maker', json_build_object('name', k.name, 'name_ko', k.name_ko, 'country', k.country),
                    'reference_price_krw', coalesce((
                        SELECT min(o.list_unit_price_krw) FROM offers o
                        JOIN organizations s ON s.id = o.vendor_id AND s.state = 'active'
                        WHERE o.product_id = p.id AND o.state = 'published' AND o.audience = 'public'
                          AND (o.valid_until IS NULL OR o.valid_until >=
                               (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date)), f.unit_price_krw),
                    'origin', (SELECT c.origin FROM live_origin_claims c WHERE c.product_id = p.id))
                END) ORDER BY b.line_no) AS lines
            FROM bom_lines b JOIN products p ON p.id = b.product_id JOIN makers k ON k.id = p.maker_id
            LEFT JOIN reference_prices f ON f.product_id = p.id
            WHERE b.package_version_id = n.id) bom ON true
        WHERE (m.state = 'published' AND v.state = 'active'
               AND (m.visibility = 'public' OR m.visibility = 'members' AND viewer.organization_id IS NOT NULL))
           OR m.vendor_id = viewer.organization_id OR viewer.is_coordinator
        ORDER BY asked.position
        """,
        list(dict.fromkeys(codes)),
        viewer.organization_id,
        viewer.is_coordinator,
    )
    models = [msgspec.json.decode(row[0], type=PackageModel) for row in rows]
    offers = await list_offers_of_package_models(conn, codes=[model.code for model in models], viewer=viewer)
    return tuple(
        msgspec.structs.replace(
            model, offers=tuple(offer for offer in offers if offer.subject.code == model.code)
        )
        for model in models
    )


async def list_package_models_with_product(
    conn: asyncpg.Connection, *, product_code: str, viewer: Viewer = ANONYMOUS, limit: int = 20
) -> tuple[PackageModelSummary, ...]:
    """The visible package models whose current version contains the product, by code."""
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'code', m.code, 'name_ko', m.name_ko, 'name_en', m.name_en, 'package_type', m.package_type,
            'level_from', n.level_from, 'level_to', n.level_to, 'industries', n.industries,
            'vendor', json_build_object('id', v.id, 'code', v.code, 'name_ko', v.name_ko,
                                        'name_en', v.name_en, 'is_fictional', v.is_fictional))::text
        FROM package_models m
        JOIN organizations v ON v.id = m.vendor_id
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        WHERE EXISTS (SELECT FROM bom_lines b JOIN products p ON p.id = b.product_id
                      WHERE b.package_version_id = n.id AND p.code = $1)
          AND ((m.state = 'published' AND v.state = 'active'
                AND (m.visibility = 'public' OR m.visibility = 'members' AND $2::bigint IS NOT NULL))
               OR m.vendor_id = $2 OR $3)
        ORDER BY m.code LIMIT $4
        """,
        product_code,
        viewer.organization_id,
        viewer.is_coordinator,
        limit,
    )
    return tuple(msgspec.json.decode(row[0], type=PackageModelSummary) for row in rows)
