"""Attacks on the cache: by clients, by subgraphs, by whoever writes into Redis; and clients that leave."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.cache.fence import Fence
from gateway.cache.resp import Command
from gateway.cache.resp import Done as Replied
from gateway.core.clock import SYSTEM_CLOCK, FakeClock
from gateway.execute.cached.requests import SPACES
from gateway.execute.cached.transport import CachedTransport
from gateway.settings import SubgraphCacheSettings
from tests.gateway.cache.rig import (
    SDLS,
    THINGS,
    DictNodes,
    Rig,
    Shop,
    caching_of,
    names_of,
    with_redis,
)
from tests.gateway.cache.world import SDLS as WORLD
from tests.gateway.cache.world import World
from tests.gateway.support import until

SHARED = caching_of("shop", "info")
PRODUCTS = "query ($ids: [ID!]!) { products(ids: $ids) { __typename id %s } }"
LOOKALIKES = (
    PRODUCTS % "title",
    PRODUCTS % "name: title",
    PRODUCTS % "title ... on Book { name: pages }",
    PRODUCTS % "title: id",
    PRODUCTS % "... on Book { title: stars }",
    PRODUCTS % "... on Book { title: pages stars: title pages: stars }",
    PRODUCTS.replace("query (", "query title(") % "title",
    PRODUCTS.replace("query (", "query pages(") % "... on Book { pages }",
    PRODUCTS.replace("products(", "title: products(") % "title",
    'query { products(ids: ["b1"]) { __typename id title } }',
    'query { products(ids: ["b2"]) { __typename id title } }',
)
HOSTILE_BODIES: dict[str, Any] = {
    "too few": {"data": {"_entities": []}},
    "too many": {"data": {"_entities": [{"name": "evil"}, {"name": "evil"}]}},
    "text": {"data": {"_entities": "evil"}},
    "no list": {"data": {"_entities": {"0": {"name": "evil"}}}},
    "no data": {"data": None},
    "nothing": {},
    "list": [],
    "other field": {"data": {"entities": [{"name": "evil"}]}},
    "errors of another type": {"data": {"_entities": [{"name": "evil"}]}, "errors": "evil"},
    "error elsewhere": {
        "data": {"_entities": [{"name": "evil"}]},
        "errors": [{"message": "x", "path": ["x"]}],
    },
    "error far away": {
        "data": {"_entities": [{"name": "evil"}]},
        "errors": [{"message": "x", "path": ["_entities", 7]}],
    },
    "error without a path": {"data": {"_entities": [{"name": "evil"}]}, "errors": [{"message": "x"}]},
}
TAGS: dict[str, Any] = {
    "100,000 tags": {"apolloCacheTags": [f"tag {number}" for number in range(100_000)]},
    "a huge tag": {"apolloCacheTags": ["x" * 5_000_000]},
    "no texts": {"apolloCacheTags": [None, 1, ["x"], {}]},
    "no list": {"apolloCacheTags": "x", "apolloEntityCacheTags": "x"},
    "too few lists": {"apolloEntityCacheTags": []},
    "too many lists": {"apolloEntityCacheTags": [["a"], ["b"], ["c"]]},
    "no lists": {"apolloEntityCacheTags": ["a", 1, None]},
    "100,000 tags of an entity": {"apolloEntityCacheTags": [[str(number) for number in range(100_000)]]},
}
NOT_STORED = {
    "age above": {"cache-control": "public, max-age=60", "age": "61"},
    "negative age": {"cache-control": "public, max-age=60", "age": "-5"},
    "two ages": {"cache-control": "public, max-age=60", "age": "1, 2"},
    "negative": {"cache-control": "public, max-age=-1"},
    "text": {"cache-control": "public, max-age=abc"},
    "infinite": {"cache-control": "public, max-age=inf"},
    "decimal": {"cache-control": "public, max-age=1e9"},
    "two numbers": {"cache-control": "public, max-age=60, max-age=0"},
    "hidden": {"cache-control": 'public, max-age=60, no-store="x"'},
    "vary": {"cache-control": "public, max-age=60", "vary": "*"},
    "cookie": {"cache-control": "public, max-age=60", "set-cookie": "a=b"},
}


def check_memory(rig: Rig) -> None:
    """Check that the memory's size is the sum of its entries, and within its limit."""
    memory = rig.cache.memory
    entries = [one for _, _, one in memory.all()]
    assert memory.size == sum(one.size for one in entries) <= memory.limit
    assert memory.count == len(entries)
    assert all(space.entries for space in memory.spaces.values())
    assert not rig.pending
    assert not rig.gateway.shared_executions.open


