"""Pay by card on session: what was declined while the buyer was away, or a balance of their choice."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from group_buy.errors import CardNotPossible, ChargeStateConflict
from group_buy.gateway import GatewayUnavailable
from group_buy.paying import (
    BOOKS_NOT_COMPARED,
    begin_payment,
    choose_card,
    choose_transfer,
    finish_payment,
    get_payment,
)
from group_buy.transactions import transaction
from marketplace.deps import AnyRequest, Config, Conn, Gateway, Pool, User, signed_in
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

NOTICE_OF_STATE: Final = {
    "authorized": "payment-held",
    "captured": "payment-taken",
    "refunded": "payment-taken",
    "failed": "payment-failed",
}


@get("/my/charges/{charge_id:uuid}/pay", opt={"audience": "buyer"}, include_in_schema=False)
async def pay_page(
    request: AnyRequest,
    charge_id: FromPath[UUID],
    pool: Pool,
    user: User,
    gateway: Gateway,
    config: Config,
) -> Response[Any]:
    """Let the buyer confirm a payment with the provider's script: card numbers never reach us.

    `?card=new`: with another card, where the saved one only wants its owner.
    """
    me = signed_in(user)
    if gateway is None:
        raise CardNotPossible(gettext("여기서는 카드를 받지 않습니다. 계좌이체를 고르세요."))
    try:
        payment, secret = await begin_payment(pool, gateway, charge_id=charge_id, buyer_id=me.organization_id)
    except ChargeStateConflict as conflict:
        return see_other("/my/pledges", notice=NOTICE_OF_STATE.get(conflict.state, "payment-not-needed"))
    except GatewayUnavailable as unavailable:
        if unavailable.reason != BOOKS_NOT_COMPARED:
            raise
        return see_other("/my/pledges", notice="payment-not-ready")
    script = f"{config.stripe_api_base}/js/v3/" if config.stripe_api_base else "https://js.stripe.com/v3/"
    with_saved = payment.wants_owner_only and request.query_params.get("card") != "new"
    return page_response(
        request,
        "pay_charge.html",
        section="my",
        payment=payment,
        method_ref=payment.method_ref if with_saved else "",
        stripe_js_url=script,
        publishable_key=config.stripe_publishable_key,
        client_secret=secret,
        api_base=config.stripe_api_base,
    )


@post("/my/charges/{charge_id:uuid}/pay", opt={"audience": "buyer"}, include_in_schema=False)
async def pay_submit(charge_id: FromPath[UUID], pool: Pool, user: User, gateway: Gateway) -> Response[Any]:
    """The browser says that it is done; the provider says how."""
    if gateway is None:
        raise GatewayUnavailable("cards are not set up here")
    state = await finish_payment(pool, gateway, charge_id=charge_id, buyer_id=signed_in(user).organization_id)
    if state == "failed":
        return see_other(f"/my/charges/{charge_id}/pay", notice="payment-failed")
    return see_other("/my/pledges", notice=NOTICE_OF_STATE.get(state, "payment-waiting"))


@post("/my/charges/{charge_id:uuid}/card", opt={"audience": "buyer"}, include_in_schema=False)
async def card_submit(charge_id: FromPath[UUID], pool: Pool, user: User, gateway: Gateway) -> Response[Any]:
    """Pay a balance by card; several charges where one cannot carry it."""
    me = signed_in(user)
    if gateway is None:
        raise CardNotPossible(gettext("여기서는 카드를 받지 않습니다. 계좌이체를 고르세요."))
    async with transaction(pool) as conn:
        chosen = await choose_card(conn, charge_id=charge_id, buyer_id=me.organization_id, actor=me.actor)
    if len(chosen) > 1:
        return see_other("/my/pledges", notice="payment-split")
    return see_other(f"/my/charges/{chosen[0]}/pay")


@post("/my/charges/{charge_id:uuid}/transfer", opt={"audience": "buyer"}, include_in_schema=False)
async def transfer_submit(charge_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Pay a balance by transfer after all."""
    me = signed_in(user)
    await get_payment(conn, charge_id=charge_id, buyer_id=me.organization_id)
    await choose_transfer(conn, charge_id=charge_id, buyer_id=me.organization_id, actor=me.actor)
    return see_other("/my/pledges", notice="pledge-transfer")


PAY_PAGES = [pay_page, pay_submit, card_submit, transfer_submit]
