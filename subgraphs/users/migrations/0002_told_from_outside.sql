-- Accounts that somebody changes at the database's prompt are told of like those that the service changes.

CREATE INDEX outbox_of_aggregate ON outbox (aggregate_id);

-- Runs at the commit: where the service made the change, its event is in the outbox by then, written in the same transaction.
CREATE FUNCTION account_is_told() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account users;
BEGIN
    IF tg_table_name = 'users' THEN
        SELECT * INTO account FROM users WHERE id = new.id;
    ELSE
        SELECT * INTO account FROM users WHERE id = new.user_id;
    END IF;
    IF current_setting('mussikon.loading', true) = 'on' OR account.id IS NULL OR EXISTS (
        SELECT FROM outbox WHERE aggregate_id = account.id AND xmin = pg_current_xact_id()::xid
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM tell_from_outside(
        gen_random_uuid(), 'user', account.id, CASE tg_op WHEN 'INSERT' THEN 'UserRegistered' ELSE 'UserUpdated' END,
        jsonb_build_object('user_id', account.id, 'username', account.username, 'user_type', account.user_type,
            'is_active', account.is_active),
        0
    );
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER told AFTER INSERT OR UPDATE OF username, email, user_type, is_active ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION account_is_told();
CREATE CONSTRAINT TRIGGER told AFTER UPDATE ON user_profiles
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION account_is_told();
