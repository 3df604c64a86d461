"""uvicorn's HTTP/1.1 protocol, stricter in the cases that uvicorn leaves open; `direct` builds on it.

The only upgrade is that to a WebSocket at /graphql (see `upgrade`); another request with `Upgrade` is parsed
as if it had none (see `request_head`). Trailers
are dropped. The overhead of chunked bodies is limited like the head. An error reply reaches the client even
while it is still sending.
"""

import asyncio
from typing import Any

import httptools
import uvicorn

from gateway.core.clock import Clock
from gateway.core.headers import RequestHeaders
from gateway.http.endpoint import Endpoint
from gateway.http.request_head import (
    WEBSOCKET,
    RequestRefused,
    check_head,
    has_body,
    refusal_reply,
    without_upgrade,
)
from gateway.http.routes import Routes
from gateway.http.upgrade import accept
from gateway.http.uvicorn_internals import STATUS_LINE, HttpToolsProtocol, ServerState
from gateway.uploads.form import FORM
from gateway.wire.handshake import Handshake, HandshakeRefused, read_handshake

NEVER = float("inf")
MAX_HEAD = 65_536  # bytes of a request head
CHUNK_HEAD = 6  # overhead in bytes of a chunk with one byte
LINGER = 1.0  # seconds between an error reply and closing the connection
INVALID = RequestRefused(400, "Invalid HTTP request received.")
HEAD_TOO_LARGE = f"expected a request head of at most {MAX_HEAD:,} bytes, got more"
CHUNKS_TOO_LARGE = RequestRefused(400, "the chunk extensions and trailers of the request are too large")


