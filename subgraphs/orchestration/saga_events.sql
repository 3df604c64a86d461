-- Publishes each change of a saga's status or step: the event SagaChanged (messages.py) is written to the outbox by
-- the statement that writes the change, so there is never one without the other. Every statement can be run again.

CREATE OR REPLACE FUNCTION publish_saga() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A further attempt at the same step is no change. While a saga is undone, each write ends or begins the undoing
    -- of a step, and `current_step` does not move.
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.status, OLD.current_step) = (NEW.status, NEW.current_step) AND NEW.status <> 'compensating' THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO outbox (event_id, aggregate_type, aggregate_id, event_type, payload, created_by, correlation_id)
    VALUES (gen_random_uuid(), 'saga', NEW.id, 'SagaChanged', jsonb_build_object(
            'saga_id', NEW.id,
            'saga_type', NEW.saga_type,
            'status', NEW.status,
            'step', (SELECT name FROM saga_steps WHERE saga_id = NEW.id AND status <> 'pending'
                ORDER BY status IN ('in_progress', 'compensating') DESC, step_number DESC LIMIT 1),
            'started_by', NEW.created_by),
        coalesce(nullif(NEW.created_by, ''), 'service:orchestration'), 'saga:' || NEW.id);
    RETURN NULL;
END
$$;

-- Leases are written to other columns, and fire nothing.
CREATE OR REPLACE TRIGGER sagas_are_published AFTER INSERT OR UPDATE OF status ON sagas
    FOR EACH ROW EXECUTE FUNCTION publish_saga();
