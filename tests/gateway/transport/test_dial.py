"""Connections for streams: several addresses of a server, and servers that accept none."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from gateway.core.clock import SYSTEM_CLOCK, FakeClock
from gateway.settings import StreamProtocol, SubgraphSubscriptions
from gateway.transport.base import call_for
from gateway.transport.dial import Dialer
from gateway.transport.stream_http import HttpStreams
from gateway.transport.stream_target import StreamTarget
from gateway.transport.stream_ws import WebSocketStreams
from tests.gateway.transport.streaming import Recorder


async def test_the_first_address_that_accepts() -> None:
    """Others are tried before; if none accepts, they are looked up again the next time."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    dialer = Dialer("localhost", server.sockets[0].getsockname()[1], None, SYSTEM_CLOCK)
    dialer.addresses.found, dialer.addresses.valid_until = ["127.0.0.2", "127.0.0.1"], inf
    protocol = await dialer.connect(asyncio.Protocol, 5.0)
    assert isinstance(protocol, asyncio.Protocol)
    server.close()
    with pytest.raises(OSError):
        await dialer.connect(asyncio.Protocol, 5.0)
    assert dialer.addresses.found == []


class Failing(Dialer):
    """Fails with an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__("h", 80, None, SYSTEM_CLOCK)
        self.error = error

    async def connect(self, protocol: Callable[[], Any], within: float) -> Any:
        """Raise the error."""
        raise self.error


@pytest.mark.parametrize("protocol", ["sse", "graphql-ws"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "accepted no connection within 7 s"),
        (OSError("no route"), "can't be reached"),
        (UnicodeError("no such name"), "can't be reached"),
    ],
)
async def test_no_connection(protocol: StreamProtocol, error: Exception, words: str) -> None:
    """The stream fails, and the next one tries again."""
    settings = SubgraphSubscriptions(protocol=protocol, connect_timeout=7.0)
    target = StreamTarget("a", "http://h/", "h:80", "/", None, Failing(error), settings)
    make = HttpStreams if protocol == "sse" else WebSocketStreams
    streams = make({"a": target}, FakeClock())
    for _ in range(2):
        recorder = Recorder()
        streams.open(call_for("a", "subscription{x}"), recorder)
        await recorder.has("failed")
        assert (recorder.error.code, recorder.error.message) == ("SUBGRAPH_UNREACHABLE", words)
        assert recorder.error.__cause__ is error
    assert "a" in repr(streams)
