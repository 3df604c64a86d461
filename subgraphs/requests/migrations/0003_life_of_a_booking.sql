-- The life of a booking: offers expire, confirmed bookings can be objected to, and closed accounts book nothing.

alter table bookings drop constraint bookings_status_check;
alter table bookings add constraint bookings_status_check
    check (status in ('pending', 'confirmed', 'disputed', 'completed', 'cancelled'));
-- until when the musician may confirm
alter table bookings add column expires_at timestamptz;
-- false while the saga that makes the booking has not charged the client and blocked the time: nobody may confirm it
alter table bookings add column is_offered boolean not null default true;
-- why a party objects to the payout, '' if none does
alter table bookings add column objection text not null default '';
create index bookings_unanswered on bookings (client_id) where status = 'pending';
create index bookings_of_musician_user on bookings (musician_user_id) where status in ('pending', 'confirmed');

-- Users whose accounts are closed.
create table closed_users (
    user_id   uuid primary key,
    is_closed boolean not null,
    -- the place of the newest event applied, in the order of the users' outbox
    position  bigint not null default 0
);

create or replace function booking_facts(it bookings) returns jsonb language sql stable as $$
    select to_jsonb(it) - '{id,application_id,version,created_at,updated_at,is_offered,objection}'::text[]
        || jsonb_build_object('booking_id', it.id, 'title', title, 'urgency_level', urgency_level)
    from musician_requests where id = it.request_id
$$;

-- What the consistency check compares with other services: the bookings whose price is in escrow, and those whose time is booked.
create view bookings_in_escrow as
    select id, 1 as version from bookings where is_offered and status in ('pending', 'confirmed', 'disputed');
create view bookings_with_time as
    select id, 1 as version from bookings where is_offered and status <> 'cancelled';
