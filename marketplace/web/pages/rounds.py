"""Pages of rounds: the list, one round with its pledge form and live progress, and the card of a pledge."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from group_buy.after_clearing import list_changes, list_family, read_site_work
from group_buy.cards import finish_card, request_card, switch_to_transfer
from group_buy.core.pledge import Funding, LineInput, deposit_ceiling_krw, raise_in_place
from group_buy.core.round import Round, RoundState, may_only_help, takes_pledges
from group_buy.errors import (
    AlreadyPledged,
    CardNotPossible,
    IdReused,
    InvalidPledge,
    PledgeMayOnlyHelp,
    PledgeNotFound,
    RoundNotOpen,
    VersionConflict,
)
from group_buy.gateway import GatewayUnavailable
from group_buy.inviting import list_announcements, read_participants
from group_buy.pledging import change_pledge, find_pledge_in_round, get_pledge, place_pledge
from group_buy.reading import list_buyer_pledges, list_round_audit, read_funded_units
from group_buy.rounds import get_round, list_rounds, read_progress
from group_buy.single_purchasing import list_single_purchases
from group_buy.sponsor_reading import SponsorshipView, find_promises
from group_buy.transactions import transaction
from marketplace.accounts.access import CurrentUser, belongs_to, viewer_of
from marketplace.deps import AnyRequest, Config, Conn, Gateway, Live, Pool, User, signed_in
from marketplace.web.cards import list_round_cards
from marketplace.web.i18n import gettext
from marketplace.web.pledge_form import (
    conflict_rows,
    field_of,
    form_rows,
    read_wishes,
    refusal_text,
    typed_values,
)
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import (
    deposit_for_one_krw,
    read_goods,
    read_now,
    shown_event,
    shown_pledge,
    shown_progress,
    shown_round,
)

FORM_ERRORS = (
    InvalidPledge,
    CardNotPossible,
    RoundNotOpen,
    AlreadyPledged,
    IdReused,
    PledgeMayOnlyHelp,
    VersionConflict,
)
"""Refusals that are shown beside the form, with what was typed."""

GROUPS: dict[str, tuple[RoundState, ...]] = {
    "open": ("open", "fill_up"),
    "announced": ("announced",),
    "closing": ("closing",),
    "done": ("cleared", "ordered", "delivered", "settled", "shortfall", "carried_over", "released"),
}


@get("/rounds", opt={"audience": "anyone"}, include_in_schema=False)
async def rounds_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List rounds by what one can do with them."""
    state = request.query_params.get("state", "")
    chosen = {code: states for code, states in GROUPS.items() if state in {"", code}}
    groups = []
    for code, states in chosen.items():
        found = await list_rounds(conn, viewer=viewer_of(user), states=states)
        groups.append({"code": code, "cards": await list_round_cards(conn, found)})
    return page_response(
        request,
        "rounds.html",
        section="rounds",
        groups=groups,
        state_filter=state if state in GROUPS else None,
    )


async def round_context(
    conn: asyncpg.Connection, buying_round: Round, user: CurrentUser | None
) -> dict[str, Any]:
    """Everything `round.html` shows to this visitor."""
    now = await read_now(conn)
    progress = await read_progress(conn, buying_round)
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    is_open = takes_pledges(buying_round.state, closes_at=buying_round.closes_at, now=now)
    mine = None
    if user is not None and user.organization_kind == "factory":
        pledges = await list_buyer_pledges(conn, buyer_id=user.organization_id, round_id=buying_round.id)
        mine = pledges[0] if pledges else None
    audit = await list_round_audit(conn, round_id=buying_round.id, code=buying_round.code)
    result: dict[str, Any] | None = None
    if buying_round.decided_at is not None:
        outcome = "cleared" if buying_round.unit_price_krw is not None else "shortfall"
        figures = {"unit_price_krw": buying_round.unit_price_krw, "quantity": buying_round.quantity}
        result = figures | {"outcome": outcome, "allocations": [], "tiers": []}
    changes = []
    promises: list[SponsorshipView] = []
    if user is not None and user.organization_kind == "factory":
        promises = await find_promises(conn, buyer_id=user.organization_id, round_code=buying_round.code)
    if user is not None and mine is not None:
        changes = await list_changes(conn, round_id=buying_round.id, buyer_id=user.organization_id)
    return {
        **await _single_context(
            conn, buying_round, user, now=now, is_member=mine is not None and mine.state == "placed"
        ),
        "changes": changes,
        "promises": promises,
        "site_work": await read_site_work(conn, round_id=buying_round.id),
        "family": await list_family(conn, round_id=buying_round.id),
        "buying_round": shown_round(buying_round, goods),
        "progress": shown_progress(
            buying_round,
            progress,
            units_funded=await read_funded_units(conn, round_id=buying_round.id),
            now=now,
        ),
        "my_pledge": None if mine is None else shown_pledge(mine, is_open=is_open),
        "rows": form_rows(mine.lines if mine else ()),
        "may_pledge": is_open and belongs_to(user, "buyer"),
        "pledge_id": str(uuid4()),
        "card_allowed": True,
        "hold_krw_max": deposit_for_one_krw(buying_round),
        "result": result,
        "my_allocation": mine and mine.allocation,
        "events": [shown_event(line) for line in audit if line.kind.startswith("round.")],
        "announcements": await list_announcements(conn, round_id=buying_round.id),
        "participants": await read_participants(conn, round_id=buying_round.id),
        "may_only_help": is_open
        and may_only_help(
            buying_round.state,
            closes_at=buying_round.closes_at,
            withdrawal_lock=buying_round.withdrawal_lock,
            now=now,
        ),
        "conflict": None,
        "section": "rounds",
    }


