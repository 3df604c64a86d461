"""Subgraphs and gateways on real sockets, with or without TLS, for tests of what crosses the wire."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import httpx
import orjson
import uvicorn

from gateway.app import create_app
from gateway.observe.facts import Fact
from gateway.observe.observer import Observer
from gateway.settings import Settings, SubgraphSettings
from tests.gateway.support import supergraph_of

GUARD = 30  # seconds after which a test hangs


class Received(NamedTuple):
    """One request as a subgraph received it. `headers`: in order, with lower-case names."""

    line: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: str) -> str | None:
        """Return the value of a header; None if it is missing. Fails if it is there twice."""
        found = [value.decode("latin-1") for one, value in self.headers if one.decode("latin-1") == name]
        assert len(found) <= 1, f"{name} twice"
        return found[0] if found else None

    @property
    def query(self) -> str:
        """Return the text of the GraphQL request."""
        return str(orjson.loads(self.body)["query"])


class Answer(NamedTuple):
    """A subgraph's reply. `headers`: complete header lines."""

    payload: Any
    headers: tuple[bytes, ...] = ()
    status: bytes = b"200 OK"


Answering = Callable[[Received], Answer]


@dataclass
class Upstream:
    """A subgraph's server. `close_next`: closes the connection instead of replying, this many times."""

    answering: Answering
    url: str = ""
    close_next: int = 0
    requests: list[Received] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                received = await receive(reader)
                self.requests.append(received)
                if self.close_next:
                    self.close_next -= 1
                    break
                answer = self.answering(received)
                body = answer.payload if isinstance(answer.payload, bytes) else orjson.dumps(answer.payload)
                lines = (b"HTTP/1.1 " + answer.status, b"content-length: %d" % len(body), *answer.headers)
                writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        writer.close()


async def receive(reader: asyncio.StreamReader) -> Received:
    """Read one request."""
    line, *rest = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    pairs = [one.partition(b":") for one in rest]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    return Received(line, headers, await reader.readexactly(int(dict(headers)[b"content-length"])))


@asynccontextmanager
async def upstream(answering: Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Yield a subgraph's server on a free port of localhost."""
    found = Upstream(answering)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    found.url = f"{'https' if tls else 'http'}://localhost:{port}/graphql"
    try:
        yield found
    finally:
        server.close()


@dataclass
class Door:
    """A gateway on a socket. `facts`: what it has reported."""

    port: int
    facts: list[Fact]
    server: uvicorn.Server

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the reported facts of one type."""
        return [one for one in self.facts if isinstance(one, kind)]


@asynccontextmanager
async def door(
    sdls: Mapping[str, str] | str,
    upstreams: Mapping[str, Upstream],
    settings: Settings | None = None,
    http: Any = "gateway.http.direct:DirectProtocol",
    **options: Any,
) -> AsyncIterator[Door]:
    """Serve a gateway over subgraphs on sockets, in this event loop.

    `sdls`: those of the subgraphs, or the supergraph's; `options`: uvicorn's.
    """
    given = settings or Settings()
    own = {
        name: replace(given.subgraphs.get(name, SubgraphSettings()), url=one.url)
        for name, one in upstreams.items()
    }
    facts: list[Fact] = []
    supergraph = sdls if isinstance(sdls, str) else supergraph_of(sdls)
    app = create_app(supergraph, replace(given, subgraphs=own), observer=Observer([facts.append]))
    quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "access_log": False, "ws": "none"}
    config = uvicorn.Config(app, http=http, timeout_graceful_shutdown=1, **quiet, **options)
    async with listening(config) as (port, server):
        yield Door(port, facts, server)


@asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """Run a server in this event loop; yield its port and the server."""
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(GUARD):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        yield listener.getsockname()[1], server
    finally:
        server.should_exit = True
        async with asyncio.timeout(GUARD):
            await task


def wait_for(url: str) -> None:
    """Return when a server of another process answers at the URL."""
    for _ in range(300):
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)
