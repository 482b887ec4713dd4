"""Proofs: one digest whatever the order, replayable offline, and no sum that gives a few buyers away."""

import itertools
import json
from typing import Any

from clearing_cases import pledge_lines, round_terms
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.offer import PriceTier
from group_buy.core.clearing import PledgeLine, RoundTerms, clear_round
from group_buy.core.proof import GROUP_MIN, canonical_input, input_sha256, member_proof
from group_buy.core.simulation import simulate_json

TERMS = RoundTerms(30, 1, (PriceTier(2, 100), PriceTier(6, 90), PriceTier(12, 80)), "time")


def of_buyers(lines: list[PledgeLine]) -> dict[Any, Any]:
    return {line.id: line.id for line in lines}


@settings(deadline=None, max_examples=100)
@given(terms=round_terms(), lines=pledge_lines(), data=st.data())
def test_an_auditor_replays_the_input_and_finds_the_same_digest_and_outcome(
    terms: RoundTerms, lines: list[PledgeLine], data: st.DataObject
) -> None:
    text = canonical_input(terms, lines)
    assert canonical_input(terms, data.draw(st.permutations(lines))) == text
    answer, ok = simulate_json(text, explain=True)
    replayed = json.loads(answer)
    proof = member_proof(terms, lines, clear_round(terms, lines), buyer_of=of_buyers(lines), own=())
    assert ok
    assert replayed["input_sha256"] == input_sha256(text) == proof.input_sha256
    assert (replayed["outcome"], replayed["unit_price_krw"], replayed["quantity"]) == (
        proof.outcome,
        proof.unit_price_krw,
        proof.quantity,
    )


@settings(deadline=None, max_examples=150)
@given(terms=round_terms(), lines=pledge_lines(count_max=16), buyers=st.integers(1, 12))
def test_no_shown_sum_or_difference_covers_fewer_than_five_buyers(
    terms: RoundTerms, lines: list[PledgeLine], buyers: int
) -> None:
    buyer_of = {line.id: n % buyers for n, line in enumerate(lines)}
    proof = member_proof(terms, lines, clear_round(terms, lines), buyer_of=buyer_of, own=())
    counts = [tier.buyers_count for tier in proof.tiers if tier.buyers_count is not None]
    assert all(count == 0 or count >= GROUP_MIN for count in counts)
    assert all(b == a or abs(b - a) >= GROUP_MIN for a, b in itertools.pairwise(counts))
    assert all((tier.buyers_count is None) == (tier.quantity_demanded is None) for tier in proof.tiers)


def test_a_member_sees_its_own_lines_and_a_sentence_in_both_languages() -> None:
    lines = [
        PledgeLine("a:1", 1, 4, None, 0, 1),
        PledgeLine("a:2", 1, 6, 80, 0, 2),
        PledgeLine("b:1", 1, 3, None, 0, 3),
    ]
    outcome = clear_round(TERMS, lines)
    proof = member_proof(
        TERMS, lines, outcome, buyer_of={"a:1": "a", "a:2": "a", "b:1": "b"}, own={"a:1", "a:2"}
    )
    assert [row.pledge_id for row in proof.lines] == ["a:1", "a:2"]
    assert proof.ko == "모두 13개가 대당 80원에 성사되었고, 그중 10개를 받습니다."
    assert proof.en == "All together 13 units cleared at 80 won each; 10 of them are yours."
    assert [tier.buyers_count for tier in proof.tiers] == [None, None, None]


def test_a_member_left_out_reads_why() -> None:
    lines = [PledgeLine(f"p{n}", 1, 1, None, 0, n) for n in range(8)] + [PledgeLine("x", 1, 2, 80, 0, 9)]
    proof = member_proof(TERMS, lines, clear_round(TERMS, lines), buyer_of=of_buyers(lines), own={"x"})
    assert "80 won is below the price" in proof.en
    assert "80원이 결정된 단가보다 낮습니다" in proof.ko
    assert [tier.buyers_count for tier in proof.tiers] == [None, None, 9]


def test_a_round_that_fell_short_says_that_nobody_pays() -> None:
    lines = [PledgeLine("a", 1, 1, None, 0, 1)]
    proof = member_proof(TERMS, lines, clear_round(TERMS, lines), buyer_of=of_buyers(lines), own={"a"})
    assert proof.outcome == "shortfall"
    assert proof.en.endswith("You pay nothing.")
    assert proof.ko.endswith("내실 금액은 없습니다.")
