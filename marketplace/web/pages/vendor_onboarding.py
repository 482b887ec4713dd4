"""A vendor's first page and its checklist: where it stands, what is asked, its answers and papers."""

from typing import Any, Final
from uuid import UUID

import asyncpg
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from catalog.change_requests import list_changes
from catalog.core.onboarding import ChecklistItem, unmet
from catalog.errors import AnswerRefused
from catalog.listing.publishing import list_drafts
from catalog.onboarding import answer_requirement, read_checklist, read_today
from catalog.own_listings import list_own_listings
from catalog.questions import list_vendor_questions
from catalog.vendor_life import get_profile, update_profile
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.uploads import PDF_BYTES_MAX, FileRefused, keep_pdf, read_pdf
from marketplace.web.catalog_views import web_address
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.pdf_answers import pdf_response
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX: Final = PDF_BYTES_MAX + 64 * 1024
"""The largest PDF and the other fields of its form."""

PROFILE_LENGTH_MAX: Final = 2000


def file_error(refused: FileRefused) -> str:
    """Why a file was not taken, in the language of the page."""
    if refused.reason == "too_large":
        return gettext("PDF는 10 MiB까지 올릴 수 있습니다.")
    return gettext("PDF 파일이 아닙니다. 파일 내용을 확인해 주세요.")


@get("/vendor", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_home_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show where the vendor stands, its listings with what they lack, its drafts and what waits for it."""
    me = signed_in(user)
    today = await read_today(conn)
    items = await read_checklist(conn, vendor_id=me.organization_id, today=today)
    listings = await list_own_listings(conn, vendor_id=me.organization_id)
    questions = await list_vendor_questions(conn, vendor_id=me.organization_id)
    return page_response(
        request,
        "vendor_home.html",
        section="vendor",
        vendor=await get_profile(conn, vendor_id=me.organization_id),
        unmet=unmet(items),
        expiring=[item for item in items if item.expires_soon],
        listings=listings,
        drafts=await list_drafts(conn, vendor_id=me.organization_id),
        waiting_questions=[q for q in questions if q.answer is None],
        pending_changes=await list_changes(conn, vendor_id=me.organization_id, is_pending=True),
    )


async def _page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response[str]:
    today = await read_today(conn)
    items: tuple[ChecklistItem, ...] = await read_checklist(conn, vendor_id=me.organization_id, today=today)
    profile = await get_profile(conn, vendor_id=me.organization_id)
    stored = {
        name: getattr(profile, name) or ""
        for name in ("contact_email", "contact_phone", "homepage", "introduction_ko", "introduction_en")
    }
    return page_response(
        request,
        "vendor_onboarding.html",
        status_code=400 if errors else 200,
        section="vendor",
        vendor=profile,
        items=items,
        unmet=unmet(items),
        errors=errors or {},
        values=stored | (values or {}),
    )


@get("/vendor/onboarding", opt={"audience": "vendor"}, include_in_schema=False)
async def onboarding_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show the checklist."""
    return await _page(request, conn, signed_in(user))


@post("/vendor/onboarding/profile", opt={"audience": "vendor"}, include_in_schema=False)
async def profile_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Save what the vendor says about itself."""
    me, form = signed_in(user), await read_form(request)
    errors = {n: gettext("너무 깁니다.") for n, v in form.texts.items() if len(v) > PROFILE_LENGTH_MAX}
    if form.text("homepage") and web_address(form.text("homepage")) is None:
        errors["homepage"] = gettext("http:// 또는 https:// 로 시작하는 주소를 적어 주세요.")
    if errors:
        return await _page(request, conn, me, errors=errors, values=form.texts)
    await update_profile(
        conn,
        contact_email=form.optional("contact_email"),
        contact_phone=form.optional("contact_phone"),
        homepage=form.optional("homepage"),
        introduction_ko=form.optional("introduction_ko"),
        introduction_en=form.optional("introduction_en"),
        actor=me.actor,
    )
    return see_other("/vendor/onboarding", notice="profile-saved")


@post(
    "/vendor/onboarding/{key:str}",
    opt={"audience": "vendor"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def answer_submit(request: AnyRequest, key: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Answer one requirement, with a PDF where it asks for one."""
    me, form = signed_in(user), await read_form(request)
    upload = form.uploads.get("file")
    try:
        file_id = (
            None
            if upload is None
            else await keep_pdf(conn, name=upload.name, content=upload.content, actor=me.actor)
        )
        await answer_requirement(
            conn,
            key=key,
            actor=me.actor,
            is_attested=form.is_checked("is_attested"),
            file_id=file_id,
            note=form.text("note")[:PROFILE_LENGTH_MAX],
        )
    except FileRefused as refused:
        return await _page(request, conn, me, errors={key: file_error(refused)})
    except AnswerRefused as refused:
        sentences = {
            "file_missing": gettext("PDF를 골라 주세요."),
            "not_attested": gettext("동의한다는 칸을 눌러 주세요."),
        }
        return await _page(request, conn, me, errors={key: sentences.get(refused.reason, str(refused))})
    return see_other("/vendor/onboarding", notice="answer-kept")


@get("/vendor/files/{file_id:uuid}", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_file(file_id: FromPath[UUID], conn: Conn, user: User) -> Response[bytes]:
    """A PDF of one's own."""
    me = signed_in(user)
    owns = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM files WHERE id = $1 AND organization_id = $2)",
        file_id,
        me.organization_id,
    )
    found = await read_pdf(conn, file_id=file_id) if owns else None
    if found is None:
        raise NotFoundException(f"no file {file_id}")
    return pdf_response(*found)


VENDOR_ONBOARDING_PAGES = [vendor_home_page, onboarding_page, profile_submit, answer_submit, vendor_file]
