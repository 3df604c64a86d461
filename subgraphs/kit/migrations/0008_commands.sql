-- Commands by id, each accepted once. See kit/commands/log.py.

CREATE TABLE pending_commands (
    command_id     uuid        PRIMARY KEY,
    command_type   text        NOT NULL,
    aggregate_id   uuid,
    -- json, not jsonb: it is what came, unchecked, and jsonb takes no \u0000
    command_data   json        NOT NULL,
    input_hash     bytea       NOT NULL,
    -- whether the caller chose the id, so that it can ask again and will not do it anew under another one
    is_named       boolean     NOT NULL,
    issued_by      text        NOT NULL,
    correlation_id text        NOT NULL,
    status         text        NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    error_code     text,
    error_message  text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX pending_commands_open ON pending_commands (updated_at) WHERE status IN ('pending', 'processing');
CREATE INDEX pending_commands_ended ON pending_commands (updated_at) WHERE status IN ('completed', 'failed');

-- Written in the transaction of the command's effect.
CREATE TABLE processed_commands (
    command_id         uuid             PRIMARY KEY REFERENCES pending_commands ON DELETE CASCADE,
    result_data        jsonb            NOT NULL,
    processing_time_ms double precision NOT NULL,
    completed_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
