"""What a product says beside its facts and specs: terms of its own, a datasheet, codes of other schemes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from catalog.core.cells import Wording
from catalog.core.external_codes import CODE_SCHEMES
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_rows import ProductRow
from catalog.importing.staged import Organization, StagedRow, as_json

DETAILS_JSON: Final = """
    'asks_quote', p.asks_quote, 'lead_time_days', p.lead_time_days, 'warranty_months', p.warranty_months,
    'datasheet', p.datasheet_file_id
"""
"""Of product p, inside a `json_build_object`; its codes are CODES_JSON."""

CODES_JSON: Final = """
    coalesce((SELECT jsonb_object_agg('code_' || c.scheme, c.value)
                  || jsonb_object_agg('code_' || c.scheme || '_version', c.scheme_version)
              FROM product_codes c WHERE c.product_id = p.id), '{}')
"""

_PLAIN: Final[tuple[str, ...]] = ("asks_quote", "lead_time_days", "warranty_months", "datasheet")
_CODES: Final = tuple(f"code_{scheme}" for scheme in CODE_SCHEMES)


async def check_datasheets(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization
) -> list[RowError]:
    """A datasheet is a file that its vendor has uploaded; what is stored already may stay."""
    asked = {
        row.line: row.row.datasheet
        for row in rows
        if isinstance(row.row, ProductRow)
        and row.row.datasheet is not None
        and getattr(row.current.row if row.current else None, "datasheet", None) != row.row.datasheet
    }
    if not asked:
        return []
    known = await conn.fetch(
        "SELECT id FROM files WHERE id = ANY ($1::uuid[]) AND ($2 OR organization_id = $3)",
        list(asked.values()),
        importer.kind == "coordinator",
        importer.id,
    )
    found = {row["id"] for row in known}
    expected = Wording("a file of your own, or nothing", "자사가 올린 파일 또는 빈칸")
    return [
        row_error(line, "datasheet", str(file_id), expected)
        for line, file_id in asked.items()
        if file_id not in found
    ]


async def write_details(
    conn: asyncpg.Connection, *, products: Sequence[ProductRow], changed: set[str], ids: Mapping[str, int]
) -> None:
    """Write the details of products that have some, or may have had (`changed`: codes of those that were there)."""
    described = [product for product in products if product.code in changed or _has_details(product)]
    if not described:
        return
    await conn.execute(
        """
        UPDATE products p
        SET asks_quote = f.asks_quote, lead_time_days = f.lead_time_days, warranty_months = f.warranty_months,
            datasheet_file_id = f.datasheet, updated_at = clock_timestamp()
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            id bigint, asks_quote boolean, lead_time_days integer, warranty_months integer, datasheet uuid)
        WHERE p.id = f.id AND (p.asks_quote, p.lead_time_days, p.warranty_months, p.datasheet_file_id)
              IS DISTINCT FROM (f.asks_quote, f.lead_time_days, f.warranty_months, f.datasheet)
        """,
        as_json(
            [{"id": ids[p.code]} | {name: getattr(p, name) for name in _PLAIN} for p in described],
        ),
    )
    codes = [found for product in described for found in _codes_of(product, ids[product.code])]
    written = as_json(codes)
    await conn.execute(
        """
        DELETE FROM product_codes c
        WHERE c.product_id = ANY ($2::bigint[]) AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset($1::text::jsonb) AS f (id bigint, scheme text)
            WHERE f.id = c.product_id AND f.scheme = c.scheme)
        """,
        written,
        [ids[product.code] for product in described if product.code in changed],
    )
    await conn.execute(
        """
        INSERT INTO product_codes AS c (product_id, scheme, value, scheme_version)
        SELECT f.id, f.scheme, f.value, f.version
        FROM jsonb_to_recordset($1::text::jsonb) AS f (id bigint, scheme text, value text, version text)
        ON CONFLICT (product_id, scheme) DO UPDATE SET value = excluded.value, scheme_version = excluded.scheme_version
        WHERE (c.value, c.scheme_version) IS DISTINCT FROM (excluded.value, excluded.scheme_version)
        """,
        written,
    )


def _has_details(product: ProductRow) -> bool:
    return any(getattr(product, name) for name in _CODES) or any(
        getattr(product, name) not in (None, False) for name in _PLAIN
    )


def _codes_of(product: ProductRow, product_id: int) -> list[dict[str, Any]]:
    return [
        {
            "id": product_id,
            "scheme": scheme,
            "value": getattr(product, f"code_{scheme}"),
            "version": getattr(product, f"code_{scheme}_version"),
        }
        for scheme in CODE_SCHEMES
        if getattr(product, f"code_{scheme}")
    ]
