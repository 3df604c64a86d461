"""graphql-transport-ws at the door: what closes a connection, and what an operation gets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from typing import Any

import orjson
import pytest

from gateway.answering import Gateway
from gateway.core.context import ANONYMOUS, Identity, RequestContext
from gateway.core.errors import RequestError, SubgraphError
from gateway.guards.base import Guards
from gateway.observe.facts import InternalFailure
from tests.gateway.http.raw_clients import TRANSPORT_WS, Closed, ready, websocket
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, HELD, NAMED, PRICE, Doors, doors


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Doors]:
    """Yield a gateway for all tests of this file."""
    async with doors() as found:
        yield found


@pytest.fixture
async def served(shared: Doors) -> AsyncIterator[Doors]:
    """Yield the gateway; afterwards it must have no subscription and no connection."""
    shared.streams.opened.clear()
    shared.subgraphs.asked.clear()
    shared.subgraphs.go = asyncio.Event()
    yield shared
    shared.subgraphs.go.set()
    await shared.left()
    await until(lambda: not shared.sockets)


INIT = {"type": "connection_init"}
HELLO = {"query": "{ product { id } }"}


def subscribe(id: Any = "1", **payload: Any) -> dict[str, Any]:
    """Return the message that starts an operation."""
    return {"id": id, "type": "subscribe", "payload": payload or HELLO}


UNFINISHED = subscribe(query=HELD)
SUBSCRIPTION = subscribe(query=COUNT)
CLOSING: dict[str, tuple[list[Any], Closed]] = {
    "two inits": ([INIT, INIT], Closed(4429, "Too many initialisation requests")),
    "subscribe before init": ([subscribe()], Closed(4401, "Unauthorized")),
    "the id of a query": ([INIT, UNFINISHED, subscribe()], Closed(4409, "Subscriber for 1 already exists")),
    "the id of a subscription": (
        [INIT, SUBSCRIPTION, SUBSCRIPTION],
        Closed(4409, "Subscriber for 1 already exists"),
    ),
    "a long id twice": (
        [INIT, *[subscribe("é" * 256, query=HELD)] * 2],
        Closed(4409, "Subscriber for " + "é" * 54),
    ),
    "an unknown type": ([INIT, {"type": "start"}], Closed(4400, "Invalid message type start")),
    "a long type": ([{"type": "x" * 500}], Closed(4400, "Invalid message type " + "x" * 102)),
    "no JSON": ([b"hello"], Closed(4400, "Invalid message received")),
    "a list": ([b"[]"], Closed(4400, "Invalid message received")),
    "a number": ([b"1"], Closed(4400, "Invalid message received")),
    "deep JSON": ([b"[" * 100_000], Closed(4400, "Invalid message received")),
    "a long number": ([b"1" * 100_000], Closed(4400, "Invalid message received")),
    "no type": ([{"id": "1"}], Closed(4400, "Invalid message received")),
    "a type that is no text": ([{"type": 1}], Closed(4400, "Invalid message received")),
    "init with a text": (
        [{**INIT, "payload": "x"}],
        Closed(4400, "The payload of connection_init must be an object"),
    ),
    "init with a list": (
        [{**INIT, "payload": []}],
        Closed(4400, "The payload of connection_init must be an object"),
    ),
    **{
        name: ([INIT, message], Closed(4400, "A subscribe message needs an id and an object as its payload"))
        for name, message in {
            "no id": {"type": "subscribe", "payload": HELLO},
            "an empty id": subscribe(""),
            "a number as the id": subscribe(1),
            "an id of 257 characters": subscribe("x" * 257),
            "no payload": {"id": "1", "type": "subscribe"},
            "a text as the payload": {"id": "1", "type": "subscribe", "payload": "{ a }"},
        }.items()
    },
    "complete without an id": ([INIT, {"type": "complete"}], Closed(4400, "Invalid message type complete")),
}


@pytest.mark.parametrize("case", CLOSING)
async def test_what_closes_the_connection(served: Doors, case: str) -> None:
    """The code and the reason are those of the protocol; operations that ran end."""
    messages, expected = CLOSING[case]
    async with websocket(served) as client:
        for message in messages:
            client.frame(0x81, message if isinstance(message, bytes) else orjson.dumps(message))
        found = await client.receive()
        while not isinstance(found, Closed):
            assert found == {"type": "connection_ack"}
            found = await client.receive()
        assert found == expected
        assert len(found.reason.encode()) <= 123
        client.frame(0x88, found.code.to_bytes(2, "big"))
        assert await client.reader.read() == b""
    await served.left()


async def test_a_binary_message(served: Doors) -> None:
    async with ready(served) as client:
        client.frame(0x82, orjson.dumps(INIT))
        assert await client.receive() == Closed(4400, "expected a text message, got a binary one")


@pytest.mark.parametrize("protocol", [None, "graphql-sse", "GRAPHQL-TRANSPORT-WS", "a, b"])
async def test_no_protocol_in_common(served: Doors, protocol: str | None) -> None:
    """The response names no sub-protocol, and the connection is closed at once."""
    async with websocket(served, protocol=protocol) as client:
        assert b" 101 " in client.head
        assert b"sec-websocket-protocol" not in client.head.lower()
        assert await client.receive() == Closed(4406, "Subprotocol not acceptable")


async def test_the_first_known_protocol(served: Doors) -> None:
    """Of several sub-protocols the first one that the gateway knows is chosen."""
    async with websocket(served, protocol=f"x, {TRANSPORT_WS}, graphql-ws") as client:
        assert f"sec-websocket-protocol: {TRANSPORT_WS}\r\n" in client.head.decode().lower()
        await client.init()


@pytest.mark.parametrize("payload", [None, {}, {"a": 1}, [1], "text", 0, False])
async def test_pings(served: Doors, payload: Any) -> None:
    """A ping gets a pong with the same payload, before and after the acknowledgement; a pong gets nothing."""
    async with websocket(served) as client:
        for _ in range(2):
            client.send("pong")
            client.send("pong", payload={"b": 2})
            client.send("ping", payload=payload)
            expected = {"type": "pong"} if payload is None else {"type": "pong", "payload": payload}
            assert await client.receive() == expected
            if not served.sockets[0].stage:
                await client.init()
        await client.nothing()


async def test_queries_mutations_and_subscriptions(served: Doors) -> None:
    """Each operation gets its results, then `complete`; operations run at the same time."""
    async with ready(served) as client:
        client.subscribe("s", NAMED)
        stream = await served.opened()
        client.subscribe("q", "{ product { name } }")
        assert await client.receive() == {
            "id": "q",
            "type": "next",
            "payload": {"data": {"product": {"name": "name 1"}}},
        }
        assert await client.receive() == {"id": "q", "type": "complete"}
        client.subscribe("m", "mutation { reprice }")
        assert (await client.receive())["payload"] == {"data": {"reprice": 7}}
        assert await client.receive() == {"id": "m", "type": "complete"}
        served.event(id="2")
        assert await client.receive() == {
            "id": "s",
            "type": "next",
            "payload": {"data": {"price": {"name": "name 2"}}},
        }
        stream.completed()
        assert await client.receive() == {"id": "s", "type": "complete"}
        await client.nothing()


INVALID = [{"query": "{ unknown }"}, {"query": "{"}, {"query": 1}, {}, {"query": "{ y }", "variables": []}]


@pytest.mark.parametrize("payload", INVALID)
async def test_operations_that_are_not_valid(served: Doors, payload: Any) -> None:
    """An operation that can't run gets `error` with a list, and nothing after it; its id is free again."""
    async with ready(served) as client:
        for _ in range(2):
            client.send("subscribe", "1", payload)
            found = await client.receive()
            assert (found["id"], found["type"]) == ("1", "error")
            assert [set(one) - {"locations"} for one in found["payload"]] == [{"message", "extensions"}]
        await client.nothing()


