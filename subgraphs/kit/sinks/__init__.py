"""Sinks: consumers of events whose target is not PostgreSQL, such as a search index, a graph or a store of
documents.

    target      the protocol that a target implements: documents with keys and versions, in generations
    memory      the target for tests of services
    sink        the definition of a sink: which events it reads, and which documents to write for each
    generations the table of the target's generations; events are written to all of them, readers see one
    consumer    reads the queue (kit/queue/inbox) and writes to the target, at least once
    rebuild     fills a new generation while the old one serves readers
    originals   reads the objects of the services that own them, as the source of a rebuild
    copy        the target's documents as a copy that the consistency check compares and repairs (kit/copies)

Example: a sink that indexes profiles, in a service that has a database, a queue and an HTTP client for its
target.

    async def profile(uow: UnitOfWork, envelope: Envelope) -> Sequence[Write]:
        return [Write("musician", envelope.aggregate_id, envelope.version, envelope.payload)]

    sink = Sink("index", SearchTarget(url), ("musicians",), {"MusicianProfileUpdated": profile})
    consumer = SinkConsumer(database, queue.redis, "search", sink)      # one of the service's parts

How an event is processed: the inbox reads it, calls `profile` in a transaction of the service's database,
writes the document to the target, and commits the position in the stream. If the process is killed between
write and commit, the next process writes the document again, which changes nothing: the target has stored
this version. While the target is unavailable, the inbox waits and counts no retry.
"""
