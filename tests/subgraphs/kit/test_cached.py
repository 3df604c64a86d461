"""Tests of a service's own cache against a real Valkey and PostgreSQL, which are stopped, wiped and slow."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit import cached as module
from subgraphs.kit.cache_tags import object_tags, publish
from subgraphs.kit.cached import Cached, CachedKind
from subgraphs.kit.database import Database
from subgraphs.kit.testing import fresh_database
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey
from tests.folders import temporary_folder

ROWS = text("SELECT id, price FROM things WHERE id = ANY (:ids)")


@dataclass(frozen=True)
class Thing:
    """A value, as a service reads it from its database."""

    id: UUID
    price: Decimal


@dataclass
class Source:
    """A table with things. `loads`: the keys of each load. `delay`: seconds that the database adds."""

    database: Database
    loads: list[list[UUID]] = field(default_factory=list)
    delay: float = 0.0

    async def load(self, ids: Sequence[UUID]) -> Mapping[UUID, Thing]:
        """Read things; a slow database returns what it has read at the beginning."""
        self.loads.append(list(ids))
        rows = await self.database.fetch_all(ROWS, ids=list(ids))
        if self.delay:
            await self.database.fetch_value(text("SELECT pg_sleep(:delay)"), delay=self.delay)
        return {row.id: Thing(row.id, row.price) for row in rows}

    async def put(self, price: int, key: UUID | None = None) -> UUID:
        """Insert or change a thing."""
        key = key or uuid4()
        change = "INSERT INTO things VALUES (:id, :price) ON CONFLICT (id) DO UPDATE SET price = :price"
        await self.database.execute(text(change).bindparams(id=key, price=price))
        return key

    def kind(self, lifetime: float = 3600.0) -> CachedKind[UUID, Thing]:
        """The kind of these things."""
        return CachedKind("thing", Thing, lifetime, partial(object_tags, "Thing"), self.load)


@asynccontextmanager
async def source_at(url: str) -> AsyncIterator[Source]:
    """A table with things in a database."""
    database = Database(url)
    await database.execute(text("CREATE TABLE things (id uuid PRIMARY KEY, price numeric(10, 2))"))
    yield Source(database)
    await database.close()


@pytest.fixture
async def source(postgres_url: str) -> AsyncIterator[Source]:
    """A table with things in a fresh database."""
    async with fresh_database(postgres_url, "things") as url, source_at(url) as made:
        yield made


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Cached]:
    """The cache of one process, when it has reached Valkey."""
    made = Cached(url, "shop")
    await made.start()
    await until(lambda: made.cache.shared is not None and made.cache.shared.epoch is not None)
    yield made
    await made.stop()


async def until(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' own users can enter."""
    with temporary_folder("mussikon-cached-") as made:
        yield made


async def price(cached: Cached, kind: CachedKind[UUID, Thing], key: UUID) -> Decimal | None:
    """Return the price of a thing."""
    found = await cached.get(kind, key)
    return found.price if found is not None else None


async def test_memory_then_redis_then_source(source: Source, queue_url: str) -> None:
    """A value is loaded once; another process finds it in Redis; what does not exist is not stored."""
    key, missing, kind = await source.put(5), uuid4(), source.kind()
    async with process(queue_url) as one, process(queue_url) as two:
        assert await one.get_all(kind, [key, missing]) == {key: Thing(key, Decimal("5.00"))}
        assert await price(one, kind, key) == 5
        await asyncio.sleep(0.05)
        assert await price(two, kind, key) == await price(two, kind, key) == 5
        assert source.loads == [[key, missing]]
        assert (one.levels.source, one.levels.memory) == (2, 1)
        assert (two.levels.redis, two.levels.memory) == (1, 1)
        assert await one.get(kind, missing) is None
        assert source.loads[1:] == [[missing]]


async def test_an_event_invalidates_everywhere(source: Source, queue_url: str) -> None:
    """After the message in the stream all processes load the value again, within 100 ms."""
    key, kind = await source.put(5), source.kind()
    redis = Redis.from_url(queue_url)
    async with process(queue_url) as one, process(queue_url) as two:
        assert await price(one, kind, key) == await price(two, kind, key) == 5
        await source.put(6, key)
        assert await price(one, kind, key) == 5  # nobody has said anything
        before = [one.cache.fence.local.position, two.cache.fence.local.position]
        begin = time.monotonic()
        await publish(redis, object_tags("Thing", key))
        await until(lambda: one.cache.fence.local.position > before[0])
        await until(lambda: two.cache.fence.local.position > before[1])
        assert time.monotonic() - begin < 0.1
        assert await price(one, kind, key) == await price(two, kind, key) == 6
    await redis.aclose()


async def test_one_load_for_all_who_ask_at_once(source: Source, queue_url: str) -> None:
    """Concurrent callers share a load, also if the one who began it gives up."""
    key, other, kind = await source.put(5), await source.put(7), source.kind()
    source.delay = 0.1
    async with process(queue_url) as one:
        first = asyncio.create_task(price(one, kind, key))
        rest = [asyncio.create_task(price(one, kind, key)) for _ in range(100)]
        both = asyncio.create_task(one.get_all(kind, [key, other]))
        await asyncio.sleep(0.02)
        first.cancel()
        assert set(await asyncio.gather(*rest)) == {Decimal("5.00")}
        assert len(await both) == 2
        assert source.loads == [[key], [other]]


