"""Event sourcing in a service's own database.

Streams of events are the source of truth; states and read models are computed from them.

`append` writes events. `aggregate` computes states, with the help of `snapshots`, `upcasters`, `archive` and
`migrate`. `feed` reads all events in their global order; `projection`, `batches`, `projection_runner`,
`rebuild` and `lag` maintain read models with it. `sourced` maintains tables of current states. `audit`
queries who changed what and why. `restored.adopt` is called once after a dump was restored into another
server.
"""
