-- The generations of what a sink writes to outside this database (subgraphs/kit/sinks): which ones exist, and which one readers see.
CREATE TABLE sink_generations (
    sink       text        NOT NULL,
    generation integer     NOT NULL,
    state      text        NOT NULL CHECK (state IN ('building', 'serving', 'retired')),
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sink, generation)
);

CREATE UNIQUE INDEX sink_generations_serving ON sink_generations (sink) WHERE state = 'serving';