async def test_a_stream_that_fails(served: Doors) -> None:
    """The error of a source ends the operation alone, without `complete`; others go on."""
    async with ready(served) as client:
        client.subscribe("1", COUNT)
        failing = await served.opened()
        client.subscribe("2", PRICE)
        await served.opened(2)
        failing.failed(SubgraphError("has gone", "SUBGRAPH_UNREACHABLE", subgraph="prices"))
        found = await client.receive()
        assert (found["id"], found["type"]) == ("1", "error")
        assert found["payload"][0]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"
        await client.nothing()
        served.event()
        assert (await client.receive())["id"] == "2"


async def test_ids_are_free_after_the_end(served: Doors) -> None:
    """An id may be used again after `complete` of either side, and after `error`."""
    async with ready(served) as client:
        for number in (1, 2):
            client.subscribe("1", PRICE)
            (await served.opened(number)).completed()
            assert await client.receive() == {"id": "1", "type": "complete"}
        client.subscribe("1", PRICE)
        await served.opened(3)
        client.send("complete", "1")
        client.subscribe("1", PRICE)
        await served.opened(4)
        served.event(2)
        await client.nothing()
        served.event(3)
        assert (await client.receive())["type"] == "next"


async def test_complete_of_nothing(served: Doors) -> None:
    """`complete` for an id that is unknown, or has ended, is ignored."""
    async with ready(served) as client:
        client.subscribe("1", "{ product { id } }")
        assert [(await client.receive())["type"] for _ in range(2)] == ["next", "complete"]
        for id in ("1", "2"):
            client.send("complete", id)
        await client.nothing()


async def test_a_client_that_ends_a_query(served: Doors) -> None:
    """The result of a query that the client has completed is not sent; the request to the subgraph ends."""
    before = served.subgraphs.cancelled
    async with ready(served) as client:
        client.subscribe("1", HELD)
        await until(lambda: served.subgraphs.asked)
        client.send("complete", "1")
        await until(lambda: served.subgraphs.cancelled > before)
        await client.nothing()
        client.subscribe("1", "{ product { id } }")
        assert (await client.receive())["type"] == "next"


