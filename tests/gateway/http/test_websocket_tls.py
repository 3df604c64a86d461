"""WebSocket over TLS, in both event loops: the connection changes its protocol below the encryption."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import run_ready_callbacks
from gateway.settings import Settings, SubscriptionSettings
from tests.gateway.certificates import Authority
from tests.gateway.http.raw_clients import TRANSPORT_WS, Closed, RawSocket
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import PRICE, Doors, doors
from tests.gateway.http.test_websocket_limits import EVENT, LOOPS, QUEUE, run


@asynccontextmanager
async def secured(served: Doors, context: ssl.SSLContext) -> AsyncIterator[RawSocket]:
    """Yield a client that is connected by TLS, after `connection_init`; it vanishes afterwards."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=context, server_hostname="localhost", limit=EVENT * 2
    )
    client = RawSocket(reader, writer)
    try:
        await client.open(f"Sec-WebSocket-Protocol: {TRANSPORT_WS}")
        await client.init()
        yield client
    finally:
        writer.transport.abort()
        await until(lambda: not served.sockets)
        await run_ready_callbacks()


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Callable[..., ssl.SSLContext], ssl.SSLContext]:
    """Return what makes the server's context, and the context of a client."""
    authority = Authority(tmp_path)
    issued = authority.issue("localhost")
    return lambda *_: issued.server(), ssl.create_default_context(cafile=authority.ca)


@LOOPS
def test_messages_over_tls(loop: Callable[[], asyncio.AbstractEventLoop], tls: Any) -> None:
    """Messages, a close of either side, and a client that vanishes."""

    async def scenario() -> None:
        async with doors(ssl_context_factory=tls[0]) as served:
            async with secured(served, tls[1]) as client:
                client.subscribe("1", PRICE)
                await served.opened()
                served.event()
                assert (await client.receive())["type"] == "next"
                client.frame(0x88, (1000).to_bytes(2, "big"))
                assert await client.receive() == Closed(1000, "")
            async with secured(served, tls[1]) as client:
                client.subscribe("1", PRICE)
                await served.opened(2)
                client.frame(0x82, b"binary")
                assert (await client.receive()).code == 4400
            async with secured(served, tls[1]) as client:
                client.subscribe("1", PRICE)
                await served.opened(3)
            await served.left()

    run(scenario(), loop)


@LOOPS
def test_a_client_that_reads_late(loop: Callable[[], asyncio.AbstractEventLoop], tls: Any) -> None:
    """Little waits for a slow client over TLS, too."""

    async def scenario() -> None:
        settings = Settings(subscriptions=SubscriptionSettings(queue=QUEUE))
        async with doors(settings, ssl_context_factory=tls[0]) as served, secured(served, tls[1]) as late:
            late.subscribe("1", PRICE)
            await served.opened()
            (connection,) = served.sockets
            most = 0
            for number in range(400):
                served.event(id="x" * EVENT, cents=number)
                await asyncio.sleep(0)
                assert connection.size <= QUEUE
                most = max(most, connection.transport.get_write_buffer_size())
            assert connection.size > QUEUE / 2
            assert most < 1_500_000  # of TLS, and of the socket below it
            last, dropped = -1, 0
            while last < 399:
                found = (await late.receive())["payload"]
                notice = found.get("extensions", {}).get("subscription", {}).get("dropped", 0)
                number = found["data"]["price"]["cents"]
                assert number == last + notice + 1
                last, dropped = number, dropped + notice
            assert dropped > 50

    run(scenario(), loop)
