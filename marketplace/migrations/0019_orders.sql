-- Orders: what becomes of an allocation, or of a purchase alone, from its placing to acceptance and warranty.

CREATE SEQUENCE order_numbers;
CREATE TABLE orders (
    id                 uuid PRIMARY KEY,
    number             text NOT NULL CONSTRAINT orders_number_is_unique UNIQUE,
    source             text NOT NULL CHECK (source IN ('allocation', 'single_purchase')),
    round_id           bigint NOT NULL,
    buyer_id           bigint NOT NULL,
    vendor_id          bigint NOT NULL,
    coordinator_id     bigint NOT NULL,
    state              text NOT NULL DEFAULT 'placed' CONSTRAINT orders_state_is_known CHECK (state IN (
        'placed', 'confirmed', 'shipped', 'installed', 'inspected', 'in_warranty', 'closed')),
    quantity           integer NOT NULL,
    unit_price_krw     bigint NOT NULL CHECK (unit_price_krw >= 1),
    quantity_delivered integer NOT NULL DEFAULT 0,
    quantity_accepted  integer NOT NULL DEFAULT 0,
    lead_time_days     integer NOT NULL,
    warranty_months    integer,
    late_day_ppm       integer NOT NULL DEFAULT 750 CHECK (late_day_ppm BETWEEN 0 AND 100000),
    late_cap_bp        integer NOT NULL DEFAULT 3000 CHECK (late_cap_bp BETWEEN 0 AND 10000),
    placed_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    ordered_on         date,
    due_on             date GENERATED ALWAYS AS (ordered_on + lead_time_days) STORED,
    promised_on        date,
    last_on            date,
    inspection         text CONSTRAINT orders_inspection_is_known CHECK (inspection IN ('accepted', 'partly', 'rejected')),
    warranty_until     date,
    CONSTRAINT orders_accept_what_came CHECK (
        0 <= quantity_accepted AND quantity_accepted <= quantity_delivered AND quantity_delivered <= quantity),
    CONSTRAINT orders_confirmed_have_a_promise CHECK (state = 'placed' OR promised_on IS NOT NULL)
);
CREATE INDEX orders_by_buyer ON orders (buyer_id, state, placed_at DESC);
CREATE INDEX orders_by_vendor ON orders (vendor_id, state, placed_at DESC);
CREATE INDEX orders_by_coordinator ON orders (coordinator_id, state, placed_at DESC);
CREATE INDEX orders_by_round ON orders (round_id, placed_at DESC);
CREATE INDEX orders_live_of_vendor ON orders (vendor_id, coalesce(promised_on, ordered_on))
    WHERE state NOT IN ('in_warranty', 'closed') AND ordered_on IS NOT NULL AND quantity > 0;
CREATE INDEX orders_live_of_coordinator ON orders (coordinator_id, coalesce(promised_on, ordered_on))
    WHERE state NOT IN ('in_warranty', 'closed') AND ordered_on IS NOT NULL AND quantity > 0;
COMMENT ON COLUMN orders.id IS 'The id of its allocation or single purchase: one order for each';
COMMENT ON COLUMN orders.quantity IS 'Units on order now; 0 = it fell away. Follows the allocation until the delivery';
COMMENT ON COLUMN orders.quantity_delivered IS 'Units at the buyer''s site: what came less what was rejected';
COMMENT ON COLUMN orders.ordered_on IS 'The Korean day on which the vendor got it; null = the round is not ordered yet';
COMMENT ON COLUMN orders.late_day_ppm IS
    'Penalty for late delivery, parts per million of the late units'' price a day: 750 = 0.75/1000 (국가계약법 시행규칙 제75조)';
COMMENT ON COLUMN orders.late_cap_bp IS 'The most of the order''s price that lateness may cost (국가계약법 시행령 제74조 제3항)';
REVOKE INSERT, UPDATE ON orders FROM marketplace_app;
GRANT UPDATE (state, quantity_delivered, quantity_accepted, ordered_on, promised_on, last_on, inspection, warranty_until)
    ON orders TO marketplace_app;

