"""The coordinator's inbox of change requests, the fields that need none, and the label "recommended"."""

from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.change_requests import (
    approve_change,
    count_pending_changes,
    decline_change,
    get_change,
    list_changes,
    set_exempt_fields,
)
from catalog.errors import (
    ChangeRequestNotFound,
    ChangeRequestStale,
    InvalidText,
    ListingRefused,
    ReasonMissing,
    RecommendationRefused,
)
from catalog.listing.fields import LISTING_KINDS, field_names
from catalog.onboarding import read_today
from catalog.package_models import get_package_model
from catalog.recommendations import CRITERIA, find_recommendation, recommend, withdraw_recommendation
from catalog.review import NEVER_BY_FORM, list_exempt_fields
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.change_views import change_view, field_name
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

RECOMMENDATION_LASTS: Final = timedelta(days=365)
REASON_LENGTH_MAX: Final = 500
PENDING_SHOWN: Final = 100
"""Requests that the page shows, and that can be approved together."""


@get("/coordinator/changes", opt={"audience": "operator"}, include_in_schema=False)
async def changes_page(request: AnyRequest, conn: Conn) -> Response[str]:
    """List the change requests, those that wait first; and which fields need none."""
    exempt = {kind: await list_exempt_fields(conn, kind=kind) for kind in LISTING_KINDS}
    fields = {
        kind: [(name, field_name(name)) for name in sorted(field_names(kind) - NEVER_BY_FORM)]
        for kind in LISTING_KINDS
    }
    return page_response(
        request,
        "coordinator_changes.html",
        section="coordinator",
        pending_count=await count_pending_changes(conn),
        pending=[
            change_view(change) for change in await list_changes(conn, is_pending=True, limit=PENDING_SHOWN)
        ],
        decided=[change_view(change) for change in await list_changes(conn, is_pending=False, limit=30)],
        kinds=LISTING_KINDS,
        exempt=exempt,
        fields=fields,
    )


async def _change_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    request_id: UUID,
    *,
    errors: dict[str, str] | None = None,
    status_code: int = 200,
) -> Response[str]:
    change = await get_change(conn, request_id=request_id)
    return page_response(
        request,
        "coordinator_change.html",
        status_code=status_code,
        section="coordinator",
        change=change_view(change),
        errors=errors or {},
    )


@get("/coordinator/changes/{request_id:uuid}", opt={"audience": "operator"}, include_in_schema=False)
async def change_page(request: AnyRequest, request_id: FromPath[UUID], conn: Conn) -> Response[str]:
    """Show one request, field by field."""
    return await _change_page(request, conn, request_id)


