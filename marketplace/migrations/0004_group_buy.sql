-- Rounds, pledges, what was allocated, and every won that is owed for it.

CREATE TABLE rounds (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code                text NOT NULL CONSTRAINT rounds_code_is_unique UNIQUE,
    offer_id            bigint NOT NULL REFERENCES offers,
    vendor_id           bigint NOT NULL REFERENCES organizations,
    coordinator_id      bigint NOT NULL REFERENCES organizations,
    state               text NOT NULL CONSTRAINT rounds_state_is_known CHECK (state IN (
        'draft', 'announced', 'open', 'fill_up', 'closing', 'cleared', 'ordered', 'delivered', 'settled',
        'shortfall', 'carried_over', 'released', 'canceled')),
    opens_at            timestamptz NOT NULL,
    closes_at           timestamptz NOT NULL,
    -- the offer's terms, frozen when the round was made
    title_ko            text NOT NULL,
    title_en            text NOT NULL,
    audience            text NOT NULL CHECK (audience IN ('public', 'members', 'invited')),
    tiers               jsonb NOT NULL,
    capacity            integer NOT NULL CHECK (capacity BETWEEN 1 AND 1000000),
    pack_size           integer NOT NULL CHECK (pack_size >= 1),
    list_unit_price_krw bigint NOT NULL CHECK (list_unit_price_krw >= 1),
    allocation_rule     text NOT NULL CHECK (allocation_rule IN ('pro_rata', 'time', 'price_time')),
    deposit_bp          integer NOT NULL CHECK (deposit_bp BETWEEN 0 AND 10000),
    lead_time_days      integer NOT NULL,
    terms_ko            text NOT NULL DEFAULT '',
    terms_en            text NOT NULL DEFAULT '',
    is_illustrative     boolean NOT NULL,
    may_close_early     boolean NOT NULL,
    funding_window      interval NOT NULL,
    -- what became of it
    closed_at           timestamptz,
    funding_due_at      timestamptz,
    decided_at          timestamptz,
    unit_price_krw      bigint CHECK (unit_price_krw >= 1),
    quantity            integer CHECK (quantity >= 0),
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT rounds_close_after_opening CHECK (opens_at < closes_at),
    CONSTRAINT rounds_closed_have_a_time CHECK (
        (closed_at IS NOT NULL) = (state NOT IN ('draft', 'announced', 'open', 'fill_up', 'canceled'))),
    CONSTRAINT rounds_decided_have_a_time CHECK (
        (decided_at IS NOT NULL) = (state NOT IN ('draft', 'announced', 'open', 'fill_up', 'closing', 'canceled'))),
    CONSTRAINT rounds_cleared_have_a_price CHECK (
        (unit_price_krw IS NOT NULL) = (state IN ('cleared', 'ordered', 'delivered', 'settled')))
);
CREATE INDEX rounds_due ON rounds (closes_at) WHERE state IN ('announced', 'open', 'fill_up', 'closing');
CREATE INDEX rounds_by_offer ON rounds (offer_id);

