"""What a thing costs one factory over three to five years, from what is listed and what the factory adds. Pure.

cost = one-off + years × (12 × subscription + energy × price + service) + training − subsidy − relief on the loan

All amounts are integer won without VAT, energy is whole kWh a year (negative where the thing saves some). What
nobody knows stays unknown: the total is then a lower bound of the known costs and is not ranked.
"""

from typing import Final, Literal

from msgspec import Struct

YEARS_MIN: Final = 3
YEARS_MAX: Final = 5
WHOLE_BP: Final = 10_000
MONTHS: Final = 12
AMOUNT_KRW_MAX: Final = 10**13
ENERGY_KWH_MAX: Final = 10**9

CostPart = Literal["one_off", "subscription", "energy", "training", "service", "subsidy", "loan_relief"]


class FactoryTerms(Struct, frozen=True, kw_only=True):
    """What is the same for every column: this factory's horizon, its electricity price and its programs.

    A program pays `subsidy_bp` of the one-off price up to `subsidy_max_krw` (None = no cap); a guaranteed loan
    of `loan_krw` is relieved of `relief_bp` a year (guarantee fee and interest together).
    """

    years: int = YEARS_MAX
    energy_price_krw: int | None = None
    subsidy_bp: int = 0
    subsidy_max_krw: int | None = None
    loan_krw: int = 0
    relief_bp: int = 0


class CostFacts(Struct, frozen=True, kw_only=True):
    """What one thing costs; None = not known. Subscription a month, energy and service a year."""

    one_off_krw: int | None = None
    subscription_krw: int | None = None
    energy_kwh: int | None = None
    training_krw: int | None = None
    service_krw: int | None = None


class OwnershipCost(Struct, frozen=True, kw_only=True):
    """The parts over the whole horizon, in won (None = unknown; subsidy and relief are negative), and their sum.

    `known_krw` sums the known parts. `is_complete` = nothing is missing, so it is the cost.
    """

    years: int
    parts: dict[CostPart, int | None]
    known_krw: int
    is_complete: bool


def ownership_cost(facts: CostFacts, terms: FactoryTerms) -> OwnershipCost:
    """The cost of one thing for this factory.

    Raises ValueError for years outside 3 … 5 or a share outside 0 … 10,000 bp.
    """
    if not YEARS_MIN <= terms.years <= YEARS_MAX:
        raise ValueError(f"years are {YEARS_MIN} to {YEARS_MAX}, not {terms.years}")
    if not (0 <= terms.subsidy_bp <= WHOLE_BP and 0 <= terms.relief_bp <= WHOLE_BP):
        raise ValueError("a share is 0 to 10,000 basis points")
    parts: dict[CostPart, int | None] = {
        "one_off": facts.one_off_krw,
        "subscription": _over(terms.years * MONTHS, facts.subscription_krw),
        "energy": _energy_krw(facts.energy_kwh, terms),
        "training": facts.training_krw,
        "service": _over(terms.years, facts.service_krw),
        "subsidy": _subsidy_krw(facts.one_off_krw, terms),
        # Relief is counted in full years of the horizon; a loan larger than the price relieves its price only.
        "loan_relief": _relief_krw(facts.one_off_krw, terms),
    }
    known = [krw for krw in parts.values() if krw is not None]
    return OwnershipCost(
        years=terms.years, parts=parts, known_krw=sum(known), is_complete=len(known) == len(parts)
    )


def _over(times: int, krw: int | None) -> int | None:
    return None if krw is None else times * krw


def _energy_krw(energy_kwh: int | None, terms: FactoryTerms) -> int | None:
    if energy_kwh == 0:
        return 0
    if energy_kwh is None or terms.energy_price_krw is None:
        return None
    return terms.years * energy_kwh * terms.energy_price_krw


def _subsidy_krw(one_off_krw: int | None, terms: FactoryTerms) -> int | None:
    if terms.subsidy_bp == 0:
        return 0
    if one_off_krw is None:
        return None
    subsidy_krw = one_off_krw * terms.subsidy_bp // WHOLE_BP
    return -(subsidy_krw if terms.subsidy_max_krw is None else min(subsidy_krw, terms.subsidy_max_krw))


def _relief_krw(one_off_krw: int | None, terms: FactoryTerms) -> int | None:
    if terms.loan_krw == 0 or terms.relief_bp == 0:
        return 0
    if one_off_krw is None:
        return None
    return -(min(terms.loan_krw, one_off_krw) * terms.relief_bp // WHOLE_BP * terms.years)
