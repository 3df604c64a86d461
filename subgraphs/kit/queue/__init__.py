"""Events between services: at least once on the wire, once in the database, in order per aggregate.

The sender's half: `relay` publishes the outbox, `deliveries` counts who has confirmed. The consumer's half:
`inbox` reads the partitions that it holds by `leases`, as far as its `cursors`; `intake` applies events,
judged by the `ledger`, and puts aside what fails (`failures`). Between them: `streams` and `confirmations`.
"""
