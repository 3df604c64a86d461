-- The newest that is known of each thing, and its version at the service that owns it: for the comparison with the originals.

CREATE VIEW kept_musicians AS
SELECT DISTINCT ON (aggregate_id) aggregate_id, coalesce(cast(metadata ->> 'version' AS integer), 0) AS version, event_data
FROM every_event WHERE aggregate_type = 'musician' AND event_type IN ('MusicianProfileCreated', 'MusicianProfileUpdated')
ORDER BY aggregate_id, cast(metadata ->> 'position' AS numeric) DESC;

CREATE VIEW kept_requests AS
SELECT DISTINCT ON (aggregate_id) aggregate_id, coalesce(cast(metadata ->> 'version' AS integer), 0) AS version, event_data
FROM every_event WHERE aggregate_type = 'musician_request' AND event_type IN ('RequestPublished', 'RequestUpdated')
ORDER BY aggregate_id, cast(metadata ->> 'position' AS numeric) DESC;
