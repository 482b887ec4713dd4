"""The buyers' word on a dearer price after payments lapsed: a yes, a no, or silence, which is a no without a penalty."""

from uuid import UUID

import asyncpg

from catalog.events import Actor, record_event
from group_buy.errors import ConsentClosed, ConsentNotFound
from group_buy.lapsing import decide_again
from group_buy.rounds import ROUND_COLUMNS, read_round


async def answer_consent(
    conn: asyncpg.Connection, *, pledge_id: UUID, unit_price_krw: int, is_yes: bool, actor: Actor
) -> None:
    """Say yes or no to a dearer price, once. Decides the round when nobody is left to ask.

    The same answer again changes nothing. The database's clock says, under the round's lock, what is late.

    Raises:
        ConsentNotFound: nobody asked this buyer about this price.
        ConsentClosed: the other answer was given before, or the time is over and silence was a no.
    """
    answer = "yes" if is_yes else "no"
    asked = await conn.fetchrow(
        f"""
        SELECT {ROUND_COLUMNS} FROM rounds r WHERE r.id = (
            SELECT c.round_id FROM price_consents c JOIN pledges p ON p.id = c.pledge_id
            WHERE c.pledge_id = $1 AND c.unit_price_krw = $2 AND p.buyer_id = $3)
        FOR UPDATE
        """,
        pledge_id,
        unit_price_krw,
        actor.organization_id,
    )
    if asked is None:
        raise ConsentNotFound(pledge_id, unit_price_krw)
    buying_round = read_round(asked)
    answered = await conn.fetchval(
        """
        UPDATE price_consents SET answer = $3, answered_by = $4, answered_at = clock_timestamp()
        WHERE pledge_id = $1 AND unit_price_krw = $2 AND answer IS NULL AND clock_timestamp() < due_at
          AND $5 = 'cleared'
        RETURNING pledge_id
        """,
        pledge_id,
        unit_price_krw,
        answer,
        actor.person_id,
        buying_round.state,
    )
    if answered is None:
        given = await conn.fetchval(
            "SELECT answer FROM price_consents WHERE pledge_id = $1 AND unit_price_krw = $2",
            pledge_id,
            unit_price_krw,
        )
        if given != answer:
            raise ConsentClosed(pledge_id, unit_price_krw, given)
        return
    await record_event(
        conn,
        kind="pledge.consented" if is_yes else "pledge.declined",
        subject="pledge",
        subject_id=str(pledge_id),
        actor=actor,
        unit_price_krw=unit_price_krw,
    )
    await decide_again(conn, buying_round)


async def end_silence(conn: asyncpg.Connection) -> int:
    """Take silence for a no where the time is over, and decide those rounds; return how many."""
    rows = await conn.fetch(
        f"""
        SELECT {ROUND_COLUMNS} FROM rounds r WHERE r.state = 'cleared' AND EXISTS (
            SELECT FROM price_consents c WHERE c.round_id = r.id AND c.answer IS NULL AND c.due_at <= clock_timestamp())
        ORDER BY r.id LIMIT 20 FOR UPDATE SKIP LOCKED
        """
    )
    for row in rows:
        buying_round = read_round(row)
        await conn.execute(
            """
            UPDATE price_consents SET answer = 'no', answered_at = clock_timestamp()
            WHERE round_id = $1 AND answer IS NULL AND due_at <= clock_timestamp()
            """,
            buying_round.id,
        )
        await decide_again(conn, buying_round)
    return len(rows)
