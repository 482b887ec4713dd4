"""The accounts of the ledger, and a statement with running balances. An entry debits one account and credits another."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

Account = Literal[
    "buyer_receivable",
    "deposits_held",
    "carried",
    "refunds_owed",
    "goods_ordered",
    "vendor_payable",
    "vat",
    "forfeits",
    "money",
    "platform_fee",
    "sponsor_receivable",
    "sponsor_refunds_owed",
]
EntryReason = Literal[
    "deposit_received",
    "deposit_carried",
    "card_captured",
    "deposit_taken",
    "allocated",
    "allocation_changed",
    "forfeited",
    "pool_paid",
    "balance_paid",
    "refund_owed",
    "refund_paid",
    "refund_dropped",
    "delivered",
    "vat",
    "commission",
    "commission_vat",
    "balance_part_paid",
    "receipt_undone",
    "surplus_received",
    "paid_out",
    "sponsored",
    "sponsor_paid",
]
StatementSide = Literal["buyer", "vendor", "sponsor"]

DEBIT_ACCOUNTS: Final[frozenset[Account]] = frozenset({"buyer_receivable", "money", "sponsor_receivable"})
"""Claims and money: their balance is debits less credits. Of every other account it is credits less debits."""

STATEMENT_ACCOUNTS: Final[Mapping[StatementSide, tuple[Account, ...]]] = {
    "buyer": ("buyer_receivable", "deposits_held", "refunds_owed", "carried"),
    "vendor": ("goods_ordered", "vendor_payable", "vat", "forfeits", "money"),
    "sponsor": ("sponsor_receivable", "sponsor_refunds_owed"),
}
"""The accounts that an organization sees of its own on its statement."""


class LedgerSide(msgspec.Struct, frozen=True):
    """One side of an entry: `signed_krw` won are debited (> 0) or credited (< 0) to the account."""

    entry_id: int
    at: datetime
    round_code: str
    pledge_id: UUID | None
    charge_id: UUID | None
    reason: EntryReason
    account: Account
    other_account: Account
    signed_krw: int


class StatementLine(msgspec.Struct, frozen=True):
    """A side with what its account stood at afterwards. Won; one of debit and credit is 0."""

    at: datetime
    round_code: str
    reason: EntryReason
    account: Account
    other_account: Account
    debit_krw: int
    credit_krw: int
    balance_krw: int
    pledge_id: UUID | None = None
    charge_id: UUID | None = None

    @property
    def is_debit_account(self) -> bool:
        """Whether the account grows by debits."""
        return self.account in DEBIT_ACCOUNTS


class AccountBalance(msgspec.Struct, frozen=True):
    """What an account stood at before the first line and after the last. Won, positive on the account's usual side."""

    account: Account
    opening_krw: int
    balance_krw: int

    @property
    def is_debit_account(self) -> bool:
        """Whether the account grows by debits."""
        return self.account in DEBIT_ACCOUNTS


def balance_of(account: Account, signed_krw: int) -> int:
    """Turn a sum of signed won into the account's balance, positive on its usual side."""
    return signed_krw if account in DEBIT_ACCOUNTS else -signed_krw


def run_statement(
    side: StatementSide, opening: Mapping[Account, int], sides: Iterable[LedgerSide]
) -> tuple[tuple[StatementLine, ...], tuple[AccountBalance, ...]]:
    """Number the sides of one organization through to the balances they end at.

    `opening` holds the signed won before the first side, by account; `sides` come in the order they were posted.

    Raises:
        ValueError: a side of an account that is not on this kind of statement.
    """
    accounts = STATEMENT_ACCOUNTS[side]
    standing: Counter[Account] = Counter(opening)
    lines = []
    for each in sides:
        if each.account not in accounts:
            raise ValueError(f"{each.account} is no account of a {side}'s statement")
        standing[each.account] += each.signed_krw
        lines.append(
            StatementLine(
                at=each.at,
                round_code=each.round_code,
                reason=each.reason,
                account=each.account,
                other_account=each.other_account,
                debit_krw=max(each.signed_krw, 0),
                credit_krw=max(-each.signed_krw, 0),
                balance_krw=balance_of(each.account, standing[each.account]),
                pledge_id=each.pledge_id,
                charge_id=each.charge_id,
            )
        )
    balances = tuple(
        AccountBalance(
            account, balance_of(account, opening.get(account, 0)), balance_of(account, standing[account])
        )
        for account in accounts
    )
    return tuple(lines), balances
