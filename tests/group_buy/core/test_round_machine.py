"""A round's whole life against a simple model: join, amend, withdraw, close, fail, in any order Hypothesis finds."""

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from catalog.core.offer import PriceTier
from group_buy.core.clearing import Clearing, PledgeLine, RoundTerms, clear_round
from group_buy.core.pledge import PLEDGE_LINES_MAX, Line, LineInput, only_helps, queue_lines
from group_buy.core.reclearing import ConsentWanted, Loss, Recleared, reclear
from group_buy.errors import InvalidPledge

TERMS = RoundTerms(24, 2, (PriceTier(4, 100), PriceTier(10, 90), PriceTier(18, 80)), "pro_rata")
WISH = st.builds(
    lambda low, more, limit: LineInput(low + more, low, limit),
    st.integers(1, 4),
    st.integers(0, 6),
    st.sampled_from([None, 80, 90]),
)


@dataclass
class Model:
    lines: dict[int, tuple[Line, ...]] = field(default_factory=dict)
    clock: int = 0


class RoundMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.clearing: Clearing | None = None
        self.lapsed: set[str] = set()
        self.counted: list[PledgeLine] = []

    def write(self, buyer: int, wishes: tuple[LineInput, ...]) -> None:
        queued = queue_lines(wishes, before=self.model.lines.get(buyer, ()))
        lines = []
        for number, line in enumerate(queued, start=1):
            self.model.clock += line.sequence is None
            sequence = self.model.clock if line.sequence is None else line.sequence
            lines.append(
                Line(number, line.quantity_min, line.quantity_max, line.limit_unit_price_krw, 0, sequence)
            )
        self.model.lines[buyer] = tuple(lines)

    def all_lines(self) -> list[PledgeLine]:
        return [
            PledgeLine(
                f"{buyer}:{line.line_no}",
                line.quantity_min,
                line.quantity_max,
                line.limit_unit_price_krw,
                0,
                line.sequence,
            )
            for buyer, lines in self.model.lines.items()
            for line in lines
        ]

    def price_now(self) -> float:
        outcome = clear_round(TERMS, self.all_lines())
        return outcome.unit_price_krw if isinstance(outcome, Clearing) else float("inf")

    @precondition(lambda self: self.clearing is None)
    @rule(buyer=st.integers(0, 6), wish=WISH)
    def join(self, buyer: int, wish: LineInput) -> None:
        if not self.model.lines.get(buyer):
            before = self.price_now()
            self.write(buyer, (wish,))
            assert self.price_now() <= before

    @precondition(lambda self: self.clearing is None)
    @rule(buyer=st.integers(0, 6), more=st.integers(1, 4))
    def raise_the_maximum(self, buyer: int, more: int) -> None:
        old = self.model.lines.get(buyer, ())
        if not old or len(old) >= PLEDGE_LINES_MAX:
            return
        wishes = tuple(
            LineInput(
                line.quantity_max + more * (line is old[0]), line.quantity_min, line.limit_unit_price_krw
            )
            for line in old
        )
        assert only_helps(old, wishes)
        before = self.price_now()
        self.write(buyer, wishes)
        new = self.model.lines[buyer]
        assert [line.sequence for line in new[: len(old)]] == [line.sequence for line in old]
        assert new[-1].sequence == self.model.clock
        assert self.price_now() <= before

    @precondition(lambda self: self.clearing is None)
    @rule(buyer=st.integers(0, 6), wish=WISH)
    def amend(self, buyer: int, wish: LineInput) -> None:
        if self.model.lines.get(buyer):
            with suppress(InvalidPledge):
                self.write(buyer, (wish,))

    @precondition(lambda self: self.clearing is None)
    @rule(buyer=st.integers(0, 6))
    def withdraw(self, buyer: int) -> None:
        if self.model.lines.get(buyer):
            before = self.price_now()
            self.write(buyer, ())
            assert self.price_now() >= before

    @precondition(lambda self: self.clearing is None)
    @rule()
    def close(self) -> None:
        outcome = clear_round(TERMS, self.all_lines())
        if isinstance(outcome, Clearing):
            self.clearing, self.counted = outcome, self.all_lines()

    @precondition(lambda self: self.clearing is not None and self.clearing.allocations)
    @rule(data=st.data(), pool=st.sampled_from([0, 0, 30, 300]), agree=st.booleans())
    def fail(self, data: st.DataObject, pool: int, agree: bool) -> None:
        assert self.clearing is not None
        self.lapsed.add(data.draw(st.sampled_from(sorted(map(str, self.clearing.allocations)))))
        loss = Loss(self.clearing, frozenset(self.lapsed), 0, pool)
        outcome = reclear(TERMS, self.counted, loss)
        while isinstance(outcome, ConsentWanted):
            answers = dict.fromkeys(outcome.lines_asked, outcome.unit_price_krw)
            loss = replace(loss, **{"answers" if agree else "refusals": answers})
            outcome = reclear(TERMS, self.counted, loss)
        if isinstance(outcome, Recleared):
            assert outcome.clearing.unit_price_krw >= self.clearing.unit_price_krw
            if not agree:
                assert outcome.clearing.unit_price_krw == self.clearing.unit_price_krw
            self.lapsed |= {
                str(i) for i in self.clearing.allocations if i not in outcome.clearing.allocations
            }
            self.clearing = outcome.clearing
        else:
            self.clearing = Clearing(0, 100, 0, {})

    @precondition(lambda self: self.clearing is not None and not self.clearing.allocations)
    @rule()
    def begin_anew(self) -> None:
        self.model, self.clearing, self.lapsed, self.counted = Model(), None, set(), []

    @invariant()
    def what_is_sold_is_whole_and_within_limits(self) -> None:
        if self.clearing is None:
            return
        by_id = {line.id: line for line in self.counted}
        assert sum(self.clearing.allocations.values()) == self.clearing.quantity <= TERMS.capacity
        assert self.clearing.quantity % TERMS.pack_size == 0
        assert not self.lapsed & {str(i) for i in self.clearing.allocations}
        for line_id, quantity in self.clearing.allocations.items():
            line = by_id[line_id]
            assert line.quantity_min <= quantity <= line.quantity_max
            limit = line.limit_unit_price_krw
            assert limit is None or self.clearing.unit_price_krw <= limit


TestRoundMachine = RoundMachine.TestCase
TestRoundMachine.settings = settings(deadline=None, max_examples=60, stateful_step_count=20)
