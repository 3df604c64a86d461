"""Limits of WebSocket connections: time, memory, sizes; and what happens when the process ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import orjson
import pytest
import uvloop

from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.http.websocket import WebSocketConnection
from gateway.settings import Limits, Settings, SubscriptionSettings, WebSocketSettings
from gateway.wire.deflate import Deflate, Inflate
from tests.gateway.http.raw_clients import CUT, LEGACY_WS, TRANSPORT_WS, Closed, RawSocket, ready, websocket
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import HELD, PRICE, Doors, doors
from tests.gateway.http.test_websocket import Held, with_identity

INIT_TIMEOUT, PING, SILENCE = 3.0, 30.0, 75.0  # the defaults


@pytest.fixture
async def clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
async def served(clock: FakeClock) -> AsyncIterator[Doors]:
    """Yield a gateway with that clock."""
    async with doors(clock=clock) as found:
        yield found


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_a_client_that_does_not_begin(served: Doors, clock: FakeClock, protocol: str) -> None:
    """Without `connection_init` in time the connection is closed with 4408; pings do not count."""
    async with websocket(served, protocol=protocol) as client:
        await clock.advance(INIT_TIMEOUT - 1)
        client.frame(0x89, b"here")
        assert await client.read_frame() == (0x8A, b"here")
        await clock.advance(2)
        assert await client.receive() == Closed(4408, "Connection initialisation timeout")
        await clock.advance(2)
        assert await client.receive() == CUT
        await until(lambda: not served.sockets)


async def test_an_identity_that_takes_longer(clock: FakeClock) -> None:
    """The time in which the caller's identity is checked does not count."""
    guard = Held()
    async with doors(clock=clock, prepare=with_identity(guard)) as served, websocket(served) as client:
        client.send("connection_init")
        await client.nothing()
        await clock.advance(INIT_TIMEOUT * 3)
        await client.nothing()


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_pings_of_the_gateway(served: Doors, clock: FakeClock, protocol: str) -> None:
    """An idle client is pinged, and stays as long as it replies; the legacy protocol has `ka` besides."""
    async with ready(served, protocol=protocol) as client:
        for seconds in (INIT_TIMEOUT + 1, PING + 1, PING + 1, PING + 1, PING + 1):
            await clock.advance(seconds)
            assert await client.read_frame() == (0x89, b"")
            if protocol == LEGACY_WS:
                assert await client.receive() == {"type": "ka"}
            client.frame(0x8A, b"")
            await client.nothing()


async def test_a_client_that_is_silent(served: Doors, clock: FakeClock) -> None:
    """A client that sends nothing, not even pongs, is cut off; its subscriptions end."""
    async with ready(served) as client:
        client.subscribe("1", PRICE)
        await served.opened()
        await clock.advance(SILENCE + PING + 5)
        await served.left()
        await until(lambda: not served.sockets)
        assert isinstance(await client.receive(), Closed)


async def test_a_client_that_does_not_answer_a_close(served: Doors, clock: FakeClock) -> None:
    """A connection that was closed is cut off soon, whether the client answers or not."""
    async with ready(served) as client:
        client.frame(0x82, b"binary")
        assert isinstance(await client.receive(), Closed)
        client.send("ping")
        await clock.advance(2.5)
        await until(lambda: not served.sockets)


async def test_one_timer(served: Doors, clock: FakeClock) -> None:
    """However many connections there are, they have one timer; those that are gone leave nothing behind."""
    clients = [websocket(served) for _ in range(20)]
    opened = [await one.__aenter__() for one in clients]
    door = served.app.routes.websockets
    assert len(served.sockets) == 20
    assert len([one for one in clock._timers if one[2].call is not None]) <= 25  # those of HTTP connections
    for client in opened:
        client.writer.transport.abort()
    await until(lambda: not served.sockets)
    for one in clients:
        await one.__aexit__(None, None, None)
    await clock.advance(10)
    assert (door.lists, door.timer) == ({}, None)


async def test_a_huge_message() -> None:
    """A message above `limits.body` closes with 1009, before it has arrived; in fragments, too."""
    async with doors(Settings(limits=Limits(body=1_000))) as served:
        async with ready(served) as client:
            client.writer.write(b"\x81\xff" + (2**40).to_bytes(8, "big"))
            assert await client.receive() == Closed(
                1009, "expected a message of at most 1000 bytes, got more"
            )
        async with ready(served) as client:
            client.frame(0x01, b" " * 900)
            client.frame(0x80, b" " * 101)
            assert (await client.receive()).code == 1009
        async with ready(served) as client:
            client.subscribe("1", "{ product { id } }" + " " * 800)
            assert (await client.receive())["type"] == "next"


def compressing(**settings: Any) -> Settings:
    """Return settings with compression."""
    given = WebSocketSettings(deflate=True, **settings)
    return Settings(subscriptions=SubscriptionSettings(websocket=given), limits=Limits(body=10_000))


async def test_compression() -> None:
    """With `deflate` both sides compress, without a context; a client that does not offer it gets
    plain text.
    """
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with doors(compressing()) as served, websocket(served, offer) as client, ready(served) as plain:
        extension = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert extension + b"; server_max_window_bits=12; client_max_window_bits=12\r\n" in client.head
        deflate, inflate = Deflate(12), Inflate(12)
        client.frame(0xC1, deflate.message(b'{"type":"connection_init"}'))
        first, payload = await client.read_frame()
        assert (first, inflate.message(payload, 1_000)) == (0xC1, b'{"type":"connection_ack"}')
        for one in (client, plain):
            one.subscribe("1", PRICE)
        await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [2])
        for number in range(3):
            served.event(cents=number)
            expected = {"data": {"price": {"id": "1", "cents": number}}}
            first, payload = await client.read_frame()
            assert first == 0xC1
            assert orjson.loads(inflate.message(payload, 1_000))["payload"] == expected
            assert (await plain.receive())["payload"] == expected


