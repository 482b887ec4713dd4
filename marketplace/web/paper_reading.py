"""Read what papers are composed of: a pledge, an order or an offer with its parties and goods, as their owner may."""

from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.core.program_terms import SubsidyTerms, basis_of, subsidy_steps, total_krw
from catalog.core.viewer import Viewer
from catalog.events import Actor
from catalog.offers import get_offer
from catalog.reference_data import PROGRAMS
from group_buy.core.estimate import Bill, bill_for
from group_buy.core.paper import (
    Approval,
    Compared,
    ComparisonPaper,
    Contract,
    Delivered,
    Inspected,
    InspectionReport,
    Item,
    PaperSubject,
    Party,
    Quotation,
    Subsidy,
    Sum,
    ceiling_of,
    line_of,
    outcomes_of,
    sum_of,
    valid_until,
    with_deposit,
)
from group_buy.core.pledge import Line, deposit_ceiling_krw
from group_buy.core.round import Round
from group_buy.errors import InvalidPaper, OrderNotFound, PaperRefused
from group_buy.orders import Order, get_order, list_order_steps
from group_buy.papers import NewPaper, get_paper
from group_buy.pledging import get_pledge
from group_buy.rounds import get_round, get_round_code
from marketplace.web.catalog_views import read_today
from marketplace.web.comparison_reading import read_comparison
from marketplace.web.round_views import read_goods

NEED_LETTERS_MAX: Final = 1000
SUBSIDIES: Final = {terms.code: terms for terms in PROGRAMS.subsidy}


class ApprovalWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a factory adds to a 품의서: why it buys, the program it counts on, its paper of comparison."""

    need: str
    subsidy: str | None = None
    comparison: str | None = None


async def read_party(conn: asyncpg.Connection, organization_id: int) -> Party:
    """A company by its id."""
    row = await conn.fetchrow(
        "SELECT name_ko, name_en, business_number, region FROM organizations WHERE id = $1", organization_id
    )
    assert row is not None, "organizations stay"
    return Party(**dict(row))


async def read_item(
    conn: asyncpg.Connection, *, offer_id: int, names: tuple[str, str], viewer: Viewer
) -> Item:
    """What is bought, with what the catalog knows of it today; `names` in Korean and English."""
    goods = await read_goods(conn, offer_id=offer_id)
    warranty_months = await conn.fetchval(
        """
        SELECT coalesce(o.warranty_months, v.warranty_months, p.warranty_months) FROM offers o
        LEFT JOIN package_versions v ON v.id = o.package_version_id LEFT JOIN products p ON p.id = o.product_id
        WHERE o.id = $1
        """,
        offer_id,
    )
    comparison = await read_comparison(conn, ids=[goods.item_code], query={}, viewer=viewer)
    column = comparison.columns[0] if comparison.columns else None
    version = column.package.version if column and column.package else None
    share = column.share if column else None
    return Item(
        code=goods.item_code, name_ko=names[0], name_en=names[1],
        included_ko=tuple(goods.included_ko),
        included_en=tuple(goods.included_en),
        excluded_ko=tuple(goods.excluded_ko),
        excluded_en=tuple(goods.excluded_en),
        warranty_months=warranty_months,
        spare_parts_years=version.spare_parts_years if version else None,
        centers=sum(column.center_counts.values()) if column else None,
        share_bp=(share.verified_bp, share.claimed_bp) if share else None,
        level_to=version.level_to if version else None,
    )  # fmt: skip


def _subsidy_of(terms: SubsidyTerms, *, cost_krw: int, level: int | None) -> Subsidy:
    steps = subsidy_steps(terms, cost_krw=cost_krw, level=level)
    return Subsidy(
        name_ko=terms.name_ko, name_en=terms.name_en, krw=total_krw(steps),
        steps_ko=tuple(step.ko for step in steps), steps_en=tuple(step.en for step in steps), **basis_of(terms),
    )  # fmt: skip


async def _compared(conn: asyncpg.Connection, number: str | None, *, owner_id: int) -> Compared | None:
    if not number:
        return None
    found = await get_paper(conn, number, version=None, organization_id=owner_id)
    if not isinstance(found.data, ComparisonPaper):
        raise InvalidPaper("/comparison", "the number of a comparison of one's own")
    return Compared(number, found.entry.version, found.data.items)


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    """What a 품의서 is about: a pledge's lines, or what became of them; `bill` None = not decided yet."""

    subject: PaperSubject
    subject_id: str
    buying_round: Round
    lines: tuple[Line, ...]
    bill: Bill | None
    order_number: str | None = None


