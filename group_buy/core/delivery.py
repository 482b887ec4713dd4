"""Delivered other than cleared: share what came by the round's own rule, at the price that was announced.

Too little is like a smaller capacity: in priority order a line is in while its minimum fits, and the rule shares
the rest; nobody gets less than the minimum they asked for, rather nothing. Too much goes to those who wanted more,
promises first. What nobody wanted goes back to the vendor and is not billed.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from catalog.core.money import vat_krw
from group_buy.core.clearing import Clearing, LineId, PledgeLine, RoundTerms
from group_buy.core.promise import serve_promised
from group_buy.core.reachable import AdmissibleTotals


class Delivery(Struct, frozen=True):
    """Units of every line after delivery, and the units that go back to the vendor."""

    allocations: Mapping[LineId, int]
    units_returned: int


def reallocate(
    terms: RoundTerms, lines: Sequence[PledgeLine], clearing: Clearing, quantity_delivered: int
) -> Delivery:
    """Share `quantity_delivered` (>= 0) units among lines that were cleared by `clearing`.

    Packs play no role any more: the units are there. The sum of allocations and returned units is what came.
    """
    if quantity_delivered >= clearing.quantity:
        wanting = [line for line in lines if _accepts(line, clearing.unit_price_krw)]
        promised = dict(clearing.allocations)
        totals = AdmissibleTotals(clearing.quantity, quantity_delivered, 1)
        units = serve_promised(terms, wanting, promised, totals)
        assert units is not None, "what was cleared is one way to do it"
    elif quantity_delivered == 0:
        units = {}
    else:
        served = [
            replace(
                line,
                quantity_min=min(line.quantity_min, clearing.allocations[line.id]),
                quantity_max=clearing.allocations[line.id],
            )
            for line in lines
            if line.id in clearing.allocations
        ]
        totals = AdmissibleTotals(1, quantity_delivered, 1)
        fitting = [line for line in served if line.quantity_min <= quantity_delivered]
        units = serve_promised(terms, fitting, {}, totals) or {}
    return Delivery(units, quantity_delivered - sum(units.values()))


def _accepts(line: PledgeLine, unit_price_krw: int) -> bool:
    return line.limit_unit_price_krw is None or line.limit_unit_price_krw >= unit_price_krw


def difference_krw(*, quantity_before: int, quantity_after: int, unit_price_krw: int) -> int:
    """Won, with VAT, that a buyer is owed back (positive) or owes more (negative) when its units change.

    The difference of the two invoices' totals, so that both stay right to the won (부가가치세법 제32조, 시행령
    제70조: a corrected tax invoice states the difference).
    """
    before_krw, after_krw = quantity_before * unit_price_krw, quantity_after * unit_price_krw
    return before_krw + vat_krw(before_krw) - after_krw - vat_krw(after_krw)
