"""A callback in this process, an emitter that posts to it, and requests for subscriptions."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import strawberry
from graphql import GraphQLError
from strawberry.asgi import GraphQL
from strawberry.permission import BasePermission

from gateway.core.clock import FakeClock, run_ready_callbacks
from gateway.strawberry_subgraphs import CallbackEmitter
from tests.gateway.support import until
from tests.gateway.transport.streaming import QuietSchema

PREFIX = "http://gateway:4000/callback"
VERIFIER = "a-secret-of-this-subscription"
ACCEPT = {"accept": "application/json;callbackSpec=1.0"}


class Hang(Exception):
    """A reply of a callback that never comes."""


Reply = int | Exception | dict[str, str]
"""A status, an exception of the connection, or the headers of a redirect."""


class FakeCallback(httpx.AsyncBaseTransport):
    """Records the posts, and replies with `replies`, then with 204."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.posts: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.running = self.most = 0
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Record a post."""
        assert request.headers["content-type"] == "application/json"
        assert request.headers["subscription-protocol"] == "callback/1.0"
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.urls.append(str(request.url))
            self.posts.append(json.loads(request.content))
            await asyncio.sleep(0)
            return await self._reply(self.replies.pop(0) if self.replies else 204)
        finally:
            self.running -= 1

    async def _reply(self, reply: Reply) -> httpx.Response:
        if isinstance(reply, Hang):
            await asyncio.get_running_loop().create_future()
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply) if isinstance(reply, int) else httpx.Response(307, headers=reply)

    @property
    def actions(self) -> list[str]:
        """Return the action of each post."""
        return [post["action"] for post in self.posts]

    @property
    def events(self) -> list[Any]:
        """Return the payloads."""
        return [post["payload"] for post in self.posts if post["action"] == "next"]

    async def count(self, number: int) -> None:
        """Wait for this number of posts, and assert that no more follow at once."""
        await until(lambda: len(self.posts) >= number)
        await run_ready_callbacks(50)
        assert len(self.posts) == number

    async def has(self, *actions: str) -> None:
        """Wait for these posts, and assert that they are all."""
        await until(lambda: len(self.posts) >= len(actions))
        assert tuple(self.actions) == actions


class Feed:
    """The sources of the subscriptions in the context. `open`: how many are read."""

    def __init__(self) -> None:
        self.open = 0
        self.started = 0
        self.queues: list[asyncio.Queue[Any]] = []

    def push(self, value: Any) -> None:
        """Send an event, or an exception, or None for the end."""
        for queue in self.queues:
            queue.put_nowait(value)

    async def read(self) -> AsyncGenerator[Any, None]:
        """Yield what is pushed."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self.queues.append(queue)
        self.open += 1
        self.started += 1
        try:
            while (value := await queue.get()) is not None:
                if isinstance(value, Exception):
                    raise value
                yield value
        finally:
            self.open -= 1
            self.queues.remove(queue)


class Never(BasePermission):
    """Refuses everyone."""

    message = "never"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        """Return False."""
        return False


@strawberry.type
class Query:
    """The root of queries."""

    @strawberry.field
    async def x(self) -> int:
        """Return 1."""
        return 1


@strawberry.type
class Subscription:
    """The root of subscriptions."""

    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        """Count from 0."""
        for number in range(to):
            yield number

    @strawberry.subscription
    async def numbers(self, info: strawberry.Info) -> AsyncGenerator[int, None]:
        """Pass on what is pushed; a text is an event with an error."""
        async for value in info.context["feed"].read():
            yield value

    @strawberry.subscription
    async def refused(self, allowed: bool = False) -> AsyncGenerator[int, None]:
        """Fail before the first event."""
        if not allowed:
            raise GraphQLError("not for you", extensions={"code": "FORBIDDEN"})
        yield 1

    @strawberry.subscription
    async def whoami(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        """Send a header of the request, and what the resolver knows of the extensions."""
        yield f"{info.context['request'].headers.get('authorization')} {info.input_extensions}"

    async def _forbidden(self) -> AsyncGenerator[int, None]:
        yield 1

    forbidden: AsyncGenerator[int, None] = strawberry.subscription(
        resolver=_forbidden, permission_classes=[Never]
    )


SCHEMA = QuietSchema(Query, subscription=Subscription)


class App(GraphQL[Any, Any]):
    """Strawberry's application with a feed in the context."""

    def __init__(self) -> None:
        super().__init__(SCHEMA)
        self.feed = Feed()

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        """Return the context."""
        return {"request": request, "response": response, "feed": self.feed}


class Rig:
    """An emitter with a fake clock and a fake callback, and a client of it."""

    def __init__(self, *replies: Reply, **options: Any) -> None:
        self.callback = FakeCallback(*replies)
        self.clock = FakeClock()
        self.app: App = options.pop("app", None) or App()
        self.emitter = CallbackEmitter(
            self.app,
            allowed=options.pop("allowed", [PREFIX]),
            client=httpx.AsyncClient(transport=self.callback),
            clock=self.clock,
            **options,
        )
        served: Callable[..., Any] = self.emitter
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(served, raise_app_exceptions=False), base_url="http://subgraph"
        )

    async def subscribe(self, *arguments: Any, **options: Any) -> httpx.Response:
        """Request a subscription; the arguments are those of `subscribing`."""
        return await self.client.send(self.subscribing(*arguments, **options))

    def subscribing(
        self, query: str = "subscription { numbers }", *, headers: Any = ACCEPT, **changes: Any
    ) -> httpx.Request:
        """Return the request for a subscription. `changes`: of the extension; None leaves something out."""
        details = {
            "callbackUrl": f"{PREFIX}/id1",
            "subscriptionId": "id1",
            "verifier": VERIFIER,
            "heartbeatIntervalMs": 0,
            **changes,
        }
        details = {name: value for name, value in details.items() if value is not None}
        body = {"query": query, "extensions": {"subscription": details, "other": 1}}
        return self.client.build_request("POST", "/", json=body, headers=headers)

    async def over(self) -> None:
        """Wait until no subscription is active, nor a source read."""
        await until(lambda: not self.emitter.active and not self.app.feed.open)

    async def ready(self, sources: int = 1) -> None:
        """Wait until sources are read."""
        await until(lambda: self.app.feed.open == sources)


@asynccontextmanager
async def rig(*replies: Reply, **options: Any) -> AsyncIterator[Rig]:
    """Run an emitter; at the end nothing may be left."""
    made = Rig(*replies, **options)
    try:
        yield made
    finally:
        await made.emitter.close()
        await made.client.aclose()
        await made.over()
    assert made.callback.most <= 1 or len({post["id"] for post in made.callback.posts}) > 1