async def _source_of_pledge(conn: asyncpg.Connection, pledge_id: UUID, *, owner_id: int) -> _Source:
    pledge = await get_pledge(conn, pledge_id, buyer_id=owner_id)
    if not pledge.lines:
        raise PaperRefused("withdrawn")
    viewer = Viewer(owner_id, "factory")
    buying_round = await get_round(conn, await get_round_code(conn, pledge.round_id), viewer=viewer)
    won = await conn.fetchrow(
        """
        SELECT a.quantity, a.unit_price_krw, i.deposit_krw FROM current_allocations a
        JOIN invoices i ON i.allocation_id = a.id WHERE a.pledge_id = $1 AND a.quantity > 0
        """,
        pledge_id,
    )
    bill = won and bill_for(buying_round, quantity=won["quantity"], unit_price_krw=won["unit_price_krw"])
    return _Source(
        subject="pledge", subject_id=str(pledge_id), buying_round=buying_round, lines=pledge.lines,
        bill=with_deposit(bill, won["deposit_krw"]) if won and bill else None,
    )  # fmt: skip


async def _source_of_order(conn: asyncpg.Connection, number: str, *, owner_id: int) -> _Source:
    order = await get_order(conn, number, organization_id=owner_id)
    if order.buyer_id != owner_id:
        raise OrderNotFound(number)
    if order.quantity == 0:
        raise PaperRefused("fell_away")
    pledge_id = await conn.fetchval("SELECT pledge_id FROM allocations WHERE id = $1", order.id)
    if pledge_id is not None:
        found = await _source_of_pledge(conn, pledge_id, owner_id=owner_id)
        return msgspec.structs.replace(found, subject="order", subject_id=number, order_number=number)
    total = sum_of((line_of(order.quantity, order.unit_price_krw),))
    bill = Bill(
        order.quantity,
        order.unit_price_krw,
        total.supply_krw,
        total.vat_krw,
        total.total_krw,
        0,
        total.total_krw,
    )
    buying_round = await get_round(conn, order.round_code, viewer=Viewer(owner_id, "factory"))
    return _Source(
        subject="order",
        subject_id=number,
        buying_round=buying_round,
        lines=(),
        bill=bill,
        order_number=number,
    )


async def read_approval(
    conn: asyncpg.Connection, *, paper_id: UUID, subject: PaperSubject, subject_id: str, wish: ApprovalWish,
    actor: Actor,
) -> NewPaper:  # fmt: skip
    """A 품의서 for a pledge or an order of the buyer.

    Raises:
        PledgeNotFound, OrderNotFound, PaperNotFound: somebody else's.
        PaperRefused: the pledge was withdrawn, the order fell away, or the pledge's limits leave nothing to buy.
        InvalidPaper: a field of the wish.
    """
    if not 1 <= len(wish.need) <= NEED_LETTERS_MAX:
        raise InvalidPaper("/need", f"from 1 to {NEED_LETTERS_MAX} letters")
    if wish.subsidy and wish.subsidy not in SUBSIDIES:
        raise InvalidPaper("/subsidy", "the code of a program that ships")
    assert actor.organization_id is not None
    owner_id = actor.organization_id
    if subject == "order":
        source = await _source_of_order(conn, subject_id, owner_id=owner_id)
    else:
        source = await _source_of_pledge(conn, _as_pledge_id(subject_id), owner_id=owner_id)
    buying_round = source.buying_round
    item = await read_item(
        conn, offer_id=buying_round.offer_id, names=(buying_round.title_ko, buying_round.title_en),
        viewer=Viewer(owner_id, "factory"),
    )  # fmt: skip
    program = SUBSIDIES.get(wish.subsidy or "")
    outcomes = outcomes_of(
        buying_round,
        source.lines,
        subsidy=None if program is None else partial(_paid_krw, program, level=item.level_to),
    )
    held_krw = deposit_ceiling_krw(buying_round, source.lines)
    ceiling = source.bill or with_deposit(ceiling_of(outcomes), held_krw)
    data = Approval(
        buyer=await read_party(conn, owner_id), vendor=await read_party(conn, buying_round.vendor_id), item=item,
        need=wish.need, round_code=buying_round.code, order_number=source.order_number, is_alone=not source.lines,
        quantity_min=min((line.quantity_min for line in source.lines), default=ceiling.quantity),
        quantity_max=sum(line.quantity_max for line in source.lines) or ceiling.quantity,
        outcomes=outcomes if source.lines else (), ceiling=ceiling, bill=source.bill,
        subsidy=_subsidy_of(program, cost_krw=ceiling.supply_krw, level=item.level_to) if program else None,
        compared=await _compared(conn, wish.comparison, owner_id=owner_id), deposit_bp=buying_round.deposit_bp,
        closes_at=buying_round.closes_at, shortfall_policy=buying_round.shortfall_policy,
        lead_time_days=buying_round.lead_time_days,
        terms_ko=buying_round.terms_ko, terms_en=buying_round.terms_en,
        is_illustrative=buying_round.is_illustrative,
    )  # fmt: skip
    return NewPaper(
        id=paper_id, kind="approval", subject=source.subject, subject_id=source.subject_id, owner_id=owner_id,
        data=data, sum=Sum(ceiling.supply_krw, ceiling.vat_krw, ceiling.total_krw),
    )  # fmt: skip


