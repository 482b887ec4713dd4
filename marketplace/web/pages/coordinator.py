"""The coordinator's desk: all rounds, one round with its pledges, funding, charges and audit, opening a round."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from litestar import Response, get, post
from litestar.params import FromPath

from catalog.demands import list_open_demands
from group_buy.after_clearing import list_family
from group_buy.closing import begin_closing, cancel_round
from group_buy.core.charge import deposit_krw
from group_buy.core.round import Round, RoundState
from group_buy.errors import RoundNotFound
from group_buy.meeting_demands import tell_demanding
from group_buy.reading import PledgeView, list_charges, list_round_audit, list_round_pledges
from group_buy.receiving import mark_transferred, verify_funding
from group_buy.refunding import refund_by_transfer
from group_buy.retrying import retry_charge
from group_buy.rounds import get_round, list_rounds, open_round, read_progress
from marketplace.accounts.access import CurrentUser
from marketplace.deps import AnyRequest, Config, Conn, User, signed_in
from marketplace.web.render import page_response, see_other
from marketplace.web.round_views import (
    HIDDEN_EVENTS,
    list_goods,
    meter_quantity,
    organization_names,
    read_goods,
    read_now,
    shown_charge,
    shown_event,
    shown_pledge,
    shown_progress,
    shown_round,
)

ALL_STATES: tuple[RoundState, ...] = (
    "draft", "announced", "open", "fill_up", "closing", "cleared", "ordered", "delivered", "settled",
    "shortfall", "carried_over", "released", "canceled",
)  # fmt: skip
ROUND_LASTS = timedelta(days=21)


async def own_round(conn: asyncpg.Connection, code: str, me: CurrentUser) -> Round:
    buying_round = await get_round(conn, code, viewer=me.viewer)
    if buying_round.coordinator_id != me.organization_id:
        raise RoundNotFound(code)
    return buying_round


def _deposit_krw(buying_round: Round, pledge: PledgeView) -> int:
    """The most this pledge's deposit may be, in won."""
    dearest = buying_round.first_tier_price_krw
    value = sum(
        min(line["limit_unit_price_krw"] or dearest, dearest) * line["quantity_max"] for line in pledge.lines
    )
    return deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=value)


def _confirmed_units(pledges: list[PledgeView]) -> int:
    return sum(p.quantity_max for p in pledges if p.funding_state == "confirmed" and p.state == "placed")


@get("/coordinator/rounds", opt={"audience": "operator"}, include_in_schema=False)
async def coordinator_rounds_page(request: AnyRequest, conn: Conn, user: User) -> Response[str]:
    """List the coordinator's rounds, and what waits for a hand."""
    me = signed_in(user)
    rows = []
    found = await list_rounds(conn, viewer=me.viewer, states=ALL_STATES)
    own = [buying_round for buying_round in found if buying_round.coordinator_id == me.organization_id]
    goods = await list_goods(conn, offer_ids=[buying_round.offer_id for buying_round in own])
    for buying_round in own:
        progress = await read_progress(conn, buying_round)
        pledges = await list_round_pledges(conn, round_id=buying_round.id, coordinator_id=me.organization_id)
        waits = buying_round.state in {"open", "fill_up", "closing"}
        waiting = [p for p in pledges if waits and p.funding_state == "pending" and p.funding == "transfer"]
        rows.append(
            shown_round(buying_round, goods[buying_round.offer_id])
            | {
                "member_count": progress.buyers,
                "quantity": buying_round.quantity
                if buying_round.quantity is not None
                else meter_quantity(buying_round.tiers, progress),
                "quantity_funded": _confirmed_units(pledges),
                "current_unit_price_krw": buying_round.unit_price_krw or progress.unit_price_krw,
                "attention_count": len([p for p in waiting if p.state == "placed"]),
            }
        )
    requests = await _list_requests(conn)
    return page_response(
        request,
        "coordinator_rounds.html",
        section="coordinator",
        rounds=rows,
        requests=requests,
        demands=await list_open_demands(conn, limit=50),
    )


