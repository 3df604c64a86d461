"""One keep-alive HTTP/1.1 connection to a subgraph: an asyncio.Protocol with httptools' parser.

It calls back instead of returning futures: a future for each reply would cost as much as reading a small one.
`pool` owns the connections.
"""

import asyncio
from typing import Protocol, cast

import httptools

from gateway.core.compression import BodyTooLarge, CorruptBody, UnknownEncoding, unpack
from gateway.transport.base import Reply

MAX_HEAD = 262_144  # bytes of a reply's head
LENGTHS = {b"content-length", b"transfer-encoding"}


class ConnectionClosed(Exception):
    """The peer has closed the connection.

    `clean`: whether the peer had sent no byte of the reply, so that it may not have read the request.
    `reason`: the error of the connection, such as one of TLS; None if the peer has just closed it.
    """

    def __init__(self, clean: bool, reason: Exception | None = None) -> None:
        super().__init__("the connection was closed" + ("" if clean else " in the middle of the reply"))
        self.clean = clean
        self.reason = reason


class ReplyTooLarge(Exception):
    """The reply has more bytes than allowed."""


class ReplyReceiver(Protocol):
    """The sender of a request, which the connection calls back."""

    def began(self) -> None:
        """Called when the first byte of the reply has arrived."""
        ...

    def replied(self, connection: "Connection", reply: Reply) -> None:
        """Called when the reply is complete."""
        ...

    def failed(self, connection: "Connection", error: Exception) -> None:
        """Called when the request has failed."""
        ...


class Connection(asyncio.Protocol):
    """A connection with one request at a time.

    `max_reply`: the maximum size of a body in bytes. `usable`: whether another request may be sent.
    `idle_since`: the clock's time at which the last reply was complete.
    """

    def __init__(self, max_reply: int) -> None:
        self.max_reply = max_reply
        self.usable = False
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None
        self._owner: ReplyReceiver | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._encoding = b""
        self._size = 0
        self._head = 0
        self._started = False
        self._complete = False
        self._paused = False
        self._drained: asyncio.Future[None] | None = None

    def request(self, owner: ReplyReceiver, head: bytes, body: bytes) -> None:
        """Send a request.

        `owner` is called back with the reply, or with ConnectionClosed, ReplyTooLarge, a parser error or a
        decompression error.
        """
        if self.transport is None or self.transport.is_closing():
            self.usable = False
            owner.failed(self, ConnectionClosed(clean=True))
            return
        self._owner, self.usable = owner, False
        self._chunks, self._headers, self._size, self._head = [], [], 0, 0
        self._started = self._complete = False
        self._encoding = b""
        self.transport.write(head + body)

    def write(self, data: bytes) -> None:
        """Send a further part of the request's body."""
        if self.transport is not None:
            self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has read enough for more data to be sent."""
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def pause_writing(self) -> None:
        """Called by asyncio when the peer reads too slowly."""
        self._paused = True

    def resume_writing(self) -> None:
        """Called by asyncio when more data may be sent, and here when no more can be."""
        self._paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def close(self) -> None:
        """Close the connection at once; unsent data is discarded, and the owner is not called back."""
        self.usable = False
        self._owner = None
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, error: Exception) -> None:
        owner = self._owner
        self.close()
        if owner is not None:
            owner.failed(self, error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the connection is open."""
        self.transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Parse data of a reply. Data that belongs to no request makes the connection unusable."""
        if self._owner is None:
            self.close()
            return
        if not self._started:
            self._started = True
            self._owner.began()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(error)
                return
            self.usable = False
        if self._complete:
            self._reply()
        elif not self._size:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._fail(ReplyTooLarge(f"expected headers of at most {MAX_HEAD} bytes, got more"))

    def _reply(self) -> None:
        """Pass the reply to the owner, after all data that came with it was parsed.

        None of that data may count as the next reply.
        """
        owner, self._owner = self._owner, None
        if owner is not None:
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            if self._encoding:
                try:
                    body = unpack(body, self._encoding.decode("latin-1"), self.max_reply)
                except (CorruptBody, BodyTooLarge, UnknownEncoding) as error:
                    if self._parser.get_status_code() < 300:
                        self.close()
                        owner.failed(self, error)
                        return
                    body = b""  # the status of an error reply is more useful than the decoding error
            owner.replied(self, Reply(self._parser.get_status_code(), body, self._headers))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the peer has closed the connection; that ends a reply without a length (RFC
        9112, 6.3).
        """
        self.usable = False
        self.resume_writing()
        if (
            self._owner is not None
            and exc is None
            and self._size
            and not LENGTHS & {n.lower() for n, _ in self._headers}
        ):
            self._reply()
        elif self._owner is not None:
            self._fail(ConnectionClosed(not self._started, exc))

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for a header of the reply."""
        self._headers.append((name, value))
        if len(name) == 16 and name.lower() == b"content-encoding":
            self._encoding += b", " + value if self._encoding else value

    def on_body(self, body: bytes) -> None:
        """Called by the parser for a piece of the reply's body."""
        self._size += len(body)
        if self._size > self.max_reply:
            self._fail(ReplyTooLarge(f"expected a body of at most {self.max_reply} bytes, got more"))
            return
        self._chunks.append(body)

    def on_message_begin(self) -> None:
        """Called by the parser when a message begins; refuse one after the reply."""
        if self._complete:
            raise httptools.HttpParserError("bytes after the reply")

    def on_message_complete(self) -> None:
        """Called by the parser when a message is complete; ignore an interim reply (1xx)."""
        if self._parser.get_status_code() < 200:
            self._headers = []
            return
        self._complete = True
        self.usable = bool(self._parser.should_keep_alive())
