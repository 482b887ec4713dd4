"""What a factory adds to a comparison, read from its address: so the address alone gives the same table again.

Common: `years`, `energy_price` (won a kWh), `level` (1–5, that the project is to reach), `subsidy` and `loan_program`
(codes of shipped terms), `subsidy_percent` and `subsidy_max` (a subsidy of one's own), `loan` (won), `guarantee_percent`,
`relief_percent` (a year, for a loan of one's own).
For one column, with its code behind a dot: `one_off.CODE`, `subscription.CODE` (a month), `energy.CODE` (kWh a
year, negative = saved), `training.CODE`, `service.CODE` (a year). Amounts are won, commas are allowed.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from catalog.core.ownership_cost import (
    AMOUNT_KRW_MAX,
    ENERGY_KWH_MAX,
    WHOLE_BP,
    YEARS_MAX,
    YEARS_MIN,
    Basis,
    CostFacts,
    FactoryTerms,
    OwnershipCost,
    ownership_cost,
)
from catalog.core.program_terms import (
    LEVEL_MAX,
    LEVEL_MIN,
    Band,
    LoanTerms,
    SubsidyRule,
    SubsidyTerms,
)
from catalog.package_details import PackageFacts
from catalog.reference_data import PROGRAMS
from marketplace.web.comparison import Compared

COMMON: Final = (
    "years", "energy_price", "level", "subsidy", "subsidy_percent", "subsidy_max", "loan", "loan_program",
    "guarantee_percent", "relief_percent",
)  # fmt: skip
OF_COLUMN: Final[Mapping[str, str]] = {
    "one_off": "one_off_krw",
    "subscription": "subscription_krw",
    "energy": "energy_kwh",
    "training": "training_krw",
    "service": "service_krw",
}
SUBSIDIES: Final = {terms.code: terms for terms in PROGRAMS.subsidy}
LOANS: Final = {terms.code: terms for terms in PROGRAMS.guarantee_loan}
OWN: Final[dict[str, Any]] = {
    "name_ko": "우리 공장이 적은 조건",
    "name_en": "terms that the factory stated",
    "source": "",
}
Terms = TypeVar("Terms")
_WHOLE = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,14})")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")


class CostInputs(msgspec.Struct, frozen=True):
    """The terms of the factory, what it knows of each column by code, and which fields could not be read.

    `given` holds the fields as they were written, so that a form shows them again and links carry them on.
    """

    terms: FactoryTerms
    facts: dict[str, CostFacts]
    given: dict[str, str]
    wrong: tuple[str, ...]


class _Reader:
    """Reads fields one by one; one that makes no sense is noted in `wrong` and counts as not given."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.wrong: list[str] = []

    def whole(self, name: str, *, low: int, high: int) -> int | None:
        text = self.given.get(name)
        if text is None:
            return None
        value = int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None
        if value is None or not low <= value <= high:
            self.wrong.append(name)
            return None
        return value

    def percent_bp(self, name: str) -> int | None:
        text = self.given.get(name)
        if text is None:
            return None
        match = _PERCENT.fullmatch(text)
        value = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0")) if match else WHOLE_BP + 1
        if value > WHOLE_BP:
            self.wrong.append(name)
            return None
        return value

    def one_of(self, name: str, known: Mapping[str, Terms]) -> Terms | None:
        text = self.given.get(name)
        if text is not None and text not in known:
            self.wrong.append(name)
        return known.get(text or "")


def read_cost_inputs(query: Mapping[str, str], *, codes: list[str]) -> CostInputs:
    """Read the fields for these columns; one that makes no sense is named in `wrong` and counts as not given."""
    wanted = [*COMMON, *(f"{name}.{code}" for code in codes for name in OF_COLUMN)]
    given = {name: query[name].strip() for name in wanted if query.get(name, "").strip()}
    reader = _Reader(given)
    loan, ratio_bp = _loan(reader)
    terms = FactoryTerms(
        years=reader.whole("years", low=YEARS_MIN, high=YEARS_MAX) or YEARS_MAX,
        energy_price_krw=reader.whole("energy_price", low=1, high=10_000),
        level=reader.whole("level", low=LEVEL_MIN, high=LEVEL_MAX),
        subsidy=_subsidy(reader),
        loan=loan,
        loan_krw=reader.whole("loan", low=0, high=AMOUNT_KRW_MAX) or 0,
        ratio_bp=ratio_bp,
    )
    facts = {code: _facts_of(reader, code) for code in codes}
    return CostInputs(terms, facts, given, tuple(reader.wrong))


