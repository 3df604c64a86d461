-- A review can be edited within a day of its publication.
ALTER TABLE reviews ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
UPDATE reviews SET updated_at = created_at;
