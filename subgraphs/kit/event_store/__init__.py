"""Event sourcing in a service's own database.

Streams of events are the source of truth; states and read models are computed from them.

- `append` writes events to a stream, the events of one aggregate.
- `aggregate` computes an aggregate's state from a snapshot (`snapshots`) and later events, which `upcasters`
  convert to the newest schema. `archive` moves old events to another table; `migrate` rewrites them.
- `feed` reads all events in their global order; `projection`, `batches`, `projection_runner`, `rebuild` and
  `lag` maintain read models with it.
- `sourced` maintains tables of current states.
- `audit` finds who changed what, when and why.
- `restored.adopt` is called once after a dump was restored into another server.
"""
