"""The page of one package: parts, scope, price, who answers for it; and a factory's wish for a round."""

from typing import Any

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.package_model import PackageModel, package_share
from catalog.errors import OfferNotFound, OrganizationNotFound
from catalog.images import list_images
from catalog.package_models import get_package_model
from catalog.vendors import get_vendor
from marketplace.accounts.access import belongs_to, viewer_of
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import (
    cheapest,
    component_view,
    list_sites_of_makers,
    offer_view,
    read_today,
)
from marketplace.web.render import page_response, see_other
from marketplace.wishes import request_round


class PackageView(msgspec.Struct, frozen=True, kw_only=True):
    """A package with its current version, as `package.html` takes it; shares in basis points."""

    code: str
    name_ko: str
    name_en: str
    package_type: str
    level_from: int
    level_to: int
    industries: tuple[str, ...]
    summary_ko: str
    summary_en: str
    included_ko: tuple[str, ...]
    included_en: tuple[str, ...]
    excluded_ko: tuple[str, ...]
    excluded_en: tuple[str, ...]
    lead_time_days: int
    warranty_months: int
    spare_parts_years: int
    version: int
    domestic_verified_bp: int | None
    domestic_claimed_bp: int | None


class VendorView(msgspec.Struct, frozen=True, kw_only=True):
    """The responsible vendor."""

    code: str
    name_ko: str
    name_en: str
    introduction_ko: str
    introduction_en: str
    region: str | None
    size: str | None
    homepage: str | None
    business_number: str | None
    is_fictional: bool


async def package_view(conn: asyncpg.Connection, package: PackageModel) -> PackageView:
    """The package with its domestic share as of today."""
    share = package_share(package.version.lines, today=await read_today(conn))
    own = {name: getattr(package, name) for name in ("code", "name_ko", "name_en", "package_type")}
    taken = {*own, "domestic_verified_bp", "domestic_claimed_bp"}
    of_version = {
        name: getattr(package.version, name) for name in PackageView.__struct_fields__ if name not in taken
    }
    return PackageView(
        **own,
        **of_version,
        domestic_verified_bp=share.verified_bp if share else None,
        domestic_claimed_bp=share.claimed_bp if share else None,
    )


async def vendor_view(conn: asyncpg.Connection, package: PackageModel) -> VendorView:
    """Who answers for the package; a vendor that is not active is named without its details."""
    party = package.vendor
    try:
        vendor: Any = await get_vendor(conn, code=party.code)
    except OrganizationNotFound:
        vendor = None
    return VendorView(
        code=party.code,
        name_ko=party.name_ko,
        name_en=party.name_en,
        introduction_ko=(vendor and vendor.introduction_ko) or "",
        introduction_en=(vendor and vendor.introduction_en) or "",
        region=vendor and vendor.region,
        size=vendor and vendor.size,
        homepage=vendor and vendor.homepage,
        business_number=vendor and vendor.business_number,
        is_fictional=party.is_fictional,
    )


@get("/packages/{code:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def package_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show one package."""
    viewer = viewer_of(user)
    package = await get_package_model(conn, code=code, viewer=viewer)
    rounds = await list_open_rounds_on(conn, item_codes=[code], viewer=viewer)
    makers = [line.product.maker.name for line in package.version.lines if line.product]
    return page_response(
        request,
        "package.html",
        section="search",
        package=await package_view(conn, package),
        vendor=await vendor_view(conn, package),
        images=await list_images(conn, listing="package_model", code=code),
        components=[component_view(line) for line in package.version.lines],
        offers=[offer_view(offer) for offer in package.offers],
        cards=await list_round_cards(conn, rounds),
        centers=await list_sites_of_makers(conn, makers=makers),
        may_request_round=belongs_to(user, "buyer") and bool(package.offers),
    )


@post("/packages/{code:str}/demands", opt={"audience": "buyer"}, include_in_schema=False)
async def package_request_submit(code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Note that a factory wants a round on this package, on its cheapest offer; twice is once.

    Raises:
        OfferNotFound: nothing is offered to this factory.
    """
    me = signed_in(user)
    package = await get_package_model(conn, code=code, viewer=me.viewer)
    offer = cheapest(package.offers)
    if offer is None:
        raise OfferNotFound(code)
    await request_round(conn, offer_code=offer.code, actor=me.actor)
    return see_other(f"/packages/{package.code}", notice="demand-saved")


PACKAGE_PAGES = [package_page, package_request_submit]
