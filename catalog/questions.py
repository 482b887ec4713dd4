"""One thread of questions and answers per offer, or per product that is sold on quote.

What is answered is public, without the asker's name. What is not yet answered is seen by who asked, the
vendor and the coordinator.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from catalog.core.viewer import Viewer
from catalog.errors import InvalidText, QuestionNotFound, TooManyQuestions
from catalog.events import Actor, record_event
from catalog.notices import notify

QUESTION_LENGTH_MAX: Final = 2000
ANSWER_LENGTH_MAX: Final = 4000
OPEN_PER_ASKER_MAX: Final = 5

ThreadKind = Literal["offer", "product"]


class Question(Struct, frozen=True, kw_only=True):
    """A question and its answer; `asker_ko` and `asker_en` are None for whom they are not shown."""

    id: UUID
    text: str
    created_at: datetime
    answer: str | None
    answered_at: datetime | None
    is_mine: bool
    asker_ko: str | None
    asker_en: str | None
    thread: ThreadKind
    code: str
    name_ko: str
    name_en: str


async def ask(
    conn: asyncpg.Connection,
    *,
    question_id: UUID,
    thread: ThreadKind,
    subject_id: int,
    vendor_id: int,
    text: str,
    actor: Actor,
) -> None:
    """Ask the vendor of an offer or product that the asker may see. The same id twice is one question.

    The caller has read the subject with the asker's eyes. Raises InvalidText, TooManyQuestions.
    """
    text = _checked(text, "/text", QUESTION_LENGTH_MAX)
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtext('question'), hashtext($1))", f"{thread}:{subject_id}"
    )
    is_offer = thread == "offer"
    waiting = await conn.fetchval(
        """
        SELECT count(*) FROM questions
        WHERE CASE WHEN $1 THEN offer_id ELSE product_id END = $2 AND asker_id = $3 AND answer IS NULL
          AND hidden_at IS NULL AND id <> $4
        """,
        is_offer,
        subject_id,
        actor.organization_id,
        question_id,
    )
    if waiting >= OPEN_PER_ASKER_MAX:
        raise TooManyQuestions(limit=OPEN_PER_ASKER_MAX)
    inserted = await conn.fetchval(
        """
        INSERT INTO questions (id, offer_id, product_id, asker_id, person_id, text)
        VALUES ($1, CASE WHEN $2 THEN $3::bigint END, CASE WHEN NOT $2 THEN $3::bigint END, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        question_id,
        is_offer,
        subject_id,
        actor.organization_id,
        actor.person_id,
        text,
    )
    if inserted is None:
        return
    await record_event(
        conn, kind="question.asked", subject="question", subject_id=str(question_id), actor=actor
    )
    await notify(conn, organization_id=vendor_id, kind="question.asked", path="/vendor/questions")


async def answer_question(conn: asyncpg.Connection, *, question_id: UUID, answer: str, actor: Actor) -> None:
    """The vendor answers a question on its own offer or product; from then on both are public.

    Answering again replaces the answer. Raises QuestionNotFound, also for another vendor's; InvalidText.
    """
    answer = _checked(answer, "/answer", ANSWER_LENGTH_MAX)
    row = await conn.fetchrow(
        """
        UPDATE questions q SET answer = $3, answered_at = clock_timestamp()
        WHERE q.id = $1 AND q.hidden_at IS NULL
          AND $2 = coalesce((SELECT vendor_id FROM offers WHERE id = q.offer_id),
                            (SELECT vendor_id FROM products WHERE id = q.product_id))
        RETURNING q.asker_id,
                  coalesce((SELECT '/offers/' || code FROM offers WHERE id = q.offer_id),
                           (SELECT '/products/' || code FROM products WHERE id = q.product_id)) AS path
        """,
        question_id,
        actor.organization_id,
        answer,
    )
    if row is None:
        raise QuestionNotFound(str(question_id))
    await record_event(
        conn,
        kind="question.answered",
        subject="question",
        subject_id=str(question_id),
        actor=actor,
        answer=answer,
    )
    await notify(
        conn, organization_id=row["asker_id"], kind="question.answered", path=f"{row['path']}/questions"
    )


async def hide_question(conn: asyncpg.Connection, *, question_id: UUID, actor: Actor) -> None:
    """The coordinator takes an improper question off the page. Raises QuestionNotFound."""
    hidden = await conn.fetchval(
        "UPDATE questions SET hidden_at = clock_timestamp() WHERE id = $1 AND hidden_at IS NULL RETURNING id",
        question_id,
    )
    if hidden is None:
        raise QuestionNotFound(str(question_id))
    await record_event(
        conn, kind="question.hidden", subject="question", subject_id=str(question_id), actor=actor
    )


async def list_thread(
    conn: asyncpg.Connection, *, thread: ThreadKind, subject_id: int, viewer: Viewer, limit: int = 200
) -> list[Question]:
    """What this viewer sees of a thread, the newest question first."""
    return await _list(conn, viewer=viewer, thread=thread, subject_id=subject_id, vendor_id=None, limit=limit)


async def list_vendor_questions(
    conn: asyncpg.Connection, *, vendor_id: int, limit: int = 200
) -> list[Question]:
    """All questions to a vendor, those that wait first."""
    viewer = Viewer(vendor_id, "vendor")
    return await _list(conn, viewer=viewer, thread=None, subject_id=None, vendor_id=vendor_id, limit=limit)


async def _list(
    conn: asyncpg.Connection,
    *,
    viewer: Viewer,
    thread: ThreadKind | None,
    subject_id: int | None,
    vendor_id: int | None,
    limit: int,
) -> list[Question]:
    rows = await conn.fetch(
        """
        SELECT q.id, q.text, q.created_at, q.answer, q.answered_at, coalesce(q.asker_id = $1, false) AS is_mine,
               CASE WHEN q.asker_id = $1 OR $2 THEN a.name_ko END AS asker_ko,
               CASE WHEN q.asker_id = $1 OR $2 THEN a.name_en END AS asker_en,
               CASE WHEN q.offer_id IS NOT NULL THEN 'offer' ELSE 'product' END AS thread,
               coalesce(f.code, p.code) AS code, coalesce(p.name_ko, m.name_ko) AS name_ko,
               coalesce(p.name_en, m.name_en) AS name_en
        FROM questions q
        JOIN organizations a ON a.id = q.asker_id
        LEFT JOIN offers f ON f.id = q.offer_id
        LEFT JOIN package_versions n ON n.id = f.package_version_id
        LEFT JOIN package_models m ON m.id = n.package_model_id
        LEFT JOIN products p ON p.id = coalesce(q.product_id, f.product_id)
        CROSS JOIN LATERAL (SELECT CASE WHEN q.offer_id IS NULL THEN p.vendor_id ELSE f.vendor_id END AS id) vendor
        WHERE q.hidden_at IS NULL
          AND ($3::text IS NULL OR CASE WHEN $3 = 'offer' THEN q.offer_id ELSE q.product_id END = $4)
          AND ($5::bigint IS NULL OR vendor.id = $5)
          AND (q.answer IS NOT NULL OR q.asker_id = $1 OR vendor.id = $1 OR $2)
        ORDER BY q.answer IS NOT NULL AND $5 IS NOT NULL, q.created_at DESC, q.id
        LIMIT $6
        """,
        viewer.organization_id,
        viewer.is_coordinator,
        thread,
        subject_id,
        vendor_id,
        limit,
    )
    return [Question(**dict(row)) for row in rows]


def _checked(text: str, pointer: str, length_max: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= length_max:
        raise InvalidText(pointer, length_max=length_max)
    return text
