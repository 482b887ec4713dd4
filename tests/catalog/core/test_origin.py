from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.core.origin import OriginClaim, ShareInterval, ShareLine, claim_standing, domestic_share
from catalog.core.service_center import is_service_center

TODAY = date(2026, 11, 25)
VERIFIED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_claim(**facts: Any) -> OriginClaim:
    return OriginClaim(**{"id": UUID(int=1), "basis": "self_declared", "country": "KR", **facts})


VERIFIED = a_claim(has_evidence=True, verified_at=VERIFIED_AT)
CLAIMED = a_claim()


def test_a_claim_without_evidence_is_never_verified() -> None:
    assert claim_standing(a_claim(verified_at=VERIFIED_AT), today=TODAY) == "claimed"
    assert claim_standing(a_claim(has_evidence=True), today=TODAY) == "claimed"
    assert claim_standing(VERIFIED, today=TODAY) == "verified"


def test_a_claim_counts_through_its_last_day_and_not_after() -> None:
    last_day = a_claim(has_evidence=True, verified_at=VERIFIED_AT, valid_until=TODAY)
    expired = a_claim(has_evidence=True, verified_at=VERIFIED_AT, valid_until=date(2026, 11, 24))
    assert claim_standing(last_day, today=TODAY) == "verified"
    assert claim_standing(expired, today=TODAY) == "none"


def test_a_claim_of_another_country_is_no_domestic_claim() -> None:
    assert claim_standing(a_claim(country="JP"), today=TODAY) == "none"
    assert claim_standing(None, today=TODAY) == "none"


def test_the_share_is_an_interval_by_value_rounded_down() -> None:
    lines = [
        ShareLine(False, 1, 100, VERIFIED),
        ShareLine(False, 2, 50, CLAIMED),
        ShareLine(False, 1, 100, None),
        ShareLine(True, 1, 900, VERIFIED),
    ]
    assert domestic_share(lines, today=TODAY) == ShareInterval(3333, 6666, 300, 900)


def test_a_content_ratio_counts_only_that_part() -> None:
    lines = [ShareLine(False, 1, 100, a_claim(domestic_content_bp=5100))]
    assert domestic_share(lines, today=TODAY) == ShareInterval(0, 5100, 100, 0)


def test_the_share_of_an_unknown_value_is_unknown() -> None:
    assert domestic_share([], today=TODAY) is None
    assert domestic_share([ShareLine(True, 1, 100, VERIFIED)], today=TODAY) is None
    priced, unpriced = ShareLine(False, 1, 100, VERIFIED), ShareLine(False, 1, None, None)
    assert domestic_share([priced, unpriced], today=TODAY) is None
    service = ShareLine(True, 1, None, None)
    assert domestic_share([priced, service], today=TODAY) == ShareInterval(10_000, 10_000, 100, 0)


LINES = st.lists(
    st.builds(
        ShareLine,
        st.booleans(),
        st.integers(1, 10**5),
        st.integers(1, 10**12),
        st.none()
        | st.builds(
            a_claim,
            country=st.sampled_from(["KR", "DE"]),
            domestic_content_bp=st.none() | st.integers(0, 10_000),
            has_evidence=st.booleans(),
            verified_at=st.none() | st.just(VERIFIED_AT),
        ),
    ),
    max_size=8,
)


@given(LINES)
@settings(deadline=None)
def test_verified_never_exceeds_claimed_and_order_does_not_matter(lines: list[ShareLine]) -> None:
    share = domestic_share(lines, today=TODAY)
    assert share == domestic_share(lines[::-1], today=TODAY)
    if share:
        assert 0 <= share.verified_bp <= share.claimed_bp <= 10_000
        assert share.goods_krw == sum(x.quantity * (x.unit_price_krw or 0) for x in lines if not x.is_service)


def test_a_site_is_a_service_center_only_by_role_status_and_proof() -> None:
    assert is_service_center(status="operating", roles=["service"], has_source=True, is_confirmed=False)
    assert is_service_center(
        status="operating", roles=["sales", "repair"], has_source=False, is_confirmed=True
    )
    assert not is_service_center(status="planned", roles=["service"], has_source=True, is_confirmed=True)
    assert not is_service_center(
        status="operating", roles=["plant", "sales"], has_source=True, is_confirmed=True
    )
    assert not is_service_center(status="operating", roles=["service"], has_source=False, is_confirmed=False)
