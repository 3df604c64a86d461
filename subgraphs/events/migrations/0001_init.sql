-- Every event of every service, as it came by the queue; nothing here is ever changed.

create table audit_events (
    event_id       uuid primary key,
    source         text        not null,
    -- the place of the event in its service's outbox
    position       bigint      not null,
    event_type     text        not null,
    aggregate_type text        not null,
    aggregate_id   uuid        not null,
    payload        jsonb       not null,
    created_by     text        not null default '',
    correlation_id text        not null default '',
    causation_id   uuid,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null default clock_timestamp()
);
create index audit_events_newest on audit_events (occurred_at desc, event_id desc);
create index audit_events_of_aggregate on audit_events (aggregate_id, occurred_at desc, event_id desc);
create index audit_events_together on audit_events (correlation_id, occurred_at, event_id) where correlation_id <> '';
create index audit_events_led_to on audit_events (causation_id) where causation_id is not null;
create index audit_events_by on audit_events (created_by, occurred_at desc, event_id desc) where created_by <> '';

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is never changed';
end $$;
create trigger audit_is_append_only before update or delete on audit_events
    for each row execute function audit_is_append_only();
create trigger audit_is_not_truncated before truncate on audit_events
    for each statement execute function audit_is_append_only();
