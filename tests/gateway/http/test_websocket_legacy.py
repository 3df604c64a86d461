"""graphql-ws, the legacy protocol of subscriptions-transport-ws, at the door."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from gateway.core.context import ANONYMOUS
from gateway.core.errors import RequestError, SubgraphError
from gateway.http.websocket_peer import HELD as HELD_BYTES
from gateway.settings import Settings, SubscriptionSettings, WebSocketSettings
from tests.gateway.http.raw_clients import LEGACY_WS, Closed, ready, websocket
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, HELD, NAMED, PRICE, Doors, doors
from tests.gateway.http.test_websocket import Held, with_identity


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


async def test_operations(served: Doors) -> None:
    """Results come as `data`; a subscription goes on until the client stops it, which is confirmed."""
    async with ready(served, protocol=LEGACY_WS) as client:
        client.subscribe("q", "{ product { name } }", "start")
        data = {"data": {"product": {"name": "name 1"}}}
        assert await client.receive() == {"id": "q", "type": "data", "payload": data}
        assert await client.receive() == {"id": "q", "type": "complete"}
        client.subscribe("s", NAMED, "start")
        await served.opened()
        served.event(id="2")
        data = {"data": {"price": {"name": "name 2"}}}
        assert await client.receive() == {"id": "s", "type": "data", "payload": data}
        client.send("stop", "s")
        assert await client.receive() == {"id": "s", "type": "complete"}
        await served.left()
        client.send("stop", "s")
        client.send("stop", "unknown")
        await client.nothing()


async def test_the_end_of_a_stream(served: Doors) -> None:
    """The end is `complete`, a failure is `error` alone."""
    async with ready(served, protocol=LEGACY_WS) as client:
        client.subscribe("1", COUNT, "start")
        (await served.opened()).completed()
        assert await client.receive() == {"id": "1", "type": "complete"}
        client.subscribe("2", COUNT, "start")
        stream = await served.opened(2)
        stream.failed(SubgraphError("has gone", "SUBGRAPH_UNREACHABLE", subgraph="prices"))
        found = await client.receive()
        assert (found["id"], found["type"]) == ("2", "error")
        assert found["payload"]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"
        client.subscribe("3", "{ unknown }", "start")
        found = await client.receive()
        assert (found["id"], found["type"]) == ("3", "error")
        assert found["payload"]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        await client.nothing()


ANSWERED: list[tuple[Any, str | None, str]] = [
    (b"hello", None, "expected a JSON object with a `type`"),
    (b"[1]", None, "expected a JSON object with a `type`"),
    ({"id": "1"}, None, "expected a JSON object with a `type`"),
    ({"type": "subscribe", "id": "1"}, "1", "unknown message type subscribe"),
    ({"type": "ping"}, None, "unknown message type ping"),
    ({"type": "stop"}, None, "unknown message type stop"),
    ({"type": "start", "id": "1"}, "1", "a start message needs an id and an object as its payload"),
    ({"type": "start", "payload": {}}, None, "a start message needs an id and an object as its payload"),
    (
        {"type": "start", "id": 1, "payload": {}},
        None,
        "a start message needs an id and an object as its payload",
    ),
]


@pytest.mark.parametrize(("message", "id", "text"), ANSWERED)
async def test_messages_that_are_not_valid(served: Doors, message: Any, id: str | None, text: str) -> None:
    """They are answered by `error`; the connection remains."""
    async with ready(served, protocol=LEGACY_WS) as client:
        client.frame(0x81, message if isinstance(message, bytes) else orjson.dumps(message))
        assert await client.receive() == {"id": id, "type": "error", "payload": {"message": text}}
        client.subscribe("1", "{ product { id } }", "start")
        assert (await client.receive())["type"] == "data"


async def test_an_id_that_is_in_use(served: Doors) -> None:
    """An operation with an id that is in use replaces the one that has it."""
    async with ready(served, protocol=LEGACY_WS) as client:
        client.subscribe("1", COUNT, "start")
        await served.opened()
        client.subscribe("1", PRICE, "start")
        await served.opened(2)
        await until(lambda: served.streams.opened[0].is_cancelled)
        served.event()
        assert (await client.receive())["payload"] == {"data": {"price": {"id": "1", "cents": 1}}}


async def test_closing(served: Doors) -> None:
    """`connection_terminate` closes the connection; so does a second `connection_init`."""
    async with ready(served, protocol=LEGACY_WS) as client:
        client.subscribe("1", COUNT, "start")
        client.send("connection_terminate")
        assert await client.receive() == Closed(1000, "")
    async with ready(served, protocol=LEGACY_WS) as client:
        client.send("connection_init")
        assert await client.receive() == Closed(4429, "Too many initialisation requests")


async def test_an_operation_with_the_init(served: Doors) -> None:
    """subscriptions-transport-ws sends operations right after `connection_init`; they run."""
    async with websocket(served, protocol=LEGACY_WS) as client:
        client.send("connection_init")
        client.subscribe("1", "{ product { id } }", "start")
        types = [(await client.receive())["type"] for _ in range(4)]
        assert types == ["connection_ack", "ka", "data", "complete"]


async def test_operations_while_the_identity_is_unknown() -> None:
    """Operations after `connection_init` wait until the caller is known; one that was stopped never runs."""
    guard = Held()
    async with doors(prepare=with_identity(guard)) as served, websocket(served, protocol=LEGACY_WS) as client:
        client.send("connection_init")
        client.subscribe("1", "{ product { id } }", "start")
        client.subscribe("2", COUNT, "start")
        client.send("stop", "2")
        await client.nothing()
        assert not served.subgraphs.asked
        guard.outcome.set_result(ANONYMOUS)
        found = [await client.receive() for _ in range(5)]
        assert [one["type"] for one in found[:2]] == ["connection_ack", "ka"]
        assert {(one["id"], one["type"]) for one in found[2:]} == {
            ("1", "data"),
            ("1", "complete"),
            ("2", "complete"),
        }
        assert all(one.is_cancelled for one in served.streams.opened)


async def test_a_caller_that_is_refused() -> None:
    """The client gets `connection_error`, then the end; operations that have waited never run."""
    guard = Held()
    async with doors(prepare=with_identity(guard)) as served, websocket(served, protocol=LEGACY_WS) as client:
        client.send("connection_init")
        client.subscribe("1", "{ product { id } }", "start")
        await client.nothing()
        guard.outcome.set_exception(RequestError("the token is refused", "UNAUTHENTICATED"))
        found = await client.receive()
        assert found == {"type": "connection_error", "payload": {"message": "the token is refused"}}
        assert await client.receive() == Closed(1002, "Forbidden")
        assert not served.subgraphs.asked


@pytest.mark.parametrize(("count", "size"), [(4, 10), (1, HELD_BYTES)])
async def test_too_much_that_waits(count: int, size: int) -> None:
    """What waits for the caller's identity is limited: in number as operations are, and in bytes."""
    guard = Held()
    settings = Settings(subscriptions=SubscriptionSettings(websocket=WebSocketSettings(operations=3)))
    async with (
        doors(settings, prepare=with_identity(guard)) as served,
        websocket(served, protocol=LEGACY_WS) as client,
    ):
        client.send("connection_init")
        for number in range(count):
            client.subscribe(str(number), HELD + " " * size, "start")
        assert await client.receive() == Closed(4400, "Too many messages before connection_ack")


async def test_the_legacy_protocol_is_off() -> None:
    """`websocket.legacy: false` refuses it."""
    settings = Settings(subscriptions=SubscriptionSettings(websocket=WebSocketSettings(legacy=False)))
    async with doors(settings) as served, websocket(served, protocol=LEGACY_WS) as client:
        assert await client.receive() == Closed(4406, "Subprotocol not acceptable")
