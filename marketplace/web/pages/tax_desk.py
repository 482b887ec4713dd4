"""Tax invoices at the desks of vendors and coordinators, and what an organization tells the tax office about itself."""

from datetime import date
from typing import Any, Final, Literal
from urllib.parse import quote

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from catalog.core.import_rows import write_csv
from catalog.core.xlsx_files import write_xlsx
from group_buy.core.tax_invoice import COLUMNS, CORRECTION_COLUMNS, form_rows
from group_buy.errors import ApprovalNumberRefused, InvalidRound
from group_buy.reading import list_titles
from group_buy.tax_invoices import (
    BillingProfile,
    change_billing_profile,
    count_waiting_changes,
    draw_up_tax_invoices,
    get_billing_profile,
    list_tax_invoices,
    record_approval,
)
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.forms import read_form
from marketplace.web.i18n import gettext
from marketplace.web.labels import label
from marketplace.web.render import page_response, see_other

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _section(me: CurrentUser) -> str:
    return "coordinator" if me.organization_kind == "coordinator" else "vendor"


async def _tax_page(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    code: str,
    *,
    status_code: int = 200,
    **context: Any,
) -> Response[str]:
    invoices = await list_tax_invoices(conn, code=code, organization_id=me.organization_id)
    parties = {party.name: party.missing for invoice in invoices for party in (invoice.vendor, invoice.buyer)}
    shown: dict[str, Any] = {
        "section": _section(me),
        "base": f"/{_section(me)}/rounds/{code}/tax",
        "code": code,
        "title": (await list_titles(conn, codes=[code])).get(code, {}),
        "invoices": invoices,
        "missing": sorted((name, missing) for name, missing in parties.items() if missing),
        "waiting_changes": await count_waiting_changes(conn, code=code),
        "today": await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date"),
        "sums": {
            name: sum(getattr(i, name) for i in invoices) for name in ("supply_krw", "vat_krw", "total_krw")
        },
        "errors": {},
        "values": {},
    }
    return page_response(request, "tax_desk.html", status_code=status_code, **shown | context)


