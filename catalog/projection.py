"""From the catalog's current state to search documents: one query a kind. Drafts never become documents.

A document shows what everybody of its visibility may see: components and prices with a narrower audience
than the listing itself stay out. Who may see it is decided by `visibility` and `tenants`.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import date
from typing import Literal, Protocol, TypeAlias

import asyncpg
import msgspec

from catalog.core.origin import OriginClaim, ShareInterval, ShareLine, domestic_share
from catalog.core.package_model import BomLine, package_share
from search_config.documents import (
    CatalogDocument,
    IndexName,
    SearchDocument,
    ServiceCenterDocument,
    VendorDocument,
)

DocumentKind = Literal["package_model", "product", "service_center", "vendor"]
Documents: TypeAlias = dict[int, SearchDocument]

INDEX_OF_KIND: Mapping[DocumentKind, IndexName] = {
    "package_model": "catalog",
    "product": "catalog",
    "service_center": "service_centers",
    "vendor": "vendors",
}


class _Package(msgspec.Struct, frozen=True):
    document: CatalogDocument
    lines: tuple[BomLine, ...]
    today: date


class _Product(msgspec.Struct, frozen=True):
    document: CatalogDocument
    origin: OriginClaim | None
    today: date


async def project_package_models(conn: asyncpg.Connection, *, ids: Sequence[int]) -> Documents:
    """Documents of the published package models among `ids`, by row id; others are absent."""
    rows = await conn.fetch(
        """
        SELECT m.id, json_build_object('today', day.today, 'lines', bom.lines, 'document', json_build_object(
            'id', 'package_model-' || m.id, 'kind', 'package_model', 'code', m.code,
            'name_ko', m.name_ko, 'name_en', m.name_en, 'vendor_ko', v.name_ko, 'vendor_en', v.name_en,
            'vendor_code', v.code, 'tags', bom.tags, 'summary_ko', n.summary_ko,
            'summary_en', n.summary_en, 'component_names', bom.names, 'industries', n.industries,
            'package_type', m.package_type, 'level_from', n.level_from, 'level_to', n.level_to,
            'price_krw', price.list_unit_price_krw, 'lead_time_days', n.lead_time_days,
            'is_illustrative_price', coalesce(price.is_illustrative, false),
            'has_open_round', open_round.code IS NOT NULL, 'round_code', open_round.code,
            'round_price_krw', open_round.unit_price_krw, 'comparable', true,
            'visibility', CASE m.visibility WHEN 'owner' THEN 'tenant' ELSE m.visibility END,
            'tenants', CASE m.visibility WHEN 'owner' THEN ARRAY[m.vendor_id] ELSE '{}' END))::text
        FROM package_models m
        CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date AS today) day
        JOIN organizations v ON v.id = m.vendor_id AND v.state = 'active'
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        CROSS JOIN LATERAL (
            SELECT coalesce(json_agg(json_build_object(
                       'line_no', b.line_no, 'slot', b.slot, 'quantity', b.quantity,
                       'product', CASE WHEN shown.is_shown THEN json_build_object(
                           'code', p.code, 'name_ko', p.name_ko, 'name_en', p.name_en, 'model', p.model,
                           'category', p.category, 'subcategory', p.subcategory,
                           'verification', p.verification,
                           'maker', json_build_object('name', k.name, 'name_ko', k.name_ko,
                                                      'country', k.country),
                           'reference_price_krw', coalesce((
                               SELECT min(o.list_unit_price_krw) FROM offers o
                               JOIN organizations s ON s.id = o.vendor_id AND s.state = 'active'
                               WHERE o.product_id = p.id AND o.state = 'published'
                                 AND o.audience = 'public'
                                 AND (o.valid_until IS NULL OR o.valid_until >= day.today)),
                               f.unit_price_krw),
                           'origin', (SELECT c.origin FROM live_origin_claims c
                                      WHERE c.product_id = p.id)) END)
                       ORDER BY b.line_no), '[]'::json) AS lines,
                   coalesce(json_agg(concat_ws(' ', p.name_ko, p.name_en, p.model, k.name, k.name_ko)
                                     ORDER BY b.line_no) FILTER (WHERE shown.is_shown), '[]') AS names,
                   coalesce(json_agg(DISTINCT p.subcategory) FILTER (WHERE shown.is_shown), '[]') AS tags
            FROM bom_lines b
            JOIN products p ON p.id = b.product_id
            JOIN makers k ON k.id = p.maker_id
            LEFT JOIN reference_prices f ON f.product_id = p.id
            CROSS JOIN LATERAL (SELECT p.state <> 'draft' AND (
                p.visibility = 'public' OR p.visibility = 'members' AND m.visibility <> 'public'
                OR p.vendor_id = m.vendor_id AND m.visibility = 'owner') AS is_shown) shown
            WHERE b.package_version_id = n.id) bom
        LEFT JOIN LATERAL (
            SELECT o.list_unit_price_krw, o.is_illustrative
            FROM package_versions w JOIN offers o ON o.package_version_id = w.id
            JOIN organizations s ON s.id = o.vendor_id AND s.state = 'active'
            WHERE w.package_model_id = m.id AND o.state = 'published' AND o.audience = 'public'
              AND (o.valid_until IS NULL OR o.valid_until >= day.today)
            -- an older version's price only where the current version has none yet
            ORDER BY w.is_current DESC, o.list_unit_price_krw, o.id LIMIT 1) price ON true
        LEFT JOIN LATERAL (
            SELECT r.code, (SELECT min((t ->> 'unit_price_krw')::bigint)
                            FROM jsonb_array_elements(r.tiers) t
                            WHERE (t ->> 'quantity_min')::integer <= r.capacity) AS unit_price_krw
            FROM package_versions w JOIN offers o ON o.package_version_id = w.id
            JOIN rounds r ON r.offer_id = o.id
            WHERE w.package_model_id = m.id AND r.state IN ('open', 'fill_up') AND r.audience = 'public'
            ORDER BY r.closes_at, r.id LIMIT 1) open_round ON true
        WHERE m.id = ANY ($1::bigint[]) AND m.state = 'published'
        """,
        ids,
    )
    documents: Documents = {}
    for row in rows:
        found = msgspec.json.decode(row[1], type=_Package)
        share = package_share(found.lines, today=found.today)
        documents[row[0]] = _with_share(found.document, share)
    return documents


async def project_products(conn: asyncpg.Connection, *, ids: Sequence[int]) -> Documents:
    """Documents of the published products among `ids`, by row id; others are absent."""
    rows = await conn.fetch(
        """
        SELECT p.id, json_build_object('today', day.today, 'origin', claim.origin, 'document', json_build_object(
            'id', 'product-' || p.id, 'kind', 'product', 'code', p.code, 'name_ko', p.name_ko,
            'name_en', p.name_en, 'model', p.model, 'maker_ko', k.name_ko, 'maker_en', k.name,
            'vendor_ko', v.name_ko, 'vendor_en', v.name_en, 'vendor_code', v.code,
            'category', p.category, 'subcategory', p.subcategory,
            'tags', CASE WHEN p.series IS NULL THEN '{}' ELSE ARRAY[p.series] END,
            'summary_ko', p.summary_ko, 'summary_en', p.summary_en, 'maker_country', k.country,
            'specs', spec.list, 'price_krw', price.list_unit_price_krw,
            'lead_time_days', price.lead_time_days,
            'is_illustrative_price', coalesce(price.is_illustrative, false),
            'has_open_round', open_round.code IS NOT NULL, 'round_code', open_round.code,
            'round_price_krw', open_round.unit_price_krw, 'verification', p.verification,
            'comparable', p.verification <> 'name_only',
            'visibility', CASE p.visibility WHEN 'owner' THEN 'tenant' ELSE p.visibility END,
            'tenants', CASE p.visibility WHEN 'owner' THEN ARRAY[p.vendor_id] ELSE '{}' END))::text
        FROM products p
        CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date AS today) day
        JOIN organizations v ON v.id = p.vendor_id AND v.state = 'active'
        JOIN makers k ON k.id = p.maker_id
        CROSS JOIN LATERAL (
            SELECT coalesce(json_agg(json_build_object(
                'code', s.code, 'number', s.number, 'number_max', s.number_max, 'text', s.text,
                'boolean', s.boolean, 'unit', d.unit) ORDER BY d.position, s.code), '[]'::json) AS list
            FROM product_specs s JOIN spec_definitions d ON d.code = s.code
            WHERE s.product_id = p.id) spec
        LEFT JOIN live_origin_claims claim ON claim.product_id = p.id
        LEFT JOIN LATERAL (
            SELECT o.list_unit_price_krw, o.is_illustrative, o.lead_time_days
            FROM offers o JOIN organizations s ON s.id = o.vendor_id AND s.state = 'active'
            WHERE o.product_id = p.id AND o.state = 'published' AND o.audience = 'public'
              AND (o.valid_until IS NULL OR o.valid_until >= day.today)
            ORDER BY o.list_unit_price_krw, o.id LIMIT 1) price ON true
        LEFT JOIN LATERAL (
            SELECT r.code, (SELECT min((t ->> 'unit_price_krw')::bigint)
                            FROM jsonb_array_elements(r.tiers) t
                            WHERE (t ->> 'quantity_min')::integer <= r.capacity) AS unit_price_krw
            FROM offers o JOIN rounds r ON r.offer_id = o.id
            WHERE o.product_id = p.id AND r.state IN ('open', 'fill_up') AND r.audience = 'public'
            ORDER BY r.closes_at, r.id LIMIT 1) open_round ON true
        WHERE p.id = ANY ($1::bigint[]) AND p.state = 'published'
        """,
        ids,
    )
    documents: Documents = {}
    for row in rows:
        found = msgspec.json.decode(row[1], type=_Product)
        share = None
        if found.origin is not None and found.document.category != "service":
            # One product weighs only against itself, so any price will do.
            share = domestic_share([ShareLine(False, 1, 1, found.origin)], today=found.today)
        documents[row[0]] = _with_share(found.document, share)
    return documents


async def project_service_centers(conn: asyncpg.Connection, *, ids: Sequence[int]) -> Documents:
    """Documents of the sites among `ids` whose lister is active, by row id."""
    rows = await conn.fetch(
        """
        SELECT c.id, json_build_object(
            'id', 'service_center-' || c.id, 'code', c.code, 'name_ko', c.name_ko, 'name_en', c.name_en,
            'maker_ko', m.name_ko, 'maker_en', m.name, 'vendor_code', v.code, 'roles', c.roles,
            'status', c.status, 'country', c.country, 'city', coalesce(c.city, ''),
            'city_ko', coalesce(c.city_ko, ''), 'address', coalesce(c.address, ''),
            'products', array_to_string(c.serves || c.serves_ko, ', '), 'languages', c.languages,
            'lat', c.latitude, 'lon', c.longitude, 'is_confirmed', c.confirmed_at IS NOT NULL)::text
        FROM service_centers c
        JOIN organizations v ON v.id = c.vendor_id AND v.state = 'active'
        JOIN makers m ON m.id = c.maker_id
        WHERE c.id = ANY ($1::bigint[])
        """,
        ids,
    )
    return {row[0]: msgspec.json.decode(row[1], type=ServiceCenterDocument) for row in rows}


async def project_vendors(conn: asyncpg.Connection, *, ids: Sequence[int]) -> Documents:
    """Documents of the active vendors among `ids`, by row id; counts are of public listings."""
    rows = await conn.fetch(
        """
        SELECT v.id, json_build_object(
            'id', 'vendor-' || v.id, 'code', v.code, 'name_ko', v.name_ko, 'name_en', v.name_en,
            'summary_ko', coalesce(v.introduction_ko, ''), 'summary_en', coalesce(v.introduction_en, ''),
            'city', coalesce(v.region, ''), 'is_fictional', v.is_fictional,
            'categories', ARRAY(
                SELECT p.category FROM products p
                WHERE p.vendor_id = v.id AND p.state = 'published' AND p.visibility = 'public'
                UNION
                SELECT b.slot FROM package_models m
                JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
                JOIN bom_lines b ON b.package_version_id = n.id
                WHERE m.vendor_id = v.id AND m.state = 'published' AND m.visibility = 'public'
                ORDER BY 1),
            'industries', ARRAY(
                SELECT DISTINCT unnest(n.industries) FROM package_models m
                JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
                WHERE m.vendor_id = v.id AND m.state = 'published' AND m.visibility = 'public'
                ORDER BY 1),
            'product_count', (SELECT count(*) FROM products p WHERE p.vendor_id = v.id
                              AND p.state = 'published' AND p.visibility = 'public'),
            'package_model_count', (SELECT count(*) FROM package_models m WHERE m.vendor_id = v.id
                                    AND m.state = 'published' AND m.visibility = 'public'),
            'open_round_count', (SELECT count(*) FROM rounds r WHERE r.vendor_id = v.id
                                 AND r.state IN ('open', 'fill_up') AND r.audience = 'public'))::text
        FROM organizations v
        WHERE v.id = ANY ($1::bigint[]) AND v.kind = 'vendor' AND v.state = 'active'
        """,
        ids,
    )
    return {row[0]: msgspec.json.decode(row[1], type=VendorDocument) for row in rows}


def _with_share(document: CatalogDocument, share: ShareInterval | None) -> CatalogDocument:
    if share is None:
        return document
    return msgspec.structs.replace(
        document, domestic_verified_bp=share.verified_bp, domestic_claimed_bp=share.claimed_bp
    )


class Project(Protocol):
    """Documents of the listings among `ids` that are to be found, by row id."""

    def __call__(self, conn: asyncpg.Connection, *, ids: Sequence[int]) -> Awaitable[Documents]: ...


PROJECTIONS: Mapping[DocumentKind, Project] = {
    "package_model": project_package_models,
    "product": project_products,
    "service_center": project_service_centers,
    "vendor": project_vendors,
}
