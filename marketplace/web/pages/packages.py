"""The page of one package: parts, scope, price, who answers for it; and a factory's wish for a round."""

from datetime import date
from typing import Any
from unicodedata import normalize

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.package_model import PackageModel, package_share
from catalog.core.standard import STANDARDS, Link, LinkStatus, Speaker, interoperability, protocols_of
from catalog.core.viewer import Viewer
from catalog.errors import OfferNotFound, OrganizationNotFound
from catalog.images import list_images
from catalog.own_listings import OwnListing, find_own_listing, list_offer_terms
from catalog.package_details import list_alternatives, list_references, read_facts
from catalog.package_models import get_package_model
from catalog.recommendations import find_recommendation
from catalog.reference_data import PROGRAMS
from catalog.standards import list_supported_standards
from catalog.swaps import read_swaps
from catalog.vendors import get_vendor
from marketplace.accounts.access import belongs_to, viewer_of
from marketplace.deps import AnyRequest, Config, Conn, User, signed_in
from marketplace.web.cards import list_open_rounds_on, list_round_cards
from marketplace.web.catalog_views import (
    cheapest,
    component_view,
    list_sites_of_makers,
    needs_action,
    offer_view,
    read_today,
)
from marketplace.web.comparison import Compared
from marketplace.web.comparison_terms import column_cost, read_cost_inputs
from marketplace.web.render import page_response, see_other
from marketplace.web.structured_data import package_data, script
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


def package_view(package: PackageModel, *, today: date) -> PackageView:
    """The package with its domestic share as of today."""
    share = package_share(package.version.lines, today=today)
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


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of components and how they can talk; names in both languages, protocols as printed."""

    left_ko: str
    left_en: str
    right_ko: str
    right_en: str
    status: LinkStatus
    over: tuple[str, ...]
    via_ko: tuple[str, ...]
    via_en: tuple[str, ...]


LINKS_SHOWN: tuple[LinkStatus, ...] = ("apart", "bridged", "shared", "unknown")
"""Pairs that need not talk are left out; what wants attention comes first."""


async def list_links(conn: asyncpg.Connection, package: PackageModel) -> list[LinkView]:
    """The interoperability of the components that this visitor is shown, flagged pairs first."""
    products = {line.product.code: line.product for line in package.version.lines if line.product}
    supports = await list_supported_standards(conn, codes=list(products))
    speakers = [
        Speaker(code=code, slot=product.category, protocols=protocols_of(supports.get(code, ())))
        for code, product in products.items()
    ]
    found = [link for link in interoperability(speakers) if link.status in LINKS_SHOWN]
    found.sort(key=lambda link: LINKS_SHOWN.index(link.status))

    def view(link: Link) -> LinkView:
        left, right = products[link.left], products[link.right]
        return LinkView(
            left_ko=left.name_ko,
            left_en=left.name_en,
            right_ko=right.name_ko,
            right_en=right.name_en,
            status=link.status,
            over=tuple(STANDARDS[code].name for code in link.over),
            via_ko=tuple(products[code].name_ko for code in link.via),
            via_en=tuple(products[code].name_en for code in link.via),
        )

    return [view(link) for link in found]


async def _find_own(conn: asyncpg.Connection, package: PackageModel, viewer: Viewer) -> OwnListing | None:
    """What the listing lacks, for who may mend it or asks vendors to."""
    if viewer.organization_id != package.vendor.id and not viewer.is_coordinator:
        return None
    return await find_own_listing(conn, kind="package-models", code=package.code, vendor_id=package.vendor.id)


@get("/packages/{code:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def package_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User, config: Config
) -> Response[str]:
    """Show one package."""
    viewer = viewer_of(user)
    package = await get_package_model(conn, code=normalize("NFC", code), viewer=viewer)
    code, version_id = package.code, package.version.id
    alternatives = await list_alternatives(conn, version_id=version_id, viewer=viewer)
    offer_terms = await list_offer_terms(conn, offer_ids=[offer.id for offer in package.offers])
    today = await read_today(conn)
    view = package_view(package, today=today)
    recommendation = await find_recommendation(conn, package_id=package.id, today=today)
    rounds = await list_open_rounds_on(conn, item_codes=[code], viewer=viewer)
    makers = [line.product.maker.name for line in package.version.lines if line.product]
    inputs = read_cost_inputs(dict(request.query_params.items()), codes=[code])
    facts = await read_facts(conn, version_id=version_id)
    column = Compared(package=package, offer=cheapest(package.offers), facts=facts)
    [swap_lines] = await read_swaps(conn, packages=[package.version.lines], today=today, viewer=viewer)
    return page_response(
        request,
        "package.html",
        section="search",
        package=view,
        # the label speaks of domestic goods: it goes with the proof
        recommendation=recommendation if view.domestic_verified_bp else None,
        facts=facts,
        cost=column_cost(column, inputs),
        terms=inputs.terms,
        entered=inputs.given,
        wrong=inputs.wrong,
        programs=PROGRAMS,
        today=today,
        references=await list_references(conn, package_id=package.id),
        alternatives=alternatives,
        offer_terms=offer_terms,
        needs_action=await needs_action(conn, vendor_id=package.vendor.id),
        may_recommend=belongs_to(user, "operator"),
        filled=await _find_own(conn, package, viewer),
        json_ld=script(package_data(package, offer_terms=offer_terms, base_url=config.public_url)),
        vendor=await vendor_view(conn, package),
        images=await list_images(conn, listing="package_model", code=code),
        components=[
            msgspec.structs.replace(
                component_view(line),
                line_no=line.line_no,
                alternative_count=len(alternatives.get(line.line_no, ())),
            )
            for line in package.version.lines
        ],
        offers=[offer_view(offer) for offer in package.offers],
        cards=await list_round_cards(conn, rounds),
        centers=await list_sites_of_makers(conn, makers=makers),
        swap_lines=swap_lines,
        links=await list_links(conn, package),
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
