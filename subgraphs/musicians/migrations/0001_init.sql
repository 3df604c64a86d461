-- musicians: profiles, the catalogue of skills and who has which, and free-form profile documents.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE musician_profiles (
    id                    uuid PRIMARY KEY,
    user_id               uuid           NOT NULL UNIQUE,
    stage_name            varchar(100)   NOT NULL,
    bio                   text           NOT NULL DEFAULT '',
    hourly_rate           numeric(10, 2) NOT NULL CHECK (hourly_rate >= 0),
    currency              char(3)        NOT NULL DEFAULT 'EUR',
    experience_years      integer        NOT NULL DEFAULT 0 CHECK (experience_years BETWEEN 0 AND 80),
    latitude              double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude             double precision CHECK (longitude BETWEEN -180 AND 180),
    address               varchar(300),
    city                  varchar(100),
    country               char(2), -- ISO 3166-1, such as DE
    availability_schedule jsonb          NOT NULL DEFAULT '{}', -- {"monday": [{"from": "18:00", "to": "23:00"}], ...}
    portfolio_urls        jsonb          NOT NULL DEFAULT '[]',
    created_at            timestamptz    NOT NULL DEFAULT now(),
    updated_at            timestamptz    NOT NULL DEFAULT now(),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);

-- One index for each order of the list, and for each filter.
CREATE INDEX musician_profiles_newest ON musician_profiles (created_at, id);
CREATE INDEX musician_profiles_by_rate ON musician_profiles (hourly_rate, id);
CREATE INDEX musician_profiles_by_experience ON musician_profiles (experience_years, id);
CREATE INDEX musician_profiles_by_name ON musician_profiles (stage_name, id);
CREATE INDEX musician_profiles_in_city ON musician_profiles (lower(city), hourly_rate, id);
CREATE INDEX musician_profiles_name_search ON musician_profiles USING gin (lower(stage_name) gin_trgm_ops);

CREATE TABLE musical_skills (
    id          uuid PRIMARY KEY,
    name        varchar(100) NOT NULL UNIQUE,
    category    text         NOT NULL CHECK (category IN ('instrument', 'genre', 'style')),
    description text         NOT NULL DEFAULT '',
    icon_url    text
);

CREATE INDEX musical_skills_in_category ON musical_skills (category, name);

CREATE TABLE musician_skills (
    musician_id uuid NOT NULL REFERENCES musician_profiles ON DELETE CASCADE,
    skill_id    uuid NOT NULL REFERENCES musical_skills ON DELETE RESTRICT,
    PRIMARY KEY (musician_id, skill_id)
);

CREATE INDEX musician_skills_by_skill ON musician_skills (skill_id, musician_id);

-- The document store: whatever a musician wants to keep about themselves (portfolio, press, riders).
CREATE TABLE musician_documents (
    musician_id uuid PRIMARY KEY REFERENCES musician_profiles ON DELETE CASCADE,
    document    jsonb       NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX musician_documents_content ON musician_documents USING gin (document jsonb_path_ops);
