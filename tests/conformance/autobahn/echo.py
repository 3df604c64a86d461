"""A WebSocket server on the frame layer that sends every message back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import cast

from gateway.wire.deflate import Agreement, Deflate, negotiate
from gateway.wire.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    close_frame,
    close_reply,
    frame,
    text_frame,
)
from gateway.wire.handshake import accept_response, read_handshake

MAX_MESSAGE = 16 * 2**20  # bytes: the largest of the suite


class Mode(Enum):
    """How messages are compressed: not at all, each for itself, or in contexts of connections."""

    PLAIN = "no compression"
    DEFLATE = "deflate"
    CONTEXTS = "deflate with contexts"


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.head = b""
        self.reader: FrameReader | None = None
        self.deflate: Deflate | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer the handshake, then the messages."""
        if self.reader is not None:
            self.answer(self.reader, data)
            return
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if end:
            self.answer(self.open(head), rest)

    def open(self, head: bytes) -> FrameReader:
        """Accept the handshake; return the reader of what follows."""
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        handshake = read_handshake(b"GET", "1.1", [(name, value) for name, _, value in lines])
        agreement: Agreement | None = None
        if self.mode is not Mode.PLAIN:
            agreement = negotiate(handshake.extensions, keep_context=self.mode is Mode.CONTEXTS)
        if agreement is None:
            self.transport.write(accept_response(handshake))
            self.reader = FrameReader(MAX_MESSAGE)
        else:
            self.transport.write(accept_response(handshake, extension=agreement.answer))
            self.deflate = agreement.deflate()
            self.reader = FrameReader(MAX_MESSAGE, inflate=agreement.inflate())
        return self.reader

    def answer(self, reader: FrameReader, data: bytes) -> None:
        """Send back the messages in some bytes."""
        try:
            for message in reader.feed(data):
                self.send_back(message)
        except FrameError as error:
            for message in error.before:
                self.send_back(message)
            self.finish(close_frame(error.close_code, error.reason))

    def finish(self, data: bytes) -> None:
        """Send the last frame, and close when the client does.

        The system resets a connection that is closed before everything is read, and what was sent is lost.
        """
        self.transport.write(data)
        self.transport.write_eof()

    def send_back(self, message: Frame) -> None:
        """Answer one message."""
        kind, payload = message
        if kind == CLOSE:
            self.finish(close_reply(payload))
        elif kind == PING:
            self.transport.write(frame(PONG, payload))
        elif kind != PONG and self.deflate is not None:
            self.transport.write(frame(kind, self.deflate.message(payload), rsv1=True))
        elif kind == TEXT:
            self.transport.write(text_frame(payload))
        elif kind != PONG:
            self.transport.write(frame(kind, payload))


@asynccontextmanager
async def serve(mode: Mode) -> AsyncIterator[int]:
    """Run the server on a free port, which is yielded."""
    server = await asyncio.get_running_loop().create_server(partial(Echo, mode), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
