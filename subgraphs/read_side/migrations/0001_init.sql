-- The read side's own functions. The tables of its read models belong to generations and are made by projections/, from the local
-- log of events (the kit's event store).

-- Whoever keeps a read model is woken when the log has grown.
CREATE FUNCTION notify_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('log', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER log_wakes_the_projectors AFTER INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION notify_log();

-- The way as the crow flies, on a sphere.
CREATE FUNCTION km_between(latitude float8, longitude float8, other_latitude float8, other_longitude float8) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT 2 * 6371.0088 * asin(sqrt(least(1.0,
        power(sin(radians(other_latitude - latitude) / 2), 2)
        + cos(radians(latitude)) * cos(radians(other_latitude)) * power(sin(radians(other_longitude - longitude) / 2), 2)
    )))
$$;

-- What a full text is searched by: the name counts most, then skills, then the place, then the rest. The language is not known.
CREATE FUNCTION weighted_words(name text, skills text[], place text, rest text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('simple', coalesce(name, '')), 'A')
        || setweight(to_tsvector('simple', coalesce(array_to_string(skills, ' '), '')), 'B')
        || setweight(to_tsvector('simple', coalesce(place, '')), 'C')
        || setweight(to_tsvector('simple', coalesce(rest, '')), 'D')
$$;
