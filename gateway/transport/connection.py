"""One keep-alive HTTP/1.1 connection to a subgraph: an asyncio.Protocol on httptools' parser."""

import asyncio
from typing import cast

import httptools


class ConnectionClosed(Exception):
    """The peer went away. `clean`: before it sent anything of the reply, so that the request may not have been seen."""

    def __init__(self, clean: bool) -> None:
        super().__init__("the connection was closed" + ("" if clean else " in the middle of the reply"))
        self.clean = clean


class ReplyTooLarge(Exception):
    """The reply has more bytes than allowed."""


class HttpReply:
    """Status, headers (lower-case names) and body of one reply."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Connection(asyncio.Protocol):
    """One request at a time; `usable` says whether another may follow."""

    def __init__(self, max_reply: int) -> None:
        self.max_reply = max_reply
        self.usable = False
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[HttpReply] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._size = 0
        self._started = False

    async def request(self, head: bytes, body: bytes) -> HttpReply:
        """Send a request and wait for its reply; raises ConnectionClosed or ReplyTooLarge."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionClosed(clean=True)
        self._begin()
        self.usable = False
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(head + body)
        try:
            return await self._reply
        finally:
            self._reply = None

    def close(self) -> None:
        """Close at once; what was being sent is of no use any more."""
        self.usable = False
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, error: Exception) -> None:
        self.usable = False
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Bytes of a reply; bytes that nobody waits for make the connection unusable."""
        if self._reply is None:
            self.close()
            return
        self._started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer closed; a reply without a length ends here."""
        self.usable = False
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ConnectionClosed(clean=not self._started))

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the reply."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A part of the reply's body."""
        self._size += len(body)
        if self._size > self.max_reply:
            self._fail(ReplyTooLarge(f"the reply is larger than {self.max_reply} bytes"))
            return
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole."""
        self.usable = bool(self._parser.should_keep_alive())
        if self._reply is not None and not self._reply.done():
            status = self._parser.get_status_code()
            self._reply.set_result(HttpReply(status, self._headers, b"".join(self._chunks)))
