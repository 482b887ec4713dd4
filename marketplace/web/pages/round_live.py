"""What a round's page loads beside itself: live progress, an estimate, the proof, the calendar."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
from litestar import MediaType, Response, get
from litestar.params import FromPath
from litestar.response import ServerSentEvent

from catalog.core.viewer import Viewer
from group_buy.core.calendar import CalendarDate, calendar_file
from group_buy.core.clearing import PledgeLine
from group_buy.core.estimate import estimate_pledge
from group_buy.core.pledge import require_valid_lines
from group_buy.core.round import RoundState
from group_buy.errors import InvalidPledge
from group_buy.inviting import get_audit_input
from group_buy.proving import read_member_proof
from group_buy.reading import read_funded_units
from group_buy.rounds import get_round, load_lines, read_progress
from group_buy.transactions import transaction
from marketplace.accounts.access import viewer_of
from marketplace.deps import AnyRequest, Conn, Live, Pool, User, signed_in
from marketplace.live import SharedReadings
from marketplace.web.i18n import LANG, gettext, local, url
from marketplace.web.pledge_form import read_wishes, refusal_text
from marketplace.web.render import environment, page_response
from marketplace.web.round_views import read_goods, read_now, shown_progress, shown_round

STREAM_LIFE_SECONDS = 300
BEAT_SECONDS = 15
RUNNING_STATES: frozenset[RoundState] = frozenset({"announced", "open", "fill_up", "closing"})

Shown = tuple[str, RoundState]


async def _render_progress(conn: asyncpg.Connection, code: str, viewer: Viewer) -> Shown:
    buying_round = await get_round(conn, code, viewer=viewer)
    context = {
        "buying_round": shown_round(buying_round, await read_goods(conn, offer_id=buying_round.offer_id)),
        "progress": shown_progress(
            buying_round,
            await read_progress(conn, buying_round),
            units_funded=await read_funded_units(conn, round_id=buying_round.id),
            now=await read_now(conn),
        ),
    }
    return environment().get_template("_round_progress.html").render(context), buying_round.state


@get("/rounds/{code:str}/progress", opt={"audience": "anyone"}, include_in_schema=False)
async def round_progress(code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """The live part of the page alone, for polling."""
    html, _ = await _render_progress(conn, code, viewer_of(user))
    return Response(html, media_type=MediaType.HTML, headers={"cache-control": "no-store"})


@get("/rounds/{code:str}/events", opt={"audience": "anyone"}, include_in_schema=False)
async def round_events(
    request: AnyRequest, code: FromPath[str], pool: Pool, user: User, live: Live
) -> ServerSentEvent:
    """Send the live part whenever it changes, until the round is decided or the stream is old.

    Everybody who watches in the same language shares one reading of each change.
    """
    viewer, lang = viewer_of(user), LANG.get()
    readings: SharedReadings[Shown] = request.app.state.live_progress
    async with transaction(pool) as conn:
        await get_round(conn, code, viewer=viewer)

    async def read() -> Shown:
        async with transaction(pool) as conn:
            return await _render_progress(conn, code, viewer)

    async def changes() -> AsyncGenerator[dict[str, str], None]:
        LANG.set(lang)
        last, ends = "", asyncio.get_running_loop().time() + STREAM_LIFE_SECONDS
        async for version in live.follow(code, beat_seconds=BEAT_SECONDS):
            html, state = await readings.get(f"{lang}:{code}", version, read)
            compared = html.partition('class="as-of"')[0]
            if compared != last:
                last = compared
                yield {"event": "progress", "data": html}
            else:
                yield {"event": "ping", "data": ""}
            if state not in RUNNING_STATES:
                yield {"event": "state", "data": state}
                return
            if asyncio.get_running_loop().time() > ends:
                return

    return ServerSentEvent(changes())


@get("/rounds/{code:str}/estimate", opt={"audience": "anyone"}, include_in_schema=False)
async def round_estimate(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """What a pledge would pay now and then, before anything is promised."""
    buying_round = await get_round(conn, code, viewer=viewer_of(user))
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    estimate, errors = None, {}
    try:
        wishes = read_wishes(request.query_params)
        require_valid_lines(buying_round, wishes)
        others = await load_lines(conn, round_id=buying_round.id)
        wanted = [
            # "~" stands behind every id
            PledgeLine(f"~{n}", wish.quantity_min, wish.quantity_max, wish.limit_unit_price_krw, 0, 2**62 + n)
            for n, wish in enumerate(wishes)
        ]
        estimate = estimate_pledge(buying_round, others, wanted)
    except InvalidPledge as error:
        errors = {"form": refusal_text(error, capacity=buying_round.capacity)}
    return page_response(
        request,
        "round_estimate.html",
        status_code=400 if errors else 200,
        section="rounds",
        buying_round=shown_round(buying_round, goods),
        estimate=estimate,
        errors=errors,
    )


@get("/rounds/{code:str}/proof", opt={"audience": "buyer"}, include_in_schema=False)
async def round_proof(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Why this price and why this quantity, for one who takes part."""
    me = signed_in(user)
    buying_round = await get_round(conn, code, viewer=me.viewer)
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    proof, later = await read_member_proof(conn, code=code, buyer_id=me.organization_id)
    return page_response(
        request,
        "round_proof.html",
        section="rounds",
        buying_round=shown_round(buying_round, goods),
        proof=proof,
        later=later,
    )


@get(
    "/rounds/{code:str}/decisions/{clearing_no:int}",
    opt={"audience": "member"},
    include_in_schema=False,
)
async def round_audit_input(
    code: FromPath[str], clearing_no: FromPath[int], conn: Conn, user: User
) -> Response[bytes]:
    """The whole input of a decision, for the coordinator and named auditors: `marketplace simulate --explain` reads it."""
    me = signed_in(user)
    text = await get_audit_input(conn, code=code, clearing_no=clearing_no, organization_id=me.organization_id)
    name = f"{code}-{clearing_no}.json"
    return Response(
        text.encode(),
        media_type=MediaType.JSON,
        headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"},
    )


@get("/rounds/{code:str}/calendar.ics", opt={"audience": "anyone"}, include_in_schema=False)
async def round_calendar(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[bytes]:
    """The round's dates for a calendar."""
    buying_round = await get_round(conn, code, viewer=viewer_of(user))
    shown: dict[str, Any] = {"name_ko": buying_round.title_ko, "name_en": buying_round.title_en}
    name = local(shown, "name")
    dates = [
        ("opens", buying_round.opens_at, gettext("공동구매 시작")),
        ("fills-up", buying_round.fills_up_at, gettext("추가 모집 시작")),
        ("closes", buying_round.closes_at, gettext("공동구매 마감")),
        ("funding", buying_round.closes_at + buying_round.funding_window, gettext("입금·승인 기한")),
    ]
    text = calendar_file(
        dates=[
            CalendarDate(f"{code}-{kind}@rounds", at, f"{name}: {title}")
            for kind, at, title in dates
            if at is not None
        ],
        address=str(request.base_url).rstrip("/") + url(f"/rounds/{code}"),
        now=await read_now(conn),
    )
    return Response(text.encode(), media_type="text/calendar; charset=utf-8")


ROUND_LIVE_PAGES = [
    round_progress,
    round_events,
    round_estimate,
    round_proof,
    round_audit_input,
    round_calendar,
]
