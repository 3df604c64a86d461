"""Entries and invalidations in a real Redis: several processes, each a town with its own memory."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.cache.redis_nodes import make_nodes
from gateway.cache.resp import RedisFailure
from gateway.core.clock import SYSTEM_CLOCK
from gateway.settings import CacheSettings, RedisSettings, Secret
from subgraphs.platform.valkey import ValkeyServer, start_valkey
from tests.gateway.execute.cached.town import Town
from tests.gateway.support import until

SHARED = CacheSettings(enabled=True, redis=True, staleness=0.4, client_directives="all")
TAG = 'entity:Thing:{"id":"1"}'
Open = Callable[..., Awaitable[Town]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of the test's own, which it may stop, fill and wipe."""
    found = start_valkey(tmp_path / "valkey", durable=False)
    yield found
    found.stop()


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    """A client of the server."""
    client = Redis.from_url(server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def opened(server: ValkeyServer) -> AsyncIterator[Open]:
    """Makes processes, whose caches are closed at the end."""
    towns: list[Town] = []

    async def make(settings: CacheSettings = SHARED, seconds: int = 60) -> Town:
        nodes = make_nodes(RedisSettings(url=Secret(server.url), timeout=0.5))
        town = Town(settings, clock=SYSTEM_CLOCK, nodes=nodes)
        for name in town.headers:
            town.headers[name] = {"cache-control": f"public, max-age={seconds}"}
        towns.append(town)
        town.cache.start()
        await until(lambda: town.cache.shared is not None and town.cache.shared.epoch is not None)
        return town

    yield make
    for town in towns:
        await town.cache.close()


async def stored(redis: Redis, count: int) -> None:
    """Wait until Redis has this number of entries."""
    while len(await redis.keys("*}:*[0-9a-f]")) < count:  # noqa: ASYNC110 - nobody tells when
        await asyncio.sleep(0.005)


def have_seen(towns: list[Town], count: int) -> bool:
    """Return whether every process has applied this number of invalidations."""
    return all(town.cache.fence.local.position >= count for town in towns)


async def test_another_process_finds_the_entries(opened: Open, redis: Redis) -> None:
    one, other = await opened(), await opened()
    await one.things("1", "2")
    await stored(redis, 3)
    assert await other.things("2", "1") == ["thing 2", "thing 1"]
    assert other.asked == []
    assert await other.things("1", "3") == ["thing 1", "thing 3"]
    assert other.asked == [["3"]]


async def test_an_invalidation_reaches_all_processes(opened: Open) -> None:
    towns = [await opened() for _ in range(4)]
    for town in towns:
        await town.things("1", "2")
    for town in towns:
        town.names["1"] = "new"
    delays = []
    for number in range(50):
        began = time.perf_counter()
        towns[number % 4].cache.invalidate([TAG])
        await until(partial(have_seen, towns, number + 1))
        delays.append(time.perf_counter() - began)
    assert sorted(delays)[-1] < 5  # seconds; the benchmark prints the distribution
    for town in towns:
        assert await town.things("1", "2") == ["new", "thing 2"]


async def test_a_late_fill_is_dead_in_redis_too(opened: Open, redis: Redis) -> None:
    one, other = await opened(), await opened()
    one.hold = asyncio.Event()
    ask = asyncio.ensure_future(one.things("1"))
    await until(lambda: bool(one.calls["shop"]))
    one.hold.set()
    one.hold = asyncio.Event()
    await until(lambda: bool(one.asked))
    other.names["1"] = one.names["1"] = "new"
    await other.cache.invalidate_everywhere([TAG])
    one.hold.set()
    assert await ask == ["thing 1"]
    await stored(redis, 2)
    third = await opened()
    third.names["1"] = "new"
    assert await third.things("1") == ["new"]
    assert await one.things("1") == ["new"]


async def test_requests_go_on_while_redis_is_stopped(opened: Open, server: ValkeyServer) -> None:
    town = await opened()
    assert await town.things("1") == ["thing 1"]
    server.stop()
    town.names["1"] = "new"
    assert await town.things("2") == ["thing 2"]
    await asyncio.sleep(SHARED.staleness + 0.1)
    assert await town.things("1") == ["new"]
    with pytest.raises(RedisFailure):
        await town.cache.invalidate_everywhere([TAG])


async def test_requests_go_on_while_redis_hangs(opened: Open, server: ValkeyServer) -> None:
    one, other = await opened(), await opened()
    await one.things("1")
    server.process.send_signal(signal.SIGSTOP)
    try:
        asks = [town.things(str(number)) for number in range(1, 10) for town in (one, other)]
        found = await asyncio.gather(*asks)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert found == [[f"thing {number}"] for number in range(1, 10) for _ in range(2)]
    await until(lambda: one.cache.shared is not None and one.cache.shared.is_usable())
    await one.cache.invalidate_everywhere([TAG])


async def test_own_invalidations_hold_while_redis_is_stopped(opened: Open, server: ValkeyServer) -> None:
    town = await opened()
    await town.things("1")
    server.stop()
    town.names["1"] = "new"
    town.cache.invalidate([TAG])
    assert await town.things("1") == ["new"]


async def test_wiped_data_makes_all_entries_invalid(opened: Open, redis: Redis) -> None:
    town = await opened()
    await town.things("1")
    epoch = town.cache.shared.epoch if town.cache.shared else None
    town.names["1"] = "new"
    await redis.flushall()
    await until(lambda: town.cache.shared is not None and town.cache.shared.epoch not in (None, epoch))
    assert await town.things("1") == ["new"]


async def test_a_full_redis_costs_only_its_entries(opened: Open, redis: Redis) -> None:
    town = await opened()
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", 1)
    assert await town.things("1") == ["thing 1"]
    assert await town.things("1") == ["thing 1"]
    assert town.asked == [["1"]]
    await until(lambda: town.cache.shared is not None and town.cache.shared.refused > 0)


@pytest.mark.parametrize("change", ["cut", "garbage", "other type"])
async def test_values_that_are_no_entries_are_ignored(opened: Open, redis: Redis, change: str) -> None:
    one, other = await opened(), await opened()
    await one.things("1")
    await stored(redis, 2)
    for key in await redis.keys("*}:*[0-9a-f]"):
        value: Any = await redis.get(key)
        await redis.delete(key)
        if change == "cut":
            await redis.set(key, value[: len(value) // 2])
        elif change == "garbage":
            await redis.set(key, b"\xc1" * 100)
        else:
            await redis.lpush(key, "x")
    assert await other.things("1") == ["thing 1"]
    assert other.asked == [["1"]]


@pytest.mark.parametrize("tags", ["", "[", "{}", "[1]", '"x"', "[" * 10_000])
async def test_messages_that_are_no_invalidations_are_ignored(opened: Open, redis: Redis, tags: str) -> None:
    town = await opened()
    await town.things("1")
    await redis.xadd("gateway:{cache}:invalidations", {"tags": tags})
    await redis.xadd("gateway:{cache}:invalidations", {"other": "x"})
    town.names["1"] = "new"
    await redis.xadd("gateway:{cache}:invalidations", {"tags": '["type:info:Thing"]'})
    await until(lambda: town.cache.fence.local.position > 0)
    assert await town.things("1") == ["new"]


async def test_one_process_fetches_what_has_expired_in_all(opened: Open) -> None:
    towns = [await opened(seconds=1) for _ in range(4)]
    for town in towns:
        await town.things("1")
    await asyncio.sleep(1.05)
    for town in towns:
        town.asked.clear()
        town.calls = {"shop": 0, "info": 0}
    asks = [town.things("1") for town in towns for _ in range(250)]
    assert await asyncio.gather(*asks) == [["thing 1"]] * 1_000
    assert sum(town.calls["info"] for town in towns) == 1
    assert sum(town.calls["shop"] for town in towns) == 1


async def test_compressed_values_come_back(opened: Open, redis: Redis) -> None:
    one, other = await opened(), await opened()
    one.names["1"] = "long " * 5_000
    await one.things("1")
    await stored(redis, 2)
    assert await other.things("1") == ["long " * 5_000]
    assert await redis.strlen((await redis.keys("gateway:{info}:*"))[0]) < 2_000