async def _list_requests(conn: asyncpg.Connection) -> list[dict[str, Any]]:
    """Offers without a running round that somebody asked a round for, the newest first."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (o.id) o.code, coalesce(m.name_ko, p.name_ko) AS name_ko,
               coalesce(m.name_en, p.name_en) AS name_en, g.name_ko AS organization_ko, g.name_en AS organization_en,
               e.at AS asked_at, NULL::int AS quantity
        FROM events e
        JOIN offers o ON o.code = e.subject_id AND o.state = 'published'
        JOIN organizations g ON g.id = e.organization_id
        LEFT JOIN products p ON p.id = o.product_id
        LEFT JOIN package_versions v ON v.id = o.package_version_id
        LEFT JOIN package_models m ON m.id = v.package_model_id
        WHERE e.subject = 'offer' AND e.kind = 'offer.round_requested'
          AND NOT EXISTS (SELECT FROM rounds r WHERE r.offer_id = o.id
                          AND (r.state IN ('announced', 'open', 'fill_up', 'closing') OR r.created_at > e.at))
        ORDER BY o.id, e.id DESC
        LIMIT 50
        """
    )
    return [dict(row) for row in rows]


@post("/coordinator/requests/{code:str}/open", opt={"audience": "operator"}, include_in_schema=False)
async def open_requested(code: FromPath[str], conn: Conn, user: User, config: Config) -> Response[Any]:
    """Open a three-week round on an offer that somebody asked for."""
    me = signed_in(user)
    now = await read_now(conn)
    number = await conn.fetchval(
        "SELECT count(*) + 1 FROM rounds r JOIN offers o ON o.id = r.offer_id WHERE o.code = $1", code
    )
    opened = await open_round(
        conn,
        code=f"{code.removeprefix('offer-')}-{now:%y%m}-{number}",
        offer_code=code,
        coordinator_id=me.organization_id,
        opens_at=now,
        closes_at=now + ROUND_LASTS,
        allocation_rule="pro_rata",
        deposit_bp=1000,
        may_close_early=config.is_demo,
        funding_window=timedelta(hours=0 if config.is_demo else config.funding_window_hours),
        settlement=config.settlement,
        actor=me.actor,
    )
    await tell_demanding(conn, opened)
    return see_other(f"/coordinator/rounds/{opened.code}", notice="round-opened")


@get("/coordinator/rounds/{code:str}", opt={"audience": "operator"}, include_in_schema=False)
async def coordinator_round_page(
    request: AnyRequest, code: FromPath[str], conn: Conn, user: User
) -> Response[str]:
    """Show one round with everything a coordinator answers for."""
    context = await coordinator_round_context(conn, code, signed_in(user))
    return page_response(request, "coordinator_round.html", **context)


async def coordinator_round_context(conn: asyncpg.Connection, code: str, me: CurrentUser) -> dict[str, Any]:
    """Everything `coordinator_round.html` shows of a coordinator's own round."""
    buying_round = await own_round(conn, code, me)
    now = await read_now(conn)
    pledges = await list_round_pledges(conn, round_id=buying_round.id, coordinator_id=me.organization_id)
    charges = await list_charges(conn, round_id=buying_round.id)
    payers = {p.buyer_id for p in pledges} | {c.sponsor_id for c in charges if c.sponsor_id is not None}
    names = await organization_names(conn, payers)
    audit = await list_round_audit(conn, round_id=buying_round.id, code=code)
    goods = await read_goods(conn, offer_id=buying_round.offer_id)
    is_open = buying_round.state in {"open", "fill_up"}
    takes_funding = is_open or buying_round.state == "closing"
    rows = []
    for pledge in pledges:
        may_confirm = (
            takes_funding
            and pledge.funding == "transfer"
            and pledge.state == "placed"
            and pledge.funding_state == "pending"
        )
        rows.append(
            shown_pledge(pledge, is_open=is_open)
            | {
                "organization_ko": names[pledge.buyer_id][0],
                "organization_en": names[pledge.buyer_id][1],
                "deposit_krw": _deposit_krw(buying_round, pledge),
                "allocated_quantity": pledge.allocation and pledge.allocation.quantity,
                "may_confirm": may_confirm,
            }
        )
    progress = await read_progress(conn, buying_round)
    return {
        "section": "coordinator",
        "buying_round": shown_round(buying_round, goods),
        "progress": shown_progress(buying_round, progress, units_funded=_confirmed_units(pledges), now=now),
        "pledges": rows,
        "charges": [shown_charge(c, names=names, is_coordinator=True) for c in charges],
        "events": [shown_event(line) for line in audit if line.kind not in HIDDEN_EVENTS],
        "announcement_id": str(uuid4()),
        "family": await list_family(conn, round_id=buying_round.id),
        "may_close_now": is_open and buying_round.may_close_early,
        "may_cancel": buying_round.state in {"draft", "announced", "open", "fill_up"},
    }


