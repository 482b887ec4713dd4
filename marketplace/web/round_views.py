"""What the pages of rounds show: a round with its goods, its progress, its pledges, as the templates want them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from catalog.core.offer import PriceTier
from group_buy.core.charge import deposit_krw
from group_buy.core.round import Round
from group_buy.reading import AuditLine, ChargeView, PledgeView
from group_buy.rounds import Progress
from marketplace.web.labels import label


class RoundGoods(msgspec.Struct, frozen=True):
    """What a round sells: the package version or product its offer is on, and who answers for it."""

    kind: str
    item_code: str
    category: str
    vendor_ko: str
    vendor_en: str
    vendor_code: str
    warranty_months: int
    included_ko: list[str]
    included_en: list[str]
    excluded_ko: list[str]
    excluded_en: list[str]
    terms_version: str


async def read_goods(conn: asyncpg.Connection, *, offer_id: int) -> RoundGoods:
    """Read what an offer sells, at the version it was made for."""
    return (await list_goods(conn, offer_ids=[offer_id]))[offer_id]


async def list_goods(conn: asyncpg.Connection, *, offer_ids: Sequence[int]) -> dict[int, RoundGoods]:
    """What each of these offers sells, by the offer's id."""
    rows = await conn.fetch(
        """
        SELECT f.id, CASE WHEN v.id IS NULL THEN 'product' ELSE 'package_model' END, coalesce(m.code, p.code),
               coalesce(p.category, 'package_model'), o.name_ko, o.name_en, o.code,
               coalesce(v.warranty_months, 0), coalesce(v.included_ko, '{}'), coalesce(v.included_en, '{}'),
               coalesce(v.excluded_ko, '{}'), coalesce(v.excluded_en, '{}'), coalesce(v.version, 1)::text
        FROM offers f
        JOIN organizations o ON o.id = f.vendor_id
        LEFT JOIN products p ON p.id = f.product_id
        LEFT JOIN package_versions v ON v.id = f.package_version_id
        LEFT JOIN package_models m ON m.id = v.package_model_id
        WHERE f.id = ANY ((SELECT $1::bigint[])::bigint[])
        """,
        list(offer_ids),
    )
    return {row[0]: RoundGoods(*list(row)[1:]) for row in rows}


def shown_round(buying_round: Round, goods: RoundGoods) -> dict[str, Any]:
    """The template's `buying_round`: the frozen terms and the goods in one."""
    shown: dict[str, Any] = {name: getattr(goods, name) for name in RoundGoods.__struct_fields__}
    shown |= {name: getattr(buying_round, name) for name in Round.__struct_fields__}
    shown |= {
        "name_ko": buying_round.title_ko,
        "name_en": buying_round.title_en,
        "is_illustrative_price": buying_round.is_illustrative,
        "funding_due_at": buying_round.funding_due_at or buying_round.closes_at + buying_round.funding_window,
    }
    return shown


def meter_quantity(tiers: tuple[PriceTier, ...], progress: Progress) -> int:
    """Units to show on the tier meter so that its price is the honest one: what would be served now.

    Below the first tier it is what is wanted, but never so much that the meter would show a price nobody gets.
    """
    if progress.unit_price_krw is not None:
        return progress.units_served
    return min(progress.units_wanted, tiers[0].quantity_min - 1)


def shown_progress(
    buying_round: Round, progress: Progress, *, units_funded: int | None, now: datetime
) -> dict[str, Any]:
    """The template's `progress`; `units_funded` counts units whose money is confirmed (None = not shown)."""
    return {
        "quantity": buying_round.quantity
        if buying_round.quantity is not None
        else meter_quantity(buying_round.tiers, progress),
        "quantity_funded": units_funded,
        "quantity_unfunded": None
        if units_funded is None or buying_round.decided_at is not None
        else max(0, progress.units_wanted - units_funded),
        "member_count": progress.buyers,
        "is_reached": progress.unit_price_krw is not None,
        "is_safe": progress.is_safe,
        "at": now,
    }


