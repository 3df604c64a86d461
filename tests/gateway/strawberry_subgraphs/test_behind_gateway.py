"""A strawberry subgraph with the emitter on uvicorn, behind the gateway on uvicorn, by HTTP callback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import orjson
import uvicorn
from graphql import GraphQLError

from gateway.app import GatewayApp, create_gateway
from gateway.settings import (
    CallbackSettings,
    Settings,
    SubgraphSettings,
    SubgraphSubscriptions,
    SubscriptionSettings,
)
from gateway.strawberry_subgraphs import CallbackEmitter, Delivery
from subgraphs.platform.processes import free_port
from tests.gateway.strawberry_subgraphs.callbacks import App
from tests.gateway.strawberry_subgraphs.library import SCHEMA as LIBRARY
from tests.gateway.support import supergraph_of, until

SDL = """type Query { x: Int! }
type Subscription { count(to: Int!): Int! numbers: Int! refused: Int! whoami: String! }"""
QUIET: dict[str, Any] = {"log_config": None, "log_level": 60, "ws": "none", "timeout_graceful_shutdown": 1}
QUICK = Delivery(pause=0.01, attempts=3)


class Recorded:
    """An ASGI application around another one; it records the bodies of the posts to callbacks."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.actions: list[str] = []
        self.statuses: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a connection on."""
        if scope["type"] != "http" or not scope["path"].startswith("/callback"):
            await self.app(scope, receive, send)
            return

        async def received() -> Any:
            message = await receive()
            if message.get("body"):
                self.actions.append(orjson.loads(message["body"])["action"])
            return message

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self.app(scope, received, sent)


@asynccontextmanager
async def served(app: Any, port: int) -> AsyncIterator[uvicorn.Server]:
    """Serve an application in this event loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="on", **QUIET))
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or task.done())
        yield server
    finally:
        server.should_exit = True
        await task


class World:
    """The subgraph, and the gateway on its port: `start` starts another one there."""

    def __init__(self, heartbeat: float) -> None:
        self.subgraph_port, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.app = App()
        self.emitter = CallbackEmitter(self.app, allowed=[f"{self.url}/callback"], delivery=QUICK)
        self.settings = Settings(
            subscriptions=SubscriptionSettings(
                callback=CallbackSettings(f"{self.url}/callback", heartbeat=heartbeat)
            ),
            subgraphs={
                "a": SubgraphSettings(
                    url=f"http://127.0.0.1:{self.subgraph_port}/",
                    subscriptions=SubgraphSubscriptions("callback"),
                )
            },
        )
        self.gateway = Recorded(None)

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Recorded]:
        """Serve a new gateway."""
        app = GatewayApp(create_gateway(supergraph_of({"a": SDL}), self.settings))
        recorded = Recorded(app.routes)
        async with served(recorded, self.port):
            yield recorded

    @asynccontextmanager
    async def events(self, field: str) -> AsyncIterator[AsyncIterator[Any]]:
        """Subscribe at the gateway; yield the responses."""
        headers = {"accept": "text/event-stream"}
        body = {"query": f"subscription {{ {field} }}"}
        async with (
            httpx.AsyncClient(timeout=30) as client,
            client.stream("POST", f"{self.url}/graphql", json=body, headers=headers) as reply,
        ):
            assert reply.status_code == 200
            yield _data(reply)

    async def over(self) -> None:
        """Wait until the emitter has no subscription."""
        await until(lambda: not self.emitter.active and not self.app.feed.open)


async def _data(reply: httpx.Response) -> AsyncIterator[Any]:
    async for line in reply.aiter_lines():
        name, _, value = line.partition(":")
        if name == "data" and value.strip():
            yield orjson.loads(value)


@asynccontextmanager
async def world(heartbeat: float = 5.0) -> AsyncIterator[World]:
    """Serve the subgraph and the gateway."""
    made = World(heartbeat)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served(made.emitter, made.subgraph_port))
        made.gateway = await stack.enter_async_context(made.start())
        yield made


