"""Who is ranked against whom, the tie rule, the cost for one factory, and a tier's own minimum."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.comparison import Work, best_of, is_same_work
from catalog.core.offer import PriceTier, reached_tier
from catalog.core.ownership_cost import CostFacts, FactoryTerms, ownership_cost


def package(does: str, *industries: str) -> Work:
    return Work(kind="package_model", does=does, industries=frozenset(industries))


@pytest.mark.parametrize(
    ("works", "same"),
    [
        ([package("cloud", "food", "metal"), package("cloud", "metal")], True),
        ([package("cloud", "food"), package("cloud", "metal")], False),
        ([package("cloud", "food"), package("individual_build", "food")], False),
        ([package("cloud", "a", "b"), package("cloud", "b", "c"), package("cloud", "c", "a")], False),
        ([Work(kind="product", does="robot/cobot"), Work(kind="product", does="robot/cobot")], True),
        ([Work(kind="product", does="robot/cobot"), Work(kind="product", does="robot/gripper")], False),
        ([Work(kind="product", does="cloud"), package("cloud")], False),
    ],
)
def test_only_things_that_do_the_same_work_are_ranked(works: list[Work], same: bool) -> None:
    assert is_same_work(works) is same


@pytest.mark.parametrize(
    ("ranks", "better", "best"),
    [
        ([3, 1, 2], "lower", [False, True, False]),
        ([1, 1, 2], "lower", [True, True, False]),  # a tie is shared, whichever column comes first
        ([1, 1, 1], "lower", [False, False, False]),  # nothing is better where all are equal
        ([1, None, 2], "lower", [False, False, False]),  # the unknown one might be
        ([3, 1], None, [False, False]),
        ([3], "higher", [False]),
    ],
)
def test_the_tie_rule(ranks: list[int | None], better: str | None, best: list[bool]) -> None:
    assert best_of(ranks, better) == best  # type: ignore[arg-type] # a word


def test_trap_14_the_tier_that_a_quantity_just_reaches_wins() -> None:
    """open-mercato#1706: at the minimum of a tier the lower tier won."""
    tiers = (PriceTier(1, 100), PriceTier(10, 90), PriceTier(20, 80))
    assert [reached_tier(tiers, n).unit_price_krw for n in (9, 10, 19, 20)] == [100, 90, 90, 80]  # type: ignore[union-attr]


# -- cost for this factory -----------------------------------------------------------------------------

KNOWN = CostFacts(
    one_off_krw=60_000_000,
    subscription_krw=100_000,
    energy_kwh=1_000,
    training_krw=2_000_000,
    service_krw=500_000,
)


def test_the_cost_is_the_sum_of_its_parts_over_the_years() -> None:
    terms = FactoryTerms(years=3, energy_price_krw=150, subsidy_bp=5_000, subsidy_max_krw=50_000_000)
    found = ownership_cost(KNOWN, terms)
    assert found.parts == {
        "one_off": 60_000_000,
        "subscription": 3_600_000,
        "energy": 450_000,
        "training": 2_000_000,
        "service": 1_500_000,
        "subsidy": -30_000_000,
        "loan_relief": 0,
    }
    assert (found.known_krw, found.is_complete) == (37_550_000, True)


@pytest.mark.parametrize(
    ("one_off_krw", "subsidy_krw"), [(60_000_000, 30_000_000), (150_000_000, 50_000_000)]
)
def test_the_subsidy_of_2017_is_half_up_to_50_million(one_off_krw: int, subsidy_krw: int) -> None:
    terms = FactoryTerms(subsidy_bp=5_000, subsidy_max_krw=50_000_000)
    found = ownership_cost(CostFacts(one_off_krw=one_off_krw), terms)
    assert found.parts["subsidy"] == -subsidy_krw


def test_a_guaranteed_loan_is_relieved_every_year() -> None:
    # 100 million at 95 %: 0.4 %p of 95 million and 1.0 %p of 100 million, 1.38 million a year
    terms = FactoryTerms(years=5, loan_krw=100_000_000, relief_bp=138)
    found = ownership_cost(CostFacts(one_off_krw=200_000_000), terms)
    assert found.parts["loan_relief"] == -5 * 1_380_000


def test_what_is_not_known_is_not_zero() -> None:
    found = ownership_cost(CostFacts(one_off_krw=10, training_krw=5), FactoryTerms())
    assert (found.known_krw, found.is_complete) == (15, False)
    assert [name for name, krw in found.parts.items() if krw is None] == ["subscription", "energy", "service"]


@pytest.mark.parametrize("years", [2, 6])
def test_the_horizon_is_three_to_five_years(years: int) -> None:
    with pytest.raises(ValueError, match="years"):
        ownership_cost(KNOWN, FactoryTerms(years=years))


@settings(deadline=None)
@given(
    one_off_krw=st.integers(0, 10**13),
    subsidy_bp=st.integers(0, 10_000),
    cap=st.one_of(st.none(), st.integers(0, 10**13)),
)
def test_a_subsidy_is_never_more_than_the_price_or_its_cap(
    one_off_krw: int, subsidy_bp: int, cap: int | None
) -> None:
    found = ownership_cost(
        CostFacts(one_off_krw=one_off_krw), FactoryTerms(subsidy_bp=subsidy_bp, subsidy_max_krw=cap)
    )
    subsidy_krw = -(found.parts["subsidy"] or 0)
    assert 0 <= subsidy_krw <= one_off_krw
    assert cap is None or subsidy_krw <= cap
