-- Re-clearing, deliveries, explanations, announcements.

-- What is fixed before a round opens, beside the offer's terms.
ALTER TABLE rounds
    ADD COLUMN shortfall_policy text NOT NULL DEFAULT 'release'
        CHECK (shortfall_policy IN ('extend', 'carry', 'release', 'lower_tier')),
    ADD COLUMN extension_days integer NOT NULL DEFAULT 0 CHECK (extension_days BETWEEN 0 AND 90),
    ADD COLUMN fallback_quantity_min integer CHECK (fallback_quantity_min >= 1),
    ADD COLUMN fills_up_at timestamptz,
    ADD COLUMN withdrawal_lock interval NOT NULL DEFAULT '0' CHECK (withdrawal_lock >= interval '0'),
    ADD COLUMN delivery_tolerance integer NOT NULL DEFAULT 0 CHECK (delivery_tolerance >= 0),
    ADD COLUMN family text,
    ADD COLUMN family_position integer,
    ADD COLUMN survey_cap_krw bigint CHECK (survey_cap_krw >= 0),
    -- what became of it
    ADD COLUMN extended_at timestamptz,
    ADD COLUMN single_price_until timestamptz,
    ADD COLUMN carried_from_id bigint REFERENCES rounds,
    ADD CONSTRAINT rounds_extend_by_days CHECK ((shortfall_policy = 'extend') = (extension_days > 0)),
    ADD CONSTRAINT rounds_fall_to_a_minimum CHECK (
        (shortfall_policy = 'lower_tier') = (fallback_quantity_min IS NOT NULL)),
    ADD CONSTRAINT rounds_of_a_family_have_a_place CHECK ((family IS NULL) = (family_position IS NULL)),
    ADD CONSTRAINT rounds_places_in_a_family_are_unique UNIQUE (family, family_position),
    ADD CONSTRAINT rounds_fill_up_before_they_close CHECK (fills_up_at IS NULL OR fills_up_at < closes_at);
COMMENT ON COLUMN rounds.fallback_quantity_min IS
    'Policy lower_tier: from so many units the vendor sells at the first tier''s price after all';
COMMENT ON COLUMN rounds.withdrawal_lock IS 'So long before the deadline a pledge may only help: no withdrawal';
COMMENT ON COLUMN rounds.delivery_tolerance IS 'Units that the vendor may deliver below a tier''s minimum';
COMMENT ON COLUMN rounds.survey_cap_krw IS 'Won of site work above which a buyer leaves free of charge';
CREATE INDEX rounds_fill_up ON rounds (fills_up_at) WHERE state = 'open' AND fills_up_at IS NOT NULL;

-- A hint that a round moved, for pages that show it live; what is true is read from the tables.
CREATE FUNCTION hint_round() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rounds', NEW.code);
    RETURN NULL;
END $$;
CREATE TRIGGER rounds_hint AFTER UPDATE OF state, closes_at ON rounds FOR EACH ROW EXECUTE FUNCTION hint_round();

ALTER TABLE pledges
    ADD COLUMN carried_to_id uuid,
    DROP CONSTRAINT pledges_outcome_check,
    ADD CONSTRAINT pledges_outcome_check CHECK (outcome IN ('allocated', 'released', 'carried')),
    ADD CONSTRAINT pledges_carried_know_where CHECK ((outcome = 'carried') = (carried_to_id IS NOT NULL));
COMMENT ON COLUMN pledges.carried_to_id IS 'The pledge of a later round that took this one''s place, with its money';

