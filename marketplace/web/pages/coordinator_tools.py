"""What a coordinator does beside closing: tell, invite, name auditors, run the same round again."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from litestar import Response, post
from litestar.params import FromPath

from group_buy.errors import InvalidRound
from group_buy.inviting import ANNOUNCEMENT_LETTERS_MAX, announce, create_invitation, name_auditor
from group_buy.repeating import repeat_round
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.i18n import gettext, url
from marketplace.web.pages.coordinator import coordinator_round_context, own_round
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import read_goods, read_now, shown_round


@post("/coordinator/rounds/{code:str}/announcements", opt={"audience": "operator"}, include_in_schema=False)
async def announce_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Tell everybody in the round."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    form = await request.form()
    try:
        announcement_id = UUID(str(form.get("announcement_id", "")))
    except ValueError:
        announcement_id = uuid4()
    # a browser sends each line break as two characters
    texts = {name: str(form.get(name, "")).replace("\r\n", "\n") for name in ("text_ko", "text_en")}
    try:
        await announce(
            conn, announcement_id=announcement_id, buying_round=buying_round, actor=me.actor, **texts
        )
    except InvalidRound as error:
        context = await coordinator_round_context(conn, code, me)
        shown = context | {"values": texts, "errors": {error.pointer.strip("/"): _said(error)}}
        return page_response(request, "coordinator_round.html", status_code=400, **shown)
    return see_other(f"/coordinator/rounds/{code}", notice="announced")


def _said(error: InvalidRound) -> str:
    if error.pointer == "/text_ko" and "at most" not in str(error):
        return gettext("공지할 내용을 적으세요.")
    return gettext("%(count)s자까지 적을 수 있습니다.") % {"count": f"{ANNOUNCEMENT_LETTERS_MAX:,}"}


@post("/coordinator/rounds/{code:str}/invitations", opt={"audience": "operator"}, include_in_schema=False)
async def invite_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Make an invitation link and show it, this once."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    token = await create_invitation(conn, buying_round=buying_round, actor=me.actor)
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    return page_response(
        request,
        "invitation.html",
        section="coordinator",
        buying_round=shown_round(buying_round, goods),
        link=str(request.base_url).rstrip("/") + url(f"/invitations/{token}"),
    )


@post("/coordinator/rounds/{code:str}/auditors", opt={"audience": "operator"}, include_in_schema=False)
async def auditor_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Let an organization check the round's decisions."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    organization = str((await request.form()).get("organization_code", "")).strip()
    await name_auditor(conn, buying_round=buying_round, organization_code=organization, actor=me.actor)
    return see_other(f"/coordinator/rounds/{code}", notice="auditor-named")


@post("/coordinator/rounds/{code:str}/repeat", opt={"audience": "operator"}, include_in_schema=False)
async def repeat_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Schedule the same round again, as long as this one, from a number of days on."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    text = str((await request.form()).get("in_days", "0"))
    days = min(int(text), 365) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    opens_at = await read_now(conn) + timedelta(days=days)
    repeated = await repeat_round(conn, buying_round=buying_round, opens_at=opens_at, actor=me.actor)
    return see_other(f"/coordinator/rounds/{repeated.code}", notice="round-opened")


COORDINATOR_TOOLS = [announce_submit, invite_submit, auditor_submit, repeat_submit]
