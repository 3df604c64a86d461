-- The version of the original that a copy was made of, so that originals and copies can be compared.

alter table matching_musicians add column version integer not null default 1;
alter table matching_requests add column version integer not null default 1;
