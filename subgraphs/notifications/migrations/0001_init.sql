-- The notifications service: what users are told, and how they want to be told.

create table notifications (
    id            uuid primary key default gen_random_uuid(),
    user_id       uuid not null,
    type          text not null check (type in ('request_update', 'new_application', 'message', 'reminder', 'system')),
    title         varchar(200) not null,
    message       text not null,
    data          jsonb not null default '{}',
    is_urgent     boolean not null default false,
    is_read       boolean not null default false,
    read_at       timestamptz,
    -- when it may go out by e-mail, push or SMS: inside quiet hours the end of them, unless it is urgent
    deliver_after timestamptz not null default now(),
    channels      text[] not null default '{}',
    -- the event that it tells of, so that an event told twice makes one notification
    event_id      uuid,
    created_at    timestamptz not null default now(),
    check (is_read = (read_at is not null))
);
create unique index notifications_once on notifications (event_id, user_id) where event_id is not null;
create index notifications_of_user on notifications (user_id, created_at desc, id desc);
create index notifications_unread on notifications (user_id, created_at desc, id desc) where not is_read;

create table user_notification_settings (
    user_id            uuid primary key,
    email_enabled      boolean not null default true,
    push_enabled       boolean not null default true,
    sms_enabled        boolean not null default false,
    -- types that are switched off: {"reminder": false}; a type that is not named is on
    notification_types jsonb not null default '{}',
    quiet_hours_start  time not null default '22:00',
    quiet_hours_end    time not null default '08:00',
    time_zone          varchar(64) not null default 'UTC',
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now()
);
