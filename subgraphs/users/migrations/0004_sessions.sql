-- Sessions (a log-in on a device, until it ends), their refresh tokens, and what is revoked because of their end.

CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    device       varchar(100) NOT NULL,
    -- the network address of the log-in, by which the client is known
    address      text,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    end_reason   text CHECK (end_reason IN ('log_out', 'ended', 'password', 'closed', 'reused')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);

CREATE INDEX sessions_of_user ON sessions (user_id, last_used_at);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- One row per refresh token; a used one stays until its session expires, so that a second use is noticed.
CREATE TABLE refresh_tokens (
    token_hash        bytea PRIMARY KEY, -- SHA-256; the token itself has 256 random bits
    session_id        uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    used_at           timestamptz,
    -- the access token that was issued with it
    access_token_id   text        NOT NULL,
    access_expires_at timestamptz NOT NULL
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

-- What a background task writes into Redis, for services and gateways: an access token, or all of a user until a time.
CREATE TABLE token_revocations (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_id     text,
    user_id      uuid,
    before       timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    published_at timestamptz,
    CHECK (num_nonnulls(token_id, user_id) = 1)
);

CREATE INDEX token_revocations_to_publish ON token_revocations (id) WHERE published_at IS NULL;
CREATE INDEX token_revocations_expired ON token_revocations (expires_at);

-- Devices from which a user has logged in, known by a token that they keep when they log out.
CREATE TABLE known_devices (
    id           uuid PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash   bytea       NOT NULL UNIQUE,
    last_used_at timestamptz NOT NULL
);

CREATE INDEX known_devices_of_user ON known_devices (user_id, last_used_at);

-- An account that somebody closes, or gives another role, at the database's prompt: its tokens end, too. The service
-- writes its own revocation in the same transaction, before the trigger runs at the commit.
CREATE FUNCTION tokens_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM token_revocations WHERE user_id = new.id AND xmin = pg_current_xact_id()::xid) THEN
        RETURN NULL;
    END IF;
    INSERT INTO token_revocations (user_id, before, expires_at)
    VALUES (new.id, clock_timestamp(), clock_timestamp() + interval '9 hours');
    IF NOT new.is_active THEN
        UPDATE sessions SET ended_at = clock_timestamp(), end_reason = 'closed'
        WHERE user_id = new.id AND ended_at IS NULL;
        PERFORM tell_from_outside(
            gen_random_uuid(), 'user', new.id, 'AccountClosed',
            jsonb_build_object('user_id', new.id, 'username', new.username, 'user_type', new.user_type,
                'closed_by', NULL),
            0
        );
    END IF;
    RETURN NULL;
END
$$;

-- The name sorts behind `told`: the change of the account is published before its end.
CREATE CONSTRAINT TRIGGER told_tokens_end AFTER UPDATE OF is_active, user_type ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (old.user_type <> new.user_type OR (old.is_active AND NOT new.is_active))
    EXECUTE FUNCTION tokens_end();
