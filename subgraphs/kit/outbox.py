"""The outbox: a table of a service's database with the events that it has to publish, or has published.

A commit to the database and a publication on the queue cannot be one transaction. So the transaction of a
change also writes its event to the outbox (`append`, called by the unit of work); the relay (`queue/relay`)
publishes it afterwards and retries until it succeeds. (Chris Richardson, "Transactional outbox")
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    Uuid,
    all_,
    any_,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from subgraphs.kit.cause import Cause
from subgraphs.kit.messages import Event

outbox = Table(
    "outbox",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("event_id", Uuid),
    Column("aggregate_type", Text),
    Column("aggregate_id", Uuid),
    Column("event_type", Text),
    Column("payload", JSONB),
    Column("occurred_at", DateTime(timezone=True)),
    Column("published_at", DateTime(timezone=True)),
    Column("created_by", Text),
    Column("correlation_id", Text),
    Column("causation_id", Uuid),
    Column("version", Integer),
    Column("attempts", Integer),
    Column("check_at", DateTime(timezone=True)),
)


class OutboxEvent(NamedTuple):
    """An event to publish, its cause, and the version of its aggregate after it (0: it has no versions)."""

    event: Event
    cause: Cause
    version: int


async def append(connection: AsyncConnection, events: Sequence[OutboxEvent]) -> None:
    """Insert events in their order, in the connection's transaction."""
    rows = [
        {
            "event_id": event.event_id,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "event_type": type(event).__name__,
            "payload": event.payload(),
            "created_by": cause.created_by,
            "correlation_id": cause.correlation_id,
            "causation_id": cause.causation_id,
            "version": version,
        }
        for event, cause, version in events
    ]
    await connection.execute(insert(outbox), rows)


async def unpublished(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """Return the rows of the oldest unpublished events, at most `limit`."""
    rows = select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.id).limit(limit)
    return (await connection.execute(rows)).all()


async def mark_published(connection: AsyncConnection, ids: Sequence[int], pause: ColumnElement[Any]) -> None:
    """Mark rows as published now.

    `pause`: the SQL interval after which the relay checks whether all consumers have confirmed them.
    """
    chosen = outbox.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    now = func.clock_timestamp()
    await connection.execute(outbox.update().where(chosen).values(published_at=now, check_at=now + pause))


async def publish_again(connection: AsyncConnection, above: int, present: Collection[int]) -> int:
    """Mark the published events that the queue has lost as unpublished; return how many.

    `present`: the positions (ids in the outbox) of events in the queue. Only events with positions greater
    than `above` are compared: for lower ones `present` may be incomplete.
    """
    lost = outbox.c.published_at.is_not(None) & (outbox.c.id > above)
    absent = outbox.c.id != all_(literal(list(present), ARRAY(BigInteger)))
    return (await connection.execute(outbox.update().where(lost, absent).values(published_at=None))).rowcount
