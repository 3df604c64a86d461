-- The tables of sagas are the journal's (gateway/saga/journal.sql), made when the service starts; it has none of its own.
SELECT 1;