async def test_lookalike_operations_get_their_own_answers() -> None:
    clock = FakeClock()
    world = World(clock)
    rig = Rig(WORLD, world.reply, caching_of(*WORLD), clock=clock)
    plain = Rig(WORLD, world.reply, clock=clock, cached=False)
    for _ in range(3):
        for query in LOOKALIKES:
            for ids in (["b1"], ["b2"], ["b1", "b2", "d1"]):
                given = {"ids": ids} if "$ids" in query else {}
                assert await rig.ask(query, None, None, **given) == await plain.ask(
                    query, None, None, **given
                )
    check_memory(rig)


@pytest.mark.parametrize("vary", [None, ("authorization", "X-Lang"), ("x-lang", "AUTHORIZATION")])
async def test_header_values_do_not_run_into_each_other(vary: tuple[str, ...] | None) -> None:
    settings = {name: SubgraphCacheSettings(vary=vary) for name in SDLS}
    rig = Rig(SDLS, Shop(varies=b"x-lang"), caching_of(subgraphs=settings))
    hostile = ("", "a", "a'), (b'x-lang', b'b", "a\r\nx-lang: b", "b", "a, b", "None")
    for _ in range(2):
        for user in hostile:
            for language in hostile:
                headers = {"x-lang": language}
                found = await rig.ask(THINGS, user or None, headers, ids=["1"])
                assert names_of(found) == [f"thing 1{language}"]
    check_memory(rig)


@pytest.mark.parametrize("name", HOSTILE_BODIES)
async def test_replies_of_another_shape_are_not_stored(name: str) -> None:
    bad, good = HOSTILE_BODIES[name], Shop()

    async def reply(call: Any) -> Any:
        body, headers = await good(call)
        return (bad if call.subgraph == "info" and bad is not None else body), headers

    rig = Rig(SDLS, reply, SHARED)
    async with asyncio.timeout(10):
        for _ in range(2):
            await rig.ask(THINGS, ids=["1"])
    assert not any(b"evil" in entry.value for _, _, entry in rig.cache.memory.all())
    bad = None
    assert names_of(await rig.ask(THINGS, ids=["1"])) == ["thing 1"]
    check_memory(rig)


@pytest.mark.parametrize("name", TAGS)
async def test_tags_of_a_reply_break_nothing(name: str) -> None:
    shop, nodes = Shop(), DictNodes()
    shop.more["extensions"] = TAGS[name]
    rig = with_redis(nodes, shop, FakeClock(), memory=2_000_000)
    for _ in range(2):
        assert names_of(await rig.ask(THINGS, ids=["1"])) == ["thing 1"]
    await asyncio.sleep(0)
    assert sum(map(len, nodes.values.values())) < 1_000_000
    check_memory(rig)


@pytest.mark.parametrize("name", NOT_STORED)
async def test_headers_that_do_not_allow_it_store_nothing(name: str) -> None:
    shop = Shop(NOT_STORED[name])
    rig = Rig(SDLS, shop, SHARED)
    for _ in range(2):
        await rig.ask(THINGS, ids=["1"])
    assert shop.asked == [["1"], ["1"]]
    assert all(space.digest for space in rig.cache.memory.spaces.values())


@pytest.mark.parametrize("lifetime", ["86400", "99999999999", "9" * 4_000])
async def test_no_lifetime_is_longer_than_the_longest(lifetime: str) -> None:
    clock = FakeClock()
    shop = Shop({"cache-control": f"public, max-age={lifetime}, stale-if-error={lifetime}"})
    rig = Rig(SDLS, shop, caching_of("shop", "info", longest=100.0), clock=clock)
    await rig.ask(THINGS, ids=["1"])
    assert all(entry.last_use <= clock.time() + 100 for _, _, entry in rig.cache.memory.all())


