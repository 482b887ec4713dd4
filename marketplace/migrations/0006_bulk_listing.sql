-- Staged imports, remembered header choices, images.

-- What an organization decided about the columns of its own files; null = the column is left out.
CREATE TABLE import_header_choices (
    organization_id bigint NOT NULL REFERENCES organizations,
    kind            text NOT NULL CHECK (kind IN ('vendors', 'products', 'package-models', 'offers', 'service-centers', 'demands')),
    header          text NOT NULL CHECK (char_length(header) <= 200),
    column_name     text,
    chosen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, kind, header)
);
GRANT DELETE ON import_header_choices TO marketplace_app;

-- A column of many rows as one text: values between U+001F, null as U+001E, which no cell holds. The first value
-- is a dummy, because string_to_array reads an empty text as no value at all.
CREATE FUNCTION unpacked(packed text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT (string_to_array(packed, E'\x1f', E'\x1e'))[2:]
$$;

-- Every spec of every product would lock its definition's row, one by one, and a bulk listing spends a third of
-- its time so. Definitions are never deleted, so one look per statement keeps the same promise.
ALTER TABLE product_specs DROP CONSTRAINT product_specs_code_fkey;
CREATE FUNCTION require_spec_definitions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE unknown text;
BEGIN
    SELECT min(c.code) INTO unknown FROM (SELECT DISTINCT code FROM changed) c
    WHERE NOT EXISTS (SELECT FROM spec_definitions d WHERE d.code = c.code);
    IF unknown IS NOT NULL THEN
        RAISE foreign_key_violation USING MESSAGE = format('no spec is defined as %L', unknown);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER product_specs_are_defined_insert AFTER INSERT ON product_specs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION require_spec_definitions();
CREATE TRIGGER product_specs_are_defined_update AFTER UPDATE ON product_specs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION require_spec_definitions();

-- The words of the row that a product was last imported from, as a hash: the same words again need no second
-- look. Only true while nobody else changes the product, so triggers take it away. Who changes specs locks the
-- product's row first, as an import does. Without a foreign key, which would lock each product once more.
CREATE TABLE product_digests (
    product_id bigint PRIMARY KEY,
    digest     bytea NOT NULL CHECK (octet_length(digest) = 16)
);
GRANT DELETE ON product_digests TO marketplace_app;

CREATE FUNCTION forget_digests_of_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM product_digests d USING (SELECT DISTINCT id FROM changed) c WHERE d.product_id = c.id;
    RETURN NULL;
END $$;
CREATE FUNCTION forget_digests_of_specs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM product_digests d USING (SELECT DISTINCT product_id FROM changed) c WHERE d.product_id = c.product_id;
    RETURN NULL;
END $$;
CREATE FUNCTION forget_digests_of_makers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM product_digests d USING products p, changed c WHERE p.maker_id = c.id AND d.product_id = p.id;
    RETURN NULL;
END $$;
CREATE TRIGGER products_digest_update AFTER UPDATE ON products REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digests_of_products();
CREATE TRIGGER product_specs_digest_insert AFTER INSERT ON product_specs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digests_of_specs();
CREATE TRIGGER product_specs_digest_update AFTER UPDATE ON product_specs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digests_of_specs();
CREATE TRIGGER product_specs_digest_delete AFTER DELETE ON product_specs REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digests_of_specs();
CREATE TRIGGER makers_digest_update AFTER UPDATE ON makers REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digests_of_makers();

-- A document that this transaction marked already need not be marked again: no worker has seen it yet.
CREATE OR REPLACE FUNCTION mark_search_dirty(document_kind text, document_ids bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
    INSERT INTO search_dirty AS d (target, kind, doc_id)
    SELECT t.target, document_kind, i.id
    FROM search_targets t, (SELECT DISTINCT unnest(document_ids) AS id) i
    WHERE i.id IS NOT NULL
      AND (document_kind <> 'vendor' OR EXISTS (SELECT FROM organizations WHERE id = i.id AND kind = 'vendor'))
    ORDER BY t.target, i.id
    ON CONFLICT (target, kind, doc_id)
    DO UPDATE SET version = nextval('search_versions'), attempts = 0, not_before = NULL, last_error = NULL
    WHERE d.xmin <> pg_current_xact_id()::xid
$$;

-- Long files are worked on by the workers: `running` rows are due, a lease says who works and is renewed with the
-- progress. Stopping or dying leaves the catalog as it was; resuming begins with the kept file again.
ALTER TABLE imports DROP CONSTRAINT imports_state_check;
ALTER TABLE imports ADD CONSTRAINT imports_state_check
    CHECK (state IN ('checked', 'applied', 'refused', 'running', 'stopped'));
ALTER TABLE imports
    ADD COLUMN mode         text NOT NULL DEFAULT 'check' CHECK (mode IN ('check', 'apply', 'take_good_rows')),
    ADD COLUMN rows_done    integer NOT NULL DEFAULT 0 CHECK (rows_done >= 0),
    ADD COLUMN rows_total   integer CHECK (rows_total >= 0),
    ADD COLUMN stop_asked   boolean NOT NULL DEFAULT false,
    ADD COLUMN attempts     integer NOT NULL DEFAULT 0,
    ADD COLUMN leased_until timestamptz;
COMMENT ON COLUMN imports.rows_total IS 'About how many rows the file has; null = not known';
CREATE INDEX imports_running ON imports (created_at) WHERE state = 'running';

-- Pictures of listings: uploaded files that were looked at; their content is stored once, under its SHA-256.
CREATE TABLE listing_images (
    id               uuid PRIMARY KEY,
    product_id       bigint REFERENCES products,
    package_model_id bigint REFERENCES package_models,
    file_id          uuid NOT NULL REFERENCES files,
    sha256           bytea NOT NULL REFERENCES file_contents,
    media_type       text NOT NULL CHECK (media_type IN ('image/jpeg', 'image/png', 'image/webp')),
    width            integer NOT NULL CHECK (width BETWEEN 1 AND 8000),
    height           integer NOT NULL CHECK (height BETWEEN 1 AND 8000),
    caption_ko       text NOT NULL DEFAULT '',
    caption_en       text NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT listing_images_are_of_one_thing CHECK (num_nonnulls(product_id, package_model_id) = 1)
);
CREATE UNIQUE INDEX listing_images_once_per_product ON listing_images (product_id, sha256) WHERE product_id IS NOT NULL;
CREATE UNIQUE INDEX listing_images_once_per_package ON listing_images (package_model_id, sha256) WHERE package_model_id IS NOT NULL;
CREATE INDEX listing_images_by_content ON listing_images (sha256);
GRANT DELETE ON listing_images TO marketplace_app;
