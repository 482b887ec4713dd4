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


BANKING_API = [put_bank_import, read_bank_lines, assign_bank_line, mark_bank_line]
