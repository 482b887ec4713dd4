"""Package models. A change of content makes a new version; the old one stays for whoever relies on it.

Offers stay on the version that they were made for. Importing an offer again moves it to the current one.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_diff import DIFF_ROWS_MAX
from catalog.core.listing_rows import PACKAGE_VERSION_FIELDS, PackageModelRow
from catalog.importing.package_facts import FACTS_JSON, write_facts
from catalog.importing.staged import Organization, Seen, StagedRow, StoredRow, as_json, missing_of


async def read(
    conn: asyncpg.Connection, *, keys: Sequence[str] | None, owner_ids: Sequence[int] | None
) -> dict[str, StoredRow]:
    rows = await conn.fetch(
        f"""
        SELECT m.vendor_id, (jsonb_build_object(
            'code', m.code, 'vendor', v.code, 'name_ko', m.name_ko, 'name_en', m.name_en,
            'package_type', m.package_type, 'level_from', n.level_from, 'level_to', n.level_to,
            'industries', n.industries, 'summary_ko', n.summary_ko, 'summary_en', n.summary_en,
            'included_ko', n.included_ko, 'included_en', n.included_en,
            'excluded_ko', n.excluded_ko, 'excluded_en', n.excluded_en,
            'lead_time_days', n.lead_time_days, 'warranty_months', n.warranty_months,
            'spare_parts_years', n.spare_parts_years, 'state', m.state, 'visibility', m.visibility,
            'components', coalesce((
                SELECT json_agg(json_build_object('slot', b.slot, 'product', p.code,
                                                  'quantity', b.quantity) ORDER BY b.line_no)
                FROM bom_lines b JOIN products p ON p.id = b.product_id
                WHERE b.package_version_id = n.id), '[]'::json)) || {FACTS_JSON})::text
        FROM package_models m
        JOIN organizations v ON v.id = m.vendor_id
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        LEFT JOIN package_facts f ON f.package_version_id = n.id
        WHERE ($1::text[] IS NULL OR m.code = ANY ($1))
          AND ($2::bigint[] IS NULL OR m.vendor_id = ANY ($2))
        ORDER BY m.code
        """,
        keys,
        owner_ids,
    )
    found = ((row[0], msgspec.json.decode(row[1], type=PackageModelRow)) for row in rows)
    return {model.code: StoredRow(_in_order(model), owner_id) for owner_id, model in found}


def _in_order(model: PackageModelRow) -> PackageModelRow:
    """Alternatives are a set: in the order of their codes, as they are parsed."""
    ordered = tuple(sorted(model.alternatives, key=lambda part: (part.product, part.instead)))
    return msgspec.structs.replace(model, alternatives=ordered)


async def check(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    """Every component is a product that the importer may see; what it may not see is unknown to it."""
    del seen
    models = [(row.line, row.row) for row in rows if isinstance(row.row, PackageModelRow)]
    asked = sorted({product for _, model in models for product in _named(model)})
    known = await conn.fetch(
        """
        SELECT p.code FROM products p JOIN organizations v ON v.id = p.vendor_id
        WHERE p.code = ANY ($1::text[])
          AND ($3 OR p.vendor_id = $2
               OR p.state = 'published' AND v.state = 'active' AND p.visibility <> 'owner')
        """,
        asked,
        importer.id,
        importer.kind == "coordinator",
    )
    codes = {row["code"] for row in known}
    # a product that was retired or hidden since may stay where it already is
    kept = {
        row.key: set(_named(row.current.row))
        for row in rows
        if row.current is not None and isinstance(row.current.row, PackageModelRow)
    }
    expected = Wording("the code of a listed product", "등록된 제품의 코드")
    return [
        row_error(line, column, product, expected)
        for line, model in models
        for product, column in _named(model).items()
        if product not in codes and product not in kept.get(model.code, ())
    ]


def _named(model: PackageModelRow) -> dict[str, str]:
    """The products that a package names, each with the column that does."""
    named = {part.instead: "alternatives" for part in model.alternatives}
    return {part.product: "components" for part in model.components} | named


async def count_missing(
    conn: asyncpg.Connection, *, keys: Sequence[str], owner_ids: Sequence[int] | None
) -> tuple[int, tuple[str, ...]]:
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce((array_agg(code ORDER BY code))[:$3], '{}') FROM package_models
        WHERE vendor_id = ANY ($2::bigint[]) AND state <> 'retired' AND code <> ALL ($1::text[])
        """,
        keys,
        owner_ids,
        DIFF_ROWS_MAX,
    )
    return missing_of(row)


