"""The domestic share of each order, frozen when its round clears: later claims and expiries never change it."""

from datetime import datetime

import asyncpg
import msgspec

from catalog.shares import read_share
from group_buy.core.round import Round


class OrderShare(msgspec.Struct, frozen=True):
    """The interval frozen on an order, in basis points; None = it could not be known that day."""

    verified_bp: int | None
    claimed_bp: int | None
    frozen_at: datetime


async def freeze_shares(conn: asyncpg.Connection, buying_round: Round) -> None:
    """Write the share of what the round sells on every allocation that has none yet; call it when it clears.

    Everybody in a round buys the same thing, so one reading serves all. A share that cannot be known is
    written as unknown, so that an order without a row is one that was never looked at.
    """
    share = await read_share(conn, offer_id=buying_round.offer_id)
    await conn.execute(
        """
        INSERT INTO allocation_shares (allocation_id, verified_bp, claimed_bp, goods_krw, service_krw)
        SELECT a.id, $2, $3, $4, $5 FROM allocations a WHERE a.round_id = $1
        ON CONFLICT (allocation_id) DO NOTHING
        """,
        buying_round.id,
        share.verified_bp if share else None,
        share.claimed_bp if share else None,
        share.goods_krw if share else None,
        share.service_krw if share else None,
    )


async def find_order_share(conn: asyncpg.Connection, *, invoice_number: str) -> OrderShare | None:
    """The share frozen on the order of an invoice; None where the order is older than shares.

    Who may see the invoice is its reader's matter: ask after `get_invoice`.
    """
    row = await conn.fetchrow(
        """
        SELECT s.verified_bp, s.claimed_bp, s.frozen_at
        FROM invoices i JOIN allocation_shares s ON s.allocation_id = i.allocation_id
        WHERE i.number = $1
        """,
        invoice_number,
    )
    return None if row is None else OrderShare(*row)
