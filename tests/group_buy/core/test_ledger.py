"""A statement runs through to its balances, whatever comes in whatever order."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.ledger import (
    DEBIT_ACCOUNTS,
    STATEMENT_ACCOUNTS,
    LedgerSide,
    StatementSide,
    balance_of,
    run_statement,
)

NOON = datetime(2026, 11, 25, 3, tzinfo=UTC)
KRW = st.integers(min_value=-(10**15), max_value=10**15)


def a_side(account: str, signed_krw: int, number: int = 1) -> LedgerSide:
    return LedgerSide(number, NOON, "round", None, None, "allocated", account, "money", signed_krw)  # type: ignore[arg-type]


def test_a_claim_grows_by_debits_and_a_debt_by_credits() -> None:
    lines, balances = run_statement(
        "buyer",
        {},
        [a_side("buyer_receivable", 1_100), a_side("deposits_held", -100), a_side("buyer_receivable", -100)],
    )
    assert [(line.debit_krw, line.credit_krw, line.balance_krw) for line in lines] == [
        (1_100, 0, 1_100), (0, 100, 100), (0, 100, 1_000)]  # fmt: skip
    assert {each.account: each.balance_krw for each in balances} == {
        "buyer_receivable": 1_000, "deposits_held": 100, "refunds_owed": 0, "carried": 0}  # fmt: skip


def test_an_account_of_others_is_not_on_a_statement() -> None:
    with pytest.raises(ValueError, match="platform_fee"):
        run_statement("vendor", {}, [a_side("platform_fee", 1)])


@given(st.sampled_from(["buyer", "vendor"]), st.data())
def test_lines_and_opening_add_up_to_the_balances(side: StatementSide, data: st.DataObject) -> None:
    accounts = st.sampled_from(STATEMENT_ACCOUNTS[side])
    opening = data.draw(st.dictionaries(accounts, KRW))
    moves = data.draw(st.lists(st.tuples(accounts, KRW.filter(bool)), max_size=30))
    lines, balances = run_statement(side, opening, [a_side(*move) for move in moves])
    standing = Counter(opening)
    for account, krw in moves:
        standing[account] += krw
    assert {each.account: each.balance_krw for each in balances} == {
        account: standing[account] if account in DEBIT_ACCOUNTS else -standing[account]
        for account in STATEMENT_ACCOUNTS[side]
    }
    assert [line.debit_krw - line.credit_krw for line in lines] == [krw for _, krw in moves]
    for each in balances:
        own = [line for line in lines if line.account == each.account]
        assert (own[-1].balance_krw if own else each.opening_krw) == each.balance_krw
        moved = sum(line.debit_krw - line.credit_krw for line in own)
        assert each.balance_krw - each.opening_krw == balance_of(each.account, moved)
