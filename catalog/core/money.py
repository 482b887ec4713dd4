"""Won amounts and the limits of a round: integers only, sums divided without losing a won.

Korean won has no minor unit (ISO 4217, exponent 0), so an amount is a whole number of won.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

Krw = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A whole, non-negative number of won that fits a PostgreSQL `bigint`."""

CHARGE_KRW_MAX = 99_999_999
"""Largest amount of one card charge; more goes by transfer (contracts, "States")."""

ROUND_KRW_MAX = 10**15
"""Largest value of a round, and of one unit price: sums of a round stay far inside `bigint`."""

CAPACITY_MAX = 10**6
"""Most units that one offer may hold: exact clearing is bounded by it (contracts, "States")."""

VAT_BP = 1_000
"""10 %, Value-Added Tax Act (부가가치세법) article 30, in basis points."""


def vat_krw(supply_krw: int) -> int:
    """VAT on one invoice's supply value, both in won: 10 % (부가가치세법 제30조), rounded down.

    Raises `ValueError` for a negative value: a refund reverses the amount that was charged.
    """
    if supply_krw < 0:
        raise ValueError(f"a supply value is not negative: {supply_krw}")
    return supply_krw * VAT_BP // 10_000


def prorate_krw(total_krw: int, weights: Sequence[int]) -> list[int]:
    """Split an amount of won in proportion to whole-number weights; the parts sum to it exactly.

    Largest remainder (Hamilton): everybody gets the share rounded down, the won left over go to
    the largest fractions, equal fractions to the earlier. Its paradoxes matter for units of goods
    (see `group_buy.core.apportion`), not for a won of freight.
    Raises `ValueError` for a negative amount or weight, or where an amount has nobody to go to.
    """
    weights_sum = sum(weights)
    if total_krw < 0 or any(weight < 0 for weight in weights):
        raise ValueError("an amount and its weights are not negative")
    if weights_sum == 0:
        if total_krw:
            raise ValueError(f"nobody can carry {total_krw} won: the weights sum to zero")
        return [0] * len(weights)
    parts = [total_krw * weight // weights_sum for weight in weights]
    by_fraction = sorted(range(len(weights)), key=lambda i: -(total_krw * weights[i] % weights_sum))
    for i in by_fraction[: total_krw - sum(parts)]:
        parts[i] += 1
    assert sum(parts) == total_krw
    return parts