class StrictProtocol(HttpToolsProtocol):
    """One connection.

    - `in_head`: whether a head is being parsed. `receiving_since`: the clock's time when the current request
      began; NEVER without one.
    - `overhead`: the bytes of the request so far that are not body. `received`: `overhead` plus the length of
      the data that is being parsed, whether it is body or not.
    - `head_without_upgrade`: the rewritten head of a request with `Upgrade`, to be parsed next.
    - `handshake`: of a request that opens a WebSocket; None before it.
    - `refused`: whether an error reply was written; further data is dropped.
    """

    _date: tuple[Any, bytes] = (None, b"")

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.routes = routes_of(config.loaded_app)
        self.clock: Clock = self.routes.clock
        self.receiving_since = NEVER
        self.overhead: float = 0
        self.received: float = 0
        self.in_head = True
        self.head_without_upgrade = b""
        self.handshake: Handshake | None = None
        self.refused = False

    @property
    def endpoint(self) -> Endpoint:
        """Return the current endpoint; a reload replaces it."""
        return self.routes.service.endpoint

    def on_message_begin(self) -> None:
        """Called by the parser when a request begins; uvicorn's scope for it is created when the head is
        complete.
        """
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.in_head = True
        self.receiving_since = self.clock.time()

    def on_headers_complete(self) -> None:
        """Pass a request to uvicorn's path. Raises RequestRefused, which closes the connection."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        check_head(method, version, self.headers)
        if self.parser.should_upgrade():
            self.handshake = self.read_handshake(method, version)
            if self.handshake is not None:
                return
            self.head_without_upgrade = without_upgrade(method, self.url, version, self.headers)
            return
        url, given = self.url, self.headers
        expects = self.expect_100_continue and version == "1.1" and has_body(given)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(given)
        super().on_headers_complete()
        if self.endpoint.uploads is not None and self.has_form():
            length = dict(self.headers).get(b"content-length", b"")
            self.receiving_since += self.endpoint.form_seconds(int(length) if length else None)
        self.headers = []  # receives trailers, which must not become headers (RFC 9110, 6.5.1)

    def read_handshake(self, method: bytes, version: str) -> Handshake | None:
        """Return the handshake of a request that opens a WebSocket; None for another request.

        Raises RequestRefused for a handshake that is not valid.
        """
        path, _, query_string = self.url.partition(b"?")
        if method != b"GET" or path != b"/graphql" or not self.routes.websockets.is_open:
            return None
        given = dict(self.headers)
        is_handshake = given.get(b"upgrade", b"").strip().lower() == WEBSOCKET
        if not is_handshake or b"sec-websocket-key" not in given or b"query=" in query_string:
            return None
        try:
            return read_handshake(method, version, self.headers)
        except HandshakeRefused as error:
            raise RequestRefused(error.status, error.text, error.headers) from error

    def has_form(self) -> bool:
        """Return whether the request has a form as its body."""
        return any(name == b"content-type" and value[:19].lower() == FORM for name, value in self.headers)

    def check_size(self) -> None:
        """Raise RequestRefused when a complete head is too large."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD:
            raise RequestRefused(431, HEAD_TOO_LARGE)

    def on_message_complete(self) -> None:
        """Called when the request is complete, or only the head of one with `Upgrade`, which is then parsed
        again.
        """
        if not (self.head_without_upgrade or self.handshake):
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Parse data; refuse a request whose head or chunk overhead becomes too large."""
        if self.refused:
            return
        self.received = self.overhead + len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
            self.parser_stopped(error, data)
        if self.receiving_since != NEVER:
            self.overhead += len(data)
            if self.overhead > MAX_HEAD:
                self.check_overhead()

    def parser_stopped(self, error: Exception, data: bytes) -> None:
        """Handle the end of parsing: continue after an upgrade, or refuse invalid data.

        After the head of a request with `Upgrade`, parsing continues with a new parser; after a handshake
        the connection is a WebSocket.
        """
        if self.handshake is not None and isinstance(error, httptools.HttpParserUpgrade):
            self.become_websocket(self.handshake, data[error.args[0] :])
            return
        while isinstance(error, httptools.HttpParserUpgrade):
            data = self.head_without_upgrade + data[error.args[0] :]
            self.head_without_upgrade = b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            try:
                self.parser.feed_data(data)
            except (httptools.HttpParserUpgrade, httptools.HttpParserError) as another:
                error = another
            else:
                return
        cause = error.__context__
        self.refuse(cause if isinstance(cause, RequestRefused) else INVALID)

    def become_websocket(self, handshake: Handshake, rest: bytes) -> None:
        """Hand the connection over to the door for WebSockets. `rest`: the data after the handshake."""
        address = self.client[0] if self.client else None
        headers = RequestHeaders(self.headers, address)
        try:
            if self.is_busy():
                raise RequestRefused(400, "expected a WebSocket only after the response before it")
            accepted = accept(self.routes.websockets, handshake, headers, self.transport)
        except RequestRefused as error:
            self.refuse(error)
            return
        self.let_go()
        self.transport.write(accepted.response)
        self.transport.set_protocol(accepted.connection)
        self.connections.add(accepted.connection)  # type: ignore[arg-type]
        accepted.begin(rest, self.connections.discard)

    def is_busy(self) -> bool:
        """Return whether a request is in progress."""
        return self.cycle is not None and not self.cycle.response_complete

    def let_go(self) -> None:
        """Forget the connection, which another protocol serves from now on."""
        self.connections.discard(self)
        self._unset_keepalive_if_required()

    def shutdown(self) -> None:
        """Called by the server, for each connection, as the process ends: end what goes on for long."""
        self.routes.end_streams()
        super().shutdown()

    def check_overhead(self) -> None:
        """Refuse a request with too much data besides its body."""
        if self.refused:
            return
        if self.in_head:
            self.refuse(RequestRefused(431, HEAD_TOO_LARGE))
        elif self.overhead > MAX_HEAD + CHUNK_HEAD * self.endpoint.max_body:
            self.refuse(CHUNKS_TOO_LARGE)

    def refuse(self, why: RequestRefused) -> None:
        """Abort the current request, write an error reply, and close the connection.

        Closing a connection while data arrives resets it, and the reply is lost. So the client gets LINGER
        seconds to read the reply, while further data is dropped.
        """
        if self.transport.is_closing():
            return
        self.refused = True
        if self.abort_request():
            self.transport.close()
            return
        self.transport.write(refusal_reply(STATUS_LINE[why.status], self.default_headers(), why))
        if self.pipeline or not self.transport.can_write_eof():  # uvicorn runs another request than `cycle`
            self.transport.close()
            return
        self.transport.write_eof()
        self.clock.call_at(self.clock.time() + LINGER, self.transport.close)

    def abort_request(self) -> bool:
        """Abort the request in progress.

        Returns whether its reply has begun, so that nothing else may be written.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.disconnected = True
        cycle.waiting_for_100_continue = False  # nothing may follow an error reply
        cycle.message_event.set()
        return cycle.response_started

    def default_headers(self) -> bytes:
        """Return the server's own headers (the date) as lines, encoded once for each change."""
        given, written = StrictProtocol._date
        current = self.server_state.default_headers
        if given is not current:
            written = b"".join([b"%b: %b\r\n" % header for header in current])
            StrictProtocol._date = (current, written)
        return written


def routes_of(app: Any) -> Routes:
    """Return the application without the middleware that uvicorn has put around it."""
    while not isinstance(app, Routes):
        app = app.app
    return app
