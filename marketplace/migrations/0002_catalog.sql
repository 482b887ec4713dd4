-- What is listed: makers, products, package models, offers, origin facts, A/S sites.

CREATE TABLE spec_definitions (
    code       text PRIMARY KEY,
    categories text[] NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('number', 'range', 'enum', 'boolean', 'text')),
    unit       text,
    name_ko    text NOT NULL,
    name_en    text NOT NULL,
    better     text CHECK (better IN ('higher', 'lower')),
    comparable boolean NOT NULL DEFAULT true,
    filterable boolean NOT NULL DEFAULT false,
    choices    text[] NOT NULL DEFAULT '{}',
    position   integer NOT NULL DEFAULT 0
);

CREATE TABLE makers (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL CONSTRAINT makers_name_is_unique UNIQUE,
    name_ko text NOT NULL,
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$')
);
COMMENT ON COLUMN makers.country IS 'The maker''s home country (ISO 3166-1), never the origin of its goods';

CREATE TABLE products (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL CONSTRAINT products_code_is_unique UNIQUE,
    vendor_id    bigint NOT NULL REFERENCES organizations,
    maker_id     bigint NOT NULL REFERENCES makers,
    model        text NOT NULL,
    series       text,
    category     text NOT NULL CHECK (category IN ('software', 'controller', 'sensor', 'robot', 'service')),
    subcategory  text NOT NULL,
    name_ko      text NOT NULL,
    name_en      text NOT NULL,
    summary_ko   text NOT NULL DEFAULT '',
    summary_en   text NOT NULL DEFAULT '',
    verification text NOT NULL CHECK (verification IN ('maker', 'secondary', 'name_only', 'fictional')),
    source_title text,
    source_url   text,
    source_kind  text,
    note         text,
    state        text NOT NULL DEFAULT 'published' CHECK (state IN ('draft', 'published', 'retired')),
    visibility   text NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'members', 'owner')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT products_are_one_per_maker_and_model UNIQUE (maker_id, model)
);
COMMENT ON COLUMN products.vendor_id IS 'The organization that lists the product and may edit it';
CREATE INDEX products_by_vendor ON products (vendor_id);
CREATE INDEX products_by_category ON products (category, subcategory);

-- Exactly one kind of value is set: number, number and number_max (a range), boolean, or text (also enum).
CREATE TABLE product_specs (
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    code       text NOT NULL REFERENCES spec_definitions,
    number     double precision,
    number_max double precision,
    text       text,
    boolean    boolean,
    unit       text,
    shown      text NOT NULL,
    PRIMARY KEY (product_id, code),
    CONSTRAINT product_specs_have_one_value CHECK (num_nonnulls(number, text, boolean) = 1),
    CONSTRAINT product_specs_range_rises CHECK (number_max IS NULL OR number <= number_max)
);
COMMENT ON COLUMN product_specs.number IS 'In the definition''s base unit; `shown` keeps the vendor''s own writing and `unit` its unit';
GRANT DELETE ON product_specs TO marketplace_app;

CREATE TABLE package_models (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL CONSTRAINT package_models_code_is_unique UNIQUE,
    vendor_id    bigint NOT NULL REFERENCES organizations,
    package_type text NOT NULL CHECK (package_type IN ('individual_build', 'cloud', 'clean_energy')),
    name_ko      text NOT NULL,
    name_en      text NOT NULL,
    state        text NOT NULL DEFAULT 'published' CHECK (state IN ('draft', 'published', 'retired')),
    visibility   text NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'members', 'owner')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN package_models.vendor_id IS 'The one responsible vendor (총괄 책임)';
CREATE INDEX package_models_by_vendor ON package_models (vendor_id);

