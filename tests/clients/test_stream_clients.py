"""Other people's clients subscribe through the gateway, by each door that they know.

The gateway, its subgraphs and the clients for Node are processes of their own.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.clients.gql_clients import gql_clients
from tests.clients.happened import PATIENCE, Clients, Running
from tests.clients.node_clients import node_clients
from tests.clients.world import KEYS, World, running, token
from tests.folders import temporary_folder
from tests.oracle.programs import NO_NODE, find_node

pytestmark = pytest.mark.skipif(find_node() is None, reason=NO_NODE)

TRANSPORT_WS = ("graphql-ws", "apollo-ws", "urql-ws", "gql-websockets", "gql-aiohttp-ws")
LEGACY_WS = ("subscriptions-transport-ws", "gql-websockets-old", "gql-aiohttp-ws-old")
SSE = ("graphql-sse", "graphql-sse-single", "eventsource", "urql")
MULTIPART = ("apollo", "meros", "gql-multipart")
EVERY = (*TRANSPORT_WS, *LEGACY_WS, *SSE, *MULTIPART)
HTTP_ONLY = ("apollo-batch", "gql-httpx")  # they do not subscribe
RETRIES_REFUSALS = "graphql-sse-single"  # it takes every status but 202 for an error of the network
NO_CODES = "gql-multipart"  # it does not pass on the codes of errors that end a stream
PRICE = "subscription($id: ID!) { price(id: $id) { name cents } }"
CHANGED = "subscription($id: ID) { changed(id: $id) { id name } }"
BEGIN = "1.0-0"  # the cursor before all events of a stream
NUMBERS = count(1)


@pytest.fixture(scope="module")
async def world(redis_url: str) -> AsyncIterator[World]:
    """Yield the processes."""
    with temporary_folder("gateway-clients-") as folder:
        async with running(Path(folder), redis_url) as found:
            yield found


@pytest.fixture(scope="module")
async def every_client() -> AsyncIterator[dict[str, Clients]]:
    """Yield the clients by name."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(node_clients())
        python = await stack.enter_async_context(gql_clients())
        yield {name: clients for clients in (node, python) for name in clients.names}
        assert node.unhandled == []


class Caller:
    """One client at one gateway, with a connection of its own."""

    def __init__(self, world: World, clients: dict[str, Clients], name: str, workers: int) -> None:
        self.world = world
        self.clients = clients[name]
        self.name = name
        self.url = world.gateways[workers].url
        self.id = f"{name}-{next(NUMBERS)}"

    def start(
        self, query: str, token: str | None = None, after: str | None = None, **variables: Any
    ) -> Running:
        """Start an operation. `after`: a cursor, after which a subscription begins."""
        request: dict[str, Any] = {"query": query, "variables": variables}
        if after is not None:
            request["extensions"] = {"subscription": {"cursor": after}}
        return self.clients.start(self.name, self.id, self.url, request, token)

    async def subscribed(self, id: str | None = None, token: str | None = None) -> Running:
        """Subscribe to a product, by default to one of its own; return when its subgraph knows."""
        own = id or self.id
        before = await self.world.readers(own)
        found = self.start(PRICE, token, id=own)
        await self.world.has_readers(own, before + 1)
        return found


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def workers(request: pytest.FixtureRequest) -> int:
    """Return the number of the gateway's workers."""
    return int(request.param)


@pytest.fixture
def caller(
    world: World, every_client: dict[str, Clients], request: pytest.FixtureRequest, workers: int
) -> Caller:
    """Return one of the clients at a gateway."""
    return Caller(world, every_client, request.param, workers)


def each(*names: str) -> pytest.MarkDecorator:
    """Return what runs a test for each of these clients."""
    return pytest.mark.parametrize("caller", names, indirect=True)


def price(id: str, cents: int) -> Any:
    """Return the data of an event, whose name is from another subgraph."""
    return {"price": {"name": f"name {id}", "cents": cents}}


@each(*EVERY)
async def test_events_and_their_entities(caller: Caller) -> None:
    """A client receives each event, with the entity of another subgraph; two subscriptions are separate."""
    other = f"{caller.id}-other"
    first, second = await caller.subscribed(), await caller.subscribed(other)
    for cents in (1, 2):
        await caller.world.push(caller.id, cents)
        await first.happened.has("next", cents)
    await caller.world.push(other, 3)
    await second.happened.has("next")
    assert first.happened.all == [("next", price(caller.id, 1)), ("next", price(caller.id, 2))]
    assert second.happened.all == [("next", price(other, 3))]
    first.stop()
    await caller.world.has_readers(caller.id, 0)
    await caller.world.push(other, 4)
    await second.happened.has("next", 2)
    second.stop()
    await caller.world.has_readers(other, 0)


@each(*EVERY)
async def test_the_end_of_a_stream(caller: Caller) -> None:
    """A client learns that a stream has ended after its last event."""
    stream = caller.start("subscription { count(to: 3) }")
    await stream.happened.ends()
    expected: list[Any] = [("next", {"count": number}) for number in range(3)]
    assert stream.happened.all == [*expected, ("complete", None)]


