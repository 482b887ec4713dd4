"""What must hold of sponsors: parts within promises, charges equal to parts, both in the ledger."""

from typing import Final

SPONSOR_INVARIANTS: Final[dict[str, str]] = {
    "sponsors and their member together pay the total, to the won": """
        SELECT a.id::text FROM current_allocations a
        JOIN (SELECT allocation_id, sum(krw) AS krw FROM current_sponsored_parts GROUP BY allocation_id) s
             ON s.allocation_id = a.id
        WHERE s.krw > a.total_krw OR a.total_krw + a.forfeited_krw <> (
            SELECT coalesce(sum(CASE WHEN c.purpose IN ('refund', 'sponsor_refund') THEN -c.amount_krw
                                     WHEN c.purpose = 'deposit' OR c.state = 'captured' THEN c.capture_krw
                                     WHEN c.method = 'card' AND c.capture_krw = 0 THEN 0 ELSE c.amount_krw END), 0)
            FROM charges c WHERE c.allocation_id = a.id AND c.state <> 'released')
    """,
    "a sponsor's charges less refunds are its part": """
        SELECT p.sponsorship_id::text || ' ' || p.allocation_id::text FROM current_sponsored_parts p
        WHERE p.krw <> (
            SELECT coalesce(sum(CASE WHEN c.purpose = 'sponsor_refund' THEN -c.amount_krw
                                     WHEN c.state = 'captured' THEN c.capture_krw ELSE c.amount_krw END), 0)
            FROM charges c
            WHERE c.sponsorship_id = p.sponsorship_id AND c.allocation_id = p.allocation_id AND c.state <> 'released')
    """,
    "no sponsor pays more than it promised, and only for members that it named": """
        SELECT p.sponsorship_id::text FROM current_sponsored_parts p JOIN sponsorships s ON s.id = p.sponsorship_id
        WHERE s.kind = 'share' AND (p.krw > div(s.share_bp::numeric * p.total_krw, 10000) OR p.krw > s.krw_max)
           OR s.confirmed_at IS NULL OR s.revoked_at IS NOT NULL
           OR NOT EXISTS (SELECT FROM sponsored_members m
                          WHERE m.sponsorship_id = p.sponsorship_id AND m.buyer_id = p.buyer_id)
        UNION ALL
        SELECT s.id::text FROM sponsorships s
        WHERE s.kind = 'top_up' AND s.krw_max < (
            SELECT sum(krw) FROM current_sponsored_parts p WHERE p.sponsorship_id = s.id)
    """,
    "a part is of its member's present total": """
        SELECT p.sponsorship_id::text || ' ' || p.allocation_id::text
        FROM current_sponsored_parts p JOIN current_allocations a ON a.id = p.allocation_id
        WHERE p.total_krw <> a.total_krw OR p.round_id <> a.round_id
    """,
    "no sponsorship was made, confirmed or revoked after its round had closed": """
        SELECT s.id::text FROM sponsorships s JOIN rounds r ON r.id = s.round_id
        WHERE greatest(s.made_at, s.confirmed_at, s.revoked_at) > r.closed_at
    """,
    "what a sponsor owes is its parts less what it paid": """
        SELECT coalesce(owed.pledge_id, posted.pledge_id)::text
        FROM (
            SELECT sponsor_id, pledge_id, sum(krw) AS krw FROM (
                SELECT sponsor_id, pledge_id, krw FROM current_sponsored_parts
                UNION ALL
                SELECT s.sponsor_id, c.pledge_id, CASE c.purpose WHEN 'sponsored' THEN -c.capture_krw ELSE c.amount_krw END
                FROM charges c JOIN sponsorships s ON s.id = c.sponsorship_id
                WHERE c.purpose = 'sponsored' AND c.state = 'captured'
                   OR c.purpose = 'sponsor_refund' AND c.state <> 'released'
                UNION ALL
                SELECT s.sponsor_id, c.pledge_id, -e.amount_krw
                FROM receipts e JOIN charges c ON c.id = e.charge_id JOIN sponsorships s ON s.id = c.sponsorship_id
                WHERE c.state = 'due'
            ) each GROUP BY sponsor_id, pledge_id
        ) owed
        FULL JOIN (SELECT party AS sponsor_id, pledge_id, sum(signed_krw) AS krw FROM ledger_sides
                   WHERE account = 'sponsor_receivable' GROUP BY party, pledge_id) posted USING (sponsor_id, pledge_id)
        WHERE coalesce(owed.krw, 0) <> coalesce(posted.krw, 0)
    """,
    "what sponsors are owed back is their refunds that are not paid yet": """
        SELECT coalesce(owed.pledge_id, posted.pledge_id)::text
        FROM (SELECT s.sponsor_id, c.pledge_id, sum(c.amount_krw) AS krw
              FROM charges c JOIN sponsorships s ON s.id = c.sponsorship_id
              WHERE c.purpose = 'sponsor_refund' AND c.state NOT IN ('captured', 'released') GROUP BY 1, 2) owed
        FULL JOIN (SELECT party AS sponsor_id, pledge_id, -sum(signed_krw) AS krw FROM ledger_sides
                   WHERE account = 'sponsor_refunds_owed' GROUP BY party, pledge_id) posted USING (sponsor_id, pledge_id)
        WHERE coalesce(owed.krw, 0) <> coalesce(posted.krw, 0)
    """,
}
"""Name → a query whose rows are violations, like group_buy.checks.INVARIANTS, of which these are a part."""
