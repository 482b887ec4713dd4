-- Onboarding, change requests, questions and answers.

ALTER TABLE organizations
    ADD COLUMN contact_email    text,
    ADD COLUMN contact_phone    text,
    ADD COLUMN state_reason     text,
    ADD COLUMN state_changed_at timestamptz,
    ADD COLUMN action_needed_at timestamptz;
COMMENT ON COLUMN organizations.action_needed_at IS
    'Since when a requirement of an active vendor is not met any more; its listings are labelled, and it publishes nothing new';
CREATE INDEX organizations_by_business_number ON organizations (business_number);

-- The checklist. The rule of a computed requirement is a name that code knows; a name it does not know is never met.
CREATE TABLE requirements (
    key           text PRIMARY KEY CHECK (key ~ '^[a-z][a-z0-9_]{1,39}$'),
    kind          text NOT NULL CONSTRAINT requirements_kind_is_known CHECK (kind IN ('computed', 'attested', 'verified')),
    rule          text,
    name_ko       text NOT NULL,
    name_en       text NOT NULL,
    help_ko       text NOT NULL DEFAULT '',
    help_en       text NOT NULL DEFAULT '',
    is_required   boolean NOT NULL DEFAULT true,
    needs_file    boolean NOT NULL DEFAULT false,
    valid_months  integer CHECK (valid_months BETWEEN 1 AND 120),
    required_from date NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date,
    position      integer NOT NULL DEFAULT 100,
    retired_at    timestamptz,
    CONSTRAINT requirements_computed_ones_have_a_rule CHECK ((kind = 'computed') = (rule IS NOT NULL))
);
COMMENT ON COLUMN requirements.required_from IS
    'From this day on a missing answer lowers vendors that are active already; approval asks for it at once';

