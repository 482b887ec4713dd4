"""A crowd of card pledges on one saved card, made in a few statements, and what the provider's own books say of them."""

from collections import Counter

import asyncpg
from builders import a_coordinator, a_round
from card_desk import CardDesk

from catalog.events import Actor
from group_buy.core.round import Round
from group_buy.delivering import order_round, record_delivery

PRICE = 1_000_003


async def a_crowd(desk: CardDesk, conn: asyncpg.Connection, size: int) -> tuple[Actor, Round]:
    """An open round of `size` buyers, one unit each by card; they share one card, whose saving is not the subject."""
    actor = await a_coordinator(conn)
    buying_round = await a_round(
        conn, coordinator=actor, tiers=((1, PRICE),), capacity=1_000_000, deposit_bp=1_000
    )
    await desk.pledge(conn, buying_round, "first", 1)
    await add_crowd(conn, actor, buying_round, size)
    return actor, buying_round


async def add_crowd(conn: asyncpg.Connection, actor: Actor, buying_round: Round, size: int) -> None:
    """Pledges of other buyers until there are `size`, on the card of the one there is."""
    async with conn.transaction():
        await conn.execute(
            """
            INSERT INTO organizations (code, kind, name_ko, name_en)
            SELECT 'crowd-' || n, 'factory', '공장 ' || n, 'factory ' || n FROM generate_series(2, $1) n
            """,
            size,
        )
        await conn.execute(
            """
            WITH crowd AS (
                INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
                SELECT gen_random_uuid(), $1, o.id, $2, 'card' FROM organizations o WHERE o.code LIKE 'crowd-%'
                RETURNING id, buyer_id
            ), version AS (
                INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
                SELECT id, 1, 'placed', $2, sha256(id::text::bytea) FROM crowd
            ), line AS (
                INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max)
                SELECT id, 1, 1, 1, 1 FROM crowd
            )
            INSERT INTO payment_methods (id, pledge_id, organization_id, state, idempotency_key, customer_ref, method_ref,
                                         consent_text, consent_ceiling_krw, ready_at)
            SELECT gen_random_uuid(), crowd.id, crowd.buyer_id, 'ready', gen_random_uuid(), m.customer_ref, m.method_ref,
                   m.consent_text, m.consent_ceiling_krw, clock_timestamp()
            FROM crowd, payment_methods m
            """,
            buying_round.id,
            actor.person_id,
        )


async def books_of_the_provider(desk: CardDesk) -> tuple[Counter[str], Counter[str]]:
    """Won taken, and won given back, by charge, as the provider counts them; and nothing else may be held there."""
    taken: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    async for record in desk.gateway.list_records(since=None):
        if record.charge_id is None:
            continue
        if record.kind == "refund":
            returned[str(record.charge_id)] += record.result.captured_krw
        elif record.result.state == "captured":
            taken[str(record.charge_id)] += record.result.captured_krw
        else:
            assert record.result.state in {"released", "processing"}, record
    return taken, returned


async def our_books(conn: asyncpg.Connection) -> tuple[Counter[str], Counter[str]]:
    """The same by our own books."""
    rows = await conn.fetch(
        "SELECT id::text, purpose, capture_krw FROM charges WHERE method = 'card' AND state IN ('captured', 'refunded')"
    )
    taken = Counter({row[0]: row[2] for row in rows if row[1] != "refund"})
    return taken, Counter({row[0]: row[2] for row in rows if row[1] == "refund"})


async def deliver_some(conn: asyncpg.Connection, actor: Actor, quantity: int) -> None:
    """All balances were paid, and only `quantity` units come: the others' deposits go back to their cards."""
    assert actor.organization_id is not None
    await conn.execute(
        """
        WITH paid AS (UPDATE charges SET state = 'captured', capture_krw = amount_krw
                      WHERE purpose = 'balance' AND state = 'due' RETURNING id)
        INSERT INTO charge_events (charge_id, attempt, state) SELECT id, 1, 'captured' FROM paid
        """
    )
    await order_round(conn, code="round", coordinator_id=actor.organization_id, actor=actor)
    await record_delivery(conn, code="round", quantity=quantity, actor=actor)
