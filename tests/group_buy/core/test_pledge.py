"""A pledge's lines when it is changed: places kept, and a change that may only help."""

from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.pledge import Line, LineInput, only_helps, queue_lines, raise_in_place


def test_a_form_of_one_line_raises_a_pledge_of_several_in_place() -> None:
    before = (Line(1, 1, 3, None, 0, 10), Line(2, 1, 2, None, 0, 20))
    assert raise_in_place(before, LineInput(9)) == (LineInput(3), LineInput(6))
    assert raise_in_place(before, LineInput(5)) == (LineInput(3), LineInput(2))
    for other in (LineInput(4), LineInput(9, 2), LineInput(9, 1, 800_000)):
        assert raise_in_place(before, other) == (other,)
    assert raise_in_place(before[:1], LineInput(9)) == (LineInput(9),)
    assert raise_in_place((), LineInput(9)) == (LineInput(9),)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=4),
    st.integers(0, 100),
    st.sampled_from([None, 700_000]),
)
def test_raising_in_place_only_helps_and_keeps_every_place(
    maxima: list[int], more: int, limit: int | None
) -> None:
    before = tuple(Line(n, 1, high, limit, 0, n) for n, high in enumerate(maxima, start=1))
    after = raise_in_place(before, LineInput(sum(maxima) + more, 1, limit))
    assert only_helps(before, after)
    queued = queue_lines(after, before=before)
    assert [line.sequence for line in queued[: len(before)]] == [line.sequence for line in before]
    assert sum(line.quantity_max for line in queued) == sum(maxima) + more