async def write(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    await _write_models(conn, as_json([row.row for row in rows]))
    renewed = [row.row for row in rows if _has_new_content(row)]
    if renewed:
        await _write_versions(conn, as_json(renewed))
        await write_facts(conn, as_json(renewed))


def _has_new_content(row: StagedRow) -> bool:
    if row.current is None:
        return True
    stored = row.current.row
    return any(getattr(row.row, name) != getattr(stored, name) for name in PACKAGE_VERSION_FIELDS)


async def _write_models(conn: asyncpg.Connection, written: str) -> None:
    await conn.execute(
        """
        INSERT INTO package_models AS m
            (code, vendor_id, package_type, name_ko, name_en, state, visibility)
        SELECT f.code, v.id, f.package_type, f.name_ko, f.name_en, f.state, f.visibility
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, vendor text, package_type text, name_ko text, name_en text, state text,
            visibility text)
        JOIN organizations v ON v.code = f.vendor
        ORDER BY f.code
        ON CONFLICT (code) DO UPDATE SET
            vendor_id = excluded.vendor_id, package_type = excluded.package_type,
            name_ko = excluded.name_ko, name_en = excluded.name_en, state = excluded.state,
            visibility = excluded.visibility, updated_at = clock_timestamp()
        WHERE (m.vendor_id, m.package_type, m.name_ko, m.name_en, m.state, m.visibility)
              IS DISTINCT FROM
              (excluded.vendor_id, excluded.package_type, excluded.name_ko, excluded.name_en,
               excluded.state, excluded.visibility)
        """,
        written,
    )


async def _write_versions(conn: asyncpg.Connection, written: str) -> None:
    await conn.execute(
        """
        UPDATE package_versions n SET is_current = false
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text)
        JOIN package_models m ON m.code = f.code
        WHERE n.package_model_id = m.id AND n.is_current
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO package_versions
            (package_model_id, version, level_from, level_to, industries, summary_ko, summary_en,
             included_ko, included_en, excluded_ko, excluded_en, lead_time_days, warranty_months,
             spare_parts_years)
        SELECT m.id, coalesce((SELECT max(n.version) FROM package_versions n
                               WHERE n.package_model_id = m.id), 0) + 1,
               f.level_from, f.level_to, f.industries, f.summary_ko, f.summary_en, f.included_ko,
               f.included_en, f.excluded_ko, f.excluded_en, f.lead_time_days, f.warranty_months,
               f.spare_parts_years
        FROM jsonb_to_recordset($1::text::jsonb) AS f (
            code text, level_from smallint, level_to smallint, industries text[], summary_ko text,
            summary_en text, included_ko text[], included_en text[], excluded_ko text[],
            excluded_en text[], lead_time_days integer, warranty_months integer,
            spare_parts_years integer)
        JOIN package_models m ON m.code = f.code
        ORDER BY f.code
        """,
        written,
    )
    await conn.execute(
        """
        INSERT INTO bom_lines (package_version_id, line_no, slot, product_id, quantity)
        SELECT n.id, part.line_no, part.value ->> 'slot', p.id, (part.value ->> 'quantity')::integer
        FROM jsonb_to_recordset($1::text::jsonb) AS f (code text, components jsonb)
        JOIN package_models m ON m.code = f.code
        JOIN package_versions n ON n.package_model_id = m.id AND n.is_current
        CROSS JOIN LATERAL jsonb_array_elements(f.components) WITH ORDINALITY AS part (value, line_no)
        JOIN products p ON p.code = part.value ->> 'product'
        ORDER BY n.id, part.line_no
        """,
        written,
    )
