"""Read and write what a listing says beyond its import row: terms, codes, alternatives, facts of its type."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.external_codes import CODE_SCHEMES
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_extras import FORM_LINE, Alternative, datasheet_id
from catalog.core.listing_rows import ImportKind
from catalog.core.viewer import Viewer


async def read_extras(conn: asyncpg.Connection, *, kind: ImportKind, code: str) -> dict[str, Any]:
    """The typed extra fields of a listing; of a package, those of its current version."""
    if kind == "products":
        return await _read_product(conn, code)
    if kind == "package-models":
        return await _read_package(conn, code)
    return await _read_offer(conn, code)


async def _read_product(conn: asyncpg.Connection, code: str) -> dict[str, Any]:
    row = await conn.fetchrow(
        """
        SELECT asks_quote, lead_time_days, warranty_months, datasheet_file_id AS datasheet, id
        FROM products WHERE code = $1
        """,
        code,
    )
    if row is None:
        return {}
    values = dict(row)
    codes = await conn.fetch(
        "SELECT scheme, value, scheme_version FROM product_codes WHERE product_id = $1", values.pop("id")
    )
    for scheme, value, version in codes:
        values[f"code_{scheme}"] = value
        values[f"code_{scheme}_version"] = version
    return values


async def _read_package(conn: asyncpg.Connection, code: str) -> dict[str, Any]:
    row = await conn.fetchrow(
        """
        SELECT n.id, f.return_terms_ko, f.return_terms_en, f.monthly_fee_krw, f.contract_months_min, f.data_location,
               f.exit_terms_ko, f.exit_terms_en, f.saved_kwh_per_year, fems.code AS fems_product,
               ess.code AS ess_product, f.courses_ko, f.courses_en
        FROM package_models m
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        LEFT JOIN package_facts f ON f.package_version_id = n.id
        LEFT JOIN products fems ON fems.id = f.fems_product_id
        LEFT JOIN products ess ON ess.id = f.ess_product_id
        WHERE m.code = $1
        """,
        code,
    )
    if row is None:
        return {}
    values = dict(row)
    values["alternatives"] = await _read_alternatives(conn, values.pop("id"))
    return values


async def _read_alternatives(conn: asyncpg.Connection, version_id: int) -> tuple[Alternative, ...]:
    rows = await conn.fetch(
        """
        SELECT DISTINCT p.code, i.code
        FROM bom_alternatives a
        JOIN bom_lines b USING (package_version_id, line_no)
        JOIN products p ON p.id = b.product_id
        JOIN products i ON i.id = a.product_id
        WHERE a.package_version_id = $1 ORDER BY 1, 2
        """,
        version_id,
    )
    return tuple(Alternative(*row) for row in rows)


async def _read_offer(conn: asyncpg.Connection, code: str) -> dict[str, Any]:
    row = await conn.fetchrow(
        """
        SELECT warranty_months, spare_parts_years, return_terms_ko, return_terms_en, installation_includes,
               installation_excludes
        FROM offers WHERE code = $1
        """,
        code,
    )
    return dict(row or {})


async def check_references(
    conn: asyncpg.Connection, *, kind: ImportKind, values: Mapping[str, Any], viewer: Viewer
) -> tuple[RowError, ...]:
    """Alternatives are products that the vendor may see; a datasheet is a file of its own."""
    errors = []
    if kind == "package-models":
        asked = sorted({a.instead for a in values.get("alternatives", ())})
        known = await _visible_products(conn, codes=asked, viewer=viewer)
        expected = Wording("the code of a listed product", "등록된 제품의 코드")
        errors = [row_error(FORM_LINE, "alternatives", code, expected) for code in asked if code not in known]
    file_id = datasheet_id(values) if kind == "products" else None
    if file_id is not None:
        owns = await conn.fetchval(
            "SELECT EXISTS (SELECT FROM files WHERE id = $1 AND organization_id = $2)",
            file_id,
            viewer.organization_id,
        )
        if not owns:
            expected = Wording("a file of your own", "자사가 올린 파일")
            errors.append(row_error(FORM_LINE, "datasheet", str(file_id), expected))
    return tuple(errors)


async def _visible_products(conn: asyncpg.Connection, *, codes: Sequence[str], viewer: Viewer) -> set[str]:
    rows = await conn.fetch(
        """
        SELECT p.code FROM products p JOIN organizations v ON v.id = p.vendor_id
        WHERE p.code = ANY ($1::text[])
          AND (p.vendor_id = $2 OR p.state = 'published' AND v.state = 'active' AND p.visibility <> 'owner')
        """,
        list(codes),
        viewer.organization_id,
    )
    return {row["code"] for row in rows}


async def write_product_extras(
    conn: asyncpg.Connection, *, code: str, vendor_id: int, values: Mapping[str, Any]
) -> None:
    """Set the extra fields of the vendor's own product; somebody else's stays as it is."""
    await conn.execute(
        """
        UPDATE products SET asks_quote = $3, lead_time_days = $4, warranty_months = $5, datasheet_file_id = $6,
               updated_at = clock_timestamp()
        WHERE code = $1 AND vendor_id = $2
          AND (asks_quote, lead_time_days, warranty_months, datasheet_file_id) IS DISTINCT FROM ($3, $4, $5, $6)
        """,
        code,
        vendor_id,
        bool(values.get("asks_quote")),
        values.get("lead_time_days"),
        values.get("warranty_months"),
        datasheet_id(values),
    )
    codes = [
        {"scheme": scheme, "value": values[f"code_{scheme}"], "version": values.get(f"code_{scheme}_version")}
        for scheme in CODE_SCHEMES
        if values.get(f"code_{scheme}")
    ]
    await conn.execute(
        """
        DELETE FROM product_codes c USING products p
        WHERE p.id = c.product_id AND p.code = $1 AND p.vendor_id = $2 AND c.scheme <> ALL ($3::text[])
        """,
        code,
        vendor_id,
        [found["scheme"] for found in codes],
    )
    await conn.execute(
        """
        INSERT INTO product_codes AS c (product_id, scheme, value, scheme_version)
        SELECT p.id, f.scheme, f.value, f.version
        FROM jsonb_to_recordset($3::text::jsonb) AS f (scheme text, value text, version text), products p
        WHERE p.code = $1 AND p.vendor_id = $2
        ON CONFLICT (product_id, scheme) DO UPDATE SET value = excluded.value, scheme_version = excluded.scheme_version
        WHERE (c.value, c.scheme_version) IS DISTINCT FROM (excluded.value, excluded.scheme_version)
        """,
        code,
        vendor_id,
        msgspec.json.encode(codes).decode(),
    )


async def write_offer_extras(
    conn: asyncpg.Connection, *, code: str, vendor_id: int, values: Mapping[str, Any]
) -> None:
    """Set the responsibility terms of the vendor's own offer; somebody else's stays as it is."""
    await conn.execute(
        """
        UPDATE offers SET warranty_months = $3, spare_parts_years = $4, return_terms_ko = $5, return_terms_en = $6,
               installation_includes = $7, installation_excludes = $8, updated_at = clock_timestamp()
        WHERE code = $1 AND vendor_id = $2
          AND (warranty_months, spare_parts_years, return_terms_ko, return_terms_en, installation_includes,
               installation_excludes) IS DISTINCT FROM ($3, $4, $5, $6, $7, $8)
        """,
        code,
        vendor_id,
        values.get("warranty_months"),
        values.get("spare_parts_years"),
        values.get("return_terms_ko") or "",
        values.get("return_terms_en") or "",
        list(values.get("installation_includes") or ()),
        list(values.get("installation_excludes") or ()),
    )
