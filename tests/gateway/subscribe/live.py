"""A gateway over two small subgraphs, with fake streams, and sinks that record what they receive."""

import asyncio
from functools import partial
from typing import Any

import orjson

from gateway.answering import Gateway
from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.core.envelope import Envelope
from gateway.core.headers import RequestHeaders
from gateway.core.streams import StreamEnd, StreamPart, Subscribed
from gateway.engine import make_engine
from gateway.execution import envelope_of
from gateway.guards.base import Guards
from gateway.plugins import Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import HeaderRules, Settings
from gateway.subscribe.hub import Hub
from gateway.supergraph.load import load_supergraph
from gateway.transport.base import Call
from gateway.transport.fake import FakeTransport
from gateway.transport.fake_streams import FakeStream, FakeStreams
from tests.gateway.support import supergraph_of

SDLS = {
    "prices": "type Query { x: Int } type Subscription { price(id: ID): Product count: Int! }"
    ' type Product @key(fields: "id") { id: ID! cents: Int }',
    "names": 'type Query { y: Int } type Product @key(fields: "id") { id: ID! name: String strict: String! }',
}
PRICE = "subscription($id: ID) { price(id: $id) { id cents } }"
NAMED = "subscription($id: ID) { price(id: $id) { name cents } }"


class Received:
    """A sink: the decoded bodies, the cursors, and the end."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.cursors: list[str | None] = []
        self.end: StreamEnd | None = None
        self.place: Subscribed | None = None

    def part(self, part: StreamPart) -> None:
        """Record a part."""
        self.bodies.append(orjson.loads(part.body))
        self.cursors.append(part.cursor)

    def ended(self, end: StreamEnd) -> None:
        """Record the end."""
        assert self.end is None
        self.end = end

    @property
    def is_over(self) -> bool:
        """Return whether the stream has ended."""
        return self.end is not None

    @property
    def code(self) -> str:
        """Return the code of the error with which the stream has ended."""
        assert self.end is not None
        found: str = self.end.errors[0]["extensions"]["code"]
        return found

    def leave(self) -> None:
        """Receive nothing more."""
        assert self.place is not None
        self.place.cancel()


class Live:
    """A gateway, its fake streams, and the calls of its other subgraph; `release` lets held calls go on."""

    def __init__(
        self,
        settings: Settings | None = None,
        sdls: dict[str, str] | None = None,
        before: "Live | None" = None,
        guards: Guards | None = None,
        resuming: frozenset[str] = frozenset(),
        plugins: tuple[object, ...] = (),
    ) -> None:
        self.clock: FakeClock = before.clock if before is not None else FakeClock()
        self.streams = FakeStreams(resuming)
        self.transport = FakeTransport(self.reply)
        self.held: list[tuple[Call, asyncio.Future[None]]] = []
        chosen = settings or Settings(headers=HeaderRules(forward=("authorization",)))
        engine = make_engine(
            load_supergraph(supergraph_of(sdls or SDLS)), self.transport, chosen, clock=self.clock
        )
        hub: Hub | None = before.gateway.hub if before is not None else None
        self.gateway: Gateway = Gateway(engine, Hooks(plugins), guards, self.streams, hub)
        if before is None:
            self.gateway.start()

    def reply(self, call: Call) -> Any:
        """Reply to an entity request."""
        keys = [one["id"] for one in call.variables["representations"]]
        return {"data": {"_entities": [{"name": f"name {key}", "strict": f"s {key}"} for key in keys]}}

    async def subscribe(
        self, query: str = PRICE, after: str | None = None, token: str | None = None, **variables: Any
    ) -> Received:
        """Subscribe; return the sink."""
        headers = [(b"authorization", token.encode())] if token else []
        context = self.gateway.context(RequestHeaders(headers, None))
        request = GraphQLRequest(query, variables, after=after)
        envelope = await envelope_of(partial(self.gateway.begin, request, context))
        return self.attach(envelope)

    def attach(self, envelope: Envelope) -> Received:
        """Attach a sink to a response."""
        received = Received()
        received.place = envelope.response.attach(received)  # type: ignore[union-attr]
        return received

    def event(self, number: int = 0, cursor: str | None = None, **fields: Any) -> None:
        """Send an event over one of the opened streams."""
        product = {"id": "1", "cents": 1, **fields}
        self.stream(number).event(orjson.dumps({"data": {"price": product}}), cursor)

    def stream(self, number: int = 0) -> FakeStream:
        """Return one of the opened streams."""
        return self.streams.opened[number]


async def settle() -> None:
    """Run everything that is ready."""
    await run_ready_callbacks(30)
