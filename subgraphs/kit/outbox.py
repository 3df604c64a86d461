"""The outbox: events in a table of the service's own database.

Publishing to the queue and committing to the database cannot be one act. So the event is a row of the same
transaction, and the relay carries it on afterwards, as often as it takes. (Chris Richardson, "Transactional
outbox")
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
    """An event to publish, its cause, and the version of its aggregate after it (0.

    The aggregate has none).
    """

    event: Event
    cause: Cause
    version: int


async def append(connection: AsyncConnection, events: Sequence[OutboxEvent]) -> None:
    """Write events with their causes in the connection's transaction, in their order."""
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
    """The oldest events that the queue has not got."""
    waiting = select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.id).limit(limit)
    return (await connection.execute(waiting)).all()


async def mark_published(connection: AsyncConnection, ids: Sequence[int], pause: ColumnElement[Any]) -> None:
    """Remember that the queue has got these, and look after a pause whether they are confirmed."""
    chosen = outbox.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    now = func.clock_timestamp()
    await connection.execute(outbox.update().where(chosen).values(published_at=now, check_at=now + pause))


async def publish_again(connection: AsyncConnection, above: int, present: Collection[int]) -> int:
    """Take back the mark of events above a position that the queue turns out not to hold; answer how many."""
    lost = outbox.c.published_at.is_not(None) & (outbox.c.id > above)
    absent = outbox.c.id != all_(literal(list(present), ARRAY(BigInteger)))
    return (await connection.execute(outbox.update().where(lost, absent).values(published_at=None))).rowcount
