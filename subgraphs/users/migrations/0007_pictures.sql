-- Profile pictures that the service stores: the store has a file under each name, or may have one.

CREATE TABLE pictures (
    name     text PRIMARY KEY CHECK (name ~ '^[0-9a-f]{64}\.(png|jpg|webp)$'), -- the hash of the file
    -- when the cleaner looks whether any profile still has it; null: one has
    check_at timestamptz
);

CREATE INDEX pictures_to_check ON pictures (check_at) WHERE check_at IS NOT NULL;

-- Who uploads a picture at the moment: until then its file stays, although no profile has it yet.
CREATE TABLE picture_uploads (
    id         uuid PRIMARY KEY,
    name       text        NOT NULL REFERENCES pictures ON DELETE CASCADE,
    expires_at timestamptz NOT NULL -- the process has ended if the row is still there
);

CREATE INDEX picture_uploads_by_name ON picture_uploads (name);

-- A profile has a stored picture, or the URL of one elsewhere, or none.
ALTER TABLE user_profiles
    ADD COLUMN picture text REFERENCES pictures,
    ADD CONSTRAINT one_picture CHECK (picture IS NULL OR profile_picture_url IS NULL);
CREATE INDEX user_profiles_by_picture ON user_profiles (picture) WHERE picture IS NOT NULL;

-- Whoever changes the profile, also at the database's prompt: the file is deleted if it was the last one with it.
CREATE FUNCTION picture_is_dropped() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pictures SET check_at = clock_timestamp() WHERE name = old.picture;
    RETURN NULL;
END
$$;

CREATE TRIGGER picture_replaced AFTER UPDATE OF picture ON user_profiles FOR EACH ROW
    WHEN (old.picture IS DISTINCT FROM new.picture AND old.picture IS NOT NULL)
    EXECUTE FUNCTION picture_is_dropped();
CREATE TRIGGER picture_deleted AFTER DELETE ON user_profiles FOR EACH ROW
    WHEN (old.picture IS NOT NULL)
    EXECUTE FUNCTION picture_is_dropped();

CREATE FUNCTION closed_accounts_have_no_picture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE user_profiles SET picture = NULL WHERE user_id = new.id AND picture IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER picture_ends AFTER UPDATE OF is_active ON users FOR EACH ROW
    WHEN (old.is_active AND NOT new.is_active)
    EXECUTE FUNCTION closed_accounts_have_no_picture();
