"""Clients that never read: their connections are cut off after a time, at each door."""

from typing import Any

import pytest

from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.http.read_watch import ReadWatch, watch_reading
from gateway.settings import Settings, SubscriptionSettings
from tests.gateway.http.raw_clients import MULTIPART, SSE, RawStream, raw_stream, ready
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import PRICE, Doors, doors

EVENT, QUEUE = 10_000, 100_000
SECONDS = 60.0  # the default of `subscriptions.read_timeout`


class Transport:
    """A transport whose client reads when the test says so."""

    def __init__(self) -> None:
        self.size = 100
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        """Return how much the client has not read."""
        return self.size

    def abort(self) -> None:
        """Record the end."""
        self.is_aborted = True


async def test_a_client_that_reads_a_little() -> None:
    """Only a client that reads nothing for the whole time is cut off."""
    clock, transport = FakeClock(), Transport()
    ReadWatch(clock, transport, SECONDS)  # type: ignore[arg-type]
    for _ in range(5):
        await clock.advance(SECONDS - 1)
        transport.size -= 1
        await clock.advance(1)
        assert not transport.is_aborted
    await clock.advance(SECONDS)
    assert transport.is_aborted


async def test_a_client_that_reads_again() -> None:
    """A watch that has ended does nothing; without a limit there is none."""
    clock, transport = FakeClock(), Transport()
    watch = ReadWatch(clock, transport, SECONDS)  # type: ignore[arg-type]
    watch.cancel()
    await clock.advance(SECONDS * 10)
    assert not transport.is_aborted
    assert watch_reading(clock, transport, 0.0) is None  # type: ignore[arg-type]


def settings(overflow: Any) -> Settings:
    """Return settings with a short queue."""
    return Settings(subscriptions=SubscriptionSettings(queue=QUEUE, overflow=overflow))


async def begun(client: RawStream, method: str, accept: str) -> None:
    """Subscribe, by POST (the direct path) or GET (uvicorn's)."""
    if method == "POST":
        await client.post(PRICE, accept)
    else:
        await client.get(PRICE, accept)


async def fill(served: Doors) -> None:
    """Send events until the queue of the client was full several times."""
    await served.opened()
    for number in range(60):
        served.event(id="x" * EVENT, cents=number)
        await run_ready_callbacks()


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("overflow", ["drop", "close"])
async def test_streams_over_http(accept: str, method: str, overflow: str) -> None:
    """A stream whose client reads nothing at all ends, at its source too, and so does the connection."""
    clock = FakeClock()
    async with doors(settings(overflow), clock) as served, raw_stream(served, 4_096) as late:
        await begun(late, method, accept)
        await fill(served)
        connections = served.server.server_state.connections
        await clock.advance(SECONDS - 1)
        assert len(connections) == 1
        assert len(served.streams.running) == (overflow == "drop")
        await clock.advance(SECONDS)
        await until(lambda: not connections)
        await served.left()


async def test_websockets() -> None:
    """A client that sends, and reads nothing, is cut off too."""
    clock = FakeClock()
    async with doors(settings("drop"), clock) as served, ready(served, buffer=4_096) as late:
        late.subscribe("1", PRICE)
        await fill(served)
        (connection,) = served.sockets
        assert connection.unread is not None
        for _ in range(7):
            await clock.advance(SECONDS / 6)
            late.frame(0x8A, b"")  # so it is not silent
            await run_ready_callbacks()
        await until(lambda: not served.sockets)
        await served.left()
        assert connection.unread is None


async def test_a_client_that_begins_to_read() -> None:
    """A client that reads in time goes on."""
    clock = FakeClock()
    async with doors(settings("drop"), clock) as served, raw_stream(served, 4_096) as late:
        await late.post(PRICE, SSE)
        await fill(served)
        await clock.advance(SECONDS - 1)
        while (await late.event()).data["data"]["price"]["cents"] < 59:
            pass
        await clock.advance(SECONDS * 2)
        served.event(id="y", cents=60)
        assert (await late.event()).data == {"data": {"price": {"id": "y", "cents": 60}}}
