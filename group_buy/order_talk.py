"""The talk about an order: one thread between its buyer, its vendor and the coordinator; nothing is rewritten."""

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.errors import IdReused, InvalidOrderStep, OrderNotFound
from group_buy.ordering import tell_order

TEXT_LETTERS_MAX: Final = 2000
MESSAGES_MAX: Final = 500
"""A thread holds so many messages; what is more is no talk."""


class OrderMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, with who said it."""

    id: UUID
    text: str
    person: str
    organization_ko: str
    organization_en: str
    at: datetime


class OrderFile(msgspec.Struct, frozen=True, kw_only=True):
    """A photo of a step or a file of a message: just one of both ids is set."""

    file_id: UUID
    step_id: UUID | None
    message_id: UUID | None
    name: str
    media_type: str
    size_bytes: int


async def say(conn: asyncpg.Connection, *, number: str, message_id: UUID, text: str, actor: Actor) -> None:
    """Say something about an order, under an id that the client made: the same twice is one message.

    Raises:
        OrderNotFound: not one of its three parties.
        InvalidOrderStep: a text of other than 1 to 2000 letters, or the thread is full.
        IdReused: the id exists with another text.
    """
    order_id = await conn.fetchval(
        "SELECT id FROM orders WHERE number = $1 AND $2 IN (buyer_id, vendor_id, coordinator_id)",
        number,
        actor.organization_id,
    )
    if order_id is None:
        raise OrderNotFound(number)
    if not 1 <= len(text) <= TEXT_LETTERS_MAX:
        raise InvalidOrderStep("/text", f"from 1 to {TEXT_LETTERS_MAX} letters")
    inserted = await conn.fetchval(
        """
        INSERT INTO order_messages (id, order_id, organization_id, person_id, text)
        SELECT $1, $2, $3, $4, $5 WHERE $6 > (SELECT count(*) FROM order_messages WHERE order_id = $2)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        message_id,
        order_id,
        actor.organization_id,
        actor.person_id,
        text,
        MESSAGES_MAX,
    )
    if not inserted:
        before = await conn.fetchrow(
            "SELECT order_id, organization_id, text FROM order_messages WHERE id = $1", message_id
        )
        if before is None:
            raise InvalidOrderStep("/text", f"at most {MESSAGES_MAX} messages in a thread")
        if tuple(before) != (order_id, actor.organization_id, text):
            raise IdReused(message_id)
        return
    await record_event(conn, kind="order.said", subject="order", subject_id=number, actor=actor)
    await tell_order(conn, order_id, "order.said", actor)


async def list_order_messages(conn: asyncpg.Connection, *, order_id: UUID) -> list[OrderMessage]:
    """List the messages about an order, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT m.id, m.text, p.name AS person, g.name_ko AS organization_ko, g.name_en AS organization_en, m.at
        FROM order_messages m JOIN people p ON p.id = m.person_id JOIN organizations g ON g.id = m.organization_id
        WHERE m.order_id = $1 ORDER BY m.at, m.id
        """,
        order_id,
    )
    return [OrderMessage(**dict(row)) for row in rows]


async def list_order_files(conn: asyncpg.Connection, *, order_id: UUID) -> list[OrderFile]:
    """List the photos and files of an order, in the order in which they came."""
    rows = await conn.fetch(
        """
        SELECT x.file_id, x.step_id, x.message_id, f.name, f.media_type, f.size_bytes
        FROM order_files x JOIN files f ON f.id = x.file_id WHERE x.order_id = $1 ORDER BY f.created_at, f.id
        """,
        order_id,
    )
    return [OrderFile(**dict(row)) for row in rows]