-- What was done, by whom, on which day. Append-only: the sums of an order are those of its steps.
CREATE TABLE order_steps (
    id                uuid PRIMARY KEY,
    order_id          uuid NOT NULL REFERENCES orders,
    step_no           integer NOT NULL CHECK (step_no >= 1),
    kind              text NOT NULL CONSTRAINT order_steps_kind_is_known CHECK (kind IN (
        'confirm', 'deliver', 'install', 'inspect', 'warranty', 'close')),
    done_on           date NOT NULL,
    promised_on       date,
    quantity          integer CHECK (quantity >= 1),
    quantity_accepted integer CHECK (quantity_accepted >= 0),
    quantity_rejected integer CHECK (quantity_rejected >= 0),
    reason            text CONSTRAINT order_steps_reason_is_known CHECK (reason IN (
        'damaged', 'missing_parts', 'not_to_spec', 'not_working', 'wrong_item', 'other')),
    note              text NOT NULL DEFAULT '' CHECK (length(note) <= 1000),
    person_id         bigint REFERENCES people,
    organization_id   bigint REFERENCES organizations,
    at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT order_steps_are_one_by_one UNIQUE (order_id, step_no),
    CONSTRAINT order_steps_confirm_with_a_promise CHECK ((kind = 'confirm') = (promised_on IS NOT NULL)),
    CONSTRAINT order_steps_deliver_units CHECK ((kind = 'deliver') = (quantity IS NOT NULL)),
    CONSTRAINT order_steps_inspect_units CHECK (
        (kind = 'inspect') = (quantity_accepted IS NOT NULL) AND (kind = 'inspect') = (quantity_rejected IS NOT NULL)),
    CONSTRAINT order_steps_reject_with_a_reason CHECK ((coalesce(quantity_rejected, 0) > 0) = (reason IS NOT NULL))
);
COMMENT ON COLUMN order_steps.id IS 'Made by the client: the same step twice is one';
REVOKE UPDATE ON order_steps FROM marketplace_app;

