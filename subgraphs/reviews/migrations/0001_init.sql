-- reviews: what clients say about completed bookings, and what follows from it for each musician.

-- The service's own copy of bookings that are completed: what may be reviewed. It comes by the events of requests.
CREATE TABLE completed_bookings (
    booking_id       uuid PRIMARY KEY,
    request_id       uuid        NOT NULL,
    client_id        uuid        NOT NULL,
    musician_id      uuid        NOT NULL,
    musician_user_id uuid        NOT NULL,
    title            text        NOT NULL DEFAULT '',
    ends_at          timestamptz NOT NULL,
    completed_at     timestamptz NOT NULL
);

CREATE TABLE reviews (
    id          uuid PRIMARY KEY,
    booking_id  uuid        NOT NULL UNIQUE REFERENCES completed_bookings,
    musician_id uuid        NOT NULL,
    author_id   uuid        NOT NULL,
    rating      smallint    NOT NULL CHECK (rating BETWEEN 1 AND 5),
    text        text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- The three lists, each newest first: of a musician, by an author, of everybody.
CREATE INDEX reviews_of_musician ON reviews (musician_id, created_at, id);
CREATE INDEX reviews_by_author ON reviews (author_id, created_at, id);
CREATE INDEX reviews_newest ON reviews (created_at, id);

-- Sum and number of the ratings of each musician. Triggers keep it, so that it is true whoever changes reviews.
CREATE TABLE musician_ratings (
    musician_id   uuid PRIMARY KEY,
    rating_sum    bigint NOT NULL,
    total_reviews bigint NOT NULL CHECK (total_reviews >= 0)
);

CREATE FUNCTION count_ratings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO musician_ratings AS known (musician_id, rating_sum, total_reviews)
        SELECT musician_id, sum(rating), count(*) FROM added GROUP BY musician_id ORDER BY musician_id
        ON CONFLICT (musician_id) DO UPDATE
            SET rating_sum = known.rating_sum + excluded.rating_sum,
                total_reviews = known.total_reviews + excluded.total_reviews;
    END IF;
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        UPDATE musician_ratings AS known
        SET rating_sum = known.rating_sum - gone.rating_sum, total_reviews = known.total_reviews - gone.total
        FROM (SELECT musician_id, sum(rating) AS rating_sum, count(*) AS total FROM removed GROUP BY musician_id) AS gone
        WHERE known.musician_id = gone.musician_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER reviews_added AFTER INSERT ON reviews
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_ratings();
CREATE TRIGGER reviews_removed AFTER DELETE ON reviews
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_ratings();
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_ratings();
