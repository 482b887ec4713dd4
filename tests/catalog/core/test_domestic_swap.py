"""The nearest domestic product: by specification first, and a silence is not a yes."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from catalog.core.domestic_swap import Described, SwapLine, domestic_swaps, is_foreign, spec_gaps
from catalog.core.origin import OriginClaim
from catalog.core.package_model import BomLine, BomProduct
from catalog.core.product import Maker, Spec

TODAY = date(2026, 11, 25)


def part(
    code: str, *, country: str = "KR", krw: int | None = 100, origin: OriginClaim | None = None
) -> BomProduct:
    return BomProduct(
        code=code, name_ko=code, name_en=code, model=code, category="robot", subcategory="collaborative robot",
        maker=Maker(name=country, name_ko=country, country=country), verification="maker",
        reference_price_krw=krw, origin=origin,
    )  # fmt: skip


def korean(*, verified: bool = False) -> OriginClaim:
    at = datetime(2026, 1, 1, tzinfo=UTC) if verified else None
    return OriginClaim(
        id=uuid4(), basis="origin_certificate", country="KR", has_evidence=True, verified_at=at
    )


def number(code: str, value: float, better: Any = "higher") -> Spec:
    return Spec(
        code=code, name_ko=code, name_en=code, kind="number", shown=str(value), number=value, better=better
    )


def swapped(foreign: Described, *candidates: Described, quantity: int = 1) -> SwapLine:
    lines = (
        BomLine(line_no=1, slot="robot", quantity=quantity, product=foreign.product),
        BomLine(line_no=2, slot="robot", quantity=1, product=part("other", krw=300)),
    )
    described = {entry.product.code: entry for entry in (foreign, *candidates)}
    [line] = domestic_swaps(lines, described, today=TODAY)
    return line


WANTED = (number("payload", 10), number("repeatability", 0.05, "lower"))


def test_the_candidate_that_meets_more_comes_first_and_its_gaps_are_named() -> None:
    foreign = Described(part("ur", country="DK"), WANTED, 1)
    line = swapped(
        foreign,
        Described(part("weak", krw=1), (number("payload", 5), number("repeatability", 0.05, "lower")), 0),
        Described(part("silent", krw=1), (number("payload", 12),), 0),
        Described(part("good", krw=150), (number("payload", 10), number("repeatability", 0.02, "lower")), 3),
    )
    assert [(s.product.code, s.meets_all, s.met_count) for s in line.swaps] == [
        ("good", True, 2),
        ("silent", False, 1),
        ("weak", False, 1),
    ]
    [unknown], [worse] = line.swaps[1].gaps, line.swaps[2].gaps
    assert (unknown.kind, unknown.wanted.code, unknown.found) == ("unknown", "repeatability", None)
    assert (worse.kind, worse.wanted.code, worse.shortfall_bp) == ("worse", "payload", 5_000)


def test_price_service_and_share_effects_are_those_of_the_whole_line() -> None:
    foreign = Described(part("ur", country="DK", krw=100), WANTED, 1)
    line = swapped(
        foreign, Described(part("kr", krw=150, origin=korean(verified=True)), WANTED, 3), quantity=2
    )
    [swap] = line.swaps
    # before: 0 of 200 + 300; after: 300 of 300 + 300 = 50 %
    assert (swap.price_effect_krw, swap.service_effect, swap.share_gained) == (100, 2, (5_000, 5_000))


def test_a_claim_that_nobody_verified_gains_claimed_points_only() -> None:
    foreign = Described(part("ur", country="DK"), WANTED, 0)
    line = swapped(foreign, Described(part("kr", origin=korean()), WANTED, 0))
    assert line.swaps[0].share_gained == (0, 2_500)
    assert line.swaps[0].standing == "claimed"


def test_an_unknown_price_has_an_unknown_effect() -> None:
    line = swapped(Described(part("ur", country="DK"), WANTED, 0), Described(part("kr", krw=None), WANTED, 0))
    assert (line.swaps[0].price_effect_krw, line.swaps[0].share_gained) == (None, None)


def test_a_component_that_states_nothing_is_met_by_nothing() -> None:
    line = swapped(Described(part("ur", country="DK"), (), 0), Described(part("kr"), WANTED, 0))
    assert (line.swaps[0].met_count, line.swaps[0].meets_all) == (0, False)


def test_foreign_is_told_by_the_claim_before_the_makers_home() -> None:
    abroad = OriginClaim(id=uuid4(), basis="self_declared", country="VN")
    assert is_foreign(part("a", country="DE"), today=TODAY)
    assert not is_foreign(part("b", country="DE", origin=korean()), today=TODAY)
    assert is_foreign(part("c", origin=abroad), today=TODAY)
    assert not is_foreign(part("d"), today=TODAY)


def test_protocols_are_met_when_all_of_them_are_spoken() -> None:
    def spoken(text: str) -> Spec:
        return Spec(code="protocols", name_ko="p", name_en="p", kind="text", shown=text, text=text)

    assert spec_gaps([spoken("OPC UA")], [spoken("Modbus TCP, OPC-UA")]) == (1, ())
    met, [gap] = spec_gaps([spoken("OPC UA, MQTT")], [spoken("OPC UA")])
    assert (met, gap.kind) == (0, "worse")


def test_no_is_not_unknown() -> None:
    def said(value: bool | None) -> Spec:
        return Spec(code="offline", name_ko="o", name_en="o", kind="boolean", shown="", boolean=value)

    assert spec_gaps([said(False)], [said(False)]) == (1, ())
    assert spec_gaps([said(True)], [said(False)])[1][0].kind == "differs"
    assert spec_gaps([said(True)], [])[1][0].kind == "unknown"
