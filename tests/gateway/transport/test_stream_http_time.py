"""Streams over HTTP and time: deadlines, silence, and cancelling."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from gateway.core.clock import FakeClock
from gateway.transport.base import call_for
from gateway.wire.sse import comment, event
from tests.gateway.support import until
from tests.gateway.transport.streaming import Recorder, streams_to
from tests.gateway.transport.test_http_faults import read_request
from tests.gateway.transport.test_stream_http import CALL, OK, SSE, plain, subgraph


class Held:
    """A server that accepts one request, and sends what the test says."""

    def __init__(self) -> None:
        self.writer: asyncio.StreamWriter | None = None
        self.is_left = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait until the client leaves."""
        await read_request(reader)
        self.writer = writer
        with suppress(ConnectionError):
            await reader.read()
        self.is_left = True
        writer.close()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self.writer is not None
        self.writer.write(data)


@asynccontextmanager
async def held(**settings: Any) -> AsyncIterator[tuple[Held, Recorder, FakeClock, Callable[[], object]]]:
    """Yield the server, what happens, the clock, and how to cancel."""
    server, recorder, clock = Held(), Recorder(), FakeClock()
    async with subgraph(server.handle) as url:
        streams = streams_to(url, "sse", clock, attempts=0, **settings)
        handle = streams.open(call_for(*CALL, timeout=20.0, clock=clock), recorder)
        await until(lambda: server.writer is not None)
        yield server, recorder, clock, handle.cancel
        handle.cancel()
        await until(lambda: server.is_left)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", plain(OK)[:-1]])
@pytest.mark.parametrize(("limit", "within"), [(5.0, 5.0), (30.0, 20.0)])
async def test_a_stream_that_does_not_open(head: bytes, limit: float, within: float) -> None:
    """The deadline counts until the head of a stream, or the end of a single response."""
    async with held(connect_timeout=limit) as (server, recorder, clock, _):
        await server.send(head)
        await asyncio.sleep(0.02)
        await clock.advance(within - 0.1)
        assert recorder.happened == []
        await clock.advance(0.2)
        assert recorder.kinds == ["failed"]
        assert recorder.error.code == "SUBGRAPH_TIMEOUT"
        assert f"within {within:g} s" in recorder.error.message


async def test_an_open_stream_has_no_deadline_but_silence() -> None:
    """Any byte counts, also that of a heartbeat."""
    async with held(silence=45.0) as (server, recorder, clock, _):
        await server.send(SSE)
        await recorder.has("opened")
        for number in range(3):
            await clock.advance(44.0)
            await server.send(comment() + event(b"next", OK))
            await recorder.has("event", number + 1)
        assert recorder.kinds == ["opened", *["event"] * 3]
        await clock.advance(46.0)
        assert recorder.error.code == "SUBGRAPH_TIMEOUT"
        assert recorder.error.message == "sent no byte of the stream for 45 s"


async def test_silence_without_a_limit() -> None:
    """An hour without a byte is no error if the setting is 0."""
    async with held(silence=0.0) as (server, recorder, clock, _):
        await server.send(SSE)
        await recorder.has("opened")
        await clock.advance(3_600.0)
        assert recorder.kinds == ["opened"]


@pytest.mark.parametrize("sent", [b"", SSE])
async def test_cancelling_closes_the_connection(sent: bytes) -> None:
    """Before the head of the reply and after it; no timer remains."""
    async with held() as (server, recorder, clock, cancel):
        await server.send(sent)
        await asyncio.sleep(0.02)
        cancel()
        await until(lambda: server.is_left)
        await clock.advance(100.0)
        assert recorder.kinds == ["opened"] * bool(sent)
