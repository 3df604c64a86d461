-- Idempotency keys of mutations whose repetition is harmless. See kit/mutation_keys.py.

CREATE TABLE mutation_keys (
    -- the hash of the caller and the key
    key_hash   bytea       PRIMARY KEY,
    -- the hash of the mutation and its input, without secrets
    input_hash bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX mutation_keys_by_age ON mutation_keys (created_at);
