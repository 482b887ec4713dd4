"""Clearing: one price for a whole round, and how many units each pledge line gets.

The rule, exactly. An *allocation* gives every line nothing or a quantity from its minimum to its
maximum. It is *admissible* for a tier when only lines whose limit is at least the tier's price
get anything, and the total is a multiple of the pack size, at least the tier's minimum and at
most the capacity. A tier is *reachable* when it has an admissible allocation. Then:

1. Price first. The cheapest reachable tier is the price for all; where none is reachable the
   round falls short and nobody pays.
2. Then priority, the lines in this order, all ties by id:
   `time` and `pro_rata` by class, then sequence; `price_time` by class, then the higher limit
   (no limit counts as the first tier's price), then sequence.
3. Then quantity.
   `time`, `price_time`: of all admissible allocations the one that is lexicographically largest
   in priority order, so each line gets as much as it can before the next is looked at.
   `pro_rata`: going through the lines in priority order, a line is accepted when some admissible
   allocation serves it and all accepted before it, whatever the lines after it get. The largest
   admissible total that the accepted lines can make is sold. Each gets its minimum; the units
   above the minima go to the smallest class number first until its lines are full, then to the
   next, and within a class by Sainte-Laguë in proportion to maximum - minimum, ties by priority.

What follows from it (proofs in the documentation, tests in `tests/group_buy/core`): another line,
a higher maximum, limit or capacity, or a lower minimum never raises the price; the price is what
the vendor's own schedule says for the total; nobody pays more than their limit.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import add, attrgetter, sub
from typing import Literal

from msgspec import Struct

from catalog.core.offer import PriceTier, require_valid_offer
from group_buy.core.apportion import sainte_lague
from group_buy.core.in_order import accept_in_order, fill_in_order
from group_buy.core.reachable import AdmissibleTotals

AllocationRule = Literal["pro_rata", "time", "price_time"]
LineId = str | int


class RoundTerms(Struct, frozen=True):
    """What a round sells: `capacity` and `pack_size` in units, the offer's tiers, who goes first."""

    capacity: int
    pack_size: int
    tiers: tuple[PriceTier, ...]
    allocation_rule: AllocationRule


class PledgeLine(Struct, frozen=True):
    """A wish for `quantity_min` to `quantity_max` units, or for none, at up to a unit price.

    `limit_unit_price_krw` None accepts any tier; class 0 is served first; `sequence` is the
    order of arrival. Ids are all strings or all integers, and break ties.
    """

    id: LineId
    quantity_min: int
    quantity_max: int
    limit_unit_price_krw: int | None
    priority_class: int
    sequence: int


class Clearing(Struct, frozen=True):
    """One price for all: `allocations` holds the units of every served line, in priority order."""

    tier_index: int
    unit_price_krw: int
    quantity: int
    allocations: Mapping[LineId, int]


class Shortfall(Struct, frozen=True):
    """No tier can be reached: `quantity_demanded` units at most were wanted at the first tier's price."""

    quantity_min: int
    quantity_demanded: int


class PledgeLineError(ValueError):
    """Pledge lines that cannot be cleared; `code` is for programs, the message for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def clear_round(terms: RoundTerms, lines: Sequence[PledgeLine]) -> Clearing | Shortfall:
    """Decide a round's price and everybody's units by the rule above, whatever order the lines come in.

    Raises `OfferError` for terms that no round can have, `PledgeLineError` for codes
    `duplicate_id` and `quantity_out_of_bounds`.
    """
    require_valid_offer(capacity=terms.capacity, pack_size=terms.pack_size, tiers=terms.tiers)
    require_valid_lines(lines)
    first_tiers = first_tiers_within_limits(terms, lines)
    demand = _demand(terms, lines, first_tiers)
    for k in range(len(terms.tiers) - 1, -1, -1):
        totals = admissible_totals(terms, terms.tiers[k])
        if not totals.smallest <= min(totals.largest, demand[k]):
            continue
        suited = [
            line
            for first, line in zip(first_tiers, lines, strict=True)
            if first <= k and line.quantity_min <= totals.largest
        ]
        allocations = _allocate(terms, in_priority_order(terms, suited), totals)
        if allocations is not None:
            quantity = sum(allocations.values())
            assert totals.largest_within(quantity, quantity) == quantity
            return Clearing(k, terms.tiers[k].unit_price_krw, quantity, allocations)
    return Shortfall(quantity_min=terms.tiers[0].quantity_min, quantity_demanded=demand[0])


def require_valid_lines(lines: Sequence[PledgeLine]) -> None:
    """Raise `PledgeLineError` unless ids are unique and 1 <= minimum <= maximum in every line."""
    for line in lines:
        if not 1 <= line.quantity_min <= line.quantity_max:
            raise PledgeLineError(
                "quantity_out_of_bounds",
                f"pledge {line.id!r}: quantity_min {line.quantity_min} is below 1 "
                f"or above quantity_max {line.quantity_max}",
            )
    if len({line.id for line in lines}) < len(lines):
        (line_id, count), *_ = Counter(line.id for line in lines).most_common(1)
        raise PledgeLineError("duplicate_id", f"{count} pledges have the id {line_id!r}")


def admissible_totals(terms: RoundTerms, tier: PriceTier) -> AdmissibleTotals:
    """The totals that may be sold at a tier's price; none where its `smallest` exceeds its `largest`."""
    return AdmissibleTotals.between(tier.quantity_min, terms.capacity, terms.pack_size)


