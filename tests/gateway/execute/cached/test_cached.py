"""The cache in front of subgraph calls: what is asked, what is shared, what is never stored."""

import asyncio

import pytest

from gateway.settings import CacheSettings, SubgraphCacheSettings, TypeCacheSettings
from tests.gateway.execute.cached.town import Town
from tests.gateway.support import until

NO_CACHE = {"cache-control": "no-cache"}
OPEN = CacheSettings(enabled=True, client_directives="all")
PUBLIC_FOR_ALL = CacheSettings(
    enabled=True, subgraphs={name: SubgraphCacheSettings(vary=()) for name in ("shop", "info")}
)


def stale_settings(revalidate: float = 0.0, error: float = 0.0) -> CacheSettings:
    """Return settings with stale times in seconds."""
    return CacheSettings(enabled=True, stale_while_revalidate=revalidate, stale_if_error=error)


async def test_only_missing_entities_are_asked() -> None:
    town = Town()
    assert await town.things("1", "2") == ["thing 1", "thing 2"]
    assert await town.things("3", "2", "1") == ["thing 3", "thing 2", "thing 1"]
    assert town.asked == [["1", "2"], ["3"]]


async def test_a_hit_asks_nobody_and_a_stale_entry_is_fetched_again() -> None:
    town = Town()
    await town.things("1")
    town.names["1"] = "new"
    assert await town.things("1") == ["thing 1"]
    assert town.calls == {"shop": 1, "info": 1}
    await town.fake_clock.advance(61)
    assert await town.things("1") == ["new"]


@pytest.mark.parametrize(
    "control",
    ["no-store", "no-cache", "private", "max-age=0", "max-age=x", ""],
)
async def test_replies_that_must_not_be_stored(control: str) -> None:
    town = Town()
    town.headers["info"] = {"cache-control": control} if control else {}
    await town.things("1")
    await town.things("1")
    assert town.asked == [["1"], ["1"]]


async def test_an_age_above_the_lifetime_is_not_stored() -> None:
    """router#8456."""
    town = Town()
    town.headers["info"] = {"cache-control": "public, max-age=5", "age": "90"}
    await town.things("1")
    await town.things("1")
    assert town.asked == [["1"], ["1"]]


async def test_a_cookie_is_never_stored() -> None:
    town = Town()
    town.headers["info"]["set-cookie"] = "session=1"
    await town.things("1")
    await town.things("1")
    assert town.asked == [["1"], ["1"]]


async def test_no_cache_of_a_client_fetches_and_stores() -> None:
    """router#9197 and #9260: the entity fields were null."""
    town = Town(OPEN)
    await town.things("1")
    town.names["1"] = "new"
    assert await town.things("1", headers=NO_CACHE) == ["new"]
    assert await town.things("1") == ["new"]
    assert town.asked == [["1"], ["1"]]


async def test_no_store_of_a_client_reads_and_stores_nothing() -> None:
    town = Town(OPEN)
    await town.things("1", headers={"cache-control": "no-store"})
    await town.things("1")
    assert town.asked == [["1"], ["1"]]


async def test_anonymous_clients_cannot_bypass_the_cache_by_default() -> None:
    town = Town()
    await town.things("1", headers=NO_CACHE)
    await town.things("1", headers=NO_CACHE)
    assert town.asked == [["1"]]
    await town.things("1", headers=NO_CACHE, user="kim")
    await town.things("1", headers=NO_CACHE, user="kim")
    assert town.asked == [["1"], ["1"], ["1"]]


async def test_by_default_each_token_has_its_own_entries() -> None:
    town = Town()
    for user in ("kim", "lee", "kim", "lee"):
        await town.things("1", user=user)
    assert town.asked == [["1"], ["1"]]


async def test_private_replies_stay_with_their_user() -> None:
    town = Town(PUBLIC_FOR_ALL)
    town.headers["info"] = {"cache-control": "private, max-age=60"}
    for user, name in (("kim", "for kim"), ("lee", "for lee")):
        town.names["1"] = name
        assert await town.things("1", user=user) == [name]
        assert await town.things("1", user=user) == [name]
    town.names["1"] = "for nobody"
    assert await town.things("1") == ["for nobody"]
    assert await town.things("1", user="kim") == ["for kim"]


