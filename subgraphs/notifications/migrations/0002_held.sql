-- A notification that a saga has written is held until the saga has ended: nobody sees it, and it is not sent.
alter table notifications add column is_held boolean not null default false;
