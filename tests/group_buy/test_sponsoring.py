"""Sponsors: a part of each named member's bill by charges of their own; both together pay the total to the won."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_person, a_pledge, a_round, an_organization, fund

from catalog.events import Actor
from group_buy.bank_lines import assign_line, list_waiting_lines, mark_line
from group_buy.banking import import_statement
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.core.pledge import Pledge
from group_buy.core.sponsorship import SponsorshipKind
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.dunning import list_overdue, send_reminders, send_sponsor_reminders
from group_buy.errors import (
    InvalidSponsorship,
    RoundNotFound,
    SponsorshipNotFound,
    SponsorshipRefused,
)
from group_buy.lapsing import lapse_pledges
from group_buy.ledger import read_statement
from group_buy.receiving import mark_transferred
from group_buy.sponsor_checks import SPONSOR_INVARIANTS
from group_buy.sponsor_reading import find_promises, list_sponsorships
from group_buy.sponsoring import (
    SPONSORSHIPS_MAX,
    confirm_sponsorship,
    make_sponsorship,
    release_sponsorship,
    revoke_sponsorship,
)

ACCOUNT = "110-234-567890"


async def a_sponsor(conn: asyncpg.Connection, code: str = "sponsor", kind: Any = "partner") -> Actor:
    sponsor_id = await an_organization(conn, code, kind=kind)
    return Actor(await a_person(conn, code, roles=("admin",)), sponsor_id)


async def sponsored(
    conn: asyncpg.Connection,
    coordinator: Actor,
    sponsor: Actor,
    members: list[str],
    *,
    kind: SponsorshipKind = "share",
    share_bp: int | None = 3000,
    krw_max: int | None = None,
    is_confirmed: bool = True,
) -> UUID:
    """A sponsorship of the round `round`."""
    sponsorship_id = uuid4()
    code = await conn.fetchval("SELECT code FROM organizations WHERE id = $1", sponsor.organization_id)
    async with conn.transaction():
        await make_sponsorship(
            conn, sponsorship_id=sponsorship_id, round_code="round", sponsor_code=code, kind=kind,
            share_bp=share_bp, krw_max=krw_max, member_codes=members, note="", actor=coordinator,
        )  # fmt: skip
    if is_confirmed:
        async with conn.transaction():
            await confirm_sponsorship(conn, sponsorship_id=sponsorship_id, actor=sponsor)
    return sponsorship_id


async def clear(conn: asyncpg.Connection) -> None:
    async with conn.transaction():
        await begin_closing(conn, code="round", early=True)
    async with conn.transaction():
        assert await clear_if_decided(conn, code="round")


async def charges(conn: asyncpg.Connection, pledge: Pledge) -> list[tuple[str, str, int]]:
    rows = await conn.fetch(
        """
        SELECT purpose, state, coalesce(nullif(capture_krw, 0), amount_krw) AS krw FROM charges
        WHERE pledge_id = $1 AND state <> 'released' ORDER BY purpose, entry_no
        """,
        pledge.id,
    )
    return [(row["purpose"], row["state"], row["krw"]) for row in rows]


async def counts(conn: asyncpg.Connection) -> list[int]:
    """How many rows a refusal could have written."""
    return [
        await conn.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("sponsorships", "sponsored_members", "sponsored_parts", "charges", "events", "notifications")
    ]  # fmt: skip


async def test_a_share_becomes_the_sponsors_own_charge_and_the_balance_is_less(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator)
    member = await a_pledge(checked, buying_round, "member", 4)
    other = await a_pledge(checked, buying_round, "other", 1)
    await fund(checked, member, received_krw=400_000)
    await fund(checked, other)
    await sponsored(checked, coordinator, sponsor, ["member"])
    await clear(checked)
    # 4 × ₩900,000 + 10 % = ₩3,960,000; 30 % of it is ₩1,188,000
    assert await charges(checked, member) == [
        ("balance", "due", 3_960_000 - 400_000 - 1_188_000),
        ("deposit", "captured", 400_000),
        ("sponsored", "due", 1_188_000),
    ]
    assert await charges(checked, other) == [("balance", "due", 990_000)]
    (view,) = await list_sponsorships(checked, sponsor_id=sponsor.organization_id or 0)
    assert (view.state, view.part_krw, view.open_krw, view.paid_krw) == ("confirmed", 1_188_000, 1_188_000, 0)
    assert view.reference.startswith("SFS")
    assert view.due_on is not None
    (promise,) = await find_promises(checked, buyer_id=member.buyer_id)
    assert [(each.code, each.part_krw) for each in promise.members] == [("member", 1_188_000)]
    assert await find_promises(checked, buyer_id=other.buyer_id) == []


async def test_an_offer_that_was_not_confirmed_pays_nothing(checked: asyncpg.Connection) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator)
    member = await a_pledge(checked, buying_round, "member", 4)
    await fund(checked, member)
    await sponsored(checked, coordinator, sponsor, ["member"], is_confirmed=False)
    await clear(checked)
    assert [each[0] for each in await charges(checked, member)] == ["balance"]
    (view,) = await list_sponsorships(checked, sponsor_id=sponsor.organization_id or 0)
    assert view.state == "lapsed"


async def test_a_short_delivery_gives_the_sponsor_back_its_share_of_what_did_not_come(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator, allocation_rule="time")
    member = await a_pledge(checked, buying_round, "member", 4)
    await fund(checked, member, received_krw=400_000)
    await sponsored(checked, coordinator, sponsor, ["member"])
    await clear(checked)
    mine = coordinator.organization_id or 0
    for row in await checked.fetch("SELECT id FROM charges WHERE state = 'due'"):
        await mark_transferred(checked, charge_id=row["id"], coordinator_id=mine, actor=coordinator)
    await order_round(checked, code="round", coordinator_id=mine, actor=coordinator)
    await record_delivery(checked, code="round", quantity=2, actor=coordinator)
    # 4 × ₩1,000,000 + VAT = ₩4,400,000, 30 % = ₩1,320,000; delivered 2: ₩2,200,000, 30 % = ₩660,000
    assert ("sponsor_refund", "due", 660_000) in await charges(checked, member)
    assert ("refund", "due", 1_540_000) in await charges(checked, member)
    statement = await read_statement(checked, side="sponsor", code="sponsor")
    assert {each.account: each.balance_krw for each in statement.balances} == {
        "sponsor_receivable": 0,
        "sponsor_refunds_owed": 660_000,
    }


async def test_a_top_up_is_divided_and_a_lapsed_members_part_is_no_other_members_gain(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(
        checked, coordinator=coordinator, allocation_rule="time", tiers=((2, 1_000_000),)
    )
    pledges = [await a_pledge(checked, buying_round, f"m{n}", units) for n, units in enumerate((3, 2, 2))]
    for pledge in pledges:
        await fund(checked, pledge)
    await sponsored(
        checked, coordinator, sponsor, ["m0", "m1"], kind="top_up", share_bp=None, krw_max=1_000_001
    )
    await clear(checked)
    parts = [{each[0]: each[2] for each in await charges(checked, p)} for p in pledges]
    assert [each.get("sponsored", 0) for each in parts] == [600_001, 400_000, 0]
    await lapse_pledges(
        checked, code="round", pledge_ids=frozenset({pledges[0].id}), actor=coordinator,
        coordinator_id=coordinator.organization_id,
    )  # fmt: skip
    assert [each for each in await charges(checked, pledges[0]) if each[0] == "sponsored"] == []
    assert ("sponsored", "due", 400_000) in await charges(checked, pledges[1])


async def test_letting_a_sponsor_off_makes_the_members_owe_what_it_did_not_pay(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator)
    pledges = [await a_pledge(checked, buying_round, f"m{n}", 2) for n in range(2)]
    for pledge in pledges:
        await fund(checked, pledge)
    sponsorship_id = await sponsored(checked, coordinator, sponsor, ["m0", "m1"])
    with pytest.raises(SponsorshipRefused):
        await release_sponsorship(checked, sponsorship_id=sponsorship_id, actor=coordinator)
    await clear(checked)
    # 2 × ₩1,000,000 + VAT each; 30 % = ₩660,000
    reference = await checked.fetchval("SELECT reference FROM receivables WHERE kind = 'sponsored'")
    await bank(checked, coordinator, f"2026-11-21 09:00:00,{reference},0,800000,9000000")
    before = await counts(checked)
    with pytest.raises(SponsorshipNotFound):
        await release_sponsorship(checked, sponsorship_id=sponsorship_id, actor=sponsor)
    assert await counts(checked) == before
    assert await release_sponsorship(checked, sponsorship_id=sponsorship_id, actor=coordinator) == 520_000
    first, second = sorted([await charges(checked, each) for each in pledges], key=len)
    assert first == [("balance", "due", 1_540_000), ("sponsored", "captured", 660_000)]
    assert second == [
        ("balance", "due", 1_540_000),
        ("balance", "due", 520_000),
        ("sponsored", "captured", 140_000),
    ]
    told = await checked.fetch("SELECT data FROM notifications WHERE kind = 'sponsorship.released'")
    assert [row["data"]["krw"] for row in told] == ["520,000"]
    with pytest.raises(SponsorshipRefused):
        await release_sponsorship(checked, sponsorship_id=sponsorship_id, actor=coordinator)


async def bank(conn: asyncpg.Connection, coordinator: Actor, *lines: str) -> Any:
    content = "\n".join(("거래일시,적요,출금액(원),입금액(원),잔액(원)", *lines))
    async with conn.transaction():
        return await import_statement(
            conn, import_id=uuid4(), content=content.encode(), file_name="bank.csv", account=ACCOUNT,
            take_good_rows=False, actor=coordinator,
        )  # fmt: skip


async def test_one_transfer_pays_all_parts_and_a_surplus_is_owed_back_to_the_sponsor(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator)
    pledges = [await a_pledge(checked, buying_round, f"m{n}", 2) for n in range(2)]
    for pledge in pledges:
        await fund(checked, pledge)
    await sponsored(checked, coordinator, sponsor, ["m0", "m1"])
    reference = await checked.fetchval("SELECT reference FROM receivables WHERE kind = 'sponsored'")
    report = await bank(checked, coordinator, f"2026-11-20 09:00:00,{reference},0,5,5")
    assert [each.reason for each in report.unmatched] == ["nothing_open"]
    await clear(checked)
    report = await bank(
        checked, coordinator, f"2026-11-21 09:00:00,후원 {reference.lower()},0,1320100,1320105"
    )
    assert [(each.amount_krw, each.surplus_krw) for each in report.booked] == [(1_320_000, 100)]
    (view,) = await list_sponsorships(checked, sponsor_id=sponsor.organization_id or 0)
    assert (view.part_krw, view.open_krw, view.paid_krw, view.back_due_krw) == (1_320_000, 0, 1_320_100, 100)
    (line,) = await checked.fetch("SELECT id FROM bank_lines WHERE received_krw = 1320100")
    async with checked.transaction():
        await mark_line(checked, bank_line_id=line["id"], mark="reopened", note="wrong", actor=coordinator)
    (view,) = await list_sponsorships(checked, sponsor_id=sponsor.organization_id or 0)
    assert (view.open_krw, view.paid_krw - view.back_krw, view.back_due_krw) == (1_320_000, 0, 0)
    assert await broken(checked) == []
    async with checked.transaction():
        await assign_line(
            checked, bank_line_id=line["id"], reference=reference, amount_krw=None, note="", actor=coordinator
        )
    (view,) = await list_sponsorships(checked, sponsor_id=sponsor.organization_id or 0)
    assert (view.open_krw, view.paid_krw - view.back_krw) == (0, 1_320_000)
    waiting = await list_waiting_lines(checked, organization_id=coordinator.organization_id or 0)
    assert [each.received_krw for each in waiting] == [5]


async def broken(conn: asyncpg.Connection) -> list[str]:
    return [result.name for result in await check_invariants(conn) if result.violations]


REFUSED: dict[str, dict[str, Any]] = {
    "share of nothing": {"share_bp": 0},
    "share above all": {"share_bp": 10_001},
    "share missing": {"share_bp": None},
    "top-up without a sum": {"kind": "top_up", "krw_max": None},
    "no won": {"kind": "top_up", "krw_max": 0},
    "no members": {"members": []},
    "unknown member": {"members": ["member", "nobody"]},
    "a vendor as member": {"members": ["vendor"]},
    "too many members": {"members": [f"x{n}" for n in range(1001)]},
    "the sponsor itself": {"members": ["member"], "sponsor": "member"},
    "unknown sponsor": {"sponsor": "nobody"},
    "the seller as sponsor": {"sponsor": "vendor"},
    "a note too long": {"note": "x" * 501},
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_sponsorship_that_breaks_a_rule_is_refused_and_changes_nothing(
    checked: asyncpg.Connection, case: str
) -> None:
    coordinator = await a_coordinator(checked)
    await a_sponsor(checked)
    await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)
    asked = {"kind": "share", "share_bp": 3000, "krw_max": None, "members": ["member"], "sponsor": "sponsor",
             "note": ""} | REFUSED[case]  # fmt: skip
    before = await counts(checked)
    with pytest.raises(InvalidSponsorship):
        await make_sponsorship(
            checked, sponsorship_id=uuid4(), round_code="round", sponsor_code=asked["sponsor"], kind=asked["kind"],
            share_bp=asked["share_bp"], krw_max=asked["krw_max"], member_codes=asked["members"], note=asked["note"],
            actor=coordinator,
        )  # fmt: skip
    assert await counts(checked) == before


async def test_only_the_coordinator_makes_and_only_the_sponsor_confirms(checked: asyncpg.Connection) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    other = await a_coordinator(checked, "others")
    await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)
    before = await counts(checked)
    for stranger in (other, sponsor):
        with pytest.raises(RoundNotFound):
            await sponsored(checked, stranger, sponsor, ["member"])
    assert await counts(checked) == before
    sponsorship_id = await sponsored(checked, coordinator, sponsor, ["member"], is_confirmed=False)
    before = await counts(checked)
    for stranger in (coordinator, other):
        with pytest.raises(SponsorshipNotFound):
            await confirm_sponsorship(checked, sponsorship_id=sponsorship_id, actor=stranger)
    with pytest.raises(SponsorshipNotFound):
        await revoke_sponsorship(checked, sponsorship_id=sponsorship_id, actor=other)
    assert await counts(checked) == before
    assert await checked.fetchval("SELECT count(*) FROM sponsorships WHERE confirmed_at IS NOT NULL") == 0


async def test_after_the_close_nothing_is_made_confirmed_or_revoked(checked: asyncpg.Connection) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    later = await a_sponsor(checked, "later")
    await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)
    offered = await sponsored(checked, coordinator, sponsor, ["member"], is_confirmed=False)
    await begin_closing(checked, code="round", early=True)
    before = await counts(checked)
    refusals = (
        lambda: sponsored(checked, coordinator, later, ["member"]),
        lambda: confirm_sponsorship(checked, sponsorship_id=offered, actor=sponsor),
        lambda: revoke_sponsorship(checked, sponsorship_id=offered, actor=coordinator),
    )
    for refusal in refusals:
        with pytest.raises(SponsorshipRefused) as refused:
            await refusal()
        assert refused.value.reason == "round_closed"
    assert await counts(checked) == before


async def test_revoked_before_the_close_pays_nothing_and_leaves_room_for_another(
    checked: asyncpg.Connection,
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    pledge = await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)
    await fund(checked, pledge)
    first = await sponsored(checked, coordinator, sponsor, ["member"])
    with pytest.raises(SponsorshipRefused) as refused:
        await sponsored(checked, coordinator, sponsor, ["member"])
    assert refused.value.reason == "sponsors_already"
    for actor in (sponsor, coordinator):
        await revoke_sponsorship(checked, sponsorship_id=first, actor=actor)
    with pytest.raises(SponsorshipRefused):
        await confirm_sponsorship(checked, sponsorship_id=first, actor=sponsor)
    await sponsored(checked, coordinator, sponsor, ["member"], share_bp=5000)
    await clear(checked)
    assert ("sponsored", "due", 1_100_000) in await charges(checked, pledge)


async def test_a_round_has_a_limited_number_of_sponsorships(checked: asyncpg.Connection) -> None:
    coordinator = await a_coordinator(checked)
    pledge = await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)
    await fund(checked, pledge)
    for n in range(SPONSORSHIPS_MAX):
        await sponsored(checked, coordinator, await a_sponsor(checked, f"s{n}"), ["member"], share_bp=1000)
    more = await a_sponsor(checked, "more")
    before = await counts(checked)
    with pytest.raises(SponsorshipRefused) as refused:
        await sponsored(checked, coordinator, more, ["member"])
    assert refused.value.reason == "too_many"
    assert await counts(checked) == before
    await clear(checked)  # twenty times ten percent: the first ten pay all of it
    paid = [each[2] for each in await charges(checked, pledge)]
    assert paid == [220_000] * 10
    assert await checked.fetchval("SELECT balance_krw FROM invoices") == 0


async def test_two_sponsorships_at_once_do_not_pass_the_rule_of_one_a_sponsor(
    checked: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    await a_pledge(checked, await a_round(checked, coordinator=coordinator), "member", 2)

    async def once() -> bool:
        async with pool.acquire() as conn:
            try:
                await sponsored(conn, coordinator, sponsor, ["member"], is_confirmed=False)
            except SponsorshipRefused:
                return False
            return True

    assert sorted(await asyncio.gather(*(once() for _ in range(4)))) == [False, False, False, True]


async def test_a_sponsor_is_reminded_once_a_step_for_all_its_parts_and_is_listed_when_late(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    coordinator, sponsor = await a_coordinator(checked), await a_sponsor(checked)
    buying_round = await a_round(checked, coordinator=coordinator)
    for n in range(2):
        await fund(checked, await a_pledge(checked, buying_round, f"m{n}", 2))
    await sponsored(checked, coordinator, sponsor, ["m0", "m1"], share_bp=10_000)
    await clear(checked)
    days = (-3, 0, 7)
    assert await send_sponsor_reminders(checked, days=days) == 0
    await owner_conn.execute("UPDATE invoices SET due_on = due_on - 15")
    assert [await send_sponsor_reminders(checked, days=days) for _ in range(2)] == [1, 0]
    assert await send_reminders(checked, days=days) == 0  # the members owe nothing
    await owner_conn.execute("UPDATE invoices SET due_on = due_on - 7")
    assert [await send_sponsor_reminders(checked, days=days) for _ in range(2)] == [1, 0]
    told = await checked.fetch(
        "SELECT organization_id, data FROM notifications WHERE kind = 'sponsorship.overdue'"
    )
    assert [(row["organization_id"], row["data"]["open_krw"]) for row in told] == [
        (sponsor.organization_id, "4,400,000")
    ]
    late = await list_overdue(checked, coordinator_id=coordinator.organization_id or 0)
    assert [(each.buyer_ko, each.open_krw, each.reference[:3]) for each in late] == [
        ("sponsor 회사", 2_200_000, "SFS"),
        ("sponsor 회사", 2_200_000, "SFS"),
    ]


WRONG = {
    "sponsors and their member together pay the total, to the won":
        "UPDATE charges SET amount_krw = amount_krw + 1 WHERE purpose = 'sponsored'",
    "a sponsor's charges less refunds are its part":
        "UPDATE charges SET amount_krw = amount_krw - 1 WHERE purpose = 'sponsored'",
    "no sponsor pays more than it promised, and only for members that it named":
        "DELETE FROM sponsored_members",
    "a part is of its member's present total":
        "UPDATE sponsored_parts SET total_krw = total_krw + 10",
    "no sponsorship was made, confirmed or revoked after its round had closed":
        "UPDATE sponsorships SET confirmed_at = clock_timestamp()",
    "what a sponsor owes is its parts less what it paid":
        "UPDATE ledger_entries SET amount_krw = amount_krw + 1 WHERE reason = 'sponsored'",
    "what sponsors are owed back is their refunds that are not paid yet":
        "UPDATE ledger_entries SET credit_account = 'sponsor_refunds_owed' WHERE reason = 'sponsored'",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_each_invariant_of_sponsors_finds_a_row_that_breaks_it(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection, name: str
) -> None:
    coordinator, sponsor = await a_coordinator(conn), await a_sponsor(conn)
    member = await a_pledge(conn, await a_round(conn, coordinator=coordinator), "member", 2)
    await fund(conn, member)
    await sponsored(conn, coordinator, sponsor, ["member"])
    await clear(conn)
    assert await broken(conn) == []
    await owner_conn.execute("SET session_replication_role = replica")
    await owner_conn.execute(WRONG[name])
    assert name in await broken(conn)


def test_every_invariant_of_sponsors_has_a_row_that_breaks_it() -> None:
    assert set(WRONG) == set(SPONSOR_INVARIANTS)
