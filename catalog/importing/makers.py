"""Makers, which come with products and sites: shared by all who list something of theirs."""

from collections.abc import Sequence

import asyncpg

from catalog.core.cells import Wording
from catalog.core.import_rows import RowError, row_error
from catalog.core.listing_rows import ProductRow, ServiceCenterRow
from catalog.importing.staged import MakerFacts, Organization, Seen, StagedRow, as_json


async def read_makers(conn: asyncpg.Connection, *, names: Sequence[str]) -> dict[str, MakerFacts]:
    rows = await conn.fetch(
        "SELECT name, name_ko, country FROM makers WHERE name = ANY ($1::text[])", list(names)
    )
    return {row["name"]: MakerFacts(*row) for row in rows}


async def check_makers(
    conn: asyncpg.Connection, *, rows: Sequence[StagedRow], importer: Organization, seen: Seen
) -> list[RowError]:
    """Nobody but a coordinator changes what is known about a maker; one file says one thing about it."""
    listed = await read_makers(conn, names=sorted({facts.name for facts in map(_facts, rows) if facts}))
    may_change = importer.kind == "coordinator"
    errors = []
    for row in rows:
        facts = _facts(row)
        if facts is None:
            expected = Wording(
                "a listed maker, or maker_ko and maker_country with it",
                "등록된 제조사 또는 maker_ko와 maker_country를 함께 기재",
            )
            errors.append(row_error(row.line, "maker", getattr(row.row, "maker", ""), expected))
            continue
        known = seen.makers.setdefault(facts.name, facts if may_change else listed.get(facts.name, facts))
        for column, found, wanted in (
            ("maker_ko", facts.name_ko, known.name_ko),
            ("maker_country", facts.country, known.country),
        ):
            if found != wanted:
                expected = Wording(f"{wanted}, as known of {facts.name}", f"{facts.name}에 등록된 {wanted}")
                errors.append(row_error(row.line, column, found, expected))
    return errors


async def write_makers(conn: asyncpg.Connection, *, rows: Sequence[StagedRow]) -> None:
    facts = {found.name: found for found in map(_facts, rows) if found}
    await conn.execute(
        """
        INSERT INTO makers AS m (name, name_ko, country)
        SELECT name, name_ko, country
        FROM jsonb_to_recordset($1::text::jsonb) AS f (name text, name_ko text, country text)
        ORDER BY name
        ON CONFLICT (name) DO UPDATE SET name_ko = excluded.name_ko, country = excluded.country
        WHERE (m.name_ko, m.country) IS DISTINCT FROM (excluded.name_ko, excluded.country)
        """,
        as_json(list(facts.values())),
    )


def _facts(row: StagedRow) -> MakerFacts | None:
    found = row.row
    if not isinstance(found, (ProductRow, ServiceCenterRow)):
        return None
    if found.maker_ko is None or found.maker_country is None:
        return None
    return MakerFacts(found.maker, found.maker_ko, found.maker_country)
