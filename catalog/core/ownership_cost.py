"""What a thing costs one factory over three to five years, from what is listed and what the factory adds. Pure.

cost = one-off + years × (12 × subscription + energy × price + service) + training − subsidy − relief on the loan

All amounts are integer won without VAT, energy is whole kWh a year (negative where the thing saves some). What
nobody knows stays unknown: the total is then a lower bound of the known costs and is not ranked. Every part comes
with the steps of its sum and what each rests on.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from catalog.core.program_terms import (
    LoanTerms,
    SubsidyTerms,
    SumStep,
    loan_steps,
    subsidy_steps,
    total_krw,
)

YEARS_MIN: Final = 3
YEARS_MAX: Final = 5
WHOLE_BP: Final = 10_000
MONTHS: Final = 12
AMOUNT_KRW_MAX: Final = 10**13
ENERGY_KWH_MAX: Final = 10**9

CostPart = Literal["one_off", "subscription", "energy", "training", "service", "subsidy", "loan_relief"]
Basis = Literal["listed", "stated", "free"]

BASES: Final[dict[Basis, tuple[str, str]]] = {
    "listed": ("등록된 값", "as listed"),
    "stated": ("우리 공장이 적은 값", "as stated by the factory"),
    "free": ("이런 비용이 없는 유형", "a kind that has no such cost"),
}
"""Where a figure is from; "free" is zero by the kind of thing, so it needs no step."""


class FactoryTerms(Struct, frozen=True, kw_only=True):
    """What is the same for every column: this factory's horizon, its electricity price and its programs.

    `level` is the level that the project is to reach, where the factory says so; without it a package's own counts.
    A loan of `loan_krw` is guaranteed at `ratio_bp` of it.
    """

    years: int = YEARS_MAX
    energy_price_krw: int | None = None
    level: int | None = None
    subsidy: SubsidyTerms | None = None
    loan: LoanTerms | None = None
    loan_krw: int = 0
    ratio_bp: int = WHOLE_BP


class CostFacts(Struct, frozen=True, kw_only=True):
    """What one thing costs; None = not known. Subscription a month, energy and service a year.

    `level_to` is the level that a package reaches. `bases` says where each figure is from, by field.
    """

    one_off_krw: int | None = None
    subscription_krw: int | None = None
    energy_kwh: int | None = None
    training_krw: int | None = None
    service_krw: int | None = None
    level_to: int | None = None
    bases: dict[str, Basis] = {}


class CostLine(Struct, frozen=True, kw_only=True):
    """One part of the cost with the steps of its sum; no step where it is unknown or nothing."""

    part: CostPart
    krw: int | None
    steps: tuple[SumStep, ...] = ()


class OwnershipCost(Struct, frozen=True, kw_only=True):
    """The parts over the whole horizon, in won (None = unknown; subsidy and relief are negative), and their sum.

    `known_krw` sums the known parts. `is_complete` = nothing is missing, so it is the cost.
    """

    years: int
    lines: tuple[CostLine, ...]
    known_krw: int
    is_complete: bool

    @property
    def parts(self) -> dict[CostPart, int | None]:
        return {line.part: line.krw for line in self.lines}


def ownership_cost(facts: CostFacts, terms: FactoryTerms) -> OwnershipCost:
    """The cost of one thing for this factory.

    Raises ValueError for years outside 3 … 5, or a program that does not fit its terms.
    """
    if not YEARS_MIN <= terms.years <= YEARS_MAX:
        raise ValueError(f"years are {YEARS_MIN} to {YEARS_MAX}, not {terms.years}")
    years = terms.years
    lines = (
        _line("one_off", facts, "one_off_krw"),
        _line("subscription", facts, "subscription_krw", times=years * MONTHS, unit=("개월", "months")),
        _energy_line(facts, terms),
        _line("training", facts, "training_krw"),
        _line("service", facts, "service_krw", times=years, unit=("년", "years")),
        _subsidy_line(facts, terms),
        _loan_line(facts, terms),
    )
    known = [line.krw for line in lines if line.krw is not None]
    return OwnershipCost(years=years, lines=lines, known_krw=sum(known), is_complete=len(known) == len(lines))


def _basis(facts: CostFacts, field: str) -> dict[str, str]:
    ko, en = BASES[facts.bases.get(field, "stated")]
    return {"basis_ko": ko, "basis_en": en}


def _line(
    part: CostPart, facts: CostFacts, field: str, *, times: int = 1, unit: tuple[str, str] = ("", "")
) -> CostLine:
    krw: int | None = getattr(facts, field)
    if krw is None or (krw == 0 and facts.bases.get(field, "free") == "free"):
        return CostLine(part=part, krw=krw)
    whole_krw = krw * times
    step = SumStep(
        ko=f"{krw:,}원" if times == 1 else f"{krw:,}원 × {times}{unit[0]} = {whole_krw:,}원",
        en=f"₩{krw:,}" if times == 1 else f"₩{krw:,} × {times} {unit[1]} = ₩{whole_krw:,}",
        krw=whole_krw,
        **_basis(facts, field),
    )
    return CostLine(part=part, krw=whole_krw, steps=(step,))


def _energy_line(facts: CostFacts, terms: FactoryTerms) -> CostLine:
    kwh, price_krw = facts.energy_kwh, terms.energy_price_krw
    if kwh == 0:
        return CostLine(part="energy", krw=0)
    if kwh is None or price_krw is None:
        return CostLine(part="energy", krw=None)
    krw = terms.years * kwh * price_krw
    step = SumStep(
        ko=f"연 {kwh:,} kWh × {price_krw:,}원 × {terms.years}년 = {krw:,}원",
        en=f"{kwh:,} kWh a year × ₩{price_krw:,} × {terms.years} years = {'-' if krw < 0 else ''}₩{abs(krw):,}",
        krw=krw,
        **_basis(facts, "energy_kwh"),
    )
    return CostLine(part="energy", krw=krw, steps=(step,))


def _subsidy_line(facts: CostFacts, terms: FactoryTerms) -> CostLine:
    if terms.subsidy is None:
        return CostLine(part="subsidy", krw=0)
    if facts.one_off_krw is None:
        return CostLine(part="subsidy", krw=None)
    level = facts.level_to if terms.level is None else terms.level
    steps = _less(subsidy_steps(terms.subsidy, cost_krw=facts.one_off_krw, level=level))
    return CostLine(part="subsidy", krw=total_krw(steps), steps=steps)


def _loan_line(facts: CostFacts, terms: FactoryTerms) -> CostLine:
    """Relief is counted in full years of the horizon; a loan larger than the price relieves its price only."""
    if terms.loan is None or terms.loan_krw == 0:
        return CostLine(part="loan_relief", krw=0)
    if facts.one_off_krw is None:
        return CostLine(part="loan_relief", krw=None)
    loan_krw = min(terms.loan_krw, facts.one_off_krw)
    steps = tuple(
        msgspec.structs.replace(
            step,
            ko=f"{step.ko} × {terms.years}년",
            en=f"{step.en} × {terms.years} years",
            krw=None if step.krw is None else step.krw * terms.years,
        )
        for step in loan_steps(terms.loan, loan_krw=loan_krw, ratio_bp=terms.ratio_bp)
    )
    return CostLine(part="loan_relief", krw=total_krw(less := _less(steps)), steps=less)


def _less(steps: Sequence[SumStep]) -> tuple[SumStep, ...]:
    """The steps as what they take off the cost."""
    return tuple(msgspec.structs.replace(step, krw=None if step.krw is None else -step.krw) for step in steps)
