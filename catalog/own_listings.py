"""A vendor's own listings with what they still lack; what is public of the whole market; a product's further facts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.external_codes import ExternalCode
from catalog.core.listing_hints import Hint, completeness_bp, fix_path, missing_facts
from catalog.core.listing_rows import ImportKind
from catalog.core.product import ListingState


class OwnListing(msgspec.Struct, frozen=True, kw_only=True):
    """One listing of a vendor; `known` says which asked-for facts are there, `has_request` that a change waits."""

    kind: ImportKind
    code: str
    name_ko: str
    name_en: str
    state: ListingState
    updated_at: datetime
    has_request: bool
    known: dict[Hint, bool | None]

    @property
    def hints(self) -> tuple[Hint, ...]:
        return missing_facts(self.kind, self.known)

    @property
    def fixes(self) -> tuple[tuple[Hint, str], ...]:
        """What is missing, each with the page where its vendor says it."""
        return tuple((hint, fix_path(self.kind, self.code, hint)) for hint in self.hints)

    @property
    def complete_bp(self) -> int:
        return completeness_bp(self.kind, self.known)


class ProductTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A product's own terms and codes, where it is sold on quote or has no offer."""

    asks_quote: bool
    lead_time_days: int | None
    warranty_months: int | None
    datasheet_file_id: UUID | None
    datasheet_name: str | None
    codes: list[ExternalCode]


class OfferTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an offer promises beside its price. Warranty counts from acceptance; None = not stated."""

    code: str
    warranty_months: int | None
    spare_parts_years: int | None
    return_terms_ko: str
    return_terms_en: str
    installation_includes: list[str]
    installation_excludes: list[str]
    question_count: int


class PublicListing(msgspec.Struct, frozen=True, kw_only=True):
    """A listing that everybody sees, for the sitemap."""

    kind: str
    code: str
    updated_at: datetime


async def list_own_listings(
    conn: asyncpg.Connection, *, vendor_id: int, limit: int = 500
) -> list[OwnListing]:
    """The vendor's products, package models and offers, the last changed first."""
    return await _list_listings(conn, vendor_id=vendor_id, limit=limit)


async def find_own_listing(
    conn: asyncpg.Connection, *, kind: ImportKind, code: str, vendor_id: int
) -> OwnListing | None:
    """One listing of the vendor with what it lacks, or None where it has no such listing."""
    found = await _list_listings(conn, vendor_id=vendor_id, kind=kind, codes=[code], limit=1)
    return found[0] if found else None


async def list_package_completeness(conn: asyncpg.Connection, *, codes: Sequence[str]) -> dict[str, int]:
    """How much of what is asked of these package models they say, in basis points by code.

    The caller has read them with its viewer's eyes.
    """
    if not codes:
        return {}
    found = await _list_listings(conn, kind="package-models", codes=codes, limit=len(codes))
    return {listing.code: listing.complete_bp for listing in found}


