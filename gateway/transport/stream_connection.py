"""The connection of one HTTP request whose reply is a stream: an asyncio.Protocol with httptools' parser.

Unlike `connection.Connection` it passes the body on in pieces, and is closed after the reply.
"""

import asyncio
from typing import Protocol, cast

import httptools

from gateway.transport.base import RawHeaders
from gateway.transport.connection import LENGTHS, MAX_HEAD, ConnectionClosed, ReplyTooLarge


class StreamReceiver(Protocol):
    """The sender of the request, which the connection calls back until it is closed."""

    def head(self, status: int, headers: RawHeaders) -> None:
        """Called once with the head of the reply."""
        ...

    def body(self, data: bytes) -> None:
        """Called with each piece of the body."""
        ...

    def finished(self) -> None:
        """Called when the reply is complete."""
        ...

    def broken(self, error: Exception) -> None:
        """Called when the reply can't be completed: with ConnectionClosed, ReplyTooLarge or a parser
        error.
        """
        ...


class StreamConnection(asyncio.Protocol):
    """A connection with one request."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._receiver: StreamReceiver | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._status = 0  # of the head that the parser has read, 0 before
        self._passed_head = self._complete = False
        self._beside = 0  # bytes since the last one of the body

    def request(self, receiver: StreamReceiver, data: bytes) -> None:
        """Send a request, and call the receiver back from now on."""
        self._receiver = receiver
        if self.transport is None or self.transport.is_closing():
            self._break(ConnectionClosed(clean=True))
        else:
            self.transport.write(data)

    def close(self) -> None:
        """Close the connection at once; the receiver is not called back."""
        self._receiver = None
        if self.transport is not None:
            self.transport.abort()

    def _break(self, error: Exception) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.broken(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the connection is open."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse data, and pass on what it has, also before an error in it."""
        if self._receiver is None:
            self.close()
            return
        error: Exception | None = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as found:
            error = None if self._complete else found
        self._beside = 0 if self._pieces else self._beside + len(data)
        if self._beside > MAX_HEAD:
            error = error or ReplyTooLarge(f"expected headers of at most {MAX_HEAD} bytes, got more")
        self._pass_on()
        if error is not None:
            self._break(error)
        elif self._complete:
            self._finish()

    def _pass_on(self) -> None:
        """Pass on what the parser has read. The receiver may close the connection meanwhile."""
        if self._status and not self._passed_head and self._receiver is not None:
            self._passed_head = True
            self._receiver.head(self._status, self._headers)
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            if self._receiver is not None:
                self._receiver.body(piece)

    def _finish(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.finished()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the peer has closed the connection; that ends a reply without a length (RFC 9112,
        6.3).
        """
        closes = self._passed_head and not LENGTHS & {name.lower() for name, _ in self._headers}
        if exc is None and closes:
            self._finish()
        else:
            self._break(ConnectionClosed(not self._passed_head, exc))

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for a header, or a trailer."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of the head; ignore that of an interim reply (1xx)."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
        else:
            self._headers = []

    def on_body(self, body: bytes) -> None:
        """Called by the parser for a piece of the body."""
        if not self._complete:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser when a message is complete."""
        self._complete = bool(self._status)
