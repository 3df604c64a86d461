-- What is sent by e-mail, push and SMS: one row per message and channel, and one per attempt to send it.

create table deliveries (
    id              uuid primary key default gen_random_uuid(),
    -- the notification, or the mail of the users service, that is sent
    source_id       uuid not null,
    kind            text not null check (kind in ('notification', 'confirm_email', 'reset_password')),
    user_id         uuid not null,
    channel         text not null check (channel in ('email', 'push', 'sms')),
    -- of account mail the text is written when it is sent, because it has a secret
    title           varchar(300) not null default '',
    message         text not null default '',
    is_urgent       boolean not null default false,
    status          text not null default 'pending' check (status in ('pending', 'sent', 'failed', 'skipped')),
    -- how often it was claimed by a process; of these, how many failed so that they count
    tries           integer not null default 0,
    failures        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    expires_at      timestamptz not null,
    error           text,
    created_at      timestamptz not null default now(),
    ended_at        timestamptz,
    check ((status = 'pending') = (ended_at is null))
);
create unique index deliveries_once on deliveries (source_id, channel);
create index deliveries_due on deliveries (channel, next_attempt_at) where status = 'pending';

-- An attempt without an end was interrupted by the death of its process; it may have sent the message.
create table delivery_attempts (
    delivery_id uuid not null references deliveries on delete cascade,
    number      integer not null,
    started_at  timestamptz not null default clock_timestamp(),
    ended_at    timestamptz,
    outcome     text check (outcome in ('sent', 'skipped', 'refused', 'temporary', 'unreachable')),
    error       text,
    primary key (delivery_id, number)
);
