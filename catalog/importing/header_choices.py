"""What an organization decided about the columns of its own files, so that it decides once."""

from collections.abc import Mapping

import asyncpg

from catalog.core.listing_rows import ImportKind

HEADER_LENGTH_MAX = 200


async def read_header_choices(
    conn: asyncpg.Connection, *, organization_id: int, kind: ImportKind
) -> dict[str, str | None]:
    """Name of a column in its files → our column; None = it is left out."""
    rows = await conn.fetch(
        """
        SELECT header, column_name FROM import_header_choices WHERE organization_id = $1 AND kind = $2
        """,
        organization_id,
        kind,
    )
    return {row["header"]: row["column_name"] for row in rows}


async def remember_header_choices(
    conn: asyncpg.Connection,
    *,
    organization_id: int,
    kind: ImportKind,
    choices: Mapping[str, str | None],
) -> None:
    """Keep choices; a later one about the same header replaces the earlier one."""
    kept = {header: column for header, column in choices.items() if len(header) <= HEADER_LENGTH_MAX}
    await conn.execute(
        """
        INSERT INTO import_header_choices (organization_id, kind, header, column_name)
        SELECT $1, $2, header, column_name
        FROM unnest($3::text[], $4::text[]) AS f (header, column_name)
        ORDER BY header
        ON CONFLICT (organization_id, kind, header)
        DO UPDATE SET column_name = excluded.column_name, chosen_at = clock_timestamp()
        """,
        organization_id,
        kind,
        list(kept),
        list(kept.values()),
    )
