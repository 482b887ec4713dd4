"""A buyer's word after clearing and beside it: dearer prices, site work, substitutes, single purchases, invitations."""

from typing import Any
from uuid import UUID

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.money import ROUND_KRW_MAX
from group_buy.after_clearing import find_consent, list_decisions, list_surveys, read_site_work
from group_buy.consenting import answer_consent
from group_buy.core.pledge import LineInput
from group_buy.core.round import Round
from group_buy.errors import (
    ConsentClosed,
    ConsentNotFound,
    InvalidPledge,
    PledgeNotFound,
    RoundNotOpen,
    RoundStateConflict,
    SinglePriceOver,
    SurveyQuoteStands,
)
from group_buy.inviting import accept_invitation, find_invitation
from group_buy.pledging import get_pledge
from group_buy.rounds import get_round, get_round_code
from group_buy.single_purchasing import buy_single, cancel_single
from group_buy.substituting import (
    SUBSTITUTES_MAX,
    Substitute,
    list_candidates,
    list_substitutes,
    rank_substitutes,
)
from group_buy.surveying import accept_survey_quote, leave_after_survey
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, Pool, User, signed_in
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

CONSENT_PATH = "/my/pledges/{pledge_id:uuid}/consents/{unit_price_krw:int}"
SURVEY_PATH = "/my/pledges/{pledge_id:uuid}/survey"
SUBSTITUTES_PATH = "/my/pledges/{pledge_id:uuid}/substitutes"


async def _consent_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    pledge_id: UUID,
    price: int,
    error: str = "",
) -> Response[str]:
    consent = await find_consent(
        conn, pledge_id=pledge_id, unit_price_krw=min(price, ROUND_KRW_MAX), buyer_id=me.organization_id
    )
    if consent is None:
        raise ConsentNotFound(pledge_id, price)
    pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    return page_response(
        request,
        "consent.html",
        status_code=409 if error else 200,
        section="my",
        consent=consent,
        decisions=await list_decisions(conn, round_id=pledge.round_id, code=consent.round_code),
        errors={"form": error} if error else {},
    )


