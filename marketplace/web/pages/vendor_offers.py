"""A vendor's own price terms, whether a round runs on them, and the wish for one."""

from datetime import date
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.offer import PriceTier
from catalog.errors import OfferNotFound
from catalog.offers import get_offer, list_offers_of_vendor
from group_buy.core.round import RoundState
from group_buy.rounds import list_rounds
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.render import page_response, see_other
from marketplace.wishes import list_requested, request_round

RUNNING: Final[tuple[RoundState, ...]] = ("announced", "open", "fill_up", "closing")


class OwnOfferView(msgspec.Struct, frozen=True, kw_only=True):
    """One offer as `vendor_offers.html` takes it; `request_state` is "asked" while a wish is open."""

    code: str
    name_ko: str
    name_en: str
    list_unit_price_krw: int
    tiers: tuple[PriceTier, ...]
    capacity: int
    pack_size: int
    audience: str
    valid_until: date | None
    round_code: str | None
    request_state: str | None


@get("/vendor/offers", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_offers_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the vendor's offers, drafts and expired ones too."""
    me = signed_in(user)
    offers = await list_offers_of_vendor(conn, vendor_code=me.organization_code, viewer=me.viewer)
    ids = tuple(offer.id for offer in offers)
    rounds = await list_rounds(conn, viewer=me.viewer, states=RUNNING, offer_ids=ids)
    running = {buying_round.offer_id: buying_round.code for buying_round in reversed(rounds)}
    requested = await list_requested(
        conn, offer_codes=[offer.code for offer in offers], organization_id=me.organization_id
    )
    shown = [
        OwnOfferView(
            code=offer.code,
            name_ko=offer.subject.name_ko,
            name_en=offer.subject.name_en,
            list_unit_price_krw=offer.list_unit_price_krw,
            tiers=offer.tiers,
            capacity=offer.capacity,
            pack_size=offer.pack_size,
            audience=offer.audience,
            valid_until=offer.valid_until,
            round_code=running.get(offer.id),
            request_state="asked" if offer.code in requested else None,
        )
        for offer in offers
    ]
    return page_response(request, "vendor_offers.html", section="vendor", offers=shown)


@post("/vendor/offers/{code:str}/request-round", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_offer_wish_submit(code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Ask the coordinators for a round on one's own offer.

    Raises:
        OfferNotFound: also for another vendor's offer.
    """
    me = signed_in(user)
    offer = await get_offer(conn, code=code, viewer=me.viewer)
    if offer.vendor.id != me.organization_id:
        raise OfferNotFound(code)
    await request_round(conn, offer_code=offer.code, actor=me.actor)
    return see_other("/vendor/offers", notice="demand-saved")


VENDOR_OFFER_PAGES = [vendor_offers_page, vendor_offer_wish_submit]
