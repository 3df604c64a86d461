-- Bookings that have ended: no time is blocked for one, however late the step that blocks it arrives.
create table ended_bookings (
    booking_id uuid primary key,
    ended_at   timestamptz not null default now()
);