@post("/coordinator/rounds/{code:str}/close", opt={"audience": "operator"}, include_in_schema=False)
async def close_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Close a round before its deadline, after a warning was confirmed."""
    me = signed_in(user)
    await own_round(conn, code, me)
    if (await request.form()).get("confirmed") == "yes":
        await begin_closing(conn, code=code, actor=me.actor, coordinator_id=me.organization_id, early=True)
        return see_other(f"/coordinator/rounds/{code}", notice="round-closing")
    return see_other(f"/coordinator/rounds/{code}")


@post("/coordinator/rounds/{code:str}/cancel", opt={"audience": "operator"}, include_in_schema=False)
async def cancel_submit(request: AnyRequest, code: FromPath[str], conn: Conn, user: User) -> Response[Any]:
    """Cancel a round that has not closed, with a reason."""
    me = signed_in(user)
    reason = str((await request.form()).get("reason", "")).strip()[:500]
    await cancel_round(conn, code=code, coordinator_id=me.organization_id, reason=reason, actor=me.actor)
    return see_other(f"/coordinator/rounds/{code}", notice="round-canceled")


@post(
    "/coordinator/rounds/{code:str}/pledges/{pledge_id:uuid}/confirm",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def confirm_funding(
    request: AnyRequest, code: FromPath[str], pledge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """The deposit of a transfer pledge has arrived in full: what was missing of it, or nothing where none is asked."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    pledges = await list_round_pledges(conn, round_id=buying_round.id, coordinator_id=me.organization_id)
    by_guarantee = (await request.form()).get("kind") == "guarantee"
    deposit = next((pledge.deposit_open_krw for pledge in pledges if pledge.id == pledge_id), 0)
    await verify_funding(
        conn,
        pledge_id=pledge_id,
        coordinator_id=me.organization_id,
        kind="guarantee" if by_guarantee else "deposit" if deposit else "order",
        received_krw=0 if by_guarantee else deposit,
        actor=me.actor,
    )
    return see_other(f"/coordinator/rounds/{code}", notice="funding-verified")


@post(
    "/coordinator/rounds/{code:str}/charges/{charge_id:uuid}/confirm",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def confirm_charge(
    code: FromPath[str], charge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """A balance has arrived, or a refund was paid out."""
    me = signed_in(user)
    purpose = await mark_transferred(
        conn, charge_id=charge_id, coordinator_id=me.organization_id, actor=me.actor
    )
    notice = "refund-paid" if purpose == "refund" else "charge-received"
    return see_other(f"/coordinator/rounds/{code}", notice=notice)


@post(
    "/coordinator/rounds/{code:str}/charges/{charge_id:uuid}/retry",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def retry_submit(
    code: FromPath[str], charge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Try a declined hold again on the buyer's behalf."""
    me = signed_in(user)
    buying_round = await own_round(conn, code, me)
    await retry_charge(conn, charge_id=charge_id, round_id=buying_round.id, actor=me.actor)
    return see_other(f"/coordinator/rounds/{code}", notice="charge-retried")


@post(
    "/coordinator/rounds/{code:str}/charges/{charge_id:uuid}/refund-by-transfer",
    opt={"audience": "operator"},
    include_in_schema=False,
)
async def refund_submit(
    code: FromPath[str], charge_id: FromPath[UUID], conn: Conn, user: User
) -> Response[Any]:
    """Pay a refund by transfer that its card did not take."""
    me = signed_in(user)
    await refund_by_transfer(conn, charge_id=charge_id, coordinator_id=me.organization_id, actor=me.actor)
    return see_other(f"/coordinator/rounds/{code}", notice="refund-by-transfer")


COORDINATOR_PAGES = [
    coordinator_rounds_page,
    open_requested,
    coordinator_round_page,
    close_submit,
    cancel_submit,
    confirm_funding,
    confirm_charge,
    refund_submit,
    retry_submit,
]
