-- What the consistency checks have found.

create table consistency_checks (
    id             uuid             primary key default gen_random_uuid(),
    entity_type    text             not null,
    source_service text             not null,
    target_service text             not null,
    -- rows of the original
    compared       integer          not null,
    missing        integer          not null,
    older          integer          not null,
    different      integer          not null,
    -- copies of what is not there; they are left alone
    extra          integer          not null,
    repaired       integer          not null,
    -- ids of what had drifted, some of them
    examples       text[]           not null default '{}',
    -- why it could not be made
    error_message  text             not null default '',
    processing_time_ms double precision not null,
    created_at     timestamptz      not null default clock_timestamp()
);
create index consistency_checks_newest on consistency_checks (created_at desc, id desc);