async def test_what_was_being_loaded_during_a_change_is_not_stored(source: Source, queue_url: str) -> None:
    """Who asks after the change does not get the old value either."""
    key, kind = await source.put(5), source.kind()
    async with process(queue_url) as one:
        source.delay = 0.2
        before = asyncio.create_task(price(one, kind, key))
        await until(lambda: bool(source.loads))
        await asyncio.sleep(0.05)
        await source.put(6, key)
        one.invalidate(object_tags("Thing", key))
        source.delay = 0.0
        assert await price(one, kind, key) == 6
        assert await before == 5  # it had asked before the change
        assert await price(one, kind, key) == 6


async def test_a_forced_refresh_replaces_the_value(source: Source, queue_url: str) -> None:
    """It asks the source, and others get the new value from then on."""
    key, kind = await source.put(5), source.kind()
    async with process(queue_url) as one:
        assert await price(one, kind, key) == 5
        await source.put(6, key)
        assert await price(one, kind, key) == 5
        forced = await one.get(kind, key, force=True)
        assert forced == Thing(key, Decimal("6.00"))
        assert await price(one, kind, key) == 6


async def test_valkey_is_stopped_and_returns(source: Source, folder: Path) -> None:
    """Without Valkey a process uses its own entries for two seconds, then the source; nothing fails."""
    key, kind = await source.put(5), source.kind()
    valkey = start_valkey(folder / "valkey", durable=False)
    async with process(valkey.url) as one:
        assert await price(one, kind, key) == 5
        valkey.stop()
        assert await price(one, kind, key) == 5
        await source.put(6, key)
        await asyncio.sleep(module.STALENESS + 0.7)
        assert await price(one, kind, key) == 6
        loads = len(source.loads)
        assert await price(one, kind, await source.put(1)) == 1
        assert len(source.loads) == loads + 1
        valkey = start_valkey(folder / "valkey", durable=False)
        await until(lambda: one.cache.shared is not None and one.cache.shared.epoch is not None)
        assert await price(one, kind, key) == 6
    valkey.stop()


async def test_valkey_is_wiped(source: Source, folder: Path) -> None:
    """Invalidations may have been lost with the data, so all entries are dropped."""
    key, kind = await source.put(5), source.kind()
    valkey = start_valkey(folder / "valkey", durable=False)
    redis = Redis.from_url(valkey.url)
    async with process(valkey.url) as one:
        assert await price(one, kind, key) == 5
        await source.put(6, key)
        epoch = one.cache.shared.epoch if one.cache.shared else None
        await redis.flushall()
        await until(lambda: one.cache.shared is not None and one.cache.shared.epoch not in {None, epoch})
        assert await price(one, kind, key) == 6
    await redis.aclose()
    valkey.stop()


async def test_valkey_is_slow(source: Source, folder: Path) -> None:
    """A server that does not answer delays a caller by a tenth of a second, then the source is asked."""
    key, kind = await source.put(5), source.kind()
    valkey = start_valkey(folder / "valkey", durable=False)
    async with process(valkey.url) as one:
        os.kill(valkey.process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        assert await price(one, kind, key) == 5
        assert time.monotonic() - begin < 0.3
        os.kill(valkey.process.pid, signal.SIGCONT)
    valkey.stop()


async def test_postgres_is_stopped(queue_url: str, folder: Path) -> None:
    """Older values stand in, then another store; what an event has invalidated does not come back."""
    postgres = start_postgres(folder / "postgres", durable=False)
    async with source_at(postgres.url) as source, process(queue_url) as one:
        stale, invalid, unknown = await source.put(1), await source.put(2), await source.put(3)

        async def stand_in(ids: Sequence[UUID]) -> Mapping[UUID, Thing]:
            return {key: Thing(key, Decimal(99)) for key in ids if key != unknown}

        kind = source.kind(lifetime=0.2)
        await one.get_all(kind, [stale, invalid])
        one.invalidate(object_tags("Thing", invalid))
        postgres.stop()
        await asyncio.sleep(0.3)
        with_another = replace(kind, stand_in=stand_in)
        assert await price(one, kind, stale) == 1
        assert await price(one, with_another, invalid) == 99
        for broken in (with_another, kind):
            with pytest.raises(OSError):
                await one.get(broken, unknown)
        with pytest.raises(OSError):
            await one.get(kind, invalid)
        assert (one.levels.stale, one.levels.stand_in) == (1, 1)


async def test_postgres_is_slow(source: Source, queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that takes too long counts as one that does not answer."""
    monkeypatch.setattr(module, "SOURCE_SECONDS", 0.1)
    key, kind = await source.put(5), source.kind(lifetime=0.1)
    async with process(queue_url) as one:
        assert await price(one, kind, key) == 5
        await asyncio.sleep(0.15)
        source.delay = 5.0
        begin = time.monotonic()
        assert await price(one, kind, key) == 5
        assert time.monotonic() - begin < 1.0
        with pytest.raises(TimeoutError):
            await one.get(kind, uuid4())
