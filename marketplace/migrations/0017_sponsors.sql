-- Sponsors: an organization pays a part of what named members owe, by its own charges, entries and reference.

-- What a payer writes on a transfer: at least six digits, more where the number has more.
CREATE FUNCTION reference_of(prefix text, number bigint) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
    $$ SELECT prefix || lpad(number::text, greatest(6, length(number::text)), '0') $$;

CREATE SEQUENCE sponsorship_references;
GRANT USAGE ON SEQUENCE sponsorship_references TO marketplace_app;
CREATE TABLE sponsorships (
    id           uuid PRIMARY KEY,
    round_id     bigint NOT NULL REFERENCES rounds,
    sponsor_id   bigint NOT NULL REFERENCES organizations,
    kind         text NOT NULL CHECK (kind IN ('share', 'top_up')),
    share_bp     integer CHECK (share_bp BETWEEN 1 AND 10000),
    krw_max      bigint CHECK (krw_max >= 1),
    note         text NOT NULL DEFAULT '',
    reference_no bigint NOT NULL DEFAULT nextval('sponsorship_references')
        CONSTRAINT sponsorships_reference_is_unique UNIQUE,
    made_by      bigint NOT NULL REFERENCES people,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_by bigint REFERENCES people,
    confirmed_at timestamptz,
    revoked_by   bigint REFERENCES people,
    revoked_at   timestamptz,
    CONSTRAINT sponsorships_kinds_have_their_figure CHECK (
        (kind = 'share') = (share_bp IS NOT NULL) AND (kind = 'share' OR krw_max IS NOT NULL)),
    CONSTRAINT sponsorships_are_confirmed_by_somebody CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT sponsorships_are_revoked_by_somebody CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
COMMENT ON TABLE sponsorships IS 'Counts when its round clears if the sponsor confirmed it and nobody revoked it; frozen from the close on';
COMMENT ON COLUMN sponsorships.krw_max IS 'share: the most for one member (null = no limit); top_up: for all members together';
COMMENT ON COLUMN sponsorships.reference_no IS 'Written SFS000001 on the sponsor''s transfer';
CREATE UNIQUE INDEX sponsorships_are_one_live_per_round_and_sponsor ON sponsorships (round_id, sponsor_id)
    WHERE revoked_at IS NULL;
CREATE INDEX sponsorships_by_sponsor ON sponsorships (sponsor_id);
CREATE TABLE sponsored_members (
    sponsorship_id uuid NOT NULL REFERENCES sponsorships,
    buyer_id       bigint NOT NULL REFERENCES organizations,
    PRIMARY KEY (sponsorship_id, buyer_id)
);
CREATE INDEX sponsored_members_by_buyer ON sponsored_members (buyer_id);
REVOKE UPDATE ON sponsorships, sponsored_members FROM marketplace_app;
GRANT UPDATE (confirmed_by, confirmed_at, revoked_by, revoked_at) ON sponsorships TO marketplace_app;

-- What a sponsor pays of a bill; the newest row counts. Append-only.
CREATE TABLE sponsored_parts (
    sponsorship_id uuid NOT NULL REFERENCES sponsorships,
    allocation_id  uuid NOT NULL REFERENCES allocations,
    part_no        integer NOT NULL CHECK (part_no >= 1),
    reason         text NOT NULL CHECK (reason IN ('cleared', 'changed', 'released')),
    krw            bigint NOT NULL CHECK (krw >= 0),
    total_krw      bigint NOT NULL CHECK (total_krw >= krw),
    person_id      bigint REFERENCES people,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sponsorship_id, allocation_id, part_no),
    CONSTRAINT sponsored_parts_begin_when_the_round_clears CHECK ((reason = 'cleared') = (part_no = 1))
);
CREATE INDEX sponsored_parts_by_allocation ON sponsored_parts (allocation_id);
REVOKE UPDATE ON sponsored_parts FROM marketplace_app;
COMMENT ON COLUMN sponsored_parts.total_krw IS 'The member''s total with VAT that this is a part of';
COMMENT ON COLUMN sponsored_parts.reason IS 'released: the coordinator let the sponsor off what was unpaid; the member owes it';
CREATE VIEW current_sponsored_parts AS
    SELECT f.sponsorship_id, s.round_id, s.sponsor_id, f.allocation_id, a.pledge_id, a.buyer_id, n.part_no, n.krw,
           n.total_krw, f.krw AS first_krw, f.total_krw AS first_total_krw,
           EXISTS (SELECT FROM sponsored_parts p WHERE (p.sponsorship_id, p.allocation_id) = (f.sponsorship_id, f.allocation_id)
                   AND p.reason = 'released') AS is_released
    FROM sponsored_parts f
    JOIN sponsorships s ON s.id = f.sponsorship_id
    JOIN allocations a ON a.id = f.allocation_id
    CROSS JOIN LATERAL (
        SELECT part_no, krw, total_krw FROM sponsored_parts p
        WHERE (p.sponsorship_id, p.allocation_id) = (f.sponsorship_id, f.allocation_id) ORDER BY part_no DESC LIMIT 1) n
    WHERE f.part_no = 1;

