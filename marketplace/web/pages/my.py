"""A factory's own work: its pledges, what it owes, its invoices."""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.params import FromPath

from group_buy.after_clearing import list_changes, list_consents, list_surveys
from group_buy.buyer_money import list_charge_steps, list_invoice_changes, list_receivers
from group_buy.core.round import takes_pledges
from group_buy.order_shares import find_order_share
from group_buy.orders import find_order_numbers
from group_buy.reading import get_invoice, list_buyer_pledges, list_charges
from group_buy.single_purchasing import list_single_purchases
from group_buy.sponsor_reading import find_promises
from marketplace.deps import AnyRequest, Conn, Gateway, User, signed_in
from marketplace.web.render import page_response
from marketplace.web.round_views import read_now, shown_charge, shown_money, shown_pledge

KOREA = ZoneInfo("Asia/Seoul")


@get("/my/pledges", opt={"audience": "buyer"}, include_in_schema=False)
async def my_pledges_page(request: AnyRequest, conn: Conn, user: User, gateway: Gateway) -> Response[str]:
    """List the factory's pledges with their charges."""
    me = signed_in(user)
    now = await read_now(conn)
    pledges = await list_buyer_pledges(conn, buyer_id=me.organization_id)
    charges = await list_charges(conn, buyer_id=me.organization_id)
    changes = await list_changes(conn, buyer_id=me.organization_id)
    promises = await find_promises(conn, buyer_id=me.organization_id)
    surveys = {each.pledge_id: each for each in await list_surveys(conn, buyer_id=me.organization_id)}
    steps = await list_charge_steps(conn, buyer_id=me.organization_id)
    receivers = await list_receivers(conn, codes={pledge.round_code for pledge in pledges})
    orders = await find_order_numbers(conn, buyer_id=me.organization_id)
    rows = []
    for pledge in pledges:
        is_open = takes_pledges(pledge.round_state, closes_at=pledge.closes_at, now=now)
        mine = [charge for charge in charges if charge.pledge_id == pledge.id]
        # A balance or refund that another row took the place of says nothing to its buyer.
        told = [charge for charge in mine if charge.state != "released" or charge.purpose == "deposit"]
        rows.append(
            shown_pledge(pledge, is_open=is_open, order=orders.get(pledge.id))
            | {
                "charges": [shown_charge(charge, names={}, is_coordinator=False) for charge in told],
                "money": shown_money(mine),
                "steps": [step for step in steps if step.pledge_id == pledge.id],
                "receiver": receivers[pledge.round_code],
                "promises": [each for each in promises if each.round_code == pledge.round_code],
                "changes": [each for each in changes if each.pledge_id == pledge.id],
                "survey": surveys.get(pledge.id),
            }
        )
    return page_response(
        request,
        "my_pledges.html",
        section="my",
        pledges=rows,
        orders=orders,
        consents=[each for each in await list_consents(conn, buyer_id=me.organization_id) if each.is_open],
        purchases=await list_single_purchases(conn, organization_id=me.organization_id),
        card_allowed=gateway is not None,
    )


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
    receivers = await list_receivers(conn, codes=[invoice.round_code])
    shown: dict[str, Any] = {name: getattr(invoice, name) for name in type(invoice).__struct_fields__}
    shown |= {
        "issued_on": invoice.issued_at,
        "due_at": datetime.combine(invoice.due_on, time(23, 59), KOREA),
        "kind": "balance",
        "state": invoice.balance_state,
        "receiver": receivers[invoice.round_code],
        "changes": await list_invoice_changes(conn, number=number),
        "is_sample": invoice.is_illustrative,
        "lines": [line],
    }
    share = await find_order_share(conn, invoice_number=number)
    return page_response(request, "invoice.html", section="my", invoice=shown, share=share)


MY_PAGES = [my_pledges_page, invoice_page]
