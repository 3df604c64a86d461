"""Faults of the cache that the machine, the properties or a reading of the code have found, one test each.

A test that fails shows that a fault has come back.
"""

import asyncio
import gc
import sys
import time
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.cache.backplane import UNSENT
from gateway.cache.fence import Fence, Positions
from gateway.cache.redis_nodes import make_nodes
from gateway.core.clock import SYSTEM_CLOCK, FakeClock
from gateway.settings import (
    CacheSettings,
    MutationCacheRule,
    RedisSettings,
    RequestHeaderRule,
    Secret,
    Settings,
    SubgraphCacheSettings,
    SubgraphHeaderRules,
    SubgraphSettings,
)
from gateway.transport.base import Call
from tests.gateway.cache.rig import (
    PUBLIC,
    RENAME,
    SDLS,
    THINGS,
    Answered,
    DictNodes,
    Rig,
    Shop,
    caching_of,
    names_of,
    with_redis,
)
from tests.gateway.support import until

PRIVATE = {"cache-control": "private, max-age=60"}
SHARED = caching_of("shop", "info")
PEOPLE = {
    "a": """
        type Query { n: [Node!]! p: Person q: Person thing: Thing }
        interface Node @key(fields: "id") { id: ID! }
        type Person implements Node @key(fields: "id") { id: ID! }
        type Thing @key(fields: "id") { id: ID! name: String }
    """,
    "b": """
        type Person @key(fields: "id") { id: ID! friend: Friend size: Size }
        type Friend @key(fields: "id") { id: ID! name: String }
        type Size { x: Int }
    """,
}


def people(data: dict[str, Any], headers: dict[str, str] | None = None) -> Rig:
    """Return a gateway over PEOPLE. `data`: of subgraph a, and under "b" each entity of subgraph b."""

    async def reply(call: Call) -> Answered:
        if call.subgraph == "a":
            return {"data": {name: one for name, one in data.items() if name != "b"}}, headers or PUBLIC
        lookups = zip(call.template.fields, call.representations, strict=True)
        return {"data": {field: [data["b"]] * len(several) for field, several in lookups}}, PUBLIC

    return Rig(PEOPLE, reply, caching_of("a", "b"))


async def test_concurrent_private_replies_stay_with_their_user() -> None:
    shop = Shop(PRIVATE, varies=b"authorization")
    shop.hold["info"] = asyncio.Event()
    rig = Rig(SDLS, shop, SHARED, clock=SYSTEM_CLOCK)
    asks = [rig.start(THINGS, "kim", ids=["1"]), rig.start(THINGS, "lee", ids=["2"])]
    await until(lambda: len(shop.asked) == 2)
    asks.append(rig.start(THINGS, "max", ids=["2"]))
    await until(lambda: len(rig.gateway.shared_executions.open) == 3)
    shop.hold["info"].set()
    found = [names_of(one) for one in await asyncio.gather(*asks)]
    assert found == [["thing 1kim"], ["thing 2lee"], ["thing 2max"]]


async def test_private_values_are_not_in_redis_for_all() -> None:
    shop, nodes = Shop(PRIVATE, varies=b"authorization"), DictNodes()
    shop.hold["info"] = asyncio.Event()
    one, other = (with_redis(nodes, shop, SYSTEM_CLOCK) for _ in range(2))
    asks = [one.start(THINGS, "kim", ids=["1"]), one.start(THINGS, "lee", ids=["2"])]
    await until(lambda: len(shop.asked) == 2)
    shop.hold["info"].set()
    await asyncio.gather(*asks)
    await asyncio.sleep(0)
    assert names_of(await other.ask(THINGS, "max", ids=["2"])) == ["thing 2max"]


@pytest.mark.parametrize("query", [THINGS, THINGS.replace("id name", "name")], ids=["execution", "lookup"])
async def test_a_query_after_the_own_mutation_does_not_join_an_older_fetch(query: str) -> None:
    shop = Shop()
    shop.hold["info"] = asyncio.Event()
    rig = Rig(SDLS, shop, SHARED, clock=SYSTEM_CLOCK)
    before = rig.start(THINGS, ids=["1"])
    await until(lambda: bool(shop.asked))
    await rig.ask(RENAME)
    after = rig.start(query, ids=["1"])
    for _ in range(20):
        await asyncio.sleep(0)
    shop.hold["info"].set()
    assert names_of(await after) == ["new"]
    await before


