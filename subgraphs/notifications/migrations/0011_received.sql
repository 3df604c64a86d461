-- Whether the event NotificationReceived was written: when a notification appears in its user's list. Rows that are
-- loaded in bulk count as old.
alter table notifications add column is_announced boolean not null default true;
update notifications set is_announced = false where is_held or appears_at > now();
create index notifications_to_announce on notifications (appears_at) where not is_announced and not is_held;