def _as_pledge_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidPaper("/subject_id", "the id of a pledge") from None


def _paid_krw(program: SubsidyTerms, cost_krw: int, *, level: int | None) -> int:
    return total_krw(subsidy_steps(program, cost_krw=cost_krw, level=level))


async def read_quotation(
    conn: asyncpg.Connection, *, paper_id: UUID, offer_code: str, quantity: int, actor: Actor
) -> NewPaper:
    """A 견적서 of an offer that this factory may see. Raises OfferNotFound, PaperRefused, InvalidPaper."""
    assert actor.organization_id is not None
    viewer = Viewer(actor.organization_id, "factory")
    offer = await get_offer(conn, code=offer_code, viewer=viewer)
    if not 1 <= quantity <= offer.capacity:
        raise InvalidPaper("/quantity", f"from 1 to {offer.capacity}")
    until = valid_until(offer_until=offer.valid_until, today=await read_today(conn))
    names = (offer.subject.name_ko, offer.subject.name_en)
    lines = (line_of(quantity, offer.list_unit_price_krw),)
    total = sum_of(lines)
    vendor_id = await conn.fetchval("SELECT vendor_id FROM offers WHERE id = $1", offer.id)
    data = Quotation(
        buyer=await read_party(conn, actor.organization_id), vendor=await read_party(conn, vendor_id),
        item=await read_item(conn, offer_id=offer.id, names=names, viewer=viewer),
        offer_code=offer.code, lines=lines, sum=total, tiers=offer.tiers, valid_until=until,
        lead_time_days=offer.lead_time_days, terms_ko=offer.terms_ko, terms_en=offer.terms_en,
        is_illustrative=offer.is_illustrative,
    )  # fmt: skip
    return NewPaper(
        id=paper_id, kind="quotation", subject="offer", subject_id=offer.code, owner_id=actor.organization_id,
        other_id=vendor_id, data=data, sum=total,
    )  # fmt: skip


async def _order_parts(
    conn: asyncpg.Connection, number: str, actor: Actor
) -> tuple[Order, Party, Party, Item]:
    assert actor.organization_id is not None
    order = await get_order(conn, number, organization_id=actor.organization_id)
    if order.quantity == 0:
        raise PaperRefused("fell_away")
    offer_id = await conn.fetchval("SELECT offer_id FROM rounds WHERE code = $1", order.round_code)
    buyer = Viewer(order.buyer_id, "factory")
    names = (order.title_ko, order.title_en)
    item = await read_item(conn, offer_id=offer_id, names=names, viewer=buyer)
    return order, await read_party(conn, order.buyer_id), await read_party(conn, order.vendor_id), item


