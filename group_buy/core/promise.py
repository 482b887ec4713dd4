"""Serve lines some of which were promised units already: a promise is a minimum that cannot be dropped.

Being first in line is not enough: an admissible total may exist only without the first line. So all promises
together are one lump at the very front, and a total is only good if it holds the lump.
"""

from collections.abc import Mapping, Sequence
from itertools import compress

from group_buy.core.clearing import LineId, PledgeLine, RoundTerms, in_priority_order, share_in_classes
from group_buy.core.in_order import accept_in_order, fill_in_order
from group_buy.core.reachable import AdmissibleTotals


def serve_promised(
    terms: RoundTerms, lines: Sequence[PledgeLine], promised: Mapping[LineId, int], totals: AdmissibleTotals
) -> dict[LineId, int] | None:
    """Units of each served line by the round's rule, with every promise kept; None where no total allows it.

    `promised` holds units (>= 1) of lines in `lines`, at most their maximum. The other lines get nothing or a
    quantity within their bounds, as in `clear_round`; limits are the caller's business.
    """
    ordered = in_priority_order(terms, lines)
    if terms.allocation_rule == "pro_rata":
        return _shared(ordered, promised, totals)
    return _filled(ordered, promised, totals)


def _shared(
    ordered: Sequence[PledgeLine], promised: Mapping[LineId, int], totals: AdmissibleTotals
) -> dict[LineId, int] | None:
    kept = [line for line in ordered if line.id in promised]
    free = [line for line in ordered if line.id not in promised]
    low, high = sum(promised[line.id] for line in kept), sum(line.quantity_max for line in kept)
    lump = ([low], [high]) if kept else ([], [])
    accepted = accept_in_order(
        [*lump[0], *(line.quantity_min for line in free)],
        [*lump[1], *(line.quantity_max for line in free)],
        totals,
    )
    if accepted is None or not all(accepted[: len(lump[0])]):
        return None
    served = {line.id for line in compress(free, accepted[len(lump[0]) :])} | set(promised)
    members = [line for line in ordered if line.id in served]
    if not members:
        return None
    quantities = share_in_classes(
        [line.priority_class for line in members],
        [promised.get(line.id, line.quantity_min) for line in members],
        [line.quantity_max for line in members],
        totals,
    )
    return {line.id: quantity for line, quantity in zip(members, quantities, strict=True)}


def _filled(
    ordered: Sequence[PledgeLine], promised: Mapping[LineId, int], totals: AdmissibleTotals
) -> dict[LineId, int] | None:
    low = sum(promised.values())
    # What a promised line may have above its promise stands in the queue at the line's own place.
    rooms = [(line, line.quantity_max - promised.get(line.id, 0)) for line in ordered]
    open_rooms = [(line, room) for line, room in rooms if room > 0]
    lump = [low] if low else []
    filled = fill_in_order(
        [*lump, *(1 if line.id in promised else line.quantity_min for line, _ in open_rooms)],
        [*lump, *(room for _, room in open_rooms)],
        totals,
    )
    if filled is None or filled[: len(lump)] != lump:
        return None
    units = dict(promised)
    for (line, _), more in zip(open_rooms, filled[len(lump) :], strict=True):
        if more:
            units[line.id] = units.get(line.id, 0) + more
    return units or None
