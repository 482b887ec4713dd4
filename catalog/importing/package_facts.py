"""The facts of a package version beside its content and bill of materials: written with it, never changed after."""

from typing import Final

import asyncpg

FACTS_JSON: Final = """
    jsonb_build_object(
        'alternatives', coalesce((
            SELECT jsonb_agg(DISTINCT jsonb_build_object('product', q.code, 'instead', i.code))
            FROM bom_alternatives a
            JOIN bom_lines b USING (package_version_id, line_no)
            JOIN products q ON q.id = b.product_id
            JOIN products i ON i.id = a.product_id
            WHERE a.package_version_id = n.id), '[]'),
        'return_terms_ko', coalesce(f.return_terms_ko, ''), 'return_terms_en', coalesce(f.return_terms_en, ''),
        'monthly_fee_krw', f.monthly_fee_krw, 'contract_months_min', f.contract_months_min,
        'data_location', f.data_location, 'exit_terms_ko', coalesce(f.exit_terms_ko, ''),
        'exit_terms_en', coalesce(f.exit_terms_en, ''), 'saved_kwh_per_year', f.saved_kwh_per_year,
        'fems_product', (SELECT code FROM products WHERE id = f.fems_product_id),
        'ess_product', (SELECT code FROM products WHERE id = f.ess_product_id),
        'courses_ko', coalesce(f.courses_ko, '{}'), 'courses_en', coalesce(f.courses_en, '{}'))
"""
"""Of package version n with its facts f (or none), as the fields of a PackageModelRow; alternatives in no order."""


async def write_facts(conn: asyncpg.Connection, written: str) -> None:
    """Write the facts of the current versions, made in this transaction, of these rows (a JSON list)."""
    await conn.execute(
        """
        INSERT INTO package_facts
            (package_version_id, return_terms_ko, return_terms_en, monthly_fee_krw, contract_months_min,
             data_location, exit_terms_ko, exit_terms_en, saved_kwh_per_year, fems_product_id, ess_product_id,
             courses_ko, courses_en)
        SELECT n.id, f.return_terms_ko, f.return_terms_en, f.monthly_fee_krw, f.contract_months_min, f.data_location,
               f.exit_terms_ko, f.exit_terms_en, f.saved_kwh_per_year, fems.id, ess.id, f.courses_ko, f.courses_en
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, return_terms_ko text, return_terms_en text, monthly_fee_krw bigint,
            contract_months_min integer, data_location text, exit_terms_ko text, exit_terms_en text,
            saved_kwh_per_year integer, fems_product text, ess_product text, courses_ko text[], courses_en text[])
        JOIN package_models m ON m.code = f.code
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        LEFT JOIN products fems ON fems.code = f.fems_product
        LEFT JOIN products ess ON ess.code = f.ess_product
        ON CONFLICT (package_version_id) DO UPDATE SET
            return_terms_ko = excluded.return_terms_ko, return_terms_en = excluded.return_terms_en,
            monthly_fee_krw = excluded.monthly_fee_krw, contract_months_min = excluded.contract_months_min,
            data_location = excluded.data_location, exit_terms_ko = excluded.exit_terms_ko,
            exit_terms_en = excluded.exit_terms_en, saved_kwh_per_year = excluded.saved_kwh_per_year,
            fems_product_id = excluded.fems_product_id, ess_product_id = excluded.ess_product_id,
            courses_ko = excluded.courses_ko, courses_en = excluded.courses_en
        """,
        written,
    )
    await conn.execute(
        """
        DELETE FROM bom_alternatives a
        USING jsonb_to_recordset($1::text::jsonb) AS f (code text), package_models m, package_versions n
        WHERE m.code = f.code AND n.package_model_id = m.id AND n.is_current AND a.package_version_id = n.id
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO bom_alternatives (package_version_id, line_no, product_id)
        SELECT b.package_version_id, b.line_no, i.id
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, alternatives jsonb)
        JOIN package_models m ON m.code = f.code
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        CROSS JOIN LATERAL jsonb_to_recordset(f.alternatives) AS part (product text, instead text)
        JOIN products p ON p.code = part.product
        JOIN bom_lines b ON b.package_version_id = n.id AND b.product_id = p.id
        JOIN products i ON i.code = part.instead
        ON CONFLICT DO NOTHING
        """,
        written,
    )
