"""A bank's statement for programs: PUT it under an id of one's own making; the same line is never booked twice."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from group_buy.bank_lines import (
    NOTE_LENGTH_MAX,
    LineMark,
    WaitingLine,
    assign_line,
    list_waiting_lines,
    mark_line,
)
from group_buy.banking import BankReport
from group_buy.core.tax_invoice import TaxInvoice
from group_buy.dunning import OverdueInvoice, list_overdue
from group_buy.guarantees import Guarantee, list_guarantees
from group_buy.payouts import Payable, list_payables
from group_buy.tax_invoices import list_tax_invoices, record_approval
from marketplace.bank_files import UPLOAD_BYTES_MAX, take_statement
from marketplace.deps import AnyRequest, Conn, User, signed_in

FileName = Annotated[str, QueryParameter(min_length=1, max_length=255)]
Account = Annotated[str, QueryParameter(max_length=40)]
Note = Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX)]


class AssignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line pays; `amount_krw` in won, absent = all that is left of it."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    amount_krw: Annotated[int, msgspec.Meta(ge=1, le=10**15)] | None = None
    note: Note = ""


class MarkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Set a line aside, or take back what was said or booked (`reopened`)."""

    mark: LineMark
    note: Note = ""


@put(
    "/api/bank-imports/{import_id:uuid}",
    opt={"audience": "operator"},
    tags=["bank"],
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def put_bank_import(
    import_id: FromPath[UUID],
    request: AnyRequest,
    conn: Conn,
    user: User,
    file_name: FromQuery[FileName],
    account: FromQuery[Account] = "",
    mode: FromQuery[Literal["check", "apply", "take_good_rows"]] = "check",
) -> BankReport:
    """Check a statement (the request's body), or book it. Answers 200 also where rows have errors: read `is_applied`.

    Raises BankFileRefused.
    """
    return await take_statement(
        conn,
        import_id=import_id,
        content=await request.body(),
        file_name=file_name,
        account=account,
        is_dry_run=mode == "check",
        take_good_rows=mode == "take_good_rows",
        actor=signed_in(user).actor,
    )


@get("/api/bank-lines", opt={"audience": "operator"}, tags=["bank"])
async def read_bank_lines(conn: Conn, user: User) -> list[WaitingLine]:
    """List the lines that a person must look at, at most 200, the oldest first."""
    return await list_waiting_lines(conn, organization_id=signed_in(user).organization_id)


@post("/api/bank-lines/{line_id:int}/assign", opt={"audience": "operator"}, tags=["bank"], status_code=204)
async def assign_bank_line(
    line_id: FromPath[int], data: JSONBody[AssignRequest], conn: Conn, user: User
) -> None:
    """Say what a line pays. Raises BankLineNotFound, BankLineRefused, ReferenceNotFound."""
    await assign_line(
        conn,
        bank_line_id=line_id,
        reference=data.reference,
        amount_krw=data.amount_krw,
        note=data.note,
        actor=signed_in(user).actor,
    )


@post("/api/bank-lines/{line_id:int}/mark", opt={"audience": "operator"}, tags=["bank"], status_code=204)
async def mark_bank_line(line_id: FromPath[int], data: JSONBody[MarkRequest], conn: Conn, user: User) -> None:
    """Set a line aside, or take back what was said or booked. Raises BankLineNotFound, BankLineRefused."""
    await mark_line(conn, bank_line_id=line_id, mark=data.mark, note=data.note, actor=signed_in(user).actor)


class ApprovalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number under which the tax office took a row: 24 characters, hyphens allowed."""

    approval_number: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


@get("/api/rounds/{code:str}/tax-invoices", opt={"audience": "member"}, tags=["tax"])
async def read_tax_invoices(code: FromPath[str], conn: Conn, user: User) -> list[TaxInvoice]:
    """List a round's tax invoices, for its vendor or coordinator. Raises RoundNotFound."""
    return await list_tax_invoices(conn, code=code, organization_id=signed_in(user).organization_id)


@put("/api/tax-invoices/{row_id:int}/approval", opt={"audience": "member"}, tags=["tax"], status_code=204)
async def put_approval(
    row_id: FromPath[int], data: JSONBody[ApprovalRequest], conn: Conn, user: User
) -> None:
    """Keep the tax office's number. Raises TaxInvoiceNotFound, ApprovalNumberRefused."""
    await record_approval(
        conn, tax_invoice_id=row_id, approval_number=data.approval_number, actor=signed_in(user).actor
    )


@get("/api/overdue", opt={"audience": "operator"}, tags=["bank"])
async def read_overdue(conn: Conn, user: User) -> list[OverdueInvoice]:
    """List the balances that are late, the latest first, at most 500."""
    return await list_overdue(conn, coordinator_id=signed_in(user).organization_id)


@get("/api/guarantees", opt={"audience": "operator"}, tags=["bank"])
async def read_guarantees(conn: Conn, user: User) -> list[Guarantee]:
    """List the guarantees that one recorded, with what they still bear, at most 500."""
    return await list_guarantees(conn, coordinator_id=signed_in(user).organization_id)


@get("/api/payables", opt={"audience": "operator"}, tags=["bank"])
async def read_payables(conn: Conn, user: User) -> list[Payable]:
    """List what is held for vendors and may be paid out, by round."""
    return await list_payables(conn, coordinator_id=signed_in(user).organization_id)


BANKING_API = [
    put_bank_import,
    read_bank_lines,
    assign_bank_line,
    mark_bank_line,
    read_tax_invoices,
    put_approval,
    read_overdue,
    read_guarantees,
    read_payables,
]
