-- The ledger: every won that is owed, paid, or given back, as one entry from one account to another.

ALTER TABLE rounds
    ADD COLUMN custody text NOT NULL DEFAULT 'direct' CHECK (custody IN ('direct', 'operator')),
    ADD COLUMN commission_bp integer NOT NULL DEFAULT 0 CHECK (commission_bp BETWEEN 0 AND 3000);
COMMENT ON COLUMN rounds.custody IS
    'Who holds what buyers pay by transfer: direct = the vendor, operator = the coordinator. Card money is always held by the coordinator';
COMMENT ON COLUMN rounds.commission_bp IS 'Share of the supply value (no VAT) that the coordinator keeps; frozen when the round is made';

-- A row debits one account and credits another by the same won, so the books are balanced row by row.
CREATE TABLE ledger_entries (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id       bigint NOT NULL,
    pledge_id      uuid,
    charge_id      uuid,
    reason         text NOT NULL CONSTRAINT ledger_entries_reason_is_known CHECK (reason IN (
        'deposit_received', 'deposit_carried', 'card_captured', 'deposit_taken', 'allocated', 'allocation_changed',
        'forfeited', 'pool_paid', 'balance_paid', 'refund_owed', 'refund_paid', 'refund_dropped', 'delivered', 'vat',
        'commission', 'commission_vat')),
    debit_account  text NOT NULL,
    debit_party    bigint NOT NULL,
    credit_account text NOT NULL,
    credit_party   bigint NOT NULL,
    amount_krw     bigint NOT NULL CHECK (amount_krw >= 1),
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_entries_accounts_are_known CHECK (
        debit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered',
                          'vendor_payable', 'vat', 'forfeits', 'money', 'platform_fee')
        AND credit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered',
                               'vendor_payable', 'vat', 'forfeits', 'money', 'platform_fee')),
    CONSTRAINT ledger_entries_move_something CHECK (
        (debit_account, debit_party) <> (credit_account, credit_party))
);
CREATE INDEX ledger_entries_by_round ON ledger_entries (round_id);
-- A charge is posted at most once for each reason, whoever asks how often.
CREATE UNIQUE INDEX ledger_entries_once ON ledger_entries (charge_id, reason) WHERE charge_id IS NOT NULL;
REVOKE INSERT, UPDATE ON ledger_entries FROM marketplace_app;
COMMENT ON TABLE ledger_entries IS 'Append-only: a mistake is corrected by a further entry the other way';

-- The same entries with a sign, one row an account: debit > 0 > credit. They sum to zero.
CREATE VIEW ledger_sides AS
    SELECT id, at, round_id, pledge_id, charge_id, reason, debit_account AS account, debit_party AS party,
           amount_krw AS signed_krw, credit_account AS other_account, credit_party AS other_party
    FROM ledger_entries
    UNION ALL
    SELECT id, at, round_id, pledge_id, charge_id, reason, credit_account, credit_party,
           -amount_krw, debit_account, debit_party
    FROM ledger_entries;

-- Entries are posted by triggers, in the transaction that changes what they are about: no writer can forget, and
-- the application cannot write one of its own. Hence SECURITY DEFINER.