async def test_a_cancelled_mutation_invalidates_what_its_rule_names() -> None:
    rules = {"rename": MutationCacheRule(tags=("type:info:Thing",))}
    shop = Shop()
    rig = Rig(SDLS, shop, caching_of("shop", "info", mutations=rules))
    await rig.ask(THINGS, ids=["1"])
    shop.hold["shop"] = asyncio.Event()
    mutation = rig.start(RENAME)
    await until(lambda: shop.names["1"] == "new")
    mutation.cancel()
    await asyncio.gather(mutation, return_exceptions=True)
    shop.hold.clear()
    assert names_of(await rig.ask(THINGS, ids=["1"])) == ["new"]


async def test_tags_of_entities_fit_after_a_batch_is_split() -> None:
    shop = Shop()
    shop.more["extensions"] = {"apolloEntityCacheTags": [["one"], ["two"]]}
    rig = Rig(SDLS, shop, caching_of("shop", "info", responses=False))
    await asyncio.gather(rig.ask(THINGS, ids=["1"]), rig.ask(THINGS, ids=["2"]))
    assert shop.asked == [["1", "2"]]
    shop.names["2"] = "new"
    rig.cache.invalidate(["tag:two"])
    assert names_of(await rig.ask(THINGS, ids=["2"])) == ["new"]


@pytest.mark.parametrize("own", [True, False])
def test_an_unpublished_invalidation_outlives_the_number_of_another(own: bool) -> None:
    fence = Fence()
    fence.invalidate(["tag:a"])
    first = fence.local.position
    if own:
        fence.invalidate(["tag:a"])
        fence.published(["tag:a"], 100, first)
    else:
        fence.invalidate(["tag:a"], 100)  # of another process
    assert not fence.is_valid_in_redis(100, ["tag:a"])


async def test_a_message_with_a_great_id_stops_no_request() -> None:
    rig = with_redis(DictNodes(), Shop(), FakeClock())
    assert rig.cache.backplane is not None
    rig.cache.backplane._receive([(b"1700000000000000-0", [b"tags", b'["tag:x"]'])])  # microseconds
    async with asyncio.timeout(1):
        assert names_of(await rig.ask(THINGS, ids=["1"])) == ["thing 1"]


async def test_a_deep_value_in_redis_stops_no_request() -> None:
    shop, nodes, clock = Shop(), DictNodes(), FakeClock()
    await with_redis(nodes, shop, clock).ask(THINGS, ids=["1"])
    await asyncio.sleep(0)
    for key, value in nodes.values.items():
        nodes.values[key] = bytes([value[0] + 1]) + value[1:] + b"\x91" * 100_000 + b"\xc0"
    async with asyncio.timeout(1):
        assert names_of(await with_redis(nodes, shop, clock).ask(THINGS, ids=["1"])) == ["thing 1"]


async def test_what_is_stored_can_be_invalidated_by_other_processes() -> None:
    shop, clock = Shop(), FakeClock()
    long = "x" * 2_100
    shop.names[long] = "old"
    rig = with_redis(DictNodes(), shop, clock)
    await rig.ask(THINGS, ids=[long])
    shop.names[long] = "new"
    assert rig.cache.backplane is not None
    message = rig.cache.backplane._message([f'entity:Thing:{{"id":"{long}"}}'])
    rig.cache.backplane.name = b"another process"
    rig.cache.backplane._receive([(b"1-1", list(message[6:]))])
    assert names_of(await rig.ask(THINGS, ids=[long])) == ["new"]


def test_engines_have_different_identities() -> None:
    found = set()
    for _ in range(8):
        rig = Rig(SDLS, Shop(), SHARED)
        assert rig.gateway.responses is not None
        found.add(rig.gateway.responses.identity)
        del rig
        gc.collect()
    assert len(found) == 8


class BackClock(FakeClock):
    """A clock whose time of day is `back` seconds behind."""

    back = 0.0

    def now(self) -> float:
        """Return the time of day."""
        return super().now() - self.back


async def test_a_clock_that_was_set_back_makes_nothing_live_longer() -> None:
    shop, nodes, clock = Shop(), DictNodes(), BackClock()
    await with_redis(nodes, shop, clock).ask(THINGS, ids=["1"])
    await asyncio.sleep(0)
    shop.names["1"], clock.back = "new", 3_600.0
    await clock.advance(50)
    other = with_redis(nodes, shop, clock)
    assert names_of(await other.ask(THINGS, ids=["1"])) == ["thing 1"]
    await clock.advance(50)  # 100 seconds after the fetch of a value that lives 60
    assert names_of(await other.ask(THINGS, ids=["1"])) == ["new"]


