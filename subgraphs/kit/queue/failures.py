"""Events that a consumer could not apply.

Kept in its own database, tried again with growing pauses, and at last the dead letters.

While one of an aggregate waits to be tried again, later ones of the aggregate stand behind it: order is worth
more than haste.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from subgraphs.kit.database import Session
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.cursors import StreamEntry
from subgraphs.kit.unit_of_work import UnitOfWork

inbox_failures = Table(
    "inbox_failures",
    MetaData(),
    Column("consumer", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("source", Text),
    Column("partition", Integer),
    Column("aggregate_id", Uuid),
    Column("position", BigInteger),
    Column("version", Integer),
    Column("fields", JSONB),
    Column("status", Text),
    Column("retry_count", Integer),
    Column("max_retries", Integer),
    Column("replays", Integer),
    Column("next_at", DateTime(timezone=True)),
    Column("error_message", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
LONGEST_ERROR = 500
_MALFORMED = UUID("6d616c66-6f72-4d65-8d00-000000000000")
_columns = inbox_failures.c
_HERS = _columns.consumer == bindparam("consumer")
_UNFINISHED = _columns.status.in_(("retry", "waiting"))
_ABOUT = select(
    _columns.event_id,
    _columns.source,
    _columns.aggregate_id,
    _columns.position,
    _columns.status,
    _columns.retry_count,
).where(
    _HERS,
    (_columns.event_id == any_(bindparam("events", type_=ARRAY(Uuid))))
    | ((_columns.aggregate_id == any_(bindparam("aggregates", type_=ARRAY(Uuid)))) & _UNFINISHED),
)
_DUE = (
    select(inbox_failures)
    .where(
        _HERS,
        _columns.status == "retry",
        _columns.next_at <= func.clock_timestamp(),
        _columns.partition == any_(bindparam("partitions", type_=ARRAY(Integer))),
    )
    .order_by(_columns.source, _columns.position)
    .limit(100)
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after what pauses an event is tried again."""

    max_retries: int = 3
    seconds: float = 1.0
    factor: float = 4.0

    def pause(self, retries: int) -> timedelta:
        """The pause before the next try.

        1, 4 and 16 seconds, each shifted at random, so that not all come back at once.
        """
        return timedelta(seconds=self.seconds * self.factor**retries * random.uniform(0.8, 1.2))  # noqa: S311 - no secret


def error_text(error: BaseException) -> str:
    """Class and message of an error, bounded, as a database can hold it."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:LONGEST_ERROR]


def row_of(
    consumer: str, partition: int, envelope: Envelope, entry: StreamEntry, retry_policy: RetryPolicy
) -> dict[str, Any]:
    """The row of an event that is to wait; what is not said here is the table's default."""
    return {
        "consumer": consumer,
        "event_id": envelope.event_id,
        "source": envelope.source,
        "partition": partition,
        "aggregate_id": envelope.aggregate_id,
        "position": envelope.position,
        "version": envelope.version,
        "fields": _kept(entry),
        "max_retries": retry_policy.max_retries,
    }


def malformed_row_of(
    consumer: str, source: str, partition: int, entry: StreamEntry, error: Exception
) -> dict[str, Any]:
    """The row of an entry that is no event: there is nothing to try again, only something to look at."""
    return {
        "consumer": consumer,
        "event_id": uuid5(_MALFORMED, f"{entry.stream} {entry.id}"),
        "source": source,
        "partition": partition,
        "aggregate_id": UUID(int=0),
        "position": 0,
        "version": 0,
        "fields": _kept(entry),
        "max_retries": 0,
        "status": "failed",
        "error_message": error_text(error),
    }


def _kept(entry: StreamEntry) -> dict[str, str]:
    texts = (
        (key.decode(errors="replace"), value.decode(errors="replace")) for key, value in entry.fields.items()
    )
    return {key.replace("\0", ""): value.replace("\0", "") for key, value in texts}


def fields_of(row: Row[Any]) -> dict[bytes, bytes]:
    """The fields of the stream's entry, as they were."""
    return {key.encode(): value.encode() for key, value in row.fields.items()}


async def known_failures(
    session: Session, consumer: str, events: Collection[UUID], aggregates: Collection[UUID]
) -> Sequence[Row[Any]]:
    """What is known of these events, and what these aggregates wait for."""
    return await session.fetch_all(
        _ABOUT, consumer=consumer, events=list(events), aggregates=list(aggregates)
    )


async def due(session: Session, consumer: str, partitions: Collection[int]) -> Sequence[Row[Any]]:
    """The events that are to be tried now, in order."""
    return await session.fetch_all(_DUE, consumer=consumer, partitions=list(partitions))


async def add(uow: UnitOfWork, row: dict[str, Any]) -> None:
    """Keep an event; one that is there stays as it is."""
    await uow.execute(insert(inbox_failures).values(row).on_conflict_do_nothing())


def _this(consumer: str, event_id: UUID) -> Any:
    return (_columns.consumer == consumer) & (_columns.event_id == event_id)


async def remove(uow: UnitOfWork, row: Row[Any]) -> None:
    """The event was applied, or will never be."""
    await uow.execute(inbox_failures.delete().where(_this(row.consumer, row.event_id)))


async def record_retry(uow: UnitOfWork, row: Row[Any], retry_policy: RetryPolicy, error: str) -> bool:
    """Count a try that failed; answer whether it was the last."""
    retries = row.retry_count + 1
    last: bool = retries >= row.max_retries
    values: dict[str, Any] = {
        "status": "failed" if last else "retry",
        "retry_count": retries,
        "next_at": func.clock_timestamp() + retry_policy.pause(retries),
        "updated_at": func.clock_timestamp(),
        "error_message": error,
    }
    await uow.execute(inbox_failures.update().where(_this(row.consumer, row.event_id)).values(values))
    return last


async def release_next(uow: UnitOfWork, row: Row[Any]) -> None:
    """Let the aggregate's next event have its turn."""
    hers = (
        (_columns.consumer == row.consumer)
        & (_columns.source == row.source)
        & (_columns.aggregate_id == row.aggregate_id)
        & (_columns.event_id != row.event_id)
        & _UNFINISHED
    )
    first = select(_columns.event_id).where(hers).order_by(_columns.position).limit(1).scalar_subquery()
    turn = inbox_failures.update().where(_columns.consumer == row.consumer, _columns.event_id == first)
    await uow.execute(turn.values(status="retry", next_at=func.clock_timestamp()))


async def retry_now(uow: UnitOfWork, consumer: str, source: str, aggregate_id: UUID) -> None:
    """What waits for an event of this aggregate may be tried now."""
    waiting = (
        (_columns.consumer == consumer)
        & (_columns.source == source)
        & (_columns.aggregate_id == aggregate_id)
    )
    now = inbox_failures.update().where(waiting, _columns.status == "retry")
    await uow.execute(now.values(next_at=func.clock_timestamp()))


async def replay(uow: UnitOfWork, consumer: str, event_ids: Sequence[UUID]) -> int:
    """Have failed events tried again, with all their tries; answer how many there were."""
    columns = _columns
    failed = (
        (columns.consumer == consumer)
        & (columns.event_id == any_(bindparam("events", list(event_ids), type_=ARRAY(Uuid))))
        & (columns.status == "failed")
        & (columns.max_retries > 0)
    )
    now = func.clock_timestamp()
    values: dict[str, Any] = {"status": "retry", "retry_count": 0, "next_at": now, "updated_at": now}
    return await uow.execute(
        inbox_failures.update().where(failed).values(values | {"replays": columns.replays + 1})
    )