async def test_events_arrive() -> None:
    """Each event in order, then the end; the gateway received a check, three events and complete."""
    async with world() as one:
        async with one.events("count(to: 3)") as events:
            found = [event async for event in events]
        assert [event["data"]["count"] for event in found] == [0, 1, 2]
        assert one.gateway.actions == ["check", "next", "next", "next", "complete"]
        assert set(one.gateway.statuses) == {204}
        await one.over()


async def test_a_client_that_leaves() -> None:
    """The next event gets the status 404, and the emitter closes the source."""
    async with world() as one:
        async with one.events("numbers") as events:
            await until(lambda: one.app.feed.open == 1)
            one.app.feed.push(7)
            assert (await anext(events))["data"] == {"numbers": 7}
        while one.app.feed.open:
            one.app.feed.push(8)
            await asyncio.sleep(0.01)
        await one.over()
        assert one.gateway.statuses[-1] == 404


async def test_a_client_that_leaves_without_further_events() -> None:
    """A heartbeat finds it out."""
    async with world(heartbeat=1.0) as one:
        async with one.events("numbers"):
            await until(lambda: one.app.feed.open == 1)
        await one.over()
        assert one.gateway.actions[-1] == "check" and one.gateway.statuses[-1] == 404


async def test_another_gateway_on_the_port() -> None:
    """It does not know the subscription: the emitter stops, and serves the new gateway's ones."""
    async with AsyncExitStack() as stack:
        one = World(5.0)
        await stack.enter_async_context(served(one.emitter, one.subgraph_port))
        async with one.start(), one.events("numbers"):
            await until(lambda: one.app.feed.open == 1)
        async with one.start() as second:
            one.app.feed.push(1)
            await one.over()
            assert (second.actions, second.statuses) == (["next"], [404])
            async with one.events("count(to: 1)") as events:
                assert [event["data"] async for event in events] == [{"count": 0}]


async def test_a_gateway_that_is_gone() -> None:
    """After the last attempt the emitter stops."""
    async with AsyncExitStack() as stack:
        one = World(5.0)
        await stack.enter_async_context(served(one.emitter, one.subgraph_port))
        async with one.start(), one.events("numbers"):
            await until(lambda: one.app.feed.open == 1)
        one.app.feed.push(1)
        await one.over()


async def test_errors_of_the_subgraph() -> None:
    """An error of the source, and a subscription that the subgraph refuses, reach the client and end it."""
    async with world() as one:
        async with one.events("numbers") as events:
            await until(lambda: one.app.feed.open == 1)
            one.app.feed.push(1)
            one.app.feed.push(GraphQLError("is broken", extensions={"code": "BROKEN"}))
            found = [event async for event in events]
        assert found[0]["data"] == {"numbers": 1} and "errors" in found[-1]
        async with one.events("refused") as events:
            found = [event async for event in events]
        assert "errors" in found[-1]
        await one.over()


async def test_the_end_of_the_subgraph() -> None:
    """Its server's lifespan ends the subscription, and the client's stream ends with an error."""
    one = World(5.0)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(one.start())
        async with served(one.emitter, one.subgraph_port):
            events = await stack.enter_async_context(one.events("numbers"))
            await until(lambda: one.app.feed.open == 1)
        found = [event async for event in events]
        assert "errors" in found[-1] and gateway.actions == ["check", "complete"]
        assert not one.emitter.active


async def test_a_schema_by_itself() -> None:
    """An emitter of a schema serves its queries."""
    emitter = CallbackEmitter(LIBRARY, allowed=["http://127.0.0.1:4000/callback"])
    transport = httpx.ASGITransport(emitter)
    async with emitter.running(), httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        reply = await client.post("/", json={"query": "{ __typename _service { sdl } }"})
        assert 'type Book @key(fields: "id")' in reply.json()["data"]["_service"]["sdl"]
    assert emitter.is_closed
