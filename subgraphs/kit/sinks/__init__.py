"""Sinks: consumers of events whose target is not PostgreSQL, such as a search index, a graph or a store of
documents.

    target      the protocol that a target implements: documents with keys and versions, in generations
    memory      the target for tests of services
    sink        what a sink is: which events it reads, and which documents follow from each
    generations which generations of the target exist; events are written to all of them, readers see one
    consumer    reads the queue (kit/queue/inbox) and writes to the target, at least once
    rebuild     fills a new generation from zero while the old one serves
    originals   what owners tell, as the source of a rebuild
    copy        the target's documents as a copy that the consistency check compares and repairs (kit/copies)

Example: a sink that indexes profiles, in a service that has a database, a queue and an HTTP client for its
target.

    async def profile(uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
        return [Write("musician", envelope.aggregate_id, envelope.version, envelope.payload)]

    sink = Sink("index", SearchTarget(url), ("musicians",), {"MusicianProfileUpdated": profile})
    consumer = SinkConsumer(database, queue.redis, "search", sink)      # one of the service's parts

What happens to an event: the inbox reads it, calls `profile` in a transaction of the service's own database,
writes the document to the target, and commits the cursor. A process that dies between the last two writes the
document again after its restart; the target sees that it has this version already. While the target is away
the inbox waits, and counts no try.
"""
