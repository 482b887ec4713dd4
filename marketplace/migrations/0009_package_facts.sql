-- Alternatives, type-specific facts, standards, codes.

ALTER TABLE products
    ADD COLUMN asks_quote        boolean NOT NULL DEFAULT false,
    ADD COLUMN lead_time_days    integer CHECK (lead_time_days BETWEEN 0 AND 3650),
    ADD COLUMN warranty_months   integer CHECK (warranty_months BETWEEN 0 AND 600),
    ADD COLUMN datasheet_file_id uuid REFERENCES files;
COMMENT ON COLUMN products.asks_quote IS 'The price is told on request (견적); lead time and warranty are then the product''s own';

-- Warranty counts from acceptance (검수), never from shipping.
ALTER TABLE offers
    ADD COLUMN warranty_months        integer CHECK (warranty_months BETWEEN 0 AND 600),
    ADD COLUMN spare_parts_years      integer CHECK (spare_parts_years BETWEEN 0 AND 50),
    ADD COLUMN return_terms_ko        text NOT NULL DEFAULT '',
    ADD COLUMN return_terms_en        text NOT NULL DEFAULT '',
    ADD COLUMN installation_includes  text[] NOT NULL DEFAULT '{}',
    ADD COLUMN installation_excludes  text[] NOT NULL DEFAULT '{}';

-- What a version of a package says beside its bill of materials; frozen with the version.
CREATE TABLE package_facts (
    package_version_id  bigint PRIMARY KEY REFERENCES package_versions,
    return_terms_ko     text NOT NULL DEFAULT '',
    return_terms_en     text NOT NULL DEFAULT '',
    monthly_fee_krw     bigint CHECK (monthly_fee_krw BETWEEN 1 AND 1000000000000),
    contract_months_min integer CHECK (contract_months_min BETWEEN 0 AND 600),
    data_location       text CHECK (data_location ~ '^[A-Z]{2}$'),
    exit_terms_ko       text NOT NULL DEFAULT '',
    exit_terms_en       text NOT NULL DEFAULT '',
    saved_kwh_per_year  integer CHECK (saved_kwh_per_year BETWEEN 0 AND 1000000000),
    fems_product_id     bigint REFERENCES products,
    ess_product_id      bigint REFERENCES products,
    courses_ko          text[] NOT NULL DEFAULT '{}',
    courses_en          text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE package_facts IS 'A row is written in the transaction that makes its version, and not changed after';

CREATE TABLE bom_alternatives (
    package_version_id bigint NOT NULL,
    line_no            smallint NOT NULL,
    product_id         bigint NOT NULL REFERENCES products,
    PRIMARY KEY (package_version_id, line_no, product_id),
    FOREIGN KEY (package_version_id, line_no) REFERENCES bom_lines
);
CREATE INDEX bom_alternatives_by_product ON bom_alternatives (product_id);
GRANT DELETE ON bom_alternatives TO marketplace_app;

-- A file that renews the bill of materials says nothing of these facts: the version before hands them on.
CREATE FUNCTION hand_package_facts_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_facts
        (package_version_id, return_terms_ko, return_terms_en, monthly_fee_krw, contract_months_min, data_location,
         exit_terms_ko, exit_terms_en, saved_kwh_per_year, fems_product_id, ess_product_id, courses_ko, courses_en)
    SELECT c.id, f.return_terms_ko, f.return_terms_en, f.monthly_fee_krw, f.contract_months_min, f.data_location,
           f.exit_terms_ko, f.exit_terms_en, f.saved_kwh_per_year, f.fems_product_id, f.ess_product_id, f.courses_ko,
           f.courses_en
    FROM changed c
    JOIN package_versions b ON b.package_model_id = c.package_model_id AND b.version = c.version - 1
    JOIN package_facts f ON f.package_version_id = b.id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER package_versions_hand_facts_on AFTER INSERT ON package_versions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION hand_package_facts_on();

-- Alternatives follow their component: the same product in the same slot of the next version.
CREATE FUNCTION hand_bom_alternatives_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bom_alternatives (package_version_id, line_no, product_id)
    SELECT DISTINCT c.package_version_id, c.line_no, a.product_id
    FROM changed c
    JOIN package_versions n ON n.id = c.package_version_id
    JOIN package_versions b ON b.package_model_id = n.package_model_id AND b.version = n.version - 1
    JOIN bom_lines l ON l.package_version_id = b.id AND l.slot = c.slot AND l.product_id = c.product_id
    JOIN bom_alternatives a ON a.package_version_id = l.package_version_id AND a.line_no = l.line_no
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER bom_lines_hand_alternatives_on AFTER INSERT ON bom_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION hand_bom_alternatives_on();

-- A factory where a version of the package runs.
CREATE TABLE reference_factories (
    id               uuid PRIMARY KEY,
    package_model_id bigint NOT NULL REFERENCES package_models,
    version          integer NOT NULL CHECK (version >= 1),
    name_ko          text NOT NULL CHECK (length(name_ko) BETWEEN 1 AND 200),
    name_en          text NOT NULL DEFAULT '',
    region           text,
    industry         text,
    installed_year   integer NOT NULL CHECK (installed_year BETWEEN 1990 AND 2100),
    may_visit        boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at       timestamptz,
    FOREIGN KEY (package_model_id, version) REFERENCES package_versions (package_model_id, version)
);
CREATE INDEX reference_factories_by_package ON reference_factories (package_model_id);

-- Codes of others: numbers and the version of their scheme, never the scheme's own texts.
CREATE TABLE product_codes (
    product_id     bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    scheme         text NOT NULL CONSTRAINT product_codes_scheme_is_known CHECK (scheme IN ('g2b', 'hs', 'gtin', 'eclass')),
    value          text NOT NULL,
    scheme_version text,
    PRIMARY KEY (product_id, scheme)
);
CREATE INDEX product_codes_by_value ON product_codes (scheme, value);
GRANT DELETE ON product_codes TO marketplace_app;

-- 국산 패키지 모델 권장: the coordinator's label, with its reason and its end.
CREATE TABLE recommendations (
    id               uuid PRIMARY KEY,
    package_model_id bigint NOT NULL REFERENCES package_models,
    coordinator_id   bigint NOT NULL REFERENCES organizations,
    reason_ko        text NOT NULL CHECK (length(reason_ko) BETWEEN 1 AND 1000),
    reason_en        text NOT NULL DEFAULT '',
    criteria         text[] NOT NULL CHECK (cardinality(criteria) >= 1),
    verified_bp      integer NOT NULL CHECK (verified_bp BETWEEN 1 AND 10000),
    valid_until      date NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at     timestamptz
);
COMMENT ON COLUMN recommendations.verified_bp IS 'The package''s verified domestic share on the day of the recommendation';
CREATE UNIQUE INDEX recommendations_one_live_per_package ON recommendations (package_model_id) WHERE withdrawn_at IS NULL;
