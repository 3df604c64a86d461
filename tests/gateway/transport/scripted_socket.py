"""A WebSocket server whose tests decide what it says, and a connection without a network."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, cast

from gateway.wire.frames import CLOSE, PING, PONG, TEXT, FrameReader, close_frame, frame, read_close
from gateway.wire.handshake import accept_response, read_handshake

KEY = b64encode(b"0123456789abcdef")


class Peer(asyncio.Protocol):
    """One connection, as the server sees it.

    `messages`: what the client has sent. `pings`, `pongs`: how many such frames. `closed`: the code and the
    reason of its close frame. `is_lost`: whether the connection has ended.
    """

    def __init__(self, server: "SocketServer") -> None:
        self.server = server
        self.headers: dict[str, str] = {}
        self.line = b""
        self.messages: list[dict[str, Any]] = []
        self.pings = self.pongs = 0
        self.closed: tuple[int, str] | None = None
        self.is_lost = False
        self.head: bytes | None = b""
        self.reader = FrameReader(10_000_000)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the connection to those of the server."""
        self.transport = cast(asyncio.Transport, transport)
        self.server.peers.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record it."""
        self.is_lost = True

    def data_received(self, data: bytes) -> None:
        """Answer the handshake, then read frames."""
        if self.head is not None:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.head = None
            self.shake(head)
        for kind, payload in self.reader.feed(data):
            self.received(kind, payload)

    def shake(self, head: bytes) -> None:
        """Answer the request for a socket."""
        self.line, *lines = head.split(b"\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (one.partition(b":") for one in lines)]
        self.headers = {name.decode(): value.decode("latin-1") for name, value in pairs}
        if self.server.reply is not None:
            self.raw(self.server.reply)
            return
        found = read_handshake(b"GET", "1.1", pairs)
        self.raw(accept_response(found, found.protocols[0]))

    def received(self, kind: int, payload: bytes) -> None:
        """Record a frame; answer `connection_init` and pings if the server does so."""
        if kind == CLOSE:
            self.closed = read_close(payload)
        elif kind == PING:
            self.pings += 1
            if self.server.answers:
                self.raw(frame(PONG, payload))
        elif kind == PONG:
            self.pongs += 1
        else:
            message = json.loads(payload)
            self.messages.append(message)
            if message["type"] == "connection_init" and self.server.acknowledges:
                self.send(type="connection_ack")
            elif message["type"] == "ping" and self.server.answers:
                self.send(type="pong")

    @property
    def has_closed(self) -> bool:
        """Return whether the client has sent a close frame."""
        return self.closed is not None

    def of(self, *types: str) -> list[dict[str, Any]]:
        """Return the client's messages of some types."""
        return [one for one in self.messages if one["type"] in types]

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        assert self.transport is not None
        self.transport.write(data)

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.raw(frame(TEXT, json.dumps(message).encode()))

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the client then ends the connection."""
        self.raw(close_frame(code, reason))

    def abort(self) -> None:
        """End the connection without a close frame."""
        assert self.transport is not None
        self.transport.abort()


@dataclass
class SocketServer:
    """A server.

    `acknowledges`, `answers`: whether it answers `connection_init` and pings. `reply`: to the request for a
    socket, instead of a valid one.
    """

    acknowledges: bool = True
    answers: bool = True
    reply: bytes | None = None
    port: int = 0
    peers: list[Peer] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the URL for the subgraph."""
        return f"ws://127.0.0.1:{self.port}/graphql?a=b"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return the messages of the first connection."""
        return self.peers[0].messages if self.peers else []


@asynccontextmanager
async def serving(tls: SSLContext | None = None, **options: Any) -> AsyncIterator[SocketServer]:
    """Run a server. `options`: of `SocketServer`."""
    found = SocketServer(**options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(found), "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for peer in found.peers:
            peer.abort()


class MemoryTransport(asyncio.Transport):
    """A transport without a network: `sent` has what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record the data."""
        self.sent += bytes(data)

    def close(self) -> None:
        """Record it."""
        self.is_closed = True

    def abort(self) -> None:
        """Record it."""
        self.is_closed = True

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.is_closed
