"""Measures how many events per second one inbox (`subgraphs/kit/queue/inbox`) applies.

All events are published before the measurement, so that only the consumer is measured. `python -m bench.inbox
[EVENTS]` starts a PostgreSQL and a Valkey of its own, both with durable settings.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope, Event
from subgraphs.kit.queue.inbox import ANY_TYPE, EventHandler, Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey

EVENTS = 10_000
AGGREGATES = 500
_INSERT = text("INSERT INTO received (times) VALUES (:times)")


@dataclass(frozen=True, kw_only=True)
class ItemCounted(Event):
    """The event that is published; `times` is its number."""

    aggregate_type: ClassVar[str] = "item"
    aggregate_key: ClassVar[str] = "item_id"
    item_id: UUID
    times: int


async def nothing(uow: UnitOfWork, envelope: Envelope) -> None:
    """A handler of events that does nothing: it measures the cost of the inbox itself."""


async def insert(uow: UnitOfWork, envelope: Envelope) -> None:
    """A handler of events that executes one small statement."""
    await uow.execute(_INSERT.bindparams(times=envelope.payload["times"]))


async def published(publisher: Database, queue: Queue, count: int, *, versions: bool) -> None:
    """Write `count` events to the outbox of `publisher`, and wait until the relay has published all of them.

    `versions`: whether the events have versions, which the inbox then checks.
    """
    items = [uuid4() for _ in range(AGGREGATES)]
    for start in range(0, count, 500):
        async with UnitOfWork(publisher) as uow:
            for number in range(start, min(start + 500, count)):
                version = number // AGGREGATES + 1 if versions else 0
                uow.emit(ItemCounted(item_id=items[number % AGGREGATES], times=number), version)
    relay = Relay(publisher, queue.redis, "publisher")
    await relay.start()
    waiting = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
    await reached(lambda: publisher.fetch_value(waiting), 0)
    await relay.stop()


async def reached(read: Callable[[], Awaitable[Any]], wanted: int) -> None:
    """Wait until `read` returns the value `wanted`."""
    while await read() != wanted:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def measure(postgres: str, valkey: str, handler: EventHandler, count: int, *, versions: bool) -> float:
    """Publish `count` events, apply them with `handler`, and return how many were applied per second.

    `postgres` and `valkey` are the servers' URLs; `versions`: whether the events have versions.
    """
    async with (
        fresh_database(postgres, "publisher") as publisher_url,
        fresh_database(postgres, "consumer") as consumer_url,
    ):
        publisher, consumer, queue = Database(publisher_url), Database(consumer_url), Queue(valkey)
        for database in (publisher, consumer):
            await database.migrate(Path(__file__).parent / "no_migrations")
        await consumer.execute(text("CREATE TABLE received (times int)"))
        await queue.redis.flushdb()
        await published(publisher, queue, count, versions=versions)
        inbox = Inbox(consumer, queue.redis, "consumer", ["publisher"], {ANY_TYPE: handler})
        begin = time.perf_counter()
        await inbox.start()
        await reached(lambda: consumer.fetch_value(text("SELECT count(*) FROM inbox")), count)
        seconds = time.perf_counter() - begin
        await inbox.stop()
        for database in (publisher, consumer):
            await database.close()
        await queue.stop()
        return count / seconds


def main() -> None:
    """Measure each handler, without and with versions, and print the rates."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres, valkey = start_postgres(folder / "postgres"), start_valkey(folder / "valkey")
        try:
            for handler in (nothing, insert):
                for versions in (False, True):
                    rate = asyncio.run(measure(postgres.url, valkey.url, handler, count, versions=versions))
                    print(f"{handler.__name__:8} versions {versions!s:5} {rate:8.0f} events/s")
        finally:
            valkey.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
