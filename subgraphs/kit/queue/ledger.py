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
from subgraphs.kit.queue.cursors import Entry
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


def judged(version: int, known: int | None) -> Literal["next", "stale", "gap"]:
    """What an event's version says, where the aggregate has come to a known version here (None.

    Nothing is known).
    """
    if not version or known is None or version == known + 1:
        return "next"
    return "stale" if version <= known else "gap"


class Arrival(NamedTuple):
    """An event that came by the queue."""

    entry: Entry
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
class Ledger:
    """The state of one transaction."""

    consumer: str
    pace: failures.Pace
    clock: Clock
    had: dict[UUID, datetime] = field(default_factory=dict)
    put_aside: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    """Status and retries of events that were put aside before."""
    queues: dict[Aggregate, int] = field(default_factory=dict)
    """The earliest position at which an aggregate waits."""
    versions: dict[Aggregate, int] = field(default_factory=dict)
    applied: list[UUID] = field(default_factory=list)
    raised: dict[Aggregate, int] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)
    woken: set[Aggregate] = field(default_factory=set)
    said: list[tuple[Arrival, Outcome, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    async def read(
        cls, uow: UnitOfWork, consumer: str, pace: failures.Pace, arrivals: Sequence[Arrival]
    ) -> "Ledger":
        """What is known of these events and their aggregates."""
        ledger = cls(consumer, pace, uow.clock)
        events = [arrival.envelope.event_id for arrival in arrivals]
        aggregates = {arrival.envelope.aggregate_id for arrival in arrivals}
        had = await uow.fetch_all(_HAD, consumer=consumer, ids=events)
        ledger.had = {row.event_id: row.processed_at for row in had}
        for row in await failures.about(uow, consumer, events, aggregates):
            ledger._notice(row)
        if any(arrival.envelope.version for arrival in arrivals):
            rows = await uow.fetch_all(_VERSIONS, consumer=consumer, ids=list(aggregates))
            ledger.versions = {(row.source, row.aggregate_id): row.version for row in rows}
        return ledger

    def _notice(self, row: Row[Any]) -> None:
        self.put_aside[row.event_id] = row.status, row.retry_count
        if row.status != "failed":
            self._queue((row.source, row.aggregate_id), row.position)

    def _queue(self, aggregate: Aggregate, position: int) -> None:
        self.queues[aggregate] = min(position, self.queues.get(aggregate, position))

    def must_wait(self, arrival: Arrival) -> bool:
        """Whether an earlier event of the aggregate is still to come."""
        return self.queues.get(arrival.aggregate, arrival.envelope.position) < arrival.envelope.position

    def keep(self, arrival: Arrival, status: Literal["retry", "waiting"], error: str = "") -> None:
        """Put an event aside, and let later ones of its aggregate wait behind it."""
        row = failures.row_of(self.consumer, arrival.partition, arrival.envelope, arrival.entry, self.pace)
        pause = self.pace.pause(0)
        self.kept.append(
            {**row, "status": status, "error_message": error, "next_at": func.clock_timestamp() + pause}
        )
        self.put_aside[arrival.envelope.event_id] = status, 0
        self._queue(arrival.aggregate, arrival.envelope.position)

    def passed(self, arrival: Arrival, *, handled: bool) -> None:
        """The event is behind us: applied, or of no interest here."""
        if handled:
            self.applied.append(arrival.envelope.event_id)
            self.had[arrival.envelope.event_id] = self.clock.now()
        if arrival.envelope.version:
            self.reach(arrival.aggregate, arrival.envelope.version)
        if arrival.aggregate in self.queues:
            self.woken.add(arrival.aggregate)

    def reach(self, aggregate: Aggregate, version: int) -> None:
        """The aggregate has come to a version here."""
        self.versions[aggregate] = self.raised[aggregate] = max(version, self.versions.get(aggregate, 0))

    def say(self, arrival: Arrival, outcome: Outcome, **more: Any) -> None:
        """Confirm it when the transaction is committed."""
        self.said.append((arrival, outcome, more))

    async def write(self, uow: UnitOfWork) -> None:
        """Write down what has happened."""
        if self.applied:
            await uow.execute(_REMEMBER.bindparams(consumer=self.consumer, ids=self.applied))
        for row in self.kept:
            await failures.add(uow, row)
        for source, aggregate_id in self.woken:
            await failures.wake(uow, self.consumer, source, aggregate_id)
        if self.raised:
            sources, ids = zip(*self.raised, strict=True)
            versions = list(self.raised.values())
            values: dict[str, Any] = {"sources": list(sources), "ids": list(ids), "versions": versions}
            await uow.execute(_RAISE.bindparams(consumer=self.consumer, **values))

    def confirmations(self) -> list[Confirmation]:
        """What to tell the senders, now that it is committed."""
        now = self.clock.now()
        return [
            Confirmation.of(
                self.consumer, arrival.envelope, outcome, size=arrival.size, **{"handled_at": now, **more}
            )
            for arrival, outcome, more in self.said
        ]
