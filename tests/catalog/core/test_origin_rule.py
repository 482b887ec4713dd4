"""대외무역관리규정 제86조 at its thresholds, to the won."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.origin_rule import (
    EXCEPTED_CHAPTERS,
    OriginInputError,
    OriginJudgment,
    judge_goods,
    judge_software,
    parse_hs,
)

ROBOT, MOTOR = "847950", "850152"


def judged(
    *, local_krw: int, cost_krw: int = 100_000_000, hs_in: str = MOTOR, **options: bool
) -> OriginJudgment:
    return judge_goods(
        hs_in=[hs_in], hs_out=ROBOT, cost_krw=cost_krw, cif_krw=cost_krw - local_krw, **options
    )


@pytest.mark.parametrize(
    ("hs_in", "local_krw", "domestic", "ratio_bp", "rule"),
    [
        (MOTOR, 50_999_999, False, 5099, "hs6_changed_51"),
        (MOTOR, 51_000_000, True, 5100, "hs6_changed_51"),
        (MOTOR, 51_000_001, True, 5100, "hs6_changed_51"),
        (ROBOT, 84_999_999, False, 8499, "hs6_unchanged_85"),
        (ROBOT, 85_000_000, True, 8500, "hs6_unchanged_85"),
        (ROBOT, 85_000_001, True, 8500, "hs6_unchanged_85"),
    ],
)
def test_one_won_decides_at_the_thresholds(
    hs_in: str, local_krw: int, domestic: bool, ratio_bp: int, rule: str
) -> None:
    found = judged(hs_in=hs_in, local_krw=local_krw)
    assert (found.domestic, found.ratio_bp, found.rule) == (domestic, ratio_bp, rule)


def test_a_threshold_between_two_won_is_not_rounded_in_anybodys_favor() -> None:
    # 51 % of 101 won is 51.51 won: 51 are too few, although 51/101 shows as 50.49 %
    assert [judged(cost_krw=101, local_krw=won).domestic for won in (51, 52)] == [False, True]


def test_six_digits_are_compared_and_no_more() -> None:
    same = judge_goods(hs_in=["8479.50-1000"], hs_out="8479.50-9000", cost_krw=100, cif_krw=40)
    other = judge_goods(hs_in=["8479.60"], hs_out="8479.50", cost_krw=100, cif_krw=40)
    assert (same.rule, same.domestic) == ("hs6_unchanged_85", False)
    assert (other.rule, other.domestic) == ("hs6_changed_51", True)


def test_one_material_of_the_same_subheading_asks_for_85_percent() -> None:
    found = judge_goods(hs_in=[MOTOR, ROBOT], hs_out=ROBOT, cost_krw=100, cif_krw=20)
    assert (found.rule, found.domestic) == ("hs6_unchanged_85", False)


def test_simple_processing_makes_nothing_domestic() -> None:
    found = judged(local_krw=99_000_000, is_simple_processing=True)
    assert (found.domestic, found.ratio_bp, found.rule) == (False, 9900, "simple_processing")
    assert found.steps[-1].law == "대외무역관리규정 제85조 제8항"


@pytest.mark.parametrize(("goods", "rule"), [("240220", "excepted_chapter"), ("250100", "hs6_changed_51")])
def test_chapters_1_to_24_are_outside_the_article(goods: str, rule: str) -> None:
    found = judge_goods(hs_in=["100630"], hs_out=goods, cost_krw=100, cif_krw=1)
    assert (found.rule, found.domestic) == (rule, rule == "hs6_changed_51")
    assert frozenset(range(1, 25)) <= EXCEPTED_CHAPTERS
    assert not EXCEPTED_CHAPTERS & {84, 85, 90}


def test_goods_without_imported_materials_are_wholly_local() -> None:
    found = judge_goods(hs_in=[], hs_out=ROBOT, cost_krw=100, cif_krw=0)
    assert (found.domestic, found.ratio_bp) == (True, 10_000)


def test_every_step_is_explained_in_both_languages_with_its_law() -> None:
    found = judged(local_krw=50_999_999)
    assert [(step.code, step.is_met) for step in found.steps] == [
        ("local_share", None),
        ("more_than_simple_processing", True),
        ("subheading_changed", True),
        ("share_at_least_51", False),
    ]
    assert found.steps[-1].ko == "51 %에 필요한 51,000,000원보다 1원 모자랍니다."
    assert found.steps[-1].en == "₩1 short of the ₩51,000,000 that 51 % asks for."
    assert {step.law for step in found.steps} == {"대외무역관리규정 제86조", "대외무역관리규정 제85조 제8항"}


@pytest.mark.parametrize(
    "code", ["8479", "84795", "00.11.22", "981000", "abc", "8479..50", "", "84795012345", "770000"]
)
def test_what_is_no_subheading_is_refused(code: str) -> None:
    with pytest.raises(OriginInputError):
        parse_hs(code)


@pytest.mark.parametrize(
    "code", ["847950", "8479.50", "8479.50-9000", "8479.50.9000", "8479509000", "8479.50.90"]
)
def test_subheadings_are_read_as_people_write_them(code: str) -> None:
    assert parse_hs(code) == "847950"


@pytest.mark.parametrize(
    ("cost_krw", "cif_krw", "field"), [(0, 0, "cost"), (-1, 0, "cost"), (100, 101, "cif"), (100, -1, "cif")]
)
def test_impossible_costs_are_refused_by_name(cost_krw: int, cif_krw: int, field: str) -> None:
    with pytest.raises(OriginInputError) as refused:
        judge_goods(hs_in=[MOTOR], hs_out=ROBOT, cost_krw=cost_krw, cif_krw=cif_krw)
    assert refused.value.field == field


def test_imported_value_without_a_code_is_refused() -> None:
    with pytest.raises(OriginInputError) as refused:
        judge_goods(hs_in=[], hs_out=ROBOT, cost_krw=100, cif_krw=1)
    assert refused.value.field == "hs_in"


@settings(deadline=None)
@given(cost_krw=st.integers(1, 10**15), percent=st.sampled_from((51, 85)), data=st.data())
def test_the_share_decides_exactly_and_grows_with_local_cost(
    cost_krw: int, percent: int, data: st.DataObject
) -> None:
    threshold = -(-percent * cost_krw // 100)
    local_krw = data.draw(
        st.one_of(st.sampled_from((max(threshold - 1, 0), threshold)), st.integers(0, cost_krw))
    )
    found = judged(cost_krw=cost_krw, local_krw=local_krw, hs_in=MOTOR if percent == 51 else ROBOT)
    assert found.domestic == (local_krw >= threshold)
    assert found.ratio_bp * cost_krw <= local_krw * 10_000 < (found.ratio_bp + 1) * cost_krw


def test_software_has_a_declared_rule_of_its_own() -> None:
    ours = judge_software(cost_krw=100, foreign_cost_krw=49, holds_source=True)
    assert (ours.domestic, ours.ratio_bp, ours.rule) == (True, 5100, "software_declared_51")
    assert not judge_software(cost_krw=100, foreign_cost_krw=50, holds_source=True).domestic
    assert not judge_software(cost_krw=100, foreign_cost_krw=0, holds_source=False).domestic
