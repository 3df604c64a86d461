"""To subgraphs over HTTP: a pool of keep-alive connections per origin, bounded, with a time-out over all of a request.

A connection that was idle may have been closed by the other side the moment it is used: such a request never reached the
subgraph, and goes out once more on a fresh connection. Whether it did can't be told for sure, so a mutation is not sent again; it
takes only a connection that was used a moment ago, since servers close those that are idle for some seconds.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools
import orjson

from gateway.core.errors import SettingsError, SubgraphError
from gateway.transport.base import SubgraphReply, SubgraphRequest
from gateway.transport.connection import Connection, ConnectionClosed, HttpReply, ReplyTooLarge

FRESH = 2.0  # seconds; common servers keep idle connections for at least five


@dataclass(slots=True)
class _Origin:
    host: str
    port: int
    tls: ssl.SSLContext | None
    slots: asyncio.Semaphore
    idle: list[Connection] = field(default_factory=list)


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
        self._origins: dict[tuple[str, int, bool], _Origin] = {}
        self._targets = {name: self._target(name, url) for name, url in urls.items()}

    def __repr__(self) -> str:
        return f"HttpTransport({', '.join(f'{name}={target.url}' for name, target in self._targets.items())})"

    def _target(self, name: str, url: str) -> _Target:
        host, port, tls, path = parse_url(name, url)
        origin = self._origins.get((host, port, tls))
        if origin is None:
            context = ssl.create_default_context() if tls else None
            origin = _Origin(host, port, context, asyncio.Semaphore(self.connections))
            self._origins[host, port, tls] = origin
        shown = f"[{host}]" if ":" in host else host
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {shown}:{port}\r\ncontent-type: application/json\r\n"
            "accept: application/graphql-response+json, application/json\r\n"
        )
        return _Target(url, origin, head.encode("ascii", "strict"))

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        target = self._targets.get(request.subgraph)
        if target is None:
            message = "has no address; give one with --subgraph-url NAME=URL"
            raise SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=request.subgraph)
        try:
            body = orjson.dumps(request.payload(), option=orjson.OPT_NON_STR_KEYS)
        except TypeError as error:
            message = f"can't be asked, as a value for it can't be written as JSON: {error}"
            raise SubgraphError(message, "SUBGRAPH_WRONG_VALUE", subgraph=request.subgraph) from error
        head = _head(target.head, request, len(body))
        try:
            async with asyncio.timeout(timeout):
                reply = await self._exchange(target.origin, head, body, request.repeatable)
        except TimeoutError as error:
            message = f"gave no answer within {timeout:g} s"
            raise SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=request.subgraph) from error
        except (ReplyTooLarge, httptools.HttpParserError) as error:
            message = f"gave an answer that can't be read: {error}"
            raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=request.subgraph) from error
        except (OSError, ConnectionClosed) as error:
            raise SubgraphError("can't be reached", "SUBGRAPH_UNREACHABLE", subgraph=request.subgraph) from error
        return SubgraphReply(_read(reply, request.subgraph), reply.headers)

    async def _exchange(self, origin: _Origin, head: bytes, body: bytes, repeatable: bool) -> HttpReply:
        async with origin.slots:
            while True:
                reused = _take_idle(origin, FRESH if not repeatable else None)
                connection = reused or await self._connect(origin)
                try:
                    return await self._once(origin, connection, head, body)
                except ConnectionClosed as error:
                    if reused is None or not (error.clean and repeatable):
                        raise

    async def _once(self, origin: _Origin, connection: Connection, head: bytes, body: bytes) -> HttpReply:
        try:
            reply = await connection.request(head, body)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            connection.idle_since = asyncio.get_running_loop().time()
            origin.idle.append(connection)
        else:
            connection.close()
        return reply

    async def _connect(self, origin: _Origin) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self.max_reply), origin.host, origin.port, ssl=origin.tls
        )
        return connection

    async def close(self) -> None:
        """Close the idle connections."""
        for origin in self._origins.values():
            while origin.idle:
                origin.idle.pop().close()


def _take_idle(origin: _Origin, at_most: float | None) -> Connection | None:
    """The idle connection used last; None when there is none, or none idle for so few seconds."""
    while origin.idle:
        connection = origin.idle[-1]
        idle = asyncio.get_running_loop().time() - connection.idle_since
        if connection.usable and at_most is not None and idle > at_most:
            return None
        origin.idle.pop()
        if connection.usable:
            return connection
    return None


def _head(start: bytes, request: SubgraphRequest, length: int) -> bytes:
    lines = [start, b"content-length: %d\r\n" % length]
    for name, value in request.headers:
        line = f"{name}: {value}"
        if "\r" not in line and "\n" not in line:  # a header can't smuggle in another
            lines.append(line.encode("latin-1", "replace") + b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _read(reply: HttpReply, subgraph: str) -> object:
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
