"""What a consumer knows of the events of one transaction, and what it has to write down of them.

Read and written once a batch.

The rules of order stand here: what is a duplicate, what has to wait behind what, and what an event's version
says.
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
_HAD = text(
    "SELECT event_id, processed_at FROM inbox WHERE consumer = :consumer AND event_id = ANY(:ids)"
).bindparams(_IDS)
_VERSIONS = text("""
SELECT source, aggregate_id, version FROM inbox_versions WHERE consumer = :consumer AND aggregate_id = ANY(:ids)""").bindparams(
    _IDS
)
_REMEMBER = text(
    "INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(:ids) ON CONFLICT DO NOTHING"
).bindparams(_IDS)
_RAISE = text("""
INSERT INTO inbox_versions (consumer, source, aggregate_id, version)
SELECT :consumer, * FROM unnest(:sources, :ids, :versions)
ON CONFLICT (consumer, source, aggregate_id) DO UPDATE SET version = greatest(inbox_versions.version, excluded.version)""").bindparams(
    _IDS, bindparam("sources", type_=ARRAY(Text)), bindparam("versions", type_=ARRAY(Integer))
)


def compare_versions(version: int, known: int | None) -> Literal["next", "stale", "gap"]:
    """What an event's version says, where the aggregate has come to a known version here (None.

    Nothing is known).
    """
    if not version or known is None or version == known + 1:
        return "next"
    return "stale" if version <= known else "gap"


class ReceivedEvent(NamedTuple):
    """An event that came by the queue."""

    entry: StreamEntry
    envelope: Envelope
    partition: int

    @property
    def aggregate(self) -> Aggregate:
        """The aggregate, by service and id."""
        return self.envelope.source, self.envelope.aggregate_id

    @property
    def size(self) -> int:
        """Bytes on the queue."""
        return sum(len(key) + len(value) for key, value in self.entry.fields.items())


@dataclass(slots=True)
class BatchState:
    """The state of one transaction."""

    consumer: str
    retry_policy: failures.RetryPolicy
    clock: Clock
    processed: dict[UUID, datetime] = field(default_factory=dict)
    stored_failures: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    """Status and retries of events that were put aside before."""
    waiting_from: dict[Aggregate, int] = field(default_factory=dict)
    """The earliest position at which an aggregate waits."""
    versions: dict[Aggregate, int] = field(default_factory=dict)
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
        arrivals: Sequence[ReceivedEvent],
    ) -> "BatchState":
        """What is known of these events and their aggregates."""
        ledger = cls(consumer, retry_policy, uow.clock)
        events = [arrival.envelope.event_id for arrival in arrivals]
        aggregates = {arrival.envelope.aggregate_id for arrival in arrivals}
        had = await uow.fetch_all(_HAD, consumer=consumer, ids=events)
        ledger.processed = {row.event_id: row.processed_at for row in had}
        for row in await failures.known_failures(uow, consumer, events, aggregates):
            ledger._add_known(row)
        if any(arrival.envelope.version for arrival in arrivals):
            rows = await uow.fetch_all(_VERSIONS, consumer=consumer, ids=list(aggregates))
            ledger.versions = {(row.source, row.aggregate_id): row.version for row in rows}
        return ledger

    def _add_known(self, row: Row[Any]) -> None:
        self.stored_failures[row.event_id] = row.status, row.retry_count
        if row.status != "failed":
            self._wait_from((row.source, row.aggregate_id), row.position)

    def _wait_from(self, aggregate: Aggregate, position: int) -> None:
        self.waiting_from[aggregate] = min(position, self.waiting_from.get(aggregate, position))

    def must_wait(self, arrival: ReceivedEvent) -> bool:
        """Whether an earlier event of the aggregate is still to come."""
        return self.waiting_from.get(arrival.aggregate, arrival.envelope.position) < arrival.envelope.position

    def add_failure(
        self, arrival: ReceivedEvent, status: Literal["retry", "waiting"], error: str = ""
    ) -> None:
        """Put an event aside, and let later ones of its aggregate wait behind it."""
        row = failures.row_of(
            self.consumer, arrival.partition, arrival.envelope, arrival.entry, self.retry_policy
        )
        pause = self.retry_policy.pause(0)
        self.new_failures.append(
            {**row, "status": status, "error_message": error, "next_at": func.clock_timestamp() + pause}
        )
        self.stored_failures[arrival.envelope.event_id] = status, 0
        self._wait_from(arrival.aggregate, arrival.envelope.position)

    def mark_passed(self, arrival: ReceivedEvent, *, handled: bool) -> None:
        """The event is behind us: applied, or of no interest here."""
        if handled:
            self.applied.append(arrival.envelope.event_id)
            self.processed[arrival.envelope.event_id] = self.clock.now()
        if arrival.envelope.version:
            self.raise_version(arrival.aggregate, arrival.envelope.version)
        if arrival.aggregate in self.waiting_from:
            self.to_retry.add(arrival.aggregate)

    def raise_version(self, aggregate: Aggregate, version: int) -> None:
        """The aggregate has come to a version here."""
        self.versions[aggregate] = self.new_versions[aggregate] = max(
            version, self.versions.get(aggregate, 0)
        )

    def add_outcome(self, arrival: ReceivedEvent, outcome: Outcome, **more: Any) -> None:
        """Confirm it when the transaction is committed."""
        self.outcomes.append((arrival, outcome, more))

    async def write(self, uow: UnitOfWork) -> None:
        """Write down what has happened."""
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
        """What to tell the senders, now that it is committed."""
        now = self.clock.now()
        return [
            Confirmation.of(
                self.consumer, arrival.envelope, outcome, size=arrival.size, **{"handled_at": now, **more}
            )
            for arrival, outcome, more in self.outcomes
        ]
