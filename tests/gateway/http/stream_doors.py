"""A gateway whose streams the test pushes, behind real sockets. Its clients are in `raw_clients`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn

from gateway.answering import Gateway
from gateway.app import GatewayApp, create_gateway
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.http.direct import DirectProtocol
from gateway.http.websocket import WebSocketConnection
from gateway.observe.facts import Fact
from gateway.observe.observer import Observer
from gateway.settings import HeaderRules, Settings
from gateway.transport.fake_streams import FakeStream, FakeStreams
from tests.gateway.http.sockets import GUARD, until
from tests.gateway.support import supergraph_of

SDLS = {
    "prices": "type Query { product(id: ID): Product broken: Int held: Int who: String }"
    " type Mutation { reprice: Int }"
    " type Subscription { price(id: ID): Product count: Int! }"
    ' type Product @key(fields: "id") { id: ID! cents: Int }',
    "names": 'type Query { y: Int } type Product @key(fields: "id") { id: ID! name: String title: String }',
}
PRICE = "subscription($id: ID) { price(id: $id) { id cents } }"
NAMED = "subscription($id: ID) { price(id: $id) { name } }"
COUNT = "subscription { count }"
HELD = "{ held }"


class Subgraphs:
    """Both subgraphs, in this process.

    `asked`: what they received. `go`: lets the field `held` reply; and entities if `holds_entities`.
    `failing`: whether entities have an error.
    """

    def __init__(self) -> None:
        self.holds_entities = self.failing = False
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.cancelled = 0

    async def __call__(
        self, query: str, variables: Mapping[str, Any] | None, _: str | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Reply to a request."""
        self.asked.append(query)
        if "_entities" in query:
            return await self._entities(query, (variables or {})["representations"])
        if "broken" in query:
            return {"errors": [{"message": "secret", "path": ["broken"]}], "data": {"broken": None}}
        if "held" in query:
            await self._wait()
        known: dict[str, Any] = {"held": 1, "reprice": 7, "y": 2, "hidden": 42}
        known["who"] = headers.get("authorization") or headers.get("cookie") or "nobody"
        if "large" in query:  # as an alias
            known["large"] = "x" * 1_000_000
        found = {name: value for name, value in known.items() if name in query}
        if "product" in query:  # as a part that is deferred needs it
            found["product"] = {"id": "1", "cents": 1, "_gateway_id": "1", "_gateway_typename": "Product"}
        return {"data": found}

    async def _entities(self, query: str, representations: list[Any]) -> dict[str, Any]:
        if self.holds_entities:
            await self._wait()
        if self.failing:
            return {"errors": [{"message": "is gone", "extensions": {"code": "GONE"}}], "data": None}
        fields = query.partition("on Product{")[2]
        found = []
        for key in (one["id"] for one in representations):
            known = {
                "id": key,
                "cents": 1,
                "name": f"name {key}",
                "title": f"title {key}",
                "secret": 42,
                "next": None,
            }
            found.append({name: value for name, value in known.items() if name in fields})
        return {"data": {"_entities": found}}

    async def _wait(self) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass
class Doors:
    """A gateway on a port of this process. `facts`: what it has reported."""

    app: GatewayApp
    streams: FakeStreams
    subgraphs: Subgraphs
    server: uvicorn.Server
    port: int
    facts: list[Fact] = field(default_factory=list)

    @property
    def gateway(self) -> Gateway:
        """Return the gateway."""
        return self.app.gateway

    @property
    def sockets(self) -> list[WebSocketConnection]:
        """Return the WebSocket connections."""
        return list(self.app.routes.websockets.connections)

    def event(self, number: int = -1, cursor: str | None = None, **product: Any) -> None:
        """Send an event over one of the opened streams, by default over the last one."""
        found = {"id": "1", "cents": 1, **product}
        self.streams.opened[number].event(orjson.dumps({"data": {"price": found}}), cursor)

    async def opened(self, count: int = 1) -> FakeStream:
        """Wait until this many streams were opened; return the last one."""
        await until(lambda: len(self.streams.opened) >= count)
        return self.streams.opened[count - 1]

    async def left(self) -> None:
        """Wait until the hub has no subscription, and each stream has ended."""
        await until(lambda: not self.gateway.hub.all_groups and not self.streams.running)

    async def shut_down(self) -> None:
        """Have the server end, as at a SIGTERM."""
        self.server.should_exit = True


@asynccontextmanager
async def doors(
    settings: Settings | None = None,
    clock: Clock = SYSTEM_CLOCK,
    *,
    sdls: Mapping[str, str] | str = SDLS,
    prepare: Callable[[Gateway], object] | None = None,
    http: Any = DirectProtocol,
    resuming: bool = False,
    **options: Any,
) -> AsyncIterator[Doors]:
    """Serve a gateway.

    `sdls`: of the subgraphs, or of the supergraph. `prepare`: changes the gateway first. `options`:
    uvicorn's.
    """
    subgraphs = Subgraphs()
    facts: list[Fact] = []
    given = settings or Settings(headers=HeaderRules(forward=("authorization",)))
    supergraph = sdls if isinstance(sdls, str) else supergraph_of(sdls)
    local = dict.fromkeys(SDLS, subgraphs)
    gateway = create_gateway(supergraph, given, local, observer=Observer([facts.append]), clock=clock)
    streams = gateway.streams = FakeStreams(frozenset(SDLS) if resuming else frozenset())
    if prepare is not None:
        prepare(gateway)
    app = GatewayApp(gateway)
    quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "access_log": False, "ws": "none"}
    options = {"timeout_graceful_shutdown": 1, **quiet, **options}
    server = uvicorn.Server(uvicorn.Config(app.routes, http=http, **options))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # what nobody reads rests in the server
    listener.bind(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        yield Doors(app, streams, subgraphs, server, listener.getsockname()[1], facts)
    finally:
        subgraphs.go.set()
        server.should_exit = True
        async with asyncio.timeout(GUARD):
            await task
