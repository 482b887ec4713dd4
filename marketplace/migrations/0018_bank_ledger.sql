-- The ledger agrees with the banks at every moment: parts of a balance, money that nobody owed, and payouts.

ALTER TABLE ledger_entries
    ADD COLUMN receipt_id bigint,
    ADD COLUMN payout_batch_id uuid,
    DROP CONSTRAINT ledger_entries_reason_is_known,
    DROP CONSTRAINT ledger_entries_accounts_are_known;
ALTER TABLE ledger_entries
    ADD CONSTRAINT ledger_entries_reason_is_known CHECK (reason IN (
        'deposit_received', 'deposit_carried', 'card_captured', 'deposit_taken', 'allocated', 'allocation_changed',
        'forfeited', 'pool_paid', 'balance_paid', 'refund_owed', 'refund_paid', 'refund_dropped', 'delivered', 'vat',
        'commission', 'commission_vat', 'sponsored', 'sponsor_paid',
        'balance_part_paid', 'receipt_undone', 'surplus_received', 'paid_out')),
    ADD CONSTRAINT ledger_entries_accounts_are_known CHECK (
        debit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered', 'vendor_payable',
                          'vat', 'forfeits', 'money', 'platform_fee', 'sponsor_receivable', 'sponsor_refunds_owed')
        AND credit_account IN ('buyer_receivable', 'deposits_held', 'carried', 'refunds_owed', 'goods_ordered', 'vendor_payable',
                               'vat', 'forfeits', 'money', 'platform_fee', 'sponsor_receivable', 'sponsor_refunds_owed'));
-- A receipt is posted at most once; a payout once for each account that it settles.
CREATE UNIQUE INDEX ledger_entries_once_a_receipt ON ledger_entries (receipt_id) WHERE receipt_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entries_once_a_payout ON ledger_entries (payout_batch_id, round_id, debit_account)
    WHERE payout_batch_id IS NOT NULL;
COMMENT ON COLUMN ledger_entries.receipt_id IS 'The part of a balance that this posts before its charge is captured';