CREATE FUNCTION post_charges(ids uuid[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger_entries (round_id, pledge_id, charge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT c.round_id, c.pledge_id, c.id, e.reason, e.debit, e.debit_party, e.credit, e.credit_party, e.krw
    FROM charges c
    JOIN rounds r ON r.id = c.round_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.method = 'card' OR r.custody = 'operator' THEN r.coordinator_id ELSE r.vendor_id END AS id,
               CASE WHEN c.allocation_id IS NULL THEN 'deposits_held' ELSE 'buyer_receivable' END AS refunded_from,
               c.state IN ('captured', 'refunded') AS is_taken
    ) holder
    CROSS JOIN LATERAL (VALUES
        ('card_captured', c.purpose = 'deposit' AND c.method = 'card' AND is_taken,
            'money', holder.id, 'deposits_held', c.buyer_id, c.capture_krw),
        ('deposit_taken', c.purpose = 'deposit' AND is_taken,
            'deposits_held', c.buyer_id, 'buyer_receivable', c.buyer_id, c.capture_krw),
        ('balance_paid', c.purpose = 'balance' AND is_taken,
            'money', holder.id, 'buyer_receivable', c.buyer_id, c.capture_krw),
        ('refund_owed', c.purpose = 'refund',
            refunded_from, c.buyer_id, 'refunds_owed', c.buyer_id, c.amount_krw),
        ('refund_paid', c.purpose = 'refund' AND is_taken,
            'refunds_owed', c.buyer_id, 'money', holder.id, c.capture_krw),
        ('refund_dropped', c.purpose = 'refund' AND c.state = 'released',
            'refunds_owed', c.buyer_id, refunded_from, c.buyer_id, c.amount_krw)
    ) e (reason, is_due, debit, debit_party, credit, credit_party, krw)
    WHERE c.id = ANY (ids) AND e.is_due
    ON CONFLICT (charge_id, reason) WHERE charge_id IS NOT NULL DO NOTHING
$$;
CREATE FUNCTION post_new_charges() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM post_charges(ARRAY(SELECT id FROM added WHERE purpose = 'refund' OR state IN ('captured', 'refunded')));
    RETURN NULL;
END $$;
CREATE FUNCTION post_changed_charges() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moved uuid[] := ARRAY(SELECT c.id FROM changed c JOIN former f USING (id)
                          WHERE c.state <> f.state AND c.state IN ('captured', 'refunded', 'released'));
BEGIN
    IF moved <> '{}' THEN
        PERFORM post_charges(moved);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER charges_post_new AFTER INSERT ON charges REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_new_charges();
CREATE TRIGGER charges_post_changed AFTER UPDATE ON charges REFERENCING OLD TABLE AS former NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION post_changed_charges();

-- Money that came before a round was decided. What a carried pledge brought is moved, not received again.
CREATE FUNCTION post_fundings(ids uuid[], versions integer[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT e.round_id, e.pledge_id, e.reason, e.debit, e.debit_party, e.credit, e.credit_party, f.received_krw
    FROM unnest(ids, versions) AS given (pledge_id, version)
    JOIN pledge_fundings f USING (pledge_id, version)
    JOIN pledges p ON p.id = f.pledge_id
    JOIN rounds r ON r.id = p.round_id
    LEFT JOIN pledges old ON f.version IN (0, 1) AND old.carried_to_id = p.id AND EXISTS (
        SELECT FROM pledge_fundings b WHERE b.pledge_id = old.id AND b.received_krw > 0)
    CROSS JOIN LATERAL (VALUES
        (old.id IS NULL, r.id, p.id, 'deposit_received', 'money',
            CASE r.custody WHEN 'operator' THEN r.coordinator_id ELSE r.vendor_id END, 'deposits_held', p.buyer_id),
        (old.id IS NOT NULL, old.round_id, old.id, 'deposit_carried', 'deposits_held', p.buyer_id, 'carried', p.buyer_id),
        (old.id IS NOT NULL, r.id, p.id, 'deposit_carried', 'carried', p.buyer_id, 'deposits_held', p.buyer_id)
    ) e (is_due, round_id, pledge_id, reason, debit, debit_party, credit, credit_party)
    WHERE f.received_krw > 0 AND e.is_due
$$;
CREATE FUNCTION post_new_fundings() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM post_fundings(array_agg(pledge_id), array_agg(version)) FROM added WHERE received_krw > 0 HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER pledge_fundings_post AFTER INSERT ON pledge_fundings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_new_fundings();

CREATE FUNCTION post_new_allocations() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT a.round_id, a.pledge_id, 'allocated', 'buyer_receivable', a.buyer_id, 'goods_ordered', r.vendor_id, a.total_krw
    FROM added a JOIN rounds r ON r.id = a.round_id;
    RETURN NULL;
END $$;
CREATE TRIGGER allocations_post AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_new_allocations();

-- What an allocation owes now, less what it owed before: goods on order until they are delivered, payable after.
CREATE FUNCTION post_allocation_changes() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT a.round_id, a.pledge_id, e.reason,
           CASE WHEN e.krw > 0 THEN 'buyer_receivable' ELSE e.account END,
           CASE WHEN e.krw > 0 THEN a.buyer_id ELSE r.vendor_id END,
           CASE WHEN e.krw > 0 THEN e.account ELSE 'buyer_receivable' END,
           CASE WHEN e.krw > 0 THEN r.vendor_id ELSE a.buyer_id END,
           abs(e.krw)
    FROM added c
    JOIN allocations a ON a.id = c.allocation_id
    JOIN rounds r ON r.id = a.round_id
    LEFT JOIN allocation_changes b ON b.allocation_id = c.allocation_id AND b.change_no = c.change_no - 1
    CROSS JOIN LATERAL (
        SELECT r.state IN ('delivered', 'settled') AS is_delivered,
               c.supply_krw - coalesce(b.supply_krw, a.supply_krw) AS supply_krw,
               c.vat_krw - coalesce(b.vat_krw, a.vat_krw) AS vat_krw
    ) more
    CROSS JOIN LATERAL (VALUES
        (NOT is_delivered, 'allocation_changed', 'goods_ordered', more.supply_krw + more.vat_krw),
        (is_delivered, 'allocation_changed', 'vendor_payable', more.supply_krw),
        (is_delivered, 'vat', 'vat', more.vat_krw),
        (true, 'forfeited', 'forfeits', c.forfeited_krw)
    ) e (is_due, reason, account, krw)
    WHERE e.is_due AND e.krw <> 0;
    PERFORM post_commission(round_id) FROM (
        SELECT DISTINCT a.round_id FROM added c JOIN allocations a ON a.id = c.allocation_id
        JOIN rounds r ON r.id = a.round_id WHERE r.state IN ('delivered', 'settled')) delivered;
    RETURN NULL;
END $$;

-- A commission follows the supply value that was delivered; each call posts the difference to what was posted.
CREATE FUNCTION post_commission(target_id bigint) RETURNS void LANGUAGE sql AS $$
    WITH fee AS (
        SELECT r.id, r.vendor_id, r.coordinator_id, r.commission_bp * coalesce(sum(a.supply_krw), 0)::bigint / 10000 AS krw
        FROM rounds r LEFT JOIN current_allocations a ON a.round_id = r.id WHERE r.id = target_id GROUP BY r.id
    )
    INSERT INTO ledger_entries (round_id, reason, debit_account, debit_party, credit_account, credit_party, amount_krw)
    SELECT fee.id, e.reason,
           CASE WHEN e.more_krw > 0 THEN 'vendor_payable' ELSE e.account END,
           CASE WHEN e.more_krw > 0 THEN fee.vendor_id ELSE fee.coordinator_id END,
           CASE WHEN e.more_krw > 0 THEN e.account ELSE 'vendor_payable' END,
           CASE WHEN e.more_krw > 0 THEN fee.coordinator_id ELSE fee.vendor_id END,
           abs(e.more_krw)
    FROM fee
    CROSS JOIN LATERAL (
        SELECT reason, account, target_krw + coalesce((
            SELECT sum(signed_krw) FROM ledger_sides s
            WHERE s.round_id = fee.id AND s.account = t.account AND s.party = fee.coordinator_id), 0)::bigint AS more_krw
        FROM (VALUES ('commission', 'platform_fee', fee.krw),
                     ('commission_vat', 'vat', fee.krw / 10)) t (reason, account, target_krw)
    ) e
    WHERE e.more_krw <> 0
$$;
CREATE TRIGGER allocation_changes_post AFTER INSERT ON allocation_changes REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_allocation_changes();

-- VAT arises when goods are handed over (부가가치세법 제15조); the vendor passes it on to the tax office.
CREATE FUNCTION post_delivery() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT a.round_id, a.pledge_id, e.reason, 'goods_ordered', NEW.vendor_id, e.account, NEW.vendor_id, e.krw
    FROM current_allocations a
    CROSS JOIN LATERAL (VALUES ('delivered', 'vendor_payable', a.supply_krw), ('vat', 'vat', a.vat_krw))
        e (reason, account, krw)
    WHERE a.round_id = NEW.id AND e.krw > 0;
    PERFORM post_commission(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER rounds_post_delivery AFTER UPDATE ON rounds FOR EACH ROW
    WHEN (OLD.state = 'ordered' AND NEW.state = 'delivered') EXECUTE FUNCTION post_delivery();

CREATE FUNCTION post_pool() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_entries (round_id, reason, debit_account, debit_party, credit_account, credit_party, amount_krw)
    SELECT r.id, 'pool_paid', 'forfeits', r.vendor_id, 'vendor_payable', r.vendor_id, NEW.pool_krw
    FROM rounds r WHERE r.id = NEW.round_id;
    RETURN NULL;
END $$;
CREATE TRIGGER clearings_post_pool AFTER INSERT ON clearings FOR EACH ROW
    WHEN (NEW.pool_krw > 0) EXECUTE FUNCTION post_pool();

REVOKE EXECUTE ON FUNCTION post_charges, post_fundings, post_commission FROM PUBLIC;

-- What was there before there was a ledger, in the order in which it came about.
SELECT post_fundings(array_agg(pledge_id), array_agg(version)) FROM pledge_fundings WHERE received_krw > 0;
INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                            credit_account, credit_party, amount_krw)
SELECT a.round_id, a.pledge_id, 'allocated', 'buyer_receivable', a.buyer_id, 'goods_ordered', r.vendor_id, a.total_krw
FROM allocations a JOIN rounds r ON r.id = a.round_id;
INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                            credit_account, credit_party, amount_krw)
SELECT a.round_id, a.pledge_id, e.reason,
       CASE WHEN e.krw > 0 THEN 'buyer_receivable' ELSE e.account END,
       CASE WHEN e.krw > 0 THEN a.buyer_id ELSE r.vendor_id END,
       CASE WHEN e.krw > 0 THEN e.account ELSE 'buyer_receivable' END,
       CASE WHEN e.krw > 0 THEN r.vendor_id ELSE a.buyer_id END,
       abs(e.krw)
FROM current_allocations a
JOIN allocations first ON first.id = a.id
JOIN rounds r ON r.id = a.round_id
CROSS JOIN LATERAL (VALUES
    ('allocation_changed', 'goods_ordered', a.total_krw - first.total_krw),
    ('forfeited', 'forfeits', a.forfeited_krw)
) e (reason, account, krw)
WHERE e.krw <> 0;
INSERT INTO ledger_entries (round_id, pledge_id, reason, debit_account, debit_party,
                            credit_account, credit_party, amount_krw)
SELECT a.round_id, a.pledge_id, e.reason, 'goods_ordered', r.vendor_id, e.account, r.vendor_id, e.krw
FROM current_allocations a
JOIN rounds r ON r.id = a.round_id AND r.state IN ('delivered', 'settled')
CROSS JOIN LATERAL (VALUES ('delivered', 'vendor_payable', a.supply_krw), ('vat', 'vat', a.vat_krw))
    e (reason, account, krw)
WHERE e.krw > 0;
INSERT INTO ledger_entries (round_id, reason, debit_account, debit_party, credit_account, credit_party, amount_krw)
SELECT r.id, 'pool_paid', 'forfeits', r.vendor_id, 'vendor_payable', r.vendor_id, c.pool_krw
FROM clearings c JOIN rounds r ON r.id = c.round_id WHERE c.pool_krw > 0;
SELECT post_charges(ARRAY(SELECT id FROM charges));
