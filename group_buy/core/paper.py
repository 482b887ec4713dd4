"""What stands on a paper, composed of what is stored: lines and sums to the won, outcomes at every tier. Pure.

Supply is without VAT; total = supply + VAT (부가가치세법 제30조). Amounts are won, shares basis points, days Korean.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from catalog.core.money import vat_krw
from catalog.core.offer import PriceTier
from group_buy.core.estimate import Bill, bill_for
from group_buy.core.order import Inspection, RejectReason
from group_buy.core.round import Round, ShortfallPolicy
from group_buy.errors import PaperRefused

PaperKind = Literal["quotation", "comparison", "approval", "contract", "delivery", "inspection"]
PaperSubject = Literal["pledge", "order", "offer", "comparison"]

PREFIXES: Final[dict[PaperKind, str]] = {
    "quotation": "QT",
    "comparison": "CP",
    "approval": "AP",
    "contract": "CT",
    "delivery": "DN",
    "inspection": "IR",
}
VALID_DAYS: Final = 30
"""A quotation is valid so long, unless its offer ends before."""


def paper_number(kind: PaperKind, *, year: int, serial: int) -> str:
    """What a paper is quoted by: `AP-2026-00001`."""
    return f"{PREFIXES[kind]}-{year}-{serial:05d}"


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A company on a paper."""

    name_ko: str
    name_en: str
    business_number: str | None = None
    region: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought: its scope, who services it and where it comes from; None or empty = not known.

    `share_bp` = verified and verified + claimed domestic share. `centers` = A/S sites of the makers in it.
    """

    code: str
    name_ko: str
    name_en: str
    included_ko: tuple[str, ...] = ()
    included_en: tuple[str, ...] = ()
    excluded_ko: tuple[str, ...] = ()
    excluded_en: tuple[str, ...] = ()
    warranty_months: int | None = None
    spare_parts_years: int | None = None
    centers: int | None = None
    share_bp: tuple[int, int] | None = None
    level_to: int | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of goods; `on` = the day on which it came or went. A return has a negative quantity."""

    quantity: int
    unit_price_krw: int
    supply_krw: int
    on: date | None = None
    is_return: bool = False
    note: str = ""


class Sum(msgspec.Struct, frozen=True):
    """What the lines of a paper come to."""

    supply_krw: int
    vat_krw: int
    total_krw: int


def sum_of(lines: Sequence[Line]) -> Sum:
    """The sum of lines: VAT on all of them together. Raises ValueError where more was returned than came."""
    assert all(line.supply_krw == line.quantity * line.unit_price_krw for line in lines)
    supply_krw = sum(line.supply_krw for line in lines)
    vat = vat_krw(supply_krw)
    return Sum(supply_krw, vat, supply_krw + vat)


def line_of(quantity: int, unit_price_krw: int, *, on: date | None = None, note: str = "") -> Line:
    """A line with its price."""
    return Line(
        quantity=quantity, unit_price_krw=unit_price_krw, supply_krw=quantity * unit_price_krw, on=on,
        is_return=quantity < 0, note=note,
    )  # fmt: skip


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a pledge would pay at most at one tier. `bill` None = its limit leaves it out: it pays nothing.

    `subsidy_krw` of the supply, None = no program was chosen; `own_krw` = what is left of the total.
    """

    quantity_min: int
    unit_price_krw: int
    bill: Bill | None
    subsidy_krw: int | None = None
    own_krw: int | None = None


class Subsidy(msgspec.Struct, frozen=True, kw_only=True):
    """A support program that was chosen, with the steps of the sum on the ceiling."""

    name_ko: str
    name_en: str
    krw: int
    steps_ko: tuple[str, ...]
    steps_en: tuple[str, ...]
    basis_ko: str
    basis_en: str


class ComparedItem(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that were compared, as its paper of comparison has it."""

    name_ko: str
    name_en: str
    vendor_ko: str
    vendor_en: str
    unit_price_krw: int | None


class Compared(msgspec.Struct, frozen=True):
    """The paper of comparison that an approval leans on."""

    number: str
    version: int
    items: tuple[ComparedItem, ...]


class Approval(msgspec.Struct, frozen=True, kw_only=True, tag="approval"):
    """품의서: why, what, from whom, and what it costs at most; `bill` = what it does cost, once that is decided."""

    buyer: Party
    vendor: Party
    item: Item
    need: str
    round_code: str
    order_number: str | None
    is_alone: bool
    quantity_min: int
    quantity_max: int
    outcomes: tuple[Outcome, ...]
    ceiling: Bill
    bill: Bill | None
    subsidy: Subsidy | None
    compared: Compared | None
    deposit_bp: int
    closes_at: datetime
    shortfall_policy: ShortfallPolicy
    lead_time_days: int
    terms_ko: str
    terms_en: str
    is_illustrative: bool


class Quotation(msgspec.Struct, frozen=True, kw_only=True, tag="quotation"):
    """견적서: an offer's price for so many, alone, and until when it holds; `tiers` = prices of buying together."""

    buyer: Party
    vendor: Party
    item: Item
    offer_code: str
    lines: tuple[Line, ...]
    sum: Sum
    tiers: tuple[PriceTier, ...]
    valid_until: date
    lead_time_days: int
    terms_ko: str
    terms_en: str
    is_illustrative: bool


class ComparisonRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of all columns, written in both languages; `best` = columns with the best value."""

    name_ko: str
    name_en: str
    cells_ko: tuple[str, ...]
    cells_en: tuple[str, ...]
    best: tuple[int, ...] = ()


class ComparisonGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under one heading."""

    name_ko: str
    name_en: str
    rows: tuple[ComparisonRow, ...]


class ComparisonPaper(msgspec.Struct, frozen=True, kw_only=True, tag="comparison"):
    """비교견적: two to eight things side by side; `is_ranked` = they do the same work, so best values are marked."""

    buyer: Party
    items: tuple[ComparedItem, ...]
    groups: tuple[ComparisonGroup, ...]
    is_ranked: bool
    years: int
    is_illustrative: bool


class Contract(msgspec.Struct, frozen=True, kw_only=True, tag="contract"):
    """계약서: what both companies sign. `late_cap_krw` = the most that lateness may cost; `due_on` None = not ordered."""

    buyer: Party
    vendor: Party
    item: Item
    order_number: str
    round_code: str
    lines: tuple[Line, ...]
    sum: Sum
    deposit_krw: int
    balance_krw: int
    due_on: date | None
    lead_time_days: int
    warranty_months: int | None
    late_day_ppm: int
    late_cap_bp: int
    late_cap_krw: int
    terms_ko: str
    terms_en: str
    is_illustrative: bool


class Delivered(msgspec.Struct, frozen=True, kw_only=True, tag="delivery"):
    """거래명세서: what was delivered up to now, less what went back."""

    buyer: Party
    vendor: Party
    item: Item
    order_number: str
    lines: tuple[Line, ...]
    quantity: int
    sum: Sum
    quantity_ordered: int
    is_illustrative: bool


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """One inspection: units accepted and rejected on a day, and who said so."""

    on: date
    accepted: int
    rejected: int
    reason: RejectReason | None
    note: str
    person: str


class InspectionReport(msgspec.Struct, frozen=True, kw_only=True, tag="inspection"):
    """검수조서: every inspection of an order, and what of it is accepted."""

    buyer: Party
    vendor: Party
    item: Item
    order_number: str
    inspections: tuple[Inspected, ...]
    quantity_ordered: int
    quantity_delivered: int
    quantity_accepted: int
    unit_price_krw: int
    sum: Sum
    result: Inspection
    warranty_until: date | None
    is_illustrative: bool


PaperData: TypeAlias = Approval | Quotation | ComparisonPaper | Contract | Delivered | InspectionReport


class Wanted(Protocol):
    """The part of a pledge's line that prices look at."""

    @property
    def quantity_min(self) -> int: ...
    @property
    def quantity_max(self) -> int: ...
    @property
    def limit_unit_price_krw(self) -> int | None: ...


def outcomes_of(
    buying_round: Round, lines: Sequence[Wanted], *, subsidy: Callable[[int], int] | None = None
) -> tuple[Outcome, ...]:
    """What a pledge of these lines would pay at most at every tier that the round can reach.

    At a price those lines count whose limit accepts it, each with its most units. `subsidy` answers what a program
    pays of a supply value, both in won. Where the round sells at its first price from fewer units, they count.
    """
    found = []
    fallback = buying_round.fallback_quantity_min
    for position, tier in enumerate(buying_round.tiers):
        if tier.quantity_min > buying_round.capacity:
            continue
        price_krw = tier.unit_price_krw
        units = sum(
            line.quantity_max
            for line in lines
            if line.limit_unit_price_krw is None or line.limit_unit_price_krw >= price_krw
        )
        bill = bill_for(buying_round, quantity=units, unit_price_krw=price_krw) if units else None
        paid = subsidy(bill.supply_krw) if subsidy and bill else None
        found.append(
            Outcome(
                quantity_min=fallback if position == 0 and fallback else tier.quantity_min,
                unit_price_krw=price_krw,
                bill=bill,
                subsidy_krw=paid,
                own_krw=bill.total_krw - paid if bill and paid is not None else None,
            )
        )
    return tuple(found)


def ceiling_of(outcomes: Sequence[Outcome]) -> Bill:
    """The most that a pledge can cost, over all tiers. Raises PaperRefused where its limits leave nothing to buy."""
    bills = [outcome.bill for outcome in outcomes if outcome.bill]
    if not bills:
        raise PaperRefused("buys_nothing")
    return max(bills, key=lambda bill: bill.total_krw)


def with_deposit(bill: Bill, deposit_krw: int) -> Bill:
    """A bill of which this much is paid beforehand, at most all of it; the rest is its balance."""
    paid_krw = min(deposit_krw, bill.total_krw)
    return msgspec.structs.replace(bill, deposit_krw=paid_krw, balance_krw=bill.total_krw - paid_krw)


def valid_until(*, offer_until: date | None, today: date) -> date:
    """Until when a quotation of today holds, that day included. Raises PaperRefused for an offer that has ended."""
    last = today + timedelta(days=VALID_DAYS)
    if offer_until is not None and offer_until < today:
        raise PaperRefused("offer_ended")
    return last if offer_until is None else min(last, offer_until)