def changed(stored: bytes, change: str) -> bytes:
    """Return what an attacker makes of a stored value."""
    fields: list[Any] = msgspec.msgpack.decode(stored)
    value = len(fields) - 1
    if change == "cut":
        return stored[: len(stored) // 2]
    if change == "texts":
        return msgspec.msgpack.encode([str(one) for one in fields])
    if change == "none":
        return msgspec.msgpack.encode([None] * len(fields))
    if change == "epoch":
        fields[1] = b"another"
    elif change == "version":
        fields[0] = 99
    elif change == "negative position":
        fields[2] = -1
    elif change == "bomb":
        fields[value - 1], fields[value] = 1, zlib.compress(b"1" * 200_000_000, 1)
    elif change == "no zlib":
        fields[value - 1], fields[value] = 1, b"evil"
    elif change == "cut zlib":
        fields[value - 1], fields[value] = 1, zlib.compress(b"1" * 1_000)[:-3]
    elif change == "long position":
        fields[2] = b"\xff" * 100_000 if isinstance(fields[2], bytes) else 2**64 - 1
        fields[1] = b"another"
    elif change == "expired":
        fields[4] = fields[5] = fields[6] = fields[3] - 1.0
    elif change == "no numbers":
        fields[4] = fields[5] = fields[6] = float("nan")
    else:
        fields[value] = {"name": "evil"}
    return msgspec.msgpack.encode(fields)


CHANGES = (
    *("cut", "texts", "none", "epoch", "version", "negative position", "bomb", "no zlib", "cut zlib"),
    *("long position", "expired", "no numbers", "another type"),
)


@pytest.mark.parametrize("change", CHANGES)
async def test_values_of_an_attacker_in_redis_are_not_used(change: str) -> None:
    shop, nodes, clock = Shop(), DictNodes(), FakeClock()
    await with_redis(nodes, shop, clock).ask(THINGS, ids=["1"])
    await asyncio.sleep(0)
    assert len(nodes.values) == 2
    shop.names["1"] = "new"
    for key, value in nodes.values.items():
        nodes.values[key] = changed(value, change)
    rig = with_redis(nodes, shop, clock)
    async with asyncio.timeout(20):
        assert names_of(await rig.ask(THINGS, ids=["1"])) == ["new"]
    check_memory(rig)


HOSTILE_IDS = (b"0-0", b"5", b"5-18446744073709551615", b"1700000000000000-0", b"18446744073709551615-0")
HOSTILE_FIELDS: Sequence[list[bytes]] = (
    [],
    [b"tags"],
    [b"tags", b"\xff"],
    [b"tags", b"[" * 100_000],
    [b"tags", b'["\\ud800"]'],
    [b"tags", b'["' + b"x" * 10_000_000 + b'"]'],
    [b"tags", b"[1e400]", b"tags", b'["tag:a"]'],
    [b"from", b"\x00" * 1_000, b"tags", b"{}"],
    [b"tags", b"[" + b",".join(b'"%d"' % number for number in range(20_000)) + b"]"],
)


async def test_hostile_messages_stop_nothing() -> None:
    shop = Shop()
    rig = with_redis(DictNodes(), shop, FakeClock())
    backplane = rig.cache.backplane
    assert backplane is not None
    for number in HOSTILE_IDS:
        for fields in HOSTILE_FIELDS:
            backplane._receive([(number, fields)])
        assert names_of(await rig.ask(THINGS, ids=["1"])) == ["thing 1"]
    fence = rig.cache.fence
    assert len(fence.local.last) <= fence.local.limit
    assert len(fence.shared.last) <= fence.shared.limit
    shop.names["1"] = "new"
    backplane._receive([(b"18446744073709551615-18446744073709551615", [b"tags", b'["type:info:Thing"]'])])
    assert names_of(await rig.ask(THINGS, ids=["1"])) == ["new"]
    check_memory(rig)


def test_many_own_invalidations_are_bounded() -> None:
    fence = Fence(limit=1_000)
    for number in range(50):
        fence.invalidate([f"entity:T:{number * 1_000 + one}" for one in range(1_000)])
    assert len(fence.local.last) <= 1_000
    assert not fence.local.is_valid(0, ["entity:T:1"])


async def test_memory_is_bounded_with_many_users() -> None:
    caching = caching_of(memory=400_000)
    rig = Rig(SDLS, Shop(), caching)
    for number in range(SPACES + 200):
        await rig.ask(THINGS, f"user {number}", ids=["1"])
    check_memory(rig)
    queries = rig.engine.queries
    assert isinstance(queries, CachedTransport)
    assert all(len(one._spaces) <= SPACES for one in queries.requests.known.values.values())
    assert rig.cache.memory.evicted > 0


class SlowNodes(DictNodes):
    """A Redis that replies some turns of the event loop later."""

    def send(self, routing: bytes, commands: Sequence[Command], done: Replied) -> None:
        """Execute commands, and reply later."""
        asyncio.get_running_loop().call_later(0.001, super().send, routing, commands, done)


@pytest.mark.parametrize("redis", [False, True])
async def test_clients_that_leave_at_any_moment_leave_nothing_behind(redis: bool) -> None:
    shop = Shop()
    rig = (
        with_redis(SlowNodes(), shop, SYSTEM_CLOCK) if redis else Rig(SDLS, shop, SHARED, clock=SYSTEM_CLOCK)
    )
    before = asyncio.all_tasks()
    for turns in range(60):
        asks = [rig.start(THINGS, ids=[str(turns % 10), str(one)]) for one in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0.0002 if redis else 0)
        for one in asks[: 1 + turns % 3]:
            one.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        if turns % 2:
            rig.cache.invalidate(["subgraph:info"])
    await until(lambda: not rig.pending)
    await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})
    assert names_of(await rig.ask(THINGS, ids=["1"])) == ["thing 1"]
    check_memory(rig)


async def test_a_failing_subgraph_leaves_nothing_behind() -> None:
    async def reply(call: Any) -> Any:
        raise RuntimeError("unexpected")

    rig = Rig(SDLS, reply, SHARED)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await rig.ask(THINGS, ids=["1"])
    check_memory(rig)
