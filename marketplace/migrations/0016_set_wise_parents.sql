-- Joining and closing at their speed: parents are looked up once a statement instead of once a row.

-- A foreign key asks for its parent row by row, which took a third of the time of deciding a round of tens of
-- thousands. These ask the same once for all rows of a statement, and ask more: the parent must be of the same round
-- and buyer. Nobody has the right to delete a parent, so what was true when a row came stays true. They also stand in
-- for the eight foreign keys that 0010 dropped. Each row's parent is found by its index, whatever the statistics say
-- (OFFSET 0 keeps the planner from a join): it plans while a new market's tables are empty, and a scan for each of
-- tens of thousands of rows would take minutes.
CREATE FUNCTION require_parents_of_allocations() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added a WHERE NOT EXISTS (
            SELECT FROM pledges p WHERE (p.id, p.round_id, p.buyer_id) = (a.pledge_id, a.round_id, a.buyer_id) OFFSET 0))
        OR EXISTS (SELECT FROM (SELECT DISTINCT round_id FROM added) a
                   WHERE NOT EXISTS (SELECT FROM rounds r WHERE r.id = a.round_id OFFSET 0))
        OR EXISTS (SELECT FROM added a WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = a.buyer_id OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an allocation needs a pledge of the same round and buyer';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocations_have_parents AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_allocations();

CREATE FUNCTION require_parents_of_allocation_parts() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added l WHERE NOT EXISTS (SELECT FROM allocations a WHERE a.id = l.allocation_id OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = format('a row of %s needs an allocation', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_lines_have_parents AFTER INSERT ON allocation_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_allocation_parts();
CREATE TRIGGER allocation_shares_have_parents AFTER INSERT ON allocation_shares REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_allocation_parts();

CREATE FUNCTION require_parents_of_charges() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added c WHERE NOT EXISTS (
            SELECT FROM pledges p WHERE (p.id, p.round_id, p.buyer_id) = (c.pledge_id, c.round_id, c.buyer_id) OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a charge needs a pledge of the same round and buyer';
    END IF;
    IF EXISTS (SELECT FROM added c WHERE c.allocation_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM allocations a WHERE (a.id, a.pledge_id) = (c.allocation_id, c.pledge_id) OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the allocation of a charge must be its pledge''s';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER charges_have_parents AFTER INSERT ON charges REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_charges();
-- A hold learns its allocation when its round is decided; no other change touches these columns.
CREATE TRIGGER charges_keep_parents AFTER UPDATE ON charges REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_charges();

CREATE FUNCTION require_parents_of_charge_events() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added e WHERE NOT EXISTS (SELECT FROM charges c WHERE c.id = e.charge_id OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an event of a charge needs its charge';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER charge_events_have_parents AFTER INSERT ON charge_events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_charge_events();

CREATE FUNCTION require_parents_of_invoices() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added i WHERE NOT EXISTS (
            SELECT FROM allocations a JOIN rounds r ON r.id = a.round_id
            WHERE (a.id, a.buyer_id, r.vendor_id) = (i.allocation_id, i.buyer_id, i.vendor_id) OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an invoice needs an allocation of the same buyer and vendor';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER invoices_have_parents AFTER INSERT ON invoices REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_invoices();

CREATE FUNCTION require_parents_of_notifications() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM added n
               WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = n.organization_id OFFSET 0)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a notification needs an organization';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notifications_have_parents AFTER INSERT ON notifications REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_parents_of_notifications();

ALTER TABLE notifications DROP CONSTRAINT notifications_organization_id_fkey;
ALTER TABLE allocations DROP CONSTRAINT allocations_pledge_id_fkey;
ALTER TABLE allocation_shares DROP CONSTRAINT allocation_shares_allocation_id_fkey;
ALTER TABLE charges DROP CONSTRAINT charges_pledge_id_fkey, DROP CONSTRAINT charges_allocation_id_fkey;
ALTER TABLE invoices DROP CONSTRAINT invoices_allocation_id_fkey;

-- Every pledge is changed once, when its round is decided: with room on its page, no index is touched then.
ALTER TABLE pledges SET (fillfactor = 50);

-- The proof of a large round has megabytes: it is read as often as written, and compressing it held up the closing.
ALTER TABLE clearings ALTER COLUMN input SET STORAGE EXTERNAL, ALTER COLUMN outcome SET STORAGE EXTERNAL;

-- Joining is one statement of the application, `group_buy/pledging.py:JOIN`; only what must be read anew under the
-- lock is asked here. place_pledge of 0010 stays for servers that are older than this schema.
CREATE FUNCTION is_invited_to(target rounds, buyer bigint) RETURNS boolean STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT FROM offer_invitations i WHERE i.offer_id = target.offer_id AND i.organization_id = buyer)
        OR EXISTS (SELECT FROM round_guests g WHERE g.round_id = target.id AND g.organization_id = buyer);
END $$;
CREATE FUNCTION takes_pledge(target_id bigint, buyer bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- VOLATILE: the query after the lock has a snapshot taken under it, and sees a closing that was waited for.
    IF pg_advisory_xact_lock_shared(7304, target_id::integer) IS NULL THEN
        RETURN false;
    END IF;
    RETURN (SELECT CASE WHEN r.audience = 'invited' THEN is_invited_to(r, buyer) ELSE true END
            FROM rounds r
            WHERE r.id = target_id AND r.state IN ('open', 'fill_up') AND clock_timestamp() < r.closes_at);
END $$;
COMMENT ON FUNCTION takes_pledge IS 'Take a round''s shared lock, then say whether it is open to this buyer now';