@get(CONSENT_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def consent_page(
    request: AnyRequest, pledge_id: FromPath[UUID], unit_price_krw: FromPath[int], conn: Conn, user: User
) -> Response[str]:
    """Ask about a dearer price, with everything that hangs on the answer."""
    return await _consent_page(request, conn, signed_in(user), pledge_id, unit_price_krw)


@post(CONSENT_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def consent_submit(
    request: AnyRequest, pledge_id: FromPath[UUID], unit_price_krw: FromPath[int], pool: Pool, user: User
) -> Response[Any]:
    """Take the answer; the same again changes nothing."""
    me, form = signed_in(user), await read_form(request)
    answer = form.text("answer")
    path = f"/my/pledges/{pledge_id}/consents/{unit_price_krw}"
    if answer not in {"yes", "no"}:
        return see_other(path)
    try:
        async with transaction(pool) as conn:
            await answer_consent(
                conn,
                pledge_id=pledge_id,
                unit_price_krw=min(unit_price_krw, ROUND_KRW_MAX),
                is_yes=answer == "yes",
                actor=me.actor,
            )
    except ConsentClosed:
        async with transaction(pool) as conn:
            error = gettext("이미 답했거나 기한이 지나 이 답은 받지 않았습니다. 바뀐 것은 없습니다.")
            return await _consent_page(request, conn, me, pledge_id, unit_price_krw, error)
    return see_other(path, notice="consent-answered")


async def _survey_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, pledge_id: UUID, error: str = ""
) -> Response[str]:
    found = await list_surveys(conn, buyer_id=me.organization_id, pledge_id=pledge_id)
    if not found:
        raise PledgeNotFound(pledge_id)
    pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    return page_response(
        request,
        "survey.html",
        status_code=409 if error else 200,
        section="my",
        survey=found[0],
        site_work=await read_site_work(conn, round_id=pledge.round_id),
        errors={"form": error} if error else {},
    )


@get(SURVEY_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def survey_page(
    request: AnyRequest, pledge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[str]:
    """Show what the survey of one's own site found, beside the cap."""
    return await _survey_page(request, conn, signed_in(user), pledge_id)


@post(SURVEY_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def survey_submit(
    request: AnyRequest, pledge_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Accept the quote, or leave free of charge."""
    me, form = signed_in(user), await read_form(request)
    answers = {"accept": accept_survey_quote, "leave": leave_after_survey}
    if form.text("answer") not in answers:
        return see_other(f"/my/pledges/{pledge_id}/survey")
    try:
        async with transaction(pool) as conn:
            await answers[form.text("answer")](conn, pledge_id=pledge_id, actor=me.actor)
    except (SurveyQuoteStands, RoundStateConflict):
        async with transaction(pool) as conn:
            error = gettext("이미 답했거나 발주가 끝나 이 답은 받지 않았습니다. 바뀐 것은 없습니다.")
            return await _survey_page(request, conn, me, pledge_id, error)
    return see_other(f"/my/pledges/{pledge_id}/survey", notice="survey-answered")


async def _substitutes_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    pledge_id: UUID,
    *,
    form: Form | None = None,
    error: str = "",
    status: int = 200,
) -> Response[str]:
    pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    first = await get_round(conn, await get_round_code(conn, pledge.round_id), viewer=me.viewer)
    ranked = await list_substitutes(conn, pledge_id=pledge_id, buyer_id=me.organization_id)
    candidates = await list_candidates(conn, first, buyer=me.viewer)
    return page_response(
        request,
        "substitutes.html",
        status_code=status,
        section="my",
        pledge=pledge,
        buying_round=first,
        ranked=ranked,
        candidates=candidates,
        ranks=range(1, 1 + min(SUBSTITUTES_MAX, len(candidates))),
        may_rank=pledge.state == "placed" and first.state in {"open", "fill_up"},
        values=form.texts if form is not None else _typed(ranked),
        errors={"form": error} if error else {},
    )


def _typed(ranked: list[Any]) -> dict[str, str]:
    """What the form's fields hold for a ranking that is kept; a pledge of several lines is summed up."""
    values: dict[str, str] = {}
    for each in ranked:
        limits = [line.limit_unit_price_krw for line in each.lines]
        values |= {
            f"round-{each.rank}": each.round_code,
            f"min-{each.rank}": str(min(line.quantity_min for line in each.lines)),
            f"max-{each.rank}": str(sum(line.quantity_max for line in each.lines)),
            f"limit-{each.rank}": "" if None in limits else str(max(limits)),
        }
    return values


@get(SUBSTITUTES_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def substitutes_page(
    request: AnyRequest, pledge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[str]:
    """Show and set where a pledge goes when it wins nothing."""
    return await _substitutes_page(request, conn, signed_in(user), pledge_id)


def _read_ranking(form: Form) -> tuple[Substitute, ...]:
    found: list[Substitute] = []
    for rank in range(1, SUBSTITUTES_MAX + 1):
        code = form.text(f"round-{rank}")
        if not code:
            continue
        low, high = form.whole(f"min-{rank}", 1, 10**6), form.whole(f"max-{rank}", 1, 10**6)
        limit = form.whole(f"limit-{rank}", 1, ROUND_KRW_MAX) if form.text(f"limit-{rank}") else None
        if low is None or high is None or (limit is None and form.text(f"limit-{rank}")):
            raise InvalidPledge(
                f"/substitutes/{len(found)}", gettext("수량과 한도는 1 이상의 정수로 적으세요.")
            )
        found.append(Substitute(code, (LineInput(high, low, limit),)))
    return tuple(found)


@post(SUBSTITUTES_PATH, opt={"audience": "buyer"}, include_in_schema=False)
async def substitutes_submit(
    request: AnyRequest, pledge_id: FromPath[UUID], pool: Pool, user: User
) -> Response[Any]:
    """Keep the ranking, or take it back where nothing was chosen."""
    me, form = signed_in(user), await read_form(request)
    try:
        ranking = () if form.text("withdraw") else _read_ranking(form)
        async with transaction(pool) as conn:
            await rank_substitutes(
                conn, pledge_id=pledge_id, buyer=me.viewer, person_id=me.person_id, substitutes=ranking
            )
    except (InvalidPledge, RoundNotOpen) as refusal:
        is_invalid = isinstance(refusal, InvalidPledge)
        error = (
            gettext(
                "고른 회차, 수량, 한도를 확인하세요. 이 회차보다 늦게 마감하는 회차를 한 번씩만 고를 수 있습니다."
            )
            if is_invalid
            else gettext("이 회차나 고른 회차의 모집이 끝났습니다. 바뀐 것은 없습니다.")
        )
        async with transaction(pool) as conn:
            status = 400 if is_invalid else 409
            return await _substitutes_page(
                request, conn, me, pledge_id, form=form, error=error, status=status
            )
    notice = "substitutes-kept" if ranking else "substitutes-withdrawn"
    return see_other(f"/my/pledges/{pledge_id}/substitutes", notice=notice)


@post("/rounds/{code:str}/single-purchases", opt={"audience": "buyer"}, include_in_schema=False)
async def single_submit(request: AnyRequest, code: FromPath[str], pool: Pool, user: User) -> Response[Any]:
    """Buy alone at the price that stayed on offer."""
    me, form = signed_in(user), await read_form(request)
    quantity = form.whole("quantity", 1, 10**6)
    try:
        if quantity is None:
            raise InvalidPledge("/quantity", gettext("1 이상의 정수를 적으세요."))
        async with transaction(pool) as conn:
            await buy_single(
                conn,
                purchase_id=form.uuid("purchase_id"),
                round_code=code,
                quantity=quantity,
                buyer=me.viewer,
                person_id=me.person_id,
            )
    except InvalidPledge:
        return see_other(f"/rounds/{code}", notice="single-quantity")
    except SinglePriceOver:
        return see_other(f"/rounds/{code}", notice="single-over")
    return see_other(f"/rounds/{code}", notice="single-placed")


@post("/my/single-purchases/{purchase_id:uuid}/cancel", opt={"audience": "buyer"}, include_in_schema=False)
async def single_cancel_submit(purchase_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Take a single purchase back."""
    await cancel_single(conn, purchase_id=purchase_id, actor=signed_in(user).actor)
    return see_other("/my/pledges", notice="single-canceled")


@get("/invitations/{token:str}", opt={"audience": "member"}, include_in_schema=False)
async def invitation_page(request: AnyRequest, token: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Show an invitation. Looking changes nothing: links are fetched by mail scanners and by browsers in advance."""
    me = signed_in(user)
    invited: Round = await find_invitation(conn, token=token)
    return page_response(
        request,
        "invitation_offer.html",
        section="rounds",
        buying_round=invited,
        token=token,
        is_factory=me.organization_kind == "factory",
    )


@post("/invitations/{token:str}", opt={"audience": "member"}, include_in_schema=False)
async def invitation_submit(token: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Accept an invitation: from now on the visitor's company knows of the round."""
    code = await accept_invitation(conn, token=token, actor=signed_in(user).actor)
    return see_other(f"/rounds/{code}")


MY_ROUND_PAGES = [
    consent_page,
    consent_submit,
    survey_page,
    survey_submit,
    substitutes_page,
    substitutes_submit,
    single_submit,
    single_cancel_submit,
    invitation_page,
    invitation_submit,
]
