"""The contract of `gateway.transport.streams.Streams`, run against every implementation, with real
servers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.settings import StreamProtocol
from gateway.transport.base import call_for
from gateway.transport.headers import Headers
from gateway.transport.streams import Streams
from tests.gateway.support import until
from tests.gateway.transport.streaming import (
    NodeSource,
    Recorder,
    Source,
    StrawberrySource,
    running,
    streams_to,
)
from tests.oracle.programs import NO_NODE, find_node

NEWS = "subscription{news}"
WAYS: dict[str, tuple[Callable[[], Source], StreamProtocol]] = {
    "graphql-transport-ws": (StrawberrySource, "graphql-transport-ws"),
    "graphql-ws": (StrawberrySource, "graphql-ws"),
    "multipart": (StrawberrySource, "multipart"),
    "sse": (StrawberrySource, "sse"),
    "sse-node": (NodeSource, "sse"),
}
IS_SOCKET = {"graphql-transport-ws", "graphql-ws"}
pytestmark = pytest.mark.skipif(find_node() is None, reason=NO_NODE)


@pytest.fixture(scope="module", params=WAYS)
async def way(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Source, StreamProtocol]]:
    """Each way to subscribe: a running subgraph, and the protocol."""
    make, protocol = WAYS[request.param]
    source = make()
    async with running(source):
        yield source, protocol


@pytest.fixture
async def source(way: tuple[Source, StreamProtocol]) -> Source:
    """The subgraph."""
    await until(lambda: way[0].readers == 0)
    return way[0]


@pytest.fixture
async def streams(way: tuple[Source, StreamProtocol]) -> AsyncIterator[Streams]:
    """Streams from the subgraph `a`."""
    scheme = "ws" if way[1] in IS_SOCKET else "http"
    found = streams_to(f"{scheme}://127.0.0.1:{way[0].port}/", way[1])
    yield found
    await found.close()


async def test_events_arrive_in_order_then_the_end(streams: Streams) -> None:
    """Whole, and each once; nothing is called before `open` returns, and nothing after the end."""
    recorder = Recorder()
    call = call_for("a", "subscription S($to: Int!) { count(to: $to) }", {"to": 50}, operation_name="S")
    handle = streams.open(call, recorder)
    assert recorder.happened == []
    await recorder.has("completed")
    assert recorder.events == [{"data": {"count": number}} for number in range(50)]
    assert recorder.kinds == ["opened", *["event"] * 50, "completed"]
    handle.cancel()
    await asyncio.sleep(0.01)
    assert recorder.kinds[-1] == "completed"


async def test_many_streams_get_each_their_own(streams: Streams) -> None:
    """No event goes to another's stream, and the end of one ends no other."""
    recorders = [Recorder() for _ in range(20)]
    for number, recorder in enumerate(recorders):
        streams.open(call_for("a", "subscription($n:Int!){count(to:$n)}", {"n": number}), recorder)
    for recorder in recorders:
        await recorder.has("completed")
    assert [len(one.events) for one in recorders] == list(range(20))


async def test_headers_arrive(streams: Streams) -> None:
    """Also where many streams share a connection: those with other headers have another one."""
    recorders = {name: Recorder() for name in ("kim", "ada")}
    for name, recorder in recorders.items():
        call = call_for("a", "subscription{whoami}", headers=Headers.of([("authorization", name)]))
        streams.open(call, recorder)
    for name, recorder in recorders.items():
        await recorder.has("completed")
        assert recorder.events == [{"data": {"whoami": name}}]


async def test_an_error_of_the_source_arrives(streams: Streams) -> None:
    """As a response with errors."""
    recorder = Recorder()
    streams.open(call_for("a", "subscription{broken}"), recorder)
    await recorder.has("completed")
    first, last = recorder.events
    assert first == {"data": {"broken": 1}}
    assert last["errors"][0]["message"] == "is broken"


