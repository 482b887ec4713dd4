"""Tax invoices, guarantees, reminders and payouts: rows that add up, bounds that hold, each thing once."""

from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from catalog.events import Actor
from group_buy.closing import begin_closing
from group_buy.core.round import Round
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.dunning import list_overdue, read_reminder_days, send_reminders
from group_buy.errors import (
    ApprovalNumberRefused,
    GuaranteeExceeded,
    GuaranteeNotFound,
    InvalidRound,
    OrganizationUnknown,
    PayoutBatchNotFound,
    RoundNotFound,
    TaxInvoiceNotFound,
)
from group_buy.guarantees import end_guarantee, list_guarantees, record_guarantee
from group_buy.payouts import get_payout_batch, list_payables, make_payout_batch, payout_rows
from group_buy.reading import list_charges, read_funded_units
from group_buy.receiving import mark_transferred, verify_funding
from group_buy.tax_invoices import (
    BillingProfile,
    change_billing_profile,
    count_waiting_changes,
    draw_up_tax_invoices,
    list_tax_invoices,
    record_approval,
)
from marketplace.uploads import keep_pdf

PDF = b"%PDF-1.4\n%%EOF\n"
NUMBER = "20261105-10000000-abcd1234"


async def today_in_korea(conn: asyncpg.Connection) -> date:
    found: date = await conn.fetchval("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date")
    return found


async def cleared(conn: asyncpg.Connection, actor: Actor, *quantities: int) -> Round:
    buying_round = await a_round(conn, coordinator=actor)
    for n, quantity in enumerate(quantities):
        await fund(conn, await a_pledge(conn, buying_round, f"factory-{n}", quantity))
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    return buying_round


async def delivered(conn: asyncpg.Connection, actor: Actor, quantity: int) -> None:
    assert actor.organization_id is not None
    await order_round(conn, code="round", coordinator_id=actor.organization_id, actor=actor)
    await record_delivery(conn, code="round", quantity=quantity, actor=actor)


# -- tax invoices --------------------------------------------------------------------------------------


