"""Subgraphs with subscriptions on real servers, and a recorder of what happens in a stream."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import strawberry
import uvicorn
from graphql import GraphQLError
from strawberry.asgi import GraphQL

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SubgraphError
from gateway.settings import Settings, StreamProtocol, SubgraphSettings, SubgraphSubscriptions
from gateway.transport.make_streams import make_streams
from gateway.transport.streams import Streams
from tests.gateway.support import until
from tests.oracle.programs import install

NODE = Path(__file__).parents[2] / "libraries" / "streams"
EVERY_PROTOCOL = ("graphql-transport-ws", "graphql-ws", "graphql-sse", "multipart-subscription")


class Recorder:
    """Records what happens in a stream, as pairs of what and a value."""

    def __init__(self) -> None:
        self.happened: list[tuple[str, Any]] = []

    def opened(self) -> None:
        """Record it."""
        self.happened.append(("opened", None))

    def caught_up(self) -> None:
        """Record it."""
        self.happened.append(("caught up", None))

    def event(self, body: bytes, cursor: str | None = None) -> None:
        """Record the body as JSON, and the cursor if there is one."""
        found = json.loads(body)
        self.happened.append(("event", found if cursor is None else (found, cursor)))

    def backlog(self) -> int:
        """Return 0: a recorder has processed each event when it has received it."""
        return 0

    def interrupted(self, reason: str) -> None:
        """Record the reason."""
        self.happened.append(("interrupted", reason))

    def completed(self) -> None:
        """Record it."""
        self.happened.append(("completed", None))

    def failed(self, error: SubgraphError) -> None:
        """Record the error."""
        self.happened.append(("failed", error))

    @property
    def kinds(self) -> list[str]:
        """Return what happened, without the values."""
        return [kind for kind, _ in self.happened]

    @property
    def events(self) -> list[Any]:
        """Return the events."""
        return [value for kind, value in self.happened if kind == "event"]

    @property
    def is_over(self) -> bool:
        """Return whether the stream has ended."""
        return bool({"completed", "failed"} & set(self.kinds))

    @property
    def error(self) -> SubgraphError:
        """Return the error with which the stream ended."""
        kind, value = self.happened[-1]
        assert kind == "failed" and isinstance(value, SubgraphError)
        return value

    async def has(self, kind: str, times: int = 1) -> None:
        """Wait until something has happened this often."""
        await until(lambda: self.kinds.count(kind) >= times)


class Source(Protocol):
    """A subgraph with the subscriptions `count(to:)`, `news`, `broken` and `whoami`."""

    port: int

    @property
    def readers(self) -> int:
        """Return the number of subscribers of `news`."""
        ...

    def push(self, text: str) -> None:
        """Send an event to all subscribers of `news`."""
        ...

    async def start(self) -> None:
        """Start the server; after `kill` on the same port."""
        ...

    async def kill(self) -> None:
        """End the server at once, without a word to its clients."""
        ...


@strawberry.type
class Query:
    """The root of queries, which no test asks."""

    x: int = 1


@strawberry.type
class News:
    """The root of subscriptions."""

    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        """Count from 0."""
        for number in range(to):
            yield number

    @strawberry.subscription
    async def news(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        """Pass on what is pushed."""
        readers: list[asyncio.Queue[str]] = info.context["readers"]
        queue: asyncio.Queue[str] = asyncio.Queue()
        readers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            readers.remove(queue)

    @strawberry.subscription
    async def broken(self) -> AsyncGenerator[int, None]:
        """Send an event, then an error."""
        yield 1
        raise GraphQLError("is broken")

    @strawberry.subscription
    async def whoami(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        """Send the authorization, of the request or of `connection_init`."""
        parameters: Mapping[str, Any] | None = info.context.get("connection_params")
        found = (info.context["request"].headers if parameters is None else parameters).get("authorization")
        yield str(found or "")


class StrawberrySource(GraphQL[Any, Any]):
    """Strawberry's ASGI application, served by uvicorn in this event loop; it speaks every protocol."""

    def __init__(self) -> None:
        schema = QuietSchema(Query, subscription=News)
        super().__init__(schema, subscription_protocols=EVERY_PROTOCOL)
        self.port = 0
        self.queues: list[asyncio.Queue[str]] = []
        self.server: uvicorn.Server | None = None
        self.task: asyncio.Task[None] | None = None

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        """Return the context of an operation."""
        return {"request": request, "response": response, "readers": self.queues}

    @property
    def readers(self) -> int:
        return len(self.queues)

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self.server.server_state.connections) if self.server else 0

    def push(self, text: str) -> None:
        for queue in self.queues:
            queue.put_nowait(text)

    async def start(self) -> None:
        quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "lifespan": "off", "ws": "wsproto"}
        server = uvicorn.Server(uvicorn.Config(self, port=self.port, timeout_graceful_shutdown=1, **quiet))
        self.server, self.task = server, asyncio.create_task(server.serve())
        await until(lambda: server.started)
        self.port = server.servers[0].sockets[0].getsockname()[1]

    async def kill(self) -> None:
        if self.server is None or self.task is None:
            return
        for listener in self.server.servers:
            listener.close()
        for connection in [*self.server.server_state.connections]:
            connection.transport.abort()
        self.server.should_exit = self.server.force_exit = True
        await self.task
        self.server = None


class QuietSchema(strawberry.Schema):
    """A schema that does not log the errors that tests make."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing."""


class NodeSource:
    """The Node program tests/libraries/streams/sse.mjs, over npm's graphql-sse."""

    def __init__(self) -> None:
        self.port = self.readers = 0
        self.process: asyncio.subprocess.Process | None = None
        self.reading: asyncio.Task[None] | None = None

    def push(self, text: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(json.dumps(text).encode() + b"\n")

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        command = (install(NODE), "sse.mjs", str(self.port))
        self.process = await asyncio.create_subprocess_exec(*command, cwd=NODE, stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None
        self.port = int(await self.process.stdout.readline())
        self.reading = asyncio.create_task(self._read(self.process.stdout))

    async def _read(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            self.readers = int(line)

    async def kill(self) -> None:
        if self.process is None or self.reading is None:
            return
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self.reading
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process, self.readers = None, 0


@asynccontextmanager
async def running(source: Source) -> AsyncIterator[None]:
    """Run a subgraph."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(source.kill)
        await source.start()
        yield


def streams_to(url: str, protocol: StreamProtocol, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> Streams:
    """Return the streams from a subgraph `a`. `settings`: of `SubgraphSubscriptions`."""
    own = SubgraphSubscriptions(protocol=protocol, **settings)
    return make_streams({"a": url}, Settings(subgraphs={"a": SubgraphSettings(subscriptions=own)}), clock)
