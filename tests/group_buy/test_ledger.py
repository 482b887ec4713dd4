"""The books of whole rounds: balanced, complete, and wrong as soon as one posting is missing."""

import re
from datetime import date
from typing import get_args
from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_person, a_pledge, a_round, an_organization, fund

from catalog.errors import OrganizationNotFound
from catalog.events import Actor
from group_buy.banking import import_statement
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.core.ledger import Account, EntryReason
from group_buy.core.pledge import Pledge
from group_buy.core.round import Custody, SettlementTerms
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.lapsing import lapse_pledges
from group_buy.ledger import read_statement, read_trial_balance
from group_buy.payouts import make_payout_batch
from group_buy.reading import list_charges
from group_buy.receiving import mark_transferred
from group_buy.sponsoring import confirm_sponsorship, make_sponsorship

TRIGGERS = {
    "charges_post_new": "charges",
    "charges_post_changed": "charges",
    "pledge_fundings_post": "pledge_fundings",
    "allocations_post": "allocations",
    "allocation_changes_post": "allocation_changes",
    "rounds_post_delivery": "rounds",
    "clearings_post_pool": "clearings",
    "receipts_post": "receipts",
    "payouts_post": "payouts",
    "sponsored_parts_post": "sponsored_parts",
    "charges_post_sponsor": "charges",
}


async def a_whole_life(
    conn: asyncpg.Connection, *, custody: Custody = "direct", commission_bp: int = 250
) -> tuple[Actor, list[Pledge]]:
    """Deposits, a sponsor, clearing, a lapse that the pool makes good, an order, a part of a balance by bank, a short
    delivery, a balance by hand, a refund, and a payout where the coordinator holds the money.
    """
    actor = await a_coordinator(conn)
    buying_round = await a_round(
        conn, coordinator=actor, allocation_rule="time", capacity=10,
        settlement=SettlementTerms(custody, commission_bp),
    )  # fmt: skip
    pledges = [await a_pledge(conn, buying_round, f"f{n}", units) for n, units in enumerate((6, 1, 3))]
    for pledge in pledges:
        await fund(conn, pledge, received_krw=700_000)
    await fund(conn, await a_pledge(conn, buying_round, "late", 9, quantity_min=9), received_krw=50_000)
    await a_confirmed_sponsorship(conn, actor, "f0", "f2")
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    mine = actor.organization_id or 0
    for charge in await list_charges(conn, round_id=buying_round.id):
        if charge.purpose == "sponsored":
            await mark_transferred(conn, charge_id=charge.id, coordinator_id=mine, actor=actor)
    await lapse_pledges(
        conn, code="round", pledge_ids=frozenset({pledges[2].id}), actor=actor, coordinator_id=mine
    )
    charges = await list_charges(conn, round_id=buying_round.id)
    due = [c for c in charges if c.state == "due" and c.purpose == "balance"]
    await mark_transferred(conn, charge_id=due[0].id, coordinator_id=mine, actor=actor)
    reference = await conn.fetchval(
        "SELECT reference FROM receivables WHERE kind = 'balance' AND open_krw > 0 ORDER BY open_krw DESC LIMIT 1"
    )
    line = f"거래일시,적요,입금액,출금액,잔액\n2026-11-02 10:00:00,{reference},100000,0,1\n"
    await import_statement(
        conn, import_id=uuid4(), content=line.encode(), file_name="bank.csv", account="110123456789",
        take_good_rows=False, actor=actor,
    )  # fmt: skip
    await order_round(conn, code="round", coordinator_id=mine, actor=actor)
    await record_delivery(conn, code="round", quantity=8, actor=actor)
    refunds = [
        c for c in await list_charges(conn, round_id=buying_round.id)
        if c.purpose in ("refund", "sponsor_refund") and c.state == "due"
    ]  # fmt: skip
    assert {refund.purpose for refund in refunds} == {"refund", "sponsor_refund"}
    for refund in refunds[:1] + [each for each in refunds if each.purpose == "sponsor_refund"][:1]:
        await mark_transferred(conn, charge_id=refund.id, coordinator_id=mine, actor=actor)
    await conn.execute(
        """
        INSERT INTO billing_profiles (organization_id, representative, bank, account, account_holder, person_id)
        SELECT vendor_id, '김', '신한', '110123456789', '공급', $1 FROM rounds
        """,
        actor.person_id,
    )
    await make_payout_batch(conn, batch_id=uuid4(), actor=actor)
    return actor, pledges


async def a_confirmed_sponsorship(conn: asyncpg.Connection, coordinator: Actor, *members: str) -> None:
    """Thirty percent of each member's total."""
    sponsorship_id = uuid4()
    sponsor_id = await an_organization(conn, "sponsor", kind="partner")
    sponsor = Actor(await a_person(conn, "sponsor", roles=("finance",)), sponsor_id)
    await make_sponsorship(
        conn, sponsorship_id=sponsorship_id, round_code="round", sponsor_code="sponsor", kind="share", share_bp=3000,
        krw_max=None, member_codes=members, note="", actor=coordinator,
    )  # fmt: skip
    await confirm_sponsorship(conn, sponsorship_id=sponsorship_id, actor=sponsor)


async def broken(conn: asyncpg.Connection) -> list[str]:
    return [result.name for result in await check_invariants(conn) if result.violations]


