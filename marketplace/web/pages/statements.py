"""Statements of a buyer and of a vendor, and the coordinator's trial balance: read from the ledger, never summed here."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import asyncpg
from litestar import Response, get

from catalog.core.export_rows import write_csv
from group_buy.core.ledger import StatementSide
from group_buy.ledger import Statement, read_statement, read_trial_balance
from group_buy.payouts import list_payouts_of
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web import formats
from marketplace.web.i18n import LANG, gettext
from marketplace.web.labels import label
from marketplace.web.render import page_response

PATHS: Mapping[StatementSide, str] = {
    "buyer": "/my/statement",
    "vendor": "/vendor/statement",
    "sponsor": "/my/sponsorships/statement",
}
SECTIONS: Mapping[StatementSide, str] = {"buyer": "my", "vendor": "vendor", "sponsor": "sponsor"}

SHOWN_LINES = 500
"""Lines on the page; the file has all of them."""


def read_period(request: AnyRequest) -> tuple[date | None, date | None, dict[str, str]]:
    """The days `since` and `until` of the address, and a sentence for each that is no day."""
    days: list[date | None] = []
    errors = {}
    for name in ("since", "until"):
        text = request.query_params.get(name, "").strip()
        try:
            days.append(date.fromisoformat(text) if text else None)
        except ValueError:
            days.append(None)
            errors[name] = gettext("2026-11-25처럼 적어 주세요.")
    since, until = days
    if since is not None and until is not None and until < since:
        errors["until"] = gettext("시작일보다 늦은 날이어야 합니다.")
    return since, until, errors


async def _read(
    request: AnyRequest, conn: asyncpg.Connection, me: CurrentUser, side: StatementSide
) -> tuple[Statement, dict[str, str]]:
    since, until, errors = read_period(request)
    code = await conn.fetchval("SELECT code FROM organizations WHERE id = $1", me.organization_id)
    if errors:
        since = until = None
    return await read_statement(conn, side=side, code=code, since=since, until=until), errors


async def _page(
    request: AnyRequest, conn: asyncpg.Connection, user: CurrentUser | None, side: StatementSide
) -> Response[str]:
    me = signed_in(user)
    statement, errors = await _read(request, conn, me, side)
    payouts = await list_payouts_of(conn, vendor_id=me.organization_id) if side == "vendor" else []
    return page_response(
        request,
        "statement.html",
        status_code=400 if errors else 200,
        section=SECTIONS[side],
        statement=statement,
        lines=statement.lines[-SHOWN_LINES:][::-1],
        total=len(statement.lines),
        payouts=payouts,
        path=PATHS[side],
        query={name: request.query_params.get(name, "") for name in ("since", "until")},
        errors=errors,
        values={name: request.query_params.get(name, "") for name in ("since", "until")},
    )


async def _file(
    request: AnyRequest, conn: asyncpg.Connection, user: CurrentUser | None, side: StatementSide
) -> Response[Any]:
    statement, _ = await _read(request, conn, signed_in(user), side)
    lang = LANG.get()
    names = {
        name: gettext(text)
        for name, text in {
            "at": "일시", "round": "회차", "reason": "내용", "account": "계정", "other": "상대 계정",
            "debit": "차변(원)", "credit": "대변(원)", "balance": "잔액(원)",
        }.items()
    }  # fmt: skip
    rows = [
        {
            names["at"]: formats.moment(line.at, lang),
            names["round"]: line.round_code,
            names["reason"]: label("entry_reason", line.reason),
            names["account"]: label("account", line.account),
            names["other"]: label("account", line.other_account),
            names["debit"]: str(line.debit_krw),
            names["credit"]: str(line.credit_krw),
            names["balance"]: str(line.balance_krw),
        }
        for line in statement.lines
    ]
    return Response(
        write_csv(names.values(), rows),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="statement-{statement.organization}.csv"',
            "cache-control": "no-store",
        },
    )


@get("/my/statement", opt={"audience": "buyer"}, include_in_schema=False)
async def my_statement_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """What the factory was allocated, paid and is owed back, entry by entry."""
    return await _page(request, conn, user, "buyer")


@get("/my/statement.csv", opt={"audience": "buyer"}, include_in_schema=False)
async def my_statement_file(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """The factory's statement as a file."""
    return await _file(request, conn, user, "buyer")


@get("/vendor/statement", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_statement_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """What the vendor has to deliver, delivered and received, entry by entry."""
    return await _page(request, conn, user, "vendor")


@get("/vendor/statement.csv", opt={"audience": "vendor"}, include_in_schema=False)
async def vendor_statement_file(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """The vendor's statement as a file."""
    return await _file(request, conn, user, "vendor")


@get("/my/sponsorships/statement", opt={"audience": "member"}, include_in_schema=False)
async def sponsor_statement_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """What the organization took over as a sponsor, paid and is owed back, entry by entry."""
    return await _page(request, conn, user, "sponsor")


@get("/my/sponsorships/statement.csv", opt={"audience": "member"}, include_in_schema=False)
async def sponsor_statement_file(request: AnyRequest, conn: Conn, user: User) -> Response[Any]:
    """The sponsor's statement as a file."""
    return await _file(request, conn, user, "sponsor")


@get("/coordinator/ledger", opt={"audience": "operator"}, include_in_schema=False)
async def ledger_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """The trial balance of the coordinator's rounds, or of the one named by `round`."""
    me = signed_in(user)
    code = request.query_params.get("round", "").strip() or None
    rounds = await conn.fetch(
        """
        SELECT r.code, r.title_ko, r.title_en, r.state FROM rounds r
        WHERE r.coordinator_id = $1 AND EXISTS (SELECT FROM ledger_entries e WHERE e.round_id = r.id)
        ORDER BY r.id DESC LIMIT 200
        """,
        me.organization_id,
    )
    return page_response(
        request,
        "coordinator_ledger.html",
        section="coordinator",
        balance=await read_trial_balance(conn, coordinator_id=me.organization_id, round_code=code),
        rounds=[dict(row) for row in rounds],
        round_code=code,
    )


STATEMENT_PAGES = [
    my_statement_page,
    my_statement_file,
    vendor_statement_page,
    vendor_statement_file,
    sponsor_statement_page,
    sponsor_statement_file,
    ledger_page,
]
