"""Sites abroad and at home as the map and its list read them; each with its true role and status."""

from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from catalog.core.service_center import ServiceCenter, SiteRole, SiteStatus
from catalog.errors import ServiceCenterNotFound


async def get_service_center(conn: asyncpg.Connection, *, code: str) -> ServiceCenter:
    """The site of this code. Raises ServiceCenterNotFound."""
    found = await list_service_centers(conn, code=code)
    if not found:
        raise ServiceCenterNotFound(code)
    return found[0]


async def list_service_centers(
    conn: asyncpg.Connection,
    *,
    code: str | None = None,
    country: str | None = None,
    makers: Sequence[str] = (),
    roles: Sequence[SiteRole] = (),
    statuses: Sequence[SiteStatus] = (),
    service_only: bool = False,
    limit: int = 2_000,
) -> tuple[ServiceCenter, ...]:
    """Sites that meet every given filter, by country, city and code.

    `makers` are their English names; a site matches `makers` and `roles` with any of them. `service_only` keeps
    those that may be called an A/S center (see `is_service_center`).
    """
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', c.id, 'code', c.code, 'name_ko', c.name_ko, 'name_en', c.name_en,
            'vendor', json_build_object('id', v.id, 'code', v.code, 'name_ko', v.name_ko,
                                        'name_en', v.name_en, 'is_fictional', v.is_fictional),
            'maker', json_build_object('name', m.name, 'name_ko', m.name_ko, 'country', m.country),
            'roles', c.roles, 'status', c.status, 'as_of', c.as_of, 'country', c.country,
            'city', c.city, 'city_ko', c.city_ko, 'address', c.address, 'phone', c.phone,
            'latitude', c.latitude, 'longitude', c.longitude, 'time_zone', c.time_zone,
            'serves', c.serves, 'serves_ko', c.serves_ko, 'languages', c.languages,
            'source_title', c.source_title, 'source_url', c.source_url,
            'verification', c.verification, 'confirmed_at', c.confirmed_at, 'note', c.note)::text
        FROM service_centers c
        JOIN organizations v ON v.id = c.vendor_id AND v.state = 'active'
        JOIN makers m ON m.id = c.maker_id
        WHERE ($1::text IS NULL OR c.code = $1)
          AND ($2::text IS NULL OR c.country = $2)
          AND (cardinality($3::text[]) = 0 OR m.name = ANY ($3))
          AND (cardinality($4::text[]) = 0 OR c.roles && $4)
          AND (cardinality($5::text[]) = 0 OR c.status = ANY ($5))
          AND (NOT $6 OR c.status = 'operating' AND c.roles && ARRAY['service', 'repair']
                         AND (c.source_title IS NOT NULL OR c.confirmed_at IS NOT NULL))
        ORDER BY c.country, c.city, c.code LIMIT $7
        """,
        code,
        country,
        list(makers),
        list(roles),
        list(statuses),
        service_only,
        limit,
    )
    return tuple(msgspec.json.decode(row[0], type=ServiceCenter) for row in rows)


async def list_service_countries(conn: asyncpg.Connection) -> tuple[tuple[str, int], ...]:
    """Countries with listed sites and how many, by country code."""
    rows = await conn.fetch(
        """
        SELECT c.country, count(*) FROM service_centers c
        JOIN organizations v ON v.id = c.vendor_id AND v.state = 'active'
        GROUP BY c.country ORDER BY c.country
        """
    )
    return tuple((row[0], row[1]) for row in rows)


async def count_service_centers(conn: asyncpg.Connection, *, makers: Sequence[str]) -> Mapping[str, int]:
    """How many sites that may be called an A/S center each of these makers has, by the maker's English name.

    Makers without any are there with 0.
    """
    rows = await conn.fetch(
        """
        SELECT asked.name, count(v.id) FROM unnest($1::text[]) AS asked (name)
        LEFT JOIN makers m ON m.name = asked.name
        LEFT JOIN service_centers c ON c.maker_id = m.id AND c.status = 'operating'
             AND c.roles && ARRAY['service', 'repair']
             AND (c.source_title IS NOT NULL OR c.confirmed_at IS NOT NULL)
        LEFT JOIN organizations v ON v.id = c.vendor_id AND v.state = 'active'
        GROUP BY asked.name
        """,
        list(dict.fromkeys(makers)),
    )
    return {row[0]: row[1] for row in rows}