CREATE FUNCTION mark_rounds_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_search_dirty('product', ARRAY(SELECT o.product_id FROM changed c JOIN offers o ON o.id = c.offer_id));
    PERFORM mark_search_dirty('package_model', ARRAY(
        SELECT v.package_model_id FROM changed c JOIN offers o ON o.id = c.offer_id
        JOIN package_versions v ON v.id = o.package_version_id));
    PERFORM mark_search_dirty('vendor', ARRAY(SELECT vendor_id FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER rounds_dirty_insert AFTER INSERT ON rounds REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_rounds_dirty();
CREATE TRIGGER rounds_dirty_update AFTER UPDATE ON rounds REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_rounds_dirty();

-- The hot table: joining only inserts. No foreign key to the round (each insert would lock its row), no counter.
CREATE TABLE pledges (
    id             uuid PRIMARY KEY,
    round_id       bigint NOT NULL,
    buyer_id       bigint NOT NULL,
    person_id      bigint NOT NULL,
    funding        text NOT NULL CHECK (funding IN ('transfer', 'card')),
    placed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome        text CHECK (outcome IN ('allocated', 'released')),
    CONSTRAINT pledges_are_one_per_round_and_buyer UNIQUE (round_id, buyer_id)
);
COMMENT ON COLUMN pledges.id IS 'Made by the client: the same PUT twice is one pledge';

-- Amendments are new versions; the last one counts. A withdrawal is a version without lines.
CREATE TABLE pledge_versions (
    pledge_id      uuid NOT NULL,
    version        integer NOT NULL CHECK (version >= 1),
    state          text NOT NULL CHECK (state IN ('placed', 'withdrawn')),
    person_id      bigint NOT NULL,
    request_sha256 bytea NOT NULL,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pledge_id, version)
);
COMMENT ON COLUMN pledge_versions.request_sha256 IS 'Digest of what was asked: tells a repetition from another wish';

CREATE SEQUENCE pledge_line_sequence;
CREATE TABLE pledge_lines (
    pledge_id            uuid NOT NULL,
    version              integer NOT NULL,
    line_no              smallint NOT NULL CHECK (line_no BETWEEN 1 AND 8),
    quantity_min         integer NOT NULL CHECK (quantity_min >= 1),
    quantity_max         integer NOT NULL CHECK (quantity_max <= 1000000),
    limit_unit_price_krw bigint CHECK (limit_unit_price_krw >= 1),
    priority_class       smallint NOT NULL DEFAULT 0,
    sequence             bigint NOT NULL DEFAULT nextval('pledge_line_sequence'),
    PRIMARY KEY (pledge_id, version, line_no),
    CONSTRAINT pledge_lines_quantity_range CHECK (quantity_min <= quantity_max)
);
COMMENT ON COLUMN pledge_lines.limit_unit_price_krw IS 'Null = any tier of the round';
REVOKE UPDATE ON pledge_versions, pledge_lines FROM marketplace_app;
GRANT USAGE ON SEQUENCE pledge_line_sequence TO marketplace_app;

-- A transfer pledge counts once a coordinator has verified a deposit, a guarantee or an order for its version.
CREATE TABLE pledge_fundings (
    pledge_id    uuid NOT NULL REFERENCES pledges,
    version      integer NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('deposit', 'guarantee', 'order')),
    received_krw bigint NOT NULL DEFAULT 0 CHECK (received_krw >= 0),
    verified_by  bigint NOT NULL REFERENCES people,
    verified_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pledge_id, version),
    CONSTRAINT pledge_fundings_only_deposits_bring_money CHECK ((kind = 'deposit') = (received_krw > 0))
);
REVOKE UPDATE ON pledge_fundings FROM marketplace_app;

CREATE TABLE payment_methods (
    id                  uuid PRIMARY KEY,
    pledge_id           uuid NOT NULL REFERENCES pledges,
    organization_id     bigint NOT NULL REFERENCES organizations,
    state               text NOT NULL CHECK (state IN ('requested', 'ready', 'failed')),
    idempotency_key     uuid NOT NULL UNIQUE,
    customer_ref        text,
    setup_ref           text UNIQUE,
    client_secret       text,
    method_ref          text,
    card_brand          text,
    card_last4          text,
    consent_text        text NOT NULL,
    consent_ceiling_krw bigint NOT NULL CHECK (consent_ceiling_krw >= 0),
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at            timestamptz,
    CONSTRAINT payment_methods_ready_have_a_method CHECK ((state = 'ready') = (method_ref IS NOT NULL))
);
CREATE INDEX payment_methods_by_pledge ON payment_methods (pledge_id, created_at);
COMMENT ON COLUMN payment_methods.consent_ceiling_krw IS 'The most that may be held on this card, agreed before it was saved';

CREATE TABLE allocations (
    id             uuid PRIMARY KEY,
    round_id       bigint NOT NULL REFERENCES rounds,
    pledge_id      uuid NOT NULL CONSTRAINT allocations_are_one_per_pledge UNIQUE REFERENCES pledges,
    buyer_id       bigint NOT NULL REFERENCES organizations,
    quantity       integer NOT NULL CHECK (quantity >= 1),
    unit_price_krw bigint NOT NULL CHECK (unit_price_krw >= 1),
    supply_krw     bigint NOT NULL,
    vat_krw        bigint NOT NULL CHECK (vat_krw >= 0),
    total_krw      bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT allocations_supply_is_units_times_price CHECK (supply_krw = quantity * unit_price_krw),
    CONSTRAINT allocations_total_is_supply_and_vat CHECK (total_krw = supply_krw + vat_krw)
);
CREATE INDEX allocations_by_round ON allocations (round_id);
CREATE TABLE allocation_lines (
    allocation_id uuid NOT NULL REFERENCES allocations,
    line_no       smallint NOT NULL,
    quantity      integer NOT NULL CHECK (quantity >= 1),
    PRIMARY KEY (allocation_id, line_no)
);
REVOKE UPDATE ON allocations, allocation_lines FROM marketplace_app;

