-- The dirty set: which documents differ from what an engine holds. Filled by statement triggers, so that no
-- writer can forget; a worker projects the current state and deletes the row only if its version is unchanged.

CREATE TABLE search_targets (
    target     text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE search_targets IS 'One row per index that is kept fresh, e.g. embedded; each has dirty rows of its own';
GRANT DELETE ON search_targets TO marketplace_app;
INSERT INTO search_targets (target) VALUES ('main');

CREATE SEQUENCE search_versions;

CREATE TABLE search_dirty (
    target     text NOT NULL REFERENCES search_targets ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('package_model', 'product', 'service_center', 'vendor')),
    doc_id     bigint NOT NULL,
    version    bigint NOT NULL DEFAULT nextval('search_versions'),
    dirty_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts   integer NOT NULL DEFAULT 0,
    not_before timestamptz,
    last_error text,
    PRIMARY KEY (target, kind, doc_id)
);
CREATE INDEX search_dirty_by_age ON search_dirty (target, dirty_at);
GRANT DELETE ON search_dirty TO marketplace_app;

-- Ids are sorted so that two writers that touch the same documents never deadlock.
CREATE FUNCTION mark_search_dirty(document_kind text, document_ids bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
    INSERT INTO search_dirty (target, kind, doc_id)
    SELECT t.target, document_kind, d.id
    FROM search_targets t, (SELECT DISTINCT unnest(document_ids) AS id) d
    WHERE d.id IS NOT NULL
      AND (document_kind <> 'vendor' OR EXISTS (SELECT FROM organizations WHERE id = d.id AND kind = 'vendor'))
    ORDER BY t.target, d.id
    ON CONFLICT (target, kind, doc_id)
    DO UPDATE SET version = nextval('search_versions'), attempts = 0, not_before = NULL, last_error = NULL
$$;

-- A product's document, and those of the packages that contain it.
CREATE FUNCTION mark_products_and_packages_dirty(product_ids bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT mark_search_dirty('product', product_ids);
    SELECT mark_search_dirty('package_model', ARRAY(
        SELECT v.package_model_id FROM bom_lines b JOIN package_versions v ON v.id = b.package_version_id
        WHERE v.is_current AND b.product_id = ANY (product_ids)));
$$;

CREATE FUNCTION mark_product_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_products_and_packages_dirty(ARRAY(SELECT id FROM changed));
    PERFORM mark_search_dirty('vendor', ARRAY(SELECT vendor_id FROM changed));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_products_of_change_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    ids := ARRAY(SELECT DISTINCT product_id FROM changed);
    IF TG_TABLE_NAME = 'product_specs' THEN
        PERFORM mark_search_dirty('product', ids); -- packages show no specs of their components
    ELSE
        PERFORM mark_products_and_packages_dirty(ids);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION mark_package_model_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_search_dirty('package_model', ARRAY(SELECT id FROM changed));
    PERFORM mark_search_dirty('vendor', ARRAY(SELECT vendor_id FROM changed));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_package_version_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_search_dirty('package_model', ARRAY(SELECT package_model_id FROM changed));
    PERFORM mark_search_dirty('vendor', ARRAY(
        SELECT m.vendor_id FROM changed c JOIN package_models m ON m.id = c.package_model_id));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_bom_lines_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    ids := ARRAY(SELECT DISTINCT v.package_model_id FROM changed c JOIN package_versions v ON v.id = c.package_version_id);
    PERFORM mark_search_dirty('package_model', ids);
    PERFORM mark_search_dirty('vendor', ARRAY(SELECT vendor_id FROM package_models WHERE id = ANY (ids)));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_offers_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A price on a product is also its reference price in the packages that contain it.
    PERFORM mark_products_and_packages_dirty(ARRAY(SELECT product_id FROM changed WHERE product_id IS NOT NULL));
    PERFORM mark_search_dirty('package_model', ARRAY(
        SELECT v.package_model_id FROM changed c JOIN package_versions v ON v.id = c.package_version_id));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_offer_details_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    ids := ARRAY(SELECT DISTINCT offer_id FROM changed);
    PERFORM mark_search_dirty('product', ARRAY(SELECT product_id FROM offers WHERE id = ANY (ids)));
    PERFORM mark_search_dirty('package_model', ARRAY(
        SELECT v.package_model_id FROM offers o JOIN package_versions v ON v.id = o.package_version_id
        WHERE o.id = ANY (ids)));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_maker_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    ids := ARRAY(SELECT p.id FROM changed c JOIN products p ON p.maker_id = c.id);
    PERFORM mark_products_and_packages_dirty(ids);
    PERFORM mark_search_dirty('service_center', ARRAY(
        SELECT s.id FROM changed c JOIN service_centers s ON s.maker_id = c.id));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_organization_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_search_dirty('vendor', ARRAY(SELECT id FROM changed WHERE kind = 'vendor'));
    PERFORM mark_search_dirty('product', ARRAY(SELECT p.id FROM changed c JOIN products p ON p.vendor_id = c.id));
    PERFORM mark_products_and_packages_dirty(ARRAY(
        SELECT o.product_id FROM changed c JOIN offers o ON o.vendor_id = c.id WHERE o.product_id IS NOT NULL));
    PERFORM mark_search_dirty('package_model', ARRAY(
        SELECT m.id FROM changed c JOIN package_models m ON m.vendor_id = c.id));
    PERFORM mark_search_dirty('service_center', ARRAY(
        SELECT s.id FROM changed c JOIN service_centers s ON s.vendor_id = c.id));
    RETURN NULL;
END $$;

CREATE FUNCTION mark_service_center_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_search_dirty('service_center', ARRAY(SELECT id FROM changed));
    RETURN NULL;
END $$;

-- One trigger per table and operation: a transition table cannot serve several operations at once.
DO $$
DECLARE
    pair text[];
    operation text;
BEGIN
    FOREACH pair SLICE 1 IN ARRAY ARRAY[
        ['products', 'mark_product_dirty'], ['product_specs', 'mark_products_of_change_dirty'],
        ['origin_claims', 'mark_products_of_change_dirty'], ['reference_prices', 'mark_products_of_change_dirty'], 
        ['package_models', 'mark_package_model_dirty'],
        ['package_versions', 'mark_package_version_dirty'], ['bom_lines', 'mark_bom_lines_dirty'],
        ['offers', 'mark_offers_dirty'], ['price_tiers', 'mark_offer_details_dirty'],
        ['offer_invitations', 'mark_offer_details_dirty'], ['makers', 'mark_maker_dirty'],
        ['organizations', 'mark_organization_dirty'], ['service_centers', 'mark_service_center_dirty']]
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION %I()', pair[1] || '_dirty_insert', pair[1], pair[2]);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION %I()', pair[1] || '_dirty_update', pair[1], pair[2]);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION %I()', pair[1] || '_dirty_delete', pair[1], pair[2]);
    END LOOP;
END $$;
