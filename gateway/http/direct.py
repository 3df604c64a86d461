"""uvicorn's HTTP/1.1 protocol with a short way for GraphQL.

No task, no ASGI messages, one write for a small answer.

A POST to /graphql with a plain body is handed to the endpoint as soon as it is whole. Everything else goes
uvicorn's way: other paths and methods, chunked or too large bodies, `Expect`, what comes through a proxy, a
request that was sent before the last one was answered (those wait in uvicorn's pipeline), and a client that
does not take its answers.

No upgrade is accepted: a request that asks for one is read as if it did not (`heads`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import uvicorn

from gateway.core.clock import Timer
from gateway.core.headers import RequestHeaders
from gateway.http.request_head import VERSIONS
from gateway.http.respond import HttpReply
from gateway.http.strict import MAX_HEAD, NEVER, StrictProtocol
from gateway.http.uvicorn_internals import STATUS_LINE, ServerState
from gateway.transport.base import Handle

SENDING = 30.0  # seconds for a client to send a request
SMALL = 16_384  # bytes of a body that is copied behind its head rather than written by itself
NO_CHUNKS = -NEVER  # bytes around a body that has a length
NOT_PLAIN = frozenset({b"expect", b"upgrade", b"transfer-encoding", b"x-forwarded-for", b"x-forwarded-proto"})


class DirectCycle:
    """One request on the short way, and its answer. To uvicorn it looks like a cycle of its own."""

    __slots__ = (
        "body",
        "disconnected",
        "handle",
        "headers",
        "keep_alive",
        "more_body",
        "protocol",
        "response_started",
    )

    def __init__(self, protocol: "DirectProtocol", headers: RequestHeaders, keep_alive: bool) -> None:
        self.protocol = protocol
        self.headers = headers
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = b""
        self.handle: Handle | None = None
        self.disconnected = False
        self.more_body = True
        self.response_started = False

    @property
    def response_complete(self) -> bool:
        """Whether uvicorn may go on to the next request."""
        return self.protocol.direct is not self

    @property
    def message_event(self) -> "DirectCycle":
        """What uvicorn sets when the client leaves."""
        return self

    def set(self) -> None:
        """Do nothing: the protocol itself ends what is under way."""

    def add(self, piece: bytes) -> None:
        """Add a piece of the body. Most bodies have one.

        Many small ones must not be copied again with each.
        """
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytes):
            self.body = bytearray(self.body + piece)
        else:
            self.body += piece

    def cancel(self, msg: str | None = None) -> None:
        """End without a reply: uvicorn cancels its tasks when the time for a graceful end is over, and
        this is one.
        """
        if self.handle is not None:
            self.handle.cancel()
        self.protocol.transport.close()

    def start(self) -> None:
        """The request is whole: begin to answer it."""
        tasks: set[Any] = self.protocol.tasks  # uvicorn waits for them, and cancels them
        tasks.add(self)
        self.handle = self.protocol.endpoint.begin("POST", b"", self.headers, bytes(self.body), self.replied)

    def replied(self, reply: HttpReply) -> None:
        """The reply is there: write it, unless the client has left."""
        protocol = self.protocol
        if protocol.direct is not self or protocol.transport.is_closing():
            return
        if reply.parts is None:
            protocol.write_reply(self, reply)
        else:
            self.handle = asyncio.ensure_future(protocol.write_parts(self, reply, reply.parts))


class DirectProtocol(StrictProtocol):
    """One connection. `direct` is the request on the short way, if any.

    `reading` is the same until it is whole. `resting_since`: since when nothing is under way, NEVER when
    something is.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.direct: DirectCycle | None = None
        self.reading: DirectCycle | None = None
        self.resting_since = NEVER
        self.timer: Timer | None = None

    # httptools

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.resting_since = NEVER
        if self.timer is None:
            self.watch()

    def on_headers_complete(self) -> None:
        """Take the short way or uvicorn's. Raises Refused, which ends the connection."""
        if self.arrived > MAX_HEAD:
            self.check_size()
        self.in_head, self.overhead = False, 0
        version = self.parser.get_http_version()
        if self.url == b"/graphql" and self.direct is None and version in VERSIONS and self.plain():
            headers = RequestHeaders(self.headers, self.client[0] if self.client else None)
            keep_alive = version == "1.1" and self.parser.should_keep_alive()
            self.direct = self.reading = DirectCycle(self, headers, keep_alive)
            self.overhead = NO_CHUNKS
            self.cycle = self.direct  # type: ignore[assignment]
            return
        super().on_headers_complete()

    def plain(self) -> bool:
        """Whether a request to the endpoint has nothing about it that only uvicorn's way knows."""
        cycle = self.cycle
        if (cycle is not None and not cycle.response_complete) or self.parser.get_method() != b"POST":
            return False
        if self.root_path or self.limit_concurrency is not None or self.flow.write_paused:
            return False
        length, hosts = b"", 0
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name == b"host":
                hosts += 1
            elif name in NOT_PLAIN:
                return False
        if hosts != 1:
            return False
        return length.isdigit() and len(length) < 16 and int(length) <= self.endpoint.max_body

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        reading = self.reading
        if reading is None:
            self.overhead -= len(body)
            super().on_body(body)
        else:
            reading.add(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self.again:
            self.sending_since, self.overhead = NEVER, 0
        reading, self.reading = self.reading, None
        if reading is None:
            super().on_message_complete()
        else:
            reading.more_body = False
            reading.start()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client; it may take as long to begin its first request as any other."""
        super().connection_made(transport)
        self.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left: what is under way for it ends."""
        super().connection_lost(exc)
        self.abandon()
        if self.timer is not None:
            self.timer.cancel()

    def abandon(self) -> bool:
        """End what is under way; see StrictProtocol."""
        cycle, self.direct = self.direct, None
        if cycle is None:
            return super().abandon()
        self.tasks.discard(cycle)
        if cycle.handle is not None:
            cycle.handle.cancel()
        return cycle.response_started

    # answering

    def write_reply(self, cycle: DirectCycle, reply: HttpReply) -> None:
        """Write a whole reply; then the connection is free for the next request."""
        head = self.head_of(cycle, reply)
        if len(reply.body) <= SMALL:
            self.transport.write(head + reply.body)
        else:
            self.transport.write(head)
            self.transport.write(reply.body)
        self.end(cycle)

    async def write_parts(
        self, cycle: DirectCycle, reply: HttpReply, parts: AsyncGenerator[bytes, None]
    ) -> None:
        """Write a reply in parts, each as a chunk (RFC 9112, 7.1), no faster than the client takes them.

        HTTP/1.0 has no chunks: there the reply ends with the connection.
        """
        chunked = self.parser.get_http_version() == "1.1"
        cycle.keep_alive = cycle.keep_alive and chunked
        extra = b"transfer-encoding: chunked\r\n" if chunked else b""
        cycle.response_started = True
        self.transport.write(self.head_of(cycle, reply, extra))
        try:
            async with aclosing(parts):
                async for part in parts:
                    if part:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                        await self.flow.drain()
        except Exception:  # it was reported; cut off, so that nobody takes it for the whole
            self.transport.close()
            return
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        self.end(cycle)

    def head_of(self, cycle: DirectCycle, reply: HttpReply, extra: bytes = b"") -> bytes:
        """Status line and headers."""
        parts = [STATUS_LINE[reply.status], self.standing_headers()]
        parts += [b"%b: %b\r\n" % header for header in reply.headers()]
        parts.append(extra)
        parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(parts)

    def end(self, cycle: DirectCycle) -> None:
        """The reply is out: the next request may come, or the connection closes."""
        self.direct = cycle.handle = None  # no cycle is left for the garbage collector
        self.tasks.discard(cycle)
        if not cycle.keep_alive:
            self.transport.close()
        self.free()

    def free(self) -> None:
        """The request is over: the next one in uvicorn's pipeline goes on, or the connection rests."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.rest()

    def on_response_complete(self) -> None:
        """An answer on uvicorn's way is out; how long the connection rests is looked after here."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
            self.rest()

    def rest(self) -> None:
        """Nothing is under way from now on."""
        self.resting_since = self.clock.time()
        self.watch()

    def watch(self) -> None:
        """Look after the connection. One timer stands for many requests."""
        if self.timer is None:
            self.timer = self.clock.call_at(self.clock.time() + self.timeout_keep_alive, self.look)

    def look(self) -> None:
        """Close a connection that has rested too long, or whose client takes too long to send a request."""
        self.timer = None
        due = min(self.resting_since + self.timeout_keep_alive, self.sending_since + SENDING)
        if due == NEVER or self.transport.is_closing():
            return
        now = self.clock.time()
        if due <= now:
            self.transport.close()
        else:
            self.timer = self.clock.call_at(min(due, now + self.timeout_keep_alive), self.look)