def first_tiers_within_limits(terms: RoundTerms, lines: Sequence[PledgeLine]) -> list[int]:
    """Per line the index of the dearest tier within its limit, len(tiers) if none; all after it are, too."""
    first_of: dict[int | None, int] = {}
    for limit in {line.limit_unit_price_krw for line in lines}:
        within = (k for k, tier in enumerate(terms.tiers) if limit is None or tier.unit_price_krw <= limit)
        first_of[limit] = next(within, len(terms.tiers))
    return [first_of[line.limit_unit_price_krw] for line in lines]


def in_priority_order(terms: RoundTerms, lines: Sequence[PledgeLine]) -> list[PledgeLine]:
    """The lines by the round's priority, ties by id.

    Stable sorts from the last criterion to the first compare plain integers, which is twice as
    fast as comparing tuples; ids are only compared where sequences repeat.
    """
    ordered = list(lines)
    if len({line.sequence for line in lines}) < len(lines):
        ordered.sort(key=attrgetter("id"))
    ordered.sort(key=attrgetter("sequence"))
    if terms.allocation_rule == "price_time":
        price_krw = terms.tiers[0].unit_price_krw
        limits = {line.limit_unit_price_krw for line in lines}
        firmness = {limit: -(price_krw if limit is None else limit) for limit in limits}
        ordered.sort(key=lambda line: firmness[line.limit_unit_price_krw])
    ordered.sort(key=attrgetter("priority_class"))
    return ordered


def _demand(terms: RoundTerms, lines: Sequence[PledgeLine], first_tiers: Sequence[int]) -> list[int]:
    """Units wanted at most at each tier's price by lines that fit the capacity."""
    demand = [0] * (len(terms.tiers) + 1)
    for line, first in zip(lines, first_tiers, strict=True):
        if line.quantity_min <= terms.capacity:
            demand[first] += line.quantity_max
    for k in range(1, len(terms.tiers)):
        demand[k] += demand[k - 1]
    return demand[: len(terms.tiers)]


def _allocate(
    terms: RoundTerms, lines: Sequence[PledgeLine], totals: AdmissibleTotals
) -> dict[LineId, int] | None:
    """Units of each served line of those that a tier's price suits, or None where it is unreachable."""
    minima = [line.quantity_min for line in lines]
    maxima = [line.quantity_max for line in lines]
    if terms.allocation_rule == "pro_rata":
        accepted = accept_in_order(minima, maxima, totals)
        if accepted is None:
            return None
        lines = list(compress(lines, accepted))
        quantities = share_in_classes(
            [line.priority_class for line in lines],
            list(compress(minima, accepted)),
            list(compress(maxima, accepted)),
            totals,
        )
    else:
        filled = fill_in_order(minima, maxima, totals)
        if filled is None:
            return None
        quantities = filled
    return {line.id: quantity for line, quantity in zip(lines, quantities, strict=True) if quantity}


def share_in_classes(
    classes: Sequence[int], minima: Sequence[int], maxima: Sequence[int], totals: AdmissibleTotals
) -> list[int]:
    """Minima for all accepted lines, then what is above them class by class in proportion.

    Lines in priority order; some admissible total lies between the sums of minima and maxima.
    """
    low = sum(minima)
    total = totals.largest_within(low, sum(maxima))
    assert total is not None
    units_left = total - low
    quantities: list[int] = []
    while len(quantities) < len(minima):
        members = slice(len(quantities), bisect_right(classes, classes[len(quantities)]))
        weights = list(map(sub, maxima[members], minima[members]))
        units = min(units_left, sum(weights))
        quantities += map(add, minima[members], sainte_lague(weights, units))
        units_left -= units
    assert units_left == 0
    return quantities
