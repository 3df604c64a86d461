"""The state of one batch of events: read once at the beginning of its transaction, written once at its end.

`applier` decides by this state what to do with each event: skip it as a duplicate, store it behind an earlier
event of its aggregate, or apply it according to its version.

Example: version 3 of an aggregate was applied. Version 4 is "next", version 3 is "stale", and version 5 is a
"gap": it is stored and retried until version 4 has arrived, or applied without it at the last retry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Text, Uuid, bindparam, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer

from subgraphs.kit.clock import Clock
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue import failures
from subgraphs.kit.queue.confirmations import Confirmation, Outcome
from subgraphs.kit.queue.cursors import StreamEntry
from subgraphs.kit.unit_of_work import UnitOfWork

Aggregate = tuple[str, UUID]
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_PROCESSED = text(
    "SELECT event_id, processed_at FROM inbox WHERE consumer = :consumer AND event_id = ANY(:ids)"
).bindparams(_IDS)
_VERSIONS = text("""
SELECT source, aggregate_id, version FROM inbox_versions
WHERE consumer = :consumer AND aggregate_id = ANY(:ids)""").bindparams(_IDS)
_REMEMBER = text(
    "INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(:ids) ON CONFLICT DO NOTHING"
).bindparams(_IDS)
_RAISE = text("""
INSERT INTO inbox_versions (consumer, source, aggregate_id, version)
SELECT :consumer, * FROM unnest(:sources, :ids, :versions)
ON CONFLICT (consumer, source, aggregate_id) DO UPDATE
SET version = greatest(inbox_versions.version, excluded.version)""").bindparams(
    _IDS, bindparam("sources", type_=ARRAY(Text)), bindparam("versions", type_=ARRAY(Integer))
)


def compare_versions(version: int, known: int | None) -> Literal["next", "stale", "gap"]:
    """Compare an event's `version` with `known`, the last version of its aggregate that was applied.

    "next": apply the event; "stale": skip it; "gap": a version between the two is missing. `version` 0: the
    aggregate has no versions; `known` None: no event of the aggregate was applied before. Both are "next".
    """
    if not version or known is None or version == known + 1:
        return "next"
    return "stale" if version <= known else "gap"


class ReceivedEvent(NamedTuple):
    """An event from the queue, with the stream entry that contains it and its partition."""

    entry: StreamEntry
    envelope: Envelope
    partition: int

    @property
    def aggregate(self) -> Aggregate:
        """The aggregate's service and id."""
        return self.envelope.source, self.envelope.aggregate_id

    @property
    def size(self) -> int:
        """Size of the stream entry in bytes."""
        return sum(len(key) + len(value) for key, value in self.entry.fields.items())


