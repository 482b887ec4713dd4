"""The bank's statement at the desk of a coordinator, and of a vendor whose buyers pay it directly."""

from typing import Any, Final, cast, get_args
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from group_buy.bank_lines import LineMark, assign_line, list_used_lines, list_waiting_lines, mark_line
from group_buy.banking import BankReport
from group_buy.errors import BankFileRefused, BankLineRefused, ReferenceNotFound
from marketplace.accounts.access import CurrentUser
from marketplace.bank_files import UPLOAD_BYTES_MAX, keep_checked_file, read_checked_file, take_statement
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import LANG, gettext
from marketplace.web.labels import label
from marketplace.web.render import page_response, see_other

AMOUNT_KRW_MAX: Final = 10**15
ERRORS_SHOWN: Final = 100


def _base(me: CurrentUser) -> str:
    return "/coordinator/bank" if me.organization_kind == "coordinator" else "/vendor/bank"


async def _desk(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, *, status_code: int = 200, **context: Any
) -> Response[str]:
    shown: dict[str, Any] = {
        "section": "coordinator" if me.organization_kind == "coordinator" else "vendor",
        "base": _base(me),
        "import_id": str(uuid4()),
        "waiting": await list_waiting_lines(conn, organization_id=me.organization_id),
        "used": await list_used_lines(conn, organization_id=me.organization_id),
        "accounts": await _list_accounts(conn, me.organization_id),
        "report": None,
        "errors": {},
        "values": {},
    }
    return page_response(request, "bank_desk.html", status_code=status_code, **shown | context)


async def _list_accounts(conn: asyncpg.Connection, organization_id: int) -> list[str]:
    rows = await conn.fetch(
        "SELECT account FROM bank_imports WHERE organization_id = $1 GROUP BY account ORDER BY max(at) DESC LIMIT 10",
        organization_id,
    )
    return [row["account"] for row in rows]


def _shown_report(report: BankReport, *, import_id: UUID, is_dry_run: bool) -> dict[str, Any]:
    return {
        "report": report,
        "report_errors": [
            {
                "line": error.line,
                "column": error.column,
                "found": error.found,
                "expected": error.expected if LANG.get() == "en" else error.expected_ko or error.expected,
            }
            for error in report.errors[:ERRORS_SHOWN]
        ],
        "is_dry_run": is_dry_run,
        "checked_id": str(import_id),
    }


async def bank_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """Show the form, what waits for a person, and what was used."""
    return await _desk(request, conn, signed_in(user))


async def bank_submit(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """Check a file, or book the one that was checked; both answer with the report on the page."""
    me = signed_in(user)
    form = await read_form(request)
    import_id = form.uuid("import_id")
    is_dry_run = not form.is_checked("apply")
    upload = form.uploads.get("file")
    found = (upload.name, upload.content) if upload is not None else None
    if found is None:
        found = await read_checked_file(conn, import_id=import_id, organization_id=me.organization_id)
    if found is None:
        errors = {"file": gettext("올릴 파일을 고르세요.")}
        return await _desk(request, conn, me, status_code=400, errors=errors, values=form.texts)
    name, content = found
    try:
        report = await take_statement(
            conn,
            import_id=import_id,
            content=content,
            file_name=name,
            account=form.text("account"),
            is_dry_run=is_dry_run,
            take_good_rows=form.is_checked("take_good_rows"),
            actor=me.actor,
        )
    except BankFileRefused as refusal:
        errors = {"account": label("bank_refusal", refusal.reason)}
        return await _desk(request, conn, me, status_code=400, errors=errors, values=form.texts)
    if is_dry_run:
        await keep_checked_file(conn, import_id=import_id, content=content, file_name=name, actor=me.actor)
    shown = _shown_report(report, import_id=import_id, is_dry_run=is_dry_run)
    status_code = 200 if report.is_applied else 400
    return await _desk(request, conn, me, status_code=status_code, **shown, values=form.texts)


async def bank_assign(request: AnyRequest, line_id: FromPath[int], conn: Conn, user: User) -> Response[Any]:
    """Say what a line pays: one reference, all that is left of it or a part."""
    me = signed_in(user)
    form = await read_form(request)
    amount_text = form.text("amount_krw").replace(",", "")
    amount_krw = int(amount_text) if amount_text.isascii() and amount_text.isdigit() else None
    if amount_text and amount_krw is None:
        return await _refused(request, conn, me, form, line_id, "amount_unreadable")
    try:
        await assign_line(
            conn,
            bank_line_id=line_id,
            reference=form.text("reference"),
            amount_krw=amount_krw,
            note=form.text("note"),
            actor=me.actor,
        )
    except ReferenceNotFound:
        return await _refused(request, conn, me, form, line_id, "reference_unknown")
    except BankLineRefused as refusal:
        return await _refused(request, conn, me, form, line_id, refusal.reason, status_code=409)
    return see_other(_base(me), notice="bank-assigned")


async def bank_mark(request: AnyRequest, line_id: FromPath[int], conn: Conn, user: User) -> Response[Any]:
    """Set a line aside, or take back what was said about it."""
    me = signed_in(user)
    form = await read_form(request)
    mark = form.text("mark")
    if mark not in get_args(LineMark):
        return await _refused(request, conn, me, form, line_id, "mark_unknown")
    if mark == "not_ours" and not form.text("note"):
        return await _refused(request, conn, me, form, line_id, "note_missing")
    try:
        await mark_line(
            conn, bank_line_id=line_id, mark=cast("LineMark", mark), note=form.text("note"), actor=me.actor
        )
    except BankLineRefused as refusal:
        return await _refused(request, conn, me, form, line_id, refusal.reason, status_code=409)
    return see_other(_base(me), notice="bank-marked")


async def _refused(
    request: AnyRequest,
    conn: asyncpg.Connection,
    me: CurrentUser,
    form: Form,
    line_id: int,
    reason: str,
    *,
    status_code: int = 400,
) -> Response[str]:
    errors = {f"line-{line_id}": label("bank_refusal", reason)}
    return await _desk(request, conn, me, status_code=status_code, errors=errors, values=form.texts)


def _pages(base: str, audience: str) -> list[Any]:
    """The same desk for one audience."""
    options: dict[str, Any] = {"opt": {"audience": audience}, "include_in_schema": False}
    return [
        get(base, **options)(bank_page),
        post(base, request_max_body_size=UPLOAD_BYTES_MAX, status_code=200, **options)(bank_submit),
        post(f"{base}/lines/{{line_id:int}}/assign", **options)(bank_assign),
        post(f"{base}/lines/{{line_id:int}}/mark", **options)(bank_mark),
    ]


BANK_DESK_PAGES = [*_pages("/coordinator/bank", "operator"), *_pages("/vendor/bank", "lister")]
