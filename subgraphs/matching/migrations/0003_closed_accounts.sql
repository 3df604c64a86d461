-- Musicians whose accounts are closed are not ranked and cannot be booked.
create table closed_users (
    user_id   uuid primary key,
    is_closed boolean not null,
    -- the place of the newest event applied, in the order of the users' outbox
    position  bigint not null default 0
);

-- The account's event may arrive before the profile's, so the profile's row is computed from both.
alter table matching_musicians add column is_closed boolean not null default false;
create function matching_musician_is_closed() returns trigger language plpgsql as $$
begin
    new.is_closed := exists (select from closed_users where user_id = new.user_id and is_closed);
    return new;
end
$$;
create trigger matching_musicians_closed before insert or update on matching_musicians
    for each row execute function matching_musician_is_closed();
create index matching_musicians_of_user on matching_musicians (user_id);
