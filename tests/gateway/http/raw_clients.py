"""Clients of the doors for streams, on raw sockets: WebSocket, SSE, multipart."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from tests.gateway.http.sockets import GUARD
from tests.gateway.http.stream_doors import Doors

TRANSPORT_WS, LEGACY_WS = "graphql-transport-ws", "graphql-ws"
SSE, MULTIPART = "text/event-stream", "multipart/mixed;subscriptionSpec=1.0"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Closed(NamedTuple):
    """A close frame."""

    code: int
    reason: str


CUT = Closed(1006, "")  # the connection ended without a close frame


class RawSocket:
    """A client of WebSocket. `head`: of the response to the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""

    async def open(self, *headers: str, path: str = "/graphql") -> None:
        """Send a handshake, and read the head of the response."""
        lines = ("Host: gateway", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        text = "\r\n".join((f"GET {path} HTTP/1.1", *lines, f"Sec-WebSocket-Key: {KEY}", *headers, "", ""))
        self.writer.write(text.encode("latin-1"))
        self.head = await self.reader.readuntil(b"\r\n\r\n")

    def frame(self, first: int, payload: bytes) -> None:
        """Write a frame with a mask. `first`: its first byte."""
        self.writer.write(masked(first, payload))

    def send(self, type: str, id: str | None = None, payload: Any = None, **more: Any) -> None:
        """Send a message."""
        known = {"id": id, "type": type, "payload": payload}
        found = {name: value for name, value in known.items() if value is not None}
        self.frame(0x81, orjson.dumps({**found, **more}))

    def subscribe(self, id: str, query: str, type: str = "subscribe", **variables: Any) -> None:
        """Start an operation."""
        self.send(type, id, {"query": query, "variables": variables})

    async def read_frame(self) -> tuple[int, bytes]:
        """Return the next frame: its first byte, and the payload."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first, await self.reader.readexactly(size)

    async def receive(self) -> Any:
        """Return the next message as JSON, or a `Closed`; pings are skipped."""
        async with asyncio.timeout(GUARD):
            try:
                while (found := await self.read_frame())[0] == 0x89:
                    pass
            except (asyncio.IncompleteReadError, ConnectionError):
                return CUT
        first, payload = found
        if first == 0x88:
            return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())
        assert first == 0x81, f"{first:x}"
        return orjson.loads(payload)

    async def nothing(self) -> None:
        """Check that everything that was sent has arrived already: the next message is the reply to a
        ping.
        """
        self.frame(0x89, b"now")
        async with asyncio.timeout(GUARD):
            assert await self.read_frame() == (0x8A, b"now")

    async def init(self, **payload: Any) -> None:
        """Send `connection_init`, and receive the acknowledgement."""
        self.send("connection_init", payload=payload or None)
        assert await self.receive() == {"type": "connection_ack"}


def masked(first: int, payload: bytes) -> bytes:
    """Return a client's frame. `first`: its first byte."""
    size, mask = len(payload), b"\x01\x02\x03\x04"
    if size < 126:
        head = struct.pack(">BB", first, 0x80 | size)
    elif size < 65_536:
        head = struct.pack(">BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, size)
    masks = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload) ^ int.from_bytes(masks)).to_bytes(size)


