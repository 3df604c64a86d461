-- What is on its way from service to service, as the queue tells it.

-- Who hears what of whom.
create table sync_consumers (
    source_service text        not null,
    target_service text        not null,
    -- '*': every type
    event_types    text[]      not null,
    seen_at        timestamptz not null default clock_timestamp(),
    primary key (source_service, target_service)
);

-- One row for each event and each service that wants it.
create table pending_syncs (
    id             uuid        primary key default gen_random_uuid(),
    event_id       uuid        not null,
    source_service text        not null,
    target_service text        not null,
    entity_type    text        not null,
    entity_id      uuid        not null,
    event_type     text        not null,
    operation      text        not null check (operation in ('create', 'update', 'delete')),
    -- what the event says; null until it was read, for its confirmation may be read first
    data           jsonb,
    -- processing: a replay was ordered, and nothing heard of it yet
    status         text        not null default 'pending'
                   check (status in ('pending', 'processing', 'completed', 'failed', 'retry')),
    retry_count    integer     not null default 0,
    max_retries    integer     not null default 3,
    error_message  text        not null default '',
    -- when the event happened
    created_at     timestamptz not null,
    updated_at     timestamptz not null default clock_timestamp(),
    unique (event_id, target_service)
);
create index pending_syncs_newest on pending_syncs (created_at desc, id desc);
create index pending_syncs_of_entity on pending_syncs (entity_id, created_at desc, id desc);
create index pending_syncs_open on pending_syncs (status, created_at desc, id desc) where status <> 'completed';

-- What consumers said, and what people ordered.
create table sync_logs (
    id                 uuid             primary key default gen_random_uuid(),
    sync_id            uuid             not null references pending_syncs (id) on delete cascade,
    source_service     text             not null,
    target_service     text             not null,
    entity_type        text             not null,
    entity_id          uuid             not null,
    event_type         text             not null,
    operation          text             not null,
    outcome            text             not null check (outcome in ('done', 'retry', 'failed', 'stale', 'gap', 'replay')),
    retry_count        integer          not null default 0,
    error_message      text             not null default '',
    -- from the write at the source until it was handled at the target
    latency_ms         double precision,
    processing_time_ms double precision,
    data_size_bytes    integer,
    -- who ordered a replay
    ordered_by         uuid,
    created_at         timestamptz      not null default clock_timestamp()
);
create index sync_logs_newest on sync_logs (created_at desc, id desc);
create index sync_logs_of_sync on sync_logs (sync_id);
create index sync_logs_conflicts on sync_logs (source_service, target_service, created_at desc) where outcome in ('stale', 'gap');
