"""Sites of makers on a map and in a list: what each truly is, from which source, and what time it is there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import msgspec
from litestar import Response, get

from catalog.core.service_center import SITE_ROLES, ServiceCenter, SiteRole
from catalog.service_centers import list_service_centers, list_service_countries
from marketplace.deps import AnyRequest, Conn
from marketplace.web.catalog_views import web_address
from marketplace.web.render import page_response

FILTER_LENGTH_MAX: Final = 200


class SitePageView(msgspec.Struct, frozen=True, kw_only=True):
    """One site as `service_centers.html` takes it; `local_time` is the time of day there."""

    code: str
    name_ko: str
    name_en: str
    maker_ko: str
    maker_en: str
    roles: tuple[SiteRole, ...]
    status: str
    as_of: str | None
    country: str
    city: str | None
    city_ko: str | None
    address: str | None
    phone: str | None
    latitude: float | None
    longitude: float | None
    time_zone: str | None
    serves_ko: tuple[str, ...]
    serves_en: tuple[str, ...]
    languages: tuple[str, ...]
    source_title: str | None
    source_url: str | None
    verification: str
    local_time: str | None


class MakerChoice(msgspec.Struct, frozen=True):
    """A maker that has sites; `value` is its English name."""

    value: str
    name_ko: str
    name_en: str


class Chosen(msgspec.Struct, frozen=True):
    """The filters in force."""

    country: str | None
    maker: str | None
    role: str | None


def local_time(time_zone: str | None, *, now: datetime) -> str | None:
    """The time of day in an IANA zone, "15:05"; None where the zone is not known."""
    if not time_zone:
        return None
    try:
        return now.astimezone(ZoneInfo(time_zone)).strftime("%H:%M")
    except (ZoneInfoNotFoundError, ValueError):
        return None


def site_page_view(center: ServiceCenter, *, now: datetime) -> SitePageView:
    """One site with its maker written out and its clock read."""
    maker, taken = center.maker, {"maker_ko", "maker_en", "serves_en", "local_time", "source_url"}
    own = {name: getattr(center, name) for name in SitePageView.__struct_fields__ if name not in taken}
    return SitePageView(
        **own,
        maker_ko=maker.name_ko,
        maker_en=maker.name_en,
        serves_en=center.serves,
        source_url=web_address(center.source_url),
        local_time=local_time(center.time_zone, now=now) if center.status == "operating" else None,
    )


async def list_makers_with_sites(conn: asyncpg.Connection) -> list[MakerChoice]:
    """The makers one can choose from, by Korean name."""
    rows = await conn.fetch(
        """
        SELECT m.name, m.name_ko FROM makers m
        WHERE EXISTS (SELECT FROM service_centers c JOIN organizations v ON v.id = c.vendor_id
                      WHERE c.maker_id = m.id AND v.state = 'active')
        ORDER BY m.name_ko, m.name
        """
    )
    return [MakerChoice(row["name"], row["name_ko"], row["name"]) for row in rows]


def read_filters(parameters: Sequence[tuple[str, str]]) -> Chosen:
    """The filters of an address; an empty one says nothing."""
    given = {name: value.replace("\0", "").strip()[:FILTER_LENGTH_MAX] for name, value in parameters}
    return Chosen(*(given.get(name) or None for name in ("country", "maker", "role")))


@get("/service-centers", opt={"audience": "anyone"}, include_in_schema=False)
async def service_centers_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """Show the sites that meet the filters; a value that nothing has finds nothing, and the page says so."""
    chosen = read_filters(list(request.query_params.multi_items()))
    now = await conn.fetchval("SELECT clock_timestamp()")
    centers = await list_service_centers(
        conn,
        country=chosen.country,
        makers=[chosen.maker] if chosen.maker else (),
        roles=[cast("SiteRole", chosen.role)] if chosen.role else (),
    )
    return page_response(
        request,
        "service_centers.html",
        section="service_centers",
        sites=[site_page_view(center, now=now) for center in centers],
        countries=[country for country, _ in await list_service_countries(conn)],
        makers=await list_makers_with_sites(conn),
        roles=SITE_ROLES,
        chosen=chosen,
    )


SERVICE_CENTER_PAGES = [service_centers_page]
