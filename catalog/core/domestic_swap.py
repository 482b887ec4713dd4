"""For a foreign component, the nearest domestic products, and what each would change. Pure.

"Nearest" is by specification: every property that the component states and that may be compared is looked up on
the candidate. Fewest properties missed or unknown come first, of equals those with fewer missed and the smaller
shortfall; only then the better-proven origin and the lower price. What a candidate does not say is unknown, never
met, so that silence is not rewarded.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from catalog.core.origin import DOMESTIC_COUNTRY, ShareInterval, Standing, claim_standing
from catalog.core.package_model import BomLine, BomProduct, package_share
from catalog.core.product import Spec
from catalog.core.standard import SPOKEN_SPECS, stated_protocols

GapKind = Literal["worse", "differs", "unknown"]
SWAPS_MAX: Final = 3
WHOLE_BP: Final = 10_000
_STANDING_ORDER: Final[Mapping[Standing, int]] = {"verified": 0, "claimed": 1, "none": 2}


class Described(Struct, frozen=True):
    """A product with what a swap has to weigh: its specifications and its maker's operating A/S centers."""

    product: BomProduct
    specs: tuple[Spec, ...]
    service_center_count: int


class SpecGap(Struct, frozen=True, kw_only=True):
    """A property of the foreign component that a candidate misses, or does not state (`found` None).

    `shortfall_bp` is how far a number falls short of the wanted one, relative to it.
    """

    kind: GapKind
    wanted: Spec
    found: Spec | None
    shortfall_bp: int = 0


class Swap(Struct, frozen=True, kw_only=True):
    """A domestic product in a foreign component's place, and what that changes for the whole line.

    `price_effect_krw` by reference price × quantity (None = one price is unknown), `service_effect` in A/S
    centers of the maker, `share_gained` = verified and claimed points of the package (None = share unknown).
    """

    product: BomProduct
    standing: Standing
    met_count: int
    gaps: tuple[SpecGap, ...]
    price_effect_krw: int | None
    service_effect: int
    share_gained: tuple[int, int] | None

    @property
    def meets_all(self) -> bool:
        """Whether everything that the component states is met; False where it states nothing."""
        return self.met_count > 0 and not self.gaps


class SwapLine(Struct, frozen=True, kw_only=True):
    """A foreign line of a bill of materials and its nearest domestic products, best first; may be empty."""

    line_no: int
    quantity: int
    product: BomProduct
    swaps: tuple[Swap, ...]


def is_foreign(product: BomProduct, *, today: date) -> bool:
    """Whether a component counts as foreign: a foreign maker without a live claim of Korean origin, or a
    claim of another country.
    """
    if product.origin is not None and product.origin.country != DOMESTIC_COUNTRY:
        return True
    return product.maker.country != DOMESTIC_COUNTRY and claim_standing(product.origin, today=today) == "none"


def spec_gaps(wanted: Sequence[Spec], found: Sequence[Spec]) -> tuple[int, tuple[SpecGap, ...]]:
    """How many comparable properties of `wanted` are met, and which are not."""
    offered = {spec.code: spec for spec in found}
    met, gaps = 0, []
    for spec in wanted:
        if not spec.is_comparable:
            continue
        gap = _gap(spec, offered.get(spec.code))
        if gap is None:
            met += 1
        else:
            gaps.append(gap)
    return met, tuple(gaps)


def _gap(wanted: Spec, found: Spec | None) -> SpecGap | None:
    if found is None:
        return SpecGap(kind="unknown", wanted=wanted, found=None)
    if wanted.number is not None and found.number is not None:
        return _number_gap(wanted, found)
    if wanted.code in SPOKEN_SPECS:
        spoken = stated_protocols([wanted.text or ""])
        if spoken:
            missing = spoken - stated_protocols([found.text or ""])
            return SpecGap(kind="worse", wanted=wanted, found=found) if missing else None
    same = wanted.boolean == found.boolean and (wanted.text or "").casefold() == (found.text or "").casefold()
    return None if same else SpecGap(kind="differs", wanted=wanted, found=found)