@each(*(name for name in EVERY if name != RETRIES_REFUSALS))
async def test_an_operation_that_is_not_valid(caller: Caller) -> None:
    """A client gets the errors, and no event."""
    stream = caller.start("subscription { unknown }")
    await stream.happened.has("errors")
    assert stream.happened.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert stream.happened.data == []


@each(*EVERY)
async def test_a_subgraph_that_fails(caller: Caller) -> None:
    """A client gets the error that ends the stream of a subgraph, after the events before it."""
    stream = caller.start("subscription { broken }")
    await stream.happened.has("errors")
    assert stream.happened.data == [{"broken": 1}]
    assert stream.happened.codes == ["BROKEN"]


@each(*EVERY)
async def test_an_entity_that_fails(caller: Caller) -> None:
    """An event without an entity is a result with an error; the events after it arrive.

    gql ends a subscription at the first error, and so does the gateway then.
    """
    id = f"bad {caller.id}"
    times = 1 if caller.name.startswith("gql") else 2
    stream = await caller.subscribed(id)
    for cents in range(times):
        await caller.world.push(id, cents)
        await stream.happened.has("errors", cents + 1)
    data = [{"price": {"name": None, "cents": cents}} for cents in range(times)]
    assert stream.happened.all[:times] == [("errors", {"data": one, "codes": ["NO_NAME"]}) for one in data]
    stream.stop()
    await caller.world.has_readers(id, 0)


@each(*TRANSPORT_WS, *LEGACY_WS, *MULTIPART, "urql", "graphql-sse", "graphql-sse-single", *HTTP_ONLY)
async def test_queries_and_mutations(caller: Caller) -> None:
    """The same doors answer queries and mutations."""
    query = caller.start("query($id: ID!) { product(id: $id) { name cents } }", id="1")
    mutation = caller.start("mutation($id: ID!) { reprice(id: $id, cents: 7) { name cents } }", id="1")
    for one, data in (
        (query, {"product": {"name": "name 1", "cents": 1}}),
        (mutation, {"reprice": {"name": "name 1", "cents": 7}}),
    ):
        await one.happened.ends()
        assert one.happened.all == [("next", data), ("complete", None)]


DEFERRED = """query($id: ID!) {
  product(id: $id) { id cents ...Named @defer(label: "named") }
  products(ids: ["a", "b"]) { id ... @defer(label: "more") { parts } }
}
fragment Named on Product { name parts }"""
WHOLE = {
    "product": {"id": "1", "cents": 1, "name": "name 1", "parts": ["a", "b", "c", "d"]},
    "products": [{"id": id, "parts": ["a", "b", "c", "d"]} for id in ("a", "b")],
}


@each("apollo-2022", "apollo-v0.2", "urql", "graphql-sse")
async def test_deferred_parts(caller: Caller) -> None:
    """A client first shows what is there, and in the end the whole; graphql-sse does not know of parts."""
    stream = caller.start(DEFERRED, id="1")
    await stream.happened.ends()
    assert stream.happened.kinds[-1] == "complete"
    if caller.name == "graphql-sse":
        assert stream.happened.data[0] == {
            "product": {"id": "1", "cents": 1},
            "products": [{"id": "a"}, {"id": "b"}],
        }
        return
    first, *_, last = stream.happened.data
    assert first == {"product": {"id": "1", "cents": 1}, "products": [{"id": "a"}, {"id": "b"}]}
    assert last == WHOLE


async def test_a_reload(world: World, every_client: dict[str, Clients], workers: int) -> None:
    """A reload leaves all subscriptions as they are: no client notices, no stream is opened again."""
    callers, streams = await all_subscribed(world, every_client, workers)
    gateway = world.gateways[workers]
    assert gateway.process is not None
    world.write_supergraph(more=True)
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.logged('"reloaded"', workers)
    assert [await world.readers(caller.id) for caller in callers] == [1] * len(callers)
    for caller, stream in zip(callers, streams, strict=True):
        await goes_on(caller, stream)
    asking = Caller(world, every_client, "graphql-ws", workers)
    more = asking.start('{ __type(name: "Query") { fields { name } } }')
    await more.happened.ends()
    assert {"name": "more"} in more.happened.data[0]["__type"]["fields"]
    world.write_supergraph(more=False)


async def test_doors_share_a_stream(world: World, every_client: dict[str, Clients], workers: int) -> None:
    """Equal subscriptions are one at the subgraph, whichever doors and workers their clients have.

    Whoever leaves first, the others receive what follows.
    """
    names = ["graphql-ws", "subscriptions-transport-ws", "graphql-sse", "eventsource", "meros"]
    callers = [Caller(world, every_client, name, workers) for name in names * 2]
    id = f"shared-{workers}"
    streams = [(await callers[0].subscribed(id))]
    streams += [caller.start(PRICE, id=id) for caller in callers[1:]]
    await joined(world, id, streams)
    for number, stream in enumerate(streams):
        assert await world.readers(id) == 1
        stream.stop()
        rest = streams[number + 1 :]
        if rest:
            await world.push(id, number)
        for one in rest:
            await one.happened.has_data(price(id, number))
    await world.has_readers(id, 0)


