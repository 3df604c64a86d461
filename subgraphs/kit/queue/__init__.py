"""Events between services: published at least once, applied exactly once, in order per aggregate.

Publisher: `relay` publishes the outbox; `deliveries` records which consumers have confirmed which event.
Consumer: `inbox` reads the partitions that it has leased (`leases`) from its stored positions (`cursors`);
`applier` calls the handlers in the order that `batch_state` decides, and stores events that fail
(`failures`). Both: `streams` (stream names and entries) and `confirmations`.

Example: the outbox row of `UserUpdated`, version 4, becomes an entry of the stream `events:users:3`. The
consumer `matching` reads it, calls its handler, and stores version 4 and the stream's position in the same
transaction. It then publishes a confirmation with outcome `done` on `confirmations:users`.
"""
