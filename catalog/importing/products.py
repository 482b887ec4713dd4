"""Products with their makers and specs."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_rows import ProductRow
from catalog.importing.makers import check_makers, write_makers
from catalog.importing.staged import Organization, StagedRow, StoredRow, as_json


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        """
        SELECT p.vendor_id, json_build_object(
            'code', p.code, 'vendor', v.code, 'maker', m.name, 'maker_ko', m.name_ko,
            'maker_country', m.country, 'model', p.model, 'series', p.series, 'category', p.category,
            'subcategory', p.subcategory, 'name_ko', p.name_ko, 'name_en', p.name_en,
            'summary_ko', p.summary_ko, 'summary_en', p.summary_en, 'verification', p.verification,
            'source_title', p.source_title, 'source_url', p.source_url, 'source_kind', p.source_kind,
            'note', p.note, 'state', p.state, 'visibility', p.visibility,
            'specs', coalesce((
                SELECT json_object_agg(s.code, json_build_object(
                    'shown', s.shown, 'number', s.number, 'number_max', s.number_max,
                    'text', s.text, 'boolean', s.boolean, 'unit', s.unit))
                FROM product_specs s WHERE s.product_id = p.id), '{}'::json))::text
        FROM products p
        JOIN organizations v ON v.id = p.vendor_id
        JOIN makers m ON m.id = p.maker_id
        WHERE ($1::text[] IS NULL OR p.code = ANY ($1))
          AND ($2::bigint[] IS NULL OR p.vendor_id = ANY ($2))
        ORDER BY p.code
        """,
        keys,
        owner_ids,
    )
    found = ((row[0], msgspec.json.decode(row[1], type=ProductRow)) for row in rows)
    return {product.code: StoredRow(product, owner_id) for owner_id, product in found}


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization
) -> list[RowError]:
    """Makers are known under one name and country, and a maker has each model once."""
    errors = await check_makers(conn, rows=rows, importer=importer)
    products = [(row.line, row.row) for row in rows if isinstance(row.row, ProductRow)]
    taken = await conn.fetch(
        """
        SELECT p.code, m.name, p.model
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, maker text, model text)
        JOIN makers m ON m.name = f.maker
        JOIN products p ON p.maker_id = m.id AND p.model = f.model AND p.code <> f.code
        """,
        as_json([{"code": p.code, "maker": p.maker, "model": p.model} for _, p in products]),
    )
    holders = {(row["name"], row["model"]): row["code"] for row in taken}
    for line, product in products:
        holder = holders.setdefault((product.maker, product.model), product.code)
        if holder != product.code:
            expected = Wording(
                f"a model that {product.maker} has once; {holder} is it already",
                f"{product.maker}에 하나뿐인 모델(이미 {holder}로 등록됨)",
            )
            errors.append(row_error(line, "model", product.model, expected))
    return errors


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> int:
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM products
        WHERE vendor_id = ANY ($2::bigint[]) AND state <> 'retired' AND code <> ALL ($1::text[])
        """,
        keys,
        owner_ids,
    )
    return count


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await write_makers(conn, rows=rows)
    written = as_json([row.row for row in rows])
    await conn.execute(
        """
        INSERT INTO products AS p
            (code, vendor_id, maker_id, model, series, category, subcategory, name_ko, name_en,
             summary_ko, summary_en, verification, source_title, source_url, source_kind, note,
             state, visibility)
        SELECT f.code, v.id, m.id, f.model, f.series, f.category, f.subcategory, f.name_ko, f.name_en,
               f.summary_ko, f.summary_en, f.verification, f.source_title, f.source_url, f.source_kind,
               f.note, f.state, f.visibility
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, vendor text, maker text, model text, series text, category text,
            subcategory text, name_ko text, name_en text, summary_ko text, summary_en text,
            verification text, source_title text, source_url text, source_kind text, note text,
            state text, visibility text)
        JOIN organizations v ON v.code = f.vendor
        JOIN makers m ON m.name = f.maker
        ORDER BY f.code
        ON CONFLICT (code) DO UPDATE SET
            vendor_id = excluded.vendor_id, maker_id = excluded.maker_id, model = excluded.model,
            series = excluded.series, category = excluded.category, subcategory = excluded.subcategory,
            name_ko = excluded.name_ko, name_en = excluded.name_en, summary_ko = excluded.summary_ko,
            summary_en = excluded.summary_en, verification = excluded.verification,
            source_title = excluded.source_title, source_url = excluded.source_url,
            source_kind = excluded.source_kind, note = excluded.note, state = excluded.state,
            visibility = excluded.visibility, updated_at = clock_timestamp()
        WHERE (p.vendor_id, p.maker_id, p.model, p.series, p.category, p.subcategory, p.name_ko,
               p.name_en, p.summary_ko, p.summary_en, p.verification, p.source_title, p.source_url,
               p.source_kind, p.note, p.state, p.visibility)
              IS DISTINCT FROM
              (excluded.vendor_id, excluded.maker_id, excluded.model, excluded.series,
               excluded.category, excluded.subcategory, excluded.name_ko, excluded.name_en,
               excluded.summary_ko, excluded.summary_en, excluded.verification,
               excluded.source_title, excluded.source_url, excluded.source_kind, excluded.note,
               excluded.state, excluded.visibility)
        """,
        written,
    )
    await _write_specs(conn, written)


async def _write_specs(conn: asyncpg.Connection, written: str) -> None:
    await conn.execute(
        """
        DELETE FROM product_specs s
        USING jsonb_to_recordset($1::text::jsonb) AS f (code text, specs jsonb)
        JOIN products p ON p.code = f.code
        WHERE s.product_id = p.id AND NOT f.specs ? s.code
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO product_specs AS s (product_id, code, number, number_max, text, boolean, unit, shown)
        SELECT p.id, spec.key, v.number, v.number_max, v.text, v.boolean, v.unit, v.shown
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, specs jsonb)
        JOIN products p ON p.code = f.code
        CROSS JOIN LATERAL jsonb_each(f.specs) AS spec
        CROSS JOIN LATERAL jsonb_to_record(spec.value) AS v (
            number double precision, number_max double precision, text text, boolean boolean,
            unit text, shown text)
        ORDER BY p.id, spec.key
        ON CONFLICT (product_id, code) DO UPDATE SET
            number = excluded.number, number_max = excluded.number_max, text = excluded.text,
            boolean = excluded.boolean, unit = excluded.unit, shown = excluded.shown
        WHERE (s.number, s.number_max, s.text, s.boolean, s.unit, s.shown) IS DISTINCT FROM
              (excluded.number, excluded.number_max, excluded.text, excluded.boolean, excluded.unit,
               excluded.shown)
        """,
        written,
    )
