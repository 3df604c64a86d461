-- The notifications service: what users are told, and how they want to be told.

create table notifications (
    id            uuid primary key default gen_random_uuid(),
    user_id       uuid not null,
    type          text not null check (type in ('request_update', 'new_application', 'message', 'reminder', 'system')),
    title         varchar(300) not null,
    message       text not null,
    -- what it is about: request_id, booking_id, application_id, musician_id, review_id, as far as it has them
    data          jsonb not null default '{}',
    is_urgent     boolean not null default false,
    is_read       boolean not null default false,
    read_at       timestamptz,
    -- from when on the user sees it in their list: at once, but for reminders
    appears_at    timestamptz not null default now(),
    -- by what it goes out (email, push, sms), and not before when: inside quiet hours it waits for their end
    channels      text[] not null default '{}',
    deliver_after timestamptz not null default now(),
    sent_at       timestamptz,
    -- the event that it tells of, so that an event told twice makes one notification
    event_id      uuid,
    created_at    timestamptz not null default now(),
    check (is_read = (read_at is not null))
);
create unique index notifications_once on notifications (event_id, user_id, type) where event_id is not null;
create index notifications_of_user on notifications (user_id, appears_at desc, id desc);
create index notifications_unread on notifications (user_id, appears_at desc, id desc) where not is_read;
create index notifications_to_send on notifications (deliver_after) where sent_at is null;
create index notifications_reminders on notifications ((data ->> 'booking_id')) where type = 'reminder' and sent_at is null;

create table user_notification_settings (
    user_id            uuid primary key,
    email_enabled      boolean not null default true,
    push_enabled       boolean not null default true,
    sms_enabled        boolean not null default false,
    -- types that do not go out: {"reminder": false}; a type that is not named does
    notification_types jsonb not null default '{}',
    -- by the clock of the user's time zone; equal times mean no quiet hours
    quiet_hours_start  time not null default '22:00',
    quiet_hours_end    time not null default '08:00',
    time_zone          varchar(64) not null default 'UTC',
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now()
);
