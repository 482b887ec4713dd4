"""Organizations, the people in them, and the roles they hold there."""

import asyncpg

from catalog.core.viewer import OrganizationKind
from marketplace.accounts.access import Role
from marketplace.accounts.passwords import hash_password


async def add_organization(
    conn: asyncpg.Connection,
    *,
    code: str,
    kind: OrganizationKind,
    name_ko: str,
    name_en: str,
    region: str | None = None,
    industry: str | None = None,
    size: str | None = None,
    business_number: str | None = None,
    is_fictional: bool = False,
) -> int:
    """Insert an organization, or find the one with this code; return its id."""
    return int(
        await conn.fetchval(
            """
            INSERT INTO organizations (code, kind, name_ko, name_en, region, industry, size, business_number, is_fictional)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (code) DO UPDATE SET code = excluded.code
            RETURNING id
            """,
            code,
            kind,
            name_ko,
            name_en,
            region,
            industry,
            size,
            business_number,
            is_fictional,
        )
    )


async def add_person(
    conn: asyncpg.Connection,
    *,
    email: str,
    name: str,
    password: str,
    organization_id: int,
    roles: frozenset[Role],
    locale: str = "ko",
) -> int:
    """Insert a person with roles in an organization, or give the roles to the one with this address; return the id."""
    person_id = await conn.fetchval(
        """
        INSERT INTO people (email, name, password_hash, locale) VALUES (lower($1), $2, $3, $4)
        ON CONFLICT (email) DO UPDATE SET name = excluded.name
        RETURNING id
        """,
        email,
        name,
        await hash_password(password),
        locale,
    )
    await conn.executemany(
        "INSERT INTO memberships (person_id, organization_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(person_id, organization_id, role) for role in sorted(roles)],
    )
    return int(person_id)
