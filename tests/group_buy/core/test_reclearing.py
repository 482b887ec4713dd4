"""After lapsed payments: promises are kept, the price only rises with a fresh yes, and it ends (section 2.9)."""

from itertools import product

from clearing_cases import pledge_lines, round_terms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from catalog.core.offer import PriceTier
from group_buy.core.clearing import Clearing, LineId, PledgeLine, RoundTerms, clear_round
from group_buy.core.reclearing import ConsentWanted, Loss, Recleared, RoundFailed, reclear

few = settings(deadline=None, max_examples=250)
TERMS = RoundTerms(20, 1, (PriceTier(2, 100), PriceTier(6, 90), PriceTier(10, 80)), "time")


def a_line(name: str, low: int, high: int, limit: int | None = None, sequence: int = 1) -> PledgeLine:
    return PledgeLine(name, low, high, limit, 0, sequence)


def cleared(terms: RoundTerms, lines: list[PledgeLine]) -> Clearing:
    outcome = clear_round(terms, lines)
    assert isinstance(outcome, Clearing)
    return outcome


@st.composite
def losses(draw: st.DrawFn) -> tuple[RoundTerms, list[PledgeLine], Loss]:
    terms = draw(round_terms())
    lines = draw(pledge_lines(count_max=7))
    clearing = clear_round(terms, lines)
    assume(isinstance(clearing, Clearing))
    assert isinstance(clearing, Clearing)
    served = sorted(map(str, clearing.allocations))
    lapsed = draw(st.sets(st.sampled_from(served), min_size=1))
    return (
        terms,
        lines,
        Loss(
            clearing, lapsed, draw(st.sampled_from([0, 0, 1, 3])), draw(st.sampled_from([0, 0, 5, 40, 400]))
        ),
    )


def answered(loss: Loss, wanted: ConsentWanted, yes: set[LineId]) -> Loss:
    answers = {**loss.answers, **{i: wanted.unit_price_krw for i in wanted.lines_asked if i in yes}}
    refusals = {**loss.refusals, **{i: wanted.unit_price_krw for i in wanted.lines_asked if i not in yes}}
    return replace(loss, answers=answers, refusals=refusals)


def reaches(terms: RoundTerms, lines: list[PledgeLine], promised: dict[str, int], low: int) -> bool:
    """By trying every allocation: some admissible total of at least `low` keeps every promise."""
    choices = [
        range(promised[line.id], line.quantity_max + 1)
        if line.id in promised
        else (0, *range(line.quantity_min, line.quantity_max + 1))
        for line in lines
    ]
    return any(
        low <= sum(pick) <= terms.capacity and sum(pick) % terms.pack_size == 0 and sum(pick) > 0
        for pick in product(*choices)
    )


@few
@given(case=losses(), data=st.data())
def test_reclearing_keeps_every_promise_and_ends(
    case: tuple[RoundTerms, list[PledgeLine], Loss], data: st.DataObject
) -> None:
    terms, lines, loss = case
    by_id = {line.id: line for line in lines}
    prices_asked = []
    outcome = reclear(terms, lines, loss)
    while isinstance(outcome, ConsentWanted):
        prices_asked.append(outcome.unit_price_krw)
        assert len(prices_asked) <= len(terms.tiers)
        loss = answered(loss, outcome, data.draw(st.sets(st.sampled_from(outcome.lines_asked))))
        outcome = reclear(terms, lines, loss)
    assert prices_asked == sorted(set(prices_asked))
    if isinstance(outcome, RoundFailed):
        assert outcome.steps[-1].kind == "failed"
        return
    announced, after = loss.clearing, outcome.clearing
    assert after.unit_price_krw >= announced.unit_price_krw
    assert not set(after.allocations) & set(loss.lapsed)
    for line_id, quantity in after.allocations.items():
        line = by_id[line_id]
        assert line.limit_unit_price_krw is None or line.limit_unit_price_krw >= after.unit_price_krw
        assert max(line.quantity_min, announced.allocations.get(line_id, 0)) <= quantity <= line.quantity_max
        if after.unit_price_krw > announced.unit_price_krw:
            assert loss.answers[line_id] >= after.unit_price_krw
    if after.unit_price_krw == announced.unit_price_krw:
        assert set(announced.allocations) - set(loss.lapsed) <= set(after.allocations)
    assert after.quantity == sum(after.allocations.values()) <= terms.capacity
    assert after.quantity % terms.pack_size == 0
    assert 0 <= outcome.pool_krw <= loss.pool_krw
    if outcome.carried_by == "deposit_pool":
        own = max((t for t in terms.tiers if t.quantity_min <= after.quantity), key=lambda t: t.quantity_min)
        assert outcome.pool_krw == (own.unit_price_krw - announced.unit_price_krw) * after.quantity
    else:
        assert outcome.pool_krw == 0
        low = terms.tiers[after.tier_index].quantity_min
        assert after.quantity >= low - (loss.tolerance if outcome.carried_by != "same_tier" else 0)


