"""Re-clearing: payments lapsed after the price was announced. Who was promised units at a price keeps both.

Lines that go never make a dearer tier cheaper, so the price stays or rises, and the only question is who carries
the rise (design: group buying, section 2.6). In this order, the first that works:

1. the same tier is reached by the survivors and the waiting list: nobody notices;
2. the vendor accepts to deliver a little less than the tier asks for (declared before opening);
3. the pool of forfeited deposits pays the vendor the difference to the price of its own schedule;
4. the price rises to the next dearer tier, for those whose limit allows it *and* who say yes afresh. Who says no,
   or nothing in time, leaves without a penalty. A no holds for every dearer price too.

Each pass asks about one price, and nobody who left comes back: it ends after as many questions as there are tiers,
in a cleared round or in a failed one, where everybody is released.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from group_buy.core.clearing import Clearing, LineId, PledgeLine, RoundTerms
from group_buy.core.promise import serve_promised
from group_buy.core.reachable import AdmissibleTotals

StepKind = Literal["same_tier", "vendor_tolerance", "deposit_pool", "price_rise", "failed"]
StepOutcome = Literal["reached", "not_reached", "consent_wanted"]


class Step(Struct, frozen=True):
    """One thing that was tried, in order; `quantity` units and `pool_krw` won are 0 unless it worked.

    `lines_asked` are lines whose yes is wanted, `lines_gone` those who are out at this price.
    """

    kind: StepKind
    tier_index: int
    unit_price_krw: int
    outcome: StepOutcome
    quantity: int = 0
    pool_krw: int = 0
    lines_asked: tuple[LineId, ...] = ()
    lines_gone: tuple[LineId, ...] = ()


class Loss(Struct, frozen=True):
    """What happened after `clearing` was announced: `lapsed` lines will not be paid for.

    `tolerance` = units that the vendor may deliver below a tier's minimum; `pool_krw` = won of forfeited deposits
    and guarantees. `answers` hold the highest price (won) a line said yes to, `refusals` the lowest it said no to.
    """

    clearing: Clearing
    lapsed: Collection[LineId]
    tolerance: int = 0
    pool_krw: int = 0
    answers: Mapping[LineId, int] = {}
    refusals: Mapping[LineId, int] = {}


class Recleared(Struct, frozen=True):
    """The round stands: `pool_krw` of the pool goes to the vendor."""

    clearing: Clearing
    carried_by: StepKind
    pool_krw: int
    steps: tuple[Step, ...]


class ConsentWanted(Struct, frozen=True):
    """The next dearer tier may be reached if these lines agree to its price."""

    tier_index: int
    unit_price_krw: int
    lines_asked: tuple[LineId, ...]
    steps: tuple[Step, ...]


class RoundFailed(Struct, frozen=True):
    """No price is left: everybody is released in full."""

    steps: tuple[Step, ...]


def reclear(
    terms: RoundTerms, lines: Sequence[PledgeLine], loss: Loss
) -> Recleared | ConsentWanted | RoundFailed:
    """Decide what becomes of a cleared round whose `loss.lapsed` lines are gone.

    `lines` are all that counted when it was cleared. Deterministic, whatever order they come in.
    """
    announced = loss.clearing
    living = [line for line in lines if line.id not in loss.lapsed]
    promised = {
        line.id: announced.allocations[line.id] for line in living if line.id in announced.allocations
    }
    willing = [line for line in living if _accepts(line, announced.unit_price_krw)]
    steps: list[Step] = []
    for kind, tolerance in (("same_tier", 0), ("vendor_tolerance", loss.tolerance)):
        if kind == "vendor_tolerance" and not tolerance:
            continue
        units = _serve(terms, willing, promised, announced.tier_index, tolerance=tolerance)
        steps.append(_step(kind, terms, announced.tier_index, units))  # type: ignore[arg-type] # a literal
        if units is not None:
            return _stands(announced.tier_index, announced.unit_price_krw, units, steps, 0)
    if held := _held_by_pool(terms, willing, promised, loss, steps):
        return held
    return _raised(terms, living, promised, loss, steps)


def _accepts(line: PledgeLine, unit_price_krw: int) -> bool:
    return line.limit_unit_price_krw is None or line.limit_unit_price_krw >= unit_price_krw


def _serve(
    terms: RoundTerms,
    lines: Sequence[PledgeLine],
    promised: Mapping[LineId, int],
    tier_index: int,
    *,
    tolerance: int = 0,
    most: int | None = None,
) -> dict[LineId, int] | None:
    least = max(1, terms.tiers[tier_index].quantity_min - tolerance)
    capacity = terms.capacity if most is None else min(most, terms.capacity)
    totals = AdmissibleTotals.between(least, capacity, terms.pack_size)
    if totals.smallest > totals.largest:
        return None
    fitting = [line for line in lines if line.id in promised or line.quantity_min <= totals.largest]
    return serve_promised(terms, fitting, promised, totals)


def _held_by_pool(
    terms: RoundTerms,
    lines: Sequence[PledgeLine],
    promised: Mapping[LineId, int],
    loss: Loss,
    steps: list[Step],
) -> Recleared | None:
    """Sell at the announced price what the schedule sells dearer; the pool pays the difference on every unit."""
    announced = loss.clearing
    if not loss.pool_krw:
        return None
    for k in range(announced.tier_index - 1, -1, -1):
        rise_krw = terms.tiers[k].unit_price_krw - announced.unit_price_krw
        most = min(terms.tiers[k + 1].quantity_min - 1, loss.pool_krw // rise_krw)
        units = _serve(terms, lines, promised, k, most=most)
        paid_krw = rise_krw * sum(units.values()) if units is not None else 0
        steps.append(_step("deposit_pool", terms, k, units, pool_krw=paid_krw))
        if units is not None:
            assert paid_krw <= loss.pool_krw
            return _stands(announced.tier_index, announced.unit_price_krw, units, steps, paid_krw)
    return None


def _raised(
    terms: RoundTerms,
    living: Sequence[PledgeLine],
    promised: Mapping[LineId, int],
    loss: Loss,
    steps: list[Step],
) -> Recleared | ConsentWanted | RoundFailed:
    for k in range(loss.clearing.tier_index - 1, -1, -1):
        price_krw = terms.tiers[k].unit_price_krw
        open_lines = [
            line
            for line in living
            if _accepts(line, price_krw) and loss.refusals.get(line.id, price_krw + 1) > price_krw
        ]
        gone = tuple(sorted(set(promised) - {line.id for line in open_lines}))
        agreed = [line for line in open_lines if loss.answers.get(line.id, 0) >= price_krw]
        silent = tuple(line.id for line in open_lines if loss.answers.get(line.id, 0) < price_krw)
        kept = {line.id: promised[line.id] for line in agreed if line.id in promised}
        if silent:
            all_kept = {line.id: promised[line.id] for line in open_lines if line.id in promised}
            hope = _serve(terms, open_lines, all_kept, k, tolerance=loss.tolerance)
            if hope is not None:
                asked = tuple(sorted(silent))
                steps.append(
                    Step("price_rise", k, price_krw, "consent_wanted", lines_asked=asked, lines_gone=gone)
                )
                return ConsentWanted(k, price_krw, asked, tuple(steps))
            steps.append(Step("price_rise", k, price_krw, "not_reached", lines_gone=gone))
            continue
        units = _serve(terms, agreed, kept, k, tolerance=loss.tolerance)
        steps.append(_step("price_rise", terms, k, units, gone=gone))
        if units is not None:
            return _stands(k, price_krw, units, steps, 0)
    steps.append(Step("failed", 0, terms.tiers[0].unit_price_krw, "not_reached"))
    return RoundFailed(tuple(steps))


def _step(
    kind: StepKind,
    terms: RoundTerms,
    tier_index: int,
    units: Mapping[LineId, int] | None,
    *,
    pool_krw: int = 0,
    gone: tuple[LineId, ...] = (),
) -> Step:
    return Step(
        kind,
        tier_index,
        terms.tiers[tier_index].unit_price_krw,
        "not_reached" if units is None else "reached",
        quantity=sum((units or {}).values()),
        pool_krw=pool_krw,
        lines_gone=gone,
    )


def _stands(
    tier_index: int, price_krw: int, units: dict[LineId, int], steps: list[Step], pool_krw: int
) -> Recleared:
    return Recleared(
        Clearing(tier_index, price_krw, sum(units.values()), units), steps[-1].kind, pool_krw, tuple(steps)
    )
