"""After clearing, for those who sell: lapses, the order, the delivery, quotes of site work, single purchases."""

from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.money import ROUND_KRW_MAX
from group_buy.core.round import Round, RoundState
from group_buy.delivering import order_round, record_delivery, settle_round
from group_buy.errors import InvalidRound, RoundStateConflict, SurveyQuoteStands
from group_buy.lapsing import lapse_pledges
from group_buy.rounds import list_rounds
from group_buy.single_purchasing import confirm_single
from group_buy.surveying import NOTE_LETTERS_MAX, record_survey_quote
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.web.after_views import after_context, sold_round
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.pages.coordinator import own_round
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import read_goods, shown_round

SOLD_STATES: Final[tuple[RoundState, ...]] = (
    "announced", "open", "fill_up", "closing", "cleared", "ordered", "delivered", "settled", "carried_over",
    "released",
)  # fmt: skip


def _page(request: AnyRequest, context: dict[str, Any], *, status: int = 200, **more: Any) -> Response[str]:
    return page_response(request, "after_clearing.html", status_code=status, **context | more)


@get("/coordinator/rounds/{code:str}/after", opt={"audience": "operator"}, include_in_schema=False)
async def coordinator_after_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show what became of one's own round after clearing, and what to do next."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    return _page(request, await after_context(conn, buying_round, me, section="coordinator"))


