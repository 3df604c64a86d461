"""The direct door: uvicorn's HTTP/1.1 protocol with a direct path for GraphQL, without tasks and ASGI
messages.

A POST to /graphql with a plain body is passed to the endpoint as soon as it is complete, and a small response
is one write. uvicorn's path (uvicorn's own code, which calls the ASGI door) handles everything else: other
paths and methods, chunked or too large bodies, `Expect`, requests through a proxy, requests that the client
has sent before the previous response (uvicorn's pipeline), and clients that do not read their responses.

The only upgrade is that to a WebSocket at /graphql (see `strict`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import uvicorn

from gateway.core.clock import Timer
from gateway.core.headers import RequestHeaders
from gateway.http.read_watch import ReadWatch, watch_reading
from gateway.http.request_head import VERSIONS
from gateway.http.respond import HttpReply
from gateway.http.strict import MAX_HEAD, NEVER, StrictProtocol
from gateway.http.uvicorn_internals import STATUS_LINE, ServerState
from gateway.transport.base import Handle

REQUEST_SECONDS = 30.0  # the seconds within which a client must send a whole request
MAX_COPIED_BODY = 16_384  # bytes; a larger body is written separately from its head, not copied
NO_CHUNKS = -NEVER  # the overhead of a body with a Content-Length, which has no chunks
INDIRECT_HEADERS = frozenset(
    {
        b"expect",
        b"upgrade",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-graphql-event-stream-token",
    }
)


@lru_cache(maxsize=1_000)
def _line(header: tuple[bytes, bytes]) -> bytes:
    """Return a header as a line of a response; most headers are the same in many responses."""
    return b"%b: %b\r\n" % header


class DirectCycle:
    """One request on the direct path, and its response.

    uvicorn uses it like its own `RequestResponseCycle`, so it has the same attributes.
    """

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
        """Return whether the response is written, so that uvicorn may process the next request."""
        return self.protocol.direct is not self

    @property
    def message_event(self) -> "DirectCycle":
        """Return the event that uvicorn sets when the client disconnects: this object, whose `set` does
        nothing.
        """
        return self

    def set(self) -> None:
        """Do nothing: the protocol itself cancels the request."""

    def add(self, piece: bytes) -> None:
        """Add a piece of the body.

        Most bodies have one piece. Many small pieces go into a bytearray, so that they are not copied again
        with each.
        """
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytes):
            self.body = bytearray(self.body + piece)
        else:
            self.body += piece

    def cancel(self, msg: str | None = None) -> None:
        """Cancel the request without a response.

        uvicorn calls this, as it cancels its tasks, when the time for a graceful shutdown is over.
        """
        if self.handle is not None:
            self.handle.cancel()
        self.protocol.transport.close()

    def start(self) -> None:
        """Start to answer the request, which is complete."""
        tasks: set[Any] = self.protocol.tasks  # at shutdown uvicorn waits for these tasks, then cancels them
        tasks.add(self)
        self.handle = self.protocol.endpoint.begin("POST", b"", self.headers, bytes(self.body), self.replied)

    def replied(self, reply: HttpReply) -> None:
        """Write the response, unless the client has disconnected."""
        protocol = self.protocol
        if protocol.direct is not self or protocol.transport.is_closing():
            return
        if reply.parts is None:
            protocol.write_reply(self, reply)
        else:
            self.handle = asyncio.ensure_future(protocol.write_parts(self, reply, reply.parts))


class DirectProtocol(StrictProtocol):
    """One connection.

    - `direct`: the request on the direct path; None if there is none. `reading`: the request in `direct`
      until its body is complete, then None.
    - `idle_since`: the clock's time when the connection became idle; NEVER while a request is processed.
    - `timer`: the timer that closes an idle or slow connection. `unread`: watches a client that does not
      read.
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
        self.idle_since = NEVER
        self.timer: Timer | None = None
        self.unread: ReadWatch | None = None

    # httptools

    def on_message_begin(self) -> None:
        """Called by the parser when a request begins."""
        super().on_message_begin()
        self.idle_since = NEVER
        if self.timer is None:
            self.start_timer()

    def on_headers_complete(self) -> None:
        """Choose the direct path or uvicorn's. Raises RequestRefused, which closes the connection."""
        if self.received > MAX_HEAD:
            self.check_size()
        self.in_head, self.overhead = False, 0
        version = self.parser.get_http_version()
        if self.url == b"/graphql" and self.direct is None and version in VERSIONS and self.is_direct():
            headers = RequestHeaders(self.headers, self.client[0] if self.client else None)
            keep_alive = version == "1.1" and self.parser.should_keep_alive()
            self.direct = self.reading = DirectCycle(self, headers, keep_alive)
            self.overhead = NO_CHUNKS
            self.cycle = self.direct  # type: ignore[assignment]
            return
        super().on_headers_complete()

    def is_direct(self) -> bool:
        """Return whether a request to the endpoint needs nothing that only uvicorn's path supports."""
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
            elif name in INDIRECT_HEADERS:
                return False
        if hosts != 1 or (self.endpoint.uploads is not None and self.has_form()):
            return False
        return length.isdigit() and len(length) < 16 and int(length) <= self.endpoint.max_body

    def on_body(self, body: bytes) -> None:
        """Called by the parser for a piece of the body."""
        reading = self.reading
        if reading is None:
            self.overhead -= len(body)
            super().on_body(body)
        else:
            reading.add(body)

    def on_message_complete(self) -> None:
        """Called by the parser when the request is complete."""
        if not (self.head_without_upgrade or self.handshake):
            self.receiving_since, self.overhead = NEVER, 0
        reading, self.reading = self.reading, None
        if reading is None:
            super().on_message_complete()
        else:
            reading.more_body = False
            reading.start()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client has connected; it may be idle as long before its first request as between
        requests.
        """
        super().connection_made(transport)
        self.become_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the client has disconnected; cancel its request."""
        super().connection_lost(exc)
        self.abort_request()
        self._end_timers()

    def pause_writing(self) -> None:
        """Called when the client reads too slowly; one that reads nothing at all is cut off after a time."""
        super().pause_writing()
        seconds = self.endpoint.subscriptions.read_timeout
        self.unread = watch_reading(self.clock, self.transport, seconds)

    def resume_writing(self) -> None:
        """Called when the client has read enough."""
        super().resume_writing()
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None

    def _end_timers(self) -> None:
        for timer in (self.timer, self.unread):
            if timer is not None:
                timer.cancel()

    def abort_request(self) -> bool:
        """Cancel the request in progress; see StrictProtocol."""
        cycle, self.direct = self.direct, None
        if cycle is None:
            return super().abort_request()
        self.tasks.discard(cycle)
        if cycle.handle is not None:
            cycle.handle.cancel()
        return cycle.response_started

    def is_busy(self) -> bool:
        """Return whether a request is in progress, on either path."""
        return self.direct is not None or super().is_busy()

    def let_go(self) -> None:
        """Forget the connection, which another protocol serves from now on."""
        super().let_go()
        self._end_timers()

    # answering

    def write_reply(self, cycle: DirectCycle, reply: HttpReply) -> None:
        """Write a complete response; afterwards the connection can receive the next request."""
        head = self.head_of(cycle, reply)
        if len(reply.body) <= MAX_COPIED_BODY:
            self.transport.write(head + reply.body)
        else:
            self.transport.write(head)
            self.transport.write(reply.body)
        self.end(cycle)

    async def write_parts(
        self, cycle: DirectCycle, reply: HttpReply, parts: AsyncGenerator[bytes, None]
    ) -> None:
        """Write a streamed response, each part as a chunk (RFC 9112, 7.1), as fast as the client reads.

        HTTP/1.0 has no chunks: there the end of the connection ends the response.
        """
        chunked = self.parser.get_http_version() == "1.1"
        cycle.keep_alive = cycle.keep_alive and chunked and not self.endpoint.is_ending
        extra = b"transfer-encoding: chunked\r\n" if chunked else b""
        cycle.response_started = True
        self.transport.write(self.head_of(cycle, reply, extra))
        try:
            async with aclosing(parts):
                async for part in parts:
                    if part:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                        await self.flow.drain()
        except Exception:  # already reported; close, so that the client notices the missing rest
            self.transport.close()
            return
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        self.end(cycle)

    def head_of(self, cycle: DirectCycle, reply: HttpReply, extra: bytes = b"") -> bytes:
        """Return the status line and the headers of a response. `extra`: further header lines."""
        parts = [STATUS_LINE[reply.status], self.default_headers()]
        parts += map(_line, reply.headers())
        parts.append(extra)
        parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(parts)

    def end(self, cycle: DirectCycle) -> None:
        """Allow the next request, or close the connection, after the response was written."""
        self.direct = cycle.handle = None  # leave no reference cycle
        self.tasks.discard(cycle)
        if not cycle.keep_alive:
            self.transport.close()
        self.finish_request()

    def finish_request(self) -> None:
        """Continue with the next request in uvicorn's pipeline, or become idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self.become_idle()

    def on_response_complete(self) -> None:
        """Called when a response on uvicorn's path is written.

        The idle timer of this class replaces uvicorn's.
        """
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
            self.become_idle()

    def become_idle(self) -> None:
        """Record that no request is in progress, and start the idle timer."""
        self.idle_since = self.clock.time()
        self.start_timer()

    def start_timer(self) -> None:
        """Start the timer, unless it runs; one timer is used for many requests."""
        if self.timer is None:
            self.timer = self.clock.call_at(self.clock.time() + self.timeout_keep_alive, self.check_idle)

    def check_idle(self) -> None:
        """Close a connection that has been idle for too long, or whose client sends a request too slowly."""
        self.timer = None
        due = min(self.idle_since + self.timeout_keep_alive, self.receiving_since + REQUEST_SECONDS)
        if due == NEVER or self.transport.is_closing():
            return
        now = self.clock.time()
        if due <= now:
            self.transport.close()
        else:
            self.timer = self.clock.call_at(min(due, now + self.timeout_keep_alive), self.check_idle)