@pytest.mark.parametrize("custody", ["direct", "operator"])
async def test_the_books_of_a_whole_round_are_balanced(checked: asyncpg.Connection, custody: Custody) -> None:
    actor, _ = await a_whole_life(checked, custody=custody)
    assert actor.organization_id is not None
    balance = await read_trial_balance(checked, coordinator_id=actor.organization_id)
    assert balance.difference_krw == 0
    assert balance.debit_krw == balance.credit_krw > 0
    stands = {each.account: each.balance_krw for each in balance.accounts}
    supply_krw = await checked.fetchval("SELECT sum(supply_krw) FROM current_allocations")
    fee_krw = supply_krw * 250 // 10_000
    assert stands["goods_ordered"] == 0
    assert stands["platform_fee"] == fee_krw
    holders = await checked.fetch("SELECT DISTINCT party FROM ledger_sides WHERE account = 'money'")
    holder = "vendor_id" if custody == "direct" else "coordinator_id"
    assert [row["party"] for row in holders] == [await checked.fetchval(f"SELECT {holder} FROM rounds")]


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_posting_that_is_missing_is_found(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection, trigger: str
) -> None:
    await owner_conn.execute(f"ALTER TABLE {TRIGGERS[trigger]} DISABLE TRIGGER {trigger}")
    await a_whole_life(conn, custody="operator")
    assert await broken(conn) != []


async def test_these_triggers_are_all_that_post(conn: asyncpg.Connection) -> None:
    rows = await conn.fetch(
        """
        SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname LIKE 'post\\_%'
        """
    )
    assert {row[0]: row[1] for row in rows} == TRIGGERS


async def test_reasons_and_accounts_are_the_same_in_code_and_schema(conn: asyncpg.Connection) -> None:
    for constraint, words in (
        ("ledger_entries_reason_is_known", get_args(EntryReason)),
        ("ledger_entries_accounts_are_known", get_args(Account)),
    ):
        text = await conn.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", constraint
        )
        known = set(re.findall(r"'(\w+)'", text))
        assert known == set(words), constraint


async def test_an_amount_that_is_wrong_is_found(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await a_whole_life(conn, custody="operator")
    assert await broken(conn) == []
    for entry_id in await conn.fetch("SELECT id FROM ledger_entries"):
        await owner_conn.execute(
            "UPDATE ledger_entries SET amount_krw = amount_krw + 1 WHERE id = $1", entry_id[0]
        )
        assert await broken(conn) != [], entry_id
        await owner_conn.execute(
            "UPDATE ledger_entries SET amount_krw = amount_krw - 1 WHERE id = $1", entry_id[0]
        )
    assert await broken(conn) == []


async def test_the_application_can_read_the_ledger_and_not_write_it(conn: asyncpg.Connection) -> None:
    await a_whole_life(conn)
    before = await conn.fetch("SELECT * FROM ledger_entries ORDER BY id")
    for statement in (
        "UPDATE ledger_entries SET amount_krw = 1",
        "DELETE FROM ledger_entries",
        """
        INSERT INTO ledger_entries (round_id, reason, debit_account, debit_party, credit_account, credit_party, amount_krw)
        SELECT round_id, reason, debit_account, debit_party, credit_account, credit_party, 1 FROM ledger_entries
        """,
        "SELECT post_charges(ARRAY(SELECT id FROM charges))",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
    assert await conn.fetch("SELECT * FROM ledger_entries ORDER BY id") == before


async def test_a_charge_is_posted_once_however_often_it_is_asked(
    conn: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await a_whole_life(conn)
    before = await conn.fetchval("SELECT count(*) FROM ledger_entries")
    await owner_conn.execute("SELECT post_charges(ARRAY(SELECT id FROM charges))")
    assert await conn.fetchval("SELECT count(*) FROM ledger_entries") == before


@pytest.mark.parametrize("side", ["buyer", "vendor", "sponsor"])
async def test_a_statement_adds_up_to_the_ledger(checked: asyncpg.Connection, side: str) -> None:
    await a_whole_life(checked)
    code = "f0" if side == "buyer" else "sponsor"
    code = await checked.fetchval(
        "SELECT code FROM organizations WHERE id = (SELECT vendor_id FROM rounds)"
    ) if side == "vendor" else code  # fmt: skip
    statement = await read_statement(checked, side=side, code=code)  # type: ignore[arg-type]
    assert statement.lines
    rows = await checked.fetch(
        """
        SELECT s.account, abs(sum(s.signed_krw))::bigint FROM ledger_sides s JOIN organizations o ON o.id = s.party
        WHERE o.code = $1 GROUP BY s.account
        """,
        code,
    )
    assert {each.account: abs(each.balance_krw) for each in statement.balances if each.balance_krw} == {
        row[0]: row[1] for row in rows if row[1]
    }


async def test_a_period_begins_where_the_one_before_ended(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    await a_whole_life(checked)
    await owner_conn.execute(
        "UPDATE ledger_entries SET at = '2026-03-31 14:59:59Z' WHERE reason = 'deposit_received'"
    )
    await owner_conn.execute(
        "UPDATE ledger_entries SET at = '2026-03-31 15:00:00Z' WHERE reason <> 'deposit_received'"
    )
    march = await read_statement(checked, side="buyer", code="f0", until=date(2026, 3, 31))
    april = await read_statement(checked, side="buyer", code="f0", since=date(2026, 4, 1))
    both = await read_statement(checked, side="buyer", code="f0")
    assert [line.reason for line in march.lines] == ["deposit_received"]
    assert [each.balance_krw for each in march.balances] == [each.opening_krw for each in april.balances]
    assert [each.balance_krw for each in april.balances] == [each.balance_krw for each in both.balances]
    assert march.lines + april.lines == both.lines


async def test_only_factories_and_vendors_have_a_statement(conn: asyncpg.Connection) -> None:
    await a_whole_life(conn)
    for side, code in (("buyer", "alliance"), ("vendor", "f0"), ("buyer", "nobody")):
        with pytest.raises(OrganizationNotFound):
            await read_statement(conn, side=side, code=code)  # type: ignore[arg-type]