-- A sponsor's charges lie beside its member's, under purposes of their own.
ALTER TABLE charges
    ADD COLUMN sponsorship_id uuid,
    DROP CONSTRAINT charges_purpose_check,
    ADD CONSTRAINT charges_purpose_check CHECK (purpose IN ('deposit', 'balance', 'refund', 'sponsored', 'sponsor_refund')),
    ADD CONSTRAINT charges_of_sponsors_name_their_sponsorship CHECK (
        (sponsorship_id IS NOT NULL) = (purpose IN ('sponsored', 'sponsor_refund'))),
    ADD CONSTRAINT charges_of_sponsors_go_by_transfer CHECK (sponsorship_id IS NULL OR method = 'transfer');
COMMENT ON COLUMN charges.sponsorship_id IS 'Who pays, or is paid back, when it is not the buyer: the sponsor of this sponsorship';
CREATE INDEX charges_by_sponsorship ON charges (sponsorship_id) WHERE sponsorship_id IS NOT NULL;

ALTER TABLE invoices
    ADD COLUMN sponsored_krw bigint NOT NULL DEFAULT 0 CHECK (sponsored_krw >= 0),
    DROP CONSTRAINT invoices_total_is_deposit_and_balance,
    ADD CONSTRAINT invoices_total_is_deposit_and_balance CHECK (total_krw = deposit_krw + sponsored_krw + balance_krw);
COMMENT ON COLUMN invoices.sponsored_krw IS 'Won that sponsors pay of the total, by their own charges';

ALTER TABLE receipts
    DROP CONSTRAINT receipts_kind_check,
    ADD CONSTRAINT receipts_kind_check CHECK (kind IN ('balance', 'deposit', 'surplus', 'sponsored'));

ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_reason_is_known,
    ADD CONSTRAINT ledger_entries_reason_is_known CHECK (reason IN (
        'deposit_received', 'deposit_carried', 'card_captured', 'deposit_taken', 'allocated', 'allocation_changed',
        'forfeited', 'pool_paid', 'balance_paid', 'refund_owed', 'refund_paid', 'refund_dropped', 'delivered', 'vat',
        'commission', 'commission_vat', 'sponsored', 'sponsor_paid')),
    DROP CONSTRAINT ledger_entries_accounts_are_known,
    ADD CONSTRAINT ledger_entries_accounts_are_known CHECK (
        debit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered', 'vendor_payable',
                          'vat', 'forfeits', 'money', 'platform_fee', 'sponsor_receivable', 'sponsor_refunds_owed')
        AND credit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered', 'vendor_payable',
                               'vat', 'forfeits', 'money', 'platform_fee', 'sponsor_receivable', 'sponsor_refunds_owed'));

