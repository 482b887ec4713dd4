"""What clearing promises, for any round that Hypothesis finds (group-buy.md, sections 2.4 and 2.9).

With whole packs or lumpy minima the promises on the price hold unchanged. The promises on single
lines are narrower there, since a total must land on a whole pack: each test says under what terms.
"""

import math

from clearing_cases import pledge_lines, round_terms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from catalog.core.offer import PriceTier, reached_tier
from group_buy.core.clearing import (
    Clearing,
    LineId,
    PledgeLine,
    RoundTerms,
    Shortfall,
    clear_round,
    in_priority_order,
)
from group_buy.core.explanation import explain

promise = settings(deadline=None, max_examples=250)


def price_of(outcome: Clearing | Shortfall) -> float:
    return outcome.unit_price_krw if isinstance(outcome, Clearing) else math.inf


def units_of(outcome: Clearing | Shortfall, line_id: LineId) -> int:
    return outcome.allocations.get(line_id, 0) if isinstance(outcome, Clearing) else 0


def accepts(line: PledgeLine, price_krw: int) -> bool:
    return line.limit_unit_price_krw is None or line.limit_unit_price_krw >= price_krw


@promise
@given(terms=round_terms(), lines=pledge_lines())
def test_nobody_pays_above_their_limit_or_gets_other_than_they_asked(
    terms: RoundTerms, lines: list[PledgeLine]
) -> None:
    outcome = clear_round(terms, lines)
    if isinstance(outcome, Clearing):
        by_id = {line.id: line for line in lines}
        for line_id, quantity in outcome.allocations.items():
            line = by_id[line_id]
            assert accepts(line, outcome.unit_price_krw)
            assert line.quantity_min <= quantity <= line.quantity_max


@promise
@given(terms=round_terms(), lines=pledge_lines())
def test_whole_packs_within_the_capacity_are_sold_at_the_price_of_the_vendors_schedule(
    terms: RoundTerms, lines: list[PledgeLine]
) -> None:
    outcome = clear_round(terms, lines)
    if isinstance(outcome, Clearing):
        assert outcome.quantity == sum(outcome.allocations.values())
        assert 0 < outcome.quantity <= terms.capacity
        assert outcome.quantity % terms.pack_size == 0
        assert reached_tier(terms.tiers, outcome.quantity) == terms.tiers[outcome.tier_index]
        assert outcome.unit_price_krw == terms.tiers[outcome.tier_index].unit_price_krw