async def read_contract(conn: asyncpg.Connection, *, paper_id: UUID, number: str, actor: Actor) -> NewPaper:
    """The contract sheet of an order, for its buyer, its vendor or the coordinator. Raises OrderNotFound, PaperRefused."""
    order, buyer, vendor, item = await _order_parts(conn, number, actor)
    row = await conn.fetchrow(
        """
        SELECT r.terms_ko, r.terms_en, coalesce(i.deposit_krw, 0), o.lead_time_days
        FROM orders o JOIN rounds r ON r.id = o.round_id LEFT JOIN invoices i ON i.allocation_id = o.id
        WHERE o.id = $1
        """,
        order.id,
    )
    assert row is not None, "the order was just read"
    terms_ko, terms_en, deposit_krw, lead_time_days = row
    lines = (line_of(order.quantity, order.unit_price_krw),)
    total = sum_of(lines)
    deposit = min(deposit_krw, total.total_krw)
    data = Contract(
        buyer=buyer, vendor=vendor, item=item, order_number=order.number, round_code=order.round_code, lines=lines,
        sum=total, deposit_krw=deposit, balance_krw=total.total_krw - deposit, due_on=order.due_on,
        lead_time_days=lead_time_days, warranty_months=order.warranty_months,
        late_day_ppm=order.late_day_ppm, late_cap_bp=order.late_cap_bp,
        late_cap_krw=total.supply_krw * order.late_cap_bp // 10_000, terms_ko=terms_ko, terms_en=terms_en,
        is_illustrative=order.is_illustrative,
    )  # fmt: skip
    return NewPaper(
        id=paper_id, kind="contract", subject="order", subject_id=order.number, owner_id=order.buyer_id,
        other_id=order.vendor_id, coordinator_id=order.coordinator_id, data=data, sum=total,
    )  # fmt: skip


async def read_delivered(conn: asyncpg.Connection, *, paper_id: UUID, number: str, actor: Actor) -> NewPaper:
    """The 거래명세서 of an order, by its vendor: what came, less what went back. Raises OrderNotFound, PaperRefused."""
    order, buyer, vendor, item = await _order_parts(conn, number, actor)
    steps = await list_order_steps(conn, order_id=order.id)
    price_krw = order.unit_price_krw
    lines = [
        line_of(step.quantity or -(step.quantity_rejected or 0), price_krw, on=step.done_on, note=step.note)
        for step in steps
        if step.quantity or step.quantity_rejected
    ]
    quantity = sum(line.quantity for line in lines)
    if not lines:
        raise PaperRefused("nothing_delivered")
    assert quantity == order.quantity_delivered, "the sums of an order are those of its steps"
    total = sum_of(lines)
    data = Delivered(
        buyer=buyer, vendor=vendor, item=item, order_number=order.number, lines=tuple(lines), quantity=quantity,
        sum=total, quantity_ordered=order.quantity, is_illustrative=order.is_illustrative,
    )  # fmt: skip
    return NewPaper(
        id=paper_id, kind="delivery", subject="order", subject_id=order.number, owner_id=order.vendor_id,
        other_id=order.buyer_id, coordinator_id=order.coordinator_id, data=data, sum=total,
    )  # fmt: skip


async def read_inspected(conn: asyncpg.Connection, *, paper_id: UUID, number: str, actor: Actor) -> NewPaper:
    """The 검수조서 of an order, by its buyer: every inspection. Raises OrderNotFound, PaperRefused."""
    order, buyer, vendor, item = await _order_parts(conn, number, actor)
    steps = await list_order_steps(conn, order_id=order.id)
    found = tuple(
        Inspected(
            on=step.done_on,
            accepted=step.quantity_accepted or 0,
            rejected=step.quantity_rejected or 0,
            reason=step.reason,
            note=step.note,
            person=step.person or "",
        )
        for step in steps
        if step.kind == "inspect"
    )
    if not found or order.inspection is None:
        raise PaperRefused("nothing_inspected")
    assert sum(each.accepted for each in found) == order.quantity_accepted
    total = sum_of((line_of(order.quantity_accepted, order.unit_price_krw),))
    data = InspectionReport(
        buyer=buyer, vendor=vendor, item=item, order_number=order.number, inspections=found,
        quantity_ordered=order.quantity, quantity_delivered=order.quantity_delivered,
        quantity_accepted=order.quantity_accepted, unit_price_krw=order.unit_price_krw, sum=total,
        result=order.inspection, warranty_until=order.warranty_until, is_illustrative=order.is_illustrative,
    )  # fmt: skip
    return NewPaper(
        id=paper_id, kind="inspection", subject="order", subject_id=order.number, owner_id=order.buyer_id,
        other_id=order.vendor_id, coordinator_id=order.coordinator_id, data=data, sum=total,
    )  # fmt: skip