@asynccontextmanager
async def raw_socket(served: Doors, buffer: int | None = None) -> AsyncIterator[RawSocket]:
    """Connect, without a handshake. `buffer`: bytes of the receive buffer."""
    with socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
        reader, writer = await asyncio.open_connection(sock=client, limit=buffer or 2**20)
        try:
            yield RawSocket(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def websocket(
    served: Doors, *headers: str, protocol: str | None = TRANSPORT_WS, buffer: int | None = None
) -> AsyncIterator[RawSocket]:
    """Open a WebSocket. `headers`: more lines of the handshake."""
    async with raw_socket(served, buffer) as found:
        offered = () if protocol is None else (f"Sec-WebSocket-Protocol: {protocol}",)
        await found.open(*offered, *headers)
        yield found


@asynccontextmanager
async def ready(
    served: Doors, *headers: str, protocol: str = TRANSPORT_WS, buffer: int | None = None, **payload: Any
) -> AsyncIterator[RawSocket]:
    """Open a WebSocket, and wait until `connection_init` is accepted."""
    async with websocket(served, *headers, protocol=protocol, buffer=buffer) as found:
        await found.init(**payload)
        if protocol == LEGACY_WS:
            assert await found.receive() == {"type": "ka"}
        yield found


MULTIPART_HEAD = re.compile(rb"\r\ncontent-type: application/json\r\ncontent-length: (\d+)\r\n\r\n")


class SseEvent(NamedTuple):
    """An event. `data`: its JSON, "" if it is empty. `id`: None without one."""

    name: str
    data: Any
    id: str | None = None


class RawStream:
    """A client of a response in chunks.

    `head`: that of the response. `rest`: what was read and not used. `delimited`: whether the first delimiter
    of multipart/mixed was read.
    """

    def __init__(self, client: RawSocket) -> None:
        self.reader = client.reader
        self.writer = client.writer
        self.head = ""
        self.rest = b""
        self.is_over = self.delimited = False

    async def post(self, query: str, accept: str, *headers: str, **payload: Any) -> None:
        """Send an operation by POST, and read the head of the response."""
        body = orjson.dumps({"query": query, **payload})
        lines = [f"Accept: {accept}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        await self.send("POST /graphql HTTP/1.1", *lines, *headers, body=body)

    async def get(self, query: str, accept: str, *headers: str) -> None:
        """Send an operation by GET, and read the head of the response."""
        await self.send(f"GET /graphql?query={quote(query)} HTTP/1.1", f"Accept: {accept}", *headers)

    async def send(self, *lines: str, body: bytes = b"") -> None:
        """Send a request, and read the head of the response."""
        self.writer.write("\r\n".join([*lines, "Host: gateway", "", ""]).encode() + body)
        async with asyncio.timeout(GUARD):
            self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.rest, self.is_over, self.delimited = b"", False, False

    @property
    def status(self) -> int:
        """Return the status of the response."""
        return int(self.head.split()[1])

    @property
    def content_type(self) -> str:
        """Return the content type of the response."""
        (found,) = [line for line in self.head.split("\r\n") if line.lower().startswith("content-type:")]
        return found.partition(":")[2].strip()

    @property
    def is_json(self) -> bool:
        """Return whether the response has a body, rather than parts."""
        return self.content_type.startswith("application/json")

    async def chunk(self) -> bytes:
        """Return the next chunk; b"" at the end of the response."""
        async with asyncio.timeout(GUARD):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
        self.is_over = not size
        return data

    async def whole(self) -> bytes:
        """Return the rest of the response."""
        found = self.rest
        while piece := await self.chunk():
            found += piece
        return found

    async def body(self) -> Any:
        """Return the JSON of a response that is no stream."""
        (length,) = re.findall(r"content-length: (\d+)", self.head)
        return orjson.loads(await self.reader.readexactly(int(length)))

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            piece = await self.chunk()
            assert piece, f"expected {mark!r}, got the end after {self.rest!r}"
            self.rest += piece
        found, _, self.rest = self.rest.partition(mark)
        return found

    async def event(self) -> SseEvent:
        """Return the next event of SSE; heartbeats are skipped."""
        while (found := await self._until(b"\n\n")) == b":":
            pass
        fields = dict(line.split(": ", 1) for line in found.decode().split("\n"))
        data = fields["data"]
        return SseEvent(fields["event"], orjson.loads(data) if data else "", fields.get("id"))

    async def part(self) -> Any:
        """Return the JSON of the next part of multipart/mixed, whose delimiter has arrived;
        heartbeats, too.
        """
        if not self.delimited:
            assert await self._until(b"\r\n--graphql") == b""
            self.delimited = True
        while (found := MULTIPART_HEAD.match(self.rest)) is None:
            self.rest += await self._more()
        size = int(found[1])
        while len(self.rest) < found.end() + size + len(b"\r\n--graphql"):
            self.rest += await self._more()
        body, self.rest = self.rest[found.end() : found.end() + size], self.rest[found.end() + size :]
        assert self.rest.startswith(b"\r\n--graphql")
        self.rest = self.rest[len(b"\r\n--graphql") :]
        return orjson.loads(body)

    async def _more(self) -> bytes:
        piece = await self.chunk()
        assert piece, f"expected a part, got the end after {self.rest!r}"
        return piece


@asynccontextmanager
async def raw_stream(served: Doors, buffer: int | None = None) -> AsyncIterator[RawStream]:
    """Connect for a response in chunks. `buffer`: bytes of the receive buffer."""
    async with raw_socket(served, buffer) as client:
        yield RawStream(client)
