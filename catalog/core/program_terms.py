"""What support programs pay toward a project, each by the terms of its days, with every step of the sum. Pure.

The terms are data with a source (`catalog/data/program_terms.toml`): the 2017 subsidy pays half up to 50 million
won, from level 중간2 half of the first 100 million and 40 % above, up to 200 million; the 2017 guaranteed loan saves
0.4 points of fee a year on the guaranteed part and 1.0 point of interest on the loan. Won round down.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

WHOLE_BP: Final = 10_000
LEVEL_MIN: Final = 1
LEVEL_MAX: Final = 5


class SumStep(Struct, frozen=True, kw_only=True):
    """One step of a sum: the sentence in both languages, what it adds in won, and what it rests on."""

    ko: str
    en: str
    krw: int | None
    basis_ko: str
    basis_en: str


class Band(Struct, frozen=True, kw_only=True):
    """A share of the cost up to an amount in won; `upto_krw` None = of all that is above the band before."""

    share_bp: int
    upto_krw: int | None = None


class SubsidyRule(Struct, frozen=True, kw_only=True):
    """Bands in rising order and the most that is paid, for projects that reach `level_min`; no cap = None."""

    bands: tuple[Band, ...]
    level_min: int = LEVEL_MIN
    cap_krw: int | None = None


class SubsidyTerms(Struct, frozen=True, kw_only=True):
    """A subsidy by its days; of its rules the one with the highest level that a project reaches counts."""

    code: str
    name_ko: str
    name_en: str
    source: str
    rule: tuple[SubsidyRule, ...]
    valid_from: date | None = None
    valid_until: date | None = None


class LoanTerms(Struct, frozen=True, kw_only=True):
    """A loan by its days: points a year saved of the fee on the guaranteed part, and of the interest on it all."""

    code: str
    name_ko: str
    name_en: str
    source: str
    ratios_bp: tuple[int, ...]
    fee_relief_bp: int
    interest_relief_bp: int
    valid_from: date | None = None
    valid_until: date | None = None


class Programs(Struct, frozen=True):
    """All terms that ship, old ones too, and the version of the file that they stand in."""

    version: str
    subsidy: tuple[SubsidyTerms, ...] = ()
    guarantee_loan: tuple[LoanTerms, ...] = ()


def is_in_force(terms: SubsidyTerms | LoanTerms, *, day: date) -> bool:
    """Whether the terms held on that day, both ends included; terms without days hold always."""
    return (terms.valid_from is None or terms.valid_from <= day) and (
        terms.valid_until is None or day <= terms.valid_until
    )


def subsidy_steps(terms: SubsidyTerms, *, cost_krw: int, level: int | None) -> tuple[SumStep, ...]:
    """What the subsidy pays of a cost in won (0 or more), step by step; the steps' won add up to it.

    `level` is the level that the project reaches; None = not known, so only what any project gets counts.
    Raises ValueError where no rule fits the level.
    """
    reached = LEVEL_MIN if level is None else level
    rules = [rule for rule in terms.rule if rule.level_min <= reached]
    if not rules or cost_krw < 0:
        raise ValueError(f"{terms.code} has no rule for level {level} and {cost_krw} won")
    rule = max(rules, key=lambda found: found.level_min)
    steps = list(_band_steps(terms, rule, cost_krw))
    paid_krw = sum(step.krw or 0 for step in steps)
    if rule.cap_krw is not None and paid_krw > rule.cap_krw:
        steps.append(
            SumStep(
                ko=f"한도 {rule.cap_krw:,}원을 넘는 {paid_krw - rule.cap_krw:,}원은 받지 못합니다.",
                en=f"₩{paid_krw - rule.cap_krw:,} above the cap of ₩{rule.cap_krw:,} is not paid.",
                krw=rule.cap_krw - paid_krw,
                **basis_of(terms),
            )
        )
    return tuple(steps)


def _band_steps(terms: SubsidyTerms, rule: SubsidyRule, cost_krw: int) -> Iterator[SumStep]:
    below_krw = 0
    for band in rule.bands:
        top_krw = cost_krw if band.upto_krw is None else min(cost_krw, band.upto_krw)
        part_krw = max(0, top_krw - below_krw)
        below_krw = max(below_krw, top_krw)
        if part_krw == 0 and cost_krw:
            continue
        paid_krw = part_krw * band.share_bp // WHOLE_BP
        percent = percent_text(band.share_bp)
        yield SumStep(
            ko=f"{part_krw:,}원의 {percent} = {paid_krw:,}원",
            en=f"{percent} of ₩{part_krw:,} = ₩{paid_krw:,}",
            krw=paid_krw,
            **basis_of(terms),
        )


def loan_steps(terms: LoanTerms, *, loan_krw: int, ratio_bp: int) -> tuple[SumStep, ...]:
    """What a loan in won saves a year, step by step; the steps' won add up to it.

    Raises ValueError for a guarantee ratio that the terms do not offer, or a negative loan.
    """
    if ratio_bp not in terms.ratios_bp or loan_krw < 0:
        raise ValueError(f"{terms.code} guarantees {terms.ratios_bp} basis points, not {ratio_bp}")
    guaranteed_krw = loan_krw * ratio_bp // WHOLE_BP
    found = (
        ("보증료", "guarantee fee", guaranteed_krw, terms.fee_relief_bp),
        ("이자", "interest", loan_krw, terms.interest_relief_bp),
    )
    return tuple(
        SumStep(
            ko=f"{name_ko}: {on_krw:,}원의 {percent_text(relief_bp)} = 연 {on_krw * relief_bp // WHOLE_BP:,}원",
            en=f"{name_en}: {percent_text(relief_bp)} of ₩{on_krw:,} = ₩{on_krw * relief_bp // WHOLE_BP:,} a year",
            krw=on_krw * relief_bp // WHOLE_BP,
            **basis_of(terms),
        )
        for name_ko, name_en, on_krw, relief_bp in found
        if relief_bp
    )


def total_krw(steps: Sequence[SumStep]) -> int:
    """The won that known steps add up to."""
    return sum(step.krw or 0 for step in steps)


def basis_of(terms: SubsidyTerms | LoanTerms) -> dict[str, str]:
    """The basis of a step: the program, its days and its source."""
    if terms.valid_from is None:
        return {"basis_ko": terms.name_ko, "basis_en": terms.name_en}
    until = terms.valid_until.isoformat() if terms.valid_until else ""
    days = f"{terms.valid_from.isoformat()}–{until}"
    return {
        "basis_ko": f"{terms.name_ko}, {days}, {terms.source}",
        "basis_en": f"{terms.name_en}, {days}, {terms.source}",
    }


def percent_text(share_bp: int) -> str:
    """5000 → "50 %", 138 → "1.38 %"."""
    whole, rest = divmod(share_bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %" if rest else f"{whole} %"