-- A change of content makes a new version; rounds and quotes keep the one they were made with.
CREATE TABLE package_versions (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package_model_id  bigint NOT NULL REFERENCES package_models,
    version           integer NOT NULL CHECK (version >= 1),
    level_from        smallint NOT NULL CHECK (level_from BETWEEN 0 AND 5),
    level_to          smallint NOT NULL CHECK (level_to BETWEEN 1 AND 5),
    industries        text[] NOT NULL,
    summary_ko        text NOT NULL,
    summary_en        text NOT NULL,
    included_ko       text[] NOT NULL DEFAULT '{}',
    included_en       text[] NOT NULL DEFAULT '{}',
    excluded_ko       text[] NOT NULL DEFAULT '{}',
    excluded_en       text[] NOT NULL DEFAULT '{}',
    lead_time_days    integer NOT NULL CHECK (lead_time_days BETWEEN 0 AND 3650),
    warranty_months   integer NOT NULL CHECK (warranty_months BETWEEN 0 AND 600),
    spare_parts_years integer NOT NULL DEFAULT 0 CHECK (spare_parts_years BETWEEN 0 AND 50),
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_current        boolean NOT NULL DEFAULT true,
    CONSTRAINT package_versions_are_numbered UNIQUE (package_model_id, version),
    CONSTRAINT package_versions_levels_rise CHECK (level_from <= level_to)
);
CREATE UNIQUE INDEX package_versions_one_current ON package_versions (package_model_id) WHERE is_current;

CREATE TABLE bom_lines (
    package_version_id bigint NOT NULL REFERENCES package_versions,
    line_no            smallint NOT NULL,
    slot               text NOT NULL CHECK (slot IN ('software', 'controller', 'sensor', 'robot', 'service')),
    product_id         bigint NOT NULL REFERENCES products,
    quantity           integer NOT NULL CHECK (quantity BETWEEN 1 AND 100000),
    PRIMARY KEY (package_version_id, line_no)
);
CREATE INDEX bom_lines_by_product ON bom_lines (product_id);

CREATE TABLE offers (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code                text NOT NULL CONSTRAINT offers_code_is_unique UNIQUE,
    vendor_id           bigint NOT NULL REFERENCES organizations,
    product_id          bigint REFERENCES products,
    package_version_id  bigint REFERENCES package_versions,
    audience            text NOT NULL DEFAULT 'public' CHECK (audience IN ('public', 'members', 'invited')),
    state               text NOT NULL DEFAULT 'published' CHECK (state IN ('draft', 'published', 'retired')),
    list_unit_price_krw bigint NOT NULL CHECK (list_unit_price_krw BETWEEN 1 AND 1000000000000),
    capacity            integer NOT NULL CHECK (capacity BETWEEN 1 AND 1000000),
    pack_size           integer NOT NULL DEFAULT 1 CHECK (pack_size BETWEEN 1 AND 1000000),
    lead_time_days      integer NOT NULL CHECK (lead_time_days BETWEEN 0 AND 3650),
    valid_until         date,
    is_illustrative     boolean NOT NULL DEFAULT false,
    terms_ko            text NOT NULL DEFAULT '',
    terms_en            text NOT NULL DEFAULT '',
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT offers_are_on_one_thing CHECK (num_nonnulls(product_id, package_version_id) = 1)
);
CREATE INDEX offers_by_vendor ON offers (vendor_id);
CREATE INDEX offers_by_product ON offers (product_id);
CREATE INDEX offers_by_package_version ON offers (package_version_id);

CREATE TABLE price_tiers (
    offer_id       bigint NOT NULL REFERENCES offers ON DELETE CASCADE,
    quantity_min   integer NOT NULL CHECK (quantity_min >= 1),
    unit_price_krw bigint NOT NULL CHECK (unit_price_krw BETWEEN 1 AND 1000000000000),
    PRIMARY KEY (offer_id, quantity_min)
);
GRANT DELETE ON price_tiers TO marketplace_app;

-- What a product is worth where nobody offers it alone: the operator's figure, for shares by value only.
CREATE TABLE reference_prices (
    product_id      bigint PRIMARY KEY REFERENCES products,
    unit_price_krw  bigint NOT NULL CHECK (unit_price_krw >= 1),
    is_illustrative boolean NOT NULL DEFAULT false,
    source          text NOT NULL
);
GRANT DELETE ON reference_prices TO marketplace_app;

CREATE TABLE offer_invitations (
    offer_id        bigint NOT NULL REFERENCES offers,
    organization_id bigint NOT NULL REFERENCES organizations,
    PRIMARY KEY (offer_id, organization_id)
);
GRANT DELETE ON offer_invitations TO marketplace_app;

