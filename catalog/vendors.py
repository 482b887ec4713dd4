"""Vendors as their pages and lists read them."""

from typing import Literal

import asyncpg
import msgspec

from catalog.core.viewer import ANONYMOUS, OrganizationKind, Viewer
from catalog.errors import OrganizationNotFound

OrganizationState = Literal["pending", "active", "suspended", "terminated"]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts in the market, as others may know it. The counts are of public, published listings."""

    id: int
    code: str
    kind: OrganizationKind
    name_ko: str
    name_en: str
    business_number: str | None
    region: str | None
    industry: str | None
    size: Literal["small", "medium", "large"] | None
    homepage: str | None
    introduction_ko: str | None
    introduction_en: str | None
    state: OrganizationState
    is_fictional: bool
    product_count: int = 0
    package_model_count: int = 0


async def get_organization_id(
    conn: asyncpg.Connection, *, code: str, kind: OrganizationKind | None = None
) -> int:
    """The id behind a code, whatever its state. Raises OrganizationNotFound."""
    found: int | None = await conn.fetchval(
        "SELECT id FROM organizations WHERE code = $1 AND ($2::text IS NULL OR kind = $2)", code, kind
    )
    if found is None:
        raise OrganizationNotFound(code)
    return found


async def get_vendor(conn: asyncpg.Connection, *, code: str, viewer: Viewer = ANONYMOUS) -> Organization:
    """The active vendor of this code; one that is not active is seen by itself and the coordinator.

    Raises OrganizationNotFound.
    """
    found = await _list_vendors(conn, viewer=viewer, code=code, limit=1)
    if not found:
        raise OrganizationNotFound(code)
    return found[0]


async def list_vendors(
    conn: asyncpg.Connection, *, viewer: Viewer = ANONYMOUS, limit: int = 500
) -> tuple[Organization, ...]:
    """The vendors that this viewer may see, by Korean name."""
    return await _list_vendors(conn, viewer=viewer, code=None, limit=limit)


async def _list_vendors(
    conn: asyncpg.Connection, *, viewer: Viewer, code: str | None, limit: int
) -> tuple[Organization, ...]:
    rows = await conn.fetch(
        """
        SELECT json_build_object(
            'id', v.id, 'code', v.code, 'kind', v.kind, 'name_ko', v.name_ko, 'name_en', v.name_en,
            'business_number', v.business_number, 'region', v.region, 'industry', v.industry,
            'size', v.size, 'homepage', v.homepage, 'introduction_ko', v.introduction_ko,
            'introduction_en', v.introduction_en, 'state', v.state, 'is_fictional', v.is_fictional,
            'product_count', (SELECT count(*) FROM products p WHERE p.vendor_id = v.id
                              AND p.state = 'published' AND p.visibility = 'public'),
            'package_model_count', (SELECT count(*) FROM package_models m WHERE m.vendor_id = v.id
                                    AND m.state = 'published' AND m.visibility = 'public'))::text
        FROM organizations v
        WHERE v.kind = 'vendor' AND ($1::text IS NULL OR v.code = $1)
          AND (v.state = 'active' OR v.id = $2 OR $3)
        ORDER BY v.name_ko, v.code LIMIT $4
        """,
        code,
        viewer.organization_id,
        viewer.is_coordinator,
        limit,
    )
    return tuple(msgspec.json.decode(row[0], type=Organization) for row in rows)
