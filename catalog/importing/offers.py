"""Offers with price tiers and, for invited ones, who is invited."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import OfferRow
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        """
        SELECT o.vendor_id, json_build_object(
            'code', o.code, 'vendor', v.code, 'product', p.code, 'package_model', m.code,
            'package_version', n.version, 'audience', o.audience,
            'invited', coalesce((
                SELECT json_agg(w.code ORDER BY w.code)
                FROM offer_invitations i JOIN organizations w ON w.id = i.organization_id
                WHERE i.offer_id = o.id), '[]'::json),
            'list_unit_price_krw', o.list_unit_price_krw,
            'tiers', coalesce((
                SELECT json_agg(json_build_object('quantity_min', t.quantity_min,
                                                  'unit_price_krw', t.unit_price_krw)
                                ORDER BY t.quantity_min)
                FROM price_tiers t WHERE t.offer_id = o.id), '[]'::json),
            'capacity', o.capacity, 'pack_size', o.pack_size, 'lead_time_days', o.lead_time_days,
            'valid_until', o.valid_until, 'is_illustrative', o.is_illustrative,
            'terms_ko', o.terms_ko, 'terms_en', o.terms_en, 'warranty_months', o.warranty_months,
            'spare_parts_years', o.spare_parts_years, 'return_terms_ko', o.return_terms_ko,
            'return_terms_en', o.return_terms_en, 'installation_includes', o.installation_includes,
            'installation_excludes', o.installation_excludes, 'state', o.state)::text
        FROM offers o
        JOIN organizations v ON v.id = o.vendor_id
        LEFT JOIN products p ON p.id = o.product_id
        LEFT JOIN package_versions n ON n.id = o.package_version_id
        LEFT JOIN package_models m ON m.id = n.package_model_id
        WHERE ($1::text[] IS NULL OR o.code = ANY ($1))
          AND ($2::bigint[] IS NULL OR o.vendor_id = ANY ($2))
        ORDER BY o.code
        """,
        keys,
        owner_ids,
    )
    found = ((row[0], msgspec.json.decode(row[1], type=OfferRow)) for row in rows)
    return {offer.code: StoredRow(offer, owner_id) for owner_id, offer in found}


async def resolve(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> list[StagedRow]:
    """An offer on a package model that names no version is on the current one; invitations are a set."""
    offers = [(row, row.row) for row in rows if isinstance(row.row, OfferRow)]
    current = await conn.fetch(
        """
        SELECT m.code, n.version FROM package_models m
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        WHERE m.code = ANY ($1::text[])
        """,
        sorted({offer.package_model for _, offer in offers if offer.package_model}),
    )
    versions: dict[str | None, int] = {row["code"]: row["version"] for row in current}
    return [
        msgspec.structs.replace(
            staged,
            row=msgspec.structs.replace(
                offer,
                package_version=offer.package_version or versions.get(offer.package_model),
                invited=tuple(sorted(set(offer.invited))),
            ),
        )
        for staged, offer in offers
    ]


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    """What is offered is listed: any product the importer may see, or the vendor's own package model."""
    del seen
    offers = [(row.line, row.row) for row in rows if isinstance(row.row, OfferRow)]
    answers = await conn.fetch(
        """
        SELECT f.code, f.product IS NULL OR EXISTS (
                   SELECT FROM products p JOIN organizations v ON v.id = p.vendor_id
                   WHERE p.code = f.product
                     AND ($3 OR p.vendor_id = $2 OR v.state = 'active' AND p.state = 'published'
                                                    AND p.visibility <> 'owner')) AS has_product,
               f.package_model IS NULL OR EXISTS (
                   SELECT FROM package_models m JOIN organizations v ON v.id = m.vendor_id
                   WHERE m.code = f.package_model AND v.code = f.vendor) AS has_package_model,
               f.package_version IS NULL OR EXISTS (
                   SELECT FROM package_models m JOIN package_versions n ON n.package_model_id = m.id
                   WHERE m.code = f.package_model AND n.version = f.package_version) AS has_version,
               ARRAY(SELECT e.code FROM jsonb_array_elements_text(f.invited) AS e (code)
                     WHERE NOT EXISTS (SELECT FROM organizations w WHERE w.code = e.code)) AS strangers
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, vendor text, product text, package_model text, package_version integer,
            invited jsonb)
        """,
        as_json([offer for _, offer in offers]),
        importer.id,
        importer.kind == "coordinator",
    )
    known = {row["code"]: row for row in answers}
    errors = []
    for line, offer in offers:
        answer = known[offer.code]
        if not answer["has_product"]:
            expected = Wording("the code of a listed product", "등록된 제품의 코드")
            errors.append(row_error(line, "product", offer.product or "", expected))
        elif not answer["has_package_model"]:
            expected = Wording(f"a package model of {offer.vendor}", f"{offer.vendor}의 패키지 모델 코드")
            errors.append(row_error(line, "package_model", offer.package_model or "", expected))
        elif not answer["has_version"]:
            expected = Wording("a version that exists", "있는 버전 번호")
            errors.append(row_error(line, "package_version", str(offer.package_version), expected))
        for stranger in answer["strangers"]:
            expected = Wording("codes of known organizations", "등록된 기관의 코드")
            errors.append(row_error(line, "invited", stranger, expected))
    return errors


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(code ORDER BY code))[:$3], '{}') FROM offers
        WHERE vendor_id = ANY ($2::bigint[]) AND state <> 'retired' AND code <> ALL ($1::text[])
        """,
        keys,
        owner_ids,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    written = as_json([row.row for row in rows])
    await conn.execute(
        """
        INSERT INTO offers AS o
            (code, vendor_id, product_id, package_version_id, audience, state, list_unit_price_krw,
             capacity, pack_size, lead_time_days, valid_until, is_illustrative, terms_ko, terms_en,
             warranty_months, spare_parts_years, return_terms_ko, return_terms_en, installation_includes,
             installation_excludes)
        SELECT f.code, v.id, p.id, n.id, f.audience, f.state, f.list_unit_price_krw, f.capacity,
               f.pack_size, f.lead_time_days, f.valid_until, f.is_illustrative, f.terms_ko, f.terms_en,
               f.warranty_months, f.spare_parts_years, f.return_terms_ko, f.return_terms_en,
               f.installation_includes, f.installation_excludes
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, vendor text, product text, package_model text, package_version integer,
            audience text, state text, list_unit_price_krw bigint, capacity integer,
            pack_size integer, lead_time_days integer, valid_until date, is_illustrative boolean,
            terms_ko text, terms_en text, warranty_months integer, spare_parts_years integer,
            return_terms_ko text, return_terms_en text, installation_includes text[],
            installation_excludes text[])
        JOIN organizations v ON v.code = f.vendor
        LEFT JOIN products p ON p.code = f.product
        LEFT JOIN package_models m ON m.code = f.package_model
        LEFT JOIN package_versions n ON n.package_model_id = m.id AND n.version = f.package_version
        ORDER BY f.code
        ON CONFLICT (code) DO UPDATE SET
            vendor_id = excluded.vendor_id, product_id = excluded.product_id,
            package_version_id = excluded.package_version_id, audience = excluded.audience,
            state = excluded.state, list_unit_price_krw = excluded.list_unit_price_krw,
            capacity = excluded.capacity, pack_size = excluded.pack_size,
            lead_time_days = excluded.lead_time_days, valid_until = excluded.valid_until,
            is_illustrative = excluded.is_illustrative, terms_ko = excluded.terms_ko,
            terms_en = excluded.terms_en, warranty_months = excluded.warranty_months,
            spare_parts_years = excluded.spare_parts_years, return_terms_ko = excluded.return_terms_ko,
            return_terms_en = excluded.return_terms_en,
            installation_includes = excluded.installation_includes,
            installation_excludes = excluded.installation_excludes, updated_at = clock_timestamp()
        WHERE (o.vendor_id, o.product_id, o.package_version_id, o.audience, o.state,
               o.list_unit_price_krw, o.capacity, o.pack_size, o.lead_time_days, o.valid_until,
               o.is_illustrative, o.terms_ko, o.terms_en, o.warranty_months, o.spare_parts_years,
               o.return_terms_ko, o.return_terms_en, o.installation_includes, o.installation_excludes)
              IS DISTINCT FROM
              (excluded.vendor_id, excluded.product_id, excluded.package_version_id,
               excluded.audience, excluded.state, excluded.list_unit_price_krw, excluded.capacity,
               excluded.pack_size, excluded.lead_time_days, excluded.valid_until,
               excluded.is_illustrative, excluded.terms_ko, excluded.terms_en,
               excluded.warranty_months, excluded.spare_parts_years, excluded.return_terms_ko,
               excluded.return_terms_en, excluded.installation_includes, excluded.installation_excludes)
        """,
        written,
    )
    await _write_tiers(conn, written)
    await _write_invitations(conn, written)


async def _write_tiers(conn: asyncpg.Connection, written: str) -> None:
    await conn.execute(
        """
        DELETE FROM price_tiers t
        USING jsonb_to_recordset($1::text::jsonb) AS f (code text, tiers jsonb)
        JOIN offers o ON o.code = f.code
        WHERE t.offer_id = o.id AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset(f.tiers) AS n (quantity_min integer)
            WHERE n.quantity_min = t.quantity_min)
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO price_tiers AS t (offer_id, quantity_min, unit_price_krw)
        SELECT o.id, n.quantity_min, n.unit_price_krw
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, tiers jsonb)
        JOIN offers o ON o.code = f.code
        CROSS JOIN LATERAL jsonb_to_recordset(f.tiers) AS n (quantity_min integer, unit_price_krw bigint)
        ORDER BY o.id, n.quantity_min
        ON CONFLICT (offer_id, quantity_min) DO UPDATE SET unit_price_krw = excluded.unit_price_krw
        WHERE t.unit_price_krw IS DISTINCT FROM excluded.unit_price_krw
        """,
        written,
    )


async def _write_invitations(conn: asyncpg.Connection, written: str) -> None:
    await conn.execute(
        """
        DELETE FROM offer_invitations i
        USING jsonb_to_recordset($1::text::jsonb) AS f (code text, invited jsonb), offers o, organizations w
        WHERE o.code = f.code AND i.offer_id = o.id AND w.id = i.organization_id AND NOT f.invited ? w.code
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO offer_invitations (offer_id, organization_id)
        SELECT o.id, w.id
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, invited jsonb)
        JOIN offers o ON o.code = f.code
        JOIN organizations w ON f.invited ? w.code
        ORDER BY o.id, w.id
        ON CONFLICT DO NOTHING
        """,
        written,
    )