-- Three facts are kept apart: the maker's country (makers), this claim with its evidence, and the content ratio.
CREATE TABLE origin_claims (
    id                  uuid PRIMARY KEY,
    product_id          bigint NOT NULL REFERENCES products,
    organization_id     bigint NOT NULL REFERENCES organizations,
    basis               text NOT NULL CHECK (basis IN ('self_declared', 'origin_certificate', 'direct_production', 'software_rule')),
    country             text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    domestic_content_bp integer CHECK (domestic_content_bp BETWEEN 0 AND 10000),
    evidence_file_id    uuid REFERENCES files,
    evidence_note       text NOT NULL DEFAULT '',
    verified_by         bigint REFERENCES organizations,
    verified_at         timestamptz,
    valid_until         date,
    is_fictional        boolean NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at        timestamptz,
    CONSTRAINT origin_claims_verified_by_someone CHECK ((verified_at IS NULL) = (verified_by IS NULL)),
    CONSTRAINT origin_claims_verified_on_evidence
        CHECK (verified_at IS NULL OR evidence_file_id IS NOT NULL OR is_fictional)
);
CREATE UNIQUE INDEX origin_claims_one_live_per_product ON origin_claims (product_id) WHERE withdrawn_at IS NULL;

CREATE TABLE service_centers (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL CONSTRAINT service_centers_code_is_unique UNIQUE,
    vendor_id    bigint NOT NULL REFERENCES organizations,
    maker_id     bigint NOT NULL REFERENCES makers,
    name_ko      text NOT NULL,
    name_en      text NOT NULL,
    roles        text[] NOT NULL CHECK (roles <@ ARRAY['service', 'repair', 'spare_parts', 'training', 'sales', 'plant', 'headquarters']),
    status       text NOT NULL CHECK (status IN ('planned', 'operating', 'closed')),
    as_of        text,
    country      text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    city         text,
    city_ko      text,
    address      text,
    phone        text,
    latitude     double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude    double precision CHECK (longitude BETWEEN -180 AND 180),
    time_zone    text,
    serves       text[] NOT NULL DEFAULT '{}',
    serves_ko    text[] NOT NULL DEFAULT '{}',
    languages    text[] NOT NULL DEFAULT '{}',
    source_title text,
    source_url   text,
    verification text NOT NULL CHECK (verification IN ('maker', 'secondary')),
    confirmed_at timestamptz,
    note         text,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT service_centers_have_whole_coordinates CHECK ((latitude IS NULL) = (longitude IS NULL))
);
COMMENT ON COLUMN service_centers.vendor_id IS 'The organization that lists the site and may edit it';
COMMENT ON COLUMN service_centers.confirmed_at IS 'When the site''s operator last confirmed the entry; null = never';

-- A factory's need, which rounds and pooling can pick up.
CREATE TABLE demands (
    id                     uuid PRIMARY KEY,
    factory_id             bigint NOT NULL REFERENCES organizations,
    category               text NOT NULL,
    subcategory            text,
    quantity_min           integer NOT NULL CHECK (quantity_min >= 1),
    quantity_max           integer NOT NULL CHECK (quantity_max BETWEEN 1 AND 1000000),
    ceiling_unit_price_krw bigint CHECK (ceiling_unit_price_krw >= 1),
    needed_by              date,
    region                 text,
    note                   text NOT NULL DEFAULT '',
    state                  text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'placed', 'withdrawn')),
    created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT demands_quantity_range CHECK (quantity_min <= quantity_max)
);

-- What became of each file: staged with its report, then applied or refused.
CREATE TABLE imports (
    id              uuid PRIMARY KEY,
    organization_id bigint NOT NULL REFERENCES organizations,
    person_id       bigint REFERENCES people,
    kind            text NOT NULL CHECK (kind IN ('vendors', 'products', 'package-models', 'offers', 'service-centers', 'demands')),
    file_id         uuid REFERENCES files,
    file_name       text NOT NULL,
    state           text NOT NULL CHECK (state IN ('checked', 'applied', 'refused')),
    report          jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at      timestamptz
);
CREATE INDEX imports_by_organization ON imports (organization_id, created_at);
