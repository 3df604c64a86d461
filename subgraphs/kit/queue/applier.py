"""Applies events to a consumer's database; called by the inbox, which reads them from the queue.

One transaction writes the effects of a batch, the versions of its events and the new positions in the
streams. It commits only while this process holds the leases of the partitions (`kit/queue/leases`). If a
batch fails, the inbox calls the applier with one event at a time, so that only those that fail are stored as
failures (`kit/queue/failures`).
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue import cursors, failures
from subgraphs.kit.queue.batch_state import BatchState, ReceivedEvent, compare_versions
from subgraphs.kit.queue.confirmations import Confirmation, Outcome
from subgraphs.kit.queue.cursors import StreamEntry
from subgraphs.kit.queue.failures import RetryPolicy, error_text
from subgraphs.kit.queue.leases import LeaseLost, Leases
from subgraphs.kit.queue.outages import connect, is_outage
from subgraphs.kit.queue.streams import envelope_of, stream_of
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.inbox")

EventHandler = Callable[[UnitOfWork, Envelope], Awaitable[None]]
ANY_TYPE = "*"  # the key of the handler for events whose type has no handler of its own


class MissingEvent(Exception):
    """An event arrived before an event of its aggregate with a lower version,
    such as version 5 while the last applied version is 3.
    """


def origin_of(entry: StreamEntry) -> tuple[str, int]:
    """Return service and partition from the name of an entry's stream: ("users", 3) for `events:users:3`."""
    source, _, partition = entry.stream.removeprefix("events:").rpartition(":")
    return source, int(partition)


