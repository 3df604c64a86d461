"""Streams over WebSocket: one socket for many subscriptions, what is sent, and time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast, get_args

import pytest

from gateway.core.clock import FakeClock
from gateway.core.context import RequestContext
from gateway.observe.observer import Observer
from gateway.settings import StreamProtocol
from gateway.transport.base import call_for
from gateway.transport.headers import Headers
from gateway.transport.shared_socket import FULL
from gateway.transport.streams import Streams
from tests.gateway.support import until
from tests.gateway.transport.scripted_socket import Peer, SocketServer, serving
from tests.gateway.transport.streaming import Recorder, streams_to

BOTH: Sequence[StreamProtocol] = ("graphql-transport-ws", "graphql-ws")
QUERY = "subscription{x}"
BODY = {"data": {"x": 1}}


@pytest.fixture(params=BOTH)
def protocol(request: pytest.FixtureRequest) -> StreamProtocol:
    """Each of the two protocols."""
    assert request.param in get_args(StreamProtocol)
    return cast(StreamProtocol, request.param)


class Rig:
    """A server, streams to it over one protocol, and a clock that the test advances."""

    def __init__(self, server: SocketServer, streams: Streams, protocol: str, clock: FakeClock) -> None:
        self.server, self.streams, self.clock = server, streams, clock
        is_new = protocol == "graphql-transport-ws"
        self.begin, self.cancel = ("subscribe", "complete") if is_new else ("start", "stop")
        self.event = "next" if is_new else "data"

    def open(self, headers: Sequence[tuple[str, str]] = (), timeout: float = 60.0) -> tuple[Recorder, Any]:
        """Open a stream; return what happens in it, and its handle."""
        recorder = Recorder()
        call = call_for("a", QUERY, headers=Headers.of(headers), timeout=timeout, clock=self.clock)
        return recorder, self.streams.open(call, recorder)

    async def opened(
        self, number: int = 1, headers: Sequence[tuple[str, str]] = ()
    ) -> list[tuple[Recorder, Any]]:
        """Open streams, and wait until the server has got them."""
        before = len(self.begun)
        found = [self.open(headers) for _ in range(number)]
        for recorder, _ in found:
            await recorder.has("opened")
        await until(lambda: len(self.begun) == before + number)
        return found

    @property
    def begun(self) -> list[dict[str, Any]]:
        """Return the messages that start subscriptions, of all sockets."""
        return [one for peer in self.server.peers for one in peer.of(self.begin)]

    @property
    def peer(self) -> Peer:
        """Return the newest socket."""
        return self.server.peers[-1]

    def send_event(self, id: str, peer: Peer | None = None) -> None:
        """Send an event."""
        (peer or self.peer).send(type=self.event, id=id, payload=BODY)


@asynccontextmanager
async def rig(
    protocol: StreamProtocol, server: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    """Yield a rig. `server`: options of the server. `settings`: of `SubgraphSubscriptions`."""
    clock = FakeClock()
    async with serving(**(server or {})) as found:
        streams = streams_to(found.url, protocol, clock, **{"attempts": 0, **settings})
        yield Rig(found, streams, protocol, clock)
        await streams.close()


async def test_many_subscriptions_share_a_socket(protocol: StreamProtocol) -> None:
    """Their ids are small integers, and each gets its own events."""
    async with rig(protocol) as this:
        found = await this.opened(20)
        assert len(this.server.peers) == 1
        assert [one["id"] for one in this.begun] == [str(number) for number in range(1, 21)]
        for number in (3, 7, 3):
            this.send_event(str(number))
        await found[2][0].has("event", 2)
        await found[6][0].has("event")
        assert [len(recorder.events) for recorder, _ in found] == [0, 0, 2, 0, 0, 0, 1, *[0] * 13]


async def test_the_requests(protocol: StreamProtocol) -> None:
    """Path and protocol, headers also in `connection_init`, and the whole request as the payload."""
    async with rig(protocol) as this:
        headers = [("authorization", "Bearer é"), ("x-a", "1"), ("x-a", "2"), ("traceparent", "00-1"),
                   ("sec-websocket-protocol", "other"), ("x-bad", "a\r\nb: c")]  # fmt: skip
        context = RequestContext({}, Observer([]), this.clock)
        context.request_extensions = b'{"sub":"kim"}'
        call = call_for(
            "a",
            "subscription S($a:Int){x}",
            {"a": 1.10},
            operation_name="S",
            headers=Headers.of(headers),
            context=context,
            clock=this.clock,
        )
        recorder = Recorder()
        this.streams.open(call, recorder)
        await recorder.has("opened")
        await until(lambda: len(this.begun) == 1)
        assert this.peer.line == b"GET /graphql?a=b HTTP/1.1"
        sent = this.peer.headers
        assert sent["host"] == f"127.0.0.1:{this.server.port}"
        assert sent["sec-websocket-protocol"] == protocol
        assert sent["authorization"] == "Bearer é"
        assert not {"traceparent", "x-bad", "b"} & set(sent)
        init, begin = this.server.messages
        assert init == {
            "type": "connection_init",
            "payload": {"authorization": "Bearer é", "x-a": "1, 2"},
        }
        assert begin["payload"] == {
            "query": "subscription S($a:Int){x}",
            "variables": {"a": 1.1},
            "operationName": "S",
            "extensions": {"sub": "kim"},
        }


async def test_other_headers_need_another_socket(protocol: StreamProtocol) -> None:
    """But not those that only trace a request."""
    async with rig(protocol) as this:
        for headers in (
            [],
            [("authorization", "kim")],
            [("traceparent", "00-2")],
            [("authorization", "kim")],
        ):
            await this.opened(1, headers)
        assert [len(peer.of(this.begin)) for peer in this.server.peers] == [2, 2]


async def test_a_full_socket_is_followed_by_another(protocol: StreamProtocol) -> None:
    """One that has room again is used again."""
    async with rig(protocol) as this:
        found = await this.opened(FULL + 1)
        assert [len(peer.of(this.begin)) for peer in this.server.peers] == [FULL, 1]
        found[0][1].cancel()
        await this.opened(1)
        assert [len(peer.of(this.begin)) for peer in this.server.peers] == [FULL + 1, 1]


async def test_cancelling_sends_one_message(protocol: StreamProtocol) -> None:
    """For that subscription only, and nothing after it was ended by the server."""
    async with rig(protocol) as this:
        (first, one), (second, two), (third, three) = await this.opened(3)
        two.cancel()
        two.cancel()
        this.peer.send(type="complete", id="3")
        await third.has("completed")
        three.cancel()
        await until(lambda: len(this.peer.of(this.cancel)) == 1)
        this.send_event("2")
        this.send_event("1")
        await first.has("event")
        assert this.peer.of(this.cancel) == [{"id": "2", "type": this.cancel}]
        assert second.events == []
        assert one is not two


async def test_cancelling_before_the_acknowledgement_sends_nothing(protocol: StreamProtocol) -> None:
    """Neither the subscription nor its end."""
    async with rig(protocol, {"acknowledges": False}) as this:
        cancelled, handle = this.open()
        staying, _ = this.open()
        await until(lambda: len(this.server.messages) == 1)
        handle.cancel()
        this.peer.send(type="connection_ack")
        await staying.has("opened")
        await until(lambda: len(this.begun) == 1)
        assert (this.begun[0]["id"], cancelled.happened) == ("2", [])


async def test_errors_are_the_last_event(protocol: StreamProtocol) -> None:
    """Then the subscription is over, and no other one is."""
    async with rig(protocol) as this:
        (first, _), (second, _) = await this.opened(2)
        this.peer.send(type="error", id="1", payload=[{"message": "no"}])
        this.peer.send(type="complete", id="1")
        await first.has("completed")
        assert first.events == [{"errors": [{"message": "no"}]}]
        assert first.kinds == ["opened", "event", "completed"]
        assert second.kinds == ["opened"]


@pytest.mark.parametrize(("kind", "payload"), [("event", [1]), ("event", None), ("error", []), ("error", 7)])
async def test_an_invalid_event_fails_its_subscription_only(
    protocol: StreamProtocol, kind: str, payload: Any
) -> None:
    """The socket remains."""
    async with rig(protocol) as this:
        (first, _), (second, _) = await this.opened(2)
        this.peer.send(type=this.event if kind == "event" else kind, id="1", payload=payload)
        this.send_event("2")
        await second.has("event")
        assert first.kinds == ["opened", "failed"]
        assert first.error.code == "SUBGRAPH_BAD_RESPONSE"
        assert first.error.message.startswith("sent an invalid event: expected ")


# time


@pytest.mark.parametrize("reply", [None, b""])
async def test_a_connection_that_is_not_acknowledged(protocol: StreamProtocol, reply: bytes | None) -> None:
    """Each subscription has its own deadline, and the socket has one for all; pings do not move it."""
    async with rig(protocol, {"acknowledges": False, "reply": reply}, connect_timeout=10.0) as this:
        early, _ = this.open(timeout=4.0)
        late, _ = this.open(timeout=60.0)
        await until(lambda: bool(this.server.peers) and bool(this.server.messages or reply is not None))
        await this.clock.advance(3.9)
        assert early.happened == []
        await this.clock.advance(0.2)
        assert (early.kinds, late.kinds) == (["failed"], [])
        assert "within 4 s" in early.error.message
        await this.clock.advance(5.8)
        assert late.kinds == []
        await this.clock.advance(0.2)
        assert (late.error.code, late.error.message) == (
            "SUBGRAPH_TIMEOUT",
            "did not acknowledge the connection within 10 s",
        )
        await until(lambda: this.peer.is_lost)


async def test_pings_before_the_acknowledgement() -> None:
    """They are answered at once."""
    async with rig("graphql-transport-ws", {"acknowledges": False}) as this:
        recorder, _ = this.open()
        await until(lambda: len(this.server.messages) == 1)
        this.peer.send(type="ping", payload={"n": 1})
        await until(lambda: len(this.server.messages) == 2)
        assert this.server.messages[1] == {"type": "pong", "payload": {"n": 1}}
        this.peer.send(type="connection_ack")
        await recorder.has("opened")


def pings_of(peer: Peer) -> int:
    """Return how many pings the server has got, of either kind."""
    return peer.pings + len(peer.of("ping"))


def has_pings(peer: Peer, number: int) -> bool:
    """Return whether the server has got this many pings."""
    return pings_of(peer) == number


async def test_a_live_connection_is_pinged(protocol: StreamProtocol) -> None:
    """By the protocol's ping if it has one, else by WebSocket's; the answers prove that it is alive."""
    async with rig(protocol, ping=15.0, silence=45.0) as this:
        ((recorder, _),) = await this.opened(1)
        for number in range(1, 9):
            await this.clock.advance(15.0)
            await until(partial(has_pings, this.peer, number))
            await asyncio.sleep(0.005)
        assert recorder.kinds == ["opened"]
        assert bool(this.peer.pings) is (protocol == "graphql-ws")


async def test_a_silent_connection_is_broken(protocol: StreamProtocol) -> None:
    """All its subscriptions fail, and the connection is closed."""
    async with rig(protocol, {"answers": False}, ping=15.0, silence=45.0) as this:
        found = await this.opened(2)
        await this.clock.advance(44.0)
        await until(lambda: pings_of(this.peer) == 2)
        await this.clock.advance(2.0)
        for recorder, _ in found:
            assert recorder.error.code == "SUBGRAPH_TIMEOUT"
            assert recorder.error.message == "sent no byte over the WebSocket for 45 s"
        await until(lambda: this.peer.is_lost)


async def test_without_pings_and_silence(protocol: StreamProtocol) -> None:
    """Settings of 0 switch both off."""
    async with rig(protocol, {"answers": False}, ping=0.0, silence=0.0) as this:
        ((recorder, _),) = await this.opened(1)
        await this.clock.advance(3_600.0)
        assert recorder.kinds == ["opened"]
        assert pings_of(this.peer) == 0


async def test_an_idle_socket_is_used_again_then_closed(protocol: StreamProtocol) -> None:
    """A subscription within that time finds it open; its ids go on."""
    async with rig(protocol, idle=10.0, ping=0.0) as this:
        ((_, handle),) = await this.opened(1)
        handle.cancel()
        await this.clock.advance(9.0)
        ((_, handle),) = await this.opened(1)
        assert this.begun[-1]["id"] == "2"
        await this.clock.advance(20.0)
        handle.cancel()
        await this.clock.advance(9.9)
        assert not this.peer.has_closed
        await this.clock.advance(0.2)
        await until(lambda: this.peer.has_closed)
        assert this.peer.closed == (1000, "")
        await this.opened(1)
        assert len(this.server.peers) == 2


async def test_an_idle_time_of_0(protocol: StreamProtocol) -> None:
    """The socket closes with its last subscription, also if the server ends that."""
    async with rig(protocol, idle=0.0) as this:
        (first, one), (second, _) = await this.opened(2)
        one.cancel()
        await this.clock.advance(1.0)
        this.send_event("2")
        await second.has("event")
        this.peer.send(type="complete", id="2")
        await second.has("completed")
        await this.clock.advance(0.0)
        await until(lambda: this.peer.closed == (1000, ""))
        assert first.kinds == ["opened"]


async def test_closing_the_streams(protocol: StreamProtocol) -> None:
    """An idle socket closes at once, another one after its last subscription."""
    async with rig(protocol, idle=1_000.0) as this:
        ((recorder, handle),) = await this.opened(1)
        ((_, other),) = await this.opened(1, [("authorization", "kim")])
        busy, idle = this.server.peers
        other.cancel()
        await this.streams.close()
        await until(lambda: idle.closed == (1000, ""))
        this.send_event("1", busy)
        await recorder.has("event")
        handle.cancel()
        await until(lambda: busy.closed == (1000, ""))
        assert busy.of(this.cancel) == [{"id": "1", "type": this.cancel}]


async def test_no_timer_per_subscription(protocol: StreamProtocol) -> None:
    """A thousand subscriptions over ten sockets have ten timers."""
    async with rig(protocol) as this:
        await this.opened(1_000)
        await this.clock.advance(11.0)  # the timers of acknowledgements are over
        assert len(this.server.peers) == 10
        live = [timer for _, _, timer in this.clock._timers if timer.call is not None]
        assert len(live) == 10
