"""A publisher and a consumer of events, shared by the tests of outbox, relay and inbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope, Event
from subgraphs.kit.queue.failures import RetryPolicy
from subgraphs.kit.queue.inbox import EventHandler, Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

QUICK_RETRIES = RetryPolicy(max_retries=3, seconds=0.05, factor=2.0)


@dataclass(frozen=True, kw_only=True)
class ItemCounted(Event):
    """An item was counted."""

    aggregate_type: ClassVar[str] = "item"
    aggregate_key: ClassVar[str] = "item_id"
    item_id: UUID
    times: int


@dataclass(frozen=True, kw_only=True)
class ItemRenamed(Event):
    """An event that no handler consumes."""

    aggregate_type: ClassVar[str] = "item"
    aggregate_key: ClassVar[str] = "item_id"
    item_id: UUID


@dataclass(frozen=True)
class Count:
    """The fields of an ItemCounted that the consumer reads."""

    times: int


async def record(uow: UnitOfWork, envelope: Envelope) -> None:
    """Record the event; a negative count raises ValueError."""
    times = envelope.read(Count).times
    if times < 0:
        raise ValueError(times)
    statement = text("INSERT INTO received (times, item, position) VALUES (:times, :item, :position)")
    await uow.execute(
        statement.bindparams(times=times, item=envelope.aggregate_id, position=envelope.position)
    )


HANDLERS: dict[str, EventHandler] = {"ItemCounted": record}


@dataclass
class ServicePair:
    """A publisher and a consumer, each with its own database, and their queue."""

    publisher: Database
    consumer: Database
    queue: Queue
    versions: dict[UUID, int] = field(default_factory=dict)

    async def publish(self, *times: int, item: UUID | None = None, version: int = 0) -> None:
        """Publish an event for each count, of `item` or of new items, each in its own transaction."""
        for each in times:
            async with UnitOfWork(self.publisher) as uow:
                uow.emit(ItemCounted(item_id=item or uuid4(), times=each), version)

    async def received(self, item: UUID | None = None) -> list[int]:
        """Return the counts that the consumer has received (of one item), in order of arrival."""
        rows = await self.consumer.fetch_all(text("SELECT times, item FROM received ORDER BY id"))
        return [row.times for row in rows if item in (None, row.item)]

    async def sorted(self) -> list[int]:
        """Return the counts that the consumer has received, sorted."""
        return sorted(await self.received())

    async def waiting(self) -> int:
        """Return the number of events in the outbox that are not published."""
        return await self.count("outbox WHERE published_at IS NULL")

    async def undelivered(self) -> int:
        """Return the number of events in the outbox that not all consumers have confirmed."""
        return await self.count("outbox WHERE delivered_at IS NULL")

    async def count(self, rows: str, where: str = "publisher") -> int:
        """Return the number of rows of a FROM clause."""
        database = self.publisher if where == "publisher" else self.consumer
        return int(await database.fetch_value(text(f"SELECT count(*) FROM {rows}")))

    async def failures(self) -> list[Any]:
        """Return the consumer's stored failures, in the publisher's order."""
        found = "SELECT * FROM inbox_failures ORDER BY position"
        return list(await self.consumer.fetch_all(text(found)))

    async def statuses(self) -> list[tuple[str, int]]:
        """Return status and number of retries of the consumer's stored failures."""
        return [(row.status, row.retry_count) for row in await self.failures()]

    async def outcomes(self) -> list[str]:
        """Return the outcomes that the consumer has confirmed, in the publisher's order."""
        rows = await self.publisher.fetch_all(
            text("SELECT outcome FROM outbox_deliveries ORDER BY outbox_id")
        )
        return [row.outcome for row in rows]

    def relay(self, confirm_seconds: float = 30.0) -> Relay:
        """Return a relay that polls often."""
        return Relay(
            self.publisher, self.queue.redis, "publisher", poll_seconds=0.1, confirm_seconds=confirm_seconds
        )

    def inbox(
        self,
        handlers: Mapping[str, EventHandler] = HANDLERS,
        retry_policy: RetryPolicy = QUICK_RETRIES,
        lease_seconds: float = 1.0,
        consumer: str = "consumer",
    ) -> Inbox:
        """Return an inbox that retries quickly and gives up soon."""
        redis = self.queue.redis
        return Inbox(
            self.consumer,
            redis,
            consumer,
            ["publisher"],
            handlers,
            retry_policy=retry_policy,
            lease_seconds=lease_seconds,
        )


@asynccontextmanager
async def service_pair_of(postgres_url: str, queue_url: str) -> AsyncIterator[ServicePair]:
    """Yield a pair on fresh databases."""
    async with (
        fresh_database(postgres_url, "publisher") as publisher_url,
        fresh_database(postgres_url, "consumer") as consumer_url,
    ):
        pair = ServicePair(Database(publisher_url), Database(consumer_url), Queue(queue_url))
        empty = Path(__file__).parent / "no_migrations"
        await pair.publisher.migrate(empty)
        await pair.consumer.migrate(empty)
        table = "CREATE TABLE received (id bigserial PRIMARY KEY, times int, item uuid, position bigint)"
        await pair.consumer.execute(text(table))
        try:
            yield pair
        finally:
            await pair.queue.stop()
            await pair.publisher.close()
            await pair.consumer.close()


@asynccontextmanager
async def started(*parts: Any) -> AsyncIterator[None]:
    """Start the parts, and stop them on exit."""
    for part in parts:
        await part.start()
    try:
        yield
    finally:
        for part in reversed(parts):
            await part.stop()


async def until(read: Callable[[], Awaitable[Any]], wanted: Any, seconds: float = 60.0) -> None:
    """Wait until `read` returns `wanted`; fail after `seconds`."""
    found = None
    for _ in range(int(seconds / 0.02)):
        if (found := await read()) == wanted:
            return
        await asyncio.sleep(0.02)
    assert found == wanted, f"after {seconds:g} s it is {found}, not {wanted}"
