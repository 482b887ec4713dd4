"""Which invoices and pledges a transfer pays: by the reference in its text and by its amount. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ReceivableKind = Literal["balance", "deposit", "sponsored"]
UnmatchedReason = Literal["no_reference", "unknown_reference", "nothing_open", "several"]

_REFERENCE: Final = re.compile(r"SF([APS])[ \-.]?([0-9]{6,12})(?![0-9])")


class Receivable(msgspec.Struct, frozen=True):
    """What may be paid under a reference: a balance by its invoice, the deposit of a pledge, or what a sponsor owes.

    `open_krw` is missing; `buyer_id` is who pays, of a sponsorship the sponsor.
    """

    reference: str
    kind: ReceivableKind
    buyer_id: int
    open_krw: int


class Part(msgspec.Struct, frozen=True):
    """Won of a transfer that pay one receivable; `surplus_krw` came with them and is owed back."""

    reference: str
    amount_krw: int
    surplus_krw: int = 0


class Match(msgspec.Struct, frozen=True):
    """What a transfer pays, or why nobody can say without a person."""

    parts: tuple[Part, ...] = ()
    reason: UnmatchedReason | None = None


def find_references(text: str) -> tuple[str, ...]:
    """The references in a transfer's text, each once, in order: `SFA000123`, also as `sfa-000123`, also full width."""
    plain = unicodedata.normalize("NFKC", text).upper()
    return tuple(dict.fromkeys(f"SF{kind}{digits}" for kind, digits in _REFERENCE.findall(plain)))


def match_transfer(
    references: tuple[str, ...], amount_krw: int, receivables: Mapping[str, Receivable]
) -> Match:
    """Decide what `amount_krw` (>= 1) pays. Parts and surplus add up to it, or there are no parts.

    One reference: what is open, the rest is surplus. Several only when all are of one buyer and their open sums
    are the amount to the won. Never by amount or name alone: those are hints for a person.
    """
    if not references:
        return Match(reason="no_reference")
    found = [receivables[reference] for reference in references if reference in receivables]
    if len(found) < len(references):
        return Match(reason="unknown_reference")
    if len(found) > 1:
        is_one_buyer = len({each.buyer_id for each in found}) == 1
        if (
            is_one_buyer
            and all(each.open_krw for each in found)
            and sum(e.open_krw for e in found) == amount_krw
        ):
            return Match(parts=tuple(Part(each.reference, each.open_krw) for each in found))
        return Match(reason="several")
    return pay_one(found[0], amount_krw)


def pay_one(receivable: Receivable, amount_krw: int) -> Match:
    """Pay one receivable. Nothing open = a person looks: it may be the payment that was recorded by hand."""
    if receivable.open_krw == 0:
        return Match(reason="nothing_open")
    paid_krw = min(amount_krw, receivable.open_krw)
    return Match(parts=(Part(receivable.reference, paid_krw, amount_krw - paid_krw),))
