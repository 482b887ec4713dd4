"""A sponsor pays exactly what was promised, and never more than is open."""

from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.sponsorship import MemberBill, Sponsorship, sponsored_krw

BILLS = st.lists(
    st.integers(0, 10**12).flatmap(
        lambda total: st.builds(MemberBill, st.just(total), st.integers(0, total))
    ),
    max_size=12,
)


def test_a_share_of_each_bill_is_rounded_down_and_capped() -> None:
    bills = [MemberBill(10_999, 10_999), MemberBill(1_000_000, 1_000_000), MemberBill(1_000_000, 40_000)]
    assert sponsored_krw(Sponsorship("share", 3_000, None), bills) == [3_299, 300_000, 40_000]
    assert sponsored_krw(Sponsorship("share", 3_000, 100_000), bills) == [3_299, 100_000, 40_000]


def test_a_top_up_is_divided_by_totals_and_what_one_does_not_need_goes_to_the_others() -> None:
    bills = [MemberBill(300, 300), MemberBill(300, 10), MemberBill(400, 400)]
    assert sponsored_krw(Sponsorship("top_up", 0, 100), bills) == [39, 10, 51]
    assert sponsored_krw(Sponsorship("top_up", 0, 10_000), bills) == [300, 10, 400]
    assert sponsored_krw(Sponsorship("top_up", 0, 100), []) == []


@given(BILLS, st.integers(0, 10_000), st.none() | st.integers(0, 10**12))
def test_a_share_is_never_above_its_part_its_cap_or_what_is_open(
    bills: list[MemberBill], share_bp: int, krw_max: int | None
) -> None:
    for bill, krw in zip(bills, sponsored_krw(Sponsorship("share", share_bp, krw_max), bills), strict=True):
        assert 0 <= krw <= bill.open_krw
        assert krw * 10_000 <= share_bp * bill.total_krw
        assert krw_max is None or krw <= krw_max


@given(BILLS, st.integers(0, 10**13))
def test_a_top_up_is_used_to_the_won_or_everything_is_paid(bills: list[MemberBill], budget_krw: int) -> None:
    parts = sponsored_krw(Sponsorship("top_up", 0, budget_krw), bills)
    assert all(0 <= krw <= bill.open_krw for krw, bill in zip(parts, bills, strict=True))
    assert sum(parts) == min(budget_krw, sum(bill.open_krw for bill in bills))
