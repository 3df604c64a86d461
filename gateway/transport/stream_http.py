"""Streams of events over HTTP: graphql-sse with distinct connections, and Apollo's multipart protocol.

Each subscription is a request by POST with a connection of its own. Cancelling it closes the connection,
which is how both protocols end a subscription.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.transport.base import Call, Handle, RawHeaders
from gateway.transport.connection import ConnectionClosed
from gateway.transport.stream_bodies import Body, Happening, StreamEvent, body_of
from gateway.transport.stream_connection import StreamConnection
from gateway.transport.stream_target import StreamTarget, no_target
from gateway.transport.streams import Events
from gateway.transport.tls import connection_fault
from gateway.wire.stream_error import StreamError

ACCEPTS: Mapping[str, str] = {
    "sse": "text/event-stream",  # npm's graphql-sse compares the whole header with it
    "multipart": 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",'
    " application/graphql-response+json;q=0.9, application/json;q=0.8",
}


class HttpStreams:
    """Opens streams at the subgraphs of `targets`, whose protocol is `sse` or `multipart`."""

    def __init__(self, targets: Mapping[str, StreamTarget], clock: Clock) -> None:
        self.targets = targets
        self.clock = clock

    def __repr__(self) -> str:
        return f"HttpStreams({', '.join(self.targets)})"

    def open(self, call: Call, events: Events, after: str | None = None) -> Handle:
        target = self.targets.get(call.subgraph)
        if target is None:
            return self.clock.call_soon(events.failed, no_target(call.subgraph))
        return HttpStream(target, call, events, self.clock, after)

    def resumes(self, call: Call) -> bool:
        """Return whether the protocol has the header Last-Event-ID; it is up to the subgraph to use it."""
        target = self.targets.get(call.subgraph)
        return target is not None and target.settings.protocol == "sse"

    def source(self, call: Call) -> Hashable:
        target = self.targets.get(call.subgraph)
        return None if target is None else (target.url, target.path, target.tls)

    async def close(self) -> None:
        """Do nothing: no connection is idle."""


class HttpStream:
    """One subscription: connecting, waiting for the head of the reply, open, and ended.

    `events`: None after the end. `limit`: the seconds for opening it, which messages name. `last`: the time
    of the last byte of the body. `timer`: ends the opening at its deadline, then a silence.
    """

    __slots__ = ("body_reader", "call", "clock", "connecting", "connection", "events", "is_open", "last",
                 "limit", "target", "timer")  # fmt: skip

    def __init__(
        self, target: StreamTarget, call: Call, events: Events, clock: Clock, after: str | None
    ) -> None:
        self.target, self.call, self.clock = target, call, clock
        self.events: Events | None = events
        self.connection: StreamConnection | None = None
        self.body_reader: Body | None = None
        self.is_open = False
        self.last = clock.time()
        own = target.settings.connect_timeout
        self.limit = min(own, call.timeout)
        self.timer: Timer | None = clock.call_at(min(call.deadline, self.last + own), self._timed_out)
        self.connecting = asyncio.ensure_future(self._connect(after))

    async def _connect(self, after: str | None) -> None:
        """Open a connection, and send the request."""
        target = self.target
        try:
            connection = await target.dialer.connect(StreamConnection, target.settings.connect_timeout)
        except TimeoutError as error:
            limit = target.settings.connect_timeout
            self._fail(f"accepted no connection within {limit:g} s", "SUBGRAPH_UNREACHABLE", error)
        except (OSError, UnicodeError) as error:  # UnicodeError: from encoding the host name
            self._fail(connection_fault(error), "SUBGRAPH_UNREACHABLE", error)
        else:
            self.connection = connection
            connection.request(self, request_of(target, self.call, after))

    def _timed_out(self) -> None:
        """End the opening, or a stream that has been silent for too long."""
        if not self.is_open:
            self._fail(f"did not open the stream within {self.limit:g} s", "SUBGRAPH_TIMEOUT")
            return
        silence = self.target.settings.silence
        due = self.last + silence
        if self.clock.time() >= due:
            self._fail(f"sent no byte of the stream for {silence:g} s", "SUBGRAPH_TIMEOUT")
        else:
            self.timer = self.clock.call_at(due, self._timed_out)

    # StreamReceiver

    def head(self, status: int, headers: RawHeaders) -> None:
        target = self.target
        most = target.settings.max_message
        try:
            self.body_reader = body_of(target.subgraph, target.url, status, headers, most)
        except StreamError as error:
            self._fail(f"returned an invalid reply: {error}", "SUBGRAPH_BAD_RESPONSE", error)
            return
        if not self.body_reader.is_stream or self.events is None:
            return
        if self.timer is not None:
            self.timer.cancel()
        self.last, self.timer, self.is_open = self.clock.time(), None, True
        if target.settings.silence:
            self.timer = self.clock.call_at(self.last + target.settings.silence, self._timed_out)
        self.events.opened()

    def body(self, data: bytes) -> None:
        self.last = self.clock.time()
        if self.body_reader is not None:
            self._pass_on(partial(self.body_reader.feed, data))

    def finished(self) -> None:
        if self.body_reader is not None:
            self._pass_on(self.body_reader.finish)

    def broken(self, error: Exception) -> None:
        if not isinstance(error, ConnectionClosed):
            self._fail(f"returned an invalid HTTP reply: {error}", "SUBGRAPH_BAD_RESPONSE", error)
        elif self.is_open:
            self._fail("closed the connection in the middle of the stream", "SUBGRAPH_UNREACHABLE", error)
        else:
            silent = error.clean and self.target.tls is not None
            self._fail(connection_fault(error.reason, silent), "SUBGRAPH_UNREACHABLE", error)

    def _pass_on(self, reading: Callable[[], Iterator[Happening]]) -> None:
        """Pass on what the body says, until the stream has ended."""
        try:
            for happening in reading():
                if self.events is None:
                    return
                if isinstance(happening, StreamEvent):
                    self.events.event(happening.body, happening.cursor)
                else:
                    self._end(happening.error)
        except StreamError as error:
            self._fail(f"sent an invalid stream: {error}", "SUBGRAPH_BAD_RESPONSE", error)

    # the end

    def _fail(self, message: str, code: str, cause: Exception | None = None) -> None:
        self._end(self.target.error(message, code, cause))

    def _end(self, error: SubgraphError | None) -> None:
        """Release the resources, then pass on the end."""
        events = self.events
        self.cancel()
        if events is None:
            return
        if error is None:
            events.completed()
        else:
            events.failed(error)

    def cancel(self) -> None:
        self.events = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.connection is not None:
            self.connection.close()
        elif not self.connecting.done():
            self.connecting.cancel()


def request_of(target: StreamTarget, call: Call, after: str | None) -> bytes:
    """Return the HTTP request of a subscription. `after`: the cursor to send as Last-Event-ID."""
    body, lines = call.body, call.headers.lines
    if target.signer is not None:
        lines += target.signer.lines(call.headers.raw, body)
    if after is not None and after.isprintable():
        lines += b"last-event-id: %b\r\n" % after.encode(errors="replace")
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: {target.host}\r\ncontent-type: application/json\r\n"
        f"accept: {ACCEPTS[target.settings.protocol]}\r\naccept-encoding: identity\r\n"
        f"content-length: {len(body)}\r\n"
    )
    return b"%b%b\r\n%b" % (head.encode("ascii"), lines, body)
