-- Tables whose rows are what the events of their streams say. See kit/event_store/sourced.py, which writes both.
-- Such a table has the columns id, version, created_at and updated_at, and two triggers made like this:
--   create trigger recorded before insert or update or delete on some_table for each row
--       execute function row_is_recorded('some_aggregate', 'SomethingMade', 'SomethingChanged', 'function_that_tells_of_a_row');
--   create trigger added after insert on some_table for each row execute function row_was_added(<the same>);

-- What is in the row beside its own bookkeeping, as far as it differs from before.
CREATE FUNCTION changes_of(before jsonb, now jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(now - '{id,version,created_at,updated_at}'::text[])
    WHERE before IS NULL OR before -> key IS DISTINCT FROM value
$$;

-- An event by somebody who does not know the event store; answers its version and id, and has it published.
CREATE FUNCTION record_from_outside(kind text, about uuid, what text, changes jsonb, OUT version integer, OUT event uuid)
LANGUAGE plpgsql AS $$
DECLARE
    place xid8;
BEGIN
    event := gen_random_uuid();
    INSERT INTO event_streams AS stream (aggregate_id, aggregate_type, current_version, last_transaction_id)
    VALUES (about, kind, 1, pg_current_xact_id())
    ON CONFLICT (aggregate_id) DO UPDATE SET current_version = stream.current_version + 1,
        last_transaction_id = greatest(stream.last_transaction_id, pg_current_xact_id())
    RETURNING current_version, last_transaction_id INTO version, place;
    INSERT INTO events (event_id, aggregate_id, aggregate_type, version, event_type, schema_version, event_data, metadata,
        created_by, correlation_id, transaction_id)
    VALUES (event, about, kind, version, what, 1, changes, '{"outside": true}', 'database:' || session_user,
        gen_random_uuid(), place);
END
$$;

CREATE FUNCTION tell_from_outside(event uuid, kind text, about uuid, what text, facts jsonb, version integer) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO outbox (event_id, aggregate_type, aggregate_id, event_type, payload, created_by, correlation_id, version)
    VALUES (event, kind, about, what, facts, 'database:' || session_user, gen_random_uuid(), version)
$$;

-- The service advances the stream first and writes the row with the version it got. Whoever changes a row otherwise has
-- the event made for them, so that nothing is missed. A row that is added only gets the version that its event will have.
CREATE FUNCTION row_is_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Rows that somebody adds by hand are recorded when they are there. Before that nobody knows whether they come to be: `ON CONFLICT`
-- may pass one over or change another row instead, and what was recorded of it would then be an event that never happened.
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

-- A stream for every row that has none, beginning with all that is in it; answers how many. `more` adds to the event what other
-- tables hold: a function of the row. Rows that were loaded in bulk, or are older than the event store, get theirs so; nothing is told.
CREATE FUNCTION adopt_rows(kind text, source regclass, what text, more text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    adopted bigint;
    loading text := coalesce(current_setting('mussikon.loading', true), '');
BEGIN
    PERFORM set_config('mussikon.loading', 'on', true);
    EXECUTE format('UPDATE %s AS own SET version = 1 WHERE version <> 1
        AND NOT EXISTS (SELECT FROM event_streams WHERE aggregate_id = own.id)', source);
    EXECUTE format($statement$
        WITH new AS (
            SELECT id, created_at, changes_of(NULL, to_jsonb(own)) || %s AS data FROM %s AS own
            WHERE NOT EXISTS (SELECT FROM event_streams WHERE aggregate_id = own.id)
        ), streams AS (
            INSERT INTO event_streams (aggregate_id, aggregate_type, current_version, last_transaction_id)
            SELECT id, $1, 1, pg_current_xact_id() FROM new
        )
        INSERT INTO events (event_id, aggregate_id, aggregate_type, version, event_type, schema_version, event_data, metadata,
            occurred_at, created_by, correlation_id)
        SELECT gen_random_uuid(), id, $1, 1, $2, 1, data, '{"adopted": true}', created_at, 'service:loading', gen_random_uuid()
        FROM new ORDER BY created_at, id
    $statement$, CASE WHEN more IS NULL THEN quote_literal('{}') || '::jsonb' ELSE format('%I(own)', more) END, source)
    USING kind, what;
    GET DIAGNOSTICS adopted = ROW_COUNT;
    PERFORM set_config('mussikon.loading', loading, true);
    RETURN adopted;
END
$$;
