-- The journal of sagas. Every statement can be run again.

CREATE TABLE IF NOT EXISTS sagas (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    saga_type       text        NOT NULL,
    version         integer     NOT NULL,
    status          text        NOT NULL DEFAULT 'started' CHECK (status IN (
                        'started', 'in_progress', 'completed', 'failed', 'compensating', 'compensated',
                        'compensation_failed', 'cancelled')),
    cancelled       boolean     NOT NULL DEFAULT false,
    current_step    integer     NOT NULL DEFAULT 0,
    total_steps     integer     NOT NULL,
    data            jsonb       NOT NULL,
    idempotency_key text        NOT NULL,
    input_digest    bytea       NOT NULL,
    created_by      text        NOT NULL DEFAULT '',
    correlation_id  text        NOT NULL DEFAULT '',
    error_message   text,
    error_code      text,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at    timestamptz,
    deadline_at     timestamptz,
    -- when it goes on; null while it rests
    wake_at         timestamptz DEFAULT clock_timestamp(),
    lease_owner     text,
    lease_until     timestamptz,
    -- rises whenever the saga changes hands: what was written under an older one does not count
    fencing_token   bigint      NOT NULL DEFAULT 0,
    UNIQUE (saga_type, idempotency_key)
);
CREATE INDEX IF NOT EXISTS sagas_due ON sagas (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS sagas_newest ON sagas (started_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS sagas_status ON sagas (status, started_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS saga_steps (
    saga_id           uuid    NOT NULL REFERENCES sagas (id),
    step_number       integer NOT NULL,
    name              text    NOT NULL,
    service_name      text    NOT NULL,
    operation         text    NOT NULL,
    status            text    NOT NULL DEFAULT 'pending' CHECK (status IN (
                          'pending', 'in_progress', 'completed', 'failed', 'compensating', 'compensated',
                          'compensation_failed', 'skipped')),
    attempts          integer NOT NULL DEFAULT 0,
    failures          integer NOT NULL DEFAULT 0,
    uncertain         boolean NOT NULL DEFAULT false,
    request_data      jsonb,
    response_data     jsonb,
    compensation_data jsonb,
    error_message     text,
    started_at        timestamptz,
    completed_at      timestamptz,
    PRIMARY KEY (saga_id, step_number)
);

-- Each attempt, and each word of an operator (direction retry, skip, compensate or cancel): the log that is never changed.
CREATE TABLE IF NOT EXISTS saga_attempts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    saga_id       uuid        NOT NULL REFERENCES sagas (id),
    step_number   integer,
    direction     text        NOT NULL,
    attempt       integer     NOT NULL DEFAULT 0,
    fencing_token bigint      NOT NULL,
    by            text        NOT NULL DEFAULT '',
    outcome       text,
    error_message text,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz
);
CREATE INDEX IF NOT EXISTS saga_attempts_of_saga ON saga_attempts (saga_id, id);