async def test_a_bomb() -> None:
    """A compressed message that becomes too long closes with 1009; one that is no DEFLATE with 1002."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    async with doors(compressing()) as served:
        for payload, code in ((Deflate(15).message(b" " * 5_000_000), 1009), (b"\xff\xff\xff", 1002)):
            assert len(payload) < 6_000
            async with websocket(served, offer) as client:
                client.frame(0xC1, payload)
                assert (await client.receive()).code == code


async def test_the_process_ends() -> None:
    """Clients are told to connect again: 1001, without an error for each operation."""
    async with doors() as served, ready(served) as client, ready(served, protocol=LEGACY_WS) as legacy:
        client.subscribe("1", PRICE)
        legacy.subscribe("1", PRICE, "start")
        await served.opened()
        await served.shut_down()
        for one in (client, legacy):
            assert await one.receive() == Closed(1001, "The gateway is shutting down; connect again")
        await served.left()


# clients that read slowly, or never

EVENT = 10_000  # bytes
QUEUE = 100_000
BUFFERED = 65_536 + EVENT + 200  # bytes in the transport: its limit, and the frame that exceeds it


def slow(overflow: Any) -> Settings:
    """Return settings with a short queue."""
    return Settings(subscriptions=SubscriptionSettings(queue=QUEUE, overflow=overflow))


def run(scenario: Coroutine[Any, Any, None], loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Run a scenario in an event loop of its own."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario)


LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


async def pushed(served: Doors, fast: RawSocket, count: int, watched: WebSocketConnection) -> int:
    """Send events; return the most bytes that have waited for a client. The other client has each at once."""
    most = 0
    for number in range(count):
        served.event(id="x" * EVENT, cents=number)
        found = await fast.receive()
        assert found["payload"]["data"]["price"]["cents"] == number
        assert len(watched.held or ()) * EVENT <= watched.size <= QUEUE
        assert watched.transport.get_write_buffer_size() <= BUFFERED
        most = max(most, watched.size)
    return most


async def both_subscribed(served: Doors, slow: RawSocket, fast: RawSocket) -> WebSocketConnection:
    """Subscribe two clients; return the connection of the first."""
    slow.subscribe("1", PRICE)
    await served.opened()
    (connection,) = [one for one in served.sockets if one.started]
    fast.subscribe("1", PRICE)
    await until(lambda: [len(one.fan_out.members) for one in served.gateway.hub.all_groups] == [2])
    return connection


@LOOPS
def test_a_client_that_reads_late(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """`overflow: drop`: a slow client delays nobody, holds little memory, and learns how many it has
    missed.
    """

    async def scenario() -> None:
        async with doors(slow("drop")) as served, ready(served, buffer=4_096) as late, ready(served) as fast:
            connection = await both_subscribed(served, late, fast)
            assert await pushed(served, fast, 100, connection) > QUEUE - EVENT - 500
            last, dropped = -1, 0
            while last < 99:
                found = (await late.receive())["payload"]
                number = found["data"]["price"]["cents"]
                notice = found.get("extensions", {}).get("subscription", {}).get("dropped", 0)
                assert number == last + notice + 1
                last, dropped = number, dropped + notice
            assert dropped > 50
            served.event(id="y", cents=100)
            assert (await late.receive())["payload"] == {"data": {"price": {"id": "y", "cents": 100}}}
            assert (connection.size, connection.held) == (0, None)

    run(scenario(), loop)


@LOOPS
def test_a_client_that_never_reads(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """`overflow: close`: a slow client is closed with 4413, which it reads if it begins to read."""

    async def scenario() -> None:
        async with doors(slow("close")) as served, ready(served, buffer=4_096) as late, ready(served) as fast:
            connection = await both_subscribed(served, late, fast)
            await pushed(served, fast, 40, connection)
            assert connection.held is None
            assert connection.started is None
            found = await late.receive()
            while not isinstance(found, Closed):
                found = await late.receive()
            assert found == Closed(4413, "The client reads too slowly")
            await until(lambda: len(served.sockets) == 1)

    run(scenario(), loop)


async def test_a_client_that_does_not_even_read_the_end(clock: FakeClock) -> None:
    """A client that was closed, and does not read, is cut off after a moment."""
    async with doors(slow("close"), clock) as served, ready(served, buffer=4_096) as late:
        late.subscribe("1", PRICE)
        await served.opened()
        (connection,) = served.sockets
        while connection.started:
            served.event(id="x" * EVENT)
            await run_ready_callbacks()
        await clock.advance(2.5)
        await until(lambda: not served.sockets)


@pytest.mark.parametrize("overflow", ["drop", "close"])
async def test_results_are_never_dropped(overflow: str) -> None:
    """Results of queries and pongs are not dropped: a client that does not read them is closed."""
    async with doors(slow(overflow)) as served, ready(served, buffer=4_096) as late:
        (connection,) = served.sockets
        for _ in range(100):
            late.frame(0x89, b"x" * 125)
            late.send("ping", payload="x" * EVENT)
            await run_ready_callbacks()
            assert connection.size <= QUEUE
            assert connection.transport.get_write_buffer_size() <= BUFFERED
        await until(lambda: connection.stage == 3)


async def test_a_query_of_a_client_that_has_left() -> None:
    """The reply that comes after the client has left goes nowhere, and nothing is logged."""
    async with doors() as served:
        async with ready(served) as client:
            client.subscribe("1", HELD)
            await until(lambda: served.subgraphs.asked)
        await until(lambda: not served.sockets)
        served.subgraphs.go.set()
        await run_ready_callbacks()
        assert served.facts == []