CREATE TABLE requirement_answers (
    id              uuid PRIMARY KEY,
    vendor_id       bigint NOT NULL REFERENCES organizations,
    requirement_key text NOT NULL REFERENCES requirements,
    state           text NOT NULL CONSTRAINT requirement_answers_state_is_known
                    CHECK (state IN ('submitted', 'attested', 'verified', 'rejected', 'waived')),
    file_id         uuid REFERENCES files,
    note            text NOT NULL DEFAULT '',
    reason          text,
    valid_until     date,
    person_id       bigint REFERENCES people,
    decided_by      bigint REFERENCES organizations,
    decided_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    superseded_at   timestamptz,
    CONSTRAINT requirement_answers_are_decided_by_somebody CHECK (
        (state IN ('verified', 'rejected', 'waived')) = (decided_by IS NOT NULL)
        AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT requirement_answers_nobody_decides_their_own CHECK (decided_by <> vendor_id),
    CONSTRAINT requirement_answers_give_a_reason CHECK (state NOT IN ('rejected', 'waived') OR length(reason) > 0)
);
CREATE UNIQUE INDEX requirement_answers_one_waits ON requirement_answers (vendor_id, requirement_key)
    WHERE state = 'submitted' AND superseded_at IS NULL;
CREATE UNIQUE INDEX requirement_answers_one_stands ON requirement_answers (vendor_id, requirement_key)
    WHERE state IN ('attested', 'verified', 'waived') AND superseded_at IS NULL;

INSERT INTO requirements (key, kind, rule, name_ko, name_en, help_ko, help_en, is_required, needs_file, valid_months,
                          required_from, position)
SELECT key, kind, rule, name_ko, name_en, help_ko, help_en, is_required, needs_file, valid_months,
       (clock_timestamp() AT TIME ZONE 'Asia/Seoul')::date + 90, position
FROM (VALUES
    ('business_number', 'computed', 'business_number', '사업자등록번호', 'Business registration number',
     '검증번호가 맞는 10자리 번호', 'Ten digits with a right check digit', true, false, NULL::integer, 10),
    ('contact', 'computed', 'contact', '담당자 연락처', 'Contact', '이메일과 전화번호', 'E-mail and telephone', true, false, NULL, 20),
    ('introduction', 'computed', 'introduction', '기업 소개', 'Introduction', '구매기업이 보는 소개 글',
     'What buyers read about you', true, false, NULL, 30),
    ('market_terms', 'attested', NULL, '판매 약관 동의', 'Terms of the market',
     '거짓 원산지 표시를 하지 않고 질문에 답하며 보증 책임을 집니다.',
     'You make no false origin claims, answer questions and stand by your warranty.', true, false, 24, 40),
    ('business_certificate', 'verified', NULL, '사업자등록증', 'Certificate of business registration',
     'PDF 사본. 사무국이 번호와 상호를 대조합니다.', 'A PDF copy. The office compares number and name.', true, true, NULL, 50),
    ('liability_insurance', 'verified', NULL, '생산물배상책임보험', 'Product liability insurance',
     '있으면 증권 사본을 올려 주세요. 구매기업에 안심이 됩니다.', 'If you have it, bring a copy of the policy: buyers feel safer.',
     false, true, 12, 60)
) AS shipped (key, kind, rule, name_ko, name_en, help_ko, help_en, is_required, needs_file, valid_months, position);

-- A published listing is not rewritten silently: what is not exempt waits for the coordinator as a difference.
CREATE TABLE exempt_fields (
    kind  text NOT NULL CHECK (kind IN ('products', 'package-models', 'offers')),
    field text NOT NULL,
    PRIMARY KEY (kind, field)
);
GRANT DELETE ON exempt_fields TO marketplace_app;
INSERT INTO exempt_fields (kind, field) VALUES
    ('products', 'note'), ('products', 'summary_en'), ('products', 'name_en'), ('products', 'lead_time_days'),
    ('products', 'datasheet'), ('offers', 'capacity'), ('offers', 'valid_until'), ('offers', 'terms_en'),
    ('package-models', 'courses_ko'), ('package-models', 'courses_en');

CREATE TABLE change_requests (
    id         uuid PRIMARY KEY,
    vendor_id  bigint NOT NULL REFERENCES organizations,
    person_id  bigint REFERENCES people,
    kind       text NOT NULL CHECK (kind IN ('products', 'package-models', 'offers')),
    code       text NOT NULL,
    before     jsonb NOT NULL,
    after      jsonb NOT NULL,
    state      text NOT NULL DEFAULT 'pending' CONSTRAINT change_requests_state_is_known
               CHECK (state IN ('pending', 'approved', 'declined', 'withdrawn')),
    reason     text,
    decided_by bigint REFERENCES organizations,
    decided_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT change_requests_decisions_have_a_maker CHECK (
        (state IN ('approved', 'declined')) = (decided_by IS NOT NULL)),
    CONSTRAINT change_requests_declines_have_a_reason CHECK (state <> 'declined' OR length(reason) > 0)
);
COMMENT ON COLUMN change_requests.after IS 'Changed fields as a file would hold them; `before` has the same keys';
CREATE UNIQUE INDEX change_requests_one_pending_per_listing ON change_requests (kind, code) WHERE state = 'pending';
CREATE INDEX change_requests_by_vendor ON change_requests (vendor_id, created_at);

-- What somebody typed and has not published: kept as typed, right or wrong.
CREATE TABLE listing_drafts (
    id         uuid PRIMARY KEY,
    vendor_id  bigint NOT NULL REFERENCES organizations,
    person_id  bigint REFERENCES people,
    kind       text NOT NULL CHECK (kind IN ('products', 'package-models', 'offers')),
    code       text,
    fields     jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN listing_drafts.code IS 'The listing that is being edited; null = a new one';
CREATE UNIQUE INDEX listing_drafts_one_per_listing ON listing_drafts (vendor_id, kind, code);
CREATE INDEX listing_drafts_by_vendor ON listing_drafts (vendor_id, updated_at);
GRANT DELETE ON listing_drafts TO marketplace_app;

-- One thread per offer (or per product that is sold on quote). Answered questions are public, without the asker's name.
CREATE TABLE questions (
    id          uuid PRIMARY KEY,
    offer_id    bigint REFERENCES offers,
    product_id  bigint REFERENCES products,
    asker_id    bigint NOT NULL REFERENCES organizations,
    person_id   bigint REFERENCES people,
    text        text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    answer      text CHECK (length(answer) BETWEEN 1 AND 4000),
    answered_at timestamptz,
    hidden_at   timestamptz,
    CONSTRAINT questions_are_on_one_thing CHECK (num_nonnulls(offer_id, product_id) = 1),
    CONSTRAINT questions_answers_have_a_time CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE INDEX questions_by_offer ON questions (offer_id, created_at);
CREATE INDEX questions_by_product ON questions (product_id, created_at);
CREATE INDEX questions_by_asker ON questions (asker_id, created_at);

CREATE INDEX notifications_unread ON notifications (organization_id) WHERE read_at IS NULL;