@promise
@given(terms=round_terms(), lines=pledge_lines(), data=st.data())
def test_the_order_of_the_input_changes_nothing(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    outcome = clear_round(terms, lines)
    again = clear_round(terms, data.draw(st.permutations(lines)))
    assert again == outcome == clear_round(terms, lines)
    if isinstance(outcome, Clearing) and isinstance(again, Clearing):
        assert list(again.allocations) == list(outcome.allocations)


@promise
@given(terms=round_terms(), lines=pledge_lines(), newcomer=pledge_lines(count_max=1))
def test_another_pledge_never_raises_the_price(
    terms: RoundTerms, lines: list[PledgeLine], newcomer: list[PledgeLine]
) -> None:
    more = [*lines, *(replace(line, id="newcomer") for line in newcomer)]
    assert price_of(clear_round(terms, more)) <= price_of(clear_round(terms, lines))


@promise
@given(terms=round_terms(), lines=pledge_lines(), data=st.data())
def test_no_coalition_gets_a_lower_price_alone(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    """The one price is in the core (section 2.4): whoever leaves together pays at least as much."""
    coalition = [line for line in lines if data.draw(st.booleans())]
    assert price_of(clear_round(terms, coalition)) >= price_of(clear_round(terms, lines))


@promise
@given(terms=round_terms(), lines=pledge_lines(), data=st.data())
def test_a_wider_line_never_raises_the_price(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    """Maximum raised, minimum lowered, limit raised or dropped: with packs and lumps alike."""
    assume(lines)
    i = data.draw(st.integers(0, len(lines) - 1))
    line = lines[i]
    limit = line.limit_unit_price_krw
    wider = data.draw(
        st.sampled_from(
            [
                replace(line, quantity_max=line.quantity_max + data.draw(st.integers(1, 9))),
                replace(line, quantity_min=data.draw(st.integers(1, line.quantity_min))),
                replace(line, limit_unit_price_krw=None),
                replace(line, limit_unit_price_krw=None if limit is None else limit + 5),
            ]
        )
    )
    changed = [*lines[:i], wider, *lines[i + 1 :]]
    assert price_of(clear_round(terms, changed)) <= price_of(clear_round(terms, lines))


@promise
@given(terms=round_terms(), lines=pledge_lines(), more=st.integers(1, 20))
def test_more_capacity_or_a_finer_pack_never_raises_the_price(
    terms: RoundTerms, lines: list[PledgeLine], more: int
) -> None:
    """A finer pack is one that divides the old one; any other pack size may raise the price."""
    price = price_of(clear_round(terms, lines))
    assert price_of(clear_round(replace(terms, capacity=terms.capacity + more), lines)) <= price
    for finer in range(1, terms.pack_size):
        if terms.pack_size % finer == 0:
            assert price_of(clear_round(replace(terms, pack_size=finer), lines)) <= price


@promise
@given(terms=round_terms(rules=("time",)), lines=pledge_lines(classes=1), newcomer=pledge_lines(1, classes=1))
def test_of_the_lines_that_a_later_pledge_changes_the_first_gains(
    terms: RoundTerms, lines: list[PledgeLine], newcomer: list[PledgeLine]
) -> None:
    """At the same tier in a time round, whatever the packs and minima."""
    before = clear_round(terms, lines)
    after = clear_round(terms, [*lines, *(replace(line, id="z", sequence=99) for line in newcomer)])
    assume(isinstance(before, Clearing) and price_of(before) == price_of(after))
    elders = [line.id for line in in_priority_order(terms, lines)]
    assert [units_of(after, elder) for elder in elders] >= [units_of(before, elder) for elder in elders]


@promise
@given(
    terms=round_terms(rules=("time", "price_time"), pack_size_max=1),
    lines=pledge_lines(minimum_max=1, classes=1),
    newcomer=pledge_lines(1, classes=1),
)
def test_a_later_pledge_takes_nothing(
    terms: RoundTerms, lines: list[PledgeLine], newcomer: list[PledgeLine]
) -> None:
    """At the same tier, where units are single and minima are one. Lumps may have to make way:
    with packs of 5, lines of 1..4 and of 3 units share 2 and 3; a third of one unit lets the first
    have 4, and the second goes.
    """
    before = clear_round(terms, lines)
    last = [replace(line, id="z", sequence=99, limit_unit_price_krw=15) for line in newcomer]
    after = clear_round(terms, [*lines, *last])
    assume(isinstance(before, Clearing) and price_of(before) == price_of(after))
    assert all(units_of(after, line.id) == units_of(before, line.id) for line in lines)


def test_a_later_lump_can_let_the_first_line_have_more_and_the_second_go() -> None:
    terms = RoundTerms(5, 5, (PriceTier(5, 100),), "time")
    first, second = PledgeLine("a", 1, 4, None, 0, 1), PledgeLine("b", 3, 3, None, 0, 2)
    third = PledgeLine("c", 1, 1, None, 0, 3)
    assert clear_round(terms, [first, second]) == Clearing(0, 100, 5, {"a": 2, "b": 3})
    assert clear_round(terms, [first, second, third]) == Clearing(0, 100, 5, {"a": 4, "c": 1})


@promise
@given(
    terms=round_terms(rules=("pro_rata",), pack_size_max=1),
    lines=pledge_lines(classes=2),
    data=st.data(),
)
def test_in_a_pro_rata_round_an_accepted_line_that_withdraws_takes_nothing_from_the_others(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    """Among the accepted lines, at the same tier, with single units. A refused line may move up
    into the room and share, and with packs a smaller total may be the largest whole one.
    """
    outcome = clear_round(terms, lines)
    assume(isinstance(outcome, Clearing) and len(outcome.allocations) > 1)
    accepted = [line for line in lines if units_of(outcome, line.id)]
    assert clear_round(terms, accepted) == outcome
    leaver = data.draw(st.sampled_from(accepted))
    rest = [line for line in accepted if line is not leaver]
    after = clear_round(terms, rest)
    assume(price_of(after) == price_of(outcome))
    assert all(units_of(after, line.id) >= units_of(outcome, line.id) for line in rest)


@promise
@given(
    terms=round_terms(pack_size_max=1, capacity_min=400),
    lines=pledge_lines(),
    told=st.none() | st.integers(15, 120),
    data=st.data(),
)
def test_telling_the_true_limit_is_never_worse_where_the_capacity_does_not_bind(
    terms: RoundTerms, lines: list[PledgeLine], told: int | None, data: st.DataObject
) -> None:
    assume(lines)
    i = data.draw(st.integers(0, len(lines) - 1))
    worth = data.draw(st.integers(15, 120))

    def gain_krw(limit: int | None) -> int:
        changed = replace(lines[i], limit_unit_price_krw=limit)
        outcome = clear_round(terms, [*lines[:i], changed, *lines[i + 1 :]])
        units = units_of(outcome, changed.id)
        return (worth - outcome.unit_price_krw) * units if isinstance(outcome, Clearing) else 0

    assert gain_krw(worth) >= max(0, gain_krw(told))


@promise
@given(
    terms=round_terms(rules=("price_time",), pack_size_max=1),
    lines=pledge_lines(minimum_max=1, classes=1),
)
def test_in_a_price_time_round_the_cheaper_tier_takes_no_unit_from_those_who_would_pay_more(
    terms: RoundTerms, lines: list[PledgeLine]
) -> None:
    """Where units are single and minima are one."""
    outcome = clear_round(terms, lines)
    for count in range(1, len(terms.tiers)):
        dearer = clear_round(replace(terms, tiers=terms.tiers[:count]), lines)
        if isinstance(dearer, Clearing):
            for line_id, units in dearer.allocations.items():
                assert units_of(outcome, line_id) >= units


@promise
@given(terms=round_terms(), lines=pledge_lines())
def test_an_explanation_agrees_with_what_it_explains(terms: RoundTerms, lines: list[PledgeLine]) -> None:
    outcome = clear_round(terms, lines)
    explanation = explain(terms, lines, outcome)
    assert [row.pledge_id for row in explanation.lines] == [line.id for line in lines]
    for row, line in zip(explanation.lines, lines, strict=True):
        assert row.quantity == units_of(outcome, line.id)
        assert (row.quantity > 0) == (row.reason in {"served_full", "served_part"})
        assert (row.reason == "served_full") == (row.quantity == line.quantity_max)
        assert (row.reason == "round_fell_short") == isinstance(outcome, Shortfall)
    reachable = [row.tier_index for row in explanation.tiers if row.quantity_largest is not None]
    chosen = [row.tier_index for row in explanation.tiers if row.status == "chosen"]
    if isinstance(outcome, Clearing):
        assert chosen == [outcome.tier_index] == [max(reachable)]
        assert outcome.quantity <= (explanation.tiers[outcome.tier_index].quantity_largest or 0)
    else:
        assert chosen == reachable == []
