"""What a factory adds to a comparison, read from its address: so the address alone gives the same table again.

Common: `years`, `energy_price` (won a kWh), `subsidy_percent`, `subsidy_max`, `loan`, `relief_percent` (a year).
For one column, with its code behind a dot: `one_off.CODE`, `subscription.CODE` (a month), `energy.CODE` (kWh a
year, negative = saved), `training.CODE`, `service.CODE` (a year). Amounts are won, commas are allowed.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from catalog.core.ownership_cost import (
    AMOUNT_KRW_MAX,
    ENERGY_KWH_MAX,
    WHOLE_BP,
    YEARS_MAX,
    YEARS_MIN,
    CostFacts,
    FactoryTerms,
)

COMMON: Final = ("years", "energy_price", "subsidy_percent", "subsidy_max", "loan", "relief_percent")
OF_COLUMN: Final[Mapping[str, str]] = {
    "one_off": "one_off_krw",
    "subscription": "subscription_krw",
    "energy": "energy_kwh",
    "training": "training_krw",
    "service": "service_krw",
}
_WHOLE = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,14})")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")

assert set(OF_COLUMN.values()) == set(CostFacts.__struct_fields__)


class CostInputs(msgspec.Struct, frozen=True):
    """The terms of the factory, what it knows of each column by code, and which fields could not be read.

    `given` holds the fields as they were written, so that a form shows them again and links carry them on.
    """

    terms: FactoryTerms
    facts: dict[str, CostFacts]
    given: dict[str, str]
    wrong: tuple[str, ...]


def read_cost_inputs(query: Mapping[str, str], *, codes: list[str]) -> CostInputs:
    """Read the fields for these columns; one that makes no sense is named in `wrong` and counts as not given."""
    wanted = [*COMMON, *(f"{name}.{code}" for code in codes for name in OF_COLUMN)]
    given = {name: query[name].strip() for name in wanted if query.get(name, "").strip()}
    wrong: list[str] = []

    def whole(name: str, *, low: int, high: int) -> int | None:
        text = given.get(name)
        if text is None:
            return None
        value = int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None
        if value is None or not low <= value <= high:
            wrong.append(name)
            return None
        return value

    def percent_bp(name: str) -> int:
        text = given.get(name)
        match = _PERCENT.fullmatch(text) if text else None
        value = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0")) if match else 0
        if text and (match is None or value > WHOLE_BP):
            wrong.append(name)
            return 0
        return value

    terms = FactoryTerms(
        years=whole("years", low=YEARS_MIN, high=YEARS_MAX) or YEARS_MAX,
        energy_price_krw=whole("energy_price", low=1, high=10_000),
        subsidy_bp=percent_bp("subsidy_percent"),
        subsidy_max_krw=whole("subsidy_max", low=0, high=AMOUNT_KRW_MAX),
        loan_krw=whole("loan", low=0, high=AMOUNT_KRW_MAX) or 0,
        relief_bp=percent_bp("relief_percent"),
    )
    facts = {
        code: CostFacts(
            **{
                field: whole(f"{name}.{code}", low=-ENERGY_KWH_MAX, high=ENERGY_KWH_MAX)
                if name == "energy"
                else whole(f"{name}.{code}", low=0, high=AMOUNT_KRW_MAX)
                for name, field in OF_COLUMN.items()
            }
        )
        for code in codes
    }
    return CostInputs(terms, facts, given, tuple(wrong))


def listed_facts(listed_krw: int | None, added: CostFacts, *, may_subscribe: bool) -> CostFacts:
    """What is known of one column: the factory's own figures before the list price.

    Where a thing is no service or cloud offering, nothing is paid by the month unless the factory says so.
    """
    subscription_krw = added.subscription_krw
    if subscription_krw is None and not may_subscribe:
        subscription_krw = 0
    return msgspec.structs.replace(
        added,
        one_off_krw=listed_krw if added.one_off_krw is None else added.one_off_krw,
        subscription_krw=subscription_krw,
    )
