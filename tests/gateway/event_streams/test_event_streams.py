"""Event streams with a real Valkey: order, cursors, what was missed, repetitions, lost data, channels."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url

from gateway.answering import Gateway
from gateway.app import create_gateway
from gateway.core.headers import RequestHeaders
from gateway.execution import envelope_of
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import (
    EventCondition,
    EventFieldSettings,
    EventSettings,
    Secret,
    Settings,
    SubscriptionSettings,
)
from tests.gateway.subscribe.live import Received
from tests.gateway.support import supergraph_of

SDLS = {
    "live": """type Subscription { moved(id: ID): Thing heard: Thing }
        type Thing @key(fields: "id") { id: ID! }""",
    "things": 'type Query { x: Int } type Thing @key(fields: "id") { id: ID! name: String }',
}
MOVED = "subscription($id: ID) { moved(id: $id) { id name } }"
_names = itertools.count()


class Town:
    """A gateway with event streams, and the Redis that it reads."""

    def __init__(self, gateway: Gateway, redis: "Redis", prefix: str) -> None:
        self.gateway = gateway
        self.redis = redis
        self.prefix = prefix

    async def add(self, key: Any, event: str | None = None, stream: int | None = None) -> None:
        """Publish an event about a thing."""
        number = int(key) % 2 if stream is None else stream
        payload = orjson.dumps({"id": str(key)})
        await self.redis.xadd(f"{self.prefix}:{number}", {"event_id": event or f"e{key}", "payload": payload})

    async def subscribe(self, query: str = MOVED, after: str | None = None, **variables: Any) -> Received:
        """Subscribe; return the sink."""
        context = self.gateway.context(RequestHeaders([], None))
        request = GraphQLRequest(query, variables, after=after)
        envelope = await envelope_of(lambda answered: self.gateway.begin(request, context, answered))
        received = Received()
        received.place = envelope.response.attach(received)  # type: ignore[union-attr]
        await asyncio.sleep(0.1)
        return received


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def keys(received: Received, field: str = "moved") -> list[str]:
    """Return the ids of the things that were received."""
    return [one["data"][field]["id"] for one in received.bodies]


async def things(query: str, variables: Any, *_: Any) -> Any:
    """Reply to lookups of things."""
    return {"data": {"_entities": [{"name": f"n{one['id']}"} for one in variables["representations"]]}}


async def nobody(*_: Any) -> Any:
    """The subgraph of the events is never called."""
    raise AssertionError("called")


@pytest.fixture
def address(redis_url: str) -> Iterator[str]:
    """Yield the URL of a database."""
    yield make_url(redis_url).set(database="9").render_as_string(hide_password=False)


@pytest.fixture
async def town(address: str) -> AsyncIterator[Town]:
    """Yield a gateway over two streams and a channel."""
    prefix = f"ev{next(_names)}"
    field = EventFieldSettings(
        streams=(prefix + ":{0..1}",),
        value='{"__typename": "Thing", "id": "{payload.id}"}',
        where=(EventCondition(("payload.id",), argument="id"),),
        id="event_id",
    )
    heard = EventFieldSettings(channels=(prefix,), value='{"__typename": "Thing", "id": "{id}"}')
    events = EventSettings(Secret(address), {"moved": field, "heard": heard}, block=0.2)
    settings = Settings(subscriptions=SubscriptionSettings(redis=events))
    gateway = create_gateway(supergraph_of(SDLS), settings, {"live": nobody, "things": things})
    gateway.start()
    async with Redis.from_url(address) as redis:
        yield Town(gateway, redis, prefix)
    await gateway.close()


async def test_events_reach_those_that_they_are_for(town: Town) -> None:
    """Conditions choose the events; entities come from their subgraph; each has a cursor."""
    everything, one = await town.subscribe(), await town.subscribe(id="2")
    for number in range(4):
        await town.add(number)
    await until(lambda: len(everything.bodies) == 4)
    assert sorted(keys(everything)) == ["0", "1", "2", "3"] and keys(one) == ["2"]
    assert everything.bodies[0]["data"]["moved"]["name"] == "n" + keys(everything)[0]
    assert [body["extensions"]["subscription"]["cursor"] for body in everything.bodies] == everything.cursors


async def test_a_repeated_event_is_passed_on_once(town: Town) -> None:
    """The same id again, soon or later, is no new event."""
    client = await town.subscribe()
    for number in (1, 1, 2, 1):
        await town.add(number)
    await town.add(3)
    await until(lambda: "3" in keys(client))
    assert sorted(keys(client)) == ["1", "2", "3"]


@pytest.mark.parametrize("shared", [True, False])
async def test_what_was_missed_comes_once_and_in_order(town: Town, shared: bool) -> None:
    """A client that comes back gets each later event of each stream in order, then the new ones."""
    first = await town.subscribe()
    for number in range(6):
        await town.add(number)
    await until(lambda: len(first.bodies) == 6)
    seen = keys(first)[:3]
    if not shared:
        first.leave()
    for number in range(6, 300):
        await town.add(number)
    await town.add(2, event="e2")  # a repetition of what was seen before the cursor
    back = await town.subscribe(after=first.cursors[2])
    for number in range(300, 310):
        await town.add(number)
    await until(lambda: len(back.bodies) >= 307)
    await asyncio.sleep(0.1)
    assert sorted(map(int, [*seen, *keys(back)])) == list(range(310))
    for parity in (0, 1):
        own = [int(one) for one in keys(back) if int(one) % 2 == parity]
        assert own == sorted(own)
    assert len(town.gateway.hub.all_groups) == 1


async def test_events_that_are_gone_are_said(town: Town) -> None:
    """The stream was cut behind the cursor: the next event says that some are missing."""
    client = await town.subscribe()
    for number in range(0, 8, 2):
        await town.add(number)
    await until(lambda: len(client.bodies) == 4)
    await town.redis.xtrim(f"{town.prefix}:0", maxlen=1, approximate=False)
    back = await town.subscribe(after=client.cursors[0])
    await until(lambda: bool(back.bodies))
    assert keys(back) == ["6"]
    assert "deleted" in back.bodies[0]["extensions"]["subscription"]["gap"]


async def test_lost_data_is_said(town: Town) -> None:
    """The server was emptied: events go on, and the next one says that some may be missing."""
    client = await town.subscribe()
    await town.add(1)
    await until(lambda: len(client.bodies) == 1)
    await town.redis.delete(f"{town.prefix}:0", f"{town.prefix}:1")
    kill: Any = town.redis.execute_command
    await kill("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(0.3)
    await town.redis.xadd(f"{town.prefix}:1", {"event_id": "new", "payload": '{"id": "9"}'}, id="5-0")
    await until(lambda: len(client.bodies) == 2)
    assert "lost" in client.bodies[1]["extensions"]["subscription"]["gap"]


@pytest.mark.parametrize("cursor", ["nonsense", "1.0-0", "2.0-0.0-0", "1.x-0.0-0", "1.-1-0.0-0"])
async def test_an_invalid_cursor(town: Town, cursor: str) -> None:
    """A text that is no cursor of this subscription is refused with a code."""
    client = await town.subscribe(after=cursor)
    await until(lambda: client.end is not None)
    assert client.code == "INVALID_CURSOR"
    assert town.gateway.hub.all_groups == []


async def test_entries_that_are_no_events(town: Town) -> None:
    """Entries that can't be read are skipped; the next one arrives."""
    client = await town.subscribe()
    await town.redis.xadd(f"{town.prefix}:0", {"payload": "{"})
    await town.redis.xadd(f"{town.prefix}:0", {b"\xff": b"\xff"})
    await town.add(2)
    await until(lambda: bool(client.bodies))
    assert keys(client) == ["2"]


async def test_a_channel(town: Town) -> None:
    """Messages of a channel are events without cursors; others are ignored; a new connection is said."""
    client = await town.subscribe("subscription { heard { id name } }")
    streams: Any = town.gateway.streams
    await until(lambda: streams.events.channels.is_ready)
    await town.redis.publish(town.prefix, "no JSON")
    await town.redis.publish(town.prefix, '{"id": "4"}')
    await until(lambda: len(client.bodies) == 1)
    assert client.bodies == [{"data": {"heard": {"id": "4", "name": "n4"}}}] and client.cursors == [None]
    kill: Any = town.redis.execute_command
    await kill("CLIENT", "KILL", "TYPE", "pubsub")
    await asyncio.sleep(1.0)
    await town.redis.publish(town.prefix, '{"id": "5"}')
    await until(lambda: len(client.bodies) == 2)
    assert "broken" in client.bodies[1]["extensions"]["subscription"]["gap"]
