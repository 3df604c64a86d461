-- users: accounts, their profiles, and the attempts to log in.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    username      varchar(50)  NOT NULL,
    email         varchar(255) NOT NULL,
    password_hash text         NOT NULL, -- argon2id, as argon2-cffi writes it: $argon2id$v=19$m=...
    user_type     text         NOT NULL CHECK (user_type IN ('client', 'musician', 'admin')),
    is_active     boolean      NOT NULL DEFAULT true,
    created_at    timestamptz  NOT NULL DEFAULT now(),
    updated_at    timestamptz  NOT NULL DEFAULT now()
);

-- A name is one person's however it is capitalised, and so is an address.
CREATE UNIQUE INDEX users_username_unique ON users (lower(username));
CREATE UNIQUE INDEX users_email_unique ON users (lower(email));

-- The list (newest first), with and without the type; the search in names.
CREATE INDEX users_newest ON users (created_at, id);
CREATE INDEX users_newest_of_type ON users (user_type, created_at, id);
CREATE INDEX users_username_search ON users USING gin (lower(username) gin_trgm_ops);

CREATE TABLE user_profiles (
    user_id             uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    first_name          varchar(100),
    last_name           varchar(100),
    phone               varchar(32),
    date_of_birth       date,
    profile_picture_url text,
    preferences         jsonb NOT NULL DEFAULT '{}',
    -- where other stores keep this profile; filled by the synchronisation
    profile_document_id text,
    search_index_id     text,
    cache_key           text,
    last_sync_at        timestamptz
);

-- Attempts to log in that have not succeeded, by what they are counted for: an account, an address, or both.
CREATE TABLE login_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject      text        NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX login_attempts_by_subject ON login_attempts (subject, attempted_at);
CREATE INDEX login_attempts_by_time ON login_attempts (attempted_at);
