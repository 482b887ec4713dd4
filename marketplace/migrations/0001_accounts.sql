-- Who acts, and what is written down about it.
-- The application connects as `marketplace_app`, a role that owns nothing: it cannot change the schema,
-- rewrite an event, or delete money. Migrations run as the owner of the database.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'marketplace_app') THEN
        CREATE ROLE marketplace_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- roles belong to the cluster: another database of it was migrated in the same moment
END
$$;
DO $$
BEGIN
    EXECUTE format('GRANT marketplace_app TO %I', current_user);
EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
    NULL;
END
$$;
GRANT USAGE ON SCHEMA public TO marketplace_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE ON TABLES TO marketplace_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO marketplace_app;

CREATE TABLE organizations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            text NOT NULL CONSTRAINT organizations_code_is_unique UNIQUE,
    kind            text NOT NULL CHECK (kind IN ('factory', 'vendor', 'coordinator', 'partner')),
    name_ko         text NOT NULL,
    name_en         text NOT NULL,
    business_number text,
    region          text,
    industry        text,
    size            text CHECK (size IN ('small', 'medium', 'large')),
    homepage        text,
    introduction_ko text,
    introduction_en text,
    state           text NOT NULL DEFAULT 'active' CHECK (state IN ('pending', 'active', 'suspended', 'terminated')),
    is_fictional    boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE people (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL CONSTRAINT people_email_is_unique UNIQUE CHECK (email = lower(email)),
    name          text NOT NULL,
    password_hash text NOT NULL,
    locale        text NOT NULL DEFAULT 'ko' CHECK (locale IN ('ko', 'en')),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    disabled_at   timestamptz
);

CREATE TABLE memberships (
    person_id       bigint NOT NULL REFERENCES people,
    organization_id bigint NOT NULL REFERENCES organizations,
    role            text NOT NULL CHECK (role IN ('buyer', 'approver', 'lister', 'finance', 'operator', 'admin')),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (person_id, organization_id, role)
);

-- The token itself is only in the browser's cookie; here is its SHA-256.
CREATE TABLE sessions (
    token_sha256    bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    person_id       bigint NOT NULL REFERENCES people,
    organization_id bigint NOT NULL REFERENCES organizations,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at      timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
GRANT DELETE ON sessions TO marketplace_app;

-- Counts of attempts in a fixed window, shared by all workers; losing it in a crash is harmless.
CREATE UNLOGGED TABLE rate_limits (
    key           text NOT NULL,
    window_starts timestamptz NOT NULL,
    attempts      integer NOT NULL,
    PRIMARY KEY (key, window_starts)
);
GRANT DELETE ON rate_limits TO marketplace_app;

-- Append-only: the application may insert and read, and set `seal_id` once when a batch is sealed.
CREATE TABLE event_seals (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_count     integer NOT NULL CHECK (event_count > 0),
    previous_sha256 bytea,
    sha256          bytea NOT NULL CONSTRAINT event_seals_chain_does_not_fork UNIQUE,
    sealed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT event_seals_have_one_successor UNIQUE NULLS NOT DISTINCT (previous_sha256)
);
REVOKE UPDATE ON event_seals FROM marketplace_app;

CREATE TABLE events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind            text NOT NULL,
    subject         text NOT NULL,
    subject_id      text NOT NULL,
    person_id       bigint,
    organization_id bigint,
    data            jsonb NOT NULL DEFAULT '{}',
    seal_id         bigint REFERENCES event_seals
);
CREATE INDEX events_by_subject ON events (subject, subject_id, id);
CREATE INDEX events_unsealed ON events (id) WHERE seal_id IS NULL;
REVOKE UPDATE ON events FROM marketplace_app;
GRANT UPDATE (seal_id) ON events TO marketplace_app;

-- What a seal covers of one event: everything but the seal itself.
CREATE FUNCTION event_digest(event events) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        event.id, extract(epoch FROM event.at), event.kind, event.subject, event.subject_id,
        event.person_id, event.organization_id, event.data)::text, 'UTF8'))
$$;

-- Outbox of messages to people: a worker takes due rows; a row without `sent_at` is still owed.
CREATE TABLE notifications (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id bigint NOT NULL REFERENCES organizations,
    kind            text NOT NULL,
    data            jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until    timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    read_at         timestamptz,
    last_error      text
);
CREATE INDEX notifications_due ON notifications (due_at) WHERE sent_at IS NULL;
CREATE INDEX notifications_by_organization ON notifications (organization_id, id);

-- Uploaded files: contents once per SHA-256, one row per upload for its owner.
CREATE TABLE file_contents (
    sha256  bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    content bytea NOT NULL
);
CREATE TABLE files (
    id              uuid PRIMARY KEY,
    sha256          bytea NOT NULL REFERENCES file_contents,
    organization_id bigint NOT NULL REFERENCES organizations,
    person_id       bigint REFERENCES people,
    name            text NOT NULL,
    media_type      text NOT NULL,
    size_bytes      bigint NOT NULL CHECK (size_bytes >= 0),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at      timestamptz
);
CREATE INDEX files_by_organization ON files (organization_id, created_at);
GRANT DELETE ON files, file_contents TO marketplace_app;
