"""Clients that subscribe at a process that is just ending: each door has them connect again."""

from typing import Any

import pytest

from gateway.core.envelope import error_envelope
from gateway.http.direct import DirectProtocol
from gateway.http.negotiate import negotiate
from gateway.http.stream_replies import stream_reply
from gateway.settings import SubscriptionSettings
from gateway.subscribe.hub import shut_down
from tests.gateway.http.raw_clients import (
    LEGACY_WS,
    MULTIPART,
    SSE,
    TRANSPORT_WS,
    Closed,
    raw_stream,
    ready,
    websocket,
)
from tests.gateway.http.stream_doors import COUNT, PRICE, doors

AGAIN = Closed(1001, "The gateway is shutting down; connect again")


@pytest.mark.parametrize("http", [DirectProtocol, "httptools"], ids=["direct", "asgi"])
async def test_subscribing_over_http(http: Any) -> None:
    """SSE ends without `complete`; multipart with the code and the closing delimiter; then the connection."""
    async with doors(http=http) as served, raw_stream(served) as sse, raw_stream(served) as multipart:
        served.app.routes.end_streams()
        await sse.post(COUNT, SSE)
        assert sse.status == 200
        assert "connection: close" in sse.head
        assert await sse.whole() == b":\n\n"
        assert await sse.reader.read() == b""
        await multipart.post(COUNT, MULTIPART)
        last = await multipart.part()
        assert last["payload"] is None
        assert [one["extensions"]["code"] for one in last["errors"]] == ["SUBSCRIPTION_SERVER_CLOSED"]
        assert await multipart.whole() == b"--\r\n"
        assert await multipart.reader.read() == b""


@pytest.mark.parametrize(("protocol", "start"), [(TRANSPORT_WS, "subscribe"), (LEGACY_WS, "start")])
async def test_subscribing_over_websocket(protocol: str, start: str) -> None:
    """The socket is closed as one with running operations is, without an error for the operation."""
    async with doors() as served, ready(served, protocol=protocol) as client:
        client.subscribe("1", PRICE, start)
        await served.opened()
        served.gateway.hub.is_ending = True
        client.subscribe("2", COUNT, start)
        assert await client.receive() == AGAIN
        await served.left()


async def test_queries_over_websocket() -> None:
    """Queries are answered until the end."""
    async with doors() as served, ready(served) as client:
        served.gateway.hub.is_ending = True
        client.subscribe("1", "{ y }")
        assert (await client.receive())["payload"] == {"data": {"y": 2}}


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_connecting(protocol: str) -> None:
    """A WebSocket that is opened after the end began is closed at once."""
    async with doors() as served:
        served.app.routes.end_streams()
        async with websocket(served, protocol=protocol) as client:
            assert await client.receive() == AGAIN


@pytest.mark.parametrize(
    ("accept", "begins", "ends"),
    [(SSE, b":\n\n", b""), (MULTIPART, b"\r\n--graphql", b'"code":"SUBSCRIPTION_SERVER_CLOSED"')],
)
async def test_a_refusal_before_the_stream(accept: str, begins: bytes, ends: bytes) -> None:
    """A refusal that comes as an envelope is a stream with a temporary end, too."""
    reply = stream_reply(error_envelope(shut_down()), negotiate(accept), SubscriptionSettings(), "audited")
    assert (reply.status, reply.stream is not None) == (200, True)
    assert reply.stream is not None
    written = b"".join([part async for part in reply.stream])
    assert written.startswith(begins)
    assert ends in written
    assert b"event: complete" not in written
