"""What must always hold: named SQL that returns no row. Run by `marketplace check` and after every flow test."""

from typing import Final

import asyncpg
import msgspec

from group_buy.ledger_checks import LEDGER_INVARIANTS
from group_buy.order_checks import ORDER_INVARIANTS
from group_buy.sponsor_checks import SPONSOR_INVARIANTS

INVARIANTS: Final[dict[str, str]] = {
    "every cleared round sells exactly what its allocations add up to": """
        SELECT r.code FROM rounds r
        WHERE r.unit_price_krw IS NOT NULL
          AND r.quantity IS DISTINCT FROM (
              SELECT sum(quantity) FROM current_allocations a WHERE a.round_id = r.id)
    """,
    "no round sells above its capacity or a part of a pack": """
        SELECT code FROM rounds r
        WHERE state <> 'settled' AND NOT EXISTS (SELECT FROM deliveries d WHERE d.round_id = r.id)
          AND NOT EXISTS (SELECT FROM price_consents c WHERE c.round_id = r.id AND c.answer IS NULL)
          AND (quantity > capacity OR quantity % pack_size <> 0 AND NOT EXISTS (
              SELECT FROM current_allocations a WHERE a.round_id = r.id AND a.reason IN ('lapsed', 'survey_exit')))
    """,
    "every first decision sold whole packs within the capacity, at the minimum of the tier it names": """
        SELECT r.code FROM clearings c JOIN rounds r ON r.id = c.round_id,
             LATERAL (SELECT (c.outcome->>'quantity')::bigint AS quantity,
                             (c.outcome->>'unit_price_krw')::bigint AS unit_price_krw) sold
        WHERE c.kind = 'clearing' AND c.outcome->>'outcome' = 'cleared' AND (
            sold.quantity > r.capacity OR sold.quantity % r.pack_size <> 0
            OR sold.quantity <> (SELECT sum(a.value::bigint) FROM jsonb_each_text(c.outcome->'allocations') a)
            OR NOT EXISTS (
                SELECT FROM jsonb_array_elements(r.tiers) WITH ORDINALITY t (tier, n)
                WHERE (tier->>'unit_price_krw')::bigint = sold.unit_price_krw AND sold.quantity >= least(
                    (tier->>'quantity_min')::bigint, CASE WHEN n = 1 THEN r.fallback_quantity_min END)))
    """,
    "what was delivered is with a buyer or went back": """
        SELECT r.code FROM deliveries d JOIN rounds r ON r.id = d.round_id
        WHERE d.quantity <> d.returned + (
            SELECT coalesce(sum(quantity), 0) FROM current_allocations a WHERE a.round_id = r.id)
    """,
    "everybody in a round pays the same unit price, and it is one of its tiers": """
        SELECT a.id::text FROM current_allocations a JOIN rounds r ON r.id = a.round_id
        WHERE a.quantity > 0 AND (a.unit_price_krw <> r.unit_price_krw OR NOT EXISTS (
            SELECT FROM jsonb_array_elements(r.tiers) t WHERE (t->>'unit_price_krw')::bigint = r.unit_price_krw))
    """,
    "a price is sold at its tier's minimum, unless the vendor, the pool or a policy allows less": """
        SELECT r.code FROM rounds r, jsonb_array_elements(r.tiers) t
        WHERE (t->>'unit_price_krw')::bigint = r.unit_price_krw AND (t->>'quantity_min')::bigint > r.quantity
          AND coalesce(r.fallback_quantity_min, 1000000) > r.quantity
          AND NOT EXISTS (SELECT FROM clearings c WHERE c.round_id = r.id AND c.kind <> 'clearing')
          AND NOT EXISTS (SELECT FROM current_allocations a WHERE a.round_id = r.id AND a.change_no > 0)
    """,
    "allocation lines add up to their allocation": """
        SELECT a.id::text FROM allocations a
        WHERE a.quantity <> (SELECT coalesce(sum(l.quantity), 0) FROM allocation_lines l WHERE l.allocation_id = a.id)
    """,
    "an allocation's newest change is not above what its pledge asked for": """
        SELECT a.id::text FROM current_allocations a
        WHERE a.change_no > 0 AND a.quantity > (
            SELECT sum(l.quantity_max) FROM pledge_lines l WHERE l.pledge_id = a.pledge_id AND l.version = (
                SELECT max(version) FROM pledge_versions WHERE pledge_id = a.pledge_id))
    """,
    "nobody gets less than a line's minimum, more than its maximum, or above its price limit": """
        SELECT a.id::text FROM allocations a
        JOIN allocation_lines al ON al.allocation_id = a.id
        LEFT JOIN LATERAL (SELECT max(version) AS version FROM pledge_versions WHERE pledge_id = a.pledge_id) v ON true
        LEFT JOIN pledge_lines l ON l.pledge_id = a.pledge_id AND l.version = v.version AND l.line_no = al.line_no
        WHERE l.pledge_id IS NULL OR al.quantity NOT BETWEEN l.quantity_min AND l.quantity_max
           OR a.unit_price_krw > l.limit_unit_price_krw
    """,
    "every allocation has its invoice, to the won": """
        SELECT a.id::text FROM allocations a LEFT JOIN invoices i ON i.allocation_id = a.id
        WHERE i.id IS NULL OR (i.supply_krw, i.vat_krw, i.total_krw) <> (a.supply_krw, a.vat_krw, a.total_krw)
    """,
    "deposits and balances without refunds add up to what is owed now": """
        SELECT i.number FROM invoices i JOIN current_allocations a ON a.id = i.allocation_id
        WHERE a.total_krw + a.forfeited_krw - (
            SELECT coalesce(sum(krw), 0) FROM current_sponsored_parts s WHERE s.allocation_id = a.id) <> (
            SELECT coalesce(sum(CASE WHEN c.purpose = 'deposit' OR c.purpose = 'balance' AND c.state = 'captured'
                                          THEN c.capture_krw
                                     WHEN c.purpose = 'refund' THEN -c.amount_krw
                                     WHEN c.method = 'card' AND c.capture_krw = 0 THEN 0 ELSE c.amount_krw END), 0)
            FROM charges c WHERE c.allocation_id = i.allocation_id AND c.state <> 'released' AND c.sponsorship_id IS NULL)
    """,
    "no card is captured above its hold, or without an allocation unless it all goes back": """
        SELECT id::text FROM charges c
        WHERE method = 'card' AND state IN ('captured', 'refunded') AND (capture_krw > amount_krw OR (
            allocation_id IS NULL AND purpose <> 'refund' AND capture_krw <> (
                SELECT coalesce(sum(r.amount_krw), 0) FROM charges r
                WHERE r.refunded_charge_id = c.id AND r.state <> 'released')))
    """,
    "no card gets more back than it was charged": """
        SELECT c.id::text FROM charges c
        JOIN (SELECT refunded_charge_id, sum(amount_krw) AS krw,
                     sum(amount_krw) FILTER (WHERE state = 'captured') AS paid_krw
              FROM charges WHERE refunded_charge_id IS NOT NULL AND state <> 'released' GROUP BY 1) r
             ON r.refunded_charge_id = c.id
        WHERE r.krw > c.capture_krw OR (r.paid_krw > 0 AND c.state NOT IN ('captured', 'refunded'))
           OR (c.state = 'refunded' AND r.paid_krw IS DISTINCT FROM c.capture_krw)
    """,
    "every attempt at a card asks for no more than its charge": """
        SELECT a.charge_id::text FROM charge_attempts a JOIN charges c ON c.id = a.charge_id
        WHERE a.amount_krw > c.amount_krw
    """,
    "no hold is above what its card's owner agreed to": """
        SELECT c.id::text FROM charges c JOIN payment_methods m ON m.id = c.payment_method_id
        WHERE c.amount_krw > m.consent_ceiling_krw
    """,
    "a charge's state is its last event": """
        SELECT c.id::text FROM charges c
        WHERE NOT EXISTS (SELECT FROM charge_events e
                          WHERE e.charge_id = c.id AND e.attempt = c.attempt AND e.state = c.state)
    """,
    "at most one attempt of a charge succeeded": """
        SELECT charge_id::text FROM charge_events WHERE state = 'captured' GROUP BY charge_id HAVING count(*) > 1
    """,
    "what came in for a pledge is taken or owed back": """
        SELECT p.id::text FROM pledges p
        JOIN LATERAL (SELECT sum(received_krw) AS krw FROM pledge_fundings WHERE pledge_id = p.id) f ON true
        WHERE p.outcome IN ('allocated', 'released') AND f.krw <> (
            SELECT coalesce(sum(CASE WHEN purpose = 'deposit' THEN capture_krw ELSE amount_krw END), 0)
            FROM charges c WHERE c.pledge_id = p.id AND c.method = 'transfer'
              AND (c.purpose = 'deposit' OR c.purpose = 'refund' AND c.allocation_id IS NULL))
    """,
    "no bank line pays more than it brought, and none is used while it is set aside": """
        SELECT bank_line_id::text FROM bank_line_standings
        WHERE open_krw NOT BETWEEN 0 AND received_krw OR (mark <> 'reopened' AND open_krw < received_krw)
    """,
    "no balance got more by bank than it asks, and one that got it all is captured": """
        SELECT c.id::text FROM charges c
        JOIN (SELECT charge_id, sum(amount_krw) AS krw FROM receipts
              WHERE kind IN ('balance', 'sponsored') GROUP BY charge_id) e ON e.charge_id = c.id
        WHERE c.purpose IN ('balance', 'sponsored')
          AND (e.krw NOT BETWEEN 0 AND c.amount_krw OR (e.krw = c.amount_krw AND c.state = 'due'))
    """,
    "tax invoices of an allocation begin with one original and never pass below nothing": """
        SELECT allocation_id::text FROM tax_invoices GROUP BY allocation_id
        HAVING count(*) FILTER (WHERE kind = 'original') <> 1 OR sum(supply_krw) < 0 OR sum(vat_krw) < 0
    """,
    "no vendor was paid out more than was held": """
        SELECT round_id::text FROM payouts GROUP BY round_id HAVING sum(amount_krw) > max(held_krw - fee_krw - fee_vat_krw)
    """,
    "every decision of a round has its proof": """
        SELECT r.code FROM rounds r
        WHERE r.decided_at IS NOT NULL AND NOT EXISTS (SELECT FROM clearings c WHERE c.round_id = r.id)
        UNION ALL
        SELECT r.code FROM clearings c JOIN rounds r ON r.id = c.round_id
        WHERE c.input_sha256 <> encode(sha256(convert_to(c.input, 'UTF8')), 'hex')
    """,
    "a carried pledge lives on in one later round": """
        SELECT p.id::text FROM pledges p LEFT JOIN pledges n ON n.id = p.carried_to_id
        WHERE p.outcome = 'carried' AND (n.id IS NULL OR n.buyer_id <> p.buyer_id)
    """,
    "the pool pays out no more than was forfeited": """
        SELECT r.code FROM rounds r
        JOIN (SELECT round_id, sum(pool_krw) AS krw FROM clearings GROUP BY round_id) c ON c.round_id = r.id
        WHERE c.krw > (SELECT coalesce(sum(a.forfeited_krw), 0) FROM current_allocations a WHERE a.round_id = r.id)
    """,
    "no pledge came after its round had closed": """
        SELECT p.id::text FROM pledges p JOIN rounds r ON r.id = p.round_id
        WHERE p.placed_at > r.closed_at
    """,
    "every pledge belongs to a round and a buyer": """
        SELECT p.id::text FROM pledges p
        LEFT JOIN rounds r ON r.id = p.round_id LEFT JOIN organizations o ON o.id = p.buyer_id
        WHERE r.id IS NULL OR o.id IS NULL
    """,
    "every row of money belongs to a pledge of the same round and buyer, and to its parent": """
        SELECT a.id::text FROM allocations a LEFT JOIN pledges p ON p.id = a.pledge_id
        WHERE (p.round_id, p.buyer_id) IS DISTINCT FROM (a.round_id, a.buyer_id)
        UNION ALL
        SELECT c.id::text FROM charges c LEFT JOIN pledges p ON p.id = c.pledge_id
        WHERE (p.round_id, p.buyer_id) IS DISTINCT FROM (c.round_id, c.buyer_id)
        UNION ALL
        SELECT c.id::text FROM charges c LEFT JOIN allocations a ON a.id = c.allocation_id
        WHERE c.allocation_id IS NOT NULL AND a.pledge_id IS DISTINCT FROM c.pledge_id
        UNION ALL
        SELECT i.id::text FROM invoices i
        LEFT JOIN allocations a ON a.id = i.allocation_id LEFT JOIN rounds r ON r.id = a.round_id
        WHERE (a.buyer_id, r.vendor_id) IS DISTINCT FROM (i.buyer_id, i.vendor_id)
        UNION ALL
        SELECT s.allocation_id::text FROM allocation_shares s
        WHERE NOT EXISTS (SELECT FROM allocations a WHERE a.id = s.allocation_id)
        UNION ALL
        SELECT l.allocation_id::text FROM allocation_lines l
        WHERE NOT EXISTS (SELECT FROM allocations a WHERE a.id = l.allocation_id)
        UNION ALL
        SELECT e.charge_id::text FROM charge_events e WHERE NOT EXISTS (SELECT FROM charges c WHERE c.id = e.charge_id)
    """,
    "every notification is to somebody": """
        SELECT n.id::text FROM notifications n
        WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = n.organization_id)
    """,
    "every pledge has lines or was withdrawn": """
        SELECT v.pledge_id::text FROM pledge_versions v
        WHERE (v.state = 'placed') <> EXISTS (
            SELECT FROM pledge_lines l WHERE l.pledge_id = v.pledge_id AND l.version = v.version)
    """,
    "decided rounds leave no pledge undecided and no hold forgotten": """
        SELECT r.code FROM rounds r
        WHERE r.decided_at IS NOT NULL AND (
            EXISTS (SELECT FROM pledges p WHERE p.round_id = r.id AND p.outcome IS NULL)
            OR EXISTS (SELECT FROM charges c WHERE c.round_id = r.id AND c.purpose = 'deposit' AND c.method = 'card'
                       AND c.state = 'authorized' AND c.capture_krw IS NULL))
    """,
    "every round has the event of its state": """
        SELECT r.code FROM rounds r
        WHERE NOT EXISTS (SELECT FROM events e
                          WHERE e.subject = 'round' AND e.subject_id = r.code AND e.kind = 'round.' || r.state)
    """,
    "the chain of sealed events is whole": """
        SELECT s.id::text FROM event_seals s
        LEFT JOIN event_seals p ON p.sha256 = s.previous_sha256
        LEFT JOIN LATERAL (
            SELECT count(*) AS event_count, string_agg(event_digest(e), ''::bytea ORDER BY e.id) AS digests
            FROM events e WHERE e.seal_id = s.id) b ON true
        WHERE (s.previous_sha256 IS NOT NULL AND p.id IS NULL)
           OR s.event_count IS DISTINCT FROM b.event_count
           OR s.sha256 IS DISTINCT FROM sha256(coalesce(s.previous_sha256, ''::bytea) || b.digests)
    """,
    **LEDGER_INVARIANTS,
    **SPONSOR_INVARIANTS,
    **ORDER_INVARIANTS,
}
"""Name → a query whose rows are violations, each naming the row at fault."""


class InvariantResult(msgspec.Struct, frozen=True):
    """How one invariant stands: the first violating rows, none when it holds."""

    name: str
    violations: list[str]


async def check_invariants(conn: asyncpg.Connection, *, limit: int = 20) -> list[InvariantResult]:
    """Run every invariant; name at most `limit` violations of each."""
    return [
        InvariantResult(name, [str(row[0]) for row in await conn.fetch(f"{query} LIMIT {int(limit)}")])
        for name, query in INVARIANTS.items()
    ]
