"""The door for WebSocket connections at /graphql: handshakes, and the connections of this process.

One timer serves all connections: they wait in the list of the second in which they are due.

Example: 10,000 connections are pinged every 30 s. Each second the list of that second is taken, with some
333 connections; each is pinged, and added to the list of 30 seconds later.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.core.clock import Clock, Timer
from gateway.core.headers import RequestHeaders
from gateway.http.cors import Cors
from gateway.http.endpoint import RequestHandler
from gateway.http.read import DocumentFinder
from gateway.http.websocket import WebSocketConnection
from gateway.settings import SubscriptionSettings
from gateway.wire.messages import LEGACY_WS, MACHINES, TRANSPORT_WS, Machine

CLIENT_HEADERS = (
    b"graphql-client-name",
    b"graphql-client-version",
    b"apollographql-client-name",
    b"apollographql-client-version",
    b"x-client-name",
)
"""Headers that every client may send in the payload of `connection_init`, besides those with its identity."""
LONGEST_VALUE = 16_384  # characters of a header in a payload


class WebSocketDoor:
    """The connections of one process; it continues when the supergraph is reloaded.

    - `handler`: answers requests. `finder`: finds documents' ids. `cors`: whose origins may connect.
    - `max_message`: bytes of a message. `payload_headers`: the headers that payloads may contain.
    - `lists`: the connections that are due, by second. `is_ending`: whether the process ends.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._handler: RequestHandler | None = None
        self.settings = SubscriptionSettings()
        self.finder: DocumentFinder | None = None
        self.cors: Cors | None = None
        self.max_message = 1_000_000
        self.payload_headers: frozenset[bytes] = frozenset()
        self.connections: set[WebSocketConnection] = set()
        self.lists: dict[int, list[WebSocketConnection]] = {}
        self.timer: Timer | None = None
        self.is_ending = False

    def serve(
        self,
        handler: RequestHandler,
        settings: SubscriptionSettings,
        max_message: int,
        identity_headers: Sequence[str],
        finder: DocumentFinder | None,
        cors: Cors | None,
    ) -> None:
        """Serve a gateway from now on; connections that are open remain.

        `max_message`: bytes of a message. `identity_headers`: those with the identity of callers.
        """
        self._handler, self.settings, self.finder, self.cors = handler, settings, finder, cors
        self.max_message = max_message
        names = [name.lower().encode("latin-1", "replace") for name in identity_headers]
        self.payload_headers = frozenset((*CLIENT_HEADERS, *names))

    @property
    def handler(self) -> RequestHandler:
        """Return what answers requests."""
        if self._handler is None:
            raise RuntimeError("the door serves no gateway yet")
        return self._handler

    @property
    def is_open(self) -> bool:
        """Return whether a client may connect."""
        return self._handler is not None and self.settings.websocket.enabled

    @property
    def operations(self) -> int:
        """Return how many operations of one connection may run at the same time."""
        return self.settings.websocket.operations

    def headers_with(self, headers: RequestHeaders, payload: Mapping[str, Any]) -> RequestHeaders:
        """Return the headers of a connection with those in a payload, or in its member `headers`.

        Only names that clients may set are used: a proxy may have set others, and checked them.
        """
        inner = payload.get("headers")
        given = {**payload, **inner} if isinstance(inner, dict) else payload
        found = dict(headers.raw)
        changed = False
        for name, value in given.items():
            key = name.lower().encode("latin-1", "replace")
            if key in self.payload_headers and isinstance(value, str) and len(value) <= LONGEST_VALUE:
                found[key] = value.encode("latin-1", "replace")
                changed = True
        return RequestHeaders(list(found.items()), headers.address) if changed else headers

    def machine_for(self, offered: Sequence[str]) -> Machine | None:
        """Return the first sub-protocol of the client that is served; None if there is none."""
        served = (TRANSPORT_WS, LEGACY_WS) if self.settings.websocket.legacy else (TRANSPORT_WS,)
        name = next((one for one in offered if one in served), None)
        return None if name is None else MACHINES[name]

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Return whether a page of this origin may connect; a client that is no browser sends none.

        `host`: the Host header. A page's own origin is allowed, and those of the settings.
        """
        if origin is None or self.allows_cookies(origin, host):
            return True
        return self.cors is not None and self.cors.allows(origin.encode("latin-1", "replace"))

    def allows_cookies(self, origin: str, host: str) -> bool:
        """Return whether a page may connect with the cookies that a browser has for the gateway.

        Browsers send them with every handshake, so pages that CORS allows without credentials must not act
        for a user who is signed in.
        """
        allowed, cors = self.settings.websocket.origins, self.cors
        if "*" in allowed or origin in allowed:
            return True
        if cors is not None and cors.credentials and cors.allows(origin.encode("latin-1", "replace")):
            return True
        try:
            return urlsplit(origin).netloc.lower() == host.lower() != ""
        except ValueError:
            return False

    def opened(self, connection: WebSocketConnection) -> None:
        """Add a connection."""
        self.connections.add(connection)
        self.wake(connection, self.settings.websocket.init_timeout)

    def gone(self, connection: WebSocketConnection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)

    def close(self) -> None:
        """Close all connections, as the process ends, and those that are opened from now on."""
        self.is_ending = True
        for connection in list(self.connections):
            connection.shutdown()

    def wake(self, connection: WebSocketConnection, seconds: float) -> None:
        """Call `connection.due()` after this time, rounded up to a second."""
        now = self.clock.time()
        self.lists.setdefault(int(now + seconds) + 1, []).append(connection)
        if self.timer is None:
            self.timer = self.clock.call_at(float(int(now) + 1), self._tick)

    def _tick(self) -> None:
        """Call the connections that are due."""
        self.timer = None
        now = int(self.clock.time())
        for second in sorted(one for one in self.lists if one <= now):
            for connection in self.lists.pop(second):
                connection.due()
        if self.lists and self.timer is None:
            self.timer = self.clock.call_at(float(now + 1), self._tick)
