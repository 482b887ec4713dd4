-- What banks say arrived, matched to what is owed; guarantees; tax invoices; payouts.

-- Who holds what buyers pay by transfer, and what the coordinator keeps.
ALTER TABLE rounds
    ADD COLUMN IF NOT EXISTS custody text NOT NULL DEFAULT 'direct' CHECK (custody IN ('direct', 'operator')),
    ADD COLUMN IF NOT EXISTS commission_bp integer NOT NULL DEFAULT 0 CHECK (commission_bp BETWEEN 0 AND 3000);

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
    SELECT i.reference, 'balance' AS kind, r.id AS round_id, r.code AS round_code, r.coordinator_id,
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
        WHERE c.allocation_id = a.id AND c.purpose = 'balance' AND c.method = 'transfer' AND c.state = 'due') due ON true
    UNION ALL
    SELECT 'SFP' || to_char(p.reference_no, 'FM000000'), 'deposit', r.id, r.code, r.coordinator_id,
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
