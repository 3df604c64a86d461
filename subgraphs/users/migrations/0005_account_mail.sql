-- E-mail with a token for the user of an account: to confirm the address, or to choose a new password.

ALTER TABLE users ADD COLUMN email_confirmed_at timestamptz;

CREATE TABLE account_mail (
    id         uuid PRIMARY KEY,
    -- null: somebody asked for an address that no account has; the row exists so that both cases take the same work
    user_id    uuid REFERENCES users ON DELETE CASCADE,
    kind       text        NOT NULL CHECK (kind IN ('confirm_email', 'reset_password')),
    email      varchar(255) NOT NULL,
    token_hash bytea       NOT NULL UNIQUE, -- SHA-256; the token is computed from the id and the service's key
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE INDEX account_mail_of_user ON account_mail (user_id, kind);
CREATE INDEX account_mail_expired ON account_mail (expires_at);
