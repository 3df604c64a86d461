-- Rows that somebody adds by hand are recorded when they are there. Before that nobody knows whether they come to be: `ON CONFLICT`
-- may pass one over or change another row instead, and what was recorded of it would then be an event that never happened.
-- A table with the trigger `recorded` needs a second one:
--   create trigger added after insert on some_table for each row execute function row_was_added(<as in `recorded`>);

-- As in 0007, but for INSERT, which only gets the version that the event will have.
CREATE OR REPLACE FUNCTION row_is_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known   integer;
    changes jsonb;
    event   uuid;
    facts   jsonb;
BEGIN
    IF current_setting('mussikon.loading', true) = 'on' THEN
        RETURN coalesce(new, old);
    END IF;
    IF tg_op = 'DELETE' THEN
        RAISE EXCEPTION '% are not deleted: their history needs them', tg_table_name
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Give the row another status.';
    END IF;
    SELECT current_version INTO known FROM event_streams WHERE aggregate_id = new.id;
    IF known = new.version AND (tg_op = 'INSERT' OR new.version <> old.version) THEN
        RETURN new;
    END IF;
    IF tg_op = 'INSERT' THEN
        new.version := coalesce(known, 0) + 1;
        RETURN new;
    END IF;
    IF new.id <> old.id THEN
        RAISE EXCEPTION 'the id of a row stays what it is' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    changes := changes_of(to_jsonb(old), to_jsonb(new));
    IF changes = '{}' THEN
        new.version := coalesce(known, new.version);
        RETURN new;
    END IF;
    SELECT * INTO new.version, event FROM record_from_outside(tg_argv[0], new.id, tg_argv[2], changes);
    EXECUTE format('SELECT %I($1)', tg_argv[3]) INTO facts USING new;
    PERFORM tell_from_outside(event, tg_argv[0], new.id, tg_argv[2], facts, new.version);
    RETURN new;
END
$$;

CREATE FUNCTION row_was_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place integer;
    event uuid;
    facts jsonb;
BEGIN
    IF current_setting('mussikon.loading', true) = 'on'
        OR EXISTS (SELECT FROM event_streams WHERE aggregate_id = new.id AND current_version = new.version) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO place, event
    FROM record_from_outside(tg_argv[0], new.id, tg_argv[1], changes_of(NULL, to_jsonb(new)));
    IF place <> new.version THEN
        RAISE EXCEPTION 'somebody else wrote to the stream of % meanwhile', new.id USING ERRCODE = 'serialization_failure';
    END IF;
    EXECUTE format('SELECT %I($1)', tg_argv[3]) INTO facts USING new;
    PERFORM tell_from_outside(event, tg_argv[0], new.id, tg_argv[1], facts, new.version);
    RETURN NULL;
END
$$;
