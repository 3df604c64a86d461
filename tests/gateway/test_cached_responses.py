"""Whole responses in the cache, their headers, and what makes them invalid."""

from functools import partial
from typing import Any

import orjson
import pytest

from gateway.core.envelope import Envelope
from gateway.execution import envelope_of
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import (
    CacheSettings,
    HeaderRules,
    MutationCacheRule,
    Settings,
    SubgraphCacheSettings,
)
from tests.gateway.execute.cached.town import QUERY, Town

NOBODY_VARIES = {name: SubgraphCacheSettings(vary=()) for name in ("shop", "info")}
FORWARDING = HeaderRules(forward=("authorization",))
RENAME = 'mutation { rename(id: "1", name: "x") { id } }'


def town_of(**given: Any) -> Town:
    """Return a town whose gateway forwards tokens. `given`: settings of the cache."""
    caching = CacheSettings(enabled=True, **given)
    return Town(caching, Settings(cache=caching, headers=FORWARDING))


def names(envelope: Envelope) -> list[str]:
    """Return the names of the things in a response."""
    body = orjson.loads(envelope.response if isinstance(envelope.response, bytes) else b"null")
    return [one["name"] for one in body["data"]["things"]]


def control(envelope: Envelope) -> str:
    """Return the Cache-Control of a response."""
    return dict(envelope.headers).get(b"cache-control", b"").decode()


async def test_a_second_request_executes_nothing() -> None:
    town = town_of()
    first = await town.answer(ids=["1"])
    town.cache.memory.remove(next(one for _, key, one in town.cache.memory.all() if key.startswith(b"{")))
    second = await town.answer(ids=["1"])
    assert names(first) == names(second) == ["thing 1"]
    assert town.calls == {"shop": 1, "info": 1}
    assert town.gateway is not None and town.gateway.responses is not None
    assert town.gateway.responses.counts() == {"": (1, 1)}


async def test_variables_and_users_have_their_own_responses() -> None:
    town = town_of()
    assert names(await town.answer(ids=["1"])) == ["thing 1"]
    assert names(await town.answer(ids=["2"])) == ["thing 2"]
    town.names["1"] = "for kim"
    assert names(await town.answer(ids=["1"], user="kim")) == ["for kim"]
    assert names(await town.answer(ids=["1"])) == ["thing 1"]


async def test_users_share_responses_where_no_subgraph_varies() -> None:
    town = town_of(subgraphs=NOBODY_VARIES)
    for user in ("kim", "lee", None):
        assert control(await town.answer(ids=["1"], user=user)) == "public, max-age=60"
    assert town.calls == {"shop": 1, "info": 1}


async def test_private_responses_are_never_shared() -> None:
    """hive-router#1022: a merge made private data public."""
    town = town_of(subgraphs=NOBODY_VARIES)
    town.headers["info"] = {"cache-control": "private, max-age=60"}
    for user in ("kim", "lee"):
        town.names["1"] = f"for {user}"
        for _ in range(3):
            envelope = await town.answer(ids=["1"], user=user)
            assert names(envelope) == [f"for {user}"]
            assert control(envelope) in ("private, max-age=60", "no-store")
    town.names["1"] = "for nobody"
    assert names(await town.answer(ids=["1"])) == ["for nobody"]
    assert names(await town.answer(ids=["1"], user="kim")) == ["for kim"]


async def test_headers_have_the_smallest_lifetime_and_the_age() -> None:
    town = town_of()
    town.headers["info"] = {"cache-control": "public, max-age=30"}
    assert dict((await town.answer(ids=["1"])).headers) == {
        b"cache-control": b"public, max-age=30",
        b"age": b"0",
        b"vary": b"authorization",
    }
    await town.fake_clock.advance(20)
    found = dict((await town.answer(ids=["1"])).headers)
    assert (found[b"cache-control"], found[b"age"]) == (b"public, max-age=30", b"20")


async def test_headers_for_a_cdn() -> None:
    town = town_of(cdn_header="CDN-Cache-Control", tags_header="Cache-Tag")
    found = dict((await town.answer(ids=["1"])).headers)
    assert found[b"cdn-cache-control"] == b"max-age=60"
    assert {b"subgraph:info", b"subgraph:shop", b"type:info:Thing", b"type:shop:Thing"} <= set(
        found[b"cache-tag"].split(b",")
    )


@pytest.mark.parametrize("header", ["no-store", "no-cache", "max-age=0", ""])
async def test_a_part_that_is_not_stored_makes_the_response_uncacheable(header: str) -> None:
    town = town_of()
    town.headers["info"] = {"cache-control": header} if header else {}
    for _ in range(2):
        assert control(await town.answer(ids=["1"])) == "no-store"
    assert town.calls["info"] == 2


