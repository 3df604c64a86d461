-- The version of the aggregate after the event, for aggregates that have one (0: none). See kit/inbox.py.

ALTER TABLE outbox ADD COLUMN version integer NOT NULL DEFAULT 0;