def _number_gap(wanted: Spec, found: Spec) -> SpecGap | None:
    assert wanted.number is not None
    assert found.number is not None
    if wanted.number_max is not None:
        found_max = found.number if found.number_max is None else found.number_max
        covers = found.number <= wanted.number and found_max >= wanted.number_max
        return None if covers else SpecGap(kind="worse", wanted=wanted, found=found)
    if wanted.better is None:
        return None if wanted.number == found.number else SpecGap(kind="differs", wanted=wanted, found=found)
    short = wanted.number - found.number if wanted.better == "higher" else found.number - wanted.number
    if short <= 0:
        return None
    shortfall_bp = round(short / abs(wanted.number) * WHOLE_BP) if wanted.number else WHOLE_BP
    return SpecGap(kind="worse", wanted=wanted, found=found, shortfall_bp=shortfall_bp)


def domestic_swaps(
    lines: Sequence[BomLine],
    described: Mapping[str, Described],
    *,
    today: date,
    limit: int = SWAPS_MAX,
) -> tuple[SwapLine, ...]:
    """Every foreign line that the viewer is shown, with its nearest domestic products.

    `described` holds the foreign components and all candidates by product code; candidates are those of the
    same category and subcategory that are not foreign themselves. A component without comparable properties
    still gets candidates, with nothing met and nothing missed.
    """
    share = package_share(lines, today=today)
    found = []
    for line in lines:
        if line.product is None or line.slot == "service" or not is_foreign(line.product, today=today):
            continue
        own = described.get(line.product.code)
        weighed = [
            _Weighed(candidate, *spec_gaps(own.specs, candidate.specs))
            for candidate in described.values()
            if own is not None and _may_replace(candidate.product, line.product, today=today)
        ]
        weighed.sort(key=lambda candidate: _nearness(candidate, today=today))
        swaps = tuple(
            _swap(lines, line, own, candidate, share=share, today=today)
            for candidate in weighed[:limit]
            if own is not None
        )
        found.append(
            SwapLine(line_no=line.line_no, quantity=line.quantity, product=line.product, swaps=swaps)
        )
    return tuple(found)


class _Weighed(Struct, frozen=True):
    candidate: Described
    met_count: int
    gaps: tuple[SpecGap, ...]


def _may_replace(candidate: BomProduct, component: BomProduct, *, today: date) -> bool:
    return (
        (candidate.category, candidate.subcategory) == (component.category, component.subcategory)
        and candidate.verification != "name_only"
        and not is_foreign(candidate, today=today)
    )


def _swap(
    lines: Sequence[BomLine],
    line: BomLine,
    own: Described,
    weighed: _Weighed,
    *,
    share: ShareInterval | None,
    today: date,
) -> Swap:
    candidate = weighed.candidate
    theirs_krw, ours_krw = candidate.product.reference_price_krw, own.product.reference_price_krw
    known = theirs_krw is not None and ours_krw is not None
    swapped = [replace(other, product=candidate.product) if other is line else other for other in lines]
    after = package_share(swapped, today=today)
    gained = None
    if share is not None and after is not None:
        gained = (after.verified_bp - share.verified_bp, after.claimed_bp - share.claimed_bp)
    return Swap(
        product=candidate.product,
        standing=claim_standing(candidate.product.origin, today=today),
        met_count=weighed.met_count,
        gaps=weighed.gaps,
        price_effect_krw=((theirs_krw or 0) - (ours_krw or 0)) * line.quantity if known else None,
        service_effect=candidate.service_center_count - own.service_center_count,
        share_gained=gained,
    )


def _nearness(weighed: _Weighed, *, today: date) -> tuple[int, int, int, int, bool, int, str]:
    product = weighed.candidate.product
    missed = [gap for gap in weighed.gaps if gap.kind != "unknown"]
    price_krw = product.reference_price_krw
    return (
        len(weighed.gaps),
        len(missed),
        sum(gap.shortfall_bp for gap in missed),
        _STANDING_ORDER[claim_standing(product.origin, today=today)],
        price_krw is None,
        price_krw or 0,
        product.code,
    )
