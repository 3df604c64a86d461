"""The gateway behind uvicorn on a free port, in the test's event loop, and socket connections to it."""

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn

from gateway.app import create_app
from gateway.http.direct import DirectCycle, DirectProtocol
from gateway.http.respond import HttpReply
from gateway.observe.observer import Observer
from gateway.settings import Settings
from tests.gateway.support import supergraph_of

FIELDS = "hello(name: String): String large(name: String): String who: String broken: String"
SDLS = {"a": f"type Query {{ {FIELDS} }} type Mutation {{ add: Int }}"}
HELLO = "query($n: String) { hello(name: $n) }"
LARGE = "query($n: String) { large(name: $n) }"
SIZE = 200_000  # of a large answer
GUARD = 30  # seconds after which a test hangs


class Subgraph:
    """Replies at once; for the name "wait" it replies when `go` is set.

    `calls`: the names that it received.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Reset the state."""
        self.calls: list[str | None] = []
        self.started, self.cancelled, self.go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Reply to a call."""
        name = (variables or {}).get("n")
        self.calls.append(name)
        if name == "wait":
            self.started.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if "broken" in query:
            return {"errors": [{"message": "it is broken"}], "data": {"broken": None}}
        known = {"hello": name, "large": (name or "") + "x" * SIZE, "add": len(self.calls)}
        known["who"] = headers.get("x-forwarded-for")
        return {"data": {field: value for field, value in known.items() if field in query}}


class Watched(DirectProtocol):
    """The protocol, which also counts direct responses and pieces of requests."""

    short = 0
    pieces = 0

    def write_reply(self, cycle: DirectCycle, reply: HttpReply) -> None:
        """Count and write."""
        Watched.short += 1
        super().write_reply(cycle, reply)

    def data_received(self, data: bytes) -> None:
        """Count and parse."""
        Watched.pieces += 1
        super().data_received(data)


@dataclass
class Served:
    """A running server and the subgraph behind it."""

    server: uvicorn.Server
    task: "asyncio.Task[None]"
    port: int
    subgraph: Subgraph
    observer: Observer

    @property
    def connections(self) -> list[Any]:
        """Return the protocols of its open connections."""
        return list(self.server.server_state.connections)


@asynccontextmanager
async def serving(
    http: Any = Watched, settings: Settings | None = None, plugins: Iterable[object] = (), **options: Any
) -> AsyncIterator[Served]:
    """Serve the gateway in this event loop on a free port; `options` are uvicorn's."""
    Watched.short = Watched.pieces = 0
    subgraph = Subgraph()
    observer = Observer()
    app = create_app(
        supergraph_of(SDLS), settings or Settings(), {"a": subgraph}, observer=observer, plugins=plugins
    )
    options = {"timeout_graceful_shutdown": 1, **options}
    quiet: dict[str, Any] = {
        "log_config": None,
        "log_level": 60,
        "access_log": False,
        "server_header": False,
        "ws": "none",
    }
    server = uvicorn.Server(uvicorn.Config(app, http=http, **quiet, **options))
    listener = socket.socket()
    # What it accepts has the same: answers that nobody reads rest in the server, where they can be counted.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    listener.bind(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    served = Served(server, task, listener.getsockname()[1], subgraph, observer)
    try:
        async with asyncio.timeout(GUARD):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        yield served
    finally:
        subgraph.go.set()
        server.should_exit = True
        async with asyncio.timeout(GUARD):
            await task


def raw(
    *head: bytes,
    body: bytes = b"",
    line: bytes = b"POST /graphql HTTP/1.1",
    kind: bytes = b"application/json",
) -> bytes:
    """Return a request with some header lines and a content length."""
    lines = (line, b"Host: gateway", b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *head)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def payload(query: str, name: str | None = None) -> bytes:
    """Return the body of an operation."""
    return orjson.dumps({"query": query, "variables": {"n": name}} if name else {"query": query})


def post(query: str, name: str | None = None, *head: bytes, line: bytes = b"POST /graphql HTTP/1.1") -> bytes:
    """Return the request for an operation."""
    return raw(*head, body=payload(query, name), line=line)


GET = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: x\r\n\r\n"
NOISE = random.Random(7).randbytes(3_000)
GOOD = post(HELLO, "a")
LAST = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def read_one(reader: asyncio.StreamReader) -> bytes:
    """Return one reply: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def body_of(reply: bytes) -> Any:
    """Return the JSON of a reply."""
    return orjson.loads(reply.partition(b"\r\n\r\n")[2])


@asynccontextmanager
async def connected(
    served: Served, buffer: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection that is closed after the maximum time of a test.

    `buffer`: bytes of its receive buffer.
    """
    with socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setblocking(False)
        async with asyncio.timeout(GUARD):
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
            reader, writer = await asyncio.open_connection(sock=client, limit=buffer or 65_536)
            try:
                yield reader, writer
            finally:
                writer.close()


async def talk(served: Served, *requests: bytes) -> bytes:
    """Return all replies to requests, each sent after the previous reply, followed by LAST."""
    got = b""
    async with connected(served) as (reader, writer):
        for request in (*requests, LAST):
            writer.write(request)
            try:
                got += await read_one(reader)
            except asyncio.IncompleteReadError as error:  # closed before LAST
                got += error.partial
        got += await reader.read()
    return re.sub(rb"date: [^\r]+ GMT\r", b"date: now\r", got)


async def until(fact: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(GUARD):
        while not fact():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


def under_way(served: Served) -> int:
    """Return the number of requests in progress on the direct path."""
    return sum(one.direct is not None for one in served.connections)


async def gone(served: Served) -> None:
    """Wait until the server has no connection."""
    await until(lambda: not served.connections)


async def well(served: Served) -> None:
    """Check that the server replies on a new connection."""
    assert b'{"hello":"new"}' in await talk(served, post(HELLO, "new"))
