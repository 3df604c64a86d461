"""To subgraphs over HTTP: a pool of keep-alive connections per origin, bounded, with a time-out over all of a request.

A connection that was idle may have been closed by the other side the moment it is used: such a request never reached the
subgraph, and goes out once more on a fresh connection. Whether it did can't be told for sure, so a mutation is not sent again; it
takes only a connection that was used a moment ago, since servers close those that are idle for some seconds.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import orjson

from gateway.core.errors import SettingsError, SubgraphError
from gateway.transport.base import Done, Handle, Headers, Outcome, RawReply, SubgraphReply, SubgraphRequest
from gateway.transport.connection import Connection, ConnectionClosed

SWEEP = 0.5  # seconds between two looks at deadlines
FRESH = 2.0  # seconds; common servers keep idle connections for at least five


@dataclass(slots=True)
class _Origin:
    """One server: its idle connections, how many are in use, and who waits for one."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    limit: int
    idle: list[Connection] = field(default_factory=list)
    busy: int = 0
    waiting: "deque[_Exchange]" = field(default_factory=deque)

    def take_idle(self, at_most: float | None) -> Connection | None:
        """The idle connection used last; None when there is none, or none idle for so few seconds."""
        while self.idle:
            connection = self.idle[-1]
            idle = asyncio.get_running_loop().time() - connection.idle_since
            if connection.usable and at_most is not None and idle > at_most:
                return None
            self.idle.pop()
            if connection.usable:
                return connection
        return None

    def leave(self) -> None:
        """A place is free: the next in line takes it."""
        self.busy -= 1
        while self.waiting:
            following = self.waiting.popleft()
            if following.done is not None:
                following.begin()
                return


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    origin: _Origin
    head: bytes


def parse_url(name: str, url: str) -> tuple[str, int, bool, str]:
    """Host, port, whether TLS, and path of a subgraph's address; SettingsError BAD_OPTION for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"the address of subgraph {name} is not a URL: {url!r}", "BAD_OPTION") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char <= " " for char in url):
        message = f"the address of subgraph {name} must be http://HOST[:PORT]/PATH or https://…, not {url!r}"
        raise SettingsError(message, "BAD_OPTION")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or (443 if tls else 80), tls, path


class HttpTransport:
    """Sends to each subgraph at its address, at most `connections` requests at once per origin."""

    def __init__(self, urls: Mapping[str, str], *, connections: int = 100, max_reply: int = 50_000_000) -> None:
        self.max_reply = max_reply
        self.connections = connections
        self.closed = False
        self._deadlines = _Deadlines()
        self.forget = self._deadlines.open.discard
        self._origins: dict[tuple[str, int, bool], _Origin] = {}
        self._targets = {name: self._target(name, url) for name, url in urls.items()}

    def __repr__(self) -> str:
        return f"HttpTransport({', '.join(f'{name}={target.url}' for name, target in self._targets.items())})"

    def _target(self, name: str, url: str) -> _Target:
        host, port, tls, path = parse_url(name, url)
        origin = self._origins.get((host, port, tls))
        if origin is None:
            context = ssl.create_default_context() if tls else None
            origin = _Origin(host, port, context, self.connections)
            self._origins[host, port, tls] = origin
        shown = f"[{host}]" if ":" in host else host
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {shown}:{port}\r\ncontent-type: application/json\r\n"
            "accept: application/graphql-response+json, application/json\r\n"
        )
        return _Target(url, origin, head.encode("ascii", "strict"))

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        try:
            body = request.body()
        except TypeError as error:
            message = f"can't be asked, as a value for it can't be written as JSON: {error}"
            raise SubgraphError(message, "SUBGRAPH_WRONG_VALUE", subgraph=request.subgraph) from error
        reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        handle = self.post(
            request.subgraph, body, request.headers, request.repeatable, timeout, partial(_settle, reply)
        )
        try:
            found = await reply
        finally:
            handle.cancel()
        if isinstance(found, Exception):
            raise found
        return self.read(request.subgraph, found)

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float, done: Done
    ) -> Handle:
        """See Transport.post."""
        loop = asyncio.get_running_loop()
        target = self._targets.get(subgraph)
        if target is None:
            message = "has no address; give one with --subgraph-url NAME=URL"
            return loop.call_soon(done, SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=subgraph))
        origin = target.origin
        exchange = _Exchange(self, subgraph, origin, _head(target.head, headers, len(body)), body, repeatable, done)
        now = loop.time()
        exchange.deadline = now + timeout
        exchange.timeout = timeout
        self._deadlines.watch(loop, exchange, now)
        if origin.busy < origin.limit:
            exchange.begin()
        else:
            origin.waiting.append(exchange)
        return exchange

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """See RawTransport.read."""
        return SubgraphReply(_read(reply, subgraph), reply.raw_headers)

    async def close(self) -> None:
        """Close the idle connections, and each of the others when its reply has come."""
        self.closed = True
        for origin in self._origins.values():
            while origin.idle:
                origin.idle.pop().close()


class _Deadlines:
    """Ends exchanges whose time is over. A timer for each would cost as much as reading a small reply: one looks after all of them."""

    def __init__(self) -> None:
        self.open: set[_Exchange] = set()
        self.timer: asyncio.TimerHandle | None = None
        self.next = 0.0

    def watch(self, loop: asyncio.AbstractEventLoop, exchange: "_Exchange", now: float) -> None:
        """Look after one more."""
        self.open.add(exchange)
        due = now + (exchange.timeout if exchange.timeout < SWEEP else SWEEP)
        if self.timer is None or due < self.next - 0.001:
            if self.timer is not None:
                self.timer.cancel()
            self.next = due
            self.timer = loop.call_at(due, self.sweep, loop)

    def sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is over; look again while there is anything."""
        self.timer = None
        now = loop.time()
        for exchange in [one for one in self.open if one.deadline <= now + 0.001]:
            exchange.too_late()
        if self.open:
            nearest = min(one.deadline for one in self.open)
            self.next = min(now + SWEEP, max(nearest, now))
            self.timer = loop.call_at(self.next, self.sweep, loop)


