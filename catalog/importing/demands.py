"""Demands of factories. What becomes of a demand (placed, withdrawn) is not a matter of files."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.import_rows import RowError
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import DemandRow
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        """
        SELECT d.factory_id, json_build_object(
            'id', d.id, 'factory', v.code, 'category', d.category, 'subcategory', d.subcategory,
            'quantity_min', d.quantity_min, 'quantity_max', d.quantity_max,
            'ceiling_unit_price_krw', d.ceiling_unit_price_krw, 'needed_by', d.needed_by,
            'region', d.region, 'note', d.note)::text
        FROM demands d JOIN organizations v ON v.id = d.factory_id
        WHERE ($1::text[] IS NULL OR d.id = ANY ($1::uuid[]))
          AND ($2::bigint[] IS NULL OR d.factory_id = ANY ($2))
        ORDER BY d.created_at, d.id
        """,
        keys,
        owner_ids,
    )
    found = ((row[0], msgspec.json.decode(row[1], type=DemandRow)) for row in rows)
    return {str(demand.id): StoredRow(demand, owner_id) for owner_id, demand in found}


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    del conn, rows, importer, seen
    return []


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(lower(id::text) ORDER BY lower(id::text)))[:$3], '{}') FROM demands
        WHERE factory_id = ANY ($2::bigint[]) AND state = 'open' AND lower(id::text) <> ALL ($1::text[])
        """,
        [key.lower() for key in keys],
        owner_ids,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await conn.execute(
        """
        INSERT INTO demands AS d
            (id, factory_id, category, subcategory, quantity_min, quantity_max, ceiling_unit_price_krw,
             needed_by, region, note)
        SELECT f.id, v.id, f.category, f.subcategory, f.quantity_min, f.quantity_max,
               f.ceiling_unit_price_krw, f.needed_by, f.region, f.note
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            id uuid, factory text, category text, subcategory text, quantity_min integer,
            quantity_max integer, ceiling_unit_price_krw bigint, needed_by date, region text, note text)
        JOIN organizations v ON v.code = f.factory
        ORDER BY f.id
        ON CONFLICT (id) DO UPDATE SET
            factory_id = excluded.factory_id, category = excluded.category,
            subcategory = excluded.subcategory, quantity_min = excluded.quantity_min,
            quantity_max = excluded.quantity_max,
            ceiling_unit_price_krw = excluded.ceiling_unit_price_krw,
            needed_by = excluded.needed_by, region = excluded.region, note = excluded.note
        WHERE (d.factory_id, d.category, d.subcategory, d.quantity_min, d.quantity_max,
               d.ceiling_unit_price_krw, d.needed_by, d.region, d.note)
              IS DISTINCT FROM
              (excluded.factory_id, excluded.category, excluded.subcategory, excluded.quantity_min,
               excluded.quantity_max, excluded.ceiling_unit_price_krw, excluded.needed_by,
               excluded.region, excluded.note)
        """,
        as_json([row.row for row in rows]),
    )