@post("/coordinator/changes/{request_id:uuid}/approve", opt={"audience": "operator"}, include_in_schema=False)
async def change_approve_submit(
    request: AnyRequest, request_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Write a request onto its listing."""
    try:
        await approve_change(conn, request_id=request_id, actor=signed_in(user).actor)
    except ChangeRequestStale as stale:
        names = ", ".join(field_name(name) for name in stale.fields)
        message = gettext(
            "그 사이 바뀐 항목이 있어 반영할 수 없습니다: %(fields)s. 거절하고 다시 요청하게 해 주세요."
        )
        return await _change_page(
            request, conn, request_id, errors={"form": message % {"fields": names}}, status_code=409
        )
    except ListingRefused as refused:
        message = gettext("지금은 이 내용으로 저장할 수 없습니다: %(detail)s")
        return await _change_page(
            request, conn, request_id, errors={"form": message % {"detail": refused}}, status_code=409
        )
    return see_other("/coordinator/changes", notice="change-approved")


@post("/coordinator/changes/approve", opt={"audience": "operator"}, include_in_schema=False)
async def changes_approve_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Write every request that was ticked; one that cannot be written any more stays, with its reason on its page."""
    form = await read_form(request)
    ticked = form.uuids("id")[:PENDING_SHOWN]
    left = 0
    for request_id in ticked:
        try:
            await approve_change(conn, request_id=request_id, actor=signed_in(user).actor)
        except (ChangeRequestNotFound, ChangeRequestStale, ListingRefused):
            left += 1
    notice = "changes-none" if not ticked else "changes-left" if left else "changes-approved"
    return see_other("/coordinator/changes", notice=notice)


@post("/coordinator/changes/{request_id:uuid}/decline", opt={"audience": "operator"}, include_in_schema=False)
async def change_decline_submit(
    request: AnyRequest, request_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Say no, with the reason."""
    form = await read_form(request)
    try:
        await decline_change(
            conn,
            request_id=request_id,
            reason=form.text("reason")[:REASON_LENGTH_MAX],
            actor=signed_in(user).actor,
        )
    except ReasonMissing:
        message = gettext("사유를 적어 주세요. 공급기업이 그대로 읽습니다.")
        return await _change_page(request, conn, request_id, errors={"reason": message}, status_code=400)
    return see_other("/coordinator/changes", notice="change-declined")


@post("/coordinator/exempt-fields", opt={"audience": "operator"}, include_in_schema=False)
async def exempt_fields_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Say which fields of one kind vendors change without asking."""
    form = await read_form(request)
    for kind in LISTING_KINDS:
        if form.text("kind") == kind:
            chosen = {name.strip() for name in form.text("field").split(";")}
            await set_exempt_fields(
                conn, kind=kind, fields=frozenset(chosen & field_names(kind)), actor=signed_in(user).actor
            )
    return see_other("/coordinator/changes", notice="exempt-saved")


async def _recommendation_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    code: str,
    *,
    errors: dict[str, str],
    form: Form | None,
) -> Response[str]:
    today = await read_today(conn)
    package = await get_package_model(conn, code=code, viewer=me.viewer)
    values = {"valid_until": (today + RECOMMENDATION_LASTS).isoformat()} | (
        {} if form is None else form.texts
    )
    return page_response(
        request,
        "coordinator_recommendation.html",
        status_code=400 if errors else 200,
        section="coordinator",
        package=package,
        recommendation=await find_recommendation(conn, package_id=package.id, today=today),
        criteria=CRITERIA,
        recommendation_id=str(uuid4()),
        errors=errors,
        values=values,
    )


@get("/coordinator/packages/{code:str}/recommendation", opt={"audience": "operator"}, include_in_schema=False)
async def recommendation_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show a package's label and the form for it."""
    return await _recommendation_page(request, conn, signed_in(user), code, errors={}, form=None)


@post(
    "/coordinator/packages/{code:str}/recommendation", opt={"audience": "operator"}, include_in_schema=False
)
async def recommendation_submit(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[Any]:
    """Give the label, with its reason, criteria and end."""
    me, form = signed_in(user), await read_form(request)
    today = await read_today(conn)
    try:
        await recommend(
            conn,
            recommendation_id=form.uuid("recommendation_id"),
            code=code,
            reason_ko=form.text("reason_ko"),
            reason_en=form.text("reason_en")[:1000],
            criteria=[word.strip() for word in form.text("criteria").split(";")],
            valid_until=_day(form.text("valid_until")) or today - timedelta(days=1),
            today=today,
            actor=me.actor,
        )
    except InvalidText:
        errors = {"reason_ko": gettext("1자에서 1,000자 사이로 적어 주세요.")}
    except RecommendationRefused as refused:
        errors = {
            "origin_not_verified": {
                "form": gettext("확인된 국산 비중이 없어 권장할 수 없습니다. 원산지부터 확인하세요.")
            },
            "criteria_missing": {"criteria": gettext("근거를 하나 이상 고르세요.")},
        }.get(refused.reason, {"valid_until": gettext("오늘 이후의 날짜를 고르세요.")})
    else:
        return see_other(f"/packages/{code}", notice="recommended")
    return await _recommendation_page(request, conn, me, code, errors=errors, form=form)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@post(
    "/coordinator/packages/{code:str}/recommendation/withdraw",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def recommendation_withdraw_submit(code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Take one's own label back."""
    await withdraw_recommendation(conn, code=code, actor=signed_in(user).actor)
    return see_other(f"/packages/{code}", notice="recommendation-withdrawn")


COORDINATOR_CHANGE_PAGES = [
    changes_page,
    change_page,
    change_approve_submit,
    changes_approve_submit,
    change_decline_submit,
    exempt_fields_submit,
    recommendation_page,
    recommendation_submit,
    recommendation_withdraw_submit,
]