async def joined(world: World, id: str, streams: list[Running]) -> None:
    """Push events until each client has one."""
    async with asyncio.timeout(PATIENCE):
        while not all(stream.happened.data for stream in streams):
            await world.push(id, -1)
            await asyncio.sleep(0.02)


async def test_gateways_that_are_killed(world: World, every_client: dict[str, Clients]) -> None:
    """Clients connect again to a gateway that was killed and started again, and subscribe again.

    EventSource sends the id of the last event that it has received: so it misses no event of a durable
    stream, and receives none twice.
    """
    await asyncio.gather(*(killed(world, every_client, workers) for workers in world.gateways))


async def killed(world: World, every_client: dict[str, Clients], workers: int) -> None:
    """Kill one gateway, and start it again."""
    callers, streams = await all_subscribed(world, every_client, workers)
    resuming = Caller(world, every_client, "eventsource", workers)
    await world.publish(resuming.id, "1")
    durable = resuming.start(CHANGED, after=BEGIN, id=resuming.id)
    await durable.happened.has("next")
    await world.publish(resuming.id, "2")
    await durable.happened.has("next", 2)
    await world.gateways[workers].end()
    for caller in callers:
        await world.has_readers(caller.id, 0)
    await world.publish(resuming.id, "3")
    await world.gateways[workers].start()
    for caller, stream in zip(callers, streams, strict=True):
        await goes_on(caller, stream)
    await durable.happened.has("next", 3)
    await world.publish(resuming.id, "4")
    await durable.happened.has("next", 4)
    assert [one["changed"]["id"] for one in durable.happened.data] == ["1", "2", "3", "4"]
    assert durable.happened.data[2] == {"changed": {"id": "3", "name": "name 3"}}
    durable.stop()


async def all_subscribed(
    world: World, every_client: dict[str, Clients], workers: int
) -> tuple[list[Caller], list[Running]]:
    """Return every client, and its subscription to a product of its own."""
    callers = [Caller(world, every_client, name, workers) for name in EVERY]
    return callers, [await caller.subscribed() for caller in callers]


async def goes_on(caller: Caller, stream: Running) -> None:
    """Check that a client has noticed nothing, or has subscribed again by itself; it leaves afterwards."""
    await caller.world.has_readers(caller.id, 1)
    await caller.world.push(caller.id, 6)
    await stream.happened.has("next")
    assert stream.happened.all == [("next", price(caller.id, 6))], caller.name
    stream.stop()
    await caller.world.has_readers(caller.id, 0)


async def test_gateways_that_end(world: World, every_client: dict[str, Clients]) -> None:
    """Clients connect again to a gateway that ends, as after a kill; a multipart stream ends with a code."""
    await asyncio.gather(*(ended(world, every_client, workers) for workers in world.gateways))


async def ended(world: World, every_client: dict[str, Clients], workers: int) -> None:
    """Have one gateway end, and start it again."""
    callers, streams = await all_subscribed(world, every_client, workers)
    await world.gateways[workers].end(signal.SIGTERM)
    await world.gateways[workers].start()
    for caller, stream in zip(callers, streams, strict=True):
        if caller.name not in MULTIPART:
            await goes_on(caller, stream)
            continue
        await stream.happened.has("errors")
        if caller.name != NO_CODES:
            assert stream.happened.codes == ["SUBSCRIPTION_SERVER_CLOSED"], caller.name


async def test_tokens(world: World, every_client: dict[str, Clients]) -> None:
    """A subscription ends when its token is no longer valid, unless a ping with a new one has renewed it."""

    async def subscribed(names: Sequence[str]) -> list[tuple[Caller, Running]]:
        callers = [Caller(world, every_client, name, workers) for name in names for workers in world.gateways]
        streams = await asyncio.gather(*(caller.subscribed(token=token("old")) for caller in callers))
        return list(zip(callers, streams, strict=True))

    ending = await subscribed([name for name in EVERY if name != "eventsource"])  # it sends no headers
    renewed = await subscribed(TRANSPORT_WS)
    for caller, _ in renewed:
        caller.clients.renew(caller.name, caller.id, token("new"))
    world.write_keys("new")
    for caller, stream in ending:
        await stream.happened.has("errors")
        if caller.name != NO_CODES:
            assert stream.happened.codes == ["SUBSCRIPTION_JWT_EXPIRED"], caller.name
        await world.has_readers(caller.id, 0)
    for caller, stream in renewed:
        await goes_on(caller, stream)
    world.write_keys(*KEYS)
