-- Bookings that have ended: no time is blocked for one, however late the step that blocks it arrives.
create table ended_bookings (
    booking_id uuid primary key,
    ended_at   timestamptz not null default now()
);

-- What the consistency check compares with the bookings of the requests service.
create view booked_times as
    select booking_id, 1 as version from slots where kind = 'booked' and cancelled_at is null;
