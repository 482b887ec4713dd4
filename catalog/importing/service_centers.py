"""Sites of makers: service centers, sales offices, plants, each with its true role."""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.import_rows import RowError
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import ServiceCenterRow
from catalog.importing.makers import check_makers, read_makers, write_makers
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        """
        SELECT c.vendor_id, json_build_object(
            'code', c.code, 'vendor', v.code, 'maker', m.name, 'maker_ko', m.name_ko,
            'maker_country', m.country, 'name_ko', c.name_ko, 'name_en', c.name_en, 'roles', c.roles,
            'status', c.status, 'as_of', c.as_of, 'country', c.country, 'city', c.city,
            'city_ko', c.city_ko, 'address', c.address, 'phone', c.phone, 'latitude', c.latitude,
            'longitude', c.longitude, 'time_zone', c.time_zone, 'serves', c.serves,
            'serves_ko', c.serves_ko, 'languages', c.languages, 'source_title', c.source_title,
            'source_url', c.source_url, 'verification', c.verification, 'note', c.note)::text
        FROM service_centers c
        JOIN organizations v ON v.id = c.vendor_id
        JOIN makers m ON m.id = c.maker_id
        WHERE ($1::text[] IS NULL OR c.code = ANY ($1))
          AND ($2::bigint[] IS NULL OR c.vendor_id = ANY ($2))
        ORDER BY c.code
        """,
        keys,
        owner_ids,
    )
    found = ((row[0], msgspec.json.decode(row[1], type=ServiceCenterRow)) for row in rows)
    return {center.code: StoredRow(center, owner_id) for owner_id, center in found}


async def resolve(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> list[StagedRow]:
    """What a row does not say about its maker is as listed."""
    centers = [(row, row.row) for row in rows if isinstance(row.row, ServiceCenterRow)]
    makers = await read_makers(conn, names=sorted({center.maker for _, center in centers}))
    resolved = []
    for staged, center in centers:
        maker = makers.get(center.maker)
        if maker is not None:
            center = msgspec.structs.replace(  # noqa: PLW2901 - the same row, completed
                center,
                maker_ko=center.maker_ko or maker.name_ko,
                maker_country=center.maker_country or maker.country,
            )
        resolved.append(msgspec.structs.replace(staged, row=center))
    return resolved


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    return await check_makers(conn, rows=rows, importer=importer, seen=seen)


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(code ORDER BY code))[:$3], '{}') FROM service_centers
        WHERE vendor_id = ANY ($2::bigint[]) AND status <> 'closed' AND code <> ALL ($1::text[])
        """,
        keys,
        owner_ids,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await write_makers(conn, rows=rows)
    await conn.execute(
        """
        INSERT INTO service_centers AS c
            (code, vendor_id, maker_id, name_ko, name_en, roles, status, as_of, country, city, city_ko,
             address, phone, latitude, longitude, time_zone, serves, serves_ko, languages,
             source_title, source_url, verification, note)
        SELECT f.code, v.id, m.id, f.name_ko, f.name_en, f.roles, f.status, f.as_of, f.country, f.city,
               f.city_ko, f.address, f.phone, f.latitude, f.longitude, f.time_zone, f.serves,
               f.serves_ko, f.languages, f.source_title, f.source_url, f.verification, f.note
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, vendor text, maker text, name_ko text, name_en text, roles text[], status text,
            as_of text, country text, city text, city_ko text, address text, phone text,
            latitude double precision, longitude double precision, time_zone text, serves text[],
            serves_ko text[], languages text[], source_title text, source_url text,
            verification text, note text)
        JOIN organizations v ON v.code = f.vendor
        JOIN makers m ON m.name = f.maker
        ORDER BY f.code
        ON CONFLICT (code) DO UPDATE SET
            vendor_id = excluded.vendor_id, maker_id = excluded.maker_id, name_ko = excluded.name_ko,
            name_en = excluded.name_en, roles = excluded.roles, status = excluded.status,
            as_of = excluded.as_of, country = excluded.country, city = excluded.city,
            city_ko = excluded.city_ko, address = excluded.address, phone = excluded.phone,
            latitude = excluded.latitude, longitude = excluded.longitude,
            time_zone = excluded.time_zone, serves = excluded.serves, serves_ko = excluded.serves_ko,
            languages = excluded.languages, source_title = excluded.source_title,
            source_url = excluded.source_url, verification = excluded.verification,
            note = excluded.note, updated_at = clock_timestamp()
        WHERE (c.vendor_id, c.maker_id, c.name_ko, c.name_en, c.roles, c.status, c.as_of, c.country,
               c.city, c.city_ko, c.address, c.phone, c.latitude, c.longitude, c.time_zone, c.serves,
               c.serves_ko, c.languages, c.source_title, c.source_url, c.verification, c.note)
              IS DISTINCT FROM
              (excluded.vendor_id, excluded.maker_id, excluded.name_ko, excluded.name_en,
               excluded.roles, excluded.status, excluded.as_of, excluded.country, excluded.city,
               excluded.city_ko, excluded.address, excluded.phone, excluded.latitude,
               excluded.longitude, excluded.time_zone, excluded.serves, excluded.serves_ko,
               excluded.languages, excluded.source_title, excluded.source_url,
               excluded.verification, excluded.note)
        """,
        as_json([row.row for row in rows]),
    )
