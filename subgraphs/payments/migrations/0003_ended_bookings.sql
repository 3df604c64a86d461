-- Bookings that have ended: no escrow is made for one, however late the step that makes it arrives.
create table ended_bookings (
    booking_id uuid primary key,
    ended_at   timestamptz not null default now()
);

-- What the consistency check compares with the bookings of the requests service.
create view held_escrows as select booking_id, 1 as version from escrows where status = 'held';
