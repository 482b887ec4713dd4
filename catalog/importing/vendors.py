"""Vendors: organizations of kind `vendor`, written by a coordinator only."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import VendorRow
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        """
        SELECT id, json_build_object(
            'code', code, 'name_ko', name_ko, 'name_en', name_en, 'business_number', business_number,
            'region', region, 'size', size, 'homepage', homepage, 'introduction_ko', introduction_ko,
            'introduction_en', introduction_en, 'is_fictional', is_fictional)::text
        FROM organizations
        WHERE kind = 'vendor' AND ($1::text[] IS NULL OR code = ANY ($1))
          AND ($2::bigint[] IS NULL OR id = ANY ($2))
        ORDER BY code
        """,
        keys,
        owner_ids,
    )
    found = (StoredRow(msgspec.json.decode(row[1], type=VendorRow), row[0]) for row in rows)
    return {stored.row.code: stored for stored in found if isinstance(stored.row, VendorRow)}


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    """A code that another kind of organization has is taken."""
    del importer, seen
    taken = await conn.fetch(
        "SELECT code FROM organizations WHERE kind <> 'vendor' AND code = ANY ($1::text[])",
        [row.key for row in rows],
    )
    codes = {row["code"] for row in taken}
    expected = Wording("a code that no other organization has", "다른 기관이 쓰지 않는 코드")
    return [row_error(row.line, "code", row.key, expected) for row in rows if row.key in codes]


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    del owner_ids
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(code ORDER BY code))[:$2], '{}') FROM organizations
        WHERE kind = 'vendor' AND state <> 'terminated' AND code <> ALL ($1::text[])
        """,
        keys,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await conn.execute(
        """
        INSERT INTO organizations AS o
            (code, kind, name_ko, name_en, business_number, region, size, homepage,
             introduction_ko, introduction_en, is_fictional)
        SELECT code, 'vendor', name_ko, name_en, business_number, region, size, homepage,
               introduction_ko, introduction_en, is_fictional
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, name_ko text, name_en text, business_number text, region text, size text,
            homepage text, introduction_ko text, introduction_en text, is_fictional boolean)
        ORDER BY code
        ON CONFLICT (code) DO UPDATE SET
            name_ko = excluded.name_ko, name_en = excluded.name_en,
            business_number = excluded.business_number, region = excluded.region, size = excluded.size,
            homepage = excluded.homepage, introduction_ko = excluded.introduction_ko,
            introduction_en = excluded.introduction_en, is_fictional = excluded.is_fictional
        WHERE o.kind = 'vendor'
          AND (o.name_ko, o.name_en, o.business_number, o.region, o.size, o.homepage,
               o.introduction_ko, o.introduction_en, o.is_fictional)
              IS DISTINCT FROM
              (excluded.name_ko, excluded.name_en, excluded.business_number, excluded.region,
               excluded.size, excluded.homepage, excluded.introduction_ko, excluded.introduction_en,
               excluded.is_fictional)
        """,
        as_json([row.row for row in rows]),
    )
