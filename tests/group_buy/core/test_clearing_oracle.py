"""Clearing against a slow reading of the rule: every allocation of a small round is enumerated."""

import random
from itertools import product
from typing import Any

import pytest

from catalog.core.offer import PriceTier
from group_buy.core import reachable
from group_buy.core.clearing import AllocationRule, Clearing, PledgeLine, RoundTerms, Shortfall, clear_round

RULES: tuple[AllocationRule, ...] = ("pro_rata", "time", "price_time")
ROUNDS_PER_RULE = 1_500


def oracle(terms: RoundTerms, lines: list[PledgeLine]) -> tuple[int, dict[str | int, int]] | None:
    """Tier index and served units by the docstring of `group_buy.core.clearing`, word for word."""
    first_price = terms.tiers[0].unit_price_krw

    def priority(line: PledgeLine) -> tuple[Any, ...]:
        limit = first_price if line.limit_unit_price_krw is None else line.limit_unit_price_krw
        firmness = -limit if terms.allocation_rule == "price_time" else 0
        return (line.priority_class, firmness, line.sequence, line.id)

    ordered = sorted(lines, key=priority)
    for k in reversed(range(len(terms.tiers))):
        admissible = admissible_allocations(terms, k, ordered)
        if admissible:
            chosen = (
                shared_pro_rata(terms, k, ordered, admissible)
                if terms.allocation_rule == "pro_rata"
                else max(admissible)
            )
            return k, {line.id: quantity for line, quantity in zip(ordered, chosen, strict=True) if quantity}
    return None


def admissible_allocations(terms: RoundTerms, k: int, ordered: list[PledgeLine]) -> list[tuple[int, ...]]:
    tier = terms.tiers[k]

    def choices(line: PledgeLine) -> list[int]:
        if line.limit_unit_price_krw is not None and line.limit_unit_price_krw < tier.unit_price_krw:
            return [0]
        return [0, *range(line.quantity_min, min(line.quantity_max, terms.capacity) + 1)]

    return [
        allocation
        for allocation in product(*map(choices, ordered))
        if tier.quantity_min <= sum(allocation) <= terms.capacity and sum(allocation) % terms.pack_size == 0
    ]


def shared_pro_rata(
    terms: RoundTerms, k: int, ordered: list[PledgeLine], admissible: list[tuple[int, ...]]
) -> tuple[int, ...]:
    accepted: list[int] = []
    for i in range(len(ordered)):
        if any(all(allocation[j] for j in [*accepted, i]) for allocation in admissible):
            accepted.append(i)
    total = max(
        sum(allocation)
        for allocation in admissible
        if {i for i, quantity in enumerate(allocation) if quantity} == set(accepted)
    )
    chosen = [line.quantity_min if i in accepted else 0 for i, line in enumerate(ordered)]
    room = [line.quantity_max - line.quantity_min if i in accepted else 0 for i, line in enumerate(ordered)]
    extra = [0] * len(ordered)
    for _ in range(total - sum(chosen)):
        priority_class = min(
            line.priority_class
            for i, line in enumerate(ordered)
            if sum(extra[j] for j in same_class(ordered, line))
            < sum(room[j] for j in same_class(ordered, line))
            and i in accepted
        )
        members = [i for i, line in enumerate(ordered) if line.priority_class == priority_class and room[i]]
        winner = members[0]
        for i in members[1:]:
            if room[i] * (2 * extra[winner] + 1) > room[winner] * (2 * extra[i] + 1):
                winner = i
        extra[winner] += 1
    return tuple(map(sum, zip(chosen, extra, strict=True)))


def same_class(ordered: list[PledgeLine], line: PledgeLine) -> list[int]:
    return [i for i, other in enumerate(ordered) if other.priority_class == line.priority_class]


def small_round(chance: random.Random, rule: AllocationRule) -> tuple[RoundTerms, list[PledgeLine]]:
    pack_size = chance.choice([1, 1, 2, 3, 4, 5])
    capacity = chance.randint(pack_size, 16)
    packs_max = capacity // pack_size * pack_size
    tiers = []
    quantity, price = chance.randint(1, packs_max), chance.randint(20, 30)
    for _ in range(chance.randint(1, 4)):
        tiers.append(PriceTier(quantity, price))
        quantity += chance.randint(1, 4)
        price -= chance.randint(1, 4)
    lumpy = chance.random() < 0.5
    lines = []
    for i in range(chance.randint(0, 6)):
        minimum = chance.randint(1, 8 if lumpy else 3)
        maximum = minimum if lumpy and chance.random() < 0.7 else minimum + chance.randint(0, 5)
        limit = None if chance.random() < 0.3 else chance.randint(8, 32)
        lines.append(PledgeLine(f"p{i}", minimum, maximum, limit, chance.randint(0, 2), chance.randint(0, 5)))
    return RoundTerms(capacity, pack_size, tuple(tiers), rule), lines


@pytest.mark.parametrize("widths", [reachable._WIDTHS, (2, 4, 8)], ids=["product widths", "tiny widths"])
@pytest.mark.parametrize("rule", RULES)
def test_clearing_agrees_with_the_written_rule_on_every_small_round(
    rule: AllocationRule, widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiny widths make the search for a safe prefix stop in the middle of a small round, too."""
    monkeypatch.setattr(reachable, "_WIDTHS", widths)
    chance = random.Random(f"clearing {rule} {widths}")
    cleared = 0
    for _ in range(ROUNDS_PER_RULE):
        terms, lines = small_round(chance, rule)
        expected = oracle(terms, lines)
        outcome = clear_round(terms, chance.sample(lines, len(lines)))
        if expected is None:
            assert isinstance(outcome, Shortfall), (terms, lines)
        else:
            assert isinstance(outcome, Clearing), (terms, lines)
            k, allocations = expected
            assert (outcome.tier_index, dict(outcome.allocations)) == (k, allocations), (terms, lines)
            assert list(outcome.allocations) == list(allocations)
            assert outcome.quantity == sum(allocations.values())
            cleared += 1
    assert ROUNDS_PER_RULE // 4 < cleared < ROUNDS_PER_RULE
