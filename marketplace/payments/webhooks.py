"""Webhooks are hints: stored once by the provider's event id, then worked on by asking the provider again."""

import asyncpg
import msgspec

from catalog.events import SYSTEM
from group_buy.cards import finish_card
from group_buy.failpoints import failpoint
from group_buy.gateway import GatewayRefused, GatewayUnavailable, PaymentGateway, WebhookHint
from group_buy.recording import record_result
from group_buy.settling import find_charge_by_ref
from group_buy.transactions import transaction


async def store_webhook(conn: asyncpg.Connection, hint: WebhookHint) -> bool:
    """Keep a verified webhook; False when the same event came before."""
    failpoint("webhook.verified")
    stored = await conn.fetchval(
        """
        INSERT INTO webhook_events (id, kind, object_ref, payload) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        hint.event_id,
        hint.kind,
        hint.object_ref,
        msgspec.Raw(hint.payload),
    )
    failpoint("webhook.deduped")
    return stored is not None


async def process_one_webhook(pool: asyncpg.Pool, gateway: PaymentGateway) -> bool:
    """Work on the oldest unprocessed webhook; return whether there was one."""
    async with transaction(pool) as conn:
        row = await conn.fetchrow(
            """
            UPDATE webhook_events
            SET attempts = attempts + 1,
                next_attempt_at = clock_timestamp() + least(interval '10 minutes',
                                                            interval '2 seconds' * power(2, least(attempts, 16)))
            WHERE id = (SELECT id FROM webhook_events
                        WHERE processed_at IS NULL AND next_attempt_at <= clock_timestamp()
                        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, object_ref
            """
        )
        charge = None if row is None else await find_charge_by_ref(conn, row["object_ref"])
    if row is None:
        return False
    try:
        if charge is None and not row["kind"].startswith("refund."):
            await finish_card(pool, gateway, setup_ref=row["object_ref"], actor=SYSTEM)
        is_refund = row["kind"].startswith("refund.")
        read = gateway.read_refund if is_refund else gateway.read_hold
        result = None if charge is None else await read(provider_ref=row["object_ref"])
        failpoint("webhook.asked")
    except (GatewayUnavailable, GatewayRefused) as error:
        async with transaction(pool) as conn:
            await conn.execute(
                "UPDATE webhook_events SET last_error = $2 WHERE id = $1", row["id"], error.reason
            )
        return True
    async with transaction(pool) as conn:
        if charge is not None and result is not None:
            await record_result(conn, charge_id=charge[0], attempt=charge[1], result=result)
        await conn.execute(
            "UPDATE webhook_events SET processed_at = clock_timestamp(), last_error = NULL WHERE id = $1",
            row["id"],
        )
        failpoint("webhook.applied")
    failpoint("webhook.committed")
    return True
