"""Events that a consumer could not apply, stored in its database and retried after growing pauses.

While an event waits for its retry, later events of the same aggregate wait behind it (status `waiting`), so
that events of an aggregate are applied in order. After the last retry the event gets the status `failed`, and
the next one is applied without it.

Example: version 4 of a request fails and is stored as `retry`; version 5 arrives and is stored as `waiting`.
When the retry of version 4 succeeds, its row is deleted, and version 5 becomes `retry`, due at once.
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
MAX_ERROR_LENGTH = 500
_MALFORMED = UUID("6d616c66-6f72-4d65-8d00-000000000000")
_columns = inbox_failures.c
_OF_CONSUMER = _columns.consumer == bindparam("consumer")
_UNFINISHED = _columns.status.in_(("retry", "waiting"))
_KNOWN = select(
    _columns.event_id,
    _columns.source,
    _columns.aggregate_id,
    _columns.position,
    _columns.status,
    _columns.retry_count,
).where(
    _OF_CONSUMER,
    (_columns.event_id == any_(bindparam("events", type_=ARRAY(Uuid))))
    | ((_columns.aggregate_id == any_(bindparam("aggregates", type_=ARRAY(Uuid)))) & _UNFINISHED),
)
_DUE = (
    select(inbox_failures)
    .where(
        _OF_CONSUMER,
        _columns.status == "retry",
        _columns.next_at <= func.clock_timestamp(),
        _columns.partition == any_(bindparam("partitions", type_=ARRAY(Integer))),
    )
    .order_by(_columns.source, _columns.position)
    .limit(100)
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of retries of an event, and their pauses: `seconds` before the first, then each time
    `factor` times as long.
    """

    max_retries: int = 3
    seconds: float = 1.0
    factor: float = 4.0

    def pause(self, retries: int) -> timedelta:
        """Return the pause before the next retry of an event that was retried `retries` times.

        By default about 1, 4 and 16 seconds; each varies by up to 20 % at random, so that many failed events
        are not retried at the same moment.
        """
        variation = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        return timedelta(seconds=self.seconds * self.factor**retries * variation)


def error_text(error: BaseException) -> str:
    """Return "class: message" of an error, cut to MAX_ERROR_LENGTH, without NULs (PostgreSQL
    refuses them).
    """
    return f"{type(error).__name__}: {error}".replace("\0", "")[:MAX_ERROR_LENGTH]


def row_of(
    consumer: str, partition: int, envelope: Envelope, entry: StreamEntry, retry_policy: RetryPolicy
) -> dict[str, Any]:
    """Return the row to store for a failed event; for columns not in it the table has defaults."""
    return {
        "consumer": consumer,
        "event_id": envelope.event_id,
        "source": envelope.source,
        "partition": partition,
        "aggregate_id": envelope.aggregate_id,
        "position": envelope.position,
        "version": envelope.version,
        "fields": _text_fields(entry),
        "max_retries": retry_policy.max_retries,
    }


def malformed_row_of(
    consumer: str, source: str, partition: int, entry: StreamEntry, error: Exception
) -> dict[str, Any]:
    """Return the row to store for a stream entry that `error` shows not to be an event.

    The row has the status `failed` and cannot be replayed.
    """
    return {
        "consumer": consumer,
        "event_id": uuid5(_MALFORMED, f"{entry.stream} {entry.id}"),
        "source": source,
        "partition": partition,
        "aggregate_id": UUID(int=0),
        "position": 0,
        "version": 0,
        "fields": _text_fields(entry),
        "max_retries": 0,
        "status": "failed",
        "error_message": error_text(error),
    }


def _text_fields(entry: StreamEntry) -> dict[str, str]:
    texts = (
        (key.decode(errors="replace"), value.decode(errors="replace")) for key, value in entry.fields.items()
    )
    return {key.replace("\0", ""): value.replace("\0", "") for key, value in texts}


def fields_of(row: Row[Any]) -> dict[bytes, bytes]:
    """Return the fields of the stream entry that a row was stored from."""
    return {key.encode(): value.encode() for key, value in row.fields.items()}


async def known_failures(
    session: Session, consumer: str, events: Collection[UUID], aggregates: Collection[UUID]
) -> Sequence[Row[Any]]:
    """Return stored failures of a consumer: those of `events`, whatever their status, and the unfinished ones
    (status `retry` or `waiting`) of `aggregates`. Both arguments are ids.
    """
    return await session.fetch_all(
        _KNOWN, consumer=consumer, events=list(events), aggregates=list(aggregates)
    )


async def due(session: Session, consumer: str, partitions: Collection[int]) -> Sequence[Row[Any]]:
    """Return the rows of events in these partitions whose retry is due, by source and position, at
    most 100.
    """
    return await session.fetch_all(_DUE, consumer=consumer, partitions=list(partitions))


async def add(uow: UnitOfWork, row: dict[str, Any]) -> None:
    """Insert a row made by `row_of` or `malformed_row_of`, unless the event has a row already."""
    await uow.execute(insert(inbox_failures).values(row).on_conflict_do_nothing())


def _is_event(consumer: str, event_id: UUID) -> Any:
    return (_columns.consumer == consumer) & (_columns.event_id == event_id)


async def remove(uow: UnitOfWork, row: Row[Any]) -> None:
    """Delete the row of an event that was applied, or skipped because a later version was applied."""
    await uow.execute(inbox_failures.delete().where(_is_event(row.consumer, row.event_id)))


async def record_retry(uow: UnitOfWork, row: Row[Any], retry_policy: RetryPolicy, error: str) -> bool:
    """Count a failed retry of a row's event; return whether it was the last, which sets status `failed`."""
    retries = row.retry_count + 1
    last: bool = retries >= row.max_retries
    values: dict[str, Any] = {
        "status": "failed" if last else "retry",
        "retry_count": retries,
        "next_at": func.clock_timestamp() + retry_policy.pause(retries),
        "updated_at": func.clock_timestamp(),
        "error_message": error,
    }
    await uow.execute(inbox_failures.update().where(_is_event(row.consumer, row.event_id)).values(values))
    return last


async def release_next(uow: UnitOfWork, row: Row[Any]) -> None:
    """Schedule an immediate retry of the event that waits behind the event of `row`.

    It is the stored event of the same aggregate with the lowest position.
    """
    behind = (
        (_columns.consumer == row.consumer)
        & (_columns.source == row.source)
        & (_columns.aggregate_id == row.aggregate_id)
        & (_columns.event_id != row.event_id)
        & _UNFINISHED
    )
    first = select(_columns.event_id).where(behind).order_by(_columns.position).limit(1).scalar_subquery()
    update = inbox_failures.update().where(_columns.consumer == row.consumer, _columns.event_id == first)
    await uow.execute(update.values(status="retry", next_at=func.clock_timestamp()))


async def retry_now(uow: UnitOfWork, consumer: str, source: str, aggregate_id: UUID) -> None:
    """Schedule the stored events of an aggregate with status `retry` for an immediate retry."""
    of_aggregate = (
        (_columns.consumer == consumer)
        & (_columns.source == source)
        & (_columns.aggregate_id == aggregate_id)
    )
    update = inbox_failures.update().where(of_aggregate, _columns.status == "retry")
    await uow.execute(update.values(next_at=func.clock_timestamp()))


async def replay(uow: UnitOfWork, consumer: str, event_ids: Sequence[UUID]) -> int:
    """Schedule those of the events that have the status `failed` for an immediate retry; return how many.

    Their count of retries starts again at 0.
    """
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
