"""uvicorn's HTTP/1.1 protocol with the corners of HTTP that it leaves open.

No upgrade is accepted: a request that asks for one is parsed as if it did not (`heads`). Trailers are
dropped. What stands around a body is bounded as its head is. A refusal reaches its client also while that
one sends.
"""

import asyncio
from typing import Any

import httptools
import uvicorn

from gateway.core.clock import Clock
from gateway.http.endpoint import Endpoint
from gateway.http.request_head import RequestRefused, check_head, has_body, refusal, without_upgrade
from gateway.http.routes import Routes
from gateway.http.uvicorn_internals import STATUS_LINE, HttpToolsProtocol, ServerState

NEVER = float("inf")
MAX_HEAD = 65_536  # bytes of a head
CHUNK_HEAD = 6  # bytes around each byte of a body in the smallest chunks
LINGER = 1.0  # seconds
INVALID = RequestRefused(400, "Invalid HTTP request received.")
HEAD_TOO_LARGE = f"the head of the request is larger than {MAX_HEAD:,} bytes"
CHUNKS_TOO_LARGE = RequestRefused(400, "the chunk extensions and trailers of the request are too large")


class StrictProtocol(HttpToolsProtocol):
    """One connection.

    `in_head`: the bytes of a head are expected; `sending_since`: since when a request has been coming, NEVER
    when none is. `overhead`: bytes of that request so far that are no body; `arrived`: the same with all of
    the piece that is being parsed. `again`: the head of a request
    that asked for an upgrade, to be parsed without it. `refused`: a refusal was written, and what still comes
    is dropped.
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
        self.sending_since = NEVER
        self.overhead: float = 0
        self.arrived: float = 0
        self.in_head = True
        self.again = b""
        self.refused = False

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that is served now."""
        return self.routes.service.endpoint

    def on_message_begin(self) -> None:
        """A request begins; uvicorn's scope for it is made when the head is complete."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.in_head = True
        self.sending_since = self.clock.time()

    def on_headers_complete(self) -> None:
        """Hand a request to uvicorn's way. Raises Refused, which ends the connection."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        check_head(method, version, self.headers)
        if self.parser.should_upgrade():
            self.again = without_upgrade(method, self.url, version, self.headers)
            return
        url, given = self.url, self.headers
        expects = self.expect_100_continue and version == "1.1" and has_body(given)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(given)
        super().on_headers_complete()
        self.headers = []  # what trailers are put into, which stand for no header (RFC 9110, 6.5.1)

    def check_size(self) -> None:
        """Raise Refused when a head that is whole is too large."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD:
            raise RequestRefused(431, HEAD_TOO_LARGE)

    def on_message_complete(self) -> None:
        """The request is whole, unless it is only the head of one that asks for an upgrade."""
        if not self.again:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Some bytes; a request whose head, or what stands around its chunks, does not end is given up."""
        if self.refused:
            return
        self.arrived = self.overhead + len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
            self.interrupted(error, data)
        if self.sending_since != NEVER:
            self.overhead += len(data)
            if self.overhead > MAX_HEAD:
                self.check_overhead()

    def interrupted(self, error: Exception, data: bytes) -> None:
        """The parser has stopped in some bytes: at an upgrade, or at what is no request.

        Behind the head of a request that asks for an upgrade, it goes on with another parser.
        """
        while isinstance(error, httptools.HttpParserUpgrade):
            data = self.again + data[error.args[0] :]
            self.again = b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
            try:
                self.parser.feed_data(data)
            except (httptools.HttpParserUpgrade, httptools.HttpParserError) as another:
                error = another
            else:
                return
        cause = error.__context__
        self.refuse(cause if isinstance(cause, RequestRefused) else INVALID)

    def check_overhead(self) -> None:
        """Refuse a request that consists of too much besides its body."""
        if self.refused:
            return
        if self.in_head:
            self.refuse(RequestRefused(431, HEAD_TOO_LARGE))
        elif self.overhead > MAX_HEAD + CHUNK_HEAD * self.endpoint.max_body:
            self.refuse(CHUNKS_TOO_LARGE)

    def refuse(self, why: RequestRefused) -> None:
        """End what is under way, reply and close.

        A connection that is closed while bytes arrive is reset, and the reply is lost with it; so the client
        gets a moment to read, while what it still sends is dropped.
        """
        if self.transport.is_closing():
            return
        self.refused = True
        if self.abandon():
            self.transport.close()
            return
        self.transport.write(refusal(STATUS_LINE[why.status], self.standing_headers(), why.text))
        if self.pipeline or not self.transport.can_write_eof():  # uvicorn's way runs what `cycle` is not
            self.transport.close()
            return
        self.transport.write_eof()
        self.clock.call_at(self.clock.time() + LINGER, self.transport.close)

    def abandon(self) -> bool:
        """End what is under way. Returns whether a reply has begun that nothing may be written into."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.disconnected = True
        cycle.waiting_for_100_continue = False  # nothing is written behind a refusal
        cycle.message_event.set()
        return cycle.response_started

    def standing_headers(self) -> bytes:
        """The server's own headers (the date), as bytes until they change."""
        given, written = StrictProtocol._date
        current = self.server_state.default_headers
        if given is not current:
            written = b"".join([b"%b: %b\r\n" % header for header in current])
            StrictProtocol._date = (current, written)
        return written


def routes_of(app: Any) -> Routes:
    """The application, under whatever uvicorn has put around it."""
    while not isinstance(app, Routes):
        app = app.app
    return app
