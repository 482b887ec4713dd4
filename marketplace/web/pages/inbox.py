"""The inbox: what the market told this organization, and where it goes on."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.notices import Notice, list_notices, mark_read
from group_buy.reading import list_titles
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.i18n import LANG, gettext, local
from marketplace.web.labels import LABELS
from marketplace.web.render import page_response, see_other


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a sentence in the language of the page."""

    id: int
    text: str
    created_at: datetime
    is_read: bool


def notice_text(notice: Notice, titles: dict[str, dict[str, str]]) -> str:
    """The sentence of a message; a kind that this page does not know is told in general words.

    A round is called by its title.
    """
    sentences = LABELS["notification"]
    sentence = sentences.get(notice.kind, sentences["other"])
    name = notice.data.get("name_en" if LANG.get() == "en" else "name_ko") or notice.data.get("name_ko") or ""
    values = defaultdict(str, {key: str(value) for key, value in notice.data.items()}, name=str(name))
    if values["round"] in titles:
        values["round"] = local(titles[values["round"]], "name")
    return gettext(sentence) % values


def notice_path(notice: Notice) -> str:
    """Where a message goes on: a page of this site, nothing else."""
    path = str(notice.data.get("path", ""))
    if not path and "number" in notice.data:
        path = f"/my/invoices/{notice.data['number']}"
    elif not path and "round" in notice.data:
        path = f"/rounds/{notice.data['round']}"
    return path if path.startswith("/") and not path.startswith("//") else "/my/inbox"


@get("/my/inbox", opt={"audience": "person"}, include_in_schema=False)
async def inbox_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show the messages, the newest first."""
    notices = await list_notices(conn, organization_id=signed_in(user).organization_id)
    titles = await list_titles(conn, codes={str(n.data["round"]) for n in notices if "round" in n.data})
    shown = [
        NoticeView(
            id=n.id, text=notice_text(n, titles), created_at=n.created_at, is_read=n.read_at is not None
        )
        for n in notices
    ]
    return page_response(request, "inbox.html", section="inbox", notices=shown)


@post("/my/inbox/{notice_id:int}/open", opt={"audience": "person"}, include_in_schema=False)
async def notice_open_submit(notice_id: FromPath[int], conn: Conn, user: User) -> Response[Any]:
    """Mark one message as read and go where it leads."""
    me = signed_in(user)
    await mark_read(conn, organization_id=me.organization_id, notice_id=notice_id)
    for notice in await list_notices(conn, organization_id=me.organization_id):
        if notice.id == notice_id:
            return see_other(notice_path(notice))
    return see_other("/my/inbox")


@post("/my/inbox/read-all", opt={"audience": "person"}, include_in_schema=False)
async def read_all_submit(conn: Conn, user: User) -> Response[Any]:
    """Mark every message as read."""
    await mark_read(conn, organization_id=signed_in(user).organization_id)
    return see_other("/my/inbox", notice="all-read")


INBOX_PAGES = [inbox_page, notice_open_submit, read_all_submit]
