"""Outbox, relay and inbox: every event arrives, and is applied once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.inbox import EVERY, EventHandler, Inbox
from subgraphs.kit.messages import Envelope, Event
from subgraphs.kit.relay import Relay
from subgraphs.kit.streams import Queue
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.valkey import start_valkey


@dataclass(frozen=True, kw_only=True)
class BellRang(Event):
    """A bell rang so many times."""

    aggregate_type: ClassVar[str] = "bell"
    aggregate_key: ClassVar[str] = "bell_id"
    bell_id: UUID
    times: int


@dataclass(frozen=True)
class Heard:
    """What the listener wants of it."""

    times: int


async def hear(uow: UnitOfWork, envelope: Envelope) -> None:
    """Add what was heard; a bell that rings a negative number of times breaks the listener."""
    times = envelope.read(Heard).times
    if times < 0:
        raise ValueError(times)
    await uow.execute(text("INSERT INTO heard (times) VALUES (:times)").bindparams(times=times))


HANDLERS: dict[str, EventHandler] = {"BellRang": hear}


@dataclass
class Street:
    """A tower that tells, and an ear that listens, each with its own database."""

    tower: Database
    ear: Database
    queue: Queue

    async def ring(self, *times: int) -> None:
        """Let bells ring, each in a transaction of its own."""
        for each in times:
            async with UnitOfWork(self.tower) as uow:
                uow.emit(BellRang(bell_id=uuid4(), times=each))

    async def heard(self) -> list[int]:
        """What the ear has heard, in its order."""
        rows = await self.ear.fetch_all(text("SELECT times FROM heard ORDER BY id"))
        return [row.times for row in rows]

    async def waiting(self) -> int:
        """How many events the tower has not told."""
        return int(await self.tower.fetch_value(text("SELECT count(*) FROM outbox WHERE published_at IS NULL")))

    def relay(self) -> Relay:
        """A relay that looks often."""
        return Relay(self.tower, self.queue.redis, "tower", poll_seconds=0.1)

    def inbox(self) -> Inbox:
        """An inbox that gives up quickly."""
        return Inbox(self.ear, self.queue.redis, "ear", ["tower"], HANDLERS, max_deliveries=3, retry_seconds=0.1)


@asynccontextmanager
async def street_of(postgres_url: str, queue_url: str) -> AsyncIterator[Street]:
    """A street on fresh databases."""
    async with fresh_database(postgres_url, "tower") as tower_url, fresh_database(postgres_url, "ear") as ear_url:
        street = Street(Database(tower_url), Database(ear_url), Queue(queue_url))
        empty = Path(__file__).parent / "no_migrations"
        await street.tower.migrate(empty)
        await street.ear.migrate(empty)
        await street.ear.execute(text("CREATE TABLE heard (id bigserial PRIMARY KEY, times int)"))
        try:
            yield street
        finally:
            await street.queue.stop()
            await street.tower.close()
            await street.ear.close()


@pytest.fixture
async def street(postgres_url: str, queue_url: str) -> AsyncIterator[Street]:
    """A street with an empty queue."""
    async with street_of(postgres_url, queue_url) as street:
        await street.queue.redis.flushdb()
        yield street


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


async def until(read: Callable[[], Awaitable[Any]], wanted: Any, seconds: float = 15.0) -> None:
    """Wait until something reads as wanted."""
    found = None
    for _ in range(int(seconds / 0.02)):
        if (found := await read()) == wanted:
            return
        await asyncio.sleep(0.02)
    assert found == wanted


async def test_events_arrive_in_order(street: Street) -> None:
    """What one tells before and after the start is heard once each, in order."""
    await street.ring(*range(30))
    async with started(street.relay(), street.inbox()):
        await street.ring(*range(30, 60))
        await until(street.heard, list(range(60)))
    assert await street.waiting() == 0


async def test_events_arrive_at_once(street: Street) -> None:
    """The relay is woken by the commit, not by its next look."""
    relay = Relay(street.tower, street.queue.redis, "tower", poll_seconds=30)
    async with started(relay, street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await street.ring(2)
        await until(street.heard, [1, 2], seconds=3)


async def test_no_event_without_its_transaction(street: Street) -> None:
    """A unit of work that fails tells nothing."""
    with pytest.raises(ZeroDivisionError):
        async with UnitOfWork(street.tower) as uow:
            uow.emit(BellRang(bell_id=uuid4(), times=1))
            await uow.execute(text("SELECT 1"))
            raise ZeroDivisionError
    assert await street.waiting() == 0


async def test_duplicates_are_applied_once(street: Street) -> None:
    """An event that is delivered three times is handled once."""
    await street.ring(1, 2)
    async with started(street.relay(), street.inbox()):
        await until(street.heard, [1, 2])
        entries: Any = await street.queue.redis.xrange("events:tower")
        for _, fields in entries:
            await street.queue.redis.xadd("events:tower", fields)
            await street.queue.redis.xadd("events:tower", fields)
        await street.ring(3)
        await until(street.heard, [1, 2, 3])


async def test_two_processes_share_the_work(street: Street) -> None:
    """Two relays publish each event once, two inboxes of a service handle each once."""
    async with started(street.relay(), street.relay(), street.inbox(), street.inbox()):
        await street.ring(*range(100))
        await until(lambda: _sorted(street), list(range(100)))
        assert await street.queue.redis.xlen("events:tower") == 100


async def test_poison_goes_to_the_dead_stream(street: Street) -> None:
    """An event that no delivery can handle is put aside with its reason, and the others pass."""
    await street.ring(1, -7, 2)
    await street.queue.redis.xadd("events:tower", {"what": "no event at all"})
    await street.ring(3)
    async with started(street.relay(), street.inbox()):
        await until(lambda: _sorted(street), [1, 2, 3])
        await until(lambda: street.queue.redis.xlen("events:ear:dead"), 2)
        entries: Any = await street.queue.redis.xrange("events:ear:dead")
        dead = [fields for _, fields in entries]
        assert {fields[b"error"] for fields in dead} == {b"ValueError", b"KeyError"}
        assert all(int(fields[b"deliveries"]) >= 3 for fields in dead)
        pending: Any = await street.queue.redis.xpending("events:tower", "ear")
        assert pending["pending"] == 0


async def test_a_dead_consumers_events_are_claimed(street: Street) -> None:
    """What a process took and did not finish before it died is done by another."""
    await street.ring(1, 2)
    async with started(street.relay()):
        await until(street.waiting, 0)
    redis = street.queue.redis
    await redis.xgroup_create("events:tower", "ear", id="0")
    await redis.xreadgroup("ear", "the dead one", {"events:tower": ">"}, count=10)
    async with started(street.inbox()):
        await until(lambda: _sorted(street), [1, 2])


async def test_an_absent_database_costs_no_delivery(street: Street) -> None:
    """While the consumer's database refuses connections its events wait, and none is given up."""
    name = str(await street.ear.fetch_value(text("SELECT current_database()")))
    async with started(street.relay(), street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await _allow_connections(street.tower, name, allowed=False)
        await street.ring(2, 3)
        await asyncio.sleep(1.0)
        await _allow_connections(street.tower, name, allowed=True)
        await until(street.heard, [1, 2, 3])
    assert await street.queue.redis.xlen("events:ear:dead") == 0


@pytest.mark.system
@pytest.mark.parametrize("durable", [True, False])
async def test_valkey_may_die(postgres_url: str, tmp_path: Path, durable: bool) -> None:
    """Events wait while Valkey is down, and arrive after a kill -9, also when it came back with nothing."""
    server = start_valkey(tmp_path / "valkey", durable=durable)
    async with street_of(postgres_url, server.url) as street, started(street.relay(), street.inbox()):
        await street.ring(1)
        await until(street.heard, [1])
        await until(street.waiting, 0)
        server.process.kill()
        server.process.wait()
        await street.ring(2, 3)
        assert await street.waiting() == 2
        server = start_valkey(tmp_path / "valkey", durable=durable)
        await until(street.heard, [1, 2, 3])
    server.stop()


async def test_lost_entries_are_told_again(street: Street) -> None:
    """Entries that a restarted server lost before anybody read them are published again."""
    await street.ring(1, 2, 3)
    async with started(street.relay()):
        await until(street.waiting, 0)
    entries: Any = await street.queue.redis.xrange("events:tower")
    await street.queue.redis.xdel("events:tower", entries[1][0], entries[2][0])
    async with started(street.relay(), street.inbox()):
        await until(lambda: _sorted(street), [1, 2, 3])
    assert await street.queue.redis.xlen("events:tower") == 3


async def _sorted(street: Street) -> list[int]:
    return sorted(await street.heard())


async def _allow_connections(admin: Database, name: str, *, allowed: bool) -> None:
    await admin.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS {allowed}'))
    if not allowed:
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await admin.execute(ended.bindparams(name=name))


async def test_causes_go_along(street: Street) -> None:
    """An event says who made it and what belongs together; what a listener does because of it names it as its cause."""

    async def echo(uow: UnitOfWork, envelope: Envelope) -> None:
        if envelope.causation_id is None:
            uow.emit(BellRang(bell_id=uuid4(), times=envelope.read(Heard).times + 1))

    with because(Cause("kim", "r-1")):
        await street.ring(1)
    await street.ring(5)
    listening = Inbox(street.ear, street.queue.redis, "ear", ["tower"], {EVERY: echo})
    query = text("SELECT event_id, payload, created_by, correlation_id, causation_id FROM outbox ORDER BY id")

    async def echoes() -> int:
        return len(await street.ear.fetch_all(query))

    async with started(street.relay(), listening):
        await until(echoes, 2)
    (first, second), (one, two) = await street.tower.fetch_all(query), await street.ear.fetch_all(query)
    assert (first.created_by, first.correlation_id, first.causation_id) == ("kim", "r-1", None)
    assert (one.created_by, one.correlation_id, one.causation_id) == ("service:ear", "r-1", first.event_id)
    assert (second.created_by, second.correlation_id) == ("", "")
    assert (two.correlation_id, two.causation_id) == (str(second.event_id), second.event_id)