-- One round trip for joining: the lock first, then the state in a snapshot taken under the lock.
-- No row = nothing was written; the caller finds out why.
CREATE FUNCTION place_pledge(
    round_code text, new_id uuid, buyer bigint, person bigint, new_funding text, digest bytea,
    minima bigint[], maxima bigint[], limits bigint[], event_data jsonb
) RETURNS TABLE (round_id bigint, placed_at timestamptz, sequences bigint[], limits_kept bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target_id bigint;
BEGIN
    SELECT r.id INTO target_id FROM rounds r
    WHERE r.code = round_code AND (r.audience <> 'invited'
        OR EXISTS (SELECT FROM offer_invitations i WHERE i.offer_id = r.offer_id AND i.organization_id = buyer)
        OR EXISTS (SELECT FROM round_guests g WHERE g.round_id = r.id AND g.organization_id = buyer));
    IF target_id IS NULL OR pg_advisory_xact_lock_shared(7304, target_id::integer) IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH target AS (
        SELECT r.id, (r.tiers->0->>'unit_price_krw')::bigint AS dearest_krw
        FROM rounds r
        WHERE r.id = target_id AND r.state IN ('open', 'fill_up') AND clock_timestamp() < r.closes_at
          AND (SELECT count(*) BETWEEN 1 AND 8 AND sum(high) <= r.capacity
                      AND bool_and(low BETWEEN 1 AND high AND (most_krw IS NULL OR most_krw BETWEEN
                          (r.tiers->-1->>'unit_price_krw')::bigint AND 1000000000000000))
               FROM unnest(minima, maxima, limits) AS l (low, high, most_krw))
    ), pledge AS (
        INSERT INTO pledges (id, round_id, buyer_id, person_id, funding)
        SELECT new_id, target.id, buyer, person, new_funding FROM target
        ON CONFLICT DO NOTHING RETURNING id, round_id, placed_at
    ), version AS (
        INSERT INTO pledge_versions (pledge_id, version, state, person_id, request_sha256)
        SELECT pledge.id, 1, 'placed', person, digest FROM pledge
    ), line AS (
        -- A limit at or above the first tier's price promises the same as none: see cap_limits.
        INSERT INTO pledge_lines (pledge_id, version, line_no, quantity_min, quantity_max, limit_unit_price_krw)
        SELECT pledge.id, 1, n, low, high, CASE WHEN most_krw < dearest_krw THEN most_krw END
        FROM pledge, target, unnest(minima, maxima, limits) WITH ORDINALITY AS l (low, high, most_krw, n)
        ORDER BY n
        RETURNING line_no, sequence, limit_unit_price_krw
    ), event AS (
        INSERT INTO events (kind, subject, subject_id, person_id, organization_id, data)
        SELECT 'pledge.placed', 'pledge', pledge.id::text, person, buyer, event_data FROM pledge
    )
    SELECT pledge.round_id, pledge.placed_at, l.sequences, l.limits_kept
    FROM pledge, (SELECT array_agg(sequence ORDER BY line_no) AS sequences,
                         array_agg(limit_unit_price_krw ORDER BY line_no) AS limits_kept FROM line) l;
END $$;

-- A factory that came by an invitation link knows of the round and may join it.
CREATE TABLE round_invitations (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    round_id     bigint NOT NULL REFERENCES rounds,
    invited_by   bigint NOT NULL REFERENCES people,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX round_invitations_by_round ON round_invitations (round_id);
CREATE TABLE round_guests (
    round_id        bigint NOT NULL REFERENCES rounds,
    organization_id bigint NOT NULL REFERENCES organizations,
    came_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (round_id, organization_id)
);

CREATE TABLE round_announcements (
    id        uuid PRIMARY KEY,
    round_id  bigint NOT NULL REFERENCES rounds,
    text_ko   text NOT NULL CHECK (text_ko <> ''),
    text_en   text NOT NULL DEFAULT '',
    person_id bigint NOT NULL REFERENCES people,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX round_announcements_by_round ON round_announcements (round_id, at);
REVOKE UPDATE ON round_announcements FROM marketplace_app;

-- Who gets the whole input of a round's clearings, beside its coordinator.
CREATE TABLE round_auditors (
    round_id        bigint NOT NULL REFERENCES rounds,
    organization_id bigint NOT NULL REFERENCES organizations,
    named_by        bigint NOT NULL REFERENCES people,
    named_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (round_id, organization_id)
);

-- Each decision about a round's units with everything that went in: the proof, replayable offline.
CREATE TABLE clearings (
    round_id     bigint NOT NULL REFERENCES rounds,
    clearing_no  integer NOT NULL CHECK (clearing_no >= 1),
    kind         text NOT NULL CHECK (kind IN ('clearing', 'reclearing', 'delivery')),
    input        text NOT NULL,
    input_sha256 text NOT NULL CHECK (input_sha256 ~ '^[0-9a-f]{64}$'),
    outcome      jsonb NOT NULL,
    steps        jsonb NOT NULL DEFAULT '[]',
    pool_krw     bigint NOT NULL DEFAULT 0 CHECK (pool_krw >= 0),
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (round_id, clearing_no)
);
REVOKE UPDATE ON clearings FROM marketplace_app;
COMMENT ON COLUMN clearings.input IS 'Canonical JSON that `simulate` reads; its SHA-256 is input_sha256';
COMMENT ON COLUMN clearings.pool_krw IS 'Won of forfeited deposits that the vendor gets for holding the price';

-- Units or price of an allocation changed after it was announced; the newest row counts. Never rewritten.
CREATE TABLE allocation_changes (
    allocation_id  uuid NOT NULL REFERENCES allocations,
    change_no      integer NOT NULL CHECK (change_no >= 1),
    reason         text NOT NULL CHECK (reason IN ('lapsed', 'reclearing', 'delivery', 'survey_exit')),
    quantity       integer NOT NULL CHECK (quantity >= 0),
    unit_price_krw bigint NOT NULL CHECK (unit_price_krw >= 1),
    supply_krw     bigint NOT NULL,
    vat_krw        bigint NOT NULL CHECK (vat_krw >= 0),
    total_krw      bigint NOT NULL,
    forfeited_krw  bigint NOT NULL DEFAULT 0 CHECK (forfeited_krw >= 0),
    person_id      bigint REFERENCES people,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (allocation_id, change_no),
    CONSTRAINT allocation_changes_supply_is_units_times_price CHECK (supply_krw = quantity * unit_price_krw),
    CONSTRAINT allocation_changes_total_is_supply_and_vat CHECK (total_krw = supply_krw + vat_krw),
    CONSTRAINT allocation_changes_forfeit_only_when_lapsed CHECK (forfeited_krw = 0 OR reason = 'lapsed')
);
REVOKE UPDATE ON allocation_changes FROM marketplace_app;
CREATE VIEW current_allocations AS
    SELECT a.id, a.round_id, a.pledge_id, a.buyer_id, coalesce(c.quantity, a.quantity) AS quantity,
           coalesce(c.unit_price_krw, a.unit_price_krw) AS unit_price_krw,
           coalesce(c.supply_krw, a.supply_krw) AS supply_krw, coalesce(c.vat_krw, a.vat_krw) AS vat_krw,
           coalesce(c.total_krw, a.total_krw) AS total_krw, coalesce(c.change_no, 0) AS change_no,
           coalesce((SELECT sum(forfeited_krw) FROM allocation_changes WHERE allocation_id = a.id), 0)::bigint
               AS forfeited_krw, c.reason
    FROM allocations a
    LEFT JOIN LATERAL (SELECT * FROM allocation_changes
                       WHERE allocation_id = a.id ORDER BY change_no DESC LIMIT 1) c ON true;

-- A round of tens of thousands is decided in one transaction, and most of its time went into looking up parents
-- that the same transaction has in its hands. What these looked for is an invariant of `marketplace check` instead.
ALTER TABLE allocations DROP CONSTRAINT allocations_round_id_fkey, DROP CONSTRAINT allocations_buyer_id_fkey;
ALTER TABLE allocation_lines DROP CONSTRAINT allocation_lines_allocation_id_fkey;
ALTER TABLE charges DROP CONSTRAINT charges_round_id_fkey, DROP CONSTRAINT charges_buyer_id_fkey;
ALTER TABLE charge_events DROP CONSTRAINT charge_events_charge_id_fkey;
ALTER TABLE invoices DROP CONSTRAINT invoices_buyer_id_fkey, DROP CONSTRAINT invoices_vendor_id_fkey;

-- A second hold after an extension, a corrected balance, a second refund: entries beside the first, never over it.
ALTER TABLE charges
    ADD COLUMN entry_no integer NOT NULL DEFAULT 1 CHECK (entry_no >= 1),
    DROP CONSTRAINT charges_are_one_per_pledge_and_purpose,
    ADD CONSTRAINT charges_are_one_per_pledge_purpose_and_entry UNIQUE (pledge_id, purpose, entry_no);

-- A dearer price after lapsed payments needs a fresh yes; silence until due_at is a no.
CREATE TABLE price_consents (
    pledge_id      uuid NOT NULL REFERENCES pledges,
    unit_price_krw bigint NOT NULL CHECK (unit_price_krw >= 1),
    round_id       bigint NOT NULL REFERENCES rounds,
    asked_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at         timestamptz NOT NULL,
    answer         text CHECK (answer IN ('yes', 'no')),
    answered_by    bigint REFERENCES people,
    answered_at    timestamptz,
    PRIMARY KEY (pledge_id, unit_price_krw),
    CONSTRAINT price_consents_answers_have_a_time CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE INDEX price_consents_by_round ON price_consents (round_id);

CREATE TABLE deliveries (
    round_id    bigint PRIMARY KEY REFERENCES rounds,
    quantity    integer NOT NULL CHECK (quantity >= 0),
    returned    integer NOT NULL CHECK (returned >= 0),
    recorded_by bigint NOT NULL REFERENCES people,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE ON deliveries FROM marketplace_app;
COMMENT ON COLUMN deliveries.returned IS 'Units that nobody wanted or whose minimum was not met: back to the vendor';

-- Where a pledge goes next when it wins nothing, in the buyer's order.
CREATE TABLE pledge_substitutes (
    pledge_id uuid NOT NULL REFERENCES pledges,
    rank      smallint NOT NULL CHECK (rank BETWEEN 1 AND 5),
    round_id  bigint NOT NULL REFERENCES rounds,
    lines     jsonb NOT NULL,
    PRIMARY KEY (pledge_id, rank),
    CONSTRAINT pledge_substitutes_name_a_round_once UNIQUE (pledge_id, round_id)
);
GRANT DELETE ON pledge_substitutes TO marketplace_app;

-- After a shortfall the price for one alone stays on offer for some days.
CREATE TABLE single_purchases (
    id             uuid PRIMARY KEY,
    round_id       bigint NOT NULL REFERENCES rounds,
    buyer_id       bigint NOT NULL REFERENCES organizations,
    person_id      bigint NOT NULL REFERENCES people,
    quantity       integer NOT NULL CHECK (quantity >= 1),
    unit_price_krw bigint NOT NULL CHECK (unit_price_krw >= 1),
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT single_purchases_are_one_per_buyer UNIQUE (round_id, buyer_id)
);
REVOKE UPDATE ON single_purchases FROM marketplace_app;

-- Site work is not pooled: what the survey of a buyer's site found it would cost.
CREATE TABLE survey_quotes (
    pledge_id   uuid PRIMARY KEY REFERENCES pledges,
    quote_krw   bigint NOT NULL CHECK (quote_krw >= 0),
    note        text NOT NULL DEFAULT '',
    recorded_by bigint NOT NULL REFERENCES people,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE ON survey_quotes FROM marketplace_app;
