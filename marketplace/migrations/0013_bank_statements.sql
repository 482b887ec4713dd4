-- What banks say arrived, matched to what is owed; guarantees; tax invoices; payouts.

-- What a buyer writes on the transfer of a deposit, as invoices.reference for a balance.
CREATE SEQUENCE pledge_references;
GRANT USAGE ON SEQUENCE pledge_references TO marketplace_app;
ALTER TABLE pledges ADD COLUMN reference_no bigint NOT NULL DEFAULT nextval('pledge_references');
CREATE UNIQUE INDEX pledges_by_reference ON pledges (reference_no);
COMMENT ON COLUMN pledges.reference_no IS 'Written SFP000001 on the transfer of a deposit';

ALTER TABLE pledge_fundings ALTER COLUMN verified_by DROP NOT NULL;
COMMENT ON COLUMN pledge_fundings.verified_by IS 'Null: matched by a file that a command brought';
COMMENT ON COLUMN pledge_fundings.version IS
    'The pledge''s version that this confirms; 0 and below: money that came, and confirms nothing yet';

CREATE TABLE bank_imports (
    id              uuid PRIMARY KEY,
    organization_id bigint NOT NULL REFERENCES organizations,
    account         text NOT NULL CHECK (account ~ '^[0-9]{6,24}$'),
    sha256          bytea NOT NULL CHECK (octet_length(sha256) = 32),
    file_name       text NOT NULL,
    has_balance     boolean NOT NULL,
    precision       text NOT NULL CHECK (precision IN ('day', 'minute', 'second')),
    report          jsonb NOT NULL,
    person_id       bigint REFERENCES people,
    at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX bank_imports_by_organization ON bank_imports (organization_id, at);
CREATE INDEX bank_imports_by_account ON bank_imports (account, at);
REVOKE UPDATE ON bank_imports FROM marketplace_app;
COMMENT ON COLUMN bank_imports.precision IS 'Files of one account keep their shape, else a line could not be told from itself';

-- One line of a statement, kept once whoever brings it and however often.
CREATE TABLE bank_lines (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account      text NOT NULL,
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    copy_no      integer NOT NULL CHECK (copy_no >= 1),
    booked_at    timestamptz NOT NULL,
    remitter     text NOT NULL,
    received_krw bigint NOT NULL CHECK (received_krw >= 0),
    paid_krw     bigint NOT NULL CHECK (paid_krw >= 0),
    balance_krw  bigint,
    branch       text NOT NULL DEFAULT '',
    searched     text NOT NULL,
    CONSTRAINT bank_lines_are_kept_once UNIQUE (account, digest, copy_no),
    CONSTRAINT bank_lines_move_money_one_way CHECK ((received_krw > 0) <> (paid_krw > 0))
);
REVOKE UPDATE ON bank_lines FROM marketplace_app;
COMMENT ON COLUMN bank_lines.copy_no IS 'Two truly equal payments of one file are copies 1 and 2';
COMMENT ON COLUMN bank_lines.searched IS 'All texts of the line, where references are looked for';

CREATE TABLE bank_import_lines (
    import_id    uuid NOT NULL REFERENCES bank_imports,
    bank_line_id bigint NOT NULL REFERENCES bank_lines,
    line         integer NOT NULL,
    is_new       boolean NOT NULL,
    PRIMARY KEY (import_id, bank_line_id)
);
CREATE INDEX bank_import_lines_by_line ON bank_import_lines (bank_line_id);
REVOKE UPDATE ON bank_import_lines FROM marketplace_app;

-- What a line of a bank paid. Append-only: a wrong one is taken back by a further row with the amount negative.
CREATE TABLE receipts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bank_line_id bigint NOT NULL REFERENCES bank_lines,
    kind         text NOT NULL CHECK (kind IN ('balance', 'deposit', 'surplus')),
    pledge_id    uuid NOT NULL REFERENCES pledges,
    charge_id    uuid REFERENCES charges,
    amount_krw   bigint NOT NULL CHECK (amount_krw <> 0),
    undoes_id    bigint CONSTRAINT receipts_are_taken_back_once UNIQUE REFERENCES receipts,
    person_id    bigint REFERENCES people,
    note         text NOT NULL DEFAULT '',
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT receipts_taken_back_are_negative CHECK ((undoes_id IS NOT NULL) = (amount_krw < 0)),
    CONSTRAINT receipts_of_balances_and_surplus_name_a_charge CHECK ((charge_id IS NULL) = (kind = 'deposit'))
);
CREATE INDEX receipts_by_line ON receipts (bank_line_id);
CREATE INDEX receipts_by_charge ON receipts (charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX receipts_by_pledge ON receipts (pledge_id);
REVOKE UPDATE ON receipts FROM marketplace_app;

-- What a person says about a line that pays nothing here; the newest row counts.
CREATE TABLE bank_line_marks (
    bank_line_id bigint NOT NULL REFERENCES bank_lines,
    mark_no      integer NOT NULL CHECK (mark_no >= 1),
    mark         text NOT NULL CHECK (mark IN ('not_ours', 'recorded_by_hand', 'reopened')),
    note         text NOT NULL,
    person_id    bigint REFERENCES people,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bank_line_id, mark_no)
);
REVOKE UPDATE ON bank_line_marks FROM marketplace_app;

