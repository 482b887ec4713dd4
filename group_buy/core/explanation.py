"""Why a round was cleared as it was: a table of the tiers, and a reason for every pledge line.

Kept apart from clearing, which never needs it. Everything here can be checked with pen and paper
against the lines: who was in front, how many units were taken, what was left.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from group_buy.core.clearing import (
    Clearing,
    LineId,
    PledgeLine,
    RoundTerms,
    Shortfall,
    admissible_totals,
    first_tiers_within_limits,
    in_priority_order,
)
from group_buy.core.reachable import AdmissibleTotals, sums_until

TierStatus = Literal["chosen", "reachable", "above_capacity", "demand_too_small", "no_combination"]
LineReason = Literal[
    "served_full",
    "served_part",
    "limit_below_price",
    "above_capacity",
    "no_room",
    "would_break_pack",
    "would_break_minimum",
    "round_fell_short",
]


_TIER_SENTENCES: dict[TierStatus, tuple[str, str]] = {
    "chosen": (
        "성립하는 가장 낮은 단가 {price:,}원입니다. 최대 {sold_max:,}개까지 판매할 수 있습니다.",
        "{price:,} won is the lowest price that can be reached; up to {sold_max:,} units can be sold.",
    ),
    "reachable": (
        "단가 {price:,}원에도 최대 {sold_max:,}개까지 성립하지만 더 낮은 가격이 성립합니다.",
        "{price:,} won could sell up to {sold_max:,} units, but a lower price can be reached.",
    ),
    "above_capacity": (
        "최소 수량 {minimum:,}개와 공급 한도 사이에 포장 단위로 떨어지는 수량이 없습니다.",
        "No whole number of packs lies between its minimum of {minimum:,} units and the capacity.",
    ),
    "demand_too_small": (
        "이 가격을 받아들이는 신청은 최대 {demanded:,}개로, 필요한 {least:,}개에 못 미칩니다.",
        "Pledges at this price come to {demanded:,} units at most; {least:,} are needed.",
    ),
    "no_combination": (
        "신청 수량을 어떻게 조합해도 포장 단위에 맞는 {least:,}~{most:,}개를 만들 수 없습니다.",
        "No choice of pledged quantities makes whole packs of {least:,} to {most:,} units in all.",
    ),
}

_LINE_SENTENCES: dict[LineReason, tuple[str, str]] = {
    "served_full": (
        "희망한 최대 수량 {most:,}개를 모두 받습니다.",
        "Gets all of the {most:,} units that it asked for.",
    ),
    "served_part": (
        "희망한 {least:,}~{most:,}개 가운데 순위, 포장 단위, 공급 한도에 따라 {quantity:,}개를 받습니다.",
        "Gets {quantity:,} of {least:,} to {most:,} units; priority, whole packs or the capacity leave no more.",
    ),
    "limit_below_price": (
        "희망 단가 상한 {limit:,}원이 결정된 단가보다 낮습니다.",
        "Its limit of {limit:,} won is below the price of the round.",
    ),
    "above_capacity": (
        "최소 수량 {least:,}개가 이 공동구매에서 판매할 수 있는 최대 수량보다 많습니다.",
        "Its minimum of {least:,} units is more than the round can sell.",
    ),
    "no_room": (
        "앞선 순위에 {taken:,}개가 배정되어 최소 수량 {least:,}개를 배정할 여유가 없습니다.",
        "Lines before it take {taken:,} units, which leaves no room for its minimum of {least:,}.",
    ),
    "would_break_pack": (
        "이 신청까지 받으면 앞선 순위를 지키면서 {pack:,}개 포장 단위로 성립하는 수량이 없습니다.",
        "With it and the lines before it, no total in whole packs of {pack:,} could be reached.",
    ),
    "would_break_minimum": (
        "이 신청까지 받으면 앞선 순위를 지키면서 이 가격의 최소 수량과 공급 한도를 맞출 수 없습니다.",
        "With it and the lines before it, no total between the price's minimum and the capacity was left.",
    ),
    "round_fell_short": (
        "어떤 가격도 성립하지 않아 공동구매가 미달되었습니다. 결제되는 금액은 없습니다.",
        "No price could be reached, so the round fell short and nobody pays.",
    ),
}


class TierRow(Struct, frozen=True):
    """One tier of the table, quantities in units.

    `lines_count` lines accept its price and fit the capacity; they want `quantity_demanded` at
    most, no line counted beyond the capacity. `quantity_largest` is the largest total that can be
    sold at this price, None if none can, and then `status` says why: `above_capacity` no whole
    pack lies between its minimum and the capacity, `demand_too_small` not enough is wanted,
    `no_combination` no choice of lines makes an admissible total.
    """

    tier_index: int
    quantity_min: int
    unit_price_krw: int
    lines_count: int
    quantity_demanded: int
    quantity_largest: int | None
    status: TierStatus
    ko: str
    en: str


class LineRow(Struct, frozen=True):
    """Units and reason of one pledge line; `quantity_before` is what its elders had taken of the total.

    In a pro-rata round elders count with their minima, in the others with their full quantities.
    """

    pledge_id: LineId
    quantity: int
    quantity_before: int | None
    reason: LineReason
    ko: str
    en: str


class Explanation(Struct, frozen=True):
    """`tiers` in the order of the offer, `lines` in the order they were given."""

    tiers: list[TierRow]
    lines: list[LineRow]


def explain(terms: RoundTerms, lines: Sequence[PledgeLine], outcome: Clearing | Shortfall) -> Explanation:
    """Explain `outcome = clear_round(terms, lines)`."""
    first_tiers = first_tiers_within_limits(terms, lines)
    tiers = [_tier_row(terms, k, lines, first_tiers, outcome) for k in range(len(terms.tiers))]
    if isinstance(outcome, Shortfall):
        return Explanation(tiers, [_line_row(terms, line, 0, None, "round_fell_short") for line in lines])
    rows: dict[LineId, LineRow] = {}
    before = 0
    for line in in_priority_order(terms, lines):
        quantity = outcome.allocations.get(line.id, 0)
        reason = _reason(terms, line, quantity, before, outcome)
        rows[line.id] = _line_row(terms, line, quantity, before, reason)
        if quantity:
            before += line.quantity_min if terms.allocation_rule == "pro_rata" else quantity
    return Explanation(tiers, [rows[line.id] for line in lines])


def _tier_row(
    terms: RoundTerms,
    k: int,
    lines: Sequence[PledgeLine],
    first_tiers: Sequence[int],
    outcome: Clearing | Shortfall,
) -> TierRow:
    tier = terms.tiers[k]
    totals = admissible_totals(terms, tier)
    suited = [
        line
        for first, line in zip(first_tiers, lines, strict=True)
        if first <= k and line.quantity_min <= totals.largest
    ]
    demanded = sum(min(line.quantity_max, terms.capacity) for line in suited)
    largest = largest_total(suited, totals)
    status: TierStatus
    if totals.smallest > totals.largest:
        status = "above_capacity"
    elif largest is not None:
        chosen = isinstance(outcome, Clearing) and outcome.tier_index == k
        status = "chosen" if chosen else "reachable"
    else:
        status = "demand_too_small" if demanded < totals.smallest else "no_combination"
    values = {
        "price": tier.unit_price_krw,
        "minimum": tier.quantity_min,
        "least": totals.smallest,
        "most": totals.largest,
        "demanded": demanded,
        "sold_max": largest or 0,
    }
    ko, en = (sentence.format(**values) for sentence in _TIER_SENTENCES[status])
    return TierRow(k, tier.quantity_min, tier.unit_price_krw, len(suited), demanded, largest, status, ko, en)


def largest_total(lines: Sequence[PledgeLine], totals: AdmissibleTotals) -> int | None:
    """The largest admissible total that these lines can make, or None; exact."""
    most = totals.largest_within(0, sum(line.quantity_max for line in lines))
    if most is None:
        return None
    sums = sums_until(
        1,
        [line.quantity_min for line in lines],
        [line.quantity_max for line in lines],
        width=most + 1,
        wanted=1 << most,
    )
    made = sums & totals.bits(0, most)
    return made.bit_length() - 1 if made else None


def _reason(terms: RoundTerms, line: PledgeLine, quantity: int, before: int, outcome: Clearing) -> LineReason:
    largest = admissible_totals(terms, terms.tiers[outcome.tier_index]).largest
    if quantity:
        return "served_full" if quantity == line.quantity_max else "served_part"
    if line.limit_unit_price_krw is not None and line.limit_unit_price_krw < outcome.unit_price_krw:
        return "limit_below_price"
    if line.quantity_min > largest:
        return "above_capacity"
    if before + line.quantity_min > largest:
        return "no_room"
    return "would_break_pack" if terms.pack_size > 1 else "would_break_minimum"


def _line_row(
    terms: RoundTerms, line: PledgeLine, quantity: int, before: int | None, reason: LineReason
) -> LineRow:
    values = {
        "least": line.quantity_min,
        "most": line.quantity_max,
        "quantity": quantity,
        "taken": before or 0,
        "limit": line.limit_unit_price_krw or 0,
        "pack": terms.pack_size,
    }
    ko, en = (sentence.format(**values) for sentence in _LINE_SENTENCES[reason])
    return LineRow(line.id, quantity, before, reason, ko, en)
