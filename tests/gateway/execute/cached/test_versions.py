"""Entries of another version of the supergraph, and a cache whose Redis is a cluster."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.cache.redis_nodes import Nodes, make_nodes
from gateway.cache.resp import Command, Done
from gateway.core.clock import SYSTEM_CLOCK
from gateway.engine import make_engine
from gateway.resilience.breaker import Breaker
from gateway.settings import CacheSettings, RedisSettings, Secret
from gateway.supergraph.load import load_supergraph
from tests.gateway.cache.test_redis_nodes import cluster
from tests.gateway.execute.cached.town import SDLS, Town
from tests.gateway.support import supergraph_of, until


def replaced(town: Town, old: str, new: str) -> None:
    """Let a town serve another supergraph, with the cache that it has."""
    sdls = {name: sdl.replace(old, new) for name, sdl in SDLS.items()}
    town.engine = make_engine(
        load_supergraph(supergraph_of(sdls)), town, town.settings, clock=town.clock, cache=town.cache
    )
    town.gateway, town.prepared = None, {}


async def test_entries_are_used_after_a_change_elsewhere() -> None:
    town = Town()
    await town.things("1", "2")
    replaced(town, "mood: String", "mood: String weight: Float")
    assert await town.things("1", "2") == ["thing 1", "thing 2"]
    assert town.calls == {"shop": 1, "info": 1}


async def test_entries_are_not_used_after_a_change_of_what_was_selected() -> None:
    town = Town()
    await town.things("1")
    replaced(town, "name: String!", "name: String")
    await town.things("1")
    assert town.calls == {"shop": 1, "info": 2}


async def test_responses_are_not_used_after_a_reload() -> None:
    town = Town()
    await town.answer(ids=["1"])
    replaced(town, "mood: String", "mood: String weight: Float")
    await town.answer(ids=["1"])
    assert town.gateway is not None and town.gateway.responses is not None
    assert town.gateway.responses.counts() == {"": (0, 1)}
    assert town.calls == {"shop": 1, "info": 1}


async def test_an_entry_has_the_tags_of_its_last_fetch_only() -> None:
    """cosmo#3213: after a value was cached under other tags, the old ones still hit it."""
    town = Town()
    names: list[str] = ["old"]
    town.entity_tags = lambda ids: [[names[0]] for _ in ids]
    await town.things("1")
    await town.fake_clock.advance(61)
    names[0] = "new"
    await town.things("1")
    town.cache.invalidate(["tag:old"])
    await town.things("1")
    assert town.calls["info"] == 2
    town.cache.invalidate(["tag:new"])
    await town.things("1")
    assert town.calls["info"] == 3


class CountingNodes:
    """Servers that note the names of the commands that they get, in `sent`."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.sent: list[bytes] = []
        self.request = nodes.request
        self.blocking_reader = nodes.blocking_reader
        self.close = nodes.close

    @property
    def breaker(self) -> Breaker:
        """Return the breaker of the servers."""
        return self.nodes.breaker

    def send(self, routing: bytes, commands: Sequence[Command], done: Done) -> None:
        """Note the commands, and send them."""
        self.sent += [one[0] for one in commands]
        self.nodes.send(routing, commands, done)


@pytest.mark.parametrize("count", [1, 50])
async def test_one_write_for_each_entity(redis_url: str, count: int) -> None:
    """router#9531: two writes to an index for each entity, which nobody used."""
    nodes = CountingNodes(make_nodes(RedisSettings(url=Secret(redis_url), timeout=1.0)))
    sent = nodes.sent
    town = Town(CacheSettings(enabled=True, redis=True), clock=SYSTEM_CLOCK, nodes=nodes)
    town.cache.start()
    await until(lambda: town.cache.shared is not None and town.cache.shared.epoch is not None)
    sent.clear()
    town.names = {f"{count}-{number}": f"thing {number}" for number in range(count)}  # not of the other run
    await town.things(*town.names)
    await until(lambda: sent.count(b"SET") == count + 1)
    await asyncio.sleep(0.05)
    assert (sent.count(b"MGET"), sent.count(b"SET")) == (2, count + 1)
    assert set(sent) <= {b"MGET", b"SET", b"GET"}
    await town.cache.close()


async def test_a_cluster_is_a_shared_level(servers_folder: Path) -> None:
    async with cluster(servers_folder / "cached") as place:
        towns = []
        for _ in range(2):
            nodes = make_nodes(RedisSettings(url=Secret(place.url), timeout=1.0))
            town = Town(CacheSettings(enabled=True, redis=True), clock=SYSTEM_CLOCK, nodes=nodes)
            town.cache.start()
            towns.append(town)
        one, other = towns
        await until(lambda: all(town.cache.shared and town.cache.shared.epoch for town in towns))
        await one.things("1", "2")
        await asyncio.sleep(0.1)
        assert await other.things("1", "2") == ["thing 1", "thing 2"]
        assert other.calls == {"shop": 0, "info": 0}
        other.names["1"] = one.names["1"] = "new"
        before = one.cache.fence.local.position
        other.cache.invalidate(["type:info:Thing"])
        await until(lambda: one.cache.fence.local.position > before)
        assert await one.things("1") == ["new"]
        for town in towns:
            await town.cache.close()
