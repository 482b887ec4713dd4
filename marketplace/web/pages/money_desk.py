"""The coordinator's desk for money between people: late balances, guarantees, payouts to vendors."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.core.import_rows import write_csv
from group_buy.dunning import list_overdue
from group_buy.errors import InvalidRound, OrganizationUnknown
from group_buy.guarantees import LIMIT_KRW_MAX, end_guarantee, list_guarantees, record_guarantee
from group_buy.payouts import (
    PAYOUT_COLUMNS,
    get_payout_batch,
    list_payables,
    list_payout_batches,
    make_payout_batch,
    payout_rows,
)
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.uploads import PDF_BYTES_MAX, FileRefused, keep_pdf
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other

UPLOAD_BYTES_MAX = PDF_BYTES_MAX + 64 * 1024


@get("/coordinator/overdue", opt={"audience": "operator"}, include_in_schema=False)
async def overdue_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the balances that are late."""
    invoices = await list_overdue(conn, coordinator_id=signed_in(user).organization_id)
    total_krw = sum(invoice.open_krw for invoice in invoices)
    return page_response(
        request, "overdue.html", section="coordinator", invoices=invoices, total_krw=total_krw
    )


async def _guarantees_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, *, status_code: int = 200, **context: Any
) -> Response[str]:
    factories = await conn.fetch(
        "SELECT code, name_ko, name_en FROM organizations WHERE kind = 'factory' ORDER BY name_ko LIMIT 1000"
    )
    shown: dict[str, Any] = {
        "section": "coordinator",
        "guarantees": await list_guarantees(conn, coordinator_id=me.organization_id),
        "factories": [dict(row) for row in factories],
        "guarantee_id": str(uuid4()),
        "errors": {},
        "values": {},
    }
    return page_response(request, "guarantees.html", status_code=status_code, **shown | context)


@get("/coordinator/guarantees", opt={"audience": "operator"}, include_in_schema=False)
async def guarantees_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List guarantees with what they still bear."""
    return await _guarantees_page(request, conn, signed_in(user))


@post(
    "/coordinator/guarantees",
    opt={"audience": "operator"},
    include_in_schema=False,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def guarantee_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Record a guarantee with its document."""
    me = signed_in(user)
    form = await read_form(request)
    errors = {}
    limit_text = form.text("limit_krw").replace(",", "")
    limit_krw = int(limit_text) if limit_text.isascii() and limit_text.isdigit() else 0
    if not 1 <= limit_krw <= LIMIT_KRW_MAX:
        errors["limit_krw"] = gettext("금액은 원 단위 숫자로 적어 주세요.")
    try:
        expires_on = date.fromisoformat(form.text("expires_on"))
    except ValueError:
        expires_on = date.min
        errors["expires_on"] = gettext("오늘이나 뒤의 날짜를 적어 주세요.")
    document = form.uploads.get("document")
    if document is None:
        errors["document"] = gettext("보증서(PDF)를 올려 주세요.")
    if not errors and document is not None:
        try:
            file_id = await keep_pdf(conn, name=document.name, content=document.content, actor=me.actor)
            await record_guarantee(
                conn,
                guarantee_id=form.uuid("guarantee_id"),
                buyer_code=form.text("buyer"),
                issuer=form.text("issuer"),
                number=form.text("number"),
                limit_krw=limit_krw,
                expires_on=expires_on,
                file_id=file_id,
                actor=me.actor,
            )
        except FileRefused:
            errors["document"] = gettext("보증서(PDF)를 올려 주세요.")
        except OrganizationUnknown:
            errors["buyer"] = gettext("목록에서 공장을 골라 주세요.")
        except InvalidRound as refusal:
            errors[refusal.pointer.removeprefix("/")] = gettext("이 칸을 확인해 주세요.")
    if errors:
        return await _guarantees_page(request, conn, me, status_code=400, errors=errors, values=form.texts)
    return see_other("/coordinator/guarantees", notice="guarantee-recorded")


@post(
    "/coordinator/guarantees/{guarantee_id:uuid}/end", opt={"audience": "operator"}, include_in_schema=False
)
async def guarantee_end_submit(
    request: AnyRequest, guarantee_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Let a guarantee bear nothing more."""
    reason = (await read_form(request)).text("reason")
    await end_guarantee(conn, guarantee_id=guarantee_id, reason=reason, actor=signed_in(user).actor)
    return see_other("/coordinator/guarantees", notice="guarantee-ended")


@get("/coordinator/payouts", opt={"audience": "operator"}, include_in_schema=False)
async def payouts_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show what is held for vendors, and what was paid out."""
    me = signed_in(user)
    return page_response(
        request,
        "payouts.html",
        section="coordinator",
        payables=await list_payables(conn, coordinator_id=me.organization_id),
        batches=await list_payout_batches(conn, coordinator_id=me.organization_id),
        batch_id=str(uuid4()),
    )


@post("/coordinator/payouts", opt={"audience": "operator"}, include_in_schema=False)
async def payouts_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Freeze what is owed into a batch."""
    batch_id = (await read_form(request)).uuid("batch_id")
    count = await make_payout_batch(conn, batch_id=batch_id, actor=signed_in(user).actor)
    return see_other("/coordinator/payouts", notice="payout-made" if count else "payout-nothing")


@get("/coordinator/payouts/{batch_id:uuid}/file", opt={"audience": "operator"}, include_in_schema=False)
async def payout_file(batch_id: FromPath[UUID], conn: Conn, user: User) -> Response[bytes]:
    """A batch as a bank's bulk transfer file. Raises PayoutBatchNotFound."""
    batch = await get_payout_batch(conn, batch_id=batch_id, coordinator_id=signed_in(user).organization_id)
    content = write_csv(PAYOUT_COLUMNS, payout_rows(batch.payouts))
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="payouts-{batch_id}.csv"',
            "cache-control": "no-store",
        },
    )


MONEY_DESK_PAGES = [
    overdue_page,
    guarantees_page,
    guarantee_submit,
    guarantee_end_submit,
    payouts_page,
    payouts_submit,
    payout_file,
]
