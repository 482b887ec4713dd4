-- Origin rule results, challenges, spec completeness.
-- Also: standards with their evidence, outcomes of public R&D, and the domestic share frozen on each order.

ALTER TABLE spec_definitions ADD COLUMN required_for text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN spec_definitions.required_for IS
    'Categories or subcategories whose listings are incomplete without this value';

-- A claim may rest on a computation; its figures are the lister's secret, its result is not.
ALTER TABLE origin_claims DROP CONSTRAINT origin_claims_basis_check;
ALTER TABLE origin_claims ADD CONSTRAINT origin_claims_basis_check CHECK (basis IN (
    'self_declared', 'origin_certificate', 'direct_production', 'software_rule', 'value_content'));
ALTER TABLE origin_claims ADD COLUMN computed jsonb;
COMMENT ON COLUMN origin_claims.computed IS
    'What the rule was asked and what it answered (catalog/core/origin_rule.py); for the lister and the coordinator only';
ALTER TABLE origin_claims ADD CONSTRAINT origin_claims_value_content_is_computed
    CHECK (basis <> 'value_content' OR computed IS NOT NULL);

CREATE TABLE origin_challenges (
    id               uuid PRIMARY KEY,
    claim_id         uuid NOT NULL REFERENCES origin_claims,
    organization_id  bigint NOT NULL REFERENCES organizations,
    person_id        bigint REFERENCES people,
    reason           text NOT NULL CHECK (length(reason) BETWEEN 10 AND 2000),
    evidence_file_id uuid REFERENCES files,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    decision         text CHECK (decision IN ('upheld', 'dismissed')),
    decided_by       bigint REFERENCES organizations,
    decided_at       timestamptz,
    decision_note    text NOT NULL DEFAULT '',
    CONSTRAINT origin_challenges_decided_by_someone CHECK (
        num_nonnulls(decision, decided_by, decided_at) IN (0, 3))
);
CREATE UNIQUE INDEX origin_challenges_one_open_per_organization
    ON origin_challenges (claim_id, organization_id) WHERE decided_at IS NULL;

CREATE FUNCTION mark_challenged_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_products_and_packages_dirty(ARRAY(
        SELECT c.product_id FROM changed x JOIN origin_claims c ON c.id = x.claim_id));
    RETURN NULL;
END $$;
CREATE TRIGGER origin_challenges_dirty_insert AFTER INSERT ON origin_challenges REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_challenged_dirty();
CREATE TRIGGER origin_challenges_dirty_update AFTER UPDATE ON origin_challenges REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_challenged_dirty();

-- The one place where a live claim becomes JSON: a verification that has lapsed leaves no trace of being one.
CREATE VIEW live_origin_claims AS
SELECT c.product_id, json_build_object(
    'id', c.id, 'basis', c.basis, 'country', c.country, 'domestic_content_bp', c.domestic_content_bp,
    'has_evidence', c.evidence_file_id IS NOT NULL, 'evidence_note', c.evidence_note,
    'verified_at', CASE WHEN NOT lapsed.is_expired THEN c.verified_at END,
    'verifier_ko', CASE WHEN NOT lapsed.is_expired THEN w.name_ko END,
    'verifier_en', CASE WHEN NOT lapsed.is_expired THEN w.name_en END,
    'valid_until', c.valid_until, 'is_expired', lapsed.is_expired,
    'is_challenged', EXISTS (SELECT FROM origin_challenges x WHERE x.claim_id = c.id AND x.decided_at IS NULL),
    'is_fictional', c.is_fictional) AS origin
FROM origin_claims c
CROSS JOIN LATERAL (SELECT c.valid_until IS NOT NULL
    AND c.valid_until < (statement_timestamp() AT TIME ZONE 'Asia/Seoul')::date AS is_expired) lapsed
LEFT JOIN organizations w ON w.id = c.verified_by
WHERE c.withdrawn_at IS NULL;
REVOKE INSERT, UPDATE ON live_origin_claims FROM marketplace_app;

-- That a product speaks a protocol or follows a model, and on whose word.
CREATE TABLE product_standards (
    product_id       bigint NOT NULL REFERENCES products,
    standard         text NOT NULL,
    evidence         text NOT NULL CHECK (evidence IN ('declared', 'test_report', 'certificate')),
    reference        text NOT NULL DEFAULT '',
    issuer           text NOT NULL DEFAULT '',
    valid_until      date,
    evidence_file_id uuid REFERENCES files,
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (product_id, standard),
    CONSTRAINT product_standards_conform_on_paper CHECK (
        evidence = 'declared' OR (reference <> '' AND issuer <> ''))
);
COMMENT ON COLUMN product_standards.standard IS 'A code of catalog/core/standard.py';
GRANT DELETE ON product_standards TO marketplace_app;

-- What came out of public R&D (S19): only with its project number and a document.
CREATE TABLE research_outcomes (
    product_id       bigint PRIMARY KEY REFERENCES products,
    project_id       text NOT NULL CHECK (length(project_id) BETWEEN 3 AND 60),
    program_ko       text NOT NULL,
    program_en       text NOT NULL DEFAULT '',
    document_title   text NOT NULL CHECK (document_title <> ''),
    document_file_id uuid NOT NULL REFERENCES files,
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT DELETE ON research_outcomes TO marketplace_app;

-- The domestic share of an order as it was when the round cleared; later claims never change it.
CREATE TABLE allocation_shares (
    allocation_id uuid PRIMARY KEY REFERENCES allocations,
    verified_bp   integer CHECK (verified_bp BETWEEN 0 AND 10000),
    claimed_bp    integer CHECK (claimed_bp BETWEEN 0 AND 10000),
    goods_krw     bigint CHECK (goods_krw >= 1),
    service_krw   bigint CHECK (service_krw >= 0),
    frozen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT allocation_shares_are_whole_or_unknown
        CHECK (num_nonnulls(verified_bp, claimed_bp, goods_krw, service_krw) IN (0, 4)),
    CONSTRAINT allocation_shares_rise CHECK (verified_bp <= claimed_bp)
);
COMMENT ON COLUMN allocation_shares.verified_bp IS 'Null = the value of a part was not known';
REVOKE UPDATE ON allocation_shares FROM marketplace_app;
