"""Origin facts of a product, and how much of a bill of materials is domestic.

Three facts are kept apart: the maker's home country, a claim about where the goods come from, and the
domestic content ratio inside that claim. Only the claim counts here, and only as far as its evidence goes.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

OriginBasis = Literal[
    "self_declared", "origin_certificate", "direct_production", "software_rule", "value_content"
]
ORIGIN_BASES: tuple[OriginBasis, ...] = (
    "self_declared",
    "origin_certificate",
    "direct_production",
    "software_rule",
    "value_content",
)
Standing = Literal["verified", "claimed", "none"]
ShownStanding = Literal["verified", "claimed", "expired"]

DOMESTIC_COUNTRY = "KR"
WHOLE_BP = 10_000


class OriginClaim(Struct, frozen=True, kw_only=True):
    """A statement about one product: goods of `country`, on this `basis`.

    `domestic_content_bp` is the Korean share of cost in basis points, None where not stated.
    `verified_at` is set by another organization that saw the evidence (대외무역관리규정 제86조), and is read
    as None once the claim `is_expired`. `is_challenged` = somebody's objection waits to be decided; until
    then the standing stays, or a rival could lower it by a mere letter.
    """

    id: UUID
    basis: OriginBasis
    country: str
    domestic_content_bp: int | None = None
    has_evidence: bool = False
    evidence_note: str = ""
    verified_at: datetime | None = None
    verifier_ko: str | None = None
    verifier_en: str | None = None
    valid_until: date | None = None
    is_expired: bool = False
    is_challenged: bool = False
    is_fictional: bool = False


class ShareLine(Struct, frozen=True):
    """One line of a bill of materials as far as its origin goes; `unit_price_krw` None = unknown."""

    is_service: bool
    quantity: int
    unit_price_krw: int | None
    claim: OriginClaim | None


class ShareInterval(Struct, frozen=True):
    """Domestic share of the goods by reference value, in basis points, rounded down.

    At least `verified_bp` is proven domestic; at most `claimed_bp` is, were every claim true. The value
    of services is in `service_krw` and in neither share: work has no origin in the sense of the rule.
    """

    verified_bp: int
    claimed_bp: int
    goods_krw: int
    service_krw: int


def claim_standing(claim: OriginClaim | None, *, today: date) -> Standing:
    """How far a claim of Korean origin can be relied on today.

    `verified` needs a verifier and evidence (a fictional claim of the demo stands for its own evidence).
    An expired claim, or one of another country, says nothing about domestic goods.
    """
    if claim is None or claim.country != DOMESTIC_COUNTRY:
        return "none"
    standing = shown_standing(claim, today=today)
    return "none" if standing == "expired" else standing


def shown_standing(claim: OriginClaim, *, today: date | None = None) -> ShownStanding:
    """What a page, a file or a program may be told of a claim, of Korea or of another country.

    Nothing but this decides whether the word "verified" is used. Without `today` the claim is taken as of the
    moment it was read, which `is_expired` says.
    """
    is_over = today is not None and claim.valid_until is not None and claim.valid_until < today
    if claim.is_expired or is_over:
        return "expired"
    is_proven = claim.verified_at is not None and (claim.has_evidence or claim.is_fictional)
    return "verified" if is_proven else "claimed"


def domestic_share(lines: Sequence[ShareLine], *, today: date) -> ShareInterval | None:
    """The interval verified … verified + claimed by order value; None where the value is unknown.

    One goods line without a price makes the whole unknown: a share of the priced rest would claim
    too much or too little. A claim with a content ratio counts with that ratio, otherwise wholly.
    """
    goods = [line for line in lines if not line.is_service]
    if not goods or any(line.unit_price_krw is None for line in goods):
        return None
    goods_krw = verified = claimed = 0
    for line in goods:
        value_krw = line.quantity * (line.unit_price_krw or 0)
        goods_krw += value_krw
        standing = claim_standing(line.claim, today=today)
        if line.claim is None or standing == "none":
            continue
        content_bp = line.claim.domestic_content_bp
        weight = value_krw * (WHOLE_BP if content_bp is None else content_bp)
        claimed += weight
        if standing == "verified":
            verified += weight
    if goods_krw == 0:
        return None
    service_krw = sum(line.quantity * (line.unit_price_krw or 0) for line in lines if line.is_service)
    share = ShareInterval(verified // goods_krw, claimed // goods_krw, goods_krw, service_krw)
    assert 0 <= share.verified_bp <= share.claimed_bp <= WHOLE_BP
    return share
