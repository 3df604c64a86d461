"""A tower that tells and an ear that listens: what the tests of outbox, relay and inbox share."""

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
from subgraphs.kit.queue.failures import Pace
from subgraphs.kit.queue.inbox import EventHandler, Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

QUICK = Pace(max_retries=3, seconds=0.05, factor=2.0)


@dataclass(frozen=True, kw_only=True)
class BellRang(Event):
    """A bell rang so many times."""

    aggregate_type: ClassVar[str] = "bell"
    aggregate_key: ClassVar[str] = "bell_id"
    bell_id: UUID
    times: int


@dataclass(frozen=True, kw_only=True)
class BellPolished(Event):
    """Nobody listens to this."""

    aggregate_type: ClassVar[str] = "bell"
    aggregate_key: ClassVar[str] = "bell_id"
    bell_id: UUID


@dataclass(frozen=True)
class Heard:
    """What the listener wants of it."""

    times: int


async def hear(uow: UnitOfWork, envelope: Envelope) -> None:
    """Add what was heard; a bell that rings a negative number of times breaks the listener."""
    times = envelope.read(Heard).times
    if times < 0:
        raise ValueError(times)
    statement = text("INSERT INTO heard (times, bell, position) VALUES (:times, :bell, :position)")
    await uow.execute(
        statement.bindparams(times=times, bell=envelope.aggregate_id, position=envelope.position)
    )


HANDLERS: dict[str, EventHandler] = {"BellRang": hear}


@dataclass
class Street:
    """A tower that tells, and an ear that listens, each with its own database."""

    tower: Database
    ear: Database
    queue: Queue
    versions: dict[UUID, int] = field(default_factory=dict)

    async def ring(self, *times: int, bell: UUID | None = None, version: int = 0) -> None:
        """Let bells ring (each another, or all this one), each in a transaction of its own."""
        for each in times:
            async with UnitOfWork(self.tower) as uow:
                uow.emit(BellRang(bell_id=bell or uuid4(), times=each), version)

    async def heard(self, bell: UUID | None = None) -> list[int]:
        """What the ear has heard (of one bell), in its order."""
        rows = await self.ear.fetch_all(text("SELECT times, bell FROM heard ORDER BY id"))
        return [row.times for row in rows if bell in (None, row.bell)]

    async def sorted(self) -> list[int]:
        """What the ear has heard, by number."""
        return sorted(await self.heard())

    async def waiting(self) -> int:
        """How many events the tower has not told."""
        return await self.count("outbox WHERE published_at IS NULL")

    async def undelivered(self) -> int:
        """How many events of the tower are not confirmed by all who want them."""
        return await self.count("outbox WHERE delivered_at IS NULL")

    async def count(self, rows: str, where: str = "tower") -> int:
        """How many rows there are, by a FROM clause."""
        database = self.tower if where == "tower" else self.ear
        return int(await database.fetch_value(text(f"SELECT count(*) FROM {rows}")))

    async def failures(self) -> list[Any]:
        """What the ear has put aside, in the order of the tower."""
        found = "SELECT * FROM inbox_failures ORDER BY position"
        return list(await self.ear.fetch_all(text(found)))

    async def statuses(self) -> list[tuple[str, int]]:
        """Status and retries of what the ear has put aside."""
        return [(row.status, row.retry_count) for row in await self.failures()]

    async def outcomes(self) -> list[str]:
        """What the ear has confirmed, in the order of the tower."""
        rows = await self.tower.fetch_all(text("SELECT outcome FROM outbox_deliveries ORDER BY outbox_id"))
        return [row.outcome for row in rows]

    def relay(self, confirm_seconds: float = 30.0) -> Relay:
        """A relay that looks often."""
        return Relay(self.tower, self.queue.redis, "tower", poll_seconds=0.1, confirm_seconds=confirm_seconds)

    def inbox(
        self,
        handlers: Mapping[str, EventHandler] = HANDLERS,
        pace: Pace = QUICK,
        lease_seconds: float = 1.0,
        consumer: str = "ear",
    ) -> Inbox:
        """An inbox that gives up quickly."""
        redis = self.queue.redis
        return Inbox(self.ear, redis, consumer, ["tower"], handlers, pace=pace, lease_seconds=lease_seconds)


@asynccontextmanager
async def street_of(postgres_url: str, queue_url: str) -> AsyncIterator[Street]:
    """A street on fresh databases."""
    async with (
        fresh_database(postgres_url, "tower") as tower_url,
        fresh_database(postgres_url, "ear") as ear_url,
    ):
        street = Street(Database(tower_url), Database(ear_url), Queue(queue_url))
        empty = Path(__file__).parent / "no_migrations"
        await street.tower.migrate(empty)
        await street.ear.migrate(empty)
        table = "CREATE TABLE heard (id bigserial PRIMARY KEY, times int, bell uuid, position bigint)"
        await street.ear.execute(text(table))
        try:
            yield street
        finally:
            await street.queue.stop()
            await street.tower.close()
            await street.ear.close()


@asynccontextmanager
async def started(*parts: Any) -> AsyncIterator[None]:
    """The parts, running meanwhile."""
    for part in parts:
        await part.start()
    try:
        yield
    finally:
        for part in reversed(parts):
            await part.stop()


async def until(read: Callable[[], Awaitable[Any]], wanted: Any, seconds: float = 60.0) -> None:
    """Wait until something reads as wanted."""
    found = None
    for _ in range(int(seconds / 0.02)):
        if (found := await read()) == wanted:
            return
        await asyncio.sleep(0.02)
    assert found == wanted, f"after {seconds:g} s it is {found}, not {wanted}"
