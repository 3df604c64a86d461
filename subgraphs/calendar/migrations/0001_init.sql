-- The calendar service: slots of musicians' time, and which user a musician is.

-- for the constraint below: equality of ids in an index over ranges; a trusted extension, so the database's owner may make it
create extension if not exists btree_gist;

create table slots (
    id               uuid primary key default gen_random_uuid(),
    musician_id      uuid not null,
    musician_user_id uuid not null,
    booking_id       uuid,
    -- booked by a saga, blocked by the musician, or said to be free by the musician
    kind             text not null check (kind in ('booked', 'blocked', 'free')),
    during           tstzrange not null,
    time_zone        varchar(64) not null,
    title            varchar(200) not null default '',
    created_at       timestamptz not null default now(),
    cancelled_at     timestamptz,
    -- why it no longer holds: its booking let go of it, its saga took it back, the musician changed their mind
    cancelled_by     text check (cancelled_by in ('release', 'undo', 'musician')),
    check ((kind = 'booked') = (booking_id is not null)),
    check ((cancelled_at is null) = (cancelled_by is null)),
    check (not isempty(during) and lower_inc(during) and not upper_inc(during)),
    check (not lower_inf(during) and not upper_inf(during) and lower(during) > '-infinity' and upper(during) < 'infinity'),
    -- nobody is in two places at once
    constraint slots_do_not_overlap exclude using gist (musician_id with =, during with &&)
        where (kind <> 'free' and cancelled_at is null)
);
create unique index slots_one_for_a_booking on slots (booking_id) where cancelled_at is null and booking_id is not null;
-- the constraint's index finds busy times; this one what a musician sees of their own
create index slots_of_user on slots using gist (musician_user_id, during) where cancelled_at is null;

-- Which user a musician is: a copy, kept by the musicians' events.
create table known_musicians (
    musician_id uuid primary key,
    user_id     uuid not null unique,
    -- the place of the newest event applied, in the order of the musicians' outbox
    position    bigint not null default 0
);
