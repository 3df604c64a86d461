"""The protocol that every way to a subgraph follows."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

Headers = tuple[tuple[str, str], ...]
RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class SubgraphRequest:
    """One GraphQL request to one subgraph. `headers` are those that the forwarding rules let through, in lower case.

    `repeatable` says that sending it twice does no harm (a query), so that a broken connection may be tried once more. `lookups`: for
    a request that asks for entities and nothing else, the variables with representations, and the key of the entities of each.
    """

    subgraph: str
    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    headers: Headers = ()
    repeatable: bool = True
    lookups: tuple[tuple[str, str], ...] = ()

    def payload(self) -> dict[str, Any]:
        """The request as the JSON object of GraphQL over HTTP."""
        out: dict[str, Any] = {"query": self.query}
        if self.variables:
            out["variables"] = self.variables
        if self.operation_name:
            out["operationName"] = self.operation_name
        return out

    def body(self) -> bytes:
        """The payload as it goes out. Raises TypeError for a variable that JSON can't hold."""
        return orjson.dumps(self.payload(), option=orjson.OPT_NON_STR_KEYS)


class RawReply:
    """One HTTP reply as it came: status, body, and headers as pairs of bytes."""

    __slots__ = ("body", "raw_headers", "status")

    def __init__(self, status: int, body: bytes, raw_headers: RawHeaders) -> None:
        self.status = status
        self.body = body
        self.raw_headers = raw_headers


Outcome = RawReply | Exception  # a SubgraphError, or a mistake
Done = Callable[[Outcome], None]


class Handle(Protocol):
    """Something under way that can be given up; afterwards nobody is called back."""

    def cancel(self) -> object:
        """Give it up; does nothing when it is over."""
        ...


@dataclass(frozen=True, slots=True)
class SubgraphReply:
    """A subgraph's GraphQL response, read from JSON but not trusted yet. The payload is the receiver's, to merge into."""

    payload: Any
    raw_headers: RawHeaders = ()


class Transport(Protocol):
    """Sends requests to subgraphs."""

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """Send a request and wait at most `timeout` seconds for the whole reply.

        Raises SubgraphError: SUBGRAPH_UNREACHABLE, SUBGRAPH_TIMEOUT, SUBGRAPH_HTTP_ERROR or SUBGRAPH_BAD_RESPONSE.
        """
        ...

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float, done: Done
    ) -> Handle:
        """Send a request body, and call `done` once with the reply or with what `send` would raise, never before this returns."""
        ...

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """A raw reply as `send` would have returned it, or SubgraphError."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class _Spoken(RawReply):
    """A reply that was never bytes; its body is empty where JSON can't hold it."""

    __slots__ = ("reply",)

    def __init__(self, reply: SubgraphReply) -> None:
        try:
            body = orjson.dumps(reply.payload)
        except TypeError:
            body = b""
        super().__init__(200, body, [])
        self.reply = reply


class Spoken:
    """`post` and `read` for transports that call subgraphs directly, without bytes in between."""

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        raise NotImplementedError

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float, done: Done
    ) -> Handle:
        """See Transport.post."""
        return call_back(spoken(self.send, subgraph, body, headers, repeatable, timeout), done)

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """See Transport.read."""
        return reply.reply if isinstance(reply, _Spoken) else SubgraphReply(orjson.loads(reply.body), reply.raw_headers)


async def reply_to(post: Callable[[Done], Handle]) -> RawReply:
    """What a post calls back with, awaited; when the caller is cancelled, so is the request."""
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    handle = post(done)
    try:
        outcome = await future
    finally:
        handle.cancel()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def spoken(
    send: Callable[[SubgraphRequest, float], Awaitable[SubgraphReply]],
    subgraph: str,
    body: bytes,
    headers: Headers,
    repeatable: bool,
    timeout: float,
) -> RawReply:
    """A request's body as a request, and the reply to it as a body."""
    asked = orjson.loads(body)
    request = SubgraphRequest(
        subgraph, asked["query"], asked.get("variables"), asked.get("operationName"), headers, repeatable
    )
    return _Spoken(await send(request, timeout))


def call_back(work: Coroutine[Any, Any, RawReply], done: Done) -> Handle:
    """Run a coroutine as a task that calls back, for transports that await."""

    def over(task: "asyncio.Task[RawReply]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        done(error if isinstance(error, Exception) else task.result())

    task = asyncio.ensure_future(work)
    task.add_done_callback(over)
    return task
