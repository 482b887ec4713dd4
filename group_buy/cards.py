"""Save a buyer's card for a pledge, with the consent that later holds rest on."""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from catalog.events import Actor, record_event
from group_buy.core.pledge import Pledge, deposit_ceiling_krw
from group_buy.core.round import Round
from group_buy.errors import CardNotPossible, RoundNotOpen
from group_buy.gateway import PaymentGateway, SavedMethod
from group_buy.pledging import ROUND_LOCK
from group_buy.transactions import transaction


class CardRequest(msgspec.Struct, frozen=True):
    """A card being saved; the client secret is for the buyer's browser alone."""

    id: UUID
    pledge_id: UUID
    setup_ref: str
    client_secret: str
    consent_text: str
    consent_ceiling_krw: int


class Card(msgspec.Struct, frozen=True):
    """The newest card of a pledge, as shown to its buyer."""

    state: str
    card_brand: str | None
    card_last4: str | None
    consent_ceiling_krw: int


async def request_card(
    pool: asyncpg.Pool,
    gateway: PaymentGateway,
    *,
    buying_round: Round,
    pledge: Pledge,
    organization_code: str,
    consent_text: str,
) -> CardRequest:
    """Begin to save a card: the row with its key and consent first, then the provider, then its ids.

    An unfinished request of the same pledge and ceiling is taken up again, so that a reload makes no second one.

    Raises:
        RoundNotOpen, CardNotPossible, GatewayUnavailable
    """
    if pledge.funding != "card" or pledge.state != "placed":
        raise CardNotPossible("this pledge is not secured by card")
    ceiling_krw = deposit_ceiling_krw(buying_round, pledge.lines)
    async with transaction(pool) as conn:
        if not await conn.fetchval(
            "SELECT state IN ('open', 'fill_up') AND clock_timestamp() < closes_at FROM rounds WHERE id = $1",
            buying_round.id,
        ):
            raise RoundNotOpen(buying_round.code, buying_round.state)
        row = await conn.fetchrow(
            """
            SELECT id, idempotency_key, setup_ref, client_secret FROM payment_methods
            WHERE pledge_id = $1 AND state = 'requested' AND consent_ceiling_krw = $2
            ORDER BY created_at DESC LIMIT 1
            """,
            pledge.id,
            ceiling_krw,
        )
        if row is None:
            row = await conn.fetchrow(
                """
                INSERT INTO payment_methods (id, pledge_id, organization_id, state, idempotency_key,
                                             consent_text, consent_ceiling_krw)
                VALUES ($1, $2, $3, 'requested', $4, $5, $6)
                RETURNING id, idempotency_key, setup_ref, client_secret
                """,
                uuid4(),
                pledge.id,
                pledge.buyer_id,
                uuid4(),
                consent_text,
                ceiling_krw,
            )
    assert row is not None, "found or inserted above"
    setup_ref, client_secret = row["setup_ref"], row["client_secret"]
    if setup_ref is None:
        setup = await gateway.request_setup(
            idempotency_key=row["idempotency_key"], organization_code=organization_code
        )
        setup_ref, client_secret = setup.setup_ref, setup.client_secret
        async with transaction(pool) as conn:
            await conn.execute(
                "UPDATE payment_methods SET customer_ref = $2, setup_ref = $3, client_secret = $4 WHERE id = $1",
                row["id"],
                setup.customer_ref,
                setup.setup_ref,
                setup.client_secret,
            )
    return CardRequest(
        id=row["id"],
        pledge_id=pledge.id,
        setup_ref=setup_ref,
        client_secret=client_secret,
        consent_text=consent_text,
        consent_ceiling_krw=ceiling_krw,
    )


async def finish_card(
    pool: asyncpg.Pool,
    gateway: PaymentGateway,
    *,
    actor: Actor,
    pledge_id: UUID | None = None,
    setup_ref: str | None = None,
) -> SavedMethod:
    """Ask the provider how the saving of a pledge's newest card, or of one setup, ended, and write it down.

    The browser, or a webhook, only says that it is done; what it says about the card is not believed. Whichever
    comes second gets the same answer. A declined card may be followed by a good one in the same setup.
    """
    async with transaction(pool) as conn:
        row = await conn.fetchrow(
            """
            SELECT id, pledge_id, setup_ref, state, method_ref, card_brand, card_last4 FROM payment_methods
            WHERE (pledge_id = $1 OR setup_ref = $2) AND setup_ref IS NOT NULL
            ORDER BY created_at DESC LIMIT 1
            """,
            pledge_id,
            setup_ref,
        )
    if row is None:
        return SavedMethod(state="failed", reason="nothing_requested")
    if row["state"] == "ready":
        return SavedMethod("ready", row["method_ref"], row["card_brand"], row["card_last4"])
    saved = await gateway.read_setup(setup_ref=row["setup_ref"])
    if saved.state == "requested":
        return saved
    async with transaction(pool) as conn:
        finished = await conn.fetchval(
            """
            UPDATE payment_methods SET state = $2, method_ref = $3, card_brand = $4, card_last4 = $5,
                client_secret = NULL, ready_at = CASE WHEN $2 = 'ready' THEN clock_timestamp() END
            WHERE id = $1 AND state NOT IN ('ready', $2)
            RETURNING id
            """,
            row["id"],
            saved.state,
            saved.method_ref if saved.state == "ready" else None,
            saved.card_brand,
            saved.card_last4,
        )
        if finished is not None:
            await record_event(
                conn,
                kind=f"card.{saved.state}",
                subject="pledge",
                subject_id=str(row["pledge_id"]),
                actor=actor,
                card_last4=saved.card_last4,
            )
    return saved


async def find_card(conn: asyncpg.Connection, *, pledge_id: UUID) -> Card | None:
    """Read the newest ready card of a pledge, else the newest one that was begun."""
    row = await conn.fetchrow(
        """
        SELECT state, card_brand, card_last4, consent_ceiling_krw FROM payment_methods
        WHERE pledge_id = $1 ORDER BY state = 'ready' DESC, created_at DESC LIMIT 1
        """,
        pledge_id,
    )
    return None if row is None else Card(*row)


async def switch_to_transfer(
    conn: asyncpg.Connection, *, pledge: Pledge, buying_round: Round, actor: Actor
) -> None:
    """Secure a pledge by transfer instead of by card; its lines and places stay as they are.

    Raises:
        RoundNotOpen: the round has closed.
    """
    # Closing holds this lock alone: it counts a pledge as secured by card or by transfer, never as both.
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", ROUND_LOCK, buying_round.id)
    switched = await conn.fetchval(
        """
        UPDATE pledges SET funding = 'transfer' WHERE id = $1 AND EXISTS (
            SELECT FROM rounds WHERE id = $2 AND state IN ('open', 'fill_up') AND clock_timestamp() < closes_at)
        RETURNING id
        """,
        pledge.id,
        buying_round.id,
    )
    if switched is None:
        raise RoundNotOpen(buying_round.code, buying_round.state)
    await record_event(
        conn,
        kind="pledge.switched",
        subject="pledge",
        subject_id=str(pledge.id),
        actor=actor,
        funding="transfer",
    )
