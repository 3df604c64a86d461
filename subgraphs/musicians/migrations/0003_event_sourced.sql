-- Profiles are what the events of their streams say. See aggregates.py and the kit's migration 0007.

ALTER TABLE musician_profiles ADD COLUMN version integer NOT NULL DEFAULT 1;

-- What a profile has in other tables.
CREATE FUNCTION profile_parts(it musician_profiles) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'skill_ids', (SELECT coalesce(jsonb_agg(skill_id ORDER BY skill_id), '[]') FROM musician_skills WHERE musician_id = it.id),
        'profile_document', (SELECT document FROM musician_documents WHERE musician_id = it.id)
    )
$$;

-- What is published about a row that was changed by hand; the service says the same in messages.py.
CREATE FUNCTION profile_facts(it musician_profiles) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(it) - '{id,version,updated_at}'::text[]
        || (profile_parts(it) - 'profile_document') || jsonb_build_object(
            'musician_id', it.id,
            'skills', (
                SELECT coalesce(jsonb_agg(name ORDER BY id), '[]')
                FROM musician_skills JOIN musical_skills ON id = skill_id WHERE musician_id = it.id
            )
        )
$$;

-- Skills and documents that somebody changes by hand belong to the profile's history as well. Where the service changes them there is
-- an event of this transaction already.
-- The profile is locked before anything is read of it, as the service does: what is told under a version is then what holds at that
-- version, and the two don't wait for each other.
CREATE FUNCTION profile_part_is_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
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

SELECT adopt_rows('musician', 'musician_profiles', 'MusicianProfileCreated', 'profile_parts');

CREATE TRIGGER recorded BEFORE INSERT OR UPDATE OR DELETE ON musician_profiles FOR EACH ROW
    EXECUTE FUNCTION row_is_recorded('musician', 'MusicianProfileCreated', 'MusicianProfileUpdated', 'profile_facts');
CREATE TRIGGER added AFTER INSERT ON musician_profiles FOR EACH ROW
    EXECUTE FUNCTION row_was_added('musician', 'MusicianProfileCreated', 'MusicianProfileUpdated', 'profile_facts');
-- at the commit, when all of a musician's skills are there
CREATE CONSTRAINT TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON musician_skills DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION profile_part_is_recorded();
CREATE CONSTRAINT TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON musician_documents DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION profile_part_is_recorded();
