"""Read the ledger: statements of buyers and vendors, and the trial balance. The database posts the entries itself."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import asyncpg
import msgspec

from catalog.errors import OrganizationNotFound
from group_buy.core.ledger import (
    STATEMENT_ACCOUNTS,
    Account,
    AccountBalance,
    LedgerSide,
    StatementLine,
    StatementSide,
    balance_of,
    run_statement,
)

STATEMENT_LINES_MAX: Final = 20_000
"""A statement has at most so many lines; a longer one is asked for by shorter periods."""

STATEMENT_KINDS: Final[Mapping[StatementSide, tuple[str, ...]]] = {
    "buyer": ("factory",),
    "vendor": ("vendor",),
    "sponsor": ("factory", "vendor", "coordinator", "partner"),
}
"""Which organizations have such a statement. A sponsor may be of any kind, and a buyer or vendor beside that."""


class Statement(msgspec.Struct, frozen=True):
    """An organization's accounts over a period, Korean days. `is_cut`: only the first STATEMENT_LINES_MAX lines."""

    organization: str
    name_ko: str
    name_en: str | None
    side: StatementSide
    since: date | None
    until: date | None
    balances: tuple[AccountBalance, ...]
    lines: tuple[StatementLine, ...]
    is_cut: bool

    @property
    def outstanding_krw(self) -> int:
        """What a vendor still gets for what it delivered: with VAT and forfeited deposits, less what buyers paid it.

        Payouts have settled their accounts already. Below 0: it got more than it delivered yet, or owes the fee.
        """
        stands = {each.account: each.balance_krw for each in self.balances}
        return stands["vendor_payable"] + stands["vat"] + stands["forfeits"] - stands["money"]


class TrialBalance(msgspec.Struct, frozen=True):
    """All entries by account, won. `difference_krw` is debits less credits over all of them: zero."""

    accounts: tuple[AccountBalance, ...]
    debit_krw: int
    credit_krw: int
    difference_krw: int


async def read_statement(
    conn: asyncpg.Connection,
    *,
    side: StatementSide,
    code: str,
    since: date | None = None,
    until: date | None = None,
) -> Statement:
    """Read the statement of the buyer, vendor or sponsor with this code; days are Korean and both included.

    Raises:
        OrganizationNotFound: no organization of a kind that has such a statement.
    """
    row = await conn.fetchrow(
        "SELECT id, code, name_ko, name_en FROM organizations WHERE code = $1 AND kind = ANY ($2)",
        code,
        list(STATEMENT_KINDS[side]),
    )
    if row is None:
        raise OrganizationNotFound(code)
    accounts = list(STATEMENT_ACCOUNTS[side])
    opening = await conn.fetch(
        """
        SELECT account, sum(signed_krw)::bigint FROM ledger_sides
        WHERE round_id = ANY (ARRAY(SELECT round_id FROM pledges WHERE buyer_id = $1
                                    UNION SELECT id FROM rounds WHERE vendor_id = $1
                                    UNION SELECT round_id FROM sponsorships WHERE sponsor_id = $1))
          AND party = $1 AND account = ANY ($2) AND $3::date IS NOT NULL
          AND at < ($3::date::timestamp AT TIME ZONE 'Asia/Seoul')
        GROUP BY account
        """,
        row["id"],
        accounts,
        since,
    )
    rows = await conn.fetch(
        """
        SELECT s.id, s.at, r.code, s.pledge_id, s.charge_id, s.reason, s.account, s.other_account, s.signed_krw
        FROM ledger_sides s JOIN rounds r ON r.id = s.round_id
        WHERE s.round_id = ANY (ARRAY(SELECT round_id FROM pledges WHERE buyer_id = $1
                                      UNION SELECT id FROM rounds WHERE vendor_id = $1
                                      UNION SELECT round_id FROM sponsorships WHERE sponsor_id = $1))
          AND s.party = $1 AND s.account = ANY ($2)
          AND ($3::date IS NULL OR s.at >= ($3::date::timestamp AT TIME ZONE 'Asia/Seoul'))
          AND ($4::date IS NULL OR s.at < (($4::date + 1)::timestamp AT TIME ZONE 'Asia/Seoul'))
        ORDER BY s.id, s.signed_krw DESC LIMIT $5
        """,
        row["id"],
        accounts,
        since,
        until,
        STATEMENT_LINES_MAX + 1,
    )
    sides = [LedgerSide(*each) for each in rows[:STATEMENT_LINES_MAX]]
    lines, balances = run_statement(side, {each[0]: each[1] for each in opening}, sides)
    return Statement(
        organization=row["code"],
        name_ko=row["name_ko"],
        name_en=row["name_en"],
        side=side,
        since=since,
        until=until,
        balances=balances,
        lines=lines,
        is_cut=len(rows) > STATEMENT_LINES_MAX,
    )


async def read_trial_balance(
    conn: asyncpg.Connection, *, coordinator_id: int, round_code: str | None = None
) -> TrialBalance:
    """Sum the entries of a coordinator's rounds, or of one of them, by account."""
    rows = await conn.fetch(
        """
        SELECT s.account, sum(s.signed_krw)::bigint AS signed_krw, sum(greatest(s.signed_krw, 0))::bigint AS debit_krw,
               sum(greatest(-s.signed_krw, 0))::bigint AS credit_krw
        FROM ledger_sides s JOIN rounds r ON r.id = s.round_id
        WHERE r.coordinator_id = $1 AND ($2::text IS NULL OR r.code = $2)
        GROUP BY s.account ORDER BY s.account
        """,
        coordinator_id,
        round_code,
    )
    signed: dict[Account, int] = {row["account"]: row["signed_krw"] for row in rows}
    return TrialBalance(
        accounts=tuple(
            AccountBalance(account, 0, balance_of(account, krw)) for account, krw in signed.items()
        ),
        debit_krw=sum(row["debit_krw"] for row in rows),
        credit_krw=sum(row["credit_krw"] for row in rows),
        difference_krw=sum(signed.values()),
    )
