-- The steps of sagas that this service was asked for. See kit/idempotency.py.

CREATE TABLE saga_calls (
    saga_id     uuid        NOT NULL,
    step        text        NOT NULL,
    -- begun only inside the transaction that does it
    state       text        NOT NULL CHECK (state IN ('begun', 'done', 'undone', 'tombstone')),
    -- the highest fencing token seen: whoever comes with an older one has lost the saga
    token       bigint      NOT NULL,
    input_hash  bytea,
    result      text,
    undo_result text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (saga_id, step)
);
