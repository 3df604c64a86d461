"""Event sourcing in a service's own database.

Streams of events are the truth, states and read models follow from them.

`append` writes, `aggregate` rebuilds states (`snapshots`, `upcasters`, `archive`, `migrate` serve it), `feed`
is the global order, `projection`, `batches`, `projector`, `rebuild` and `lag` keep read models by it, `audit`
answers who did what and why. `restored.adopt` is for after a dump was restored into another server.
"""
