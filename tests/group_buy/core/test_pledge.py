"""A pledge's lines when it is changed: places kept, and a change that may only help."""

from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.pledge import Line, LineInput, only_helps, queue_lines, raise_in_place


def test_a_form_of_one_line_raises_a_pledge_of_several_in_place() -> None:
    before = (Line(1, 1, 3, None, 0, 10), Line(2, 1, 2, None, 0, 20))
    assert raise_in_place(before, (LineInput(9),)) == (LineInput(3), LineInput(6))
    assert raise_in_place(before, (LineInput(5),)) == (LineInput(3), LineInput(2))
    for other in (LineInput(4), LineInput(9, 2), LineInput(9, 1, 800_000)):
        assert raise_in_place(before, (other,)) == (other,)
    assert raise_in_place(before[:1], (LineInput(9),)) == (LineInput(9),)
    assert raise_in_place((), (LineInput(9),)) == (LineInput(9),)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=4),
    st.integers(0, 100),
    st.sampled_from([None, 700_000]),
)
def test_raising_in_place_only_helps_and_keeps_every_place(
    maxima: list[int], more: int, limit: int | None
) -> None:
    before = tuple(Line(n, 1, high, limit, 0, n) for n, high in enumerate(maxima, start=1))
    after = raise_in_place(before, (LineInput(sum(maxima) + more, 1, limit),))
    assert only_helps(before, after)
    queued = queue_lines(after, before=before)
    assert [line.sequence for line in queued[: len(before)]] == [line.sequence for line in before]
    assert sum(line.quantity_max for line in queued) == sum(maxima) + more


def test_a_form_of_several_wishes_keeps_the_places_of_those_that_stay() -> None:
    steps = (Line(1, 1, 4, None, 0, 10), Line(2, 1, 6, 900_000, 0, 20))
    wishes = (LineInput(6, 1, 900_000),)
    queued = queue_lines(raise_in_place(steps, wishes), before=steps)
    assert [(line.quantity_max, line.sequence) for line in queued] == [(6, 20)]
    raised = (Line(1, 1, 4, None, 0, 10), Line(2, 1, 6, 900_000, 0, 20), Line(3, 1, 2, None, 0, 30))
    lines = raise_in_place(raised, (LineInput(9), LineInput(3, 1, 900_000)))
    assert lines == (LineInput(4), LineInput(5), LineInput(3, 1, 900_000))
    queued = queue_lines(lines, before=raised)
    assert [(line.quantity_max, line.sequence) for line in queued] == [(4, 10), (2, 30), (3, None), (3, None)]


LINE = st.tuples(st.integers(1, 3), st.integers(0, 9), st.sampled_from([None, 700_000, 900_000]))


@given(st.lists(LINE, min_size=1, max_size=4), st.lists(LINE, min_size=1, max_size=3))
def test_no_amendment_gives_units_an_earlier_place_than_they_had(
    before: list[tuple[int, int, int | None]], after: list[tuple[int, int, int | None]]
) -> None:
    old = tuple(Line(n, low, low + more, limit, 0, n) for n, (low, more, limit) in enumerate(before, start=1))
    wanted = tuple(LineInput(low + more, low, limit) for low, more, limit in after)
    queued = queue_lines(raise_in_place(old, wanted), before=old)
    assert sum(line.quantity_max for line in queued) == sum(wish.quantity_max for wish in wanted)
    kept = [line for line in queued if line.sequence is not None]
    assert len({line.sequence for line in kept}) == len(kept)
    for line in kept:
        [same] = [each for each in old if each.sequence == line.sequence]
        assert (line.quantity_min, line.limit_unit_price_krw) == (
            same.quantity_min,
            same.limit_unit_price_krw,
        )
        assert line.quantity_max <= same.quantity_max