async def _single_context(
    conn: asyncpg.Connection, buying_round: Round, user: CurrentUser | None, *, now: datetime, is_member: bool
) -> dict[str, Any]:
    """What the page says of buying alone: the visitor's own purchases, and whether the price still stands for them."""
    until = buying_round.single_price_until
    if until is None or user is None or not is_member:
        return {"purchases": [], "may_buy_single": False, "purchase_id": ""}
    purchases = await list_single_purchases(
        conn, organization_id=user.organization_id, round_id=buying_round.id
    )
    is_bought = any(each.state != "canceled" for each in purchases)
    return {
        "purchases": purchases,
        "may_buy_single": now < until and not is_bought and belongs_to(user, "buyer"),
        "purchase_id": str(uuid4()),
    }


@get("/rounds/{code:str}", opt={"audience": "anyone"}, include_in_schema=False)
async def round_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User, gateway: Gateway
) -> Response[str]:
    """Show one round."""
    buying_round = await get_round(conn, code, viewer=viewer_of(user))
    context = await round_context(conn, buying_round, user)
    return page_response(request, "round.html", **context | {"card_allowed": gateway is not None})


def _read_version(form: Any) -> int | None:
    """The version of the pledge that the form was filled in against; None for a form without it."""
    text = str(form.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _read_pledge_id(form: Any) -> UUID:
    try:
        return UUID(str(form.get("pledge_id", "")))
    except ValueError:
        raise InvalidPledge("/pledge_id", "open the page anew") from None


@post("/rounds/{code:str}/pledges", opt={"audience": "buyer"}, include_in_schema=False)
async def pledge_submit(
    request: AnyRequest, code: FromPath[str], pool: Pool, user: User, gateway: Gateway, live: Live
) -> Response[Any]:
    """Place a pledge, or change the one there is; by card, go on to save the card."""
    me = signed_in(user)
    form = await request.form()
    funding: Funding = "card" if form.get("payment_method") == "card" and gateway is not None else "transfer"
    try:
        async with transaction(pool) as conn:
            pledge_id = await _place_or_change(
                conn,
                code,
                _read_pledge_id(form),
                read_wishes(form),
                funding,
                me,
                seen=_read_version(form),
            )
    except FORM_ERRORS as error:
        return await _show_again(request, code, pool, me, form, error, card_allowed=gateway is not None)
    live.changed(code)
    if funding == "card":
        return see_other(f"/rounds/{code}/pledges/{pledge_id}/card")
    return see_other(f"/rounds/{code}", notice="pledge-placed")


async def _place_or_change(
    conn: asyncpg.Connection,
    code: str,
    pledge_id: UUID,
    wishes: tuple[LineInput, ...],
    funding: Funding,
    me: CurrentUser,
    *,
    seen: int | None,
) -> UUID:
    buying_round = await get_round(conn, code, viewer=me.viewer)
    existing = await find_pledge_in_round(conn, round_id=buying_round.id, buyer_id=me.organization_id)
    if existing is None or existing.id != pledge_id:
        placed = await place_pledge(
            conn,
            round_code=code,
            pledge_id=pledge_id,
            buyer=me.viewer,
            person_id=me.person_id,
            funding=funding,
            lines=wishes,
        )
        return placed.id
    if existing.funding == "card" and funding == "transfer":
        await switch_to_transfer(conn, pledge=existing, buying_round=buying_round, actor=me.actor)
    changed = await change_pledge(
        conn,
        pledge_id=existing.id,
        buyer=me.viewer,
        person_id=me.person_id,
        version=(existing.version if seen is None else seen) + 1,
        lines=raise_in_place(existing.lines, wishes),
    )
    return changed.id


async def _show_again(
    request: AnyRequest,
    code: str,
    pool: asyncpg.Pool,
    me: CurrentUser,
    form: Any,
    error: Exception,
    *,
    card_allowed: bool,
) -> Response[str]:
    """The page with what was typed and what is wrong with it."""
    field = field_of(error.pointer, form) if isinstance(error, InvalidPledge) else "form"
    texts = {
        RoundNotOpen: gettext("모집이 끝나 약정을 받을 수 없습니다."),
        AlreadyPledged: gettext("이 회차에 이미 약정이 있습니다. 아래에서 바꾸세요."),
        VersionConflict: gettext("그 사이 약정이 바뀌었습니다. 두 내용을 비교하고 다시 보내세요."),
        PledgeMayOnlyHelp: gettext("마감이 가까워 수량과 한도를 넓히는 변경만 받습니다."),
    }
    values = typed_values(form)
    async with transaction(pool) as conn:
        buying_round = await get_round(conn, code, viewer=me.viewer)
        context = await round_context(conn, buying_round, me)
    status = 400 if isinstance(error, InvalidPledge | CardNotPossible) else 409
    said = texts.get(type(error), str(error))
    if isinstance(error, InvalidPledge):
        said = refusal_text(error, capacity=buying_round.capacity)
    errors = {field: said}
    if isinstance(error, AlreadyPledged | VersionConflict):
        saved = context["my_pledge"]
        context["conflict"] = conflict_rows(saved["lines"] if saved else (), values)
    rows = {"rows": form_rows((), values)}
    shown = context | rows | {"errors": errors, "values": values, "card_allowed": card_allowed}
    return page_response(request, "round.html", status_code=status, **shown)


@post("/rounds/{code:str}/withdraw", opt={"audience": "buyer"}, include_in_schema=False)
async def withdraw_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User, live: Live
) -> Response[Any]:
    """Withdraw a pledge; free until the deadline."""
    me = signed_in(user)
    pledge_id = _read_pledge_id(await request.form())
    pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    if pledge.state == "placed":
        await change_pledge(
            conn,
            pledge_id=pledge_id,
            buyer=me.viewer,
            person_id=me.person_id,
            version=pledge.version + 1,
            lines=(),
        )
        live.changed(code)
    return see_other(f"/rounds/{code}", notice="pledge-withdrawn")


