-- The requests service: requests of clients, applications of musicians, bookings, and what it knows of others by events.

create table musician_requests (
    id                 uuid primary key default gen_random_uuid(),
    client_id          uuid not null,
    title              varchar(200) not null check (title <> ''),
    description        text not null default '',
    -- the wall clock at the place of the event; an end at or before the start is on the next day
    event_date         date not null,
    start_time         time not null,
    end_time           time not null check (end_time <> start_time),
    time_zone          varchar(64) not null,
    -- the same in UTC, computed once with the zone's rules
    starts_at          timestamptz not null,
    ends_at            timestamptz not null,
    budget_min         numeric(10, 2) not null check (budget_min >= 0),
    budget_max         numeric(10, 2) not null,
    currency           char(3) not null default 'EUR',
    latitude           double precision not null check (latitude between -90 and 90),
    longitude          double precision not null check (longitude between -180 and 180),
    address            varchar(300) not null default '',
    city               varchar(120) not null default '',
    country            char(2) not null default '',
    required_skill_ids uuid[] not null default '{}',
    status             text not null default 'open'
                       check (status in ('open', 'in_progress', 'assigned', 'completed', 'cancelled')),
    urgency_level      text not null default 'medium' check (urgency_level in ('low', 'medium', 'high', 'urgent')),
    version            integer not null default 1,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    check (budget_max >= budget_min),
    check (ends_at > starts_at and ends_at <= starts_at + interval '24 hours')
);
create index musician_requests_newest on musician_requests (created_at desc, id desc);
create index musician_requests_of_client on musician_requests (client_id, created_at desc, id desc);
create index musician_requests_soonest on musician_requests (starts_at, id);
create index musician_requests_status on musician_requests (status, starts_at);
create index musician_requests_skills on musician_requests using gin (required_skill_ids);
create index musician_requests_place on musician_requests (latitude, longitude);

create table applications (
    id               uuid primary key default gen_random_uuid(),
    request_id       uuid not null references musician_requests (id),
    musician_id      uuid not null,
    musician_user_id uuid not null,
    message          text not null default '',
    proposed_price   numeric(10, 2) not null check (proposed_price >= 0),
    status           text not null default 'pending'
                     check (status in ('pending', 'accepted', 'rejected', 'withdrawn')),
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    unique (request_id, musician_id)
);
create index applications_of_request on applications (request_id, created_at desc, id desc);
create index applications_of_musician on applications (musician_id, created_at desc, id desc);

create table bookings (
    id               uuid primary key default gen_random_uuid(),
    request_id       uuid not null references musician_requests (id),
    application_id   uuid references applications (id),
    client_id        uuid not null,
    musician_id      uuid not null,
    musician_user_id uuid not null,
    starts_at        timestamptz not null,
    ends_at          timestamptz not null check (ends_at > starts_at),
    time_zone        varchar(64) not null,
    price            numeric(10, 2) not null check (price >= 0),
    currency         char(3) not null,
    status           text not null default 'pending'
                     check (status in ('pending', 'confirmed', 'completed', 'cancelled')),
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now()
);
-- a request has one booking that counts; a cancelled one leaves room for another
create unique index bookings_one_for_a_request on bookings (request_id) where status <> 'cancelled';
create index bookings_of_client on bookings (client_id, starts_at desc, id desc);
create index bookings_of_musician on bookings (musician_id, starts_at desc, id desc);

-- Which user a musician is: a copy, kept by the musicians' events.
create table known_musicians (
    musician_id uuid primary key,
    user_id     uuid not null unique,
    -- the place of the newest event applied, in the order of the musicians' outbox
    position    bigint not null default 0
);
