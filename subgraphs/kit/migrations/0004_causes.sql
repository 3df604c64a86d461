-- Who made an event, what belongs together, and which event led to it. See kit/cause.py.

ALTER TABLE outbox
    ADD COLUMN created_by     text NOT NULL DEFAULT '',
    ADD COLUMN correlation_id text NOT NULL DEFAULT '',
    ADD COLUMN causation_id   uuid;