@pytest.mark.parametrize("change", ["error", "no-store"])
async def test_a_refresh_without_a_value_is_tried_again(change: str) -> None:
    shop, clock = Shop({"cache-control": "public, max-age=30, stale-while-revalidate=900"}), FakeClock()
    rig, good = Rig(SDLS, shop, caching_of("shop", "info", responses=False), clock=clock), shop.headers
    await rig.ask(THINGS, ids=["1"])
    await clock.advance(31)
    if change == "error":
        shop.more["errors"] = [{"message": "x", "path": ["_entities", 0, "name"]}]
    else:
        shop.headers = {"cache-control": "no-store"}
    await rig.ask(THINGS, ids=["1"])
    await until(lambda: len(shop.asked) == 2)
    shop.more, shop.headers = {}, good
    await clock.advance(5)
    await rig.ask(THINGS, ids=["1"])
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(shop.asked) == 3


async def test_a_reply_can_forbid_stale_use() -> None:
    shop, clock = Shop({"cache-control": "public, max-age=60, stale-while-revalidate=0"}), FakeClock()
    rig = Rig(SDLS, shop, caching_of("shop", "info", stale_while_revalidate=100.0), clock=clock)
    await rig.ask(THINGS, ids=["1"])
    await clock.advance(61)
    shop.names["1"] = "new"
    assert names_of(await rig.ask(THINGS, ids=["1"])) == ["new"]


async def test_headers_of_one_subgraph_are_in_the_key_of_a_response() -> None:
    caching = CacheSettings(
        enabled=True,
        subgraphs={"shop": SubgraphCacheSettings(vary=()), "info": SubgraphCacheSettings(vary=("x-lang",))},
    )
    own = SubgraphHeaderRules(request=(RequestHeaderRule(propagate="x-lang"),))
    settings = Settings(cache=caching, subgraphs={"info": SubgraphSettings(headers=own)})
    rig = Rig(SDLS, Shop(varies=b"x-lang"), caching, settings=settings)
    for language in ("de", "fr"):
        found = await rig.ask(THINGS, ids=["1"], headers={"x-lang": language})
        assert names_of(found) == [f"thing 1{language}"]


async def test_a_reply_that_varies_by_a_header_outside_of_the_key_is_not_shared() -> None:
    rig = Rig(SDLS, Shop({**PUBLIC, "vary": "x-lang"}, varies=b"x-lang"), SHARED)
    for language in ("de", "fr"):
        found = await rig.ask(THINGS, ids=["1"], headers={"x-lang": language})
        assert names_of(found) == [f"thing 1{language}"]


async def test_an_alias_with_the_name_of_a_key_is_not_the_key() -> None:
    data: dict[str, Any] = {"thing": {"x": "1", "id": "old"}}
    rig, query = people(data), "{ thing { x: id id: name } }"
    await rig.ask(query)
    data["thing"]["id"] = "new"
    rig.cache.invalidate(['entity:Thing:{"id":"1"}'])
    assert (await rig.ask(query))["data"]["thing"]["id"] == "new"


async def test_entities_embedded_in_either_lookup_are_found() -> None:
    data: dict[str, Any] = {name: {"__typename": "Person", "id": name} for name in "pq"}
    data["b"] = {"__typename": "Person", "friend": {"id": "1", "name": "old"}, "size": {"x": 1}}
    rig, query = people(data), "{ p { friend { id name } } q { size { x } } }"
    await rig.ask(query)
    data["b"]["friend"]["name"] = "new"
    rig.cache.invalidate(['entity:Friend:{"id":"1"}'])
    assert (await rig.ask(query))["data"]["p"]["friend"]["name"] == "new"


async def test_an_entity_is_invalidated_where_it_is_an_interface_object() -> None:
    name = ["old"]

    async def reply(call: Call) -> Answered:
        if call.subgraph == "a":
            return {"data": {"n": [{"__typename": "Person", "id": "1"}]}}, PUBLIC
        return {"data": {"_entities": [{"__typename": "Node", "name": name[0]}]}}, PUBLIC

    sdl = 'type Node @interfaceObject @key(fields: "id") { id: ID! name: String }'
    rig, query = Rig({"a": PEOPLE["a"], "b": sdl}, reply, caching_of("a", "b")), "{ n { id name } }"
    await rig.ask(query)
    name[0] = "new"
    rig.cache.invalidate(['entity:Person:{"id":"1"}'])
    assert (await rig.ask(query))["data"]["n"][0]["name"] == "new"


