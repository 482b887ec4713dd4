"""What the ledger must agree with: charges, fundings, receipts, allocations and payouts it was posted from, summed anew."""

from typing import Final

from group_buy.payouts import HELD_AND_FEE

LEDGER_INVARIANTS: Final[dict[str, str]] = {
    "the books are balanced": """
        SELECT round_id::text FROM ledger_sides GROUP BY round_id HAVING sum(signed_krw) <> 0
    """,
    "what a buyer owes is what it was allocated less what it paid": """
        SELECT coalesce(owed.pledge_id, posted.pledge_id)::text
        FROM (
            SELECT pledge_id, sum(krw) AS krw FROM (
                SELECT pledge_id, total_krw + forfeited_krw AS krw FROM current_allocations
                UNION ALL
                SELECT pledge_id, CASE purpose WHEN 'refund' THEN amount_krw ELSE -capture_krw END FROM charges
                WHERE purpose IN ('deposit', 'balance') AND state IN ('captured', 'refunded')
                   OR purpose = 'refund' AND allocation_id IS NOT NULL AND state <> 'released'
                UNION ALL
                SELECT e.pledge_id, -e.amount_krw FROM receipts e JOIN charges c ON c.id = e.charge_id
                WHERE e.kind = 'balance' AND c.state = 'due'
                UNION ALL
                SELECT pledge_id, -krw FROM current_sponsored_parts
            ) each GROUP BY pledge_id
        ) owed
        FULL JOIN (SELECT pledge_id, sum(signed_krw) AS krw FROM ledger_sides
                   WHERE account = 'buyer_receivable' GROUP BY pledge_id) posted USING (pledge_id)
        WHERE coalesce(owed.krw, 0) <> coalesce(posted.krw, 0)
    """,
    "what is held of deposits came in and was neither taken nor owed back": """
        SELECT coalesce(kept.pledge_id, posted.pledge_id)::text
        FROM (
            SELECT pledge_id, sum(krw) AS krw FROM (
                SELECT f.pledge_id, f.received_krw AS krw FROM pledge_fundings f JOIN pledges p ON p.id = f.pledge_id
                WHERE p.carried_to_id IS NULL
                UNION ALL
                SELECT pledge_id, -CASE purpose WHEN 'deposit' THEN capture_krw ELSE amount_krw END FROM charges
                WHERE purpose = 'deposit' AND method = 'transfer' AND state IN ('captured', 'refunded')
                   OR purpose = 'refund' AND allocation_id IS NULL AND state <> 'released'
            ) each GROUP BY pledge_id
        ) kept
        FULL JOIN (SELECT pledge_id, -sum(signed_krw) AS krw FROM ledger_sides
                   WHERE account = 'deposits_held' GROUP BY pledge_id) posted USING (pledge_id)
        WHERE coalesce(kept.krw, 0) <> coalesce(posted.krw, 0)
    """,
    "money is what came in less what was paid back and paid out": """
        SELECT r.code FROM rounds r
        WHERE coalesce((SELECT sum(signed_krw) FROM ledger_sides s WHERE s.round_id = r.id AND s.account = 'money'), 0) <> (
            SELECT coalesce(sum(f.received_krw), 0) FROM pledge_fundings f JOIN pledges p ON p.id = f.pledge_id
            WHERE p.round_id = r.id AND NOT (f.version IN (0, 1) AND EXISTS (
                SELECT FROM pledges old JOIN pledge_fundings b ON b.pledge_id = old.id AND b.received_krw > 0
                WHERE old.carried_to_id = p.id))
        ) + (
            SELECT coalesce(sum(CASE WHEN purpose IN ('refund', 'sponsor_refund') THEN -capture_krw ELSE capture_krw END), 0)
            FROM charges c
            WHERE c.round_id = r.id AND c.state IN ('captured', 'refunded')
              AND NOT (c.purpose = 'deposit' AND c.method = 'transfer')
        ) + (
            SELECT coalesce(sum(e.amount_krw), 0) FROM receipts e JOIN charges c ON c.id = e.charge_id
            WHERE c.round_id = r.id AND e.kind IN ('balance', 'sponsored') AND c.state = 'due'
        ) - (SELECT coalesce(sum(amount_krw), 0) FROM payouts p WHERE p.round_id = r.id)
    """,
    "the parts of a balance that banks brought were posted until it was captured, each once": """
        SELECT c.id::text FROM charges c
        LEFT JOIN LATERAL (
            SELECT sum(CASE l.debit_account WHEN 'money' THEN l.amount_krw ELSE -l.amount_krw END) AS krw,
                   bool_or(c.round_id <> l.round_id OR c.pledge_id <> l.pledge_id OR l.amount_krw <> abs(e.amount_krw)
                           OR (l.debit_account = 'money') <> (e.amount_krw > 0)) AS is_strange,
                   sum(e.amount_krw) AS received_krw
            FROM receipts e LEFT JOIN ledger_entries l ON l.receipt_id = e.id
            WHERE e.charge_id = c.id AND e.kind IN ('balance', 'sponsored')) parts ON true
        WHERE c.purpose IN ('balance', 'sponsored') AND (parts.is_strange OR CASE c.state
            WHEN 'due' THEN coalesce(parts.krw, 0) <> coalesce(parts.received_krw, 0)
            WHEN 'captured' THEN c.capture_krw <> coalesce(parts.krw, 0) + coalesce((
                SELECT sum(amount_krw) FROM ledger_entries l WHERE l.charge_id = c.id
                  AND l.reason IN ('balance_paid', 'sponsor_paid')), 0)
            ELSE coalesce(parts.krw, 0) <> 0 END)
    """,
    "a surplus is owed back to the won": """
        SELECT e.id::text FROM receipts e LEFT JOIN charges c ON c.id = e.charge_id
        WHERE e.kind = 'surplus' AND (c.purpose, c.pledge_id, c.amount_krw)
              IS DISTINCT FROM ('refund', e.pledge_id, abs(e.amount_krw))
    """,
    "a vendor was paid out what the ledger says, and never more than it is owed": """
        SELECT r.code FROM rounds r
        WHERE coalesce((SELECT sum(signed_krw) FROM ledger_sides s
                        WHERE s.round_id = r.id AND s.reason = 'paid_out' AND s.account <> 'money'), 0)
           <> (SELECT coalesce(sum(amount_krw), 0) FROM payouts p WHERE p.round_id = r.id)
           OR EXISTS (SELECT FROM payouts p WHERE p.round_id = r.id) AND EXISTS (
               SELECT FROM ledger_sides s WHERE s.round_id = r.id AND s.party = r.vendor_id
                 AND s.account IN ('vendor_payable', 'vat', 'forfeits')
               GROUP BY s.account HAVING sum(signed_krw) > 0)
    """,
    "what may be paid out of a settled round is what its vendor is owed": f"""
        SELECT r.code FROM {HELD_AND_FEE}
        WHERE r.state = 'settled' AND r.custody = 'operator' AND held.krw - fee.krw - fee.krw / 10 <> (
            SELECT coalesce(-sum(signed_krw), 0) FROM ledger_sides s
            WHERE s.round_id = r.id AND s.party = r.vendor_id AND s.account IN ('vendor_payable', 'vat', 'forfeits')
              AND s.reason <> 'paid_out')
    """,
    "what is owed back is the refunds that are not paid yet": """
        SELECT coalesce(owed.pledge_id, posted.pledge_id)::text
        FROM (SELECT pledge_id, sum(amount_krw) AS krw FROM charges
              WHERE purpose = 'refund' AND state NOT IN ('captured', 'released') GROUP BY pledge_id) owed
        FULL JOIN (SELECT pledge_id, -sum(signed_krw) AS krw FROM ledger_sides
                   WHERE account = 'refunds_owed' GROUP BY pledge_id) posted USING (pledge_id)
        WHERE coalesce(owed.krw, 0) <> coalesce(posted.krw, 0)
    """,
    "vendor, tax office and coordinator are owed what was allocated and what the pool paid": """
        SELECT r.code FROM rounds r
        WHERE coalesce((SELECT -sum(signed_krw) FROM ledger_sides s WHERE s.round_id = r.id
                        AND s.reason <> 'paid_out'
                        AND s.account IN ('goods_ordered', 'vendor_payable', 'vat', 'platform_fee')), 0)
           <> (SELECT coalesce(sum(total_krw), 0) FROM current_allocations a WHERE a.round_id = r.id)
            + (SELECT coalesce(sum(pool_krw), 0) FROM clearings c WHERE c.round_id = r.id)
    """,
    "nothing is on order once it was delivered": """
        SELECT r.code FROM rounds r
        WHERE r.state IN ('delivered', 'settled') AND EXISTS (
            SELECT FROM ledger_sides s WHERE s.round_id = r.id AND s.account = 'goods_ordered' HAVING sum(signed_krw) <> 0)
    """,
    "a commission is its share of what was delivered": """
        SELECT r.code FROM rounds r
        WHERE coalesce((SELECT -sum(signed_krw) FROM ledger_sides s
                        WHERE s.round_id = r.id AND s.account = 'platform_fee'), 0)
           <> CASE WHEN r.state IN ('delivered', 'settled') THEN r.commission_bp * (
                  SELECT coalesce(sum(supply_krw), 0)::bigint FROM current_allocations a WHERE a.round_id = r.id) / 10000
              ELSE 0 END
    """,
    "VAT is that of what was delivered, and a tenth of the commission": """
        SELECT r.code FROM rounds r
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(signed_krw) FILTER (WHERE account = 'vat' AND party = r.vendor_id), 0) AS goods_krw,
                   coalesce(-sum(signed_krw) FILTER (WHERE account = 'vat' AND party = r.coordinator_id), 0) AS fee_vat_krw,
                   coalesce(-sum(signed_krw) FILTER (WHERE account = 'platform_fee'), 0) AS fee_krw
            FROM ledger_sides WHERE round_id = r.id AND reason <> 'paid_out'
        ) posted
        WHERE posted.fee_vat_krw <> div(posted.fee_krw, 10)
           OR posted.goods_krw <> CASE WHEN r.state IN ('delivered', 'settled') THEN (
                  SELECT coalesce(sum(vat_krw), 0) FROM current_allocations a WHERE a.round_id = r.id) ELSE 0 END
    """,
    "every entry is between the parties of its round and pledge": """
        SELECT s.id::text FROM ledger_sides s
        LEFT JOIN rounds r ON r.id = s.round_id LEFT JOIN pledges p ON p.id = s.pledge_id
        WHERE r.id IS NULL OR p.round_id <> r.id OR NOT CASE
            WHEN s.account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed') THEN s.party = p.buyer_id
            WHEN s.account IN ('goods_ordered', 'vendor_payable', 'forfeits') THEN s.party = r.vendor_id
            WHEN s.account IN ('sponsor_receivable', 'sponsor_refunds_owed') THEN EXISTS (
                SELECT FROM sponsorships o WHERE o.round_id = r.id AND o.sponsor_id = s.party)
            WHEN s.account = 'platform_fee' THEN s.party = r.coordinator_id
            ELSE s.party IN (r.vendor_id, r.coordinator_id) END
    """,
}
"""Name → a query whose rows are violations, like group_buy.checks.INVARIANTS, of which these are a part."""