-- A part moves what is owed from the member to the sponsor; a smaller one later moves the difference back.
CREATE FUNCTION post_sponsored_parts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT s.round_id, a.pledge_id, 'sponsored',
           CASE WHEN more.krw > 0 THEN 'sponsor_receivable' ELSE 'buyer_receivable' END,
           CASE WHEN more.krw > 0 THEN s.sponsor_id ELSE a.buyer_id END,
           CASE WHEN more.krw > 0 THEN 'buyer_receivable' ELSE 'sponsor_receivable' END,
           CASE WHEN more.krw > 0 THEN a.buyer_id ELSE s.sponsor_id END,
           abs(more.krw)
    FROM added p
    JOIN sponsorships s ON s.id = p.sponsorship_id
    JOIN allocations a ON a.id = p.allocation_id
    LEFT JOIN sponsored_parts b ON (b.sponsorship_id, b.allocation_id, b.part_no) = (p.sponsorship_id, p.allocation_id, p.part_no - 1)
    CROSS JOIN LATERAL (SELECT p.krw - coalesce(b.krw, 0) AS krw) more
    WHERE more.krw <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER sponsored_parts_post AFTER INSERT ON sponsored_parts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_sponsored_parts();

-- A row trigger with a condition: it costs the charges of buyers nothing.
CREATE FUNCTION post_sponsor_charge() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sponsored_parts p
                   WHERE (p.sponsorship_id, p.allocation_id) = (NEW.sponsorship_id, NEW.allocation_id)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a sponsor''s charge needs its part of the allocation';
    END IF;
    INSERT INTO ledger_entries (round_id, pledge_id, charge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT NEW.round_id, NEW.pledge_id, NEW.id, e.reason, e.debit, e.debit_party, e.credit, e.credit_party, e.krw
    FROM sponsorships s
    JOIN rounds r ON r.id = s.round_id
    CROSS JOIN LATERAL (
        SELECT CASE r.custody WHEN 'operator' THEN r.coordinator_id ELSE r.vendor_id END AS id,
               NEW.purpose = 'sponsor_refund' AS is_refund, NEW.state IN ('captured', 'refunded') AS is_taken) holder
    CROSS JOIN LATERAL (VALUES
        ('sponsor_paid', NOT is_refund AND is_taken,
            'money', holder.id, 'sponsor_receivable', s.sponsor_id, NEW.capture_krw),
        ('refund_owed', is_refund,
            'sponsor_receivable', s.sponsor_id, 'sponsor_refunds_owed', s.sponsor_id, NEW.amount_krw),
        ('refund_paid', is_refund AND is_taken,
            'sponsor_refunds_owed', s.sponsor_id, 'money', holder.id, NEW.capture_krw),
        ('refund_dropped', is_refund AND NEW.state = 'released',
            'sponsor_refunds_owed', s.sponsor_id, 'sponsor_receivable', s.sponsor_id, NEW.amount_krw)
    ) e (reason, is_due, debit, debit_party, credit, credit_party, krw)
    WHERE s.id = NEW.sponsorship_id AND e.is_due
    ON CONFLICT (charge_id, reason) WHERE charge_id IS NOT NULL DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER charges_post_sponsor AFTER INSERT OR UPDATE ON charges FOR EACH ROW
    WHEN (NEW.purpose IN ('sponsored', 'sponsor_refund')) EXECUTE FUNCTION post_sponsor_charge();

-- As in 0013, with what sponsors may pay.
CREATE OR REPLACE VIEW receivables AS
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
    SELECT reference_of('SFP', p.reference_no), 'deposit', r.id, r.code, r.state, r.coordinator_id,
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
    WHERE p.funding = 'transfer'
    UNION ALL
    -- One reference for all members of a sponsorship; buyer_id is who pays: the sponsor.
    SELECT reference_of('SFS', s.reference_no), 'sponsored', r.id, r.code, r.state, r.coordinator_id,
           r.vendor_id, r.custody, s.sponsor_id, NULL, NULL, due.due_on, coalesce(due.krw, 0)::bigint
    FROM sponsorships s
    JOIN rounds r ON r.id = s.round_id
    LEFT JOIN LATERAL (
        SELECT min(i.due_on) AS due_on,
               sum(c.amount_krw - (SELECT coalesce(sum(amount_krw), 0) FROM receipts e WHERE e.charge_id = c.id)) AS krw
        FROM charges c LEFT JOIN invoices i ON i.allocation_id = c.allocation_id
        WHERE c.sponsorship_id = s.id AND c.purpose = 'sponsored' AND c.state = 'due') due ON true
    WHERE s.confirmed_at IS NOT NULL AND s.revoked_at IS NULL;
