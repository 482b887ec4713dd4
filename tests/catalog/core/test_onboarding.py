"""The checklist: nothing is met by default (trap 12: a misspelt key must not be satisfied by everybody)."""

from datetime import date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from catalog.core.onboarding import (
    RULES,
    VENDOR_TRANSITIONS,
    Answer,
    Requirement,
    VendorFacts,
    VendorState,
    judge,
    lowering,
    months_later,
    standing,
    unmet,
)

TODAY = date(2026, 3, 1)
EVERYTHING = VendorFacts(
    has_business_number=True, has_contact=True, has_introduction=True, has_homepage=True, listing_count=5
)
CERTIFICATE = Requirement(
    key="certificate",
    kind="verified",
    rule=None,
    name_ko="증명서",
    name_en="Certificate",
    help_ko="",
    help_en="",
    is_required=True,
    needs_file=True,
    valid_months=12,
    required_from=TODAY,
    position=1,
)


def status(requirement: Requirement, *answers: Answer, facts: VendorFacts = EVERYTHING) -> str:
    return judge(requirement, answers, facts, today=TODAY).status


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "computed", "rule": "bussiness_number"},
        {"kind": "computed", "rule": None},
        {"kind": "verifed"},
        {"kind": ""},
    ],
)
def test_a_kind_or_rule_that_is_not_known_is_met_by_nobody(change: dict[str, Any]) -> None:
    item = judge(replace(CERTIFICATE, **change), [Answer(state="verified")], EVERYTHING, today=TODAY)
    assert (item.status, item.is_met) == ("unknown", False)
    assert unmet([item]) == lowering([item], today=TODAY) == (item,)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_asks_for_something(rule: str) -> None:
    nothing = VendorFacts(
        has_business_number=False,
        has_contact=False,
        has_introduction=False,
        has_homepage=False,
        listing_count=0,
    )
    computed = replace(CERTIFICATE, kind="computed", rule=rule)
    assert status(computed) == "complete"
    assert status(computed, facts=nothing) == "missing"


def test_an_answer_counts_to_its_last_day_and_lowers_the_vendor_the_day_after() -> None:
    answer = Answer(state="verified", valid_until=TODAY)
    late_requirement = replace(CERTIFICATE, required_from=TODAY + timedelta(days=90))
    for requirement in (CERTIFICATE, late_requirement):
        today = judge(requirement, [answer], EVERYTHING, today=TODAY)
        tomorrow = judge(requirement, [answer], EVERYTHING, today=TODAY + timedelta(days=1))
        assert (today.status, today.expires_soon, tomorrow.status) == ("complete", True, "expired")
        assert standing("active", [today], today=TODAY) == "active"
        assert standing("active", [tomorrow], today=TODAY + timedelta(days=1)) == "action_needed"


def test_a_renewal_that_waits_does_not_take_the_old_answer_away() -> None:
    old, renewal = Answer(state="verified", valid_until=TODAY), Answer(state="submitted")
    item = judge(CERTIFICATE, [old, renewal], EVERYTHING, today=TODAY)
    assert (item.status, item.standing, item.waiting) == ("complete", old, renewal)


def test_a_new_requirement_lowers_nobody_before_its_day() -> None:
    item = judge(replace(CERTIFICATE, required_from=TODAY + timedelta(days=1)), [], EVERYTHING, today=TODAY)
    assert unmet([item]) == (item,)
    assert standing("active", [item], today=TODAY) == "active"
    assert standing("active", [item], today=TODAY + timedelta(days=1)) == "action_needed"


def test_a_waiver_counts_and_expires_as_well() -> None:
    assert status(CERTIFICATE, Answer(state="waived")) == "waived"
    assert status(CERTIFICATE, Answer(state="waived", valid_until=TODAY - timedelta(days=1))) == "expired"
    unknown = replace(CERTIFICATE, kind="verifed")
    assert status(unknown, Answer(state="waived")) == "waived"


def test_an_attestation_is_no_verification_and_the_reverse() -> None:
    assert status(CERTIFICATE, Answer(state="attested")) == "missing"
    assert status(replace(CERTIFICATE, kind="attested"), Answer(state="verified")) == "missing"


@given(st.sampled_from(["submitted", "rejected"]))
def test_what_is_not_decided_for_the_vendor_is_not_met(state: Any) -> None:
    assert status(CERTIFICATE, Answer(state=state)) == state


def test_an_optional_requirement_stands_in_nobodys_way() -> None:
    item = judge(replace(CERTIFICATE, is_required=False), [], EVERYTHING, today=TODAY)
    assert unmet([item]) == lowering([item], today=TODAY) == ()


def test_only_an_active_vendor_is_lowered() -> None:
    item = judge(CERTIFICATE, [], EVERYTHING, today=TODAY)
    assert [standing(state, [item], today=TODAY) for state in get_args(VendorState)] == [
        "pending",
        "action_needed",
        "suspended",
        "terminated",
    ]
    assert set(VENDOR_TRANSITIONS) == set(get_args(VendorState))


def test_months_end_on_a_day_that_exists() -> None:
    assert months_later(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert months_later(date(2023, 11, 30), 3) == date(2024, 2, 29)
    assert months_later(date(2026, 3, 1), 12) == date(2027, 3, 1)
