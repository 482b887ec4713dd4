"""Who is ranked against whom, the tie rule, the cost for one factory, and a tier's own minimum."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.comparison import Work, best_of, is_same_work
from catalog.core.offer import PriceTier, reached_tier
from catalog.core.ownership_cost import CostFacts, FactoryTerms, ownership_cost
from catalog.core.program_terms import Band, SubsidyRule, SubsidyTerms
from catalog.reference_data import PROGRAMS


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


HALF = SubsidyTerms(
    code="own",
    name_ko="",
    name_en="",
    source="",
    rule=(SubsidyRule(bands=(Band(share_bp=5_000),), cap_krw=50_000_000),),
)


def test_the_cost_is_the_sum_of_its_parts_over_the_years() -> None:
    terms = FactoryTerms(years=3, energy_price_krw=150, subsidy=HALF)
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


def test_a_guaranteed_loan_is_relieved_every_year_and_never_above_the_price() -> None:
    [loan] = PROGRAMS.guarantee_loan
    terms = FactoryTerms(years=5, loan=loan, loan_krw=100_000_000, ratio_bp=9_500)
    assert ownership_cost(CostFacts(one_off_krw=200_000_000), terms).parts["loan_relief"] == -5 * 1_380_000
    assert ownership_cost(CostFacts(one_off_krw=50_000_000), terms).parts["loan_relief"] == -5 * 690_000


def test_the_level_that_a_package_reaches_chooses_the_rule_unless_the_factory_says_otherwise() -> None:
    [subsidy] = PROGRAMS.subsidy
    facts = CostFacts(one_off_krw=300_000_000, level_to=4)
    assert ownership_cost(facts, FactoryTerms(subsidy=subsidy)).parts["subsidy"] == -130_000_000
    assert ownership_cost(facts, FactoryTerms(subsidy=subsidy, level=3)).parts["subsidy"] == -50_000_000
    # nobody said a level: only what any project gets
    unknown = CostFacts(one_off_krw=300_000_000)
    assert ownership_cost(unknown, FactoryTerms(subsidy=subsidy)).parts["subsidy"] == -50_000_000


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
    figures=st.fixed_dictionaries(
        {
            "one_off_krw": st.none() | st.integers(0, 10**13),
            "subscription_krw": st.none() | st.integers(0, 10**13),
            "energy_kwh": st.none() | st.integers(-(10**9), 10**9),
            "training_krw": st.none() | st.integers(0, 10**13),
            "service_krw": st.none() | st.integers(0, 10**13),
        }
    ),
    years=st.integers(3, 5),
    level=st.none() | st.integers(1, 5),
    loan_krw=st.integers(0, 10**13),
    ratio_bp=st.sampled_from((9_500, 9_000)),
)
def test_every_part_is_the_sum_of_its_steps_and_each_step_has_a_basis(
    figures: dict[str, int | None], years: int, level: int | None, loan_krw: int, ratio_bp: int
) -> None:
    terms = FactoryTerms(
        years=years,
        energy_price_krw=150,
        level=level,
        subsidy=PROGRAMS.subsidy[0],
        loan=PROGRAMS.guarantee_loan[0],
        loan_krw=loan_krw,
        ratio_bp=ratio_bp,
    )
    found = ownership_cost(CostFacts(**figures), terms)  # type: ignore[arg-type]
    for line in found.lines:
        assert (line.krw or 0) == sum(step.krw or 0 for step in line.steps)
        assert all(step.ko and step.en and step.basis_ko and step.basis_en for step in line.steps)
    assert found.known_krw == sum(krw for krw in found.parts.values() if krw is not None)
