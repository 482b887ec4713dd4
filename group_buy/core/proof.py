"""The proof of a clearing: what went in, its digest, why this tier, and for each buyer why this quantity.

The digest covers the whole input in one canonical form, so that everybody's page names the same input, and an
auditor who holds it can replay it: `simulate --explain` prints the digest of what it was given.
A member's proof holds its own lines and sums over all buyers. A sum over fewer than GROUP_MIN buyers, or that
differs from a shown one by fewer, is left out: it would tell what a single buyer wants.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from catalog.core.offer import PriceTier
from group_buy.core.clearing import AllocationRule, Clearing, LineId, PledgeLine, RoundTerms, Shortfall
from group_buy.core.explanation import LineRow, TierRow, TierStatus, explain

GROUP_MIN: Final = 5
"""Buyers that a published sum covers at least."""


class TierProof(Struct, frozen=True):
    """One tier as every member may see it; sums are None where they would cover too few buyers."""

    quantity_min: int
    unit_price_krw: int
    status: TierStatus
    buyers_count: int | None
    quantity_demanded: int | None


class MemberProof(Struct, frozen=True):
    """What one buyer may check: its own lines with reasons, the tiers, and the digest of the whole input."""

    input_sha256: str
    outcome: str
    unit_price_krw: int | None
    quantity: int
    tiers: tuple[TierProof, ...]
    lines: tuple[LineRow, ...]
    ko: str
    en: str


def canonical_input(terms: RoundTerms, lines: Sequence[PledgeLine]) -> bytes:
    """The input of a clearing as one line of JSON that `simulate` reads, lines in the order of their ids."""
    document = {
        "offer": {
            "capacity": terms.capacity,
            "pack_size": terms.pack_size,
            "tiers": terms.tiers,
        },
        "allocation_rule": terms.allocation_rule,
        "pledges": sorted(lines, key=lambda line: line.id),
    }
    return msgspec.json.encode(document)


class _Offer(Struct, frozen=True):
    capacity: int
    pack_size: int
    tiers: tuple[PriceTier, ...]


class _Input(Struct, frozen=True):
    offer: _Offer
    allocation_rule: AllocationRule
    pledges: tuple[PledgeLine, ...]


def read_input(text: bytes) -> tuple[RoundTerms, tuple[PledgeLine, ...]]:
    """The terms and lines of a canonical input."""
    found = msgspec.json.decode(text, type=_Input)
    offer = found.offer
    return RoundTerms(offer.capacity, offer.pack_size, offer.tiers, found.allocation_rule), found.pledges


def input_sha256(text: bytes) -> str:
    """The digest of a canonical input, as hexadecimal text."""
    return hashlib.sha256(text).hexdigest()


def member_proof(
    terms: RoundTerms,
    lines: Sequence[PledgeLine],
    outcome: Clearing | Shortfall,
    *,
    buyer_of: Mapping[LineId, Any],
    own: Collection[LineId],
) -> MemberProof:
    """What the buyer of the lines `own` may know of `outcome = clear_round(terms, lines)`."""
    explanation = explain(terms, lines, outcome)
    own_rows = tuple(row for row in explanation.lines if row.pledge_id in own)
    ko, en = buyer_sentence(terms, own_rows, outcome)
    cleared = isinstance(outcome, Clearing)
    return MemberProof(
        input_sha256=input_sha256(canonical_input(terms, lines)),
        outcome="cleared" if cleared else "shortfall",
        unit_price_krw=outcome.unit_price_krw if isinstance(outcome, Clearing) else None,
        quantity=outcome.quantity if isinstance(outcome, Clearing) else 0,
        tiers=tuple(public_tiers(explanation.tiers, lines, buyer_of)),
        lines=own_rows,
        ko=ko,
        en=en,
    )


def public_tiers(
    rows: Sequence[TierRow], lines: Sequence[PledgeLine], buyer_of: Mapping[LineId, Any]
) -> list[TierProof]:
    """The tier table without sums that would give a few buyers away, and without differences that would.

    Who accepts a dear price accepts every cheaper one, so the groups grow down the table; going up from the
    largest, a sum is shown if GROUP_MIN buyers or none separate it from the sum shown last.
    """
    shown: list[TierProof] = []
    last_count: int | None = None
    for row in reversed(rows):
        buyers = {
            buyer_of[line.id]
            for line in lines
            if line.limit_unit_price_krw is None or line.limit_unit_price_krw >= row.unit_price_krw
        }
        lines_apart = (
            last_count is None or last_count - len(buyers) == 0 or last_count - len(buyers) >= GROUP_MIN
        )
        is_shown = (len(buyers) >= GROUP_MIN or not buyers) and lines_apart
        if is_shown:
            last_count = len(buyers)
        shown.append(
            TierProof(
                row.quantity_min,
                row.unit_price_krw,
                row.status,
                len(buyers) if is_shown else None,
                row.quantity_demanded if is_shown else None,
            )
        )
    return shown[::-1]


def buyer_sentence(
    terms: RoundTerms, own: Sequence[LineRow], outcome: Clearing | Shortfall
) -> tuple[str, str]:
    """One buyer's result in a sentence or two that needs no knowledge of the rule, in Korean and English."""
    if isinstance(outcome, Shortfall):
        least, price = terms.tiers[0].quantity_min, terms.tiers[0].unit_price_krw
        return (
            f"첫 단가 {price:,}원에 필요한 {least:,}개가 모이지 않아 성사되지 않았습니다. 내실 금액은 없습니다.",
            (
                f"The {least:,} units that the first price of {price:,} won needs did not come together. "
                "You pay nothing."
            ),
        )
    quantity = sum(row.quantity for row in own)
    price = outcome.unit_price_krw
    if not own:
        return (
            f"{outcome.quantity:,}개가 {price:,}원에 성사되었습니다. 확인된 약정이 없어 배정되지 않았습니다.",
            (
                f"{outcome.quantity:,} units cleared at {price:,} won. Your pledge was not confirmed in time, "
                "so nothing is allocated to you."
            ),
        )
    ko = f"모두 {outcome.quantity:,}개가 대당 {price:,}원에 성사되었고, 그중 {quantity:,}개를 받습니다."
    en = (
        f"All together {outcome.quantity:,} units cleared at {price:,} won each; "
        f"{quantity:,} of them are yours."
    )
    reasons = [row for row in own if row.reason != "served_full"]
    if reasons:
        ko += " " + " ".join(dict.fromkeys(row.ko for row in reasons))
        en += " " + " ".join(dict.fromkeys(row.en for row in reasons))
    return ko, en
