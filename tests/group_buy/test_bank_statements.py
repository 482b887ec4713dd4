"""Statements of banks: what came is booked once, in parts or with a surplus, and can be taken back without rewriting."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from builders import a_coordinator, a_pledge, a_round, fund

from catalog.events import Actor
from group_buy.bank_lines import assign_line, list_used_lines, list_waiting_lines, mark_line
from group_buy.banking import BankReport, import_statement
from group_buy.checks import check_invariants
from group_buy.closing import begin_closing
from group_buy.core.pledge import Pledge
from group_buy.core.round import Round
from group_buy.deciding import clear_if_decided
from group_buy.delivering import order_round, record_delivery
from group_buy.errors import BankFileRefused, BankLineNotFound, BankLineRefused, ReferenceNotFound
from group_buy.reading import get_invoice, list_buyer_pledges, list_charges
from group_buy.transactions import transaction

HEADER = "거래일시,적요,입금액,출금액,잔액\n"
ACCOUNT = "110-123-456789"


def lines(*rows: tuple[str, int], start: int = 0) -> bytes:
    """A statement: remitter and won a line, a minute apart; each balance follows from the one before."""
    balance = 10_000_000 + sum(range(start)) * 7
    text = HEADER
    for n, (remitter, krw) in enumerate(rows, start=start):
        balance += krw
        text += f'2026-11-02 10:{n:02}:00,{remitter},"{krw:,}",0,"{balance:,}"\n'
    return text.encode("cp949")


async def bring(conn: asyncpg.Connection, actor: Actor, content: bytes, **options: Any) -> BankReport:
    return await import_statement(
        conn,
        content=content,
        actor=actor,
        **{"import_id": uuid4(), "file_name": "statement.csv", "account": ACCOUNT, "take_good_rows": False}
        | options,
    )


async def cleared(conn: asyncpg.Connection, actor: Actor, *quantities: int) -> tuple[Round, list[Pledge]]:
    """A round that cleared on orders; every balance (with VAT) is due."""
    buying_round = await a_round(conn, coordinator=actor)
    pledges = [await a_pledge(conn, buying_round, f"factory-{n}", q) for n, q in enumerate(quantities)]
    for pledge in pledges:
        await fund(conn, pledge)
    await begin_closing(conn, code="round", early=True)
    assert await clear_if_decided(conn, code="round")
    return buying_round, pledges


DEPOSIT_REFERENCE = "SELECT reference FROM receivables WHERE pledge_id = $1 AND kind = 'deposit'"


async def reference_of(conn: asyncpg.Connection, pledge: Pledge) -> str:
    found: str = await conn.fetchval(
        "SELECT reference FROM receivables WHERE pledge_id = $1 ORDER BY kind LIMIT 1", pledge.id
    )
    return found


async def charges(conn: asyncpg.Connection, buying_round: Round) -> list[tuple[str, int, str]]:
    found = await list_charges(conn, round_id=buying_round.id)
    return sorted((c.purpose, c.amount_krw, c.state) for c in found)


async def open_of(conn: asyncpg.Connection, reference: str) -> int:
    found: int = await conn.fetchval("SELECT open_krw FROM receivables WHERE reference = $1", reference)
    return found


async def test_a_balance_is_captured_when_its_parts_reach_the_sum(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    first = await bring(checked, actor, lines((f"한빛{reference}", 1_200_000)))
    assert [(part.amount_krw, part.surplus_krw) for part in first.booked] == [(1_200_000, 0)]
    assert await charges(checked, buying_round) == [("balance", 2_200_000, "due")]
    view = (await list_buyer_pledges(checked, buyer_id=pledge.buyer_id))[0]
    assert view.allocation is not None
    number = view.allocation.invoice_number
    invoice = await get_invoice(checked, number=number, organization_id=pledge.buyer_id)
    assert (invoice.balance_open_krw, invoice.balance_state) == (1_000_000, "due")
    await bring(checked, actor, lines(("다른 사람", 5), (f"{reference}", 1_000_000), start=5))
    assert await charges(checked, buying_round) == [("balance", 2_200_000, "captured")]
    assert await open_of(checked, reference) == 0


async def test_numbers_and_references_grow_beyond_six_digits(
    checked: asyncpg.Connection, owner_conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(checked)
    await owner_conn.execute("SELECT setval('invoice_numbers', 999998), setval('pledge_references', 999998)")
    buying_round, pledges = await cleared(checked, actor, 1, 1, 1)
    rows = await checked.fetch("SELECT number, reference FROM invoices ORDER BY length(reference), reference")
    assert [row["reference"] for row in rows] == ["SFA999999", "SFA1000000", "SFA1000001"]
    assert [row["number"].rpartition("-")[2] for row in rows] == ["999999", "1000000", "1000001"]
    deposits = {await checked.fetchval(DEPOSIT_REFERENCE, pledge.id) for pledge in pledges}
    assert deposits == {"SFP999999", "SFP1000000", "SFP1000001"}
    await bring(checked, actor, lines(("한빛SFA1000001", 1_100_000)))
    assert await open_of(checked, "SFA1000001") == 0
    assert sum(state == "captured" for _, _, state in await charges(checked, buying_round)) == 1


async def test_the_same_line_is_booked_once_and_two_equal_payments_are_two(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    row = f"2026-11-02 10:00:00,{reference},300000,0,1000000\n"
    content = (HEADER + row + row).encode()
    first = await bring(checked, actor, content)
    assert (first.new, first.known, len(first.booked)) == (2, 0, 2)
    again = await bring(checked, actor, content)
    assert (again.new, again.known, again.booked) == (0, 2, ())
    overlapping = await bring(
        checked, actor, (HEADER + row + f"2026-11-02 11:00:00,{reference},100,0,1000100\n").encode("cp949")
    )
    assert (overlapping.new, overlapping.known, len(overlapping.booked)) == (1, 1, 1)
    assert await open_of(checked, reference) == 2_200_000 - 600_000 - 100
    assert await checked.fetchval("SELECT count(*) FROM bank_lines") == 3


async def test_the_same_import_id_answers_what_became_of_it(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 2)
    content = lines((await reference_of(checked, pledge), 100))
    import_id = uuid4()
    first = await bring(checked, actor, content, import_id=import_id)
    assert await bring(checked, actor, content, import_id=import_id) == first
    assert await checked.fetchval("SELECT count(*) FROM bank_imports") == 1


async def test_what_is_paid_too_much_is_owed_back(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    report = await bring(checked, actor, lines((reference, 2_300_000)))
    assert [(part.amount_krw, part.surplus_krw) for part in report.booked] == [(2_200_000, 100_000)]
    assert await charges(checked, buying_round) == [
        ("balance", 2_200_000, "captured"),
        ("refund", 100_000, "due"),
    ]


async def test_a_second_payment_of_a_paid_invoice_waits_for_a_person(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    report = await bring(checked, actor, lines((reference, 2_200_000), (reference, 2_200_000)))
    assert [(line.line, line.reason) for line in report.unmatched] == [(3, "nothing_open")]
    [waiting] = await list_waiting_lines(checked, organization_id=buying_round.coordinator_id)
    await assign_line(
        checked, bank_line_id=waiting.id, reference=reference, amount_krw=None, note="두 번 보냄", actor=actor
    )
    assert ("refund", 2_200_000, "due") in await charges(checked, buying_round)


async def test_one_transfer_pays_several_invoices_only_when_all_are_named_and_the_sum_is_exact(
    checked: asyncpg.Connection,
) -> None:
    actor = await a_coordinator(checked)
    _, pledges = await cleared(checked, actor, 2, 3)
    one, other = [await reference_of(checked, pledge) for pledge in pledges]
    report = await bring(checked, actor, lines((f"{one} {other}", 4_950_000)))
    assert [line.reason for line in report.unmatched] == ["several"]
    [waiting] = await list_waiting_lines(checked, organization_id=actor.organization_id or 0)
    for reference, krw in ((one, 1_980_000), (other, 2_970_000)):
        await assign_line(
            checked, bank_line_id=waiting.id, reference=reference, amount_krw=krw, note="", actor=actor
        )
    assert [await open_of(checked, reference) for reference in (one, other)] == [0, 0]
    assert await list_waiting_lines(checked, organization_id=actor.organization_id or 0) == []


async def test_a_wrong_assignment_is_taken_back_by_further_entries(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round, pledges = await cleared(checked, actor, 2, 3)
    wrong, right = [await reference_of(checked, pledge) for pledge in pledges]
    await bring(checked, actor, lines(("번호 없음", 1_980_000)))
    [waiting] = await list_waiting_lines(checked, organization_id=actor.organization_id or 0)
    assert waiting.reason == "no_reference"
    assert [hint["reference"] for hint in waiting.hints] == [wrong]
    await assign_line(
        checked, bank_line_id=waiting.id, reference=wrong, amount_krw=None, note="", actor=actor
    )
    with pytest.raises(BankLineRefused):
        await mark_line(checked, bank_line_id=waiting.id, mark="not_ours", note="x", actor=actor)
    await mark_line(checked, bank_line_id=waiting.id, mark="reopened", note="다른 공장", actor=actor)
    assert await open_of(checked, wrong) == 1_980_000
    assert await charges(checked, buying_round) == [
        ("balance", 1_980_000, "captured"),
        ("balance", 1_980_000, "due"),
        ("balance", 2_970_000, "due"),
        ("refund", 1_980_000, "captured"),
    ]
    await assign_line(
        checked, bank_line_id=waiting.id, reference=right, amount_krw=None, note="", actor=actor
    )
    assert await open_of(checked, right) == 990_000
    rows = await checked.fetch("SELECT amount_krw FROM receipts ORDER BY id")
    assert [row[0] for row in rows] == [1_980_000, -1_980_000, 1_980_000]
    [used] = await list_used_lines(checked, organization_id=actor.organization_id or 0)
    assert [use["amount_krw"] for use in used.uses] == [1_980_000]


async def test_a_line_that_is_not_ours_can_be_opened_again(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    await bring(checked, actor, lines(("친목회비", 30_000)))
    [waiting] = await list_waiting_lines(checked, organization_id=actor.organization_id or 0)
    await mark_line(checked, bank_line_id=waiting.id, mark="not_ours", note="사내 모임", actor=actor)
    assert await list_waiting_lines(checked, organization_id=actor.organization_id or 0) == []
    await mark_line(checked, bank_line_id=waiting.id, mark="reopened", note="", actor=actor)
    [again] = await list_waiting_lines(checked, organization_id=actor.organization_id or 0)
    assert again.id == waiting.id


async def test_a_deposit_counts_once_its_parts_are_complete(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    reference = await reference_of(checked, pledge)
    assert reference.startswith("SFP")
    assert await open_of(checked, reference) == 200_000
    await bring(checked, actor, lines((reference, 150_000)))
    view = (await list_buyer_pledges(checked, buyer_id=pledge.buyer_id))[0]
    assert (view.funding_state, view.deposit_open_krw) == ("pending", 50_000)
    await bring(checked, actor, lines(("x", 1), (reference, 60_000), start=3))
    view = (await list_buyer_pledges(checked, buyer_id=pledge.buyer_id))[0]
    assert (view.funding_state, view.deposit_open_krw) == ("confirmed", 0)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    assert await charges(checked, buying_round) == [
        ("balance", 1_990_000, "due"),
        ("deposit", 210_000, "captured"),
    ]


async def test_a_deposit_that_stays_incomplete_is_owed_back(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    await bring(checked, actor, lines((await reference_of(checked, pledge), 150_000)))
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    assert await charges(checked, buying_round) == [("refund", 150_000, "due")]


async def test_a_deposit_taken_back_before_the_close_counts_no_more(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round = await a_round(checked, coordinator=actor)
    pledge = await a_pledge(checked, buying_round, "hanbit", 2)
    reference = await reference_of(checked, pledge)
    await bring(checked, actor, lines((reference, 200_000)))
    [used] = await list_used_lines(checked, organization_id=actor.organization_id or 0)
    await mark_line(checked, bank_line_id=used.id, mark="reopened", note="다른 공장의 돈", actor=actor)
    view = (await list_buyer_pledges(checked, buyer_id=pledge.buyer_id))[0]
    assert (view.funding_state, view.deposit_open_krw, view.version) == ("pending", 200_000, 2)
    await begin_closing(checked, code="round", early=True)
    assert await clear_if_decided(checked, code="round")
    assert await charges(checked, buying_round) == [("refund", 200_000, "captured")]


async def test_a_part_payment_survives_a_short_delivery(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 4)
    reference = await reference_of(checked, pledge)
    await bring(checked, actor, lines((reference, 1_000_000)))
    assert actor.organization_id is not None
    await order_round(checked, code="round", coordinator_id=actor.organization_id, actor=actor)
    await record_delivery(checked, code="round", quantity=3, actor=actor)
    assert await open_of(checked, reference) == 3_300_000 - 1_000_000
    await bring(checked, actor, lines(("x", 1), (reference, 2_300_000), start=4))
    assert await open_of(checked, reference) == 0


async def test_errors_book_nothing_unless_the_good_rows_are_asked_for(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    good = lines((reference, 100))
    content = good + "2026-13-01 10:00:00,가,5,0,6\n2026-11-02 11:00:00,나,-5,0,6\n".encode("cp949")
    report = await bring(checked, actor, content)
    assert (report.is_applied, [error.line for error in report.errors]) == (False, [3, 4])
    assert await checked.fetchval("SELECT count(*) FROM bank_lines") == 0
    report = await bring(checked, actor, content, take_good_rows=True)
    assert (report.is_applied, report.new, len(report.errors)) == (True, 1, 2)
    assert (await bring(checked, actor, good)).known == 1
    assert await open_of(checked, reference) == 2_200_000 - 100


async def test_a_file_of_another_shape_or_without_an_account_is_refused(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    with pytest.raises(BankFileRefused):
        await bring(checked, actor, lines(("가", 5)), account="")
    await bring(checked, actor, lines(("가", 5)))
    with pytest.raises(BankFileRefused):
        await bring(checked, actor, "거래일시,적요,입금액\n2026-11-02 10:00:00,가,5\n".encode())
    with pytest.raises(BankFileRefused):
        await bring(checked, actor, f"{HEADER}2026-11-02,가,5,0,10000005\n".encode())
    assert await checked.fetchval("SELECT count(*) FROM bank_lines") == 1


async def test_nobody_else_sees_or_uses_a_line(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    stranger = await a_coordinator(checked, "other-alliance")
    report = await bring(checked, stranger, lines((reference, 2_200_000)))
    assert [line.reason for line in report.unmatched] == ["unknown_reference"]
    [line] = await list_waiting_lines(checked, organization_id=stranger.organization_id or 0)
    with pytest.raises(ReferenceNotFound):
        await assign_line(
            checked, bank_line_id=line.id, reference=reference, amount_krw=None, note="", actor=stranger
        )
    with pytest.raises(BankLineNotFound):
        await assign_line(
            checked, bank_line_id=line.id, reference=reference, amount_krw=None, note="", actor=actor
        )
    assert await open_of(checked, reference) == 2_200_000
    # The same line in a file of the one who is owed is matched then.
    assert len((await bring(checked, actor, lines((reference, 2_200_000)))).booked) == 1


async def test_a_vendor_matches_balances_that_come_to_it_and_no_deposits(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    buying_round, [pledge] = await cleared(checked, actor, 2)
    vendor = Actor(None, buying_round.vendor_id)
    deposit: str = await checked.fetchval("SELECT reference FROM receivables WHERE kind = 'deposit'")
    report = await bring(
        checked, vendor, lines((await reference_of(checked, pledge), 2_200_000), (deposit, 5))
    )
    assert [part.amount_krw for part in report.booked] == [2_200_000]
    assert [line.reason for line in report.unmatched] == ["unknown_reference"]


async def test_slices_of_a_statement_in_any_order_book_the_same(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    _, [pledge] = await cleared(checked, actor, 2)
    reference = await reference_of(checked, pledge)
    chance = random.Random(6)
    rows = lines(*[(reference, 1_000 + n % 3) for n in range(40)]).decode("cp949").splitlines(keepends=True)
    for _ in range(12):
        start = chance.randrange(1, 41)
        part = rows[start : start + chance.randrange(1, 20)]
        chance.shuffle(part)
        await bring(checked, actor, "".join([rows[0], *part]).encode("cp949"))
    report = await bring(checked, actor, "".join(rows).encode())
    assert report.new + report.known == 40
    assert await checked.fetchval("SELECT count(*) FROM bank_lines") == 40
    assert await open_of(checked, reference) == 2_200_000 - sum(1_000 + n % 3 for n in range(40))


async def test_the_same_file_at_the_same_time_is_booked_once(
    pool: asyncpg.Pool, conn: asyncpg.Connection
) -> None:
    actor = await a_coordinator(conn)
    _, [pledge] = await cleared(conn, actor, 2)
    reference = await reference_of(conn, pledge)
    content = lines(*[(reference, 1_000) for _ in range(20)])

    async def work() -> BankReport:
        async with transaction(pool) as own:
            return await bring(own, actor, content)

    reports = await asyncio.gather(*(work() for _ in range(6)))
    assert sorted(report.new for report in reports) == [0, 0, 0, 0, 0, 20]
    assert await open_of(conn, reference) == 2_200_000 - 20_000
    assert [result for result in await check_invariants(conn) if result.violations] == []


async def test_the_application_can_not_rewrite_what_came(conn: asyncpg.Connection) -> None:
    for statement in (
        "UPDATE bank_lines SET received_krw = 1",
        "UPDATE receipts SET amount_krw = 1",
        "DELETE FROM receipts",
        "UPDATE bank_line_marks SET note = ''",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)


async def test_a_line_unknown_to_anybody_is_not_found(checked: asyncpg.Connection) -> None:
    actor = await a_coordinator(checked)
    with pytest.raises(BankLineNotFound):
        await mark_line(checked, bank_line_id=7, mark="not_ours", note="x", actor=actor)