CREATE VIEW bank_line_standings AS
    SELECT l.id AS bank_line_id, l.account, l.booked_at, l.remitter, l.received_krw, l.searched,
           l.received_krw - coalesce((SELECT sum(amount_krw) FROM receipts r WHERE r.bank_line_id = l.id), 0)::bigint AS open_krw,
           coalesce((SELECT mark FROM bank_line_marks m WHERE m.bank_line_id = l.id ORDER BY mark_no DESC LIMIT 1),
                    'reopened') AS mark
    FROM bank_lines l WHERE l.received_krw > 0;

-- What may be paid by transfer now, under the text that is written on it. Deposits are asked for before the close.
CREATE VIEW receivables AS
    SELECT i.reference, 'balance' AS kind, r.id AS round_id, r.code AS round_code, r.state AS round_state, r.coordinator_id,
           r.vendor_id, r.custody, i.buyer_id, a.pledge_id, i.number AS invoice_number, i.due_on,
           coalesce(due.krw, 0)::bigint - coalesce(due.received_krw, 0)::bigint AS open_krw
    FROM invoices i
    JOIN allocations a ON a.id = i.allocation_id
    JOIN rounds r ON r.id = a.round_id
    LEFT JOIN LATERAL (
        SELECT sum(c.amount_krw) AS krw,
               sum((SELECT coalesce(sum(amount_krw), 0) FROM receipts e
                    WHERE e.charge_id = c.id AND e.kind = 'balance')) AS received_krw
        FROM charges c
        -- by pledge and purpose, for which there is an index
        WHERE c.pledge_id = a.pledge_id AND c.purpose = 'balance' AND c.method = 'transfer' AND c.state = 'due') due ON true
    UNION ALL
    SELECT 'SFP' || to_char(p.reference_no, 'FM000000'), 'deposit', r.id, r.code, r.state, r.coordinator_id,
           r.vendor_id, r.custody, p.buyer_id, p.id, NULL, NULL,
           CASE WHEN r.state IN ('open', 'fill_up', 'closing') AND v.state = 'placed' AND NOT EXISTS (
                    SELECT FROM pledge_fundings f WHERE f.pledge_id = p.id AND f.version = v.version)
                THEN greatest(0, div(r.deposit_bp * asked.krw, 10000)::bigint - coalesce((
                        SELECT sum(received_krw) FROM pledge_fundings f WHERE f.pledge_id = p.id), 0)::bigint + coalesce((
                        SELECT sum(amount_krw) FROM charges c WHERE c.pledge_id = p.id AND c.purpose = 'refund'), 0)::bigint)
                ELSE 0 END
    FROM pledges p
    JOIN rounds r ON r.id = p.round_id
    JOIN LATERAL (SELECT version, state FROM pledge_versions
                  WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON true
    LEFT JOIN LATERAL (
        SELECT sum(least(coalesce(l.limit_unit_price_krw, (r.tiers->0->>'unit_price_krw')::bigint),
                         (r.tiers->0->>'unit_price_krw')::bigint) * l.quantity_max) AS krw
        FROM pledge_lines l WHERE l.pledge_id = p.id AND l.version = v.version) asked ON true
    WHERE p.funding = 'transfer';

-- Reminders that were told, each once: so many days after (before: negative) an invoice was due.
CREATE TABLE reminders (
    charge_id  uuid NOT NULL REFERENCES charges,
    days_after integer NOT NULL,
    is_told    boolean NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (charge_id, days_after)
);
REVOKE UPDATE ON reminders FROM marketplace_app;
COMMENT ON COLUMN reminders.is_told IS 'False: overtaken by a later one before a worker came by';

-- What an issuer answers for, when a buyer does not pay; bounds what the buyer may commit without a deposit.
CREATE TABLE guarantees (
    id             uuid PRIMARY KEY,
    coordinator_id bigint NOT NULL REFERENCES organizations,
    buyer_id       bigint NOT NULL REFERENCES organizations,
    issuer         text NOT NULL CHECK (issuer <> ''),
    number         text NOT NULL CHECK (number <> ''),
    limit_krw      bigint NOT NULL CHECK (limit_krw >= 1),
    expires_on     date NOT NULL,
    file_id        uuid NOT NULL REFERENCES files,
    recorded_by    bigint NOT NULL REFERENCES people,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT guarantees_are_recorded_once UNIQUE (coordinator_id, issuer, number)
);
REVOKE UPDATE ON guarantees FROM marketplace_app;
CREATE TABLE guarantee_ends (
    guarantee_id uuid PRIMARY KEY REFERENCES guarantees,
    reason       text NOT NULL CHECK (reason <> ''),
    person_id    bigint NOT NULL REFERENCES people,
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE ON guarantee_ends FROM marketplace_app;

-- Won that a buyer has committed by guarantee and not paid: what a pledge may cost at most (with VAT) before its
-- round is decided, what is open of its balance afterwards.
CREATE VIEW guaranteed_pledges AS
    SELECT p.id AS pledge_id, p.buyer_id, r.coordinator_id, r.code AS round_code,
           CASE WHEN p.outcome IS NULL THEN asked.krw + div(asked.krw, 10)
                ELSE coalesce((SELECT sum(open_krw) FROM receivables v WHERE v.pledge_id = p.id AND v.kind = 'balance'), 0)
           END::bigint AS committed_krw
    FROM pledges p
    JOIN rounds r ON r.id = p.round_id
    JOIN LATERAL (SELECT version, state FROM pledge_versions
                  WHERE pledge_id = p.id ORDER BY version DESC LIMIT 1) v ON v.state = 'placed'
    JOIN pledge_fundings f ON f.pledge_id = p.id AND f.version = v.version AND f.kind = 'guarantee'
    JOIN LATERAL (
        SELECT sum(least(coalesce(l.limit_unit_price_krw, (r.tiers->0->>'unit_price_krw')::bigint),
                         (r.tiers->0->>'unit_price_krw')::bigint) * l.quantity_max) AS krw
        FROM pledge_lines l WHERE l.pledge_id = p.id AND l.version = v.version) asked ON true;

-- What the tax office and a bank ask of an organization, beside its name and business number.
CREATE TABLE billing_profiles (
    organization_id bigint PRIMARY KEY REFERENCES organizations,
    representative  text NOT NULL,
    address         text NOT NULL DEFAULT '',
    business_type   text NOT NULL DEFAULT '',
    business_item   text NOT NULL DEFAULT '',
    email           text NOT NULL DEFAULT '',
    bank            text NOT NULL DEFAULT '',
    account         text NOT NULL DEFAULT '',
    account_holder  text NOT NULL DEFAULT '',
    person_id       bigint NOT NULL REFERENCES people,
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Drawn up for the tax office: the first row of an allocation, and a signed difference for each later change.
CREATE TABLE tax_invoices (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    allocation_id uuid NOT NULL REFERENCES allocations,
    entry_no      integer NOT NULL CHECK (entry_no >= 1),
    kind          text NOT NULL CHECK (kind IN ('original', 'change', 'return', 'cancel')),
    written_on    date NOT NULL,
    quantity      integer NOT NULL,
    supply_krw    bigint NOT NULL,
    vat_krw       bigint NOT NULL,
    total_krw     bigint NOT NULL,
    person_id     bigint REFERENCES people,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT tax_invoices_are_numbered UNIQUE (allocation_id, entry_no),
    CONSTRAINT tax_invoices_total_is_supply_and_vat CHECK (total_krw = supply_krw + vat_krw),
    CONSTRAINT tax_invoices_begin_with_an_original CHECK ((kind = 'original') = (entry_no = 1))
);
REVOKE UPDATE ON tax_invoices FROM marketplace_app;
CREATE TABLE tax_invoice_approvals (
    tax_invoice_id  bigint PRIMARY KEY REFERENCES tax_invoices,
    approval_number text NOT NULL CONSTRAINT tax_invoice_approvals_are_unique UNIQUE
        CHECK (approval_number ~ '^[0-9]{16}[0-9A-Za-z]{8}$'),
    person_id       bigint NOT NULL REFERENCES people,
    at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE ON tax_invoice_approvals FROM marketplace_app;

-- Money that the coordinator holds for vendors, paid out after delivery.
CREATE TABLE payout_batches (
    id             uuid PRIMARY KEY,
    coordinator_id bigint NOT NULL REFERENCES organizations,
    person_id      bigint NOT NULL REFERENCES people,
    at             timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE UPDATE ON payout_batches FROM marketplace_app;
CREATE TABLE payouts (
    batch_id       uuid NOT NULL REFERENCES payout_batches,
    round_id       bigint NOT NULL REFERENCES rounds,
    vendor_id      bigint NOT NULL REFERENCES organizations,
    held_krw       bigint NOT NULL,
    fee_krw        bigint NOT NULL CHECK (fee_krw >= 0),
    fee_vat_krw    bigint NOT NULL CHECK (fee_vat_krw >= 0),
    earlier_krw    bigint NOT NULL CHECK (earlier_krw >= 0),
    amount_krw     bigint NOT NULL CHECK (amount_krw >= 1),
    bank           text NOT NULL CHECK (bank <> ''),
    account        text NOT NULL CHECK (account <> ''),
    account_holder text NOT NULL CHECK (account_holder <> ''),
    PRIMARY KEY (batch_id, round_id),
    CONSTRAINT payouts_add_up CHECK (amount_krw = held_krw - fee_krw - fee_vat_krw - earlier_krw)
);
REVOKE UPDATE ON payouts FROM marketplace_app;
