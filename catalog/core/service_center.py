"""Sites of makers and vendors abroad and at home, and which of them may be called an A/S center."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from catalog.core.product import Maker, Party

SiteRole = Literal["service", "repair", "spare_parts", "training", "sales", "plant", "headquarters"]
SITE_ROLES: tuple[SiteRole, ...] = (
    "service",
    "repair",
    "spare_parts",
    "training",
    "sales",
    "plant",
    "headquarters",
)
SERVICE_ROLES: frozenset[SiteRole] = frozenset(("service", "repair"))

SiteStatus = Literal["planned", "operating", "closed"]
SITE_STATUSES: tuple[SiteStatus, ...] = ("planned", "operating", "closed")

SiteVerification = Literal["maker", "secondary"]
SITE_VERIFICATIONS: tuple[SiteVerification, ...] = ("maker", "secondary")


class ServiceCenter(Struct, frozen=True, kw_only=True):
    """A listed site; `roles` and `status` say what it truly is. Coordinates are WGS 84 degrees.

    `as_of` is the date its source speaks of, as precise as the source (`2025`, `2025-07`).
    """

    id: int
    code: str
    vendor: Party
    maker: Maker
    name_ko: str
    name_en: str
    roles: tuple[SiteRole, ...]
    status: SiteStatus
    as_of: str | None
    country: str
    city: str | None
    city_ko: str | None
    address: str | None
    phone: str | None
    latitude: float | None
    longitude: float | None
    time_zone: str | None
    serves: tuple[str, ...]
    serves_ko: tuple[str, ...]
    languages: tuple[str, ...]
    source_title: str | None
    source_url: str | None
    verification: SiteVerification
    confirmed_at: datetime | None
    note: str | None

    @property
    def is_service_center(self) -> bool:
        return is_service_center(
            status=self.status,
            roles=self.roles,
            has_source=self.source_title is not None,
            is_confirmed=self.confirmed_at is not None,
        )


def is_service_center(
    *, status: SiteStatus, roles: Sequence[SiteRole], has_source: bool, is_confirmed: bool
) -> bool:
    """Whether a site may be called an A/S center.

    It operates, its role says service or repair, and a source or the operator's confirmation backs it.
    Sales offices and plants are listed as what they are.
    """
    return status == "operating" and not SERVICE_ROLES.isdisjoint(roles) and (has_source or is_confirmed)
