from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from group_buy.core.reachable import AdmissibleTotals, landings, part_between, sums_until

Line = tuple[int, int]
line_lists = st.lists(
    st.builds(lambda low, span: (low, low + span), st.integers(1, 7), st.integers(0, 4)), max_size=5
)


def sums_of(lines: list[Line]) -> set[int]:
    choices = [[0, *range(low, high + 1)] for low, high in lines]
    return {sum(quantities) for quantities in product(*choices)}


def members(sums: int) -> set[int]:
    return {i for i in range(sums.bit_length()) if sums >> i & 1}


@settings(deadline=None)
@given(
    smallest=st.integers(1, 20),
    largest=st.integers(0, 30),
    pack_size=st.integers(1, 7),
    base=st.integers(0, 25),
    width=st.integers(0, 30),
)
def test_admissible_totals_are_the_whole_packs_between(
    smallest: int, largest: int, pack_size: int, base: int, width: int
) -> None:
    totals = AdmissibleTotals.between(smallest, largest, pack_size)
    expected = [total for total in range(smallest, largest + 1) if total % pack_size == 0]
    inside = [total for total in expected if base <= total <= base + width]
    assert members(totals.bits(base, base + width)) == {total - base for total in inside}
    assert totals.largest_within(base, base + width) == max(inside, default=None)


@settings(deadline=None)
@given(lines=line_lists, width=st.integers(1, 40))
def test_sums_are_exactly_those_that_the_lines_can_make(lines: list[Line], width: int) -> None:
    minima, maxima = [low for low, _ in lines], [high for _, high in lines]
    found = sums_until(1, minima, maxima, width=width, wanted=0)
    assert members(found) == {total for total in sums_of(lines) if total < width}


@settings(deadline=None)
@given(lines=line_lists, wanted=st.sets(st.integers(0, 30)))
def test_landings_are_the_sums_that_the_lines_after_can_complete(lines: list[Line], wanted: set[int]) -> None:
    minima, maxima = [low for low, _ in lines], [high for _, high in lines]
    found = list(landings(minima, maxima, sum(1 << total for total in wanted)))
    assert len(found) == len(lines)
    for i, landing in enumerate(found):
        after = sums_of(lines[i + 1 :])
        assert members(landing) == {total - more for total in wanted for more in after if total >= more}


def test_a_part_of_a_set_starts_at_its_lowest_member() -> None:
    assert part_between(0b110100, 2, 4) == 0b101
