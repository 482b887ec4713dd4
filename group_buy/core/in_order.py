"""Two ways down a priority list: accept lines, or fill them, so that an admissible total remains.

Both first do the greedy thing, which needs no sets. When that ends at an admissible total it is
the exact answer: every refusal was forced by the capacity, every acceptance is completed by the
decisions after it. Otherwise the greedy decisions are right up to a safe prefix, and from there
on each line asks the exact sets whether a landing remains.
Lines are two parallel sequences, `minima` and `maxima`, in priority order.
"""

from collections.abc import Sequence
from itertools import accumulate

from group_buy.core.reachable import AdmissibleTotals, landings, part_between, safe_prefix


def accept_in_order(
    minima: Sequence[int], maxima: Sequence[int], totals: AdmissibleTotals
) -> list[bool] | None:
    """Which lines are in, each in turn if an admissible total remains; None where there is none at all."""
    accepted = []
    low = high = 0
    for minimum, maximum in zip(minima, maxima, strict=True):
        fits = low + minimum <= totals.largest
        accepted.append(fits)
        if fits:
            low += minimum
            high += maximum
    if totals.largest_within(low, high) is not None:
        return accepted
    return _accept_exactly(accepted, minima, maxima, totals)


def _accept_exactly(
    greedy: list[bool], minima: Sequence[int], maxima: Sequence[int], totals: AdmissibleTotals
) -> list[bool] | None:
    lows, highs = [0], [0]
    for fits, minimum, maximum in zip(greedy, minima, maxima, strict=True):
        lows.append(lows[-1] + minimum * fits)
        highs.append(highs[-1] + maximum * fits)
    safe = safe_prefix(lows, highs, minima, maxima, totals)
    if safe is None:
        return None
    first, top = safe
    accepted = greedy[:first] + [False] * (len(greedy) - first)
    base, low, high = lows[first], lows[first], highs[first]
    still_open, open_minima, open_maxima = _open_lines(first, top - base, minima, maxima)
    smallest = min(open_minima, default=0)
    rests = landings(open_minima, open_maxima, totals.bits(base, top))
    for i, minimum, maximum, rest in zip(still_open, open_minima, open_maxima, rests, strict=True):
        if low + smallest > top:
            break
        if low + minimum <= top:
            reach = min(high + maximum, top)
            if part_between(rest, low + minimum - base, reach - base):
                accepted[i] = True
                low += minimum
                high += maximum
    assert totals.largest_within(low, high) is not None
    return accepted


def fill_in_order(minima: Sequence[int], maxima: Sequence[int], totals: AdmissibleTotals) -> list[int] | None:
    """The lexicographically largest quantities with an admissible total; None where there is none."""
    quantities = []
    sold = 0
    for minimum, maximum in zip(minima, maxima, strict=True):
        quantity = min(maximum, totals.largest - sold)
        if quantity < minimum:
            quantity = 0
        quantities.append(quantity)
        sold += quantity
    if totals.largest_within(sold, sold) is not None:
        return quantities
    return _fill_exactly(quantities, minima, maxima, totals)


def _fill_exactly(
    greedy: list[int], minima: Sequence[int], maxima: Sequence[int], totals: AdmissibleTotals
) -> list[int] | None:
    solds = [*accumulate(greedy, initial=0)]
    safe = safe_prefix(solds, solds, minima, maxima, totals)
    if safe is None:
        return None
    first, top = safe
    quantities = greedy[:first] + [0] * (len(greedy) - first)
    base = sold = solds[first]
    still_open, open_minima, open_maxima = _open_lines(first, top - base, minima, maxima)
    smallest = min(open_minima, default=0)
    rests = landings(open_minima, open_maxima, totals.bits(base, top))
    for i, minimum, maximum, rest in zip(still_open, open_minima, open_maxima, rests, strict=True):
        if sold + smallest > top:
            break
        most = min(maximum, top - sold)
        if most >= minimum:
            choices = part_between(rest, sold + minimum - base, sold + most - base)
            if choices:
                quantities[i] = minimum + choices.bit_length() - 1
                sold += quantities[i]
    assert totals.largest_within(sold, sold) is not None
    return quantities


def _open_lines(
    first: int, units_open: int, minima: Sequence[int], maxima: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Index, minimum and maximum of each line from `first` on that still fits."""
    still_open = [i for i in range(first, len(minima)) if minima[i] <= units_open]
    return still_open, [minima[i] for i in still_open], [maxima[i] for i in still_open]