@settings(deadline=None, max_examples=400)
@given(case=losses())
def test_the_price_is_held_at_the_tier_exactly_where_trying_everything_finds_a_way(
    case: tuple[RoundTerms, list[PledgeLine], Loss],
) -> None:
    terms, lines, loss = case
    announced = loss.clearing
    living = [
        line
        for line in lines
        if line.id not in loss.lapsed
        and (line.limit_unit_price_krw is None or line.limit_unit_price_krw >= announced.unit_price_krw)
    ]
    sizes = 1
    for line in living:
        sizes *= line.quantity_max - line.quantity_min + 2
    assume(sizes < 20_000)
    promised = {str(i): q for i, q in announced.allocations.items() if i not in loss.lapsed}
    first = reclear(terms, lines, loss).steps[0]
    low = terms.tiers[announced.tier_index].quantity_min
    assert (first.outcome == "reached") == reaches(terms, living, promised, low)


@few
@given(case=losses(), data=st.data())
def test_reclearing_does_not_depend_on_the_order_of_lines(
    case: tuple[RoundTerms, list[PledgeLine], Loss], data: st.DataObject
) -> None:
    terms, lines, loss = case
    assert reclear(terms, data.draw(st.permutations(lines)), loss) == reclear(terms, lines, loss)


def test_the_waiting_list_fills_the_hole_and_nobody_notices() -> None:
    terms = replace(TERMS, capacity=10)
    lines = [a_line("a", 1, 6), a_line("b", 4, 4, sequence=2), a_line("c", 1, 4, sequence=3)]
    clearing = cleared(terms, lines)
    assert clearing.allocations == {"a": 6, "b": 4}
    outcome = reclear(terms, lines, Loss(clearing, {"b"}))
    assert isinstance(outcome, Recleared)
    assert (outcome.carried_by, outcome.clearing) == ("same_tier", Clearing(2, 80, 10, {"a": 6, "c": 4}))


def test_then_the_vendor_then_the_pool_then_those_who_agree_carry_the_rise() -> None:
    lines = [a_line("a", 1, 5), a_line("b", 1, 4, sequence=2), a_line("c", 1, 1, limit=80, sequence=3)]
    clearing = cleared(TERMS, lines)
    assert (clearing.unit_price_krw, clearing.quantity) == (80, 10)
    lapsed = Loss(clearing, {"c"})
    by_vendor = reclear(TERMS, lines, replace(lapsed, tolerance=1))
    assert isinstance(by_vendor, Recleared)
    assert (by_vendor.carried_by, by_vendor.clearing.quantity) == ("vendor_tolerance", 9)
    by_pool = reclear(TERMS, lines, replace(lapsed, pool_krw=90))
    assert isinstance(by_pool, Recleared)
    assert (by_pool.carried_by, by_pool.pool_krw, by_pool.clearing.unit_price_krw) == ("deposit_pool", 90, 80)
    asked = reclear(TERMS, lines, replace(lapsed, pool_krw=89))
    assert isinstance(asked, ConsentWanted)
    assert (asked.unit_price_krw, asked.lines_asked) == (90, ("a", "b"))
    agreed = reclear(TERMS, lines, answered(lapsed, asked, {"a", "b"}))
    assert isinstance(agreed, Recleared)
    assert agreed.clearing == Clearing(1, 90, 9, {"a": 5, "b": 4})
    assert [(step.kind, step.outcome) for step in agreed.steps] == [
        ("same_tier", "not_reached"),
        ("price_rise", "reached"),
    ]


def test_silence_leaves_and_a_price_too_few_agree_to_asks_again_at_the_next() -> None:
    lines = [a_line("a", 1, 5), a_line("b", 1, 4, sequence=2), a_line("c", 1, 1, sequence=3)]
    loss = Loss(cleared(TERMS, lines), {"c"})
    asked = reclear(TERMS, lines, loss)
    assert isinstance(asked, ConsentWanted)
    loss = answered(loss, asked, {"a"})
    again = reclear(TERMS, lines, loss)
    assert isinstance(again, ConsentWanted)
    assert (again.unit_price_krw, again.lines_asked) == (100, ("a",))
    ended = reclear(TERMS, lines, answered(loss, again, {"a"}))
    assert isinstance(ended, Recleared)
    assert ended.clearing == Clearing(0, 100, 5, {"a": 5})
    assert isinstance(reclear(TERMS, lines, answered(loss, again, set())), RoundFailed)


def test_a_promise_is_more_than_the_first_place_in_line() -> None:
    """Packs of 4: alone, "a" with its 3 promised units makes no pack, while the newcomer of 4 would."""
    terms = RoundTerms(8, 4, (PriceTier(4, 100),), "time")
    lines = [a_line("a", 3, 3), a_line("b", 1, 1, sequence=2), a_line("d", 4, 4, sequence=3)]
    clearing = cleared(terms, lines)
    assert clearing.allocations == {"a": 3, "b": 1, "d": 4}
    outcome = reclear(terms, lines, Loss(clearing, {"b"}))
    assert isinstance(outcome, RoundFailed)
    assert outcome.steps[0].outcome == "not_reached"
