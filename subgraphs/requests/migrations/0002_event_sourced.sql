-- Requests and bookings are what the events of their streams say. See aggregates.py and the kit's migration 0007.

alter table musician_requests alter column country type varchar(2);
alter table bookings add column version integer not null default 1;

-- What is published about a row that was changed by hand; the service says the same in messages.py.
create function request_facts(it musician_requests) returns jsonb language sql stable as $$
    select to_jsonb(it) - '{id,required_skill_ids,version,updated_at}'::text[]
        || jsonb_build_object('request_id', it.id, 'skill_ids', to_jsonb(it.required_skill_ids))
$$;
create function booking_facts(it bookings) returns jsonb language sql stable as $$
    select to_jsonb(it) - '{id,application_id,time_zone,version,created_at,updated_at}'::text[]
        || jsonb_build_object('booking_id', it.id, 'title', title, 'urgency_level', urgency_level)
    from musician_requests where id = it.request_id
$$;

select adopt_rows('musician_request', 'musician_requests', 'RequestPublished');
select adopt_rows('booking', 'bookings', 'BookingMade');

create trigger recorded before insert or update or delete on musician_requests for each row
    execute function row_is_recorded('musician_request', 'RequestPublished', 'RequestUpdated', 'request_facts');
create trigger recorded before insert or update or delete on bookings for each row
    execute function row_is_recorded('booking', 'BookingMade', 'BookingUpdated', 'booking_facts');
create trigger added after insert on musician_requests for each row
    execute function row_was_added('musician_request', 'RequestPublished', 'RequestUpdated', 'request_facts');
create trigger added after insert on bookings for each row
    execute function row_was_added('booking', 'BookingMade', 'BookingUpdated', 'booking_facts');
