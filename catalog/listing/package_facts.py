"""The facts of a package version beside its bill of materials: written with the version, never changed after."""

from collections.abc import Mapping
from typing import Any

import asyncpg


async def current_version_id(conn: asyncpg.Connection, *, code: str, vendor_id: int) -> int | None:
    """The id of the current version of the vendor's own package model; None where it has none of this code."""
    found: int | None = await conn.fetchval(
        """
        SELECT n.id FROM package_models m JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        WHERE m.code = $1 AND m.vendor_id = $2
        """,
        code,
        vendor_id,
    )
    return found


async def renew_version(conn: asyncpg.Connection, *, version_id: int) -> int:
    """Make the next version of a package with the same content; return its id. The old one stays as it is."""
    await conn.execute("UPDATE package_versions SET is_current = false WHERE id = $1", version_id)
    renewed: int = await conn.fetchval(
        """
        INSERT INTO package_versions
            (package_model_id, version, level_from, level_to, industries, summary_ko, summary_en, included_ko,
             included_en, excluded_ko, excluded_en, lead_time_days, warranty_months, spare_parts_years)
        SELECT package_model_id, version + 1, level_from, level_to, industries, summary_ko, summary_en, included_ko,
               included_en, excluded_ko, excluded_en, lead_time_days, warranty_months, spare_parts_years
        FROM package_versions WHERE id = $1
        RETURNING id
        """,
        version_id,
    )
    await conn.execute(
        """
        INSERT INTO bom_lines (package_version_id, line_no, slot, product_id, quantity)
        SELECT $2, line_no, slot, product_id, quantity FROM bom_lines WHERE package_version_id = $1
        """,
        version_id,
        renewed,
    )
    return renewed


async def write_facts(conn: asyncpg.Connection, *, version_id: int, values: Mapping[str, Any]) -> None:
    """Write the facts and alternatives of a version that was made in this transaction."""
    await conn.execute(
        """
        INSERT INTO package_facts
            (package_version_id, return_terms_ko, return_terms_en, monthly_fee_krw, contract_months_min,
             data_location, exit_terms_ko, exit_terms_en, saved_kwh_per_year, fems_product_id, ess_product_id,
             courses_ko, courses_en)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT id FROM products WHERE code = $10),
                (SELECT id FROM products WHERE code = $11), $12, $13)
        ON CONFLICT (package_version_id) DO UPDATE SET
            return_terms_ko = excluded.return_terms_ko, return_terms_en = excluded.return_terms_en,
            monthly_fee_krw = excluded.monthly_fee_krw, contract_months_min = excluded.contract_months_min,
            data_location = excluded.data_location, exit_terms_ko = excluded.exit_terms_ko,
            exit_terms_en = excluded.exit_terms_en, saved_kwh_per_year = excluded.saved_kwh_per_year,
            fems_product_id = excluded.fems_product_id, ess_product_id = excluded.ess_product_id,
            courses_ko = excluded.courses_ko, courses_en = excluded.courses_en
        """,
        version_id,
        values.get("return_terms_ko") or "",
        values.get("return_terms_en") or "",
        values.get("monthly_fee_krw"),
        values.get("contract_months_min"),
        values.get("data_location"),
        values.get("exit_terms_ko") or "",
        values.get("exit_terms_en") or "",
        values.get("saved_kwh_per_year"),
        values.get("fems_product"),
        values.get("ess_product"),
        list(values.get("courses_ko") or ()),
        list(values.get("courses_en") or ()),
    )
    await conn.execute("DELETE FROM bom_alternatives WHERE package_version_id = $1", version_id)
    alternatives = values.get("alternatives") or ()
    await conn.execute(
        """
        INSERT INTO bom_alternatives (package_version_id, line_no, product_id)
        SELECT b.package_version_id, b.line_no, i.id
        FROM unnest($2::text[], $3::text[]) AS f (product, instead)
        JOIN products p ON p.code = f.product
        JOIN bom_lines b ON b.package_version_id = $1 AND b.product_id = p.id
        JOIN products i ON i.code = f.instead
        ON CONFLICT DO NOTHING
        """,
        version_id,
        [found.product for found in alternatives],
        [found.instead for found in alternatives],
    )
