-- Cards beyond the deposit: balances, refunds, declines with a grace period, holds that end, books compared.
ALTER TABLE charges
    ADD COLUMN refunded_charge_id uuid REFERENCES charges,
    ADD COLUMN declines integer NOT NULL DEFAULT 0 CHECK (declines >= 0),
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN grace_until timestamptz,
    ADD CONSTRAINT charges_refunds_by_card_name_their_payment CHECK (
        (refunded_charge_id IS NOT NULL) = (purpose = 'refund' AND method = 'card'));
COMMENT ON COLUMN charges.refunded_charge_id IS 'A refund by card goes back to the card of this captured charge';
COMMENT ON COLUMN charges.declines IS 'Declines in a row since money was last held; chooses the next delay';
COMMENT ON COLUMN charges.retry_at IS 'When a declined card is asked again by itself; null = never';
COMMENT ON COLUMN charges.grace_until IS 'Until when the buyer may pay after a decline; then the pledge lapses';
CREATE INDEX charges_refunds ON charges (refunded_charge_id) WHERE refunded_charge_id IS NOT NULL;
CREATE INDEX charges_in_grace ON charges (grace_until) WHERE grace_until IS NOT NULL;

DROP INDEX charges_to_work_on;
CREATE INDEX charges_to_work_on ON charges (next_attempt_at)
    WHERE method = 'card' AND state IN ('due', 'processing', 'action_required', 'authorized');

-- What an attempt asks for never changes, because its key stands for exactly that.
ALTER TABLE charge_attempts
    ADD COLUMN amount_krw bigint CHECK (amount_krw >= 1),
    ADD COLUMN is_on_session boolean NOT NULL DEFAULT false,
    ADD COLUMN expires_at timestamptz;
UPDATE charge_attempts a SET amount_krw = c.amount_krw FROM charges c WHERE c.id = a.charge_id;
ALTER TABLE charge_attempts ALTER COLUMN amount_krw SET NOT NULL;
COMMENT ON COLUMN charge_attempts.is_on_session IS 'The buyer confirms it on the pay page; nobody does for them';
COMMENT ON COLUMN charge_attempts.expires_at IS 'Until when a hold must be captured, as the provider says';

-- A hold that nobody decided about yet is looked at again before it ends.
UPDATE charges SET next_attempt_at = clock_timestamp() + interval '4 days'
WHERE method = 'card' AND state = 'authorized' AND capture_krw IS NULL;

-- Which database this is: another server, another start of it, another database or another copy of the table
-- gives another text. No way of restoring a backup leaves it the same.
CREATE FUNCTION database_incarnation() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('-', extract(epoch FROM pg_postmaster_start_time()),
                     (SELECT oid FROM pg_database WHERE datname = current_database()),
                     pg_relation_filenode('charges'))
$$;

-- Our books compared with the provider's. No card is asked before that was done in this incarnation.
CREATE TABLE reconciliations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incarnation text NOT NULL,
    since       timestamptz,
    objects     integer NOT NULL CHECK (objects >= 0),
    resolved    integer NOT NULL CHECK (resolved >= 0),
    findings    jsonb NOT NULL DEFAULT '[]',
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX reconciliations_by_incarnation ON reconciliations (incarnation, at);
REVOKE UPDATE ON reconciliations FROM marketplace_app;
COMMENT ON COLUMN reconciliations.since IS 'The provider''s objects from then on were compared; null = all';
