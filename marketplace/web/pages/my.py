"""A factory's own work: its pledges, what it owes, its invoices."""

from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from group_buy.core.round import takes_pledges
from group_buy.order_shares import find_order_share
from group_buy.reading import get_invoice, list_buyer_pledges, list_charges
from group_buy.retrying import retry_charge
from marketplace.deps import AnyRequest, Conn, User, signed_in
from marketplace.web.i18n import gettext
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import read_now, shown_charge, shown_pledge

KOREA = ZoneInfo("Asia/Seoul")


@get("/my/pledges", opt={"audience": "buyer"}, include_in_schema=False)
async def my_pledges_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the factory's pledges with their charges."""
    me = signed_in(user)
    now = await read_now(conn)
    pledges = await list_buyer_pledges(conn, buyer_id=me.organization_id)
    charges = await list_charges(conn, buyer_id=me.organization_id)
    rows = []
    for pledge in pledges:
        is_open = takes_pledges(pledge.round_state, closes_at=pledge.closes_at, now=now)
        own = [shown_charge(c, names={}, is_coordinator=False) for c in charges if c.pledge_id == pledge.id]
        rows.append(shown_pledge(pledge, is_open=is_open) | {"charges": own})
    return page_response(request, "my_pledges.html", section="my", pledges=rows)


@get("/my/invoices/{number:str}", opt={"audience": "member"}, include_in_schema=False)
async def invoice_page(request: AnyRequest, number: FromPath[str], conn: Conn, user: User) -> Response[str]:
    """Show an invoice to its buyer, its seller or the round's coordinator, fit for printing."""
    invoice = await get_invoice(conn, number=number, organization_id=signed_in(user).organization_id)
    line = {
        "name_ko": invoice.item_ko,
        "name_en": invoice.item_en,
        "quantity": invoice.quantity,
        "unit_price_krw": invoice.unit_price_krw,
        "supply_krw": invoice.supply_krw,
    }
    account = gettext("공급자의 세금계산서에 적힌 계좌")
    shown: dict[str, Any] = {name: getattr(invoice, name) for name in type(invoice).__struct_fields__}
    shown |= {
        "issued_on": invoice.issued_at,
        "due_at": datetime.combine(invoice.due_on, time(23, 59), KOREA),
        "kind": "balance",
        "state": invoice.balance_state,
        "account_text": account,
        "is_sample": invoice.is_illustrative,
        "lines": [line],
    }
    share = await find_order_share(conn, invoice_number=number)
    return page_response(request, "invoice.html", section="my", invoice=shown, share=share)


@post("/my/charges/{charge_id:uuid}/retry", opt={"audience": "buyer"}, include_in_schema=False)
async def retry_submit(charge_id: FromPath[UUID], conn: Conn, user: User) -> Response[Any]:
    """Try a declined deposit again while the round still waits."""
    me = signed_in(user)
    await retry_charge(conn, charge_id=charge_id, buyer_id=me.organization_id, actor=me.actor)
    return see_other("/my/pledges", notice="charge-retried")


MY_PAGES = [my_pledges_page, invoice_page, retry_submit]
