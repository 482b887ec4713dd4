"""Products with their makers and specs."""

from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import ProductRow
from catalog.importing.makers import check_makers, write_makers
from catalog.importing.product_details import CODES_JSON, DETAILS_JSON, check_datasheets, write_details
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of, packed


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        f"""
        SELECT p.vendor_id, p.id, (jsonb_build_object(
            'code', p.code, 'vendor', v.code, 'maker', m.name, 'maker_ko', m.name_ko,
            'maker_country', m.country, 'model', p.model, 'series', p.series, 'category', p.category,
            'subcategory', p.subcategory, 'name_ko', p.name_ko, 'name_en', p.name_en,
            'summary_ko', p.summary_ko, 'summary_en', p.summary_en, 'verification', p.verification,
            'source_title', p.source_title, 'source_url', p.source_url, 'source_kind', p.source_kind,
            'note', p.note, 'state', p.state, 'visibility', p.visibility, {DETAILS_JSON},
            'specs', coalesce((
                SELECT json_object_agg(s.code, json_build_object(
                    'shown', s.shown, 'number', s.number, 'number_max', s.number_max,
                    'text', s.text, 'boolean', s.boolean, 'unit', s.unit))
                FROM product_specs s WHERE s.product_id = p.id), '{{}}'::json)) || {CODES_JSON})::text
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
    found = (StoredRow(msgspec.json.decode(row[2], type=ProductRow), row[0], row[1]) for row in rows)
    return {stored.row.code: stored for stored in found if isinstance(stored.row, ProductRow)}


async def resolve(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> list[StagedRow]:
    """A maker whose writing is a guess ("FESTO") is the listed one of the same letters ("Festo"), if there is one."""
    asked = [
        row.row.maker.lower() for row in rows if "maker" in row.guesses and isinstance(row.row, ProductRow)
    ]
    if not asked:
        return list(rows)
    found = await conn.fetch(
        "SELECT name, name_ko, country FROM makers WHERE lower(name) = ANY ($1::text[]) ORDER BY id DESC",
        asked,
    )
    known = {row["name"].lower(): row for row in found}
    return [
        msgspec.structs.replace(
            staged,
            row=msgspec.structs.replace(
                staged.row, maker=maker["name"], maker_ko=maker["name_ko"], maker_country=maker["country"]
            ),
        )
        if "maker" in staged.guesses
        and isinstance(staged.row, ProductRow)
        and (maker := known.get(staged.row.maker.lower()))
        else staged
        for staged in rows
    ]


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    """Makers are known under one name and country, and a maker has each model once."""
    errors = await check_makers(conn, rows=rows, importer=importer, seen=seen)
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
    holders = {f"{row['name']}\n{row['model']}": row["code"] for row in taken}
    for line, product in products:
        model = f"{product.maker}\n{product.model}"
        holder = holders.get(model) or seen.models.setdefault(model, product.code)
        if holder != product.code:
            expected = Wording(
                f"a model that {product.maker} has once; {holder} is it already",
                f"{product.maker}에 하나뿐인 모델(이미 {holder}로 등록됨)",
            )
            errors.append(row_error(line, "model", product.model, expected))
    return errors + await check_datasheets(conn, rows=rows, importer=importer)


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(code ORDER BY code))[:$3], '{}') FROM products
        WHERE vendor_id = ANY ($2::bigint[]) AND state <> 'retired' AND code <> ALL ($1::text[])
        """,
        keys,
        owner_ids,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await write_makers(conn, rows=rows)
    products = [row.row for row in rows if isinstance(row.row, ProductRow)]
    ids = {row.key: row.current.id for row in rows if row.current is not None}
    listed = set(ids.values())
    for code, product_id, is_new in await _write_products(conn, products):
        ids[code] = product_id
        if not is_new:
            listed.add(product_id)
    if listed:
        await conn.execute("DELETE FROM product_specs WHERE product_id = ANY ($1::bigint[])", sorted(listed))
    await _write_specs(conn, products, ids)
    await write_details(
        conn,
        products=products,
        changed={code for code, product_id in ids.items() if product_id in listed},
        ids=ids,
    )
    await _write_digests(conn, rows, ids)


