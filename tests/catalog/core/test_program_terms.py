"""Terms of support programs: the vectors of the survey (mission.md section 7), days, and what no term allows."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.program_terms import is_in_force, loan_steps, percent_text, subsidy_steps, total_krw
from catalog.reference_data import PROGRAMS

[SUBSIDY] = PROGRAMS.subsidy
[LOAN] = PROGRAMS.guarantee_loan
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("cost_krw", "level", "paid_krw"),
    [
        (60 * MILLION, 3, 30 * MILLION),
        (150 * MILLION, 3, 50 * MILLION),  # the cap
        (150 * MILLION, 4, 70 * MILLION),
        (300 * MILLION, 4, 130 * MILLION),
        (475 * MILLION, 4, 200 * MILLION),  # the cap is reached exactly
        (475 * MILLION + 3, 4, 200 * MILLION),
        (475 * MILLION - 3, 4, 200 * MILLION - 2),  # 40 % of a part, rounded down
        (600 * MILLION, 5, 200 * MILLION),
        (60 * MILLION, None, 30 * MILLION),
        (1, 1, 0),
        (0, 4, 0),
    ],
)
def test_the_subsidy_of_2017_pays_what_its_terms_say(cost_krw: int, level: int | None, paid_krw: int) -> None:
    assert total_krw(subsidy_steps(SUBSIDY, cost_krw=cost_krw, level=level)) == paid_krw


@pytest.mark.parametrize(("ratio_bp", "saved_krw"), [(9_500, 1_380_000), (9_000, 1_360_000)])
def test_a_guaranteed_loan_of_100_million_saves_what_its_terms_say(ratio_bp: int, saved_krw: int) -> None:
    assert total_krw(loan_steps(LOAN, loan_krw=100 * MILLION, ratio_bp=ratio_bp)) == saved_krw


def test_a_ratio_that_the_terms_do_not_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="8500"):
        loan_steps(LOAN, loan_krw=MILLION, ratio_bp=8_500)


def test_terms_hold_on_both_their_ends_and_not_a_day_longer() -> None:
    days = [date(2016, 12, 31), date(2017, 1, 1), date(2017, 12, 31), date(2018, 1, 1)]
    assert [is_in_force(SUBSIDY, day=day) for day in days] == [False, True, True, False]


def test_every_shipped_term_has_days_a_source_and_a_code_of_its_own() -> None:
    terms = [*PROGRAMS.subsidy, *PROGRAMS.guarantee_loan]
    assert all(term.source and term.valid_from for term in terms)
    assert len({term.code for term in terms}) == len(terms)
    assert PROGRAMS.version


@settings(deadline=None)
@given(cost_krw=st.integers(0, 10**13), level=st.integers(1, 5))
def test_a_subsidy_stays_below_price_and_cap_and_a_dearer_project_never_gets_less(
    cost_krw: int, level: int
) -> None:
    paid_krw = total_krw(subsidy_steps(SUBSIDY, cost_krw=cost_krw, level=level))
    assert 0 <= paid_krw <= min(cost_krw, 200 * MILLION)
    assert paid_krw <= total_krw(subsidy_steps(SUBSIDY, cost_krw=cost_krw + 1, level=level))


def test_percents_are_written_without_idle_zeros() -> None:
    assert [percent_text(bp) for bp in (5_000, 40, 138, 105)] == ["50 %", "0.4 %", "1.38 %", "1.05 %"]