async def _list_listings(
    conn: asyncpg.Connection,
    *,
    limit: int,
    vendor_id: int | None = None,
    kind: ImportKind | None = None,
    codes: Sequence[str] | None = None,
) -> list[OwnListing]:
    """Listings with the facts that they say, named as in `catalog.core.listing_hints`; None = of any."""
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'kind', l.kind, 'code', l.code, 'name_ko', l.name_ko, 'name_en', l.name_en, 'state', l.state,
            'updated_at', l.updated_at, 'known', l.known,
            'has_request', EXISTS (SELECT FROM change_requests c
                                   WHERE c.kind = l.kind AND c.code = l.code AND c.state = 'pending'))::text
        FROM (
            SELECT 'products' AS kind, p.vendor_id, p.code, p.name_ko, p.name_en, p.state, p.updated_at, json_build_object(
                'name_en', p.name_en ~ '[A-Za-z]', 'summary', p.summary_ko <> '', 'source', p.source_url IS NOT NULL,
                'specs', (SELECT count(*) >= 3 FROM product_specs s WHERE s.product_id = p.id),
                'price', p.asks_quote OR EXISTS (SELECT FROM offers o WHERE o.product_id = p.id AND o.state = 'published'),
                'datasheet', p.datasheet_file_id IS NOT NULL,
                'origin', EXISTS (SELECT FROM origin_claims c WHERE c.product_id = p.id AND c.withdrawn_at IS NULL),
                'warranty', p.warranty_months IS NOT NULL OR EXISTS (
                    SELECT FROM offers o WHERE o.product_id = p.id AND o.warranty_months IS NOT NULL),
                'codes', EXISTS (SELECT FROM product_codes x WHERE x.product_id = p.id)) AS known
            FROM products p
            WHERE ($1::bigint IS NULL OR p.vendor_id = $1) AND ($3::text[] IS NULL OR p.code = ANY ($3))
            UNION ALL
            SELECT 'package-models', m.vendor_id, m.code, m.name_ko, m.name_en, m.state, m.updated_at, json_build_object(
                'name_en', m.name_en ~ '[A-Za-z]', 'summary', n.summary_ko <> '',
                'industries', cardinality(n.industries) > 0,
                'price', EXISTS (SELECT FROM package_versions w JOIN offers o ON o.package_version_id = w.id
                                 WHERE w.package_model_id = m.id AND o.state = 'published'),
                'scope', cardinality(n.included_ko) > 0 AND cardinality(n.excluded_ko) > 0,
                'type_facts', m.package_type = 'individual_build'
                    OR m.package_type = 'cloud' AND f.monthly_fee_krw IS NOT NULL AND f.data_location IS NOT NULL
                       AND f.exit_terms_ko <> ''
                    OR m.package_type = 'clean_energy' AND f.saved_kwh_per_year IS NOT NULL
                       AND f.fems_product_id IS NOT NULL AND f.ess_product_id IS NOT NULL,
                'return_terms', coalesce(f.return_terms_ko, '') <> '', 'spare_parts', n.spare_parts_years > 0,
                -- work has no origin; what is delivered has one, and somebody must have said which
                'component_origins', NOT EXISTS (
                    SELECT FROM bom_lines b WHERE b.package_version_id = n.id AND b.slot <> 'service' AND NOT EXISTS (
                        SELECT FROM origin_claims c WHERE c.product_id = b.product_id AND c.withdrawn_at IS NULL)),
                'component_standards', NOT EXISTS (
                    SELECT FROM bom_lines b WHERE b.package_version_id = n.id AND b.slot <> 'service' AND NOT EXISTS (
                        SELECT FROM product_standards s WHERE s.product_id = b.product_id)),
                'alternatives', EXISTS (SELECT FROM bom_alternatives a WHERE a.package_version_id = n.id),
                'references', EXISTS (SELECT FROM reference_factories r
                                      WHERE r.package_model_id = m.id AND r.removed_at IS NULL),
                'courses', cardinality(coalesce(f.courses_ko, '{}')) > 0)
            FROM package_models m
            JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
            LEFT JOIN package_facts f ON f.package_version_id = n.id
            WHERE ($1::bigint IS NULL OR m.vendor_id = $1) AND ($3::text[] IS NULL OR m.code = ANY ($3))
            UNION ALL
            SELECT 'offers', o.vendor_id, o.code, coalesce(p.name_ko, m.name_ko), coalesce(p.name_en, m.name_en), o.state,
                o.updated_at, json_build_object(
                'tiers', EXISTS (SELECT FROM price_tiers t WHERE t.offer_id = o.id),
                'valid_until', o.valid_until IS NOT NULL,
                'warranty', o.warranty_months IS NOT NULL OR n.warranty_months > 0,
                'return_terms', o.return_terms_ko <> '' OR coalesce(f.return_terms_ko, '') <> '',
                'installation', cardinality(o.installation_includes) > 0 OR cardinality(n.included_ko) > 0,
                'spare_parts', o.spare_parts_years IS NOT NULL OR n.spare_parts_years > 0)
            FROM offers o
            LEFT JOIN products p ON p.id = o.product_id
            LEFT JOIN package_versions n ON n.id = o.package_version_id
            LEFT JOIN package_models m ON m.id = n.package_model_id
            LEFT JOIN package_facts f ON f.package_version_id = n.id
            WHERE ($1::bigint IS NULL OR o.vendor_id = $1) AND ($3::text[] IS NULL OR o.code = ANY ($3))) l
        WHERE $2::text IS NULL OR l.kind = $2
        ORDER BY l.updated_at DESC, l.kind, l.code LIMIT $4
        """,
        vendor_id,
        kind,
        codes,
        limit,
    )
    return [msgspec.json.decode(row[0], type=OwnListing) for row in rows]


async def read_product_terms(conn: asyncpg.Connection, *, product_id: int) -> ProductTerms:
    """A product's own terms. The caller has read the product with its viewer's eyes."""
    row = await conn.fetchrow(
        """
        SELECT p.asks_quote, p.lead_time_days, p.warranty_months, p.datasheet_file_id, f.name AS datasheet_name
        FROM products p LEFT JOIN files f ON f.id = p.datasheet_file_id WHERE p.id = $1
        """,
        product_id,
    )
    assert row is not None, "the product was read in this transaction"
    codes = await conn.fetch(
        "SELECT scheme, value, scheme_version FROM product_codes WHERE product_id = $1 ORDER BY scheme",
        product_id,
    )
    return ProductTerms(**dict(row), codes=[ExternalCode(**dict(code)) for code in codes])


async def list_offer_terms(conn: asyncpg.Connection, *, offer_ids: list[int]) -> dict[str, OfferTerms]:
    """What these offers promise beside their prices, by code; with how many answered questions each has."""
    rows = await conn.fetch(
        """
        SELECT o.code, o.warranty_months, o.spare_parts_years, o.return_terms_ko, o.return_terms_en,
               o.installation_includes, o.installation_excludes,
               (SELECT count(*) FROM questions q
                WHERE q.offer_id = o.id AND q.answer IS NOT NULL AND q.hidden_at IS NULL) AS question_count
        FROM offers o WHERE o.id = ANY ((SELECT $1::bigint[])::bigint[])
        """,
        offer_ids,
    )
    return {row["code"]: OfferTerms(**dict(row)) for row in rows}


async def count_public_listings(conn: asyncpg.Connection) -> int:
    """How many pages of listings everybody may see."""
    count: int = await conn.fetchval(
        """
        SELECT (SELECT count(*) FROM products p JOIN organizations v ON v.id = p.vendor_id
                WHERE p.state = 'published' AND p.visibility = 'public' AND v.state = 'active')
             + (SELECT count(*) FROM package_models m JOIN organizations v ON v.id = m.vendor_id
                WHERE m.state = 'published' AND m.visibility = 'public' AND v.state = 'active')
        """
    )
    return count


async def list_public_listings(conn: asyncpg.Connection, *, limit: int, offset: int) -> list[PublicListing]:
    """The public listings, packages first, in an order that stays."""
    rows = await conn.fetch(
        """
        SELECT l.kind, l.code, l.updated_at FROM (
            SELECT 'packages' AS kind, m.id, m.code, m.updated_at
            FROM package_models m JOIN organizations v ON v.id = m.vendor_id
            WHERE m.state = 'published' AND m.visibility = 'public' AND v.state = 'active'
            UNION ALL
            SELECT 'products', p.id, p.code, p.updated_at
            FROM products p JOIN organizations v ON v.id = p.vendor_id
            WHERE p.state = 'published' AND p.visibility = 'public' AND v.state = 'active') l
        ORDER BY l.kind, l.id LIMIT $1 OFFSET $2
        """,
        limit,
        offset,
    )
    return [PublicListing(**dict(row)) for row in rows]