@get("/rounds/{code:str}/pledges/{pledge_id:uuid}/card", opt={"audience": "buyer"}, include_in_schema=False)
async def card_page(
    request: AnyRequest,
    code: FromPath[str],
    pledge_id: FromPath[UUID],
    pool: Pool,
    user: User,
    gateway: Gateway,
    config: Config,
) -> Response[Any]:
    """Save a card for the deposit: the only page that needs JavaScript, because card numbers never reach us."""
    me = signed_in(user)
    if gateway is None:
        raise CardNotPossible(gettext("여기서는 카드를 받지 않습니다. 계좌이체를 고르세요."))
    async with transaction(pool) as conn:
        buying_round = await get_round(conn, code, viewer=me.viewer)
        pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
        goods = await read_goods(conn, offer_id=buying_round.offer_id)
    if pledge.round_id != buying_round.id:
        raise PledgeNotFound(pledge_id)
    hold_krw = deposit_ceiling_krw(buying_round, pledge.lines)
    consent = (
        f"마감({buying_round.closes_at.isoformat()})에 보증금 최대 {hold_krw:,}원을 승인하고, "
        "성사되면 배정된 만큼만 결제하며 나머지는 풀어 주는 데 동의합니다."
    )
    card = await request_card(
        pool,
        gateway,
        buying_round=buying_round,
        pledge=pledge,
        organization_code=me.organization_code,
        consent_text=consent,
    )
    script = f"{config.stripe_api_base}/js/v3/" if config.stripe_api_base else "https://js.stripe.com/v3/"
    return page_response(
        request,
        "pay_card.html",
        section="rounds",
        buying_round=shown_round(buying_round, goods),
        pledge_id=str(pledge_id),
        hold_krw=hold_krw,
        stripe_js_url=script,
        publishable_key=config.stripe_publishable_key,
        client_secret=card.client_secret,
        api_base=config.stripe_api_base,
    )


@post("/rounds/{code:str}/pledges/{pledge_id:uuid}/card", opt={"audience": "buyer"}, include_in_schema=False)
async def card_submit(
    code: FromPath[str], pledge_id: FromPath[UUID], pool: Pool, user: User, gateway: Gateway
) -> Response[Any]:
    """The browser says it is done; ask the provider how it went."""
    me = signed_in(user)
    if gateway is None:
        raise GatewayUnavailable("cards are not set up here")
    async with transaction(pool) as conn:
        pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    saved = await finish_card(pool, gateway, pledge_id=pledge.id, actor=me.actor)
    notice = {"ready": "card-ready", "failed": "card-failed", "requested": "card-waiting"}[saved.state]
    if saved.state == "ready":
        return see_other(f"/rounds/{code}", notice=notice)
    return see_other(f"/rounds/{code}/pledges/{pledge_id}/card", notice=notice)


@post(
    "/rounds/{code:str}/pledges/{pledge_id:uuid}/transfer", opt={"audience": "buyer"}, include_in_schema=False
)
async def transfer_submit(
    code: FromPath[str], pledge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Pay the deposit by transfer after all."""
    me = signed_in(user)
    pledge = await get_pledge(conn, pledge_id, buyer_id=me.organization_id)
    buying_round = await get_round(conn, code, viewer=me.viewer)
    await switch_to_transfer(conn, pledge=pledge, buying_round=buying_round, actor=me.actor)
    return see_other(f"/rounds/{code}", notice="pledge-transfer")


ROUND_PAGES = [
    rounds_page, round_page, pledge_submit, withdraw_submit, card_page, card_submit, transfer_submit,
]  # fmt: skip
