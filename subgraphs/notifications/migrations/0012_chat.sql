-- What the parties of a booking write to each other.

-- The service's own copy of bookings: who may write. It comes by the events of requests.
create table known_bookings (
    booking_id       uuid primary key,
    request_id       uuid not null,
    client_id        uuid not null,
    musician_user_id uuid not null,
    title            text not null default '',
    status           text not null,
    -- the place of the newest event applied, in the order of the outbox of requests
    position         bigint not null default 0,
    version          integer not null default 0
);

create table chat_messages (
    id         uuid primary key,
    booking_id uuid not null,
    author_id  uuid not null,
    text       varchar(2000) not null check (text <> ''),
    sent_at    timestamptz not null default clock_timestamp()
);
create index chat_messages_of_booking on chat_messages (booking_id, sent_at desc, id desc);