class EventApplier:
    """Applies the events of one consumer.

    `tokens` and `partitions`, in all methods: the fencing token of each partition that this process has
    leased, by the partition's number.
    """

    def __init__(
        self,
        database: Database,
        consumer: str,
        handlers: Mapping[str, EventHandler],
        leases: Leases,
        retry_policy: RetryPolicy,
    ) -> None:
        self._database = database
        self._consumer = consumer
        self._handlers = handlers
        self._leases = leases
        self._retry_policy = retry_policy

    async def apply_batch(
        self, entries: Sequence[StreamEntry], tokens: Mapping[int, int]
    ) -> list[Confirmation]:
        """Apply stream entries in one transaction; return the confirmations to publish for them.

        Raises LeaseLost, and the errors of handlers and of the database; the transaction is then rolled back.
        """
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {origin_of(entry)[1] for entry in entries}, tokens)
            received = await self._decode(uow, entries)
            state = await BatchState.read(uow, self._consumer, self._retry_policy, received)
            for event in received:
                await self._process(uow, state, event)
            await state.write(uow)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id for entry in entries})
        return state.confirmations()

    async def _begin(self, uow: UnitOfWork, partitions: set[int], tokens: Mapping[int, int]) -> None:
        await connect(uow)
        await self._leases.fence(uow, {partition: tokens[partition] for partition in partitions})

    async def _decode(self, uow: UnitOfWork, entries: Sequence[StreamEntry]) -> list[ReceivedEvent]:
        """Return the events of entries; store an entry that cannot be decoded as a failure."""
        events = []
        for entry in entries:
            source, partition = origin_of(entry)
            try:
                events.append(ReceivedEvent(entry, envelope_of(source, entry.fields), partition))
            except (KeyError, ValueError) as error:
                log.error(
                    "stream entry is not an event; stored as a failure",
                    consumer=self._consumer,
                    stream=entry.stream,
                    entry=entry.id,
                    reason=repr(error),
                )
                await failures.add(
                    uow, failures.malformed_row_of(self._consumer, source, partition, entry, error)
                )
        return events

    async def _process(self, uow: UnitOfWork, state: BatchState, event: ReceivedEvent) -> None:
        envelope, handler = event.envelope, self._handler(event.envelope)
        if handler is None and not envelope.version:
            return
        if processed_at := state.processed.get(envelope.event_id):
            state.add_outcome(event, "done", handled_at=processed_at)
            return
        if stored := state.stored_failures.get(envelope.event_id):
            status, retries = stored
            state.add_outcome(event, "failed" if status == "failed" else "retry", retry_count=retries)
            return
        verdict, took = "waiting", 0.0
        if not state.must_wait(event):
            verdict = compare_versions(envelope.version, state.versions.get(event.aggregate))
        if verdict == "waiting":
            state.add_failure(event, "waiting")
        elif verdict == "gap":
            state.add_failure(event, "retry", error_text(_gap(envelope, state.versions.get(event.aggregate))))
        elif verdict == "next":
            took = await self._apply(uow, envelope)
            state.mark_passed(event, handled=handler is not None)
        if handler is not None:
            self._add_outcome(state, event, verdict, took)

    def _add_outcome(self, state: BatchState, event: ReceivedEvent, verdict: str, took: float) -> None:
        if verdict == "next":
            state.add_outcome(event, "done", processing_ms=took)
        elif verdict == "stale":
            state.add_outcome(
                event, "stale", error=self._log_conflict(event, state.versions[event.aggregate])
            )
        else:
            state.add_outcome(event, "retry")

    def _log_conflict(self, event: ReceivedEvent, known: int) -> str:
        """Log that an event was skipped because version `known` of its aggregate is applied; return the
        reason.
        """
        envelope = event.envelope
        reason = (
            f"event has version {envelope.version}, but version {known} of its aggregate was applied before"
        )
        log.warning(
            "event skipped: out of date",
            consumer=self._consumer,
            event_id=str(envelope.event_id),
            source=envelope.source,
            reason=reason,
        )
        return reason

    def _handler(self, envelope: Envelope) -> EventHandler | None:
        return self._handlers.get(envelope.event_type) or self._handlers.get(ANY_TYPE)

    async def _apply(self, uow: UnitOfWork, envelope: Envelope) -> float:
        """Call the handler, if the event's type has one; return its duration in milliseconds."""
        if (handler := self._handler(envelope)) is None:
            return 0.0
        correlation_id = envelope.correlation_id or str(envelope.event_id)
        begin = time.perf_counter()
        with because(Cause(f"service:{self._consumer}", correlation_id, envelope.event_id)):
            await handler(uow, envelope)
        return (time.perf_counter() - begin) * 1000

    async def store_failed(
        self, entry: StreamEntry, tokens: Mapping[int, int], error: Exception
    ) -> list[Confirmation]:
        """Store the event of `entry`, whose handler raised `error`, for a later retry; return its
        confirmation.

        Raises LeaseLost, and the errors of the database.
        """
        source, partition = origin_of(entry)
        event = ReceivedEvent(entry, envelope_of(source, entry.fields), partition)
        state = BatchState(self._consumer, self._retry_policy, self._database.clock)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {partition}, tokens)
            state.add_failure(event, "retry", error_text(error))
            state.add_outcome(event, "retry", error=error_text(error))
            await state.write(uow)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id})
        log.warning(
            "event failed; it will be retried", entry=entry.id, stream=entry.stream, reason=repr(error)
        )
        return state.confirmations()

    async def due(self, partitions: Mapping[int, int]) -> Sequence[Row[Any]]:
        """Return the rows of stored events in these partitions whose retry is due, at most 100."""
        return await failures.due(self._database, self._consumer, list(partitions))

    async def retry(self, row: Row[Any], tokens: Mapping[int, int]) -> list[Confirmation]:
        """Apply the stored event of a row (a result of `due`) again; return its confirmations.

        An error of the handler is counted as a failed retry. Raises LeaseLost, and errors that mean that a
        server is unavailable (`outages.is_outage`); these are not counted.
        """
        entry = StreamEntry(stream_of(row.source, row.partition), "0", failures.fields_of(row))
        event = ReceivedEvent(entry, envelope_of(row.source, entry.fields), row.partition)
        try:
            async with UnitOfWork(self._database) as uow:
                await self._begin(uow, {row.partition}, tokens)
                state = await BatchState.read(uow, self._consumer, self._retry_policy, [event])
                await self._resolve(uow, state, event, row)
                await state.write(uow)
                await failures.release_next(uow, row)
        except LeaseLost:
            raise
        except Exception as error:
            if is_outage(error):
                raise
            return await self._failed_again(event, row, tokens, error)
        return state.confirmations()

    async def _resolve(self, uow: UnitOfWork, state: BatchState, event: ReceivedEvent, row: Row[Any]) -> None:
        """Apply a stored event, or skip it if a later version was applied; delete its row in both cases.

        Raises MissingEvent for a gap before the last retry; at the last retry the event is applied anyway.
        """
        known = state.versions.get(event.aggregate)
        verdict = compare_versions(row.version, known)
        if verdict == "stale" and row.replays and row.version == known:
            # When its last retry failed, the event's version was recorded as applied, so that later events
            # could follow. None did, so a requested replay may apply it now.
            verdict = "next"
        if verdict == "gap" and row.retry_count + 1 < row.max_retries:
            raise _gap(event.envelope, known)
        took = 0.0
        if verdict != "stale":
            took = await self._apply(uow, event.envelope)
            state.mark_passed(event, handled=self._handler(event.envelope) is not None)
        await failures.remove(uow, row)
        if self._handler(event.envelope) is not None:
            outcome: Outcome = "done" if verdict == "next" else verdict
            error = self._log_conflict(event, known or 0) if verdict == "stale" else row.error_message
            state.add_outcome(event, outcome, retry_count=row.retry_count, error=error, processing_ms=took)

    async def _failed_again(
        self, event: ReceivedEvent, row: Row[Any], tokens: Mapping[int, int], error: Exception
    ) -> list[Confirmation]:
        """Record a failed retry; return the confirmation.

        After the last retry the event gets the status `failed`, and the next event of its aggregate is due.
        """
        state = BatchState(self._consumer, self._retry_policy, self._database.clock)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {row.partition}, tokens)
            last = await failures.record_retry(uow, row, self._retry_policy, error_text(error))
            if last:
                if row.version:
                    state.raise_version(event.aggregate, row.version)
                await failures.release_next(uow, row)
            outcome: Outcome = "failed" if last else "retry"
            state.add_outcome(event, outcome, retry_count=row.retry_count + 1, error=error_text(error))
            await state.write(uow)
        if last:
            log.error(
                "event failed after all retries",
                consumer=self._consumer,
                event_id=str(row.event_id),
                reason=repr(error),
            )
        return state.confirmations()

    async def replay(self, entries: Sequence[StreamEntry], tokens: Mapping[int, int]) -> int:
        """Schedule failed events for a retry; return how many.

        `entries` are replays from the stream `replays:<consumer>`, each with the id of an event. Only the
        process with the lease of partition 0 reads this stream, so the caller needs that lease.
        """
        event_ids = []
        for entry in entries:
            try:
                event_ids.append(UUID(entry.fields[b"event_id"].decode()))
            except (KeyError, ValueError):
                log.error("replay request has no valid event_id", consumer=self._consumer, entry=entry.id)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {0}, tokens)
            count = await failures.replay(uow, self._consumer, event_ids)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id for entry in entries})
        return count


def _gap(envelope: Envelope, known: int | None) -> MissingEvent:
    return MissingEvent(
        f"event has version {envelope.version}, but the last applied version of its aggregate is {known}"
    )