class _Exchange:
    """One request on its way: waiting for a place, connecting, sent. Whatever ends it calls `done` once, after it has tidied up."""

    __slots__ = (
        "body",
        "connecting",
        "connection",
        "deadline",
        "done",
        "head",
        "inside",
        "origin",
        "pool",
        "repeatable",
        "reused",
        "subgraph",
        "timeout",
    )

    def __init__(
        self,
        pool: HttpTransport,
        subgraph: str,
        origin: _Origin,
        head: bytes,
        body: bytes,
        repeatable: bool,
        done: Done,
    ) -> None:
        self.pool, self.subgraph, self.origin = pool, subgraph, origin
        self.head, self.body, self.repeatable = head, body, repeatable
        self.done: Done | None = done
        self.connection: Connection | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.deadline = self.timeout = 0.0
        self.inside = self.reused = False

    def begin(self) -> None:
        """Take a place, and an idle connection or a new one."""
        self.inside = True
        self.origin.busy += 1
        self.go()

    def go(self) -> None:
        """Send over an idle connection, or connect."""
        connection = self.origin.take_idle(None if self.repeatable else FRESH)
        if connection is not None:
            self.reused = True
            self.connection = connection
            connection.request(self, self.head, self.body)
        else:
            self.reused = False
            self.connecting = asyncio.ensure_future(self.connect())

    async def connect(self) -> None:
        """A new connection, and the request over it."""
        loop = asyncio.get_running_loop()
        origin = self.origin
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self.pool.max_reply), origin.host, origin.port, ssl=origin.tls
            )
        except OSError as error:
            self.fail("can't be reached", "SUBGRAPH_UNREACHABLE", error)
            return
        self.connection = connection
        connection.request(self, self.head, self.body)

    def replied(self, connection: Connection, reply: RawReply) -> None:
        """See Owner."""
        self.connection = None
        if connection.usable and not self.pool.closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self.origin.idle.append(connection)
        else:
            connection.close()
        self.end(reply)

    def failed(self, connection: Connection, error: Exception) -> None:
        """See Owner. An idle connection that was closed under a query's request: it never arrived, and goes out once more."""
        connection.close()
        self.connection = None
        if self.done is None:
            return
        if not isinstance(error, ConnectionClosed):
            self.fail(f"gave an answer that can't be read: {error}", "SUBGRAPH_BAD_RESPONSE", error)
        elif self.reused and error.clean and self.repeatable:
            asyncio.get_running_loop().call_soon(self.again)
        else:
            self.fail("can't be reached", "SUBGRAPH_UNREACHABLE", error)

    def again(self) -> None:
        """Send it once more, unless it was given up."""
        if self.done is not None:
            self.go()

    def too_late(self) -> None:
        """The time is over."""
        self.fail(f"gave no answer within {self.timeout:g} s", "SUBGRAPH_TIMEOUT", None)

    def fail(self, message: str, code: str, cause: Exception | None) -> None:
        """End without a reply; who asked hears of it when it is their turn."""
        if self.done is not None:
            error = SubgraphError(message, code, subgraph=self.subgraph)
            error.__cause__ = cause
            asyncio.get_running_loop().call_soon(self.end, error)

    def cancel(self) -> None:
        """See Handle."""
        if self.done is not None:
            self.done = None
            self.tidy()

    def end(self, outcome: Outcome) -> None:
        """It is over: the place is free, and who asked is told."""
        done, self.done = self.done, None
        if done is not None:
            self.tidy()
            done(outcome)

    def tidy(self) -> None:
        """The deadline is forgotten, a connection that is still in use is of no use, the place is free."""
        self.pool.forget(self)
        if self.connecting is not None and not self.connecting.done():
            self.connecting.cancel()
        if self.connection is not None:
            self.connection.close()
        if self.inside:
            self.inside = False
            self.origin.leave()


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _head(start: bytes, headers: Headers, length: int) -> bytes:
    if not headers:
        return b"%bcontent-length: %d\r\n\r\n" % (start, length)
    lines = [start, b"content-length: %d\r\n" % length]
    for name, value in headers:
        line = f"{name}: {value}"
        if "\r" not in line and "\n" not in line:  # a header can't smuggle in another
            lines.append(line.encode("latin-1", "replace") + b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _read(reply: RawReply, subgraph: str) -> object:
    """The reply's JSON. A GraphQL response counts whatever its status; without one, the status is the error."""
    try:
        payload = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        if reply.status >= 400:
            message = f"answered with HTTP status {reply.status}"
            raise SubgraphError(message, "SUBGRAPH_HTTP_ERROR", subgraph=subgraph) from error
        raise SubgraphError("gave an answer that is not JSON", "SUBGRAPH_BAD_RESPONSE", subgraph=subgraph) from error
    if reply.status >= 400 and not (isinstance(payload, dict) and ("errors" in payload or "data" in payload)):
        message = f"answered with HTTP status {reply.status}"
        raise SubgraphError(message, "SUBGRAPH_HTTP_ERROR", subgraph=subgraph)
    result: object = payload
    return result