async def test_errors_are_never_stored() -> None:
    town = town_of()
    query = "query ($ids: [ID!]!) { things(ids: $ids) { id mood } }"
    town.errors["1"] = "no mood"
    for _ in range(2):
        envelope = await town.answer(query, ids=["1"])
        assert control(envelope) == "no-store"
    assert town.calls["info"] == 2


async def test_an_invalid_part_makes_the_response_invalid() -> None:
    town = town_of()
    await town.answer(ids=["1", "2"])
    town.names["2"] = "new"
    town.cache.invalidate(['entity:Thing:{"id":"2"}'])
    assert names(await town.answer(ids=["1", "2"])) == ["thing 1", "new"]


async def test_a_mutation_invalidates_the_entities_that_it_returns() -> None:
    town = town_of()
    await town.answer(ids=["1"])
    await town.answer(ids=["2"])
    town.names |= {"1": "new", "2": "not seen yet"}
    await town.answer(RENAME)
    assert names(await town.answer(ids=["1"])) == ["new"]
    assert names(await town.answer(ids=["2"])) == ["thing 2"]
    assert town.calls["shop"] == 4  # two lists, the mutation, and the list that contains thing 1


async def test_a_rule_invalidates_also_when_the_reply_is_lost() -> None:
    rules = {"rename": MutationCacheRule(tags=('entity:Thing:{"id":"{$args.id}"}', "tag:all"))}
    town = town_of(returned=False, mutations=rules)
    await town.answer(ids=["1"])
    town.names["1"] = "new"
    town.broken.add("shop")
    await town.answer(RENAME)
    town.broken.clear()
    assert names(await town.answer(ids=["1"])) == ["new"]


async def test_no_cache_of_a_known_client_executes_and_stores() -> None:
    town = town_of()
    await town.answer(ids=["1"], user="kim")
    town.names["1"] = "new"
    assert names(await town.answer(ids=["1"], user="kim", headers={"cache-control": "no-cache"})) == ["new"]
    assert names(await town.answer(ids=["1"], user="kim")) == ["new"]


async def test_responses_can_be_left_out() -> None:
    town = town_of(responses=False)
    await town.answer(ids=["1"])
    assert control(await town.answer(ids=["1"])) == "public, max-age=60"
    assert not any(key == b'{"ids":["1"]}' for _, key, _ in town.cache.memory.all())


async def test_debug_shows_where_values_were_found() -> None:
    town = town_of(debug=True)
    await town.answer(ids=["1"])
    envelope = await town.answer(ids=["1", "2"], headers={"x-cache-debug": "1"})
    assert isinstance(envelope.response, dict)
    shop, info = envelope.response["extensions"]["cache"]
    assert (shop["subgraph"], shop["memory"], shop["fetched"]) == ("shop", 0, 1)
    assert (info["subgraph"], info["memory"], info["fetched"], info["lifetime"]) == ("info", 1, 1, 60.0)
    assert 'entity:Thing:{"id":"2"}' in info["tags"]


async def test_many_embedded_entities_are_invalidated_together() -> None:
    town = town_of()
    ids = [str(number) for number in range(200)]
    await town.answer("query ($ids: [ID!]!) { things(ids: $ids) { id } }", ids=ids)
    town.cache.invalidate(['entity:Thing:{"id":"7"}'])
    await town.answer("query ($ids: [ID!]!) { things(ids: $ids) { id } }", ids=ids)
    assert town.calls["shop"] == 2


async def test_the_plan_of_a_response_says_what_was_cached() -> None:
    town = town_of()
    await town.answer(ids=["1"])
    gateway = town.gateway
    assert gateway is not None
    request = GraphQLRequest(QUERY, {"ids": ["1", "2"]}, plan=True)
    envelope = await envelope_of(partial(gateway.begin, request, town.engine.context({})))
    assert isinstance(envelope.response, dict)
    plan = envelope.response["extensions"]["plan"]
    assert [(one["subgraph"], one["representations"]) for one in plan["calls"]] == [("shop", 0), ("info", 1)]
    assert [(one["fetch"], one["memory"], one["fetched"]) for one in plan["cache"]] == [(0, 0, 1), (1, 1, 1)]


async def test_responses_asked_once_do_not_push_out_entities() -> None:
    town = town_of(memory=40_000)
    for number in range(100):
        await town.answer(ids=["1", str(number % 7 + 2), str(number % 5), "x" * (number + 1)])
    assert town.cache.memory.size <= 40_000
    entities = [key for _, key, _ in town.cache.memory.all() if b"__typename" in key]
    assert len(entities) > 10
    for _ in range(2):
        await town.answer(ids=["1"])
    calls = dict(town.calls)
    await town.answer(ids=["1"])
    assert town.calls == calls
