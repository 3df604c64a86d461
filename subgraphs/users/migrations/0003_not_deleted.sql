-- Others keep copies of accounts, and their events name them: an account is closed, not deleted.

CREATE FUNCTION accounts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('mussikon.loading', true) = 'on' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION 'users are not deleted: others know them'
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'Set is_active to false.';
END
$$;

CREATE TRIGGER stays BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION accounts_stay();
