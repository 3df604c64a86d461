-- The matching service: algorithms, results, and its own copies of musicians and requests, kept by events.

create table matching_algorithms (
    id          uuid primary key default gen_random_uuid(),
    name        varchar(60) not null unique,
    description text not null,
    -- weights (any positive numbers, used in proportion), radius_km, recommended_from (a total score of 0..100)
    parameters  jsonb not null,
    is_active   boolean not null default true,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);

create table matching_results (
    id                uuid primary key default gen_random_uuid(),
    request_id        uuid not null,
    algorithm_id      uuid not null references matching_algorithms (id),
    -- best first: [{musician_id, total_score, skill_score, experience_score, price_score, distance_score, distance_km,
    -- ranking_position, is_recommended}]
    musician_scores   jsonb not null,
    candidates        integer not null,
    -- what it was computed from: it is served again as long as nothing of it has changed
    request_position  bigint not null default 0,
    algorithm_version timestamptz not null,
    musicians_version bigint not null default 0,
    execution_time_ms double precision not null,
    cache_hit         boolean not null,
    created_at        timestamptz not null default now()
);
create index matching_results_of_request on matching_results (request_id, algorithm_id, created_at desc);

-- Each row names the transaction that wrote it last: a process that keeps the musicians in memory catches up with all
-- that no older snapshot of its own could see (matching/index.py).
create table matching_musicians (
    musician_id      uuid primary key,
    user_id          uuid not null,
    stage_name       varchar(120) not null,
    hourly_rate      numeric(10, 2) not null,
    currency         char(3) not null default 'EUR',
    experience_years integer not null default 0,
    -- who has not said where they live is near nothing
    latitude         double precision,
    longitude        double precision,
    skill_ids        uuid[] not null default '{}',
    -- the place of the newest event applied, in the order of the musicians' outbox; an older one changes nothing
    position         bigint not null default 0,
    changed_by       xid8 not null default pg_current_xact_id()
);
create index matching_musicians_changed_by on matching_musicians (changed_by);

create function matching_musicians_changed() returns trigger language plpgsql as $$
begin
    new.changed_by := pg_current_xact_id();
    return new;
end $$;
create trigger matching_musicians_changed before update on matching_musicians
    for each row execute function matching_musicians_changed();

create table matching_requests (
    request_id    uuid primary key,
    client_id     uuid not null,
    title         varchar(200) not null,
    status        text not null,
    latitude      double precision not null,
    longitude     double precision not null,
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    time_zone     varchar(64) not null,
    budget_min    numeric(10, 2) not null,
    budget_max    numeric(10, 2) not null,
    currency      char(3) not null,
    urgency_level text not null,
    skill_ids     uuid[] not null default '{}',
    position      bigint not null default 0
);

insert into matching_algorithms (name, description, parameters) values
    ('balanced', 'Skills first, then price, distance and experience.',
     '{"weights": {"skill": 0.4, "experience": 0.2, "price": 0.2, "distance": 0.2}, "radius_km": 50, "recommended_from": 70}'),
    ('nearby', 'Whoever is near and can play it.',
     '{"weights": {"skill": 0.35, "experience": 0.1, "price": 0.15, "distance": 0.4}, "radius_km": 25, "recommended_from": 70}'),
    ('best_value', 'The price within the budget counts most.',
     '{"weights": {"skill": 0.3, "experience": 0.15, "price": 0.45, "distance": 0.1}, "radius_km": 100, "recommended_from": 70}'),
    ('virtuoso', 'Skills and experience, however far away.',
     '{"weights": {"skill": 0.5, "experience": 0.35, "price": 0.05, "distance": 0.1}, "radius_km": 500, "recommended_from": 75}');