async def test_concurrent_lookups_of_a_private_value_each_fetch_their_own() -> None:
    town = Town(PUBLIC_FOR_ALL)
    town.headers["info"] = {"cache-control": "private, max-age=60"}
    town.hold = asyncio.Event()
    asks = [asyncio.ensure_future(town.things("1", user=user)) for user in ("kim", "lee", "kim")]
    await until(lambda: bool(town.calls["shop"]))
    town.hold.set()
    await asyncio.gather(*asks)
    assert len(town.asked) >= 2


async def test_one_fetch_for_many_lookups_at_once() -> None:
    town = Town()
    town.hold = asyncio.Event()
    asks = [asyncio.ensure_future(town.things("1", "2")) for _ in range(1_000)]
    await until(lambda: bool(town.calls["shop"]))
    town.hold.set()
    assert await asyncio.gather(*asks) == [["thing 1", "thing 2"]] * 1_000
    assert town.calls == {"shop": 1, "info": 1}


async def test_a_failed_fetch_fails_all_that_wait_for_it_once() -> None:
    town = Town()
    await town.things("1")
    town.broken.add("info")
    asks = [town.ask("query ($ids: [ID!]!) { things(ids: $ids) { id mood } }", ids=["2"]) for _ in range(50)]
    for found in await asyncio.gather(*asks):
        assert found["data"] == {"things": [{"id": "2", "mood": None}]}
        assert found["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"
    assert town.calls["info"] == 2


async def test_hits_are_kept_when_the_fetch_of_the_rest_fails() -> None:
    """router#5776."""
    town, query = Town(), "query ($ids: [ID!]!) { things(ids: $ids) { id mood } }"
    await town.ask(query, ids=["1", "3"])
    town.broken.add("info")
    found = await town.ask(query, ids=["1", "2", "3"])
    assert [one["mood"] for one in found["data"]["things"]] == ["calm", None, "calm"]
    assert [one["path"] for one in found["errors"]] == [["things", 1, "mood"]]
    without = Town(CacheSettings(enabled=True, lifetime=0))
    without.broken.add("info")
    alone = await without.ask(query, ids=["2"])
    assert alone["errors"][0] == {**found["errors"][0], "path": ["things", 0, "mood"]}


async def test_an_entity_with_an_error_is_not_stored_and_the_others_are() -> None:
    town, query = Town(), "query ($ids: [ID!]!) { things(ids: $ids) { id mood } }"
    town.errors["2"] = "no mood"
    for _ in range(2):
        found = await town.ask(query, ids=["1", "2", "3"])
        assert [one["path"] for one in found["errors"]] == [["things", 1, "mood"]]
    assert town.asked == [["1", "2", "3"], ["2"]]


async def test_unknown_entities_are_remembered_for_a_short_time() -> None:
    town, query = Town(), "query ($ids: [ID!]!) { things(ids: $ids) { id mood } }"
    for _ in range(2):
        found = await town.ask(query, ids=["99"])
        assert found["data"] == {"things": [{"id": "99", "mood": None}]}
    assert town.asked == [["99"]]
    await town.fake_clock.advance(1.1)
    await town.ask(query, ids=["99"])
    assert town.asked == [["99"], ["99"]]


async def test_stale_values_are_used_while_they_are_fetched_again() -> None:
    town = Town(stale_settings(revalidate=30))
    await town.things("1")
    town.names["1"] = "new"
    await town.fake_clock.advance(61)
    assert await town.things("1") == ["thing 1"]
    await until(lambda: len(town.asked) == 2)
    await asyncio.sleep(0.01)
    assert await town.things("1") == ["new"]
    assert town.asked == [["1"], ["1"]]
    await town.fake_clock.advance(95)
    town.names["1"] = "newest"
    assert await town.things("1") == ["newest"]


async def test_only_one_refresh_at_a_time_and_a_failed_one_waits() -> None:
    town = Town(stale_settings(revalidate=30))
    await town.things("1")
    await town.fake_clock.advance(61)
    town.broken |= {"info", "shop"}
    for _ in range(20):
        assert await town.things("1") == ["thing 1"]
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert town.asked == [["1"], ["1"]]


async def test_stale_values_replace_a_failed_fetch_for_the_declared_seconds() -> None:
    """router#9562: the number was read as a flag."""
    town = Town()
    for name in ("shop", "info"):
        town.headers[name] = {"cache-control": "public, max-age=60, stale-if-error=30"}
    await town.things("1")
    town.broken |= {"shop", "info"}
    await town.fake_clock.advance(80)
    assert await town.things("1") == ["thing 1"]
    await town.fake_clock.advance(20)
    assert "errors" in await town.ask(ids=["1"])


async def test_must_revalidate_forbids_stale_values() -> None:
    town = Town(stale_settings(30, 30))
    for name in ("shop", "info"):
        town.headers[name] = {"cache-control": "public, max-age=60, must-revalidate"}
    await town.things("1")
    town.broken |= {"shop", "info"}
    await town.fake_clock.advance(61)
    assert "errors" in await town.ask(ids=["1"])


async def test_an_invalidation_is_seen_at_once() -> None:
    town = Town()
    await town.things("1", "2")
    town.names["1"] = "new"
    town.cache.invalidate(['entity:Thing:{"id":"1"}'])
    assert await town.things("1", "2") == ["new", "thing 2"]
    assert town.asked == [["1", "2"], ["1"]]


@pytest.mark.parametrize("tag", ["subgraph:info", "type:info:Thing"])
async def test_invalidation_of_all_entries_of_a_subgraph_or_type(tag: str) -> None:
    town = Town()
    await town.things("1", "2")
    town.cache.invalidate([tag])
    await town.things("1", "2")
    assert town.asked == [["1", "2"], ["1", "2"]]
    assert town.calls["shop"] == 1


async def test_a_fill_that_began_before_an_invalidation_is_not_stored() -> None:
    """gravitino#13106: the cache was cold, so nothing was there to remove."""
    town = Town()
    town.hold = asyncio.Event()
    ask = asyncio.ensure_future(town.things("1"))
    await until(lambda: bool(town.calls["shop"]))
    town.hold.set()
    town.hold = asyncio.Event()
    await until(lambda: bool(town.asked))
    town.names["1"] = "new"
    town.cache.invalidate(["type:info:Thing"])
    town.hold.set()
    assert await ask == ["thing 1"]
    assert await town.things("1") == ["new"]


async def test_mutations_are_never_answered_from_the_cache() -> None:
    town = Town()
    mutation = 'mutation { rename(id: "1", name: "x") { id } }'
    await town.ask(mutation)
    await town.ask(mutation)
    assert town.calls["shop"] == 2


async def test_a_cancelled_lookup_cancels_the_fetch_only_when_nobody_else_waits() -> None:
    town = Town()
    town.hold = asyncio.Event()
    first, second = (asyncio.ensure_future(town.things("1")) for _ in range(2))
    await until(lambda: bool(town.calls["shop"]))
    first.cancel()
    await asyncio.sleep(0)
    town.hold.set()
    assert await second == ["thing 1"]
    town.hold = asyncio.Event()
    third = asyncio.ensure_future(town.things("5"))
    await until(lambda: town.calls["shop"] == 2)
    third.cancel()
    await asyncio.sleep(0.01)
    town.hold.set()
    assert await town.things("5") == ["thing 5"]
    assert town.calls["shop"] == 3


async def test_hints_and_settings_give_lifetimes_to_replies_without_headers() -> None:
    town = Town(
        CacheSettings(
            enabled=True,
            types={"Thing": TypeCacheSettings(lifetime=10), "Query.things": TypeCacheSettings(lifetime=30)},
        )
    )
    town.headers = {"shop": {}, "info": {}}
    await town.things("1")
    await town.fake_clock.advance(9)
    await town.things("1")
    assert town.asked == [["1"]]
    await town.fake_clock.advance(2)
    await town.things("1")
    assert town.asked == [["1"], ["1"]]


async def test_without_any_lifetime_nothing_is_stored() -> None:
    town = Town()
    town.headers = {"shop": {}, "info": {}}
    await town.things("1")
    await town.things("1")
    assert town.calls == {"shop": 2, "info": 2}


async def test_shadow_mode_serves_nothing_and_counts_differences() -> None:
    town = Town(CacheSettings(enabled=True, shadow=True))
    await town.things("1")
    await town.things("1")
    town.names["1"] = "new"
    assert await town.things("1") == ["new"]
    assert (town.cache.same, town.cache.different) == (3, 1)


async def test_tags_of_a_reply_invalidate_its_entities() -> None:
    town = Town()
    town.entity_tags = lambda ids: [[f"thing-{one}"] for one in ids]
    await town.things("1", "2")
    town.cache.invalidate(["tag:nothing"])
    await town.things("1", "2")
    assert town.asked == [["1", "2"]]
    town.cache.invalidate(["tag:thing-2"])
    await town.things("1", "2")
    assert town.asked == [["1", "2"], ["2"]]