async def tax_page(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show what was drawn up for a round."""
    return await _tax_page(request, conn, signed_in(user), code)


async def tax_draw_up(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Add the rows that are missing: originals, or corrections of what changed."""
    me = signed_in(user)
    form = await read_form(request)
    try:
        written_on = date.fromisoformat(form.text("written_on"))
        count = await draw_up_tax_invoices(conn, code=code, written_on=written_on, actor=me.actor)
    except (ValueError, InvalidRound):
        errors = {"written_on": gettext("지난해 1월 1일부터 오늘까지의 날짜를 적어 주세요.")}
        return await _tax_page(request, conn, me, code, status_code=400, errors=errors, values=form.texts)
    return see_other(
        f"/{_section(me)}/rounds/{code}/tax", notice="tax-drawn-up" if count else "tax-up-to-date"
    )


async def tax_approve(
    request: AnyRequest, code: FromPath[str], row_id: FromPath[int], conn: Conn, user: User
) -> Response[Any]:
    """Keep the tax office's number of a row."""
    me = signed_in(user)
    form = await read_form(request)
    try:
        await record_approval(
            conn, tax_invoice_id=row_id, approval_number=form.text("approval_number"), actor=me.actor
        )
    except ApprovalNumberRefused as refusal:
        errors = {f"row-{row_id}": label("approval_refusal", refusal.reason)}
        return await _tax_page(request, conn, me, code, status_code=400, errors=errors, values=form.texts)
    return see_other(f"/{_section(me)}/rounds/{code}/tax", notice="approval-kept")


async def tax_file(
    code: FromPath[str],
    conn: Conn,
    user: User,
    suffix: FromQuery[Literal[".csv", ".xlsx"]] = ".xlsx",
    kind: FromQuery[Literal["originals", "corrections"]] = "originals",
) -> Response[bytes]:
    """The rows in the shape of the tax office's bulk form."""
    invoices = await list_tax_invoices(conn, code=code, organization_id=signed_in(user).organization_id)
    is_correction = kind == "corrections"
    rows = form_rows(invoices, corrections=is_correction)
    columns = CORRECTION_COLUMNS if is_correction else COLUMNS
    content = write_csv(columns, rows) if suffix == ".csv" else write_xlsx(columns, rows)
    name = quote(f"{'수정세금계산서' if is_correction else '세금계산서'}-{code}{suffix}", safe="")
    return Response(
        content,
        media_type="text/csv; charset=utf-8" if suffix == ".csv" else XLSX,
        headers={
            "content-disposition": f"attachment; filename=\"tax-invoices{suffix}\"; filename*=UTF-8''{name}",
            "cache-control": "no-store",
        },
    )


@get("/vendor/tax", opt={"audience": "lister"}, include_in_schema=False)
async def vendor_tax_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the vendor's rounds that have something to invoice."""
    me = signed_in(user)
    rows = await conn.fetch(
        """
        SELECT r.code, r.title_ko, r.title_en, r.state, r.decided_at, sum(a.total_krw)::bigint AS total_krw,
               (SELECT coalesce(sum(t.total_krw), 0)::bigint FROM tax_invoices t JOIN allocations x ON x.id = t.allocation_id
                WHERE x.round_id = r.id) AS drawn_up_krw,
               (SELECT coalesce(sum(open_krw), 0)::bigint FROM receivables v
                WHERE v.round_id = r.id AND v.kind = 'balance') AS open_krw
        FROM rounds r JOIN current_allocations a ON a.round_id = r.id
        WHERE r.vendor_id = $1 GROUP BY r.id ORDER BY r.decided_at DESC LIMIT 200
        """,
        me.organization_id,
    )
    return page_response(request, "vendor_tax.html", section="vendor", rounds=[dict(row) for row in rows])


async def _billing_page(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, *, status_code: int = 200, **context: Any
) -> Response[str]:
    profile = await get_billing_profile(conn, organization_id=me.organization_id)
    section = {"vendor": "vendor", "coordinator": "coordinator"}.get(me.organization_kind, "my")
    shown: dict[str, Any] = {"section": section, "profile": profile, "errors": {}, "values": {}}
    return page_response(request, "billing_profile.html", status_code=status_code, **shown | context)


@get("/my/billing", opt={"audience": "member"}, include_in_schema=False)
async def billing_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show what the tax office and a bank ask of the organization."""
    return await _billing_page(request, conn, signed_in(user))


@post("/my/billing", opt={"audience": "member"}, include_in_schema=False)
async def billing_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Write it."""
    me = signed_in(user)
    form = await read_form(request)
    profile = BillingProfile(**{name: form.text(name) for name in BillingProfile.__struct_fields__})
    try:
        await change_billing_profile(conn, profile, actor=me.actor)
    except InvalidRound as refusal:
        errors = {refusal.pointer.removeprefix("/"): gettext("이 칸을 확인해 주세요.")}
        return await _billing_page(request, conn, me, status_code=400, errors=errors, values=form.texts)
    return see_other("/my/billing", notice="evidence-saved")


def _pages(base: str, audience: str) -> list[Any]:
    """The same desk for one audience."""
    options: dict[str, Any] = {"opt": {"audience": audience}, "include_in_schema": False}
    return [
        get(base, **options)(tax_page),
        post(f"{base}/draw-up", **options)(tax_draw_up),
        post(f"{base}/{{row_id:int}}/approval", **options)(tax_approve),
        get(f"{base}/file", **options)(tax_file),
    ]


TAX_DESK_PAGES = [
    *_pages("/coordinator/rounds/{code:str}/tax", "operator"),
    *_pages("/vendor/rounds/{code:str}/tax", "lister"),
    vendor_tax_page,
    billing_page,
    billing_submit,
]
