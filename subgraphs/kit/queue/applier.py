"""Applies events to a consumer's database.

A batch is one transaction with what is remembered of it and how far the streams were read.

A batch is all or nothing; the inbox then takes its events one by one, so that only those that fail are put
aside (`kit/queue/failures`). Each transaction commits only while this process holds the partitions
(`kit/queue/leases`).
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
ANY_TYPE = "*"  # in place of an event's type: whatever has no handler of its own


class MissingEvent(Exception):
    """An event came before one that has to be applied earlier."""


def origin_of(entry: StreamEntry) -> tuple[str, int]:
    """Service and partition of an entry's stream."""
    source, _, partition = entry.stream.removeprefix("events:").rpartition(":")
    return source, int(partition)


class EventApplier:
    """One consumer's way of applying events."""

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
        """Apply entries, all or none of them; raises what went wrong."""
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {origin_of(entry)[1] for entry in entries}, tokens)
            arrivals = await self._received(uow, entries)
            ledger = await BatchState.read(uow, self._consumer, self._retry_policy, arrivals)
            for arrival in arrivals:
                await self._process(uow, ledger, arrival)
            await ledger.write(uow)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id for entry in entries})
        return ledger.confirmations()

    async def _begin(self, uow: UnitOfWork, partitions: set[int], tokens: Mapping[int, int]) -> None:
        await connect(uow)
        await self._leases.fence(uow, {partition: tokens[partition] for partition in partitions})

    async def _received(self, uow: UnitOfWork, entries: Sequence[StreamEntry]) -> list[ReceivedEvent]:
        """The events of entries; what is none is put aside for a person to look at."""
        found = []
        for entry in entries:
            source, partition = origin_of(entry)
            try:
                found.append(ReceivedEvent(entry, envelope_of(source, entry.fields), partition))
            except (KeyError, ValueError) as error:
                log.error(
                    "no event",
                    consumer=self._consumer,
                    stream=entry.stream,
                    entry=entry.id,
                    reason=repr(error),
                )
                await failures.add(
                    uow, failures.malformed_row_of(self._consumer, source, partition, entry, error)
                )
        return found

    async def _process(self, uow: UnitOfWork, ledger: BatchState, arrival: ReceivedEvent) -> None:
        envelope, handler = arrival.envelope, self._handler(arrival.envelope)
        if handler is None and not envelope.version:
            return
        if processed_at := ledger.processed.get(envelope.event_id):
            ledger.add_outcome(arrival, "done", handled_at=processed_at)
            return
        if aside := ledger.stored_failures.get(envelope.event_id):
            status, retries = aside
            ledger.add_outcome(arrival, "failed" if status == "failed" else "retry", retry_count=retries)
            return
        verdict, took = "waiting", 0.0
        if not ledger.must_wait(arrival):
            verdict = compare_versions(envelope.version, ledger.versions.get(arrival.aggregate))
        if verdict == "waiting":
            ledger.add_failure(arrival, "waiting")
        elif verdict == "gap":
            ledger.add_failure(
                arrival, "retry", error_text(_gap(envelope, ledger.versions.get(arrival.aggregate)))
            )
        elif verdict == "next":
            took = await self._apply(uow, envelope)
            ledger.mark_passed(arrival, handled=handler is not None)
        if handler is not None:
            self._add_outcome(ledger, arrival, verdict, took)

    def _add_outcome(self, ledger: BatchState, arrival: ReceivedEvent, verdict: str, took: float) -> None:
        if verdict == "next":
            ledger.add_outcome(arrival, "done", processing_ms=took)
        elif verdict == "stale":
            ledger.add_outcome(
                arrival, "stale", error=self._log_conflict(arrival, ledger.versions[arrival.aggregate])
            )
        else:
            ledger.add_outcome(arrival, "retry")

    def _log_conflict(self, arrival: ReceivedEvent, known: int) -> str:
        """Two writers: the one that came first stands."""
        envelope = arrival.envelope
        said = f"version {envelope.version} came, version {known} was here already"
        log.warning(
            "conflict",
            consumer=self._consumer,
            event_id=str(envelope.event_id),
            source=envelope.source,
            reason=said,
        )
        return said

    def _handler(self, envelope: Envelope) -> EventHandler | None:
        return self._handlers.get(envelope.event_type) or self._handlers.get(ANY_TYPE)

    async def _apply(self, uow: UnitOfWork, envelope: Envelope) -> float:
        """Call the handler; answer how many milliseconds it took."""
        if (handler := self._handler(envelope)) is None:
            return 0.0
        together = envelope.correlation_id or str(envelope.event_id)
        begin = time.perf_counter()
        with because(Cause(f"service:{self._consumer}", together, envelope.event_id)):
            await handler(uow, envelope)
        return (time.perf_counter() - begin) * 1000

    async def store_failed(
        self, entry: StreamEntry, tokens: Mapping[int, int], error: Exception
    ) -> list[Confirmation]:
        """Keep an event whose handler failed, to try it again later."""
        source, partition = origin_of(entry)
        arrival = ReceivedEvent(entry, envelope_of(source, entry.fields), partition)
        ledger = BatchState(self._consumer, self._retry_policy, self._database.clock)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {partition}, tokens)
            ledger.add_failure(arrival, "retry", error_text(error))
            ledger.add_outcome(arrival, "retry", error=error_text(error))
            await ledger.write(uow)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id})
        log.warning(
            "event failed, it will be tried again", entry=entry.id, stream=entry.stream, reason=repr(error)
        )
        return ledger.confirmations()

    async def due(self, partitions: Mapping[int, int]) -> Sequence[Row[Any]]:
        """What was put aside and is to be tried again now."""
        return await failures.due(self._database, self._consumer, list(partitions))

    async def retry(self, row: Row[Any], tokens: Mapping[int, int]) -> list[Confirmation]:
        """Try an event again that was put aside."""
        entry = StreamEntry(stream_of(row.source, row.partition), "0", failures.fields_of(row))
        arrival = ReceivedEvent(entry, envelope_of(row.source, entry.fields), row.partition)
        try:
            async with UnitOfWork(self._database) as uow:
                await self._begin(uow, {row.partition}, tokens)
                ledger = await BatchState.read(uow, self._consumer, self._retry_policy, [arrival])
                await self._resolve(uow, ledger, arrival, row)
                await ledger.write(uow)
                await failures.release_next(uow, row)
        except LeaseLost:
            raise
        except Exception as error:
            if is_outage(error):
                raise
            return await self._failed_again(arrival, row, tokens, error)
        return ledger.confirmations()

    async def _resolve(
        self, uow: UnitOfWork, ledger: BatchState, arrival: ReceivedEvent, row: Row[Any]
    ) -> None:
        """Apply the event, or let it be if the aggregate has gone past it; the row goes in either case."""
        known = ledger.versions.get(arrival.aggregate)
        verdict = compare_versions(row.version, known)
        if verdict == "stale" and row.replays and row.version == known:
            verdict = "next"  # this version was given up, and nothing has come after it
        if verdict == "gap" and row.retry_count + 1 < row.max_retries:
            raise _gap(arrival.envelope, known)
        took = 0.0
        if verdict != "stale":
            took = await self._apply(uow, arrival.envelope)
            ledger.mark_passed(arrival, handled=self._handler(arrival.envelope) is not None)
        await failures.remove(uow, row)
        if self._handler(arrival.envelope) is not None:
            outcome: Outcome = "done" if verdict == "next" else verdict
            error = self._log_conflict(arrival, known or 0) if verdict == "stale" else row.error_message
            ledger.add_outcome(arrival, outcome, retry_count=row.retry_count, error=error, processing_ms=took)

    async def _failed_again(
        self, arrival: ReceivedEvent, row: Row[Any], tokens: Mapping[int, int], error: Exception
    ) -> list[Confirmation]:
        """Count the try. After the last one the event is given up, and those behind it go on without it."""
        ledger = BatchState(self._consumer, self._retry_policy, self._database.clock)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {row.partition}, tokens)
            last = await failures.record_retry(uow, row, self._retry_policy, error_text(error))
            if last:
                if row.version:
                    ledger.raise_version(arrival.aggregate, row.version)
                await failures.release_next(uow, row)
            outcome: Outcome = "failed" if last else "retry"
            ledger.add_outcome(arrival, outcome, retry_count=row.retry_count + 1, error=error_text(error))
            await ledger.write(uow)
        if last:
            log.error(
                "event given up", consumer=self._consumer, event_id=str(row.event_id), reason=repr(error)
            )
        return ledger.confirmations()

    async def replay(self, entries: Sequence[StreamEntry], tokens: Mapping[int, int]) -> int:
        """Have events tried again that a person named; what is no id names none."""
        asked = []
        for entry in entries:
            try:
                asked.append(UUID(entry.fields[b"event_id"].decode()))
            except (KeyError, ValueError):
                log.error("no replay", consumer=self._consumer, entry=entry.id)
        async with UnitOfWork(self._database) as uow:
            await self._begin(uow, {0}, tokens)
            count = await failures.replay(uow, self._consumer, asked)
            await cursors.save_positions(uow, self._consumer, {entry.stream: entry.id for entry in entries})
        return count


def _gap(envelope: Envelope, known: int | None) -> MissingEvent:
    return MissingEvent(f"version {envelope.version} came after version {known}, one in between is missing")
