"""A vendor's desk beside its listings: change requests, questions, invitations, reference factories."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.change_requests import list_changes, withdraw_change
from catalog.core.package_model import INDUSTRIES
from catalog.errors import InvalidText, OrganizationNotFound
from catalog.invitations import invite, list_invited, uninvite
from catalog.listing.fields import read_listing
from catalog.package_details import add_reference, list_references, remove_reference
from catalog.package_models import get_package_model
from catalog.questions import answer_question, list_vendor_questions
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.change_views import change_view
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other


@get("/vendor/changes", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_changes_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the vendor's change requests with what became of them."""
    changes = await list_changes(conn, vendor_id=signed_in(user).organization_id)
    return page_response(
        request, "vendor_changes.html", section="vendor", changes=[change_view(change) for change in changes]
    )


@post("/vendor/changes/{request_id:uuid}/withdraw", opt={"audience": "vendor"}, include_in_schema=False)
async def change_withdraw_submit(request_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Take a request back."""
    await withdraw_change(conn, request_id=request_id, actor=signed_in(user).actor)
    return see_other("/vendor/changes", notice="change-withdrawn")


async def _questions_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    *,
    errors: dict[str, str],
    values: dict[str, str],
) -> Response[str]:
    return page_response(
        request,
        "vendor_questions.html",
        status_code=400 if errors else 200,
        section="vendor",
        questions=await list_vendor_questions(conn, vendor_id=me.organization_id),
        errors=errors,
        values=values,
    )


@get("/vendor/questions", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_questions_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the questions to this vendor, those that wait first."""
    return await _questions_page(request, conn, signed_in(user), errors={}, values={})


@post("/vendor/questions/{question_id:uuid}/answer", opt={"audience": "vendor"}, include_in_schema=False)
async def answer_submit(
    request: AnyRequest, question_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Answer a question; both become public."""
    me, form = signed_in(user), await read_form(request)
    try:
        await answer_question(conn, question_id=question_id, answer=form.text("answer"), actor=me.actor)
    except InvalidText:
        name = f"answer-{question_id}"
        message = gettext("1자에서 4,000자 사이로 적어 주세요.")
        return await _questions_page(
            request, conn, me, errors={name: message}, values={name: form.text("answer")}
        )
    return see_other("/vendor/questions", notice="question-answered")


async def _invitations_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, code: str, *, who: str = ""
) -> Response[str]:
    offer = await read_listing(conn, kind="offers", code=code, vendor_id=me.organization_id)
    errors = {"who": gettext("이 코드나 사업자등록번호의 구매기업이 없습니다.")} if who else {}
    return page_response(
        request,
        "vendor_invitations.html",
        status_code=400 if errors else 200,
        section="vendor",
        code=code,
        audience=offer.fields["audience"],
        invited=await list_invited(conn, offer_code=code, vendor_id=me.organization_id),
        errors=errors,
        values={"who": who},
    )


@get("/vendor/offers/{code:str}/invitations", opt={"audience": "vendor"}, include_in_schema=False)
async def invitations_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """List who is invited to an own offer."""
    return await _invitations_page(request, conn, signed_in(user), code)


@post("/vendor/offers/{code:str}/invitations", opt={"audience": "vendor"}, include_in_schema=False)
async def invite_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Invite a factory by its code or business number."""
    me, form = signed_in(user), await read_form(request)
    try:
        await invite(conn, offer_code=code, who=form.text("who"), actor=me.actor)
    except OrganizationNotFound:
        return await _invitations_page(request, conn, me, code, who=form.text("who") or " ")
    return see_other(f"/vendor/offers/{code}/invitations", notice="invited")


@post(
    "/vendor/offers/{code:str}/invitations/{guest:str}/remove",
    opt={"audience": "vendor"},
    include_in_schema=False,
)
async def uninvite_submit(code: FromPath[str], guest: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Take an invitation back."""
    await uninvite(conn, offer_code=code, guest_code=guest, actor=signed_in(user).actor)
    return see_other(f"/vendor/offers/{code}/invitations", notice="uninvited")


async def _references_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    code: str,
    *,
    errors: dict[str, str],
    values: dict[str, str],
) -> Response[str]:
    await read_listing(conn, kind="package-models", code=code, vendor_id=me.organization_id)
    package = await get_package_model(conn, code=code, viewer=me.viewer)
    return page_response(
        request,
        "vendor_references.html",
        status_code=400 if errors else 200,
        section="vendor",
        code=code,
        package=package,
        references=await list_references(conn, package_id=package.id),
        industries=INDUSTRIES,
        reference_id=str(uuid4()),
        errors=errors,
        values={"version": str(package.version.version)} | values,
    )


@get("/vendor/packages/{code:str}/references", opt={"audience": "vendor"}, include_in_schema=False)
async def references_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """List the reference factories of an own package."""
    return await _references_page(request, conn, signed_in(user), code, errors={}, values={})


@post("/vendor/packages/{code:str}/references", opt={"audience": "vendor"}, include_in_schema=False)
async def reference_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Name a factory where the package runs."""
    me, form = signed_in(user), await read_form(request)
    year, version = form.whole("installed_year", 1990, 2100), form.whole("version", 1, 100_000)
    errors = {}
    if not form.text("name_ko") or len(form.text("name_ko")) > 200:
        errors["name_ko"] = gettext("적어 주세요.")
    if year is None:
        errors["installed_year"] = gettext("연도 네 자리를 적어 주세요.")
    if version is None:
        errors["version"] = gettext("있는 판 번호를 적어 주세요.")
    if errors or year is None or version is None:
        return await _references_page(request, conn, me, code, errors=errors, values=form.texts)
    industry = form.text("industry")
    await add_reference(
        conn,
        reference_id=form.uuid("reference_id"),
        code=code,
        version=version,
        name_ko=form.text("name_ko"),
        name_en=form.text("name_en")[:200],
        region=form.text("region")[:100] or None,
        industry=industry if industry in INDUSTRIES else None,
        installed_year=year,
        may_visit=form.is_checked("may_visit"),
        actor=me.actor,
    )
    return see_other(f"/vendor/packages/{code}/references", notice="reference-added")


@post(
    "/vendor/packages/{code:str}/references/{reference_id:uuid}/remove",
    opt={"audience": "vendor"},
    include_in_schema=False,
)
async def reference_remove_submit(
    code: FromPath[str], reference_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Take a reference factory off the page."""
    await remove_reference(conn, code=code, reference_id=reference_id, actor=signed_in(user).actor)
    return see_other(f"/vendor/packages/{code}/references", notice="reference-removed")


VENDOR_DESK_PAGES = [
    vendor_changes_page,
    change_withdraw_submit,
    vendor_questions_page,
    answer_submit,
    invitations_page,
    invite_submit,
    uninvite_submit,
    references_page,
    reference_submit,
    reference_remove_submit,
]
