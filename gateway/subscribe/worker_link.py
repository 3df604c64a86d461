"""Messages between the worker processes of a host: subscriptions that another worker executes.

A message is its length in four bytes, then msgpack: a tuple of its kind, the number of the stream, and more.

    ("open", 7, {"query": ...})         a worker asks the owner of a key for its stream
    ("part", 7, b"{...}", "1.18b-0")    the owner passes a part on, with its cursor
    ("end", 7, [...], False)            the stream has ended, with errors; whether for a moment only
    ("close", 7)                        the worker needs the stream no longer
    ("post", 8, "id", b"{...}")         a subgraph's post to the callback of the owner's stream
    ("status", 8, 204)                  the HTTP status of the reply to it
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

MAX_MESSAGE = 64_000_000  # bytes
MAX_WAITING = 32_000_000  # bytes that another worker has not read; beyond it the connection is closed
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

OPEN, PART, END, CLOSE = "open", "part", "end", "close"
POST, STATUS = "post", "status"
Message = tuple[Any, ...]


def written(message: Message) -> bytes:
    """Return a message as it is sent."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body


class Link(asyncio.Protocol):
    """A connection to another worker.

    `received`: called with each message. `lost`: called when the connection is gone.
    """

    def __init__(
        self, received: Callable[["Link", Message], object], lost: Callable[["Link"], object]
    ) -> None:
        self.received = received
        self.lost = lost
        self.transport: asyncio.Transport | None = None
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the connection is open."""
        self.transport = cast(asyncio.Transport, transport)

    def send(self, message: Message) -> None:
        """Send a message; a worker that reads too slowly loses the connection, and with it its streams."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_WAITING:
            transport.abort()
            return
        transport.write(written(message))

    def data_received(self, data: bytes) -> None:
        """Read messages; invalid data ends the connection."""
        self.buffer += data
        at = 0
        try:
            while len(self.buffer) - at >= 4:
                size = int.from_bytes(self.buffer[at : at + 4], "big")
                if size > MAX_MESSAGE:
                    raise ValueError("the message is too long")
                if len(self.buffer) - at - 4 < size:
                    break
                message = _decode(bytes(self.buffer[at + 4 : at + 4 + size]))
                at += 4 + size
                self.received(self, tuple(message))
        except (msgspec.DecodeError, ValueError, TypeError, LookupError):
            self.close()
        del self.buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self.lost(self)

    def close(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()
