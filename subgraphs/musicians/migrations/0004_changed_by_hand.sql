-- See the kit's migration 0009.

CREATE TRIGGER added AFTER INSERT ON musician_profiles FOR EACH ROW
    EXECUTE FUNCTION row_was_added('musician', 'MusicianProfileCreated', 'MusicianProfileUpdated', 'profile_facts');

-- As in 0003, but the profile is locked before anything is read of it, as the service does: what is told under a version is then what
-- holds at that version, and the two don't wait for each other.
CREATE OR REPLACE FUNCTION profile_part_is_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    profile musician_profiles;
    event   uuid;
BEGIN
    IF current_setting('mussikon.loading', true) = 'on' THEN
        RETURN NULL;
    END IF;
    -- not FOR UPDATE: two who add skills both hold the lock of the foreign key
    SELECT * INTO profile FROM musician_profiles WHERE id = coalesce(new.musician_id, old.musician_id) FOR NO KEY UPDATE;
    IF profile.id IS NULL OR EXISTS (
        SELECT FROM events WHERE aggregate_id = profile.id AND xmin = pg_current_xact_id()::xid
            AND (NOT metadata ? 'outside' OR event_data ? 'skill_ids')
    ) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO profile.version, event
    FROM record_from_outside('musician', profile.id, 'MusicianProfileUpdated', profile_parts(profile));
    UPDATE musician_profiles SET version = profile.version WHERE id = profile.id;
    PERFORM tell_from_outside(event, 'musician', profile.id, 'MusicianProfileUpdated', profile_facts(profile), profile.version);
    RETURN NULL;
END
$$;