@dataclass(slots=True)
class BatchState:
    """What the database contains about the events of one batch, and the changes to write at its end."""

    consumer: str
    retry_policy: failures.RetryPolicy
    clock: Clock
    processed: dict[UUID, datetime] = field(default_factory=dict)
    """The times at which events were applied, by event id."""
    stored_failures: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    """Status and number of retries of the events stored in `inbox_failures`, by event id."""
    waiting_from: dict[Aggregate, int] = field(default_factory=dict)
    """The outbox position of each aggregate's first event that is stored and waits for a retry.

    Events of the aggregate with a higher position have to wait behind it.
    """
    versions: dict[Aggregate, int] = field(default_factory=dict)
    """The last version of each aggregate that was applied."""
    applied: list[UUID] = field(default_factory=list)
    new_versions: dict[Aggregate, int] = field(default_factory=dict)
    new_failures: list[dict[str, Any]] = field(default_factory=list)
    to_retry: set[Aggregate] = field(default_factory=set)
    outcomes: list[tuple[ReceivedEvent, Outcome, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    async def read(
        cls,
        uow: UnitOfWork,
        consumer: str,
        retry_policy: failures.RetryPolicy,
        received: Sequence[ReceivedEvent],
    ) -> "BatchState":
        """Read from the database which events are applied or stored, and the versions of their aggregates."""
        state = cls(consumer, retry_policy, uow.clock)
        event_ids = [event.envelope.event_id for event in received]
        aggregates = {event.envelope.aggregate_id for event in received}
        processed = await uow.fetch_all(_PROCESSED, consumer=consumer, ids=event_ids)
        state.processed = {row.event_id: row.processed_at for row in processed}
        for row in await failures.known_failures(uow, consumer, event_ids, aggregates):
            state._add_known(row)
        if any(event.envelope.version for event in received):
            rows = await uow.fetch_all(_VERSIONS, consumer=consumer, ids=list(aggregates))
            state.versions = {(row.source, row.aggregate_id): row.version for row in rows}
        return state

    def _add_known(self, row: Row[Any]) -> None:
        self.stored_failures[row.event_id] = row.status, row.retry_count
        if row.status != "failed":
            self._wait_from((row.source, row.aggregate_id), row.position)

    def _wait_from(self, aggregate: Aggregate, position: int) -> None:
        self.waiting_from[aggregate] = min(position, self.waiting_from.get(aggregate, position))

    def must_wait(self, event: ReceivedEvent) -> bool:
        """Return whether an earlier event of the same aggregate is stored and waits for a retry."""
        return self.waiting_from.get(event.aggregate, event.envelope.position) < event.envelope.position

    def add_failure(self, event: ReceivedEvent, status: Literal["retry", "waiting"], error: str = "") -> None:
        """Add an event to the failures to store; later events of its aggregate in this batch wait behind it.

        "retry": the event is retried after a pause; "waiting": it waits behind an earlier event.
        """
        row = failures.row_of(self.consumer, event.partition, event.envelope, event.entry, self.retry_policy)
        pause = self.retry_policy.pause(0)
        self.new_failures.append(
            {**row, "status": status, "error_message": error, "next_at": func.clock_timestamp() + pause}
        )
        self.stored_failures[event.envelope.event_id] = status, 0
        self._wait_from(event.aggregate, event.envelope.position)

    def mark_passed(self, event: ReceivedEvent, *, handled: bool) -> None:
        """Record an event and its version as applied.

        `handled` False: the consumer has no handler for its type, so only the version is recorded.
        """
        if handled:
            self.applied.append(event.envelope.event_id)
            self.processed[event.envelope.event_id] = self.clock.now()
        if event.envelope.version:
            self.raise_version(event.aggregate, event.envelope.version)
        if event.aggregate in self.waiting_from:
            self.to_retry.add(event.aggregate)

    def raise_version(self, aggregate: Aggregate, version: int) -> None:
        """Record a version of an aggregate as applied; a higher recorded version is not changed."""
        self.versions[aggregate] = self.new_versions[aggregate] = max(
            version, self.versions.get(aggregate, 0)
        )

    def add_outcome(self, event: ReceivedEvent, outcome: Outcome, **details: Any) -> None:
        """Add a confirmation of an event; `details`: values of further fields of Confirmation, by name."""
        self.outcomes.append((event, outcome, details))

    async def write(self, uow: UnitOfWork) -> None:
        """Write the batch's applied events, versions and failures to the database."""
        if self.applied:
            await uow.execute(_REMEMBER.bindparams(consumer=self.consumer, ids=self.applied))
        for row in self.new_failures:
            await failures.add(uow, row)
        for source, aggregate_id in self.to_retry:
            await failures.retry_now(uow, self.consumer, source, aggregate_id)
        if self.new_versions:
            sources, ids = zip(*self.new_versions, strict=True)
            versions = list(self.new_versions.values())
            values: dict[str, Any] = {"sources": list(sources), "ids": list(ids), "versions": versions}
            await uow.execute(_RAISE.bindparams(consumer=self.consumer, **values))

    def confirmations(self) -> list[Confirmation]:
        """Return the confirmations of the batch; publish them after the transaction has committed."""
        now = self.clock.now()
        return [
            Confirmation.of(
                self.consumer, event.envelope, outcome, size=event.size, **{"handled_at": now, **details}
            )
            for event, outcome, details in self.outcomes
        ]
