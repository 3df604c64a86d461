-- Bookings that have ended: no escrow is made for one, however late the step that makes it arrives.
create table ended_bookings (
    booking_id uuid primary key,
    ended_at   timestamptz not null default now()
);
