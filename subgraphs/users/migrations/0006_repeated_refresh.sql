-- The hash of the idempotency key with which a refresh token was used: its client may repeat the use at once.

ALTER TABLE refresh_tokens ADD COLUMN used_with bytea;
