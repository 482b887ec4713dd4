"""What a sponsor pays of its members' bills: a share of each, or a sum for all. Won, exact, never more than is open."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from catalog.core.money import prorate_krw

SponsorshipKind = Literal["share", "top_up"]


class Sponsorship(msgspec.Struct, frozen=True):
    """A sponsor's promise for a round, fixed before it closes.

    "share": `share_bp` basis points of each member's total, at most `krw_max` won a member (None = no limit).
    "top_up": `krw_max` won for all members together, in proportion to their totals.
    """

    kind: SponsorshipKind
    share_bp: int
    krw_max: int | None


class MemberBill(msgspec.Struct, frozen=True):
    """One member's bill in won: its total with VAT, and what of it nobody has promised or paid yet."""

    total_krw: int
    open_krw: int


def sponsored_krw(sponsorship: Sponsorship, bills: Sequence[MemberBill]) -> list[int]:
    """Return what the sponsor pays of each bill, in won; each is between 0 and what is open.

    A share is rounded down to the won. A top-up is divided by largest remainder; what a member does not need is
    divided among the others, until it is used up or everything is paid.
    """
    if sponsorship.kind == "share":
        return [
            min(
                sponsorship.share_bp * bill.total_krw // 10_000,
                bill.open_krw,
                bill.open_krw if sponsorship.krw_max is None else sponsorship.krw_max,
            )
            for bill in bills
        ]
    return _divided(sponsorship.krw_max or 0, bills)


def _divided(budget_krw: int, bills: Sequence[MemberBill]) -> list[int]:
    paid = [0] * len(bills)
    while budget_krw:
        needy = [i for i, bill in enumerate(bills) if bill.open_krw > paid[i] and bill.total_krw > 0]
        if not needy:
            break
        parts = prorate_krw(budget_krw, [bills[i].total_krw for i in needy])
        for i, part_krw in zip(needy, parts, strict=True):
            part_krw = min(part_krw, bills[i].open_krw - paid[i])  # noqa: PLW2901 - capped by the need
            paid[i] += part_krw
            budget_krw -= part_krw
    return paid


class PledgedPart(msgspec.Struct, frozen=True):
    """What a sponsor was to pay of one bill when the round cleared; won, with VAT."""

    krw: int
    total_krw: int


def changed_part_krw(sponsorship: Sponsorship, first: PledgedPart, bill: MemberBill) -> int:
    """Return what the sponsor pays of a bill that changed after the round cleared, in won: 0 to what is open.

    A share stays a share of what is bought. A top-up shrinks in the bill's proportion, rounded down, and never grows:
    it was divided among all members, and one member's loss is no other member's gain. Other bills are not touched.
    """
    if sponsorship.kind == "share":
        return sponsored_krw(sponsorship, [bill])[0]
    return min(first.krw * min(bill.total_krw, first.total_krw) // first.total_krw, bill.open_krw)
