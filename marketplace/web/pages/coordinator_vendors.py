"""The coordinator's work on vendors: who waits, one vendor's papers and state, the checklist itself."""

from datetime import date
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from catalog.core.onboarding import (
    REQUIREMENT_KINDS,
    RULES,
    VENDOR_TRANSITIONS,
    RequirementKind,
    VendorState,
    unmet,
)
from catalog.errors import AnswerRefused, ReasonMissing, VendorStateConflict
from catalog.events import list_events
from catalog.onboarding import (
    decide_answer,
    list_requirements,
    read_checklist,
    read_today,
    retire_requirement,
    set_requirement,
    waive_requirement,
)
from catalog.own_listings import list_own_listings
from catalog.vendor_life import change_vendor_state, get_profile, list_vendor_entries
from group_buy.rounds import list_rounds
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.uploads import read_pdf
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.pages.vendor_offers import RUNNING
from marketplace.web.pdf_answers import pdf_response
from marketplace.web.render import page_response, see_other

TEXT_LENGTH_MAX: Final = 500


@get("/coordinator/vendors", opt={"audience": "operator"}, include_in_schema=False)
async def vendors_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """List the vendors, those that wait first."""
    return page_response(
        request, "coordinator_vendors.html", section="coordinator", vendors=await list_vendor_entries(conn)
    )


async def _vendor_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    code: str,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response[str]:
    vendor = await get_profile(conn, code=code)
    items = await read_checklist(conn, vendor_id=vendor.id, today=await read_today(conn))
    rounds = await list_rounds(conn, viewer=me.viewer, states=RUNNING)
    return page_response(
        request,
        "coordinator_vendor.html",
        status_code=400 if errors else 200,
        section="coordinator",
        vendor=vendor,
        items=items,
        unmet=unmet(items),
        next_states=sorted(VENDOR_TRANSITIONS[vendor.state]),
        rounds=[found for found in rounds if found.vendor_id == vendor.id],
        listings=sorted(
            await list_own_listings(conn, vendor_id=vendor.id), key=lambda item: (item.complete_bp, item.code)
        ),
        events=await list_events(conn, subject="vendor", subject_id=code),
        errors=errors or {},
        values=values or {},
    )


@get("/coordinator/vendors/{code:str}", opt={"audience": "operator"}, include_in_schema=False)
async def vendor_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show one vendor with its checklist, papers and history."""
    return await _vendor_page(request, conn, signed_in(user), code)


@post("/coordinator/vendors/{code:str}/state", opt={"audience": "operator"}, include_in_schema=False)
async def vendor_state_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Approve, suspend, take back or end a vendor."""
    me, form = signed_in(user), await read_form(request)
    state = form.text("state")
    if state not in VENDOR_TRANSITIONS:
        return await _vendor_page(request, conn, me, code, errors={"state": gettext("상태를 고르세요.")})
    try:
        await change_vendor_state(
            conn,
            code=code,
            state=cast("VendorState", state),
            reason=form.text("reason")[:TEXT_LENGTH_MAX],
            is_override=form.is_checked("is_override"),
            actor=me.actor,
        )
    except ReasonMissing:
        errors = {"reason": gettext("사유를 적어 주세요. 공급기업이 그대로 읽습니다.")}
    except VendorStateConflict as conflict:
        errors = {
            "state": gettext("채워지지 않은 요건이 있습니다. 면제하거나, 사유를 적고 예외로 승인하세요.")
            if conflict.unmet
            else gettext("지금 상태에서는 할 수 없습니다.")
        }
    else:
        return see_other(f"/coordinator/vendors/{code}", notice="vendor-changed")
    return await _vendor_page(request, conn, me, code, errors=errors, values=form.texts)


@post(
    "/coordinator/vendors/{code:str}/requirements/{key:str}",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def requirement_decide_submit(
    request: AnyRequest, code: FromPath[str], key: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Verify, reject or waive one requirement of a vendor."""
    me, form = signed_in(user), await read_form(request)
    vendor = await get_profile(conn, code=code)
    reason, until = form.text("reason")[:TEXT_LENGTH_MAX], _day(form, "valid_until")
    try:
        if form.text("decision") == "waive":
            await waive_requirement(
                conn, vendor_id=vendor.id, key=key, reason=reason, valid_until=until, actor=me.actor
            )
        else:
            await decide_answer(
                conn,
                vendor_id=vendor.id,
                key=key,
                is_accepted=form.text("decision") == "verify",
                reason=reason,
                valid_until=until,
                actor=me.actor,
            )
    except ReasonMissing:
        message = gettext("사유를 적어 주세요. 공급기업이 그대로 읽습니다.")
        return await _vendor_page(request, conn, me, code, errors={key: message}, values=form.texts)
    return see_other(f"/coordinator/vendors/{code}", notice="decided")


def _day(form: Form, name: str) -> date | None:
    try:
        return date.fromisoformat(form.text(name))
    except ValueError:
        return None


@get("/coordinator/files/{file_id:uuid}", opt={"audience": "operator"}, include_in_schema=False)
async def coordinator_file(file_id: FromPath[UUID], conn: Conn) -> Response[bytes]:
    """A PDF that a vendor brought as an answer to a requirement; other files are not the coordinator's to read here."""
    is_answer = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM requirement_answers WHERE file_id = $1)", file_id
    )
    found = await read_pdf(conn, file_id=file_id) if is_answer else None
    if found is None:
        raise NotFoundException(f"no file {file_id}")
    return pdf_response(*found)


