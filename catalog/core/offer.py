"""An offer's price schedule: which unit price goes with which total quantity.

A schedule is a tuple of tiers with strictly rising `quantity_min` and strictly falling
`unit_price_krw`. The first tier's `quantity_min` is the least that the vendor sells at all.
"""

from collections.abc import Sequence

from msgspec import Struct

from catalog.core.money import CAPACITY_MAX, ROUND_KRW_MAX


class PriceTier(Struct, frozen=True):
    """From `quantity_min` units in all, each unit costs `unit_price_krw` won. Both are >= 1."""

    quantity_min: int
    unit_price_krw: int


class OfferError(ValueError):
    """An offer that no round can be run on; `code` is for programs, the message for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def require_valid_tiers(tiers: Sequence[PriceTier]) -> None:
    """Raise `OfferError` unless there is a tier, quantities strictly rise and prices strictly fall.

    Codes: `tiers_empty`, `tiers_out_of_bounds`, `tiers_not_rising`, `tiers_not_falling`.
    """
    if not tiers:
        raise OfferError("tiers_empty", "an offer has at least one tier")
    for position, tier in enumerate(tiers):
        if tier.quantity_min < 1:
            raise OfferError(
                "tiers_out_of_bounds", f"tier {position}: quantity_min {tier.quantity_min} is below 1"
            )
        if not 1 <= tier.unit_price_krw <= ROUND_KRW_MAX:
            raise OfferError(
                "tiers_out_of_bounds",
                f"tier {position}: unit_price_krw {tier.unit_price_krw} is outside 1..{ROUND_KRW_MAX}",
            )
    for position in range(1, len(tiers)):
        before, tier = tiers[position - 1], tiers[position]
        if tier.quantity_min <= before.quantity_min:
            raise OfferError(
                "tiers_not_rising",
                f"tier {position}: quantity_min {tier.quantity_min} "
                f"does not rise above {before.quantity_min}",
            )
        if tier.unit_price_krw >= before.unit_price_krw:
            raise OfferError(
                "tiers_not_falling",
                f"tier {position}: unit_price_krw {tier.unit_price_krw} "
                f"does not fall below {before.unit_price_krw}",
            )


def require_valid_offer(*, capacity: int, pack_size: int, tiers: Sequence[PriceTier]) -> None:
    """Raise `OfferError` unless some whole number of packs can be sold under these terms.

    A later tier above the capacity is no error: it is merely never reached.
    Codes: those of `require_valid_tiers`, `capacity_out_of_bounds`, `pack_size_out_of_bounds`,
    `no_whole_pack`.
    """
    if not 1 <= capacity <= CAPACITY_MAX:
        raise OfferError("capacity_out_of_bounds", f"capacity {capacity} is outside 1..{CAPACITY_MAX}")
    if pack_size < 1:
        raise OfferError("pack_size_out_of_bounds", f"pack_size {pack_size} is below 1")
    require_valid_tiers(tiers)
    quantity_min = tiers[0].quantity_min
    if whole_packs_up(quantity_min, pack_size) > capacity:
        raise OfferError(
            "no_whole_pack",
            f"no multiple of pack_size {pack_size} lies between "
            f"the first tier's {quantity_min} and capacity {capacity}",
        )


def whole_packs_up(quantity: int, pack_size: int) -> int:
    """The smallest multiple of `pack_size` that is at least `quantity` units."""
    return -(-quantity // pack_size) * pack_size


def reached_tier(tiers: Sequence[PriceTier], quantity: int) -> PriceTier | None:
    """The cheapest tier whose minimum `quantity` units meet, or None below the first."""
    reached = None
    for tier in tiers:
        if tier.quantity_min > quantity:
            break
        reached = tier
    return reached
