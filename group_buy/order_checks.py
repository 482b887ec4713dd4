"""What must always hold of orders: their units are those of their allocation, and the sums of their steps."""

from typing import Final

ORDER_INVARIANTS: Final[dict[str, str]] = {
    "every allocation and every purchase alone has its order, of its units and price": """
        SELECT s.id::text FROM (
            SELECT id, quantity, unit_price_krw FROM current_allocations
            UNION ALL SELECT id, CASE state WHEN 'canceled' THEN 0 ELSE quantity END, unit_price_krw FROM single_purchases
        ) s LEFT JOIN orders o ON o.id = s.id
        WHERE (o.quantity, o.unit_price_krw) IS DISTINCT FROM (s.quantity, s.unit_price_krw)
    """,
    "an order's units and days are those of its steps": """
        SELECT o.number FROM orders o
        LEFT JOIN (SELECT order_id, count(*) AS steps, max(step_no) AS last_no, max(done_on) AS last_on,
                          sum(coalesce(quantity, 0) - coalesce(quantity_rejected, 0)) AS delivered,
                          sum(coalesce(quantity_accepted, 0)) AS accepted
                   FROM order_steps GROUP BY order_id) s ON s.order_id = o.id
        WHERE o.quantity_delivered <> coalesce(s.delivered, 0) OR o.quantity_accepted <> coalesce(s.accepted, 0)
           OR s.steps <> s.last_no OR o.last_on IS DISTINCT FROM s.last_on OR (o.state = 'placed') <> (s.steps IS NULL)
    """,
    "a round is delivered when all units of its orders came": """
        SELECT r.code FROM rounds r
        JOIN (SELECT o.round_id, bool_and(coalesce(s.came, 0) >= o.quantity) AS all_came,
                     bool_and(o.quantity_delivered = o.quantity) AS none_open, sum(o.quantity) AS quantity
              FROM orders o
              LEFT JOIN (SELECT order_id, sum(quantity) AS came FROM order_steps GROUP BY order_id) s ON s.order_id = o.id
              WHERE o.source = 'allocation' GROUP BY o.round_id) o ON o.round_id = r.id
        WHERE r.state IN ('delivered', 'settled') AND NOT o.all_came
           OR r.state = 'ordered' AND o.none_open AND o.quantity > 0
    """,
}
"""Merged into `checks.INVARIANTS`."""