async def _requirements_page(
    request: AnyRequest, conn: asyncpg.Connection, *, errors: dict[str, str], values: dict[str, str]
) -> Response[str]:
    today = await read_today(conn)
    return page_response(
        request,
        "coordinator_requirements.html",
        status_code=400 if errors else 200,
        section="coordinator",
        requirements=await list_requirements(conn),
        kinds=REQUIREMENT_KINDS,
        rules=sorted(RULES),
        errors=errors,
        values={"required_from": today.isoformat()} | values,
    )


@get("/coordinator/requirements", opt={"audience": "operator"}, include_in_schema=False)
async def requirements_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """Show the checklist for editing."""
    key = request.query_params.get("key", "")
    values: dict[str, str] = {}
    for requirement in await list_requirements(conn):
        if requirement.key == key:
            names = (
                "key",
                "kind",
                "rule",
                "name_ko",
                "name_en",
                "help_ko",
                "help_en",
                "valid_months",
                "position",
            )
            values = {name: str(getattr(requirement, name) or "") for name in names}
            values |= {
                "required_from": requirement.required_from.isoformat(),
                "is_required": "yes" if requirement.is_required else "",
                "needs_file": "yes" if requirement.needs_file else "",
            }
    return await _requirements_page(request, conn, errors={}, values=values)


def check_requirement(form: Form) -> dict[str, str]:
    """What is wrong with a requirement, by field."""
    errors = {}
    key = form.text("key")
    if not (
        2 <= len(key) <= 40
        and key.isascii()
        and key.replace("_", "a").isalnum()
        and key[0].islower()
        and key == key.lower()
    ):
        errors["key"] = gettext("영어 소문자와 숫자, '_'로 2자에서 40자까지 적어 주세요.")
    if form.text("kind") not in REQUIREMENT_KINDS:
        errors["kind"] = gettext("종류를 고르세요.")
    if form.text("kind") == "computed" and form.text("rule") not in RULES:
        errors["rule"] = gettext("자동으로 확인할 수 있는 것을 고르세요.")
    for name in ("name_ko", "name_en"):
        if not 1 <= len(form.text(name)) <= 100:
            errors[name] = gettext("적어 주세요.")
    if form.text("valid_months") and form.whole("valid_months", 1, 120) is None:
        errors["valid_months"] = gettext("1에서 120 사이의 달 수를 적어 주세요.")
    if _day(form, "required_from") is None:
        errors["required_from"] = gettext("날짜를 고르세요.")
    return errors


@post("/coordinator/requirements", opt={"audience": "operator"}, include_in_schema=False)
async def requirement_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Add a requirement, or change the one of this key."""
    form = await read_form(request)
    errors = check_requirement(form)
    if errors:
        return await _requirements_page(request, conn, errors=errors, values=form.texts)
    required_from = _day(form, "required_from")
    assert required_from is not None, "checked above"
    try:
        await set_requirement(
            conn,
            key=form.text("key"),
            kind=cast("RequirementKind", form.text("kind")),
            rule=form.optional("rule"),
            name_ko=form.text("name_ko"),
            name_en=form.text("name_en"),
            help_ko=form.text("help_ko")[:TEXT_LENGTH_MAX],
            help_en=form.text("help_en")[:TEXT_LENGTH_MAX],
            is_required=form.is_checked("is_required"),
            needs_file=form.is_checked("needs_file"),
            valid_months=form.whole("valid_months", 1, 120),
            required_from=required_from,
            position=form.whole("position", 0, 10_000) or 100,
            actor=signed_in(user).actor,
        )
    except AnswerRefused:
        message = gettext("자동으로 확인할 수 있는 것을 고르세요.")
        return await _requirements_page(request, conn, errors={"rule": message}, values=form.texts)
    return see_other("/coordinator/requirements", notice="requirement-set")


@post("/coordinator/requirements/{key:str}/retire", opt={"audience": "operator"}, include_in_schema=False)
async def requirement_retire_submit(key: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Ask for this no longer."""
    await retire_requirement(conn, key=key, actor=signed_in(user).actor)
    return see_other("/coordinator/requirements", notice="requirement-retired")


COORDINATOR_VENDOR_PAGES = [
    vendors_page,
    vendor_page,
    vendor_state_submit,
    requirement_decide_submit,
    coordinator_file,
    requirements_page,
    requirement_submit,
    requirement_retire_submit,
]
