"""Who sees what: every read hides what is not for its viewer, as if it were not there."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from catalog.core.package_model import package_share
from catalog.core.viewer import ANONYMOUS, Viewer
from catalog.errors import (
    OfferNotFound,
    OrganizationNotFound,
    OriginClaimNotFound,
    OriginClaimRefused,
    PackageModelNotFound,
    ProductNotFound,
    ServiceCenterNotFound,
    TooManyCodes,
)
from catalog.offers import get_offer, list_offers_of_product, list_offers_of_vendor
from catalog.origin_claims import claim_origin, verify_origin_claim, withdraw_origin_claim
from catalog.package_models import (
    get_package_model,
    list_package_models_by_codes,
    list_package_models_with_product,
)
from catalog.products import get_product, list_products_by_codes
from catalog.service_centers import get_service_center, list_service_centers, list_service_countries
from catalog.vendors import get_organization_id, get_vendor, list_vendors

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


async def sees(read: Any, conn: Any, *, code: str, viewer: Viewer) -> bool:
    try:
        found = await read(conn, code=code, viewer=viewer)
    except (ProductNotFound, PackageModelNotFound, OfferNotFound) as missing:
        return missing.code != code
    return bool(found.code == code)


@pytest.mark.parametrize(
    ("state", "visibility", "who_sees"),
    [
        ("published", "public", {"nobody", "mill", "beta", "alpha", "coordinator"}),
        ("published", "members", {"mill", "beta", "alpha", "coordinator"}),
        ("published", "owner", {"alpha", "coordinator"}),
        ("draft", "public", {"alpha", "coordinator"}),
        ("retired", "public", {"alpha", "coordinator"}),
    ],
)
async def test_a_listing_is_seen_by_whom_its_state_and_visibility_say(
    market: Any, state: str, visibility: str, who_sees: set[str]
) -> None:
    await market.bring("products", market.row("products", vendor="alpha", state=state, visibility=visibility))
    await market.bring("package-models", market.row("package-models", state=state, visibility=visibility))
    await market.bring("offers")
    viewers = {"nobody": ANONYMOUS} | {
        name: getattr(market, name) for name in ("mill", "beta", "alpha", "coordinator")
    }
    for read, code in (
        (get_product, "cobot-10"),
        (get_package_model, "weld-cell"),
        (get_offer, "weld-offer"),
    ):
        seen = {
            name
            for name, viewer in viewers.items()
            if await sees(read, market.conn, code=code, viewer=viewer)
        }
        assert seen == who_sees


async def test_listings_of_a_suspended_vendor_are_gone_but_for_itself(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    await market.bring("package-models", viewer=market.alpha)
    await market.bring("offers", viewer=market.alpha)
    await market.bring("service-centers", viewer=market.alpha)
    await market.conn.execute("UPDATE organizations SET state = 'suspended' WHERE code = 'alpha'")
    for read, code in (
        (get_product, "cobot-10"),
        (get_package_model, "weld-cell"),
        (get_offer, "weld-offer"),
    ):
        assert not await sees(read, market.conn, code=code, viewer=ANONYMOUS)
        assert await sees(read, market.conn, code=code, viewer=market.alpha)
    assert await list_service_centers(market.conn) == ()
    with pytest.raises(OrganizationNotFound):
        await get_vendor(market.conn, code="alpha")
    assert [vendor.code for vendor in await list_vendors(market.conn)] == ["beta"]


@pytest.mark.parametrize(
    ("audience", "who_sees"),
    [
        ("public", {"nobody", "mill", "beta", "alpha"}),
        ("members", {"mill", "beta", "alpha"}),
        ("invited", {"mill", "alpha"}),
    ],
)
async def test_an_offer_is_seen_by_its_audience(market: Any, audience: str, who_sees: set[str]) -> None:
    await market.bring("products")
    await market.bring("package-models")
    invited = "mill" if audience == "invited" else ""
    await market.bring("offers", market.row("offers", audience=audience, invited=invited))
    for name, viewer in (
        ("nobody", ANONYMOUS),
        ("mill", market.mill),
        ("beta", market.beta),
        ("alpha", market.alpha),
    ):
        assert await sees(get_offer, market.conn, code="weld-offer", viewer=viewer) == (name in who_sees)
        model = await get_package_model(market.conn, code="weld-cell", viewer=viewer)
        assert bool(model.offers) == (name in who_sees)


async def test_an_expired_offer_is_left_to_its_vendor(market: Any) -> None:
    await market.bring("products")
    row = market.row("offers", package_model="", product="cobot-10", valid_until="2020-01-01")
    await market.bring("offers", row)
    assert await list_offers_of_product(market.conn, code="cobot-10") == ()
    mine = await list_offers_of_vendor(market.conn, vendor_code="alpha", viewer=market.alpha)
    assert [(offer.code, offer.valid_until) for offer in mine] == [("weld-offer", date(2020, 1, 1))]


async def test_products_come_in_the_order_asked_for_with_specs_in_theirs(market: Any) -> None:
    await market.bring(
        "products",
        market.row("products", spec__repeatability="±0.05 mm", spec__payload="10 kg"),
        market.row("products", code="b", model="B", spec__repeatability="", spec__payload=""),
    )
    found = await list_products_by_codes(market.conn, codes=["b", "nothing", "cobot-10", "b"])
    assert [product.code for product in found] == ["b", "cobot-10"]
    assert [(s.code, s.number, s.base_unit, s.shown) for s in found[1].specs] == [
        ("payload", 10.0, "kg", "10 kg"),
        ("repeatability", 0.05, "mm", "±0.05 mm"),
    ]
    with pytest.raises(TooManyCodes):
        await list_products_by_codes(market.conn, codes=["x"] * 51)
    with pytest.raises(TooManyCodes):
        await list_package_models_by_codes(market.conn, codes=["x"] * 51)


async def test_a_package_page_has_its_lines_offers_and_share(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    await market.bring("package-models")
    await market.bring("offers")
    claim_id = uuid4()
    await claim_origin(
        market.conn, claim_id=claim_id, product_code="cobot-10", viewer=market.alpha,
        basis="self_declared", country="KR", is_fictional=True,
    )  # fmt: skip
    model = await get_package_model(market.conn, code="weld-cell")
    [line] = model.version.lines
    assert line.product is not None
    assert (line.slot, line.quantity, line.product.maker.country) == ("robot", 2, "KR")
    assert line.product.origin is not None
    assert (line.product.origin.id, line.product.origin.has_evidence) == (claim_id, False)
    assert [tier.unit_price_krw for tier in model.offers[0].tiers] == [48_000_000, 45_000_000]
    assert package_share(model.version.lines, today=date(2026, 1, 1)) is None
    prices = {"cobot-10": 30_000_000}
    share = package_share(model.version.lines, today=date(2026, 1, 1), reference_prices=prices)
    assert share is not None
    assert (share.verified_bp, share.claimed_bp, share.goods_krw) == (0, 10_000, 60_000_000)

    alone = market.row("offers", code="alone", package_model="", product="cobot-10", tiers="")
    await market.bring("offers", alone | {"list_unit_price_krw": "20000000"})
    model = await get_package_model(market.conn, code="weld-cell")
    assert model.version.lines[0].product.reference_price_krw == 20_000_000  # type: ignore[union-attr]
    [summary] = await list_package_models_with_product(market.conn, product_code="cobot-10")
    assert (summary.code, summary.vendor.code, summary.level_to) == ("weld-cell", "alpha", 3)


async def test_a_component_that_is_not_for_the_viewer_keeps_its_name(market: Any) -> None:
    await market.bring("products", market.row("products", vendor="alpha", visibility="owner"))
    await market.bring("package-models", viewer=market.alpha)
    model = await get_package_model(market.conn, code="weld-cell")
    assert model.version.lines[0].product is None
    assert model.version.lines[0].quantity == 2
    assert package_share(model.version.lines, today=NOW.date()) is None
    own = await get_package_model(market.conn, code="weld-cell", viewer=market.alpha)
    assert own.version.lines[0].product is not None


async def test_sites_are_filtered_and_called_service_centers_only_by_role(market: Any) -> None:
    await market.bring("products")
    await market.bring(
        "service-centers",
        market.row("service-centers"),
        market.row("service-centers", code="acme-plant", roles="plant; sales", country="CN"),
        market.row("service-centers", code="acme-soon", status="planned"),
    )
    everything = await list_service_centers(market.conn)
    assert [(site.code, site.is_service_center) for site in everything] == [
        ("acme-plant", False), ("acme-hanoi", True), ("acme-soon", False),
    ]  # fmt: skip

    async def codes(**filters: Any) -> list[str]:
        return [site.code for site in await list_service_centers(market.conn, **filters)]

    assert await codes(service_only=True) == ["acme-hanoi"]
    assert await codes(country="CN") == ["acme-plant"]
    assert await codes(roles=["sales", "training"]) == ["acme-plant"]
    assert await codes(statuses=["planned"]) == ["acme-soon"]
    assert await codes(makers=["Nobody"]) == []
    assert await list_service_countries(market.conn) == (("CN", 1), ("VN", 2))
    assert (await get_service_center(market.conn, code="acme-hanoi")).maker.name_ko == "아크메로보틱스"
    with pytest.raises(ServiceCenterNotFound):
        await get_service_center(market.conn, code="acme-x")


async def test_a_vendor_page_counts_public_listings_only(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    await market.bring(
        "products", market.row("products", code="b", model="B", state="draft"), viewer=market.alpha
    )
    await market.bring("package-models", market.row("package-models", visibility="members"))
    vendor = await get_vendor(market.conn, code="alpha", viewer=market.mill)
    assert (vendor.product_count, vendor.package_model_count) == (1, 0)
    assert await get_organization_id(market.conn, code="alpha", kind="vendor") == market.alpha.organization_id
    with pytest.raises(OrganizationNotFound):
        await get_organization_id(market.conn, code="mill", kind="vendor")


# -- origin claims -------------------------------------------------------------------------------------


async def claims(market: Any) -> list[tuple[Any, ...]]:
    rows = await market.conn.fetch(
        "SELECT verified_at IS NOT NULL, withdrawn_at IS NOT NULL FROM origin_claims ORDER BY created_at"
    )
    return [tuple(row) for row in rows]


async def test_an_origin_is_claimed_by_the_lister_and_verified_by_another(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    claim_id = uuid4()
    facts: dict[str, Any] = {
        "claim_id": claim_id, "product_code": "cobot-10", "basis": "software_rule", "country": "KR",
        "valid_until": date(2026, 11, 25), "is_fictional": True,
    }  # fmt: skip
    with pytest.raises(OriginClaimRefused) as refused:
        await claim_origin(market.conn, viewer=market.beta, **facts)
    assert refused.value.reason == "not_the_lister"
    assert await claims(market) == []
    await claim_origin(market.conn, viewer=market.alpha, **facts)
    await claim_origin(market.conn, viewer=market.alpha, **facts)
    assert await claims(market) == [(False, False)]
    alpha_id, beta_id = market.alpha.organization_id, market.beta.organization_id
    with pytest.raises(OriginClaimRefused) as refused:
        await verify_origin_claim(market.conn, claim_id=claim_id, verifier_id=alpha_id, now=NOW)
    assert refused.value.reason == "own_claim"
    assert await claims(market) == [(False, False)]
    with pytest.raises(OriginClaimRefused) as refused:
        await verify_origin_claim(market.conn, claim_id=claim_id, verifier_id=beta_id, now=NOW)
    assert refused.value.reason == "not_a_verifier"
    assert await claims(market) == [(False, False)]
    alliance_id = market.coordinator.organization_id
    await verify_origin_claim(market.conn, claim_id=claim_id, verifier_id=alliance_id, now=NOW)
    assert await claims(market) == [(True, False)]
    with pytest.raises(OriginClaimRefused) as refused:
        await verify_origin_claim(market.conn, claim_id=claim_id, verifier_id=alliance_id, now=NOW)
    assert refused.value.reason == "already_verified"


async def test_a_claim_without_evidence_or_past_its_day_is_not_verified(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    for facts, reason in (
        ({}, "no_evidence"),
        ({"is_fictional": True, "valid_until": date(2026, 11, 24)}, "expired"),
    ):
        claim_id = uuid4()
        await claim_origin(
            market.conn, claim_id=claim_id, product_code="cobot-10", viewer=market.alpha,
            basis="self_declared", country="KR", **facts,
        )  # fmt: skip
        with pytest.raises(OriginClaimRefused) as refused:
            await verify_origin_claim(
                market.conn, claim_id=claim_id, verifier_id=market.coordinator.organization_id, now=NOW
            )
        assert refused.value.reason == reason
    assert await claims(market) == [(False, True), (False, False)]


async def test_a_claim_is_withdrawn_by_its_maker_only(market: Any) -> None:
    await market.bring("products", viewer=market.alpha)
    claim_id = uuid4()
    await claim_origin(
        market.conn, claim_id=claim_id, product_code="cobot-10", viewer=market.coordinator,
        basis="self_declared", country="KR",
    )  # fmt: skip
    with pytest.raises(OriginClaimNotFound):
        await withdraw_origin_claim(market.conn, claim_id=claim_id, viewer=market.beta, now=NOW)
    assert await claims(market) == [(False, False)]
    await withdraw_origin_claim(market.conn, claim_id=claim_id, viewer=market.alpha, now=NOW)
    assert await claims(market) == [(False, True)]
    with pytest.raises(OriginClaimNotFound):
        await withdraw_origin_claim(market.conn, claim_id=claim_id, viewer=market.alpha, now=NOW)