@get("/vendor/rounds", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_rounds_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the rounds that this vendor sells."""
    me = signed_in(user)
    rows = []
    for buying_round in await list_rounds(
        conn, viewer=me.viewer, states=SOLD_STATES, vendor_id=me.organization_id
    ):
        goods = await read_goods(conn, offer_id=buying_round.offer_id)
        rows.append(shown_round(buying_round, goods))
    return page_response(request, "vendor_rounds.html", section="vendor", rounds=rows)


@get("/vendor/rounds/{code:str}", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_round_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show who gets what of an own round, with the forms for quotes and deliveries."""
    me = signed_in(user)
    buying_round = await sold_round(conn, code, me)
    return _page(request, await after_context(conn, buying_round, me, section="vendor"))


async def _shown_again(
    request: AnyRequest,
    pool: Pool,
    me: CurrentUser,
    code: str,
    section: str,
    form: Form,
    error: str,
    status: int,
) -> Response[str]:
    """The page with what was typed and why it was not taken."""
    async with transaction(pool) as conn:
        buying_round = await _sellers_round(conn, code, me, section)
        context = await after_context(conn, buying_round, me, section=section)
    return _page(request, context, status=status, errors={"form": error}, values=form.texts)


async def _sellers_round(conn: asyncpg.Connection, code: str, me: CurrentUser, section: str) -> Round:
    return await (own_round if section == "coordinator" else sold_round)(conn, code, me)


def _pledge_ids(form: Form) -> frozenset[UUID]:
    try:
        return frozenset(UUID(text) for text in form.text("pledge_id").split("; ") if text)
    except ValueError:
        return frozenset()


@post("/coordinator/rounds/{code:str}/lapses", opt={"audience": "operator"}, include_in_schema=False)
async def lapse_submit(request: AnyRequest, code: FromPath[str], pool: Pool, user: User) -> Response[Any]:
    """Record that pledges will not be paid for; the round is decided again."""
    me, form = signed_in(user), await read_form(request)
    chosen = _pledge_ids(form)
    if not chosen or not form.is_checked("confirmed"):
        error = gettext("결제하지 못한 약정을 고르고 확인란에 표시하세요. 바뀐 것은 없습니다.")
        return await _shown_again(request, pool, me, code, "coordinator", form, error, 400)
    async with transaction(pool) as conn:
        await own_round(conn, code, me)
        await lapse_pledges(
            conn, code=code, pledge_ids=chosen, actor=me.actor, coordinator_id=me.organization_id
        )
    return see_other(f"/coordinator/rounds/{code}/after", notice="lapse-recorded")


@post("/coordinator/rounds/{code:str}/order", opt={"audience": "operator"}, include_in_schema=False)
async def order_submit(request: AnyRequest, code: FromPath[str], pool: Pool, user: User) -> Response[Any]:
    """Record that the vendor got the order."""
    me, form = signed_in(user), await read_form(request)
    try:
        async with transaction(pool) as conn:
            await order_round(conn, code=code, coordinator_id=me.organization_id, actor=me.actor)
    except RoundStateConflict:
        error = gettext("동의나 현장 작업 견적에 답을 기다리는 공장이 있거나, 이미 발주했습니다.")
        return await _shown_again(request, pool, me, code, "coordinator", form, error, 409)
    return see_other(f"/coordinator/rounds/{code}/after", notice="round-ordered")


@post("/coordinator/rounds/{code:str}/settle", opt={"audience": "operator"}, include_in_schema=False)
async def settle_submit(request: AnyRequest, code: FromPath[str], pool: Pool, user: User) -> Response[Any]:
    """Record that every charge is final."""
    me, form = signed_in(user), await read_form(request)
    try:
        async with transaction(pool) as conn:
            await settle_round(conn, code=code, coordinator_id=me.organization_id, actor=me.actor)
    except RoundStateConflict:
        error = gettext("아직 받지 않은 잔금이나 돌려주지 않은 환불이 있습니다.")
        return await _shown_again(request, pool, me, code, "coordinator", form, error, 409)
    return see_other(f"/coordinator/rounds/{code}/after", notice="round-settled")


async def _deliver(request: AnyRequest, code: str, pool: Pool, user: User, section: str) -> Response[Any]:
    me, form = signed_in(user), await read_form(request)
    quantity = form.whole("quantity", 0, 2_000_000)
    error, status = gettext("0 이상, 확정 수량의 두 배까지의 정수를 적으세요. 바뀐 것은 없습니다."), 400
    if quantity is not None:
        try:
            async with transaction(pool) as conn:
                await _sellers_round(conn, code, me, section)
                await record_delivery(conn, code=code, quantity=quantity, actor=me.actor)
            return see_other(_after(section, code), notice="delivery-recorded")
        except RoundStateConflict:
            error, status = (
                gettext("발주된 회차의 납품만, 한 번만 적을 수 있습니다. 바뀐 것은 없습니다."),
                409,
            )
        except InvalidRound:
            pass
    return await _shown_again(request, pool, me, code, section, form, error, status)


def _after(section: str, code: str) -> str:
    return f"/coordinator/rounds/{code}/after" if section == "coordinator" else f"/vendor/rounds/{code}"


@post("/coordinator/rounds/{code:str}/delivery", opt={"audience": "operator"}, include_in_schema=False)
async def coordinator_delivery_submit(
    request: AnyRequest, code: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Record how many units came, as the coordinator."""
    return await _deliver(request, code, pool, user, "coordinator")


@post("/vendor/rounds/{code:str}/delivery", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_delivery_submit(
    request: AnyRequest, code: FromPath[str], pool: Pool, user: User
) -> Response[Any]:
    """Record how many units came, as the vendor."""
    return await _deliver(request, code, pool, user, "vendor")


async def _quote(
    request: AnyRequest, code: str, pledge_id: UUID, pool: Pool, user: User, section: str
) -> Response[Any]:
    me, form = signed_in(user), await read_form(request)
    quote_krw = form.whole("quote_krw", 0, ROUND_KRW_MAX)
    error, status = gettext("견적은 0원 이상의 정수로, 설명은 1000자까지 적으세요. 바뀐 것은 없습니다."), 400
    if quote_krw is not None and len(form.text("note")) <= NOTE_LETTERS_MAX:
        try:
            async with transaction(pool) as conn:
                await _sellers_round(conn, code, me, section)
                await record_survey_quote(
                    conn, pledge_id=pledge_id, quote_krw=quote_krw, note=form.text("note"), actor=me.actor
                )
            return see_other(_after(section, code), notice="quote-recorded")
        except SurveyQuoteStands:
            error, status = gettext("먼저 적은 견적이 그대로 남습니다. 바뀐 것은 없습니다."), 409
        except RoundStateConflict:
            error, status = gettext("성사되고 발주하기 전의 회차에만 견적을 적을 수 있습니다."), 409
    form = msgspec.structs.replace(form, texts=form.texts | {"quoted": str(pledge_id)})
    return await _shown_again(request, pool, me, code, section, form, error, status)


@post(
    "/coordinator/rounds/{code:str}/pledges/{pledge_id:uuid}/survey",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def coordinator_quote_submit(
    request: AnyRequest, code: FromPath[str], pledge_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Record what site work would cost a buyer, as the coordinator."""
    return await _quote(request, code, pledge_id, pool, user, "coordinator")


@post(
    "/vendor/rounds/{code:str}/pledges/{pledge_id:uuid}/survey",
    opt={"audience": "lister"},
    include_in_schema=False,
)
async def vendor_quote_submit(
    request: AnyRequest, code: FromPath[str], pledge_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Record what site work would cost a buyer, as the vendor."""
    return await _quote(request, code, pledge_id, pool, user, "vendor")


@post(
    "/vendor/rounds/{code:str}/single-purchases/{purchase_id:uuid}/confirm",
    opt={"audience": "lister"},
    include_in_schema=False,
)
async def single_confirm_submit(
    code: FromPath[str], purchase_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Confirm a single purchase."""
    await confirm_single(conn, purchase_id=purchase_id, actor=signed_in(user).actor)
    return see_other(f"/vendor/rounds/{code}", notice="single-confirmed")


AFTER_CLEARING_PAGES = [
    coordinator_after_page,
    vendor_rounds_page,
    vendor_round_page,
    lapse_submit,
    order_submit,
    settle_submit,
    coordinator_delivery_submit,
    vendor_delivery_submit,
    coordinator_quote_submit,
    vendor_quote_submit,
    single_confirm_submit,
]