async def test_the_size_counts_the_memory_of_tags() -> None:
    shop = Shop()
    shop.more["extensions"] = {"apolloCacheTags": [str(number) for number in range(100_000)]}
    rig = Rig(SDLS, shop, SHARED)
    await rig.ask(THINGS, ids=["1"])
    memory = rig.cache.memory
    used = sum(sum(map(sys.getsizeof, entry.tags)) + len(entry.value) for _, _, entry in memory.all())
    assert used <= memory.size


@pytest.mark.parametrize("way", ["invalidation", "no-cache"])
async def test_a_late_reply_is_not_stored_as_the_response_of_newer_entries(way: str) -> None:
    name, late, calls = ["old"], asyncio.Event(), []

    async def reply(call: Call) -> Answered:
        body = {"data": {"thing": {"id": "1", "name": name[0]}}}
        calls.append(call)
        if len(calls) == 1:
            await late.wait()
        return body, PUBLIC

    caching, query = caching_of("a", "b", client_directives="all"), "{ thing { id name } }"
    rig = Rig(PEOPLE, reply, caching, clock=SYSTEM_CLOCK)
    first = rig.start(query)
    await until(lambda: bool(calls))
    name[0] = "new"
    if way == "invalidation":
        rig.cache.invalidate(["type:a:Thing"])
    assert (await rig.ask(query, headers={"cache-control": way}))["data"]["thing"]["name"] == "new"
    late.set()
    await first
    assert (await rig.ask(query))["data"]["thing"]["name"] == "new"


async def test_a_reply_with_no_store_does_not_end_the_caching_of_later_ones() -> None:
    shop = Shop({"cache-control": "no-store"})
    rig = Rig(SDLS, shop, caching_of("shop", "info"))
    await rig.ask(THINGS, ids=["1"])
    shop.headers = PUBLIC
    for _ in range(3):
        await rig.ask(THINGS, ids=["1"])
    assert len(shop.asked) == 2


def test_a_full_fence_is_not_slower_than_a_large_one() -> None:
    tags = [f"tag:{number}" for number in range(60_000)]

    def seconds(limit: int) -> float:
        began = time.process_time()
        Positions(limit).invalidate(tags, 1)
        return time.process_time() - began

    assert seconds(20_000) < 5 * seconds(10**6) + 0.1


def knows_or_dropped_all(rig: Rig) -> bool:
    """Return whether a process uses Redis again: it has read the last message, or begun a new epoch."""
    fence, shared = rig.cache.fence, rig.cache.shared
    return (
        shared is not None
        and shared.epoch is not None
        and ("tag:last" in fence.local.last or fence.shared.floor > 0)
    )


@pytest.mark.parametrize("count", [1, 30])
async def test_a_process_reads_a_stream_whatever_the_size_of_its_messages(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("gateway.cache.resp.MAX_REPLY", 100_000)  # 64 MB: 13 messages with the most tags
    prefix, tags = f"large{count}:", msgspec.json.encode(["x" * (180_000 // count)])
    stream, client = f"{prefix}{{cache}}:invalidations", Redis.from_url(redis_url)
    for _ in range(count):
        await client.xadd(stream, {"tags": tags})
    await client.xadd(stream, {"tags": '["tag:last"]'})
    await client.aclose()
    nodes = make_nodes(RedisSettings(url=Secret(redis_url), timeout=5.0))
    rig = Rig(SDLS, Shop(), SHARED, clock=SYSTEM_CLOCK, nodes=nodes, prefix=prefix)
    rig.cache.start()
    try:
        async with asyncio.timeout(3):
            while not knows_or_dropped_all(rig):  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)
    finally:
        await rig.close()


async def test_invalidations_that_could_not_be_published_are_forgotten_some_day() -> None:
    rig = with_redis(DictNodes(), Shop(), FakeClock())
    for part in range(3):
        rig.cache.invalidate([f"tag:{part}-{number}" for number in range(UNSENT + 1)])
    assert len(rig.cache.fence.unpublished) <= UNSENT
