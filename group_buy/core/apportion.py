"""Units in proportion to weights, by Sainte-Laguë (Webster).

Largest remainder is not used for units: one more unit from the seller could take a unit from a
small buyer (Alabama paradox), and a stranger's withdrawal could cost a buyer one. A divisor
method has neither fault, and Sainte-Laguë favors neither the large nor the small
(Balinski and Young, "Fair Representation", 1982).
"""

from collections.abc import Sequence

_NARROWING_STEPS = 8


def sainte_lague(weights: Sequence[int], units: int) -> list[int]:
    """Give `units` one by one to the largest weight / (2 x units already given + 1), ties to the earlier.

    Weights are non-negative whole numbers and 0 <= `units` <= their sum. Nobody gets more than
    their weight: at `units` equal to the sum everybody holds exactly that, and shares never fall
    on the way there.
    """
    weights_sum = sum(weights)
    assert 0 <= units <= weights_sum
    if units in (0, weights_sum):
        return list(weights) if units else [0] * len(weights)
    shares, ceiling = _bracket(weights, weights_sum, units)
    waiting, keys = [], []
    # Two different quotients a/b and c/d differ by at least 1/(bd). Multiplied by more than the
    # largest bd and rounded down they keep their order, so the keys are exact.
    precision = 2 * (2 * max(ceiling) + 1).bit_length()
    for i, (share, most) in enumerate(zip(shares, ceiling, strict=True)):
        for given in range(share, most):
            waiting.append(i)
            keys.append(-((weights[i] << precision) // (2 * given + 1)))
    by_quotient = sorted(range(len(waiting)), key=keys.__getitem__)
    for seat in by_quotient[: units - sum(shares)]:
        shares[waiting[seat]] += 1
    assert sum(shares) == units
    return shares


def _bracket(weights: Sequence[int], weights_sum: int, units: int) -> tuple[list[int], list[int]]:
    """Shares that serve every quotient above some bar: the first sum to `units` at most, the second at least.

    The k-th unit's quotient weight / (2k - 1) is at least weights_sum / scale just when
    k <= (weight x scale + weights_sum) / (2 x weights_sum), so one scale serves all at once. Each
    rounding moves the sum by half a unit at most, so 2 x units -+ the number of weights bracket
    it. Where roundings cancel out 2 x units is nearly right, so its surroundings are tried first.
    """

    def served(scale: int) -> list[int]:
        return [(weight * scale + weights_sum) // (2 * weights_sum) for weight in weights]

    near = len(weights) // 16
    low, high = max(0, 2 * units - len(weights)), 2 * units + len(weights)
    floor, ceiling = served(low), served(high)
    likely = [2 * units + near, 2 * units - near]
    for _ in range(_NARROWING_STEPS):
        if sum(ceiling) - sum(floor) <= 2 * near:
            break
        scale = likely.pop() if likely else (low + high) // 2
        if low < scale < high:
            shares = served(scale)
            if sum(shares) <= units:
                low, floor = scale, shares
            else:
                high, ceiling = scale, shares
    return floor, ceiling