-- The talk about an order between its buyer, its vendor and the coordinator.
CREATE TABLE order_messages (
    id              uuid PRIMARY KEY,
    order_id        uuid NOT NULL REFERENCES orders,
    organization_id bigint NOT NULL REFERENCES organizations,
    person_id       bigint NOT NULL REFERENCES people,
    text            text NOT NULL CHECK (text <> '' AND length(text) <= 2000),
    at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX order_messages_by_order ON order_messages (order_id, at);
REVOKE UPDATE ON order_messages FROM marketplace_app;

-- Photos of a step, files of a message.
CREATE TABLE order_files (
    file_id    uuid PRIMARY KEY REFERENCES files,
    order_id   uuid NOT NULL REFERENCES orders,
    step_id    uuid REFERENCES order_steps,
    message_id uuid REFERENCES order_messages,
    CONSTRAINT order_files_belong_to_one CHECK (num_nonnulls(step_id, message_id) = 1)
);
CREATE INDEX order_files_by_order ON order_files (order_id);
REVOKE UPDATE ON order_files FROM marketplace_app;

-- An order arises in the transaction that makes its allocation or purchase: no writer can forget, and the
-- application cannot make one of its own. Hence SECURITY DEFINER. What is promised about it is frozen here.
CREATE FUNCTION place_orders(ids uuid[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
    WITH terms AS MATERIALIZED (
        SELECT r.id, r.vendor_id, r.coordinator_id, r.lead_time_days,
               coalesce(o.warranty_months, v.warranty_months, p.warranty_months) AS warranty_months
        FROM rounds r JOIN offers o ON o.id = r.offer_id
        LEFT JOIN package_versions v ON v.id = o.package_version_id LEFT JOIN products p ON p.id = o.product_id
        WHERE r.id IN (SELECT round_id FROM allocations WHERE id = ANY (ids)
                       UNION SELECT round_id FROM single_purchases WHERE id = ANY (ids))
    )
    INSERT INTO orders (id, number, source, round_id, buyer_id, vendor_id, coordinator_id, quantity, unit_price_krw,
                        lead_time_days, warranty_months, placed_at, ordered_on)
    SELECT n.id, 'ORD-' || to_char(n.at AT TIME ZONE 'Asia/Seoul', 'YYYYMM-')
                 || lpad(n.place, greatest(6, length(n.place)), '0'),
           n.source, n.round_id, n.buyer_id, r.vendor_id, r.coordinator_id, n.quantity, n.unit_price_krw,
           r.lead_time_days, r.warranty_months, n.at, n.ordered_on
    FROM (SELECT s.*, nextval('order_numbers')::text AS place FROM (
              SELECT id, 'allocation' AS source, round_id, buyer_id, quantity, unit_price_krw, created_at AS at,
                     NULL::date AS ordered_on
              FROM allocations WHERE id = ANY (ids)
              UNION ALL
              SELECT id, 'single_purchase', round_id, buyer_id, quantity, unit_price_krw, at,
                     (at AT TIME ZONE 'Asia/Seoul')::date
              FROM single_purchases WHERE id = ANY (ids)
              ORDER BY at, id) s) n
    JOIN terms r ON r.id = n.round_id
$$;
REVOKE EXECUTE ON FUNCTION place_orders FROM PUBLIC;

CREATE FUNCTION place_new_orders() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM place_orders(ARRAY(SELECT id FROM added));
    RETURN NULL;
END $$;
CREATE TRIGGER allocations_place_orders AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION place_new_orders();
-- A purchase alone goes to the vendor as it is placed; its buyer may cancel it until the vendor confirms.
CREATE TRIGGER single_purchases_place_orders AFTER INSERT ON single_purchases REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION place_new_orders();

-- Below what was delivered already the quantity cannot fall: orders_accept_what_came.
CREATE FUNCTION change_orders() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE orders o SET quantity = c.quantity, unit_price_krw = c.unit_price_krw
    FROM (SELECT DISTINCT ON (allocation_id) allocation_id, quantity, unit_price_krw FROM added
          ORDER BY allocation_id, change_no DESC) c
    WHERE o.id = c.allocation_id;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_changes_change_orders AFTER INSERT ON allocation_changes REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION change_orders();

CREATE FUNCTION cancel_order() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE orders SET quantity = 0 WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER single_purchases_cancel_orders AFTER UPDATE ON single_purchases
    FOR EACH ROW WHEN (NEW.state = 'canceled' AND OLD.state <> 'canceled') EXECUTE FUNCTION cancel_order();

-- A round that is delivered as a whole brings every order what is still open of it; a vendor that delivers has
-- confirmed. Whoever calls holds the round's lock, which every step of its orders takes first.
CREATE FUNCTION deliver_orders(target_id bigint, day date, actor_id bigint, acting_id bigint) RETURNS void
LANGUAGE sql AS $$
    WITH waiting AS (
        SELECT o.id, o.state = 'placed' AS is_new, o.quantity - o.quantity_delivered AS quantity,
               greatest(day, o.last_on) AS day,
               (SELECT count(*) FROM order_steps s WHERE s.order_id = o.id)::integer AS steps
        FROM orders o WHERE o.round_id = target_id AND o.source = 'allocation' AND o.quantity > o.quantity_delivered
    ), stepped AS (
        INSERT INTO order_steps (id, order_id, step_no, kind, done_on, promised_on, quantity, person_id, organization_id)
        SELECT gen_random_uuid(), w.id, w.steps + CASE WHEN w.is_new AND kind = 'deliver' THEN 2 ELSE 1 END, kind, w.day,
               CASE kind WHEN 'confirm' THEN w.day END, CASE kind WHEN 'deliver' THEN w.quantity END, actor_id, acting_id
        FROM waiting w, unnest(ARRAY['confirm', 'deliver']) kind
        WHERE w.is_new OR kind = 'deliver'
    )
    UPDATE orders o SET state = 'shipped', quantity_delivered = o.quantity, last_on = w.day,
                        ordered_on = coalesce(o.ordered_on, w.day), promised_on = coalesce(o.promised_on, w.day)
    FROM waiting w WHERE o.id = w.id
$$;

-- What was there before there were orders.
SELECT place_orders(ARRAY(SELECT id FROM allocations UNION ALL SELECT id FROM single_purchases));
UPDATE orders o SET quantity = a.quantity, unit_price_krw = a.unit_price_krw
FROM current_allocations a WHERE a.id = o.id AND a.change_no > 0;
UPDATE orders o SET quantity = 0 FROM single_purchases s WHERE s.id = o.id AND s.state = 'canceled';
UPDATE orders o SET ordered_on = (coalesce(
    (SELECT max(e.at) FROM events e WHERE e.subject = 'round' AND e.subject_id = r.code AND e.kind = 'round.ordered'),
    r.decided_at) AT TIME ZONE 'Asia/Seoul')::date
FROM rounds r WHERE r.id = o.round_id AND o.source = 'allocation' AND r.state IN ('ordered', 'delivered', 'settled');
SELECT deliver_orders(d.round_id, (d.at AT TIME ZONE 'Asia/Seoul')::date, d.recorded_by, (
    SELECT m.organization_id FROM memberships m JOIN rounds r ON r.id = d.round_id
    WHERE m.person_id = d.recorded_by AND m.organization_id IN (r.vendor_id, r.coordinator_id) LIMIT 1))
FROM deliveries d ORDER BY d.at;
