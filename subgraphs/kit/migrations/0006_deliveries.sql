-- Which consumers have what was published, and what a consumer needs so that nothing is lost or passed over.
-- See kit/queue/deliveries.py for the first half (the sender's), kit/queue/leases.py, intake.py and failures.py for the second (the consumer's).

ALTER TABLE outbox
    ADD COLUMN delivered_at timestamptz,
    -- how often it was looked at and not confirmed by all
    ADD COLUMN attempts     integer NOT NULL DEFAULT 0,
    -- when to look (again) whether it is confirmed
    ADD COLUMN check_at     timestamptz;

DROP INDEX outbox_published;
CREATE INDEX outbox_to_check ON outbox (check_at) WHERE published_at IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX outbox_undelivered ON outbox (id) WHERE delivered_at IS NULL;
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

-- Who listens, as far as this sender was told.
CREATE TABLE outbox_consumers (
    consumer    text        PRIMARY KEY,
    -- '*': every type
    event_types text[]      NOT NULL,
    -- rows with a lower id are not owed to it
    first_id    bigint      NOT NULL,
    -- when it came (back)
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE outbox_deliveries (
    outbox_id    bigint      NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    consumer     text        NOT NULL,
    outcome      text        NOT NULL CHECK (outcome IN ('done', 'retry', 'failed', 'stale', 'gap')),
    confirmed_at timestamptz NOT NULL,
    -- from the event until it was applied
    latency_ms   double precision NOT NULL,
    PRIMARY KEY (outbox_id, consumer)
);

-- The processes of a consumer that are alive, also those that hold no partition.
CREATE TABLE inbox_members (
    consumer   text        NOT NULL,
    owner      text        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, owner)
);

-- Which process handles a partition. Each transaction that handles events locks the rows of its partitions FOR SHARE and compares the
-- token, which rises with every new owner.
CREATE TABLE inbox_leases (
    consumer   text        NOT NULL,
    partition  integer     NOT NULL,
    owner      text,
    token      bigint      NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, partition)
);

-- How far a reader has come in a stream: moved in the transaction of what was read.
CREATE TABLE inbox_cursors (
    consumer text NOT NULL,
    stream   text NOT NULL,
    last_id  text NOT NULL DEFAULT '0',
    PRIMARY KEY (consumer, stream)
);

-- Events that could not be applied (yet), each with all that the queue said of it: it may lose them from here on.
CREATE TABLE inbox_failures (
    consumer      text        NOT NULL,
    event_id      uuid        NOT NULL,
    source        text        NOT NULL,
    partition     integer     NOT NULL,
    aggregate_id  uuid        NOT NULL,
    position      bigint      NOT NULL,
    version       integer     NOT NULL,
    fields        jsonb       NOT NULL,
    -- retry: tried again at next_at; waiting: behind an earlier event of its aggregate; failed: the dead letter, until a person replays it
    status        text        NOT NULL CHECK (status IN ('retry', 'waiting', 'failed')),
    retry_count   integer     NOT NULL DEFAULT 0,
    max_retries   integer     NOT NULL DEFAULT 3,
    -- how often a person had it tried anew
    replays       integer     NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    error_message text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);

CREATE INDEX inbox_failures_due ON inbox_failures (consumer, next_at) WHERE status = 'retry';
CREATE INDEX inbox_failures_of_aggregate ON inbox_failures (consumer, aggregate_id, position) WHERE status IN ('retry', 'waiting');

-- The version of each aggregate up to which a consumer has applied (or given up) its events.
CREATE TABLE inbox_versions (
    consumer     text    NOT NULL,
    source       text    NOT NULL,
    aggregate_id uuid    NOT NULL,
    version      integer NOT NULL,
    PRIMARY KEY (consumer, source, aggregate_id)
);
