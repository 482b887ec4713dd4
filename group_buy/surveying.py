"""Site work is not pooled: the survey of a buyer's site, its quote, and the way out above the round's cap."""

from typing import Final
from uuid import UUID

import asyncpg

from catalog.core.money import ROUND_KRW_MAX
from catalog.events import Actor, record_event
from group_buy.errors import InvalidRound, PledgeNotFound, RoundStateConflict, SurveyQuoteStands
from group_buy.lapsing import lapse_pledges

NOTE_LETTERS_MAX: Final = 1000


async def record_survey_quote(
    conn: asyncpg.Connection, *, pledge_id: UUID, quote_krw: int, note: str, actor: Actor
) -> None:
    """Record what the survey of a buyer's site found that site work would cost (won, without VAT).

    The round's vendor or its coordinator records it, while the round is cleared. The first quote stands; the same
    again changes nothing.

    Raises:
        PledgeNotFound: no pledge with units in a round of this organization that states a cap.
        RoundStateConflict: the round is ordered already.
        InvalidRound: a quote below 0 or above ROUND_KRW_MAX, or a note above NOTE_LETTERS_MAX letters.
        SurveyQuoteStands: another quote was recorded before.
    """
    if not 0 <= quote_krw <= ROUND_KRW_MAX:
        raise InvalidRound("/quote_krw", f"won, from 0 to {ROUND_KRW_MAX}")
    if len(note) > NOTE_LETTERS_MAX:
        raise InvalidRound("/note", f"at most {NOTE_LETTERS_MAX} letters")
    target = await conn.fetchrow(
        """
        SELECT r.code, r.state, p.buyer_id FROM pledges p JOIN rounds r ON r.id = p.round_id
        JOIN current_allocations a ON a.pledge_id = p.id AND a.quantity > 0
        WHERE p.id = $1 AND $2 IN (r.coordinator_id, r.vendor_id) AND r.survey_cap_krw IS NOT NULL
        FOR SHARE OF r
        """,
        pledge_id,
        actor.organization_id,
    )
    if target is None:
        raise PledgeNotFound(pledge_id)
    before = await conn.fetchrow("SELECT quote_krw, note FROM survey_quotes WHERE pledge_id = $1", pledge_id)
    if before is None and target["state"] != "cleared":
        raise RoundStateConflict(target["code"], target["state"], "surveyed")
    inserted = before is None and await conn.fetchval(
        """
        INSERT INTO survey_quotes (pledge_id, quote_krw, note, recorded_by) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        pledge_id,
        quote_krw,
        note,
        actor.person_id,
    )
    if not inserted:
        stands = await conn.fetchrow(
            "SELECT quote_krw, note FROM survey_quotes WHERE pledge_id = $1", pledge_id
        )
        assert stands is not None, "somebody else recorded it just now"
        if tuple(stands) != (quote_krw, note):
            raise SurveyQuoteStands(pledge_id, f"a quote of {stands['quote_krw']} won")
        return
    await record_event(
        conn,
        kind="pledge.surveyed",
        subject="pledge",
        subject_id=str(pledge_id),
        actor=actor,
        round=target["code"],
        quote_krw=quote_krw,
    )
    await conn.execute(
        "INSERT INTO notifications (organization_id, kind, data) VALUES ($1, 'pledge.surveyed', $2)",
        target["buyer_id"],
        {"round": target["code"], "quote_krw": quote_krw, "path": f"/my/pledges/{pledge_id}/survey"},
    )


async def accept_survey_quote(conn: asyncpg.Connection, *, pledge_id: UUID, actor: Actor) -> None:
    """Say yes to the quote of site work: the buyer stays. Repeating it changes nothing.

    Raises:
        PledgeNotFound: not this buyer's pledge, or it has no quote.
        SurveyQuoteStands: the buyer left before.
    """
    await _answer(conn, pledge_id, "accepted", actor, above_cap=False)


async def leave_after_survey(conn: asyncpg.Connection, *, pledge_id: UUID, actor: Actor) -> None:
    """Leave a cleared round free of charge, because site work was quoted above the round's cap.

    The deposit goes back in full, and the round is decided again without the pledge. Repeating it changes nothing.

    Raises:
        PledgeNotFound: not this buyer's pledge, or its quote is not above the cap.
        SurveyQuoteStands: the buyer accepted the quote before.
        RoundStateConflict: the round is ordered already.
    """
    code = await _answer(conn, pledge_id, "left", actor, above_cap=True)
    if code is not None:
        await lapse_pledges(
            conn,
            code=code,
            pledge_ids=frozenset({pledge_id}),
            actor=actor,
            reason="survey_exit",
            coordinator_id=None,
        )


async def _answer(
    conn: asyncpg.Connection, pledge_id: UUID, answer: str, actor: Actor, *, above_cap: bool
) -> str | None:
    """Write the answer down under the round's lock; return the round's code, None where it was written before."""
    row = await conn.fetchrow(
        """
        SELECT r.code, q.answer FROM pledges p JOIN rounds r ON r.id = p.round_id
        JOIN survey_quotes q ON q.pledge_id = p.id
        WHERE p.id = $1 AND p.buyer_id = $2 AND (NOT $3 OR q.quote_krw > r.survey_cap_krw)
        FOR UPDATE OF r
        """,
        pledge_id,
        actor.organization_id,
        above_cap,
    )
    if row is None:
        raise PledgeNotFound(pledge_id)
    given = await conn.fetchval("SELECT answer FROM survey_quotes WHERE pledge_id = $1", pledge_id)
    if given == answer:
        return None
    if given is not None:
        raise SurveyQuoteStands(pledge_id, f"the answer {given}")
    await conn.execute(
        """
        UPDATE survey_quotes SET answer = $2, answered_by = $3, answered_at = clock_timestamp()
        WHERE pledge_id = $1 AND answer IS NULL
        """,
        pledge_id,
        answer,
        actor.person_id,
    )
    if answer == "accepted":
        await record_event(
            conn,
            kind="pledge.survey_accepted",
            subject="pledge",
            subject_id=str(pledge_id),
            actor=actor,
            round=row["code"],
        )
    return str(row["code"])