-- A part of a balance lessens what its buyer, or its sponsor, owes as soon as the bank says it came. When the charge is
-- captured, only the rest is posted, whichever of receipt and capture is written first.
CREATE FUNCTION post_receipts(ids bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger_entries (round_id, pledge_id, receipt_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT r.id, c.pledge_id, e.id,
           CASE WHEN e.amount_krw > 0 THEN 'balance_part_paid' ELSE 'receipt_undone' END,
           CASE WHEN e.amount_krw > 0 THEN 'money' ELSE payer.account END,
           CASE WHEN e.amount_krw > 0 THEN holder.id ELSE payer.id END,
           CASE WHEN e.amount_krw > 0 THEN payer.account ELSE 'money' END,
           CASE WHEN e.amount_krw > 0 THEN payer.id ELSE holder.id END,
           abs(e.amount_krw)
    FROM receipts e
    JOIN charges c ON c.id = e.charge_id AND c.state = 'due'
    JOIN rounds r ON r.id = c.round_id
    LEFT JOIN sponsorships s ON s.id = c.sponsorship_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.id IS NULL THEN 'buyer_receivable' ELSE 'sponsor_receivable' END AS account,
               coalesce(s.sponsor_id, c.buyer_id) AS id) payer
    CROSS JOIN LATERAL (
        SELECT CASE r.custody WHEN 'operator' THEN r.coordinator_id ELSE r.vendor_id END AS id) holder
    WHERE e.id = ANY (ids) AND e.kind IN ('balance', 'sponsored')
    ORDER BY e.id
    ON CONFLICT (receipt_id) WHERE receipt_id IS NOT NULL DO NOTHING
$$;
CREATE FUNCTION received_in_parts(target_charge uuid) RETURNS bigint STABLE LANGUAGE sql AS $$
    SELECT coalesce(sum(CASE l.debit_account WHEN 'money' THEN l.amount_krw ELSE -l.amount_krw END), 0)::bigint
    FROM receipts p JOIN ledger_entries l ON l.receipt_id = p.id WHERE p.charge_id = target_charge
$$;
COMMENT ON FUNCTION received_in_parts IS 'Won of a charge that the ledger posted before it was captured';
CREATE FUNCTION post_new_receipts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM post_receipts(ARRAY(SELECT id FROM added WHERE kind IN ('balance', 'sponsored')));
    RETURN NULL;
END $$;
CREATE TRIGGER receipts_post AFTER INSERT ON receipts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_new_receipts();

-- As in 0012, but for the parts of a balance that were posted when they came.
CREATE OR REPLACE FUNCTION post_charges(ids uuid[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger_entries (round_id, pledge_id, charge_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT c.round_id, c.pledge_id, c.id, e.reason, e.debit, e.debit_party, e.credit, e.credit_party, e.krw
    FROM charges c
    JOIN rounds r ON r.id = c.round_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.method = 'card' OR r.custody = 'operator' THEN r.coordinator_id ELSE r.vendor_id END AS id,
               CASE WHEN c.allocation_id IS NULL THEN 'deposits_held' ELSE 'buyer_receivable' END AS refunded_from,
               c.state IN ('captured', 'refunded') AS is_taken,
               CASE WHEN c.purpose = 'balance' AND c.method = 'transfer' THEN received_in_parts(c.id) ELSE 0 END AS parts_krw
    ) holder
    CROSS JOIN LATERAL (VALUES
        ('card_captured', c.purpose = 'deposit' AND c.method = 'card' AND is_taken,
            'money', holder.id, 'deposits_held', c.buyer_id, c.capture_krw),
        ('deposit_taken', c.purpose = 'deposit' AND is_taken,
            'deposits_held', c.buyer_id, 'buyer_receivable', c.buyer_id, c.capture_krw),
        ('balance_paid', c.purpose = 'balance' AND is_taken AND c.capture_krw > parts_krw,
            'money', holder.id, 'buyer_receivable', c.buyer_id, c.capture_krw - parts_krw),
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

-- As in 0017, but for the parts that were posted when they came.
CREATE OR REPLACE FUNCTION post_sponsor_charge() RETURNS trigger LANGUAGE plpgsql
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
               NEW.purpose = 'sponsor_refund' AS is_refund, NEW.state IN ('captured', 'refunded') AS is_taken,
               received_in_parts(NEW.id) AS parts_krw) holder
    CROSS JOIN LATERAL (VALUES
        ('sponsor_paid', NOT is_refund AND is_taken AND NEW.capture_krw > parts_krw,
            'money', holder.id, 'sponsor_receivable', s.sponsor_id, NEW.capture_krw - parts_krw),
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

-- As in 0012, but for what a statement says of money that came when nothing could be confirmed any more: it is no
-- deposit. It is owed back at once, as any deposit that is not taken.
CREATE OR REPLACE FUNCTION post_fundings(ids uuid[], versions integer[]) RETURNS void LANGUAGE sql AS $$
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
        (old.id IS NULL, r.id, p.id,
            CASE WHEN r.state IN ('draft', 'announced', 'open', 'fill_up', 'closing') THEN 'deposit_received'
                 ELSE 'surplus_received' END, 'money',
            CASE r.custody WHEN 'operator' THEN r.coordinator_id ELSE r.vendor_id END, 'deposits_held', p.buyer_id),
        (old.id IS NOT NULL, old.round_id, old.id, 'deposit_carried', 'deposits_held', p.buyer_id, 'carried', p.buyer_id),
        (old.id IS NOT NULL, r.id, p.id, 'deposit_carried', 'carried', p.buyer_id, 'deposits_held', p.buyer_id)
    ) e (is_due, round_id, pledge_id, reason, debit, debit_party, credit, credit_party)
    WHERE f.received_krw > 0 AND e.is_due
$$;

-- What the coordinator pays a vendor settles what it is owed: for the goods, then their VAT, then forfeited deposits.
CREATE FUNCTION post_payout(target_batch uuid, target_round bigint) RETURNS void LANGUAGE sql AS $$
    WITH paid AS (
        SELECT p.*, r.coordinator_id, greatest(owed.vat_krw, 0) AS vat_krw, greatest(owed.forfeits_krw, 0) AS forfeits_krw,
               least(p.amount_krw, greatest(owed.payable_krw, 0)) AS goods_krw
        FROM payouts p
        JOIN rounds r ON r.id = p.round_id
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(signed_krw) FILTER (WHERE account = 'vendor_payable'), 0)::bigint AS payable_krw,
                   coalesce(-sum(signed_krw) FILTER (WHERE account = 'vat'), 0)::bigint AS vat_krw,
                   coalesce(-sum(signed_krw) FILTER (WHERE account = 'forfeits'), 0)::bigint AS forfeits_krw
            FROM ledger_sides s WHERE s.round_id = p.round_id AND s.party = p.vendor_id) owed
        WHERE p.batch_id = target_batch AND p.round_id = target_round AND NOT EXISTS (
            -- what was owed is less by it already, so the split would be another one
            SELECT FROM ledger_entries l WHERE l.payout_batch_id = target_batch AND l.round_id = target_round)
    ), split AS (
        SELECT paid.*, v.krw AS vat_part_krw, least(amount_krw - goods_krw - v.krw, forfeits_krw) AS forfeits_part_krw
        FROM paid CROSS JOIN LATERAL (SELECT least(amount_krw - goods_krw, vat_krw) AS krw) v
    )
    INSERT INTO ledger_entries (round_id, payout_batch_id, reason, debit_account, debit_party,
                                credit_account, credit_party, amount_krw)
    SELECT s.round_id, s.batch_id, 'paid_out', e.account, s.vendor_id, 'money', s.coordinator_id, e.krw
    FROM split s
    CROSS JOIN LATERAL (VALUES
        -- what nothing is owed for would stand here, below nothing, for `marketplace check` to find
        ('vendor_payable', s.amount_krw - s.vat_part_krw - s.forfeits_part_krw),
        ('vat', s.vat_part_krw),
        ('forfeits', s.forfeits_part_krw)
    ) e (account, krw)
    WHERE e.krw > 0
    ON CONFLICT (payout_batch_id, round_id, debit_account) WHERE payout_batch_id IS NOT NULL DO NOTHING
$$;
CREATE FUNCTION post_new_payouts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM post_payout(batch_id, round_id) FROM added ORDER BY round_id;
    RETURN NULL;
END $$;
CREATE TRIGGER payouts_post AFTER INSERT ON payouts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_new_payouts();

REVOKE EXECUTE ON FUNCTION post_receipts, post_payout, received_in_parts FROM PUBLIC;

-- What was there before: parts of balances that are still due, and payouts one after the other.
SELECT post_receipts(ARRAY(SELECT id FROM receipts WHERE kind IN ('balance', 'sponsored')));
DO $$
DECLARE
    paid record;
BEGIN
    FOR paid IN SELECT p.batch_id, p.round_id FROM payouts p JOIN payout_batches b ON b.id = p.batch_id
                ORDER BY b.at, p.round_id LOOP
        PERFORM post_payout(paid.batch_id, paid.round_id);
    END LOOP;
END $$;
