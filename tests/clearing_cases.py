"""Small rounds and pledges for Hypothesis, shared by the tests of everything that clears."""

from collections.abc import Sequence

from hypothesis import strategies as st

from catalog.core.offer import PriceTier
from group_buy.core.clearing import AllocationRule, PledgeLine, RoundTerms

RULES: tuple[AllocationRule, ...] = ("pro_rata", "time", "price_time")


@st.composite
def round_terms(
    draw: st.DrawFn, rules: Sequence[AllocationRule] = RULES, pack_size_max: int = 6, capacity_min: int = 1
) -> RoundTerms:
    pack_size = draw(st.integers(1, pack_size_max))
    packs = draw(st.integers(-(-capacity_min // pack_size), -(-capacity_min // pack_size) + 60 // pack_size))
    capacity = max(1, packs) * pack_size + draw(st.integers(0, pack_size - 1))
    quantity, price = draw(st.integers(1, min(12, capacity // pack_size * pack_size))), 100
    tiers = []
    for step, discount in draw(
        st.lists(st.tuples(st.integers(1, 15), st.integers(1, 20)), min_size=1, max_size=4)
    ):
        tiers.append(PriceTier(quantity, price))
        quantity, price = quantity + step, price - discount
    return RoundTerms(capacity, pack_size, tuple(tiers), draw(st.sampled_from(rules)))


@st.composite
def pledge_lines(
    draw: st.DrawFn, count_max: int = 10, minimum_max: int = 12, classes: int = 2
) -> list[PledgeLine]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(1, minimum_max),
                st.one_of(st.just(0), st.integers(0, 12)),
                st.none() | st.integers(15, 120),
                st.integers(0, classes - 1),
                st.integers(0, 8),
            ),
            max_size=count_max,
        )
    )
    return [
        PledgeLine(f"p{i}", low, low + span, limit, group, sequence)
        for i, (low, span, limit, group, sequence) in enumerate(drawn)
    ]
