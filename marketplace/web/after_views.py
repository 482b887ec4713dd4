"""What the pages of a decided round show to those who sell it: shares, decisions, questions, deliveries, purchases."""

from typing import Any

import asyncpg

from group_buy.after_clearing import (
    find_delivery,
    list_changes,
    list_consents,
    list_decisions,
    list_family,
    list_shares,
    read_site_work,
)
from group_buy.core.round import Round
from group_buy.errors import RoundNotFound
from group_buy.rounds import get_round
from group_buy.single_purchasing import list_single_purchases
from marketplace.accounts.access import CurrentUser
from marketplace.web.round_views import read_goods, shown_round


async def sold_round(conn: asyncpg.Connection, code: str, me: CurrentUser) -> Round:
    """Read a round that this organization sells. Raises RoundNotFound for others."""
    buying_round = await get_round(conn, code, viewer=me.viewer)
    if buying_round.vendor_id != me.organization_id:
        raise RoundNotFound(code)
    return buying_round


async def after_context(
    conn: asyncpg.Connection, buying_round: Round, me: CurrentUser, *, section: str
) -> dict[str, Any]:
    """Everything `after_clearing.html` shows to the round's coordinator or vendor."""
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    decisions = await list_decisions(conn, round_id=buying_round.id, code=buying_round.code)
    last = [each for each in decisions if each.outcome in {"cleared", "delivered"}]
    return {
        "section": section,
        "base": f"/{section}/rounds/{buying_round.code}",
        "buying_round": shown_round(buying_round, goods),
        "shares": await list_shares(conn, round_id=buying_round.id),
        "decisions": decisions,
        "consents": await list_consents(conn, round_id=buying_round.id),
        "changes": await list_changes(conn, round_id=buying_round.id),
        "delivery": await find_delivery(conn, round_id=buying_round.id),
        "purchases": await list_single_purchases(
            conn, organization_id=me.organization_id, round_id=buying_round.id
        ),
        "site_work": await read_site_work(conn, round_id=buying_round.id),
        "family": await list_family(conn, round_id=buying_round.id),
        "quantity_ordered": last[-1].quantity if last else 0,
        "may_lapse": section == "coordinator" and buying_round.state == "cleared",
        "may_order": section == "coordinator" and buying_round.state == "cleared",
        "may_deliver": buying_round.state == "ordered",
        "may_settle": section == "coordinator" and buying_round.state == "delivered",
        "may_quote": buying_round.state == "cleared" and buying_round.survey_cap_krw is not None,
        "may_confirm": section == "vendor",
    }