async def _write_products(
    conn: asyncpg.Connection, products: Sequence[ProductRow]
) -> list[tuple[str, int, bool]]:
    """Insert and update; answer code, id and whether it is new of what was. Columns travel as arrays."""
    written = await conn.fetch(
        """
        INSERT INTO products AS p
            (code, vendor_id, maker_id, model, series, category, subcategory, name_ko, name_en,
             summary_ko, summary_en, verification, source_title, source_url, source_kind, note,
             state, visibility)
        SELECT f.code, v.id, m.id, f.model, f.series, f.category, f.subcategory, f.name_ko, f.name_en,
               f.summary_ko, f.summary_en, f.verification, f.source_title, f.source_url, f.source_kind,
               f.note, f.state, f.visibility
        FROM unnest(unpacked($1), unpacked($2), unpacked($3), unpacked($4), unpacked($5), unpacked($6),
                    unpacked($7), unpacked($8), unpacked($9), unpacked($10), unpacked($11), unpacked($12),
                    unpacked($13), unpacked($14), unpacked($15), unpacked($16), unpacked($17), unpacked($18)) AS f (
            code, vendor, maker, model, series, category, subcategory, name_ko, name_en, summary_ko,
            summary_en, verification, source_title, source_url, source_kind, note, state, visibility)
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
        RETURNING code, id, p.xmax = 0
        """,
        *(packed([getattr(product, name) for product in products]) for name in _WRITTEN),
    )
    return [(row[0], row[1], row[2]) for row in written]


_WRITTEN = (
    "code", "vendor", "maker", "model", "series", "category", "subcategory", "name_ko", "name_en", "summary_ko",
    "summary_en", "verification", "source_title", "source_url", "source_kind", "note", "state", "visibility",
)  # fmt: skip


async def _write_specs(
    conn: asyncpg.Connection, products: Sequence[ProductRow], ids: Mapping[str, int]
) -> None:
    """Insert the specs of products that have none (any more): who changes specs holds the product's row."""
    specs = [
        (str(ids[product.code]), code, value)
        for product in products
        for code, value in sorted(product.specs.items())
    ]
    if not specs:
        return
    await conn.execute(
        """
        INSERT INTO product_specs (product_id, code, number, number_max, text, boolean, unit, shown)
        SELECT * FROM unnest(unpacked($1)::bigint[], unpacked($2), unpacked($3)::float8[],
                             unpacked($4)::float8[], unpacked($5), unpacked($6)::boolean[],
                             unpacked($7), unpacked($8))
        """,
        packed([product_id for product_id, _, _ in specs]),
        packed([code for _, code, _ in specs]),
        packed([None if value.number is None else repr(value.number) for _, _, value in specs]),
        packed([None if value.number_max is None else repr(value.number_max) for _, _, value in specs]),
        packed([value.text for _, _, value in specs]),
        packed([None if value.boolean is None else str(value.boolean) for _, _, value in specs]),
        packed([value.unit for _, _, value in specs]),
        packed([value.shown for _, _, value in specs]),
    )


async def lock(conn: asyncpg.Connection, *, keys: Sequence[str]) -> None:
    """Let nobody else change these products: what is read next stays true until the end of the transaction."""
    await conn.execute(
        "SELECT FROM products WHERE code = ANY ($1::text[]) ORDER BY code FOR NO KEY UPDATE", keys
    )


async def read_digests(conn: asyncpg.Connection, *, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
    rows = await conn.fetch(
        """
        SELECT p.code, d.digest, p.vendor_id FROM products p JOIN product_digests d ON d.product_id = p.id
        WHERE p.code = ANY ($1::text[])
        """,
        keys,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def write_digests(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    """Remember the words of rows that are stored exactly so, and locked."""
    await _write_digests(conn, rows, {row.key: row.current.id for row in rows if row.current is not None})


async def _write_digests(conn: asyncpg.Connection, rows: Sequence[StagedRow], ids: Mapping[str, int]) -> None:
    known = sorted((ids[row.key], row.digest) for row in rows if row.digest is not None)
    await conn.execute(
        """
        INSERT INTO product_digests AS d (product_id, digest)
        SELECT * FROM unnest($1::bigint[], $2::bytea[])
        ON CONFLICT (product_id) DO UPDATE SET digest = excluded.digest WHERE d.digest <> excluded.digest
        """,
        [product_id for product_id, _ in known],
        [digest for _, digest in known],
    )
