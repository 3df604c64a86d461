"""One keep-alive HTTP/1.1 connection to a subgraph: an asyncio.Protocol on httptools' parser.

It calls back rather than being awaited: a future for each hand-over would cost as much as reading a small
reply.
"""

import asyncio
from typing import Protocol, cast

import httptools

from gateway.core.compression import TooLarge, UnknownEncoding, Unreadable, unpack
from gateway.transport.base import Reply

MAX_HEAD = 262_144  # bytes
LENGTHS = {b"content-length", b"transfer-encoding"}


class ConnectionClosed(Exception):
    """The peer went away.

    `clean`: before it sent anything of the reply, so that the request may not have been seen.
    """

    def __init__(self, clean: bool) -> None:
        super().__init__("the connection was closed" + ("" if clean else " in the middle of the reply"))
        self.clean = clean


class ReplyTooLarge(Exception):
    """The reply has more bytes than allowed."""


class ReplyReceiver(Protocol):
    """Who has sent a request and waits for its reply."""

    def began(self) -> None:
        """The first byte of the reply is there."""
        ...

    def replied(self, connection: "Connection", reply: Reply) -> None:
        """The reply is whole."""
        ...

    def failed(self, connection: "Connection", error: Exception) -> None:
        """There will be no reply."""
        ...


class Connection(asyncio.Protocol):
    """One request at a time; `usable` says whether another may follow."""

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

    def request(self, owner: ReplyReceiver, head: bytes, body: bytes) -> None:
        """Send a request; its owner is called back with the reply, or with ConnectionClosed or
        ReplyTooLarge.
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

    def close(self) -> None:
        """Close at once; what was being sent is of no use any more."""
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
        """The connection stands."""
        self.transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Bytes of a reply; bytes that nobody waits for make the connection unusable, also when they come
        with the reply.
        """
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
                self._fail(ReplyTooLarge(f"the headers of the reply are larger than {MAX_HEAD} bytes"))

    def _reply(self) -> None:
        """Hand over the reply once all bytes that came with it are read.

        None of them may count as the next one's.
        """
        owner, self._owner = self._owner, None
        if owner is not None:
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            if self._encoding:
                try:
                    body = unpack(body, self._encoding.decode("latin-1"), self.max_reply)
                except (Unreadable, TooLarge, UnknownEncoding) as error:
                    if self._parser.get_status_code() < 300:
                        self.close()
                        owner.failed(self, error)
                        return
                    body = b""  # the status says more than a page that can't be read
            owner.replied(self, Reply(self._parser.get_status_code(), body, self._headers))

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer closed; a reply without a length ends here (RFC 9112, 6.3)."""
        self.usable = False
        if (
            self._owner is not None
            and exc is None
            and self._size
            and not LENGTHS & {n.lower() for n, _ in self._headers}
        ):
            self._reply()
        elif self._owner is not None:
            self._fail(ConnectionClosed(clean=not self._started))

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the reply."""
        self._headers.append((name, value))
        if len(name) == 16 and name.lower() == b"content-encoding":
            self._encoding += b", " + value if self._encoding else value

    def on_body(self, body: bytes) -> None:
        """A part of the reply's body."""
        self._size += len(body)
        if self._size > self.max_reply:
            self._fail(ReplyTooLarge(f"the reply is larger than {self.max_reply} bytes"))
            return
        self._chunks.append(body)

    def on_message_begin(self) -> None:
        """A message begins; one after the reply is one too many."""
        if self._complete:
            raise httptools.HttpParserError("bytes after the reply")

    def on_message_complete(self) -> None:
        """The message is whole; one that only announces the reply (1xx) is forgotten."""
        if self._parser.get_status_code() < 200:
            self._headers = []
            return
        self._complete = True
        self.usable = bool(self._parser.should_keep_alive())