@pytest.mark.parametrize("close", ["close frame", "end", "reset"])
async def test_a_client_that_leaves(served: Doors, close: str) -> None:
    """When a client leaves, its subscriptions end at their sources, and its queries are cancelled."""
    before = served.subgraphs.cancelled
    async with ready(served) as client:
        client.subscribe("1", PRICE)
        client.subscribe("2", COUNT)
        client.subscribe("3", HELD)
        await served.opened(2)
        await until(lambda: served.subgraphs.asked)
        if close == "close frame":
            client.frame(0x88, (1000).to_bytes(2, "big") + b"bye")
            assert await client.receive() == Closed(1000, "")
            assert await client.reader.read() == b""
        elif close == "end":
            client.writer.write_eof()
        else:
            client.writer.transport.abort()
        await served.left()
        await until(lambda: served.subgraphs.cancelled > before)
    assert all(one.is_cancelled for one in served.streams.opened)


async def test_many_subscriptions_of_one_client(served: Doors) -> None:
    """Equal operations of one connection share a stream, and each gets every event."""
    async with ready(served) as client:
        for number in range(20):
            client.subscribe(str(number), PRICE)
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [20])
        served.event()
        found = [await client.receive() for _ in range(20)]
        assert sorted(int(one["id"]) for one in found) == list(range(20))
        assert len(served.streams.opened) == 1


async def test_messages_in_pieces(served: Doors) -> None:
    """Messages may come in one write, in single bytes, and in fragments between which there are pings."""
    async with websocket(served) as client:
        with ExitStack() as stack:
            written: list[bytes] = []
            stack.callback(setattr, client, "writer", client.writer)
            writer = client.writer
            client.writer = Collects(written)  # type: ignore[assignment]
            client.send("connection_init")
            client.frame(0x01, b'{"id":"1","type":"subscr')
            client.frame(0x89, b"")
            client.frame(0x80, b'ibe","payload":{"query":"{ product { id } }"}}')
            client.send("ping")
        for byte in b"".join(written):
            writer.write(bytes((byte,)))
            await writer.drain()
        found: list[Any] = []
        while len(found) < 5:
            first, payload = await client.read_frame()
            found.append(orjson.loads(payload)["type"] if first == 0x81 else first)
        assert found[:2] == ["connection_ack", 0x8A]
        assert sorted(map(str, found[2:])) == ["complete", "next", "pong"]


class Collects:
    """Collects what is written."""

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append


class Held:
    """Finds identities when the test says so. `outcome`: an identity, or what is raised."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()

    def identify(self, context: RequestContext) -> Awaitable[Identity]:
        """Return the outcome, later."""
        return asyncio.shield(self.outcome)


class Failing:
    """Fails at once. `error`: what is raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def identify(self, context: RequestContext) -> Identity:
        """Raise the error."""
        raise self.error


def with_identity(guard: Any) -> Any:
    """Return what has a gateway find identities by a guard."""

    def prepare(gateway: Gateway) -> None:
        gateway.guards = Guards(identity=guard)

    return prepare


REFUSED = RequestError("the token is refused", "UNAUTHENTICATED")
DECIDED = [
    (ANONYMOUS, {"type": "connection_ack"}),
    (REFUSED, Closed(4403, "Forbidden")),
    (RuntimeError("hunter2"), Closed(4500, "Internal server error")),
]


@pytest.mark.parametrize(("outcome", "expected"), DECIDED)
async def test_an_identity_that_takes_time(outcome: Any, expected: Any) -> None:
    """The decision comes when the identity is known; until then an operation is refused."""
    guard = Held()
    async with doors(prepare=with_identity(guard)) as served, websocket(served) as client:
        client.send("connection_init")
        client.send("ping")
        assert await client.receive() == {"type": "pong"}
        if isinstance(outcome, Exception):
            guard.outcome.set_exception(outcome)
        else:
            guard.outcome.set_result(outcome)
        assert await client.receive() == expected
        if isinstance(outcome, RuntimeError):
            assert [type(fact) for fact in served.facts] == [InternalFailure]


@pytest.mark.parametrize(("outcome", "expected"), DECIDED[1:])
async def test_an_identity_that_fails_at_once(outcome: Any, expected: Any) -> None:
    async with doors(prepare=with_identity(Failing(outcome))) as served, websocket(served) as client:
        client.send("connection_init")
        assert await client.receive() == expected
        if isinstance(outcome, RuntimeError):
            assert [type(fact) for fact in served.facts] == [InternalFailure]


EARLY = [
    ({"type": "connection_init"}, Closed(4429, "Too many initialisation requests")),
    (subscribe(), Closed(4401, "Unauthorized")),
]


@pytest.mark.parametrize(("message", "expected"), EARLY)
async def test_messages_while_the_identity_is_unknown(message: Any, expected: Closed) -> None:
    """A second init and an operation before the acknowledgement close the connection, and cancel the
    check.
    """
    guard = Held()
    async with doors(prepare=with_identity(guard)) as served, websocket(served) as client:
        client.send("connection_init")
        client.frame(0x81, orjson.dumps(message))
        assert await client.receive() == expected
        guard.outcome.set_result(ANONYMOUS)
        client.frame(0x88, expected.code.to_bytes(2, "big"))
        assert await client.reader.read() == b""
