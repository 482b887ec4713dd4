-- Papers: what a purchase is asked for, ordered, delivered and accepted with. Append-only: an issued paper never changes.

-- The words that the coordinator puts on papers of a kind, in both languages; the newest version goes on new papers.
CREATE TABLE paper_texts (
    kind      text NOT NULL CONSTRAINT paper_texts_kind_is_known CHECK (kind IN (
        'quotation', 'comparison', 'approval', 'contract', 'delivery', 'inspection')),
    version   integer NOT NULL CHECK (version >= 1),
    intro_ko  text NOT NULL CHECK (length(intro_ko) <= 1000),
    intro_en  text NOT NULL CHECK (length(intro_en) <= 1000),
    terms_ko  text NOT NULL CHECK (length(terms_ko) <= 4000),
    terms_en  text NOT NULL CHECK (length(terms_en) <= 4000),
    footer_ko text NOT NULL CHECK (length(footer_ko) <= 1000),
    footer_en text NOT NULL CHECK (length(footer_en) <= 1000),
    person_id bigint REFERENCES people,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, version)
);
REVOKE UPDATE ON paper_texts FROM marketplace_app;

INSERT INTO paper_texts (kind, version, intro_ko, intro_en, terms_ko, terms_en, footer_ko, footer_en) VALUES
('quotation', 1, '아래와 같이 견적합니다.', 'We quote as follows.',
 '단가는 한 번에 혼자 살 때의 값입니다. 함께 살 때의 단가는 공동구매 회차가 성사되어야 적용됩니다.',
 'The unit price is that of a purchase alone. Prices of buying together apply only where a round clears.',
 '공개된 공급 조건에 따라 발행한 견적서입니다.', 'Issued from the published terms of the offer.'),
('comparison', 1, '같은 기준으로 견줄 수 있게 정리했습니다.', 'Set side by side on the same basis.', '', '',
 '값은 발행한 때에 등록되어 있던 것이며, ‘알 수 없음’은 공급기업이 밝히지 않은 항목입니다.',
 'Values are those listed at the time of issue; “Unknown” is what the vendor has not stated.'),
('approval', 1, '아래와 같이 구매하고자 하오니 재가하여 주시기 바랍니다.', 'Approval is requested for the purchase below.', '', '',
 '금액은 회차의 고정된 조건으로 계산했습니다. 단가와 수량은 회차가 마감될 때 정해집니다.',
 'Amounts follow from the frozen terms of the round. Price and quantity are set when the round closes.'),
('contract', 1, '구매기업(갑)과 공급기업(을)은 아래 조건으로 물품을 사고팔기로 합니다.',
 'The buyer and the vendor agree to the sale of the goods below.',
 E'1. 을은 계약 납기까지 물품을 갑의 사업장에 납품하고 설치·시운전을 마칩니다.\n2. 갑은 시운전을 마친 물품을 위의 검수 기준에 따라 검수하고 합격 또는 불합격을 알립니다. 불합격한 물품은 을이 자기 비용으로 바꾸거나 고쳐 다시 검수를 받습니다.\n3. 무상 보증은 검수에 합격한 날부터 시작합니다.\n4. 지체상금은 위의 요율로 계산하며, 두 기업이 금액에 합의한 때에 적용합니다.\n5. 이 계약에 적지 않은 것은 관계 법령과 상관례에 따릅니다.',
 E'1. The vendor delivers the goods to the buyer''s site by the due day and installs and commissions them.\n2. The buyer inspects what was commissioned by the criteria above and accepts or rejects it. The vendor replaces or repairs rejected goods at its own cost for another inspection.\n3. The warranty begins on the day of acceptance.\n4. The penalty for late delivery is computed at the rate above and applies once both companies agree on the amount.\n5. What is not written here follows the law and commercial practice.',
 '서명·날인한 뒤 PDF로 올려 보관합니다. 이 시장은 전자서명을 하지 않습니다.',
 'Sign or seal, then keep the signed PDF here. This market offers no electronic signature.'),
('delivery', 1, '아래와 같이 납품했습니다.', 'Delivered as follows.', '', '',
 '세금계산서를 대신하지 않습니다.', 'This is not a tax invoice.'),
('inspection', 1, '납품받은 물품을 아래와 같이 검수했습니다.', 'The goods delivered were inspected as follows.', '', '',
 '검수 결과는 주문의 진행 기록과 같습니다.', 'The results are those recorded in the order.');

CREATE TABLE papers (
    id             uuid PRIMARY KEY,
    kind           text NOT NULL CONSTRAINT papers_kind_is_known CHECK (kind IN (
        'quotation', 'comparison', 'approval', 'contract', 'delivery', 'inspection')),
    year           integer NOT NULL,
    serial         integer NOT NULL CHECK (serial >= 1),
    version        integer NOT NULL CHECK (version >= 1),
    number         text NOT NULL,
    subject        text NOT NULL CONSTRAINT papers_subject_is_known CHECK (subject IN ('pledge', 'order', 'offer', 'comparison')),
    subject_id     text NOT NULL CHECK (length(subject_id) BETWEEN 1 AND 1000),
    owner_id       bigint NOT NULL REFERENCES organizations,
    other_id       bigint REFERENCES organizations,
    coordinator_id bigint REFERENCES organizations,
    text_version   integer NOT NULL,
    supply_krw     bigint,
    vat_krw        bigint,
    total_krw      bigint,
    data           jsonb NOT NULL,
    html_ko        text NOT NULL CHECK (octet_length(html_ko) <= 524288),
    html_en        text NOT NULL CHECK (octet_length(html_en) <= 524288),
    person_id      bigint NOT NULL REFERENCES people,
    issued_by      bigint NOT NULL REFERENCES organizations,
    issued_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (kind, text_version) REFERENCES paper_texts (kind, version),
    CONSTRAINT papers_are_numbered_once UNIQUE (kind, year, serial, version),
    CONSTRAINT papers_number_and_version_are_unique UNIQUE (number, version),
    CONSTRAINT papers_of_a_subject_are_versions UNIQUE (kind, subject, subject_id, owner_id, version),
    CONSTRAINT papers_add_up CHECK (num_nulls(supply_krw, vat_krw, total_krw) IN (0, 3) AND total_krw = supply_krw + vat_krw)
);
CREATE INDEX papers_by_owner ON papers (owner_id, issued_at DESC);
CREATE INDEX papers_by_other ON papers (other_id, issued_at DESC);
CREATE INDEX papers_by_coordinator ON papers (coordinator_id, issued_at DESC);
CREATE INDEX papers_by_issuer ON papers (issued_by, issued_at);
COMMENT ON TABLE papers IS 'A paper as it was issued: its figures and what was written of them, in both languages';
COMMENT ON COLUMN papers.id IS 'Made by the client: the same press of a button twice is one paper';
COMMENT ON COLUMN papers.number IS 'Its kind, year and serial number; the same for all versions';
COMMENT ON COLUMN papers.owner_id IS 'Whose paper it is; with other_id and coordinator_id those who may read it';
REVOKE UPDATE ON papers FROM marketplace_app;

-- The signed copies that its parties bring of a contract.
CREATE TABLE paper_files (
    paper_id uuid NOT NULL REFERENCES papers,
    file_id  uuid NOT NULL REFERENCES files,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (paper_id, file_id)
);
REVOKE UPDATE ON paper_files FROM marketplace_app;
