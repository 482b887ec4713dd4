"""The catalog as JSON: package models, products, offers and A/S sites, each as far as the caller may see it."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from catalog.core.offer_terms import Offer
from catalog.core.origin import ShareInterval, ShownStanding, shown_standing
from catalog.core.package_model import PackageModel, package_share
from catalog.core.product import Product
from catalog.core.service_center import ServiceCenter, SiteRole, SiteStatus
from catalog.offers import get_offer, list_offers_of_product
from catalog.package_models import get_package_model
from catalog.products import get_product
from catalog.service_centers import list_service_centers
from marketplace.accounts.access import viewer_of
from marketplace.deps import Conn, User
from marketplace.web.catalog_views import read_today

CountryCode = Annotated[str | None, QueryParameter(pattern="^[A-Z]{2}$")]


class PackageModelAnswer(msgspec.Struct, frozen=True):
    """A package model and its domestic share as of today; None = the value of a part is not known."""

    package_model: PackageModel
    domestic_share: ShareInterval | None


class ProductAnswer(msgspec.Struct, frozen=True):
    """A product and what it is offered for; `origin_standing` says how far its origin claim can be relied on."""

    product: Product
    offers: tuple[Offer, ...]
    origin_standing: ShownStanding | None


@get("/api/package-models/{code:str}", opt={"audience": "anyone"}, tags=["catalog"])
async def read_package_model(code: FromPath[str], conn: Conn, user: User) -> PackageModelAnswer:
    """Read the current version of one package model with its bill of materials and offers."""
    package = await get_package_model(conn, code=code, viewer=viewer_of(user))
    share = package_share(package.version.lines, today=await read_today(conn))
    return PackageModelAnswer(package, share)


@get("/api/products/{code:str}", opt={"audience": "anyone"}, tags=["catalog"])
async def read_product(code: FromPath[str], conn: Conn, user: User) -> ProductAnswer:
    """Read one product with its properties, their sources and its offers."""
    viewer = viewer_of(user)
    product = await get_product(conn, code=code, viewer=viewer)
    offers = await list_offers_of_product(conn, code=code, viewer=viewer)
    standing = shown_standing(product.origin) if product.origin else None
    return ProductAnswer(product, offers, standing)


@get("/api/offers/{code:str}", opt={"audience": "anyone"}, tags=["catalog"])
async def read_offer(code: FromPath[str], conn: Conn, user: User) -> Offer:
    """Read one offer with its price tiers; won without VAT."""
    return await get_offer(conn, code=code, viewer=viewer_of(user))


@get("/api/service-centers", opt={"audience": "anyone"}, tags=["catalog"])
async def list_sites(
    conn: Conn,
    country: FromQuery[CountryCode] = None,
    maker: FromQuery[str | None] = None,
    role: FromQuery[SiteRole | None] = None,
    status: FromQuery[SiteStatus | None] = None,
    service_only: FromQuery[bool] = False,
) -> tuple[ServiceCenter, ...]:
    """List sites with their true roles; `service_only` keeps those that may be called an A/S center."""
    return await list_service_centers(
        conn,
        country=country,
        makers=[maker] if maker else (),
        roles=[role] if role else (),
        statuses=[status] if status else (),
        service_only=service_only,
    )


CATALOG_API = [read_package_model, read_product, read_offer, list_sites]