async def test_corrections_after_a_short_delivery_are_further_negative_rows(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    buying_round = await cleared(checked, actor, 3, 3)
    today = await today_in_korea(checked)
    assert await draw_up_tax_invoices(checked, code="round", written_on=today, actor=actor) == 2
    assert await draw_up_tax_invoices(checked, code="round", written_on=today, actor=actor) == 0
    await delivered(checked, actor, 5)
    assert await count_waiting_changes(checked, code="round") == 1
    assert await draw_up_tax_invoices(checked, code="round", written_on=today, actor=actor) == 1
    vendor_id = buying_round.vendor_id
    rows = await list_tax_invoices(checked, code="round", organization_id=vendor_id)
    assert [(row.kind, row.quantity, row.supply_krw, row.vat_krw) for row in rows] == [
        ("original", 3, 2_700_000, 270_000),
        ("original", 3, 2_700_000, 270_000),
        ("return", -1, -900_000, -90_000),
    ]
    owed = await checked.fetchval("SELECT sum(total_krw) FROM current_allocations")
    assert sum(row.total_krw for row in rows) == owed
    assert await count_waiting_changes(checked, code="round") == 0


async def test_an_approval_number_is_kept_once_and_shown_with_the_correction(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    buying_round = await cleared(checked, actor, 2, 2)
    await draw_up_tax_invoices(checked, code="round", written_on=await today_in_korea(checked), actor=actor)
    one, other = await list_tax_invoices(checked, code="round", organization_id=buying_round.vendor_id)
    with pytest.raises(ApprovalNumberRefused):
        await record_approval(checked, tax_invoice_id=one.id, approval_number="12", actor=actor)
    for _ in range(2):
        await record_approval(checked, tax_invoice_id=one.id, approval_number=NUMBER, actor=actor)
    with pytest.raises(ApprovalNumberRefused):
        await record_approval(checked, tax_invoice_id=other.id, approval_number=NUMBER, actor=actor)
    with pytest.raises(ApprovalNumberRefused):
        await record_approval(
            checked, tax_invoice_id=one.id, approval_number=NUMBER.replace("abcd", "ffff"), actor=actor
        )
    await delivered(checked, actor, 3)
    await draw_up_tax_invoices(checked, code="round", written_on=await today_in_korea(checked), actor=actor)
    rows = await list_tax_invoices(checked, code="round", organization_id=buying_round.vendor_id)
    numbers = {row.approval_number for row in rows}
    assert numbers == {NUMBER.replace("-", ""), None}
    assert await checked.fetchval("SELECT count(*) FROM tax_invoice_approvals") == 1


async def test_tax_invoices_of_others_are_unknown(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await cleared(checked, actor, 2)
    today = await today_in_korea(checked)
    await draw_up_tax_invoices(checked, code="round", written_on=today, actor=actor)
    stranger = await a_coordinator(checked, "other-alliance")
    assert stranger.organization_id is not None
    with pytest.raises(RoundNotFound):
        await list_tax_invoices(checked, code="round", organization_id=stranger.organization_id)
    with pytest.raises(RoundNotFound):
        await draw_up_tax_invoices(checked, code="round", written_on=today, actor=stranger)
    with pytest.raises(TaxInvoiceNotFound):
        await record_approval(checked, tax_invoice_id=1, approval_number=NUMBER, actor=stranger)
    with pytest.raises(InvalidRound):
        await draw_up_tax_invoices(checked, code="round", written_on=today + timedelta(days=1), actor=actor)
    assert await checked.fetchval("SELECT count(*) FROM tax_invoices") == 1


# -- guarantees ----------------------------------------------------------------------------------------


async def guarantee(
    conn: asyncpg.Connection, actor: Actor, buyer: str, limit_krw: int, *, number: str = "G-1"
) -> None:
    file_id = await keep_pdf(conn, name="guarantee.pdf", content=PDF, actor=actor)
    await record_guarantee(
        conn,
        guarantee_id=uuid4(),
        buyer_code=buyer,
        issuer="서울보증보험",
        number=number,
        limit_krw=limit_krw,
        expires_on=await today_in_korea(conn),
        file_id=file_id,
        actor=actor,
    )


async def by_guarantee(conn: asyncpg.Connection, actor: Actor, pledge_id: object) -> None:
    assert actor.organization_id is not None
    await verify_funding(
        conn,
        pledge_id=pledge_id,  # type: ignore[arg-type]
        coordinator_id=actor.organization_id,
        kind="guarantee",
        received_krw=0,
        actor=actor,
    )


async def test_a_guarantee_bounds_what_a_buyer_may_commit_over_all_rounds(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    first = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, first, "hanbit", 2)
    with pytest.raises(GuaranteeExceeded) as refusal:
        await by_guarantee(checked, actor, pledge.id)
    error = refusal.value
    assert (error.wanted_krw, error.capacity_krw, error.committed_krw) == (2_200_000, 0, 0)
    assert await checked.fetchval("SELECT count(*) FROM pledge_fundings") == 0
    assert await read_funded_units(checked, round_id=first.id) == 0
    await guarantee(checked, actor, "hanbit", 3_000_000)
    for _ in range(2):
        await by_guarantee(checked, actor, pledge.id)
    assert await read_funded_units(checked, round_id=first.id) == 2
    [found] = await list_guarantees(checked, coordinator_id=actor.organization_id or 0)
    assert (found.capacity_krw, found.committed_krw, found.is_live) == (3_000_000, 2_200_000, True)


async def test_what_was_paid_frees_the_guarantee_again(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    await guarantee(checked, actor, "hanbit", 2_200_000)
    await by_guarantee(checked, actor, pledge.id)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    [found] = await list_guarantees(checked, coordinator_id=actor.organization_id or 0)
    assert found.committed_krw == 2_200_000
    [charge] = await list_charges(checked, round_id=buying_round.id)
    await mark_transferred(
        checked, charge_id=charge.id, coordinator_id=actor.organization_id or 0, actor=actor
    )
    [found] = await list_guarantees(checked, coordinator_id=actor.organization_id or 0)
    assert found.committed_krw == 0


async def test_expired_or_ended_guarantees_bear_nothing(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    await guarantee(checked, actor, "hanbit", 9_000_000)
    await owner_conn.execute("UPDATE guarantees SET expires_on = expires_on - 1")
    with pytest.raises(GuaranteeExceeded):
        await by_guarantee(checked, actor, pledge.id)
    await guarantee(checked, actor, "hanbit", 9_000_000, number="G-2")
    live = next(
        g for g in await list_guarantees(checked, coordinator_id=actor.organization_id or 0) if g.is_live
    )
    stranger = await a_coordinator(checked, "other-alliance")
    with pytest.raises(GuaranteeNotFound):
        await end_guarantee(checked, guarantee_id=live.id, reason="x", actor=stranger)
    await end_guarantee(checked, guarantee_id=live.id, reason="반환", actor=actor)
    with pytest.raises(GuaranteeExceeded):
        await by_guarantee(checked, actor, pledge.id)
    with pytest.raises(OrganizationUnknown):
        await guarantee(checked, actor, "nobody", 1)
    with pytest.raises(InvalidRound):
        await guarantee(checked, actor, "hanbit", 5, number="G-2")


# -- reminders -----------------------------------------------------------------------------------------


async def test_each_step_is_told_once_and_missed_ones_are_overtaken(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    await cleared(checked, actor, 2)
    days = read_reminder_days("3,-3, 0")
    assert days == (-3, 0, 3)

    async def kinds() -> list[str]:
        rows = await checked.fetch(
            "SELECT kind FROM notifications WHERE kind LIKE 'invoice.%due%' ORDER BY id"
        )
        return [row["kind"] for row in rows]

    async def due_in(number: int) -> None:
        await owner_conn.execute(
            "UPDATE invoices SET due_on = (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date + $1::int",
            number,
        )

    assert await send_reminders(checked, days=days) == 0
    await due_in(3)
    assert [await send_reminders(checked, days=days) for _ in range(2)] == [1, 0]
    assert await list_overdue(checked, coordinator_id=actor.organization_id or 0) == []
    await due_in(-4)
    assert [await send_reminders(checked, days=days) for _ in range(2)] == [1, 0]
    assert await kinds() == ["invoice.due_soon", "invoice.overdue"]
    rows = await checked.fetch("SELECT days_after, is_told FROM reminders ORDER BY days_after")
    assert [tuple(row) for row in rows] == [(-3, True), (0, False), (3, True)]
    [late] = await list_overdue(checked, coordinator_id=actor.organization_id or 0)
    assert (late.days_late, late.open_krw, late.reminded_at_days) == (4, 2_200_000, 3)


@pytest.mark.parametrize("text", ["x", "1,,y", "400", "1.5"])
def test_steps_that_are_no_days_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_reminder_days(text)


# -- payouts -------------------------------------------------------------------------------------------


async def test_only_money_in_custody_is_paid_out_once_with_its_fee_frozen(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    buying_round = await cleared(checked, actor, 2)
    [charge] = await list_charges(checked, round_id=buying_round.id)
    assert actor.organization_id is not None
    await mark_transferred(checked, charge_id=charge.id, coordinator_id=actor.organization_id, actor=actor)
    await delivered(checked, actor, 2)
    assert await list_payables(checked, coordinator_id=actor.organization_id) == []
    await owner_conn.execute("UPDATE rounds SET custody = 'operator', commission_bp = 300")
    [payable] = await list_payables(checked, coordinator_id=actor.organization_id)
    assert (payable.held_krw, payable.fee_krw, payable.fee_vat_krw, payable.amount_krw) == (
        2_200_000, 60_000, 6_000, 2_134_000,
    )  # fmt: skip
    batch_id = uuid4()
    assert await make_payout_batch(checked, batch_id=batch_id, actor=actor) == 0
    vendor = Actor(actor.person_id, buying_round.vendor_id)
    profile = BillingProfile(
        representative="김", bank="신한", account="110-123-456789", account_holder="공급"
    )
    await change_billing_profile(checked, profile, actor=vendor)
    assert [await make_payout_batch(checked, batch_id=batch_id, actor=actor) for _ in range(2)] == [1, 0]
    assert await make_payout_batch(checked, batch_id=uuid4(), actor=actor) == 0
    await owner_conn.execute("UPDATE rounds SET commission_bp = 0")
    batch = await get_payout_batch(checked, coordinator_id=actor.organization_id, batch_id=batch_id)
    [payout] = batch.payouts
    assert (batch.total_krw, payout.fee_krw, payout.amount_krw) == (2_134_000, 60_000, 2_134_000)
    for unknown in ({"batch_id": uuid4()}, {"coordinator_id": buying_round.vendor_id}):
        with pytest.raises(PayoutBatchNotFound):
            await get_payout_batch(
                checked, **{"coordinator_id": actor.organization_id, "batch_id": batch_id} | unknown
            )
    [row] = payout_rows([payout])
    assert (row["입금은행"], row["입금계좌번호"], row["이체금액"]) == ("신한", "110123456789", "2134000")


async def test_a_profile_with_wrong_fields_is_refused_and_nothing_is_kept(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    for profile in (
        BillingProfile(),
        BillingProfile(representative="김", account="abc"),
        BillingProfile(representative="김", email="x"),
        BillingProfile(representative="김", business_number="123"),
        BillingProfile(representative="김" * 201),
    ):
        with pytest.raises(InvalidRound):
            await change_billing_profile(checked, profile, actor=actor)
    assert await checked.fetchval("SELECT count(*) FROM billing_profiles") == 0