async def test_a_refused_subscription_gets_the_reason(streams: Streams) -> None:
    """The errors of validation are its only event."""
    recorder = Recorder()
    streams.open(call_for("a", "subscription{nope}"), recorder)
    await recorder.has("completed")
    (event,) = recorder.events
    assert "Cannot query field" in event["errors"][0]["message"]


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_cancelling_ends_an_idle_stream_at_its_source(
    source: Source, streams: Streams, leaver: int
) -> None:
    """That one only, without waiting for an event; the first, a middle or the last one."""
    recorders = [Recorder() for _ in range(3)]
    handles = [streams.open(call_for("a", NEWS), recorder) for recorder in recorders]
    await until(lambda: source.readers == 3)
    handles[leaver].cancel()
    handles[leaver].cancel()
    await until(lambda: source.readers == 2)
    source.push("x")
    staying = [one for number, one in enumerate(recorders) if number != leaver]
    for recorder in staying:
        await recorder.has("event")
        assert recorder.events == [{"data": {"news": "x"}}]
    assert recorders[leaver].events == []
    for handle in handles:
        handle.cancel()
    await until(lambda: source.readers == 0)


async def test_cancelling_at_once(source: Source, streams: Streams) -> None:
    """Before it is open, a stream is cancelled without a trace; later ones are not disturbed."""
    recorder, other = Recorder(), Recorder()
    streams.open(call_for("a", NEWS), recorder).cancel()
    streams.open(call_for("a", "subscription{count(to:1)}"), other)
    await other.has("completed")
    assert recorder.happened == []
    assert source.readers == 0


async def test_cancelling_within_an_event(source: Source, streams: Streams) -> None:
    """Nothing follows, though more events have arrived with it."""

    class Leaving(Recorder):
        def event(self, body: bytes, cursor: str | None = None) -> None:
            super().event(body, cursor)
            handle.cancel()

    recorder = Leaving()
    handle = streams.open(call_for("a", "subscription{count(to:100)}"), recorder)
    await recorder.has("event")
    await asyncio.sleep(0.02)
    assert recorder.kinds == ["opened", "event"]


async def test_a_subgraph_that_is_killed_and_comes_back(source: Source, streams: Streams) -> None:
    """The stream goes on, and says that events may be missing."""
    recorder = Recorder()
    handle = streams.open(call_for("a", NEWS), recorder)
    await until(lambda: source.readers == 1)
    source.push("before")
    await recorder.has("event")
    await source.kill()
    await source.start()
    await recorder.has("interrupted")
    await until(lambda: source.readers == 1)
    source.push("after")
    await recorder.has("event", 2)
    assert recorder.kinds == ["opened", "event", "opened", "interrupted", "event"]
    assert recorder.events == [{"data": {"news": text}} for text in ("before", "after")]
    handle.cancel()


async def test_closing_leaves_open_streams_alone(source: Source, streams: Streams) -> None:
    """They go on until they are cancelled."""
    recorder = Recorder()
    handle = streams.open(call_for("a", NEWS), recorder)
    await until(lambda: source.readers == 1)
    await streams.close()
    source.push("x")
    await recorder.has("event")
    handle.cancel()
    await until(lambda: source.readers == 0)


async def test_a_subgraph_that_nobody_knows(streams: Streams) -> None:
    """It fails, after `open` has returned; unless it is cancelled before."""
    recorder, cancelled = Recorder(), Recorder()
    streams.open(call_for("nobody", NEWS), recorder)
    streams.open(call_for("nobody", NEWS), cancelled).cancel()
    assert recorder.happened == []
    await recorder.has("failed")
    assert (recorder.error.code, recorder.error.subgraph) == ("SUBGRAPH_UNREACHABLE", "nobody")
    assert cancelled.happened == []


async def test_nobody_listens(way: tuple[Source, StreamProtocol]) -> None:
    """A stream that was never open fails at once."""
    streams = streams_to("http://127.0.0.1:9/", way[1])
    recorder = Recorder()
    streams.open(call_for("a", NEWS), recorder)
    await recorder.has("failed")
    assert recorder.kinds == ["failed"]
    assert recorder.error.code == "SUBGRAPH_UNREACHABLE"