def _subsidy(reader: _Reader) -> SubsidyTerms | None:
    """A shipped program, or else the share and cap that the factory states."""
    shipped = reader.one_of("subsidy", SUBSIDIES)
    share_bp = reader.percent_bp("subsidy_percent")
    cap_krw = reader.whole("subsidy_max", low=0, high=AMOUNT_KRW_MAX)
    if shipped is not None or not share_bp:
        return shipped
    rule = SubsidyRule(bands=(Band(share_bp=share_bp),), cap_krw=cap_krw)
    return SubsidyTerms(code="own", rule=(rule,), **OWN)


def _loan(reader: _Reader) -> tuple[LoanTerms | None, int]:
    """A shipped program with one of its guarantee ratios, or else the relief that the factory states."""
    shipped = reader.one_of("loan_program", LOANS)
    ratio_bp, relief_bp = reader.percent_bp("guarantee_percent"), reader.percent_bp("relief_percent")
    if shipped is not None:
        if ratio_bp is not None and ratio_bp not in shipped.ratios_bp:
            reader.wrong.append("guarantee_percent")
            ratio_bp = None
        return shipped, shipped.ratios_bp[0] if ratio_bp is None else ratio_bp
    if not relief_bp:
        return None, WHOLE_BP
    own = LoanTerms(code="own", ratios_bp=(WHOLE_BP,), fee_relief_bp=0, interest_relief_bp=relief_bp, **OWN)
    return own, WHOLE_BP


def _facts_of(reader: _Reader, code: str) -> CostFacts:
    figures = {
        field: reader.whole(f"{name}.{code}", low=-ENERGY_KWH_MAX, high=ENERGY_KWH_MAX)
        if name == "energy"
        else reader.whole(f"{name}.{code}", low=0, high=AMOUNT_KRW_MAX)
        for name, field in OF_COLUMN.items()
    }
    stated: dict[str, Basis] = {field: "stated" for field, value in figures.items() if value is not None}
    return CostFacts(**figures, bases=stated)


def listed_facts(listed: CostFacts, added: CostFacts, *, may_subscribe: bool) -> CostFacts:
    """What is known of one column: the factory's own figures before what is listed.

    Where a thing is no service or cloud offering, nothing is paid by the month unless the factory says so.
    """
    figures: dict[str, int] = {}
    bases: dict[str, Basis] = {}
    for field in OF_COLUMN.values():
        own, known = getattr(added, field), getattr(listed, field)
        if own is not None or known is not None:
            figures[field] = known if own is None else own
            bases[field] = "listed" if own is None else "stated"
    if "subscription_krw" not in figures and not may_subscribe:
        figures["subscription_krw"], bases["subscription_krw"] = 0, "free"
    return CostFacts(**figures, level_to=listed.level_to, bases=bases)


def known_costs(column: Compared) -> CostFacts:
    """What the market knows of a column's cost: its price, and a package's monthly fee, saving and level."""
    facts = column.facts or PackageFacts()
    saved_kwh = facts.saved_kwh_per_year
    return CostFacts(
        one_off_krw=column.offer.list_unit_price_krw if column.offer else None,
        subscription_krw=facts.monthly_fee_krw,
        energy_kwh=None if saved_kwh is None else -saved_kwh,
        level_to=column.package.version.level_to if column.package else None,
    )


def column_cost(column: Compared, inputs: CostInputs) -> OwnershipCost:
    """The cost of one package or product for the factory that the address describes."""
    package, product = column.package, column.product
    may_subscribe = (
        package.package_type == "cloud"
        if package
        else product is not None and product.category in {"software", "service"}
    )
    added = inputs.facts[column.listing.code]
    return ownership_cost(listed_facts(known_costs(column), added, may_subscribe=may_subscribe), inputs.terms)
