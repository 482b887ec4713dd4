"""Which sums can a set of pledge lines make? Exact, with Python integers as sets of sums.

A set of sums is an integer whose bit `s` says that `s` units can be sold. A line with a minimum
and a maximum adds nothing or any quantity between them, so it turns a set into the set united
with its copies moved by every quantity of the line: a few shifts of a long integer.
Lines are two parallel sequences, `minima` and `maxima`, in priority order.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from math import isqrt

from msgspec import Struct

from catalog.core.offer import whole_packs_up

_WIDTHS = (2**10, 2**14, 2**17)


class AdmissibleTotals(Struct, frozen=True):
    """The totals a tier may sell: multiples of `pack_size` from `smallest` to `largest` (both are)."""

    smallest: int
    largest: int
    pack_size: int

    @classmethod
    def between(cls, quantity_min: int, capacity: int, pack_size: int) -> "AdmissibleTotals":
        """Whole packs between a tier's minimum and the capacity; none where smallest > largest."""
        return cls(whole_packs_up(quantity_min, pack_size), capacity // pack_size * pack_size, pack_size)

    def largest_within(self, low: int, high: int) -> int | None:
        """The largest admissible total in `low`..`high`, or None."""
        total = min(high, self.largest) // self.pack_size * self.pack_size
        return total if total >= max(low, self.smallest) else None

    def bits(self, base: int, top: int) -> int:
        """Admissible totals in `base`..`top` as a set, bit 0 standing for `base`."""
        first = max(self.smallest, whole_packs_up(base, self.pack_size))
        count = (min(top, self.largest) - first) // self.pack_size + 1
        if count <= 0:
            return 0
        pattern, length = 1, 1
        while length < count:
            step = min(length, count - length)
            pattern |= pattern << (step * self.pack_size)
            length += step
        return pattern << (first - base)


def part_between(sums: int, low: int, high: int) -> int:
    """The sums from `low` to `high`, bit 0 standing for `low`."""
    return (sums >> low) & ((1 << (high - low + 1)) - 1)


def _moved_up(sums: int, low: int, high: int) -> int:
    """The set moved up by every distance from `low` to `high`."""
    moved, left, step = sums << low, high - low, 1
    while left > 0:
        shift = min(step, left)
        moved |= moved << shift
        left -= shift
        step *= 2
    return moved


def _moved_down(sums: int, low: int, high: int) -> int:
    """The set moved down by every distance from `low` to `high`; what falls below bit 0 is gone."""
    moved, left, step = sums >> low, min(high - low, sums.bit_length()), 1
    while left > 0:
        shift = min(step, left)
        moved |= moved >> shift
        left -= shift
        step *= 2
    return moved


def sums_until(start: int, minima: Sequence[int], maxima: Sequence[int], *, width: int, wanted: int) -> int:
    """All sums below `width` bits that the lines make from the sums of `start`.

    Stops early, with a part of them, as soon as one is in the set `wanted`. Equal lines are taken
    in bundles of 1, 2, 4, …: a choice of bundles makes every count.
    """
    everything = (1 << width) - 1
    sums = start & everything
    equal_lines = Counter(zip(minima, maxima, strict=True))
    for (low, high), count in sorted(equal_lines.items(), key=lambda item: -item[0][1]):
        copies, bundle = min(count, width // low), 1
        while copies:
            if sums & wanted:
                return sums
            size = min(bundle, copies)
            sums |= _moved_up(sums, low * size, min(high * size, width)) & everything
            copies -= size
            bundle *= 2
    return sums


def safe_prefix(
    lows: Sequence[int],
    highs: Sequence[int],
    minima: Sequence[int],
    maxima: Sequence[int],
    totals: AdmissibleTotals,
) -> tuple[int, int] | None:
    """How many greedy decisions are certainly right, or None where no admissible total can be made.

    After m greedy decisions the lines before m sell something in `lows[m]`..`highs[m]`. If the
    others can still complete that to an admissible total, then all m decisions were right, since
    greedy never takes less than could be taken. Looks near the end first, where only a few units
    are open and the sets are short; m = 0 decides whether a total can be made at all.
    Returns m and the highest total that is still open.
    """
    rest_max = [*accumulate(reversed(maxima), initial=0)][::-1]
    tops = [min(totals.largest, high + rest) for high, rest in zip(highs, rest_max, strict=True)]
    widths = [top - low + 1 for top, low in zip(tops, lows, strict=True)]
    tried = len(widths)
    for width_max in (*_WIDTHS, widths[0]):
        m = bisect_left(widths, -width_max, key=lambda width: -width)
        if m < tried:
            tried = m
            wanted = totals.bits(lows[m], tops[m])
            if wanted and _lands(highs[m] - lows[m], minima[m:], maxima[m:], widths[m], wanted):
                return m, tops[m]
    return None


def _lands(start_max: int, minima: Sequence[int], maxima: Sequence[int], width: int, wanted: int) -> bool:
    """Whether any of 0..`start_max` plus what the lines can make is in `wanted`, all below `width`."""
    fits = [minimum < width for minimum in minima]
    start = (1 << min(start_max + 1, width)) - 1
    sums = sums_until(
        start, list(compress(minima, fits)), list(compress(maxima, fits)), width=width, wanted=wanted
    )
    return sums & wanted != 0


def landings(minima: Sequence[int], maxima: Sequence[int], wanted: int) -> Iterator[int]:
    """For each line in turn, the set of sums from which the lines after it can still land in `wanted`.

    Sets run backward from the last line, and are needed forward. Keeping all would take
    lines x capacity bits; one in every sqrt(lines) is kept, the others are made again when
    their block is entered.
    """
    count = len(minima)
    block = max(1, isqrt(count))
    kept = {}
    landing = wanted
    for i in range(count - 1, -1, -1):
        if (i + 1) % block == 0 or i == count - 1:
            kept[i] = landing
        landing |= _moved_down(landing, minima[i], maxima[i])
    for start in range(0, count, block):
        last = min(start + block, count) - 1
        landing = kept.pop(last)
        ahead = [landing]
        for i in range(last, start, -1):
            landing |= _moved_down(landing, minima[i], maxima[i])
            ahead.append(landing)
        while ahead:
            yield ahead.pop()