def shown_pledge(
    pledge: PledgeView, *, is_open: bool, order: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The template's `my_pledge` and the rows of "my pledges"; `order`: number and state of what became of it."""
    number, order_state = order or (None, None)
    return {
        "id": str(pledge.id),
        "round_code": pledge.round_code,
        "round_name_ko": pledge.title_ko,
        "round_name_en": pledge.title_en,
        "round_state": pledge.round_state,
        "state": _pledge_state(pledge),
        "version": pledge.version,
        "quantity_min": pledge.quantity_min,
        "quantity_max": pledge.quantity_max,
        "limit_unit_price_krw": pledge.limit_unit_price_krw,
        "lines": pledge.lines,
        "payment_method": pledge.funding,
        "funding_state": pledge.funding_state,
        "placed_at": pledge.placed_at,
        "closes_at": pledge.closes_at,
        "reference": pledge.reference,
        "deposit_open_krw": pledge.deposit_open_krw,
        "may_withdraw": is_open and pledge.state == "placed",
        "needs_card": is_open
        and pledge.state == "placed"
        and pledge.funding == "card"
        and pledge.card_state != "ready",
        "allocation": pledge.allocation
        and {
            **msgspec.structs.asdict(pledge.allocation),
            "order_number": number,
            "order_state": order_state if pledge.allocation.quantity else None,
        },
    }


def _pledge_state(pledge: PledgeView) -> str:
    if pledge.state == "withdrawn":
        return "withdrawn"
    if pledge.allocation is not None and pledge.allocation.quantity == 0:
        return "unserved"
    return pledge.outcome or "placed"


def shown_charge(
    charge: ChargeView, *, names: dict[int, tuple[str, str]], is_coordinator: bool
) -> dict[str, Any]:
    """One row of a table of charges: what is taken of it, where that is decided, else what it asks for.

    `hold_krw`: what a card holds, where only a part of it is taken.
    """
    taken = charge.capture_krw or charge.amount_krw
    name_ko, name_en = names.get(charge.sponsor_id or charge.buyer_id, ("", ""))
    return {
        "id": str(charge.id),
        "organization_ko": name_ko,
        "organization_en": name_en,
        "kind": charge.purpose,
        "method": charge.method,
        "amount_krw": taken,
        "hold_krw": charge.amount_krw
        if charge.state == "authorized" and taken != charge.amount_krw
        else None,
        "state_kind": "refund_state" if charge.purpose == "refund" else "charge_state",
        "received_krw": charge.received_krw,
        "open_krw": charge.amount_krw - charge.received_krw
        if charge.state == "due" and charge.received_krw
        else None,
        "state": charge.state,
        "attempt_count": charge.attempt,
        "last_error": charge.last_error
        if charge.state in {"due", "failed", "processing", "action_required"}
        else None,
        "due_at": charge.due_at if charge.method == "transfer" else charge.grace_until,
        "invoice_number": charge.invoice_number,
        "may_retry": charge.may_retry,
        "may_pay": charge.may_pay,
        "may_use_card": charge.may_use_card,
        "may_refund_by_transfer": is_coordinator and charge.purpose == "refund" and charge.may_retry,
        "may_confirm": is_coordinator and charge.method == "transfer" and charge.state == "due",
    }


def shown_money(charges: Sequence[ChargeView]) -> dict[str, int]:
    """What a pledge's payments come to, in won: paid, given back, still to be given back, still to be paid."""
    money = {"paid_krw": 0, "back_krw": 0, "back_due_krw": 0, "open_krw": 0}
    for charge in charges:
        krw = charge.capture_krw or charge.amount_krw
        if charge.state == "released" or charge.capture_krw == 0:
            continue
        if charge.purpose == "refund":
            money["back_krw" if charge.state == "captured" else "back_due_krw"] += charge.amount_krw
        elif charge.state in {"captured", "refunded"}:
            money["paid_krw"] += krw
        elif charge.purpose == "balance" or charge.capture_krw is not None:
            money["paid_krw"] += charge.received_krw
            money["open_krw"] += krw - charge.received_krw
    return money


def deposit_for_one_krw(buying_round: Round) -> int:
    """The deposit on one unit at the first tier's price, in won."""
    return deposit_krw(deposit_bp=buying_round.deposit_bp, supply_krw=buying_round.first_tier_price_krw)


HIDDEN_EVENTS = frozenset({"charge.processing"})
"""Steps of the machine that say nothing to a person."""


def shown_event(line: AuditLine) -> dict[str, Any]:
    """One line of a timeline: what happened and the figures that belong to it."""
    data = line.data
    notes = [
        f"{data['unit_price_krw']:,}원 × {data['quantity']:,}"
        if "unit_price_krw" in data and "quantity" in data
        else "",
        f"{data['amount_krw']:,}원" if "amount_krw" in data else "",
        f"{data['received_krw']:,}원" if data.get("received_krw") else "",
        f"{data['ordered']} → {data['delivered']}대" if "delivered" in data and "ordered" in data else "",
        label("decline_reason", data["reason"]) if data.get("reason") else "",
    ]
    note = ", ".join(part for part in notes if part)
    return {
        "at": line.at,
        "code": line.kind.removeprefix("round.").replace(".", "_"),
        "actor_ko": line.organization_ko or "자동",
        "actor_en": line.organization_en or "automatic",
        "buyer_ko": line.buyer_ko if line.buyer_ko != line.organization_ko else None,
        "buyer_en": line.buyer_en if line.buyer_ko != line.organization_ko else None,
        "purpose": line.purpose,
        "method": line.method,
        "note_ko": note,
        "note_en": note.replace("원", " won").replace("대", " units"),
    }


async def read_now(conn: asyncpg.Connection) -> datetime:
    """The database's clock."""
    now: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return now


async def organization_names(conn: asyncpg.Connection, ids: set[int]) -> dict[int, tuple[str, str]]:
    """Names of organizations by id."""
    rows = await conn.fetch("SELECT id, name_ko, name_en FROM organizations WHERE id = ANY ($1)", list(ids))
    return {row["id"]: (row["name_ko"], row["name_en"]) for row in rows}