CREATE TABLE charges (
    id                uuid PRIMARY KEY,
    round_id          bigint NOT NULL REFERENCES rounds,
    pledge_id         uuid NOT NULL REFERENCES pledges,
    allocation_id     uuid REFERENCES allocations,
    buyer_id          bigint NOT NULL REFERENCES organizations,
    purpose           text NOT NULL CHECK (purpose IN ('deposit', 'balance', 'refund')),
    method            text NOT NULL CHECK (method IN ('card', 'transfer')),
    payment_method_id uuid REFERENCES payment_methods,
    amount_krw        bigint NOT NULL CHECK (amount_krw >= 1),
    capture_krw       bigint CHECK (capture_krw BETWEEN 0 AND amount_krw),
    state             text NOT NULL DEFAULT 'due' CONSTRAINT charges_state_is_known CHECK (state IN (
        'due', 'processing', 'action_required', 'authorized', 'captured', 'released', 'failed', 'refunded')),
    attempt           integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    due_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until      timestamptz,
    tries             integer NOT NULL DEFAULT 0,
    last_error        text,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT charges_are_one_per_pledge_and_purpose UNIQUE (pledge_id, purpose),
    CONSTRAINT charges_by_card_fit_one_charge CHECK (method <> 'card' OR amount_krw <= 99999999),
    CONSTRAINT charges_captured_know_how_much CHECK (state <> 'captured' OR capture_krw >= 1)
);
COMMENT ON COLUMN charges.capture_krw IS 'Set by clearing: how much of a hold to capture; 0 = release the hold';
COMMENT ON COLUMN charges.tries IS 'Times this step was tried since its last change of state; spaces the retries';
CREATE INDEX charges_to_work_on ON charges (next_attempt_at)
    WHERE method = 'card' AND state IN ('due', 'processing', 'authorized');
CREATE INDEX charges_by_round ON charges (round_id);

-- One random key per attempt and call, stored before the call; never derived from anything.
CREATE TABLE charge_attempts (
    charge_id    uuid NOT NULL REFERENCES charges,
    attempt      integer NOT NULL,
    create_key   uuid NOT NULL UNIQUE,
    confirm_key  uuid NOT NULL UNIQUE,
    finish_key   uuid NOT NULL UNIQUE,
    provider_ref text UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (charge_id, attempt)
);
CREATE TABLE charge_events (
    charge_id uuid NOT NULL REFERENCES charges,
    attempt   integer NOT NULL,
    state     text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    data      jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (charge_id, attempt, state)
);
REVOKE UPDATE ON charge_events FROM marketplace_app;

CREATE SEQUENCE invoice_numbers;
CREATE TABLE invoices (
    id            uuid PRIMARY KEY,
    number        text NOT NULL CONSTRAINT invoices_number_is_unique UNIQUE,
    allocation_id uuid NOT NULL CONSTRAINT invoices_are_one_per_allocation UNIQUE REFERENCES allocations,
    buyer_id      bigint NOT NULL REFERENCES organizations,
    vendor_id     bigint NOT NULL REFERENCES organizations,
    supply_krw    bigint NOT NULL,
    vat_krw       bigint NOT NULL,
    total_krw     bigint NOT NULL,
    deposit_krw   bigint NOT NULL CHECK (deposit_krw >= 0),
    balance_krw   bigint NOT NULL CHECK (balance_krw >= 0),
    issued_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_on        date NOT NULL,
    reference     text NOT NULL CONSTRAINT invoices_reference_is_unique UNIQUE,
    CONSTRAINT invoices_total_is_supply_and_vat CHECK (total_krw = supply_krw + vat_krw),
    CONSTRAINT invoices_total_is_deposit_and_balance CHECK (total_krw = deposit_krw + balance_krw)
);
REVOKE UPDATE ON invoices FROM marketplace_app;

-- A webhook is a hint: stored once by the provider's event id, then worked on by asking the provider again.
CREATE TABLE webhook_events (
    id              text PRIMARY KEY,
    kind            text NOT NULL,
    object_ref      text NOT NULL,
    payload         jsonb NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at    timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error      text
);
CREATE INDEX webhook_events_due ON webhook_events (next_attempt_at) WHERE processed_at IS NULL;
